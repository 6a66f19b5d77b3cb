"""The paper's Tables 1 to 3 at any scale: inversions and images by many processes, the paper's numbers beside ours."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pandas as pd

import ood_helpers as ood

from .. import features_of, inception
from ..files import write_whole
from ..pages import tables
from .settings import check_drawing, enough, inverted, model_of, new_images, say, walk_of, writable
from .shared import errors_together
from .units import rank_and_world


def table(options) -> None:
    """Make a table, write it as a CSV file, and print it."""
    output = writable("--output", Path(options.output))
    if len(options.own) != len(options.model):
        raise ValueError(f"--own: got {len(options.own)}, expected one for each of {len(options.model)} --model")
    if options.table != 1 and len(options.model) != 1:
        raise ValueError(f"--model: got {len(options.model)}, expected one: tables 2 and 3 are of one model")
    own, domains = [_named(text) for text in options.own], dict(map(_named, options.domain))
    make = {1: generation, 2: reconstruction, 3: latents}[options.table]
    found = make(options, own, domains)
    if rank_and_world()[0] == 0:
        file = output / f"table-{options.table}.csv"
        write_whole(file, found.to_csv().encode())
        say(f"{found.to_string()}\nwritten to {file}")


def generation(options, own: list, domains: dict) -> pd.DataFrame | None:
    """Table 1: Frechet distance of new images to others of their domain, over the models that did not see it.

    The images that it is measured to follow those that were inverted. The floor is their distance to the latter.
    """
    check_drawing(options)
    network = {"scorer": lambda: None, "inception": inception}[options.features]()
    found, floors = {}, {}
    for name_of_model, (own_name, _) in zip(options.model, own, strict=True):
        model = model_of(Namespace(**{**vars(options), "model": name_of_model}))
        for name, domain in domains.items():
            if name == own_name:
                continue
            enough(domain, options, options.count)
            folder = writable("--output", Path(options.output) / "images" / f"{model.name}-{name}")
            new_images(model, domain, options, folder)
            if rank_and_world()[0] == 0:
                size = model.image_shape[-1]
                given, others, made = (
                    features_of(images, network)
                    for images in (
                        ood.load_domain(domain, min(options.images, options.count), size, options.seed),
                        ood.load_domain(domain, options.count, size, options.seed, start=options.images),
                        ood.load_domain(folder, options.count, size),
                    )
                )
                found.setdefault(name, []).append(ood.frechet_distance(made, others))
                floors[name] = ood.frechet_distance(given, others)
    return tables.sampling(found, floors, options.features)


def reconstruction(options, own: list, domains: dict) -> pd.DataFrame:
    """Table 2: the error of the round trip of every inverted image."""
    model, ((own_name, _),) = model_of(Namespace(**{**vars(options), "model": options.model[0]})), own
    errors = {}
    for name, domain in (dict(own) | domains).items():
        store = inverted(model, domain, options)
        settings = {"seed": options.seed, "batch_size": options.batch_size, **walk_of(options)}
        errors[name] = errors_together(model, domain, store, options.images, **settings)
    return tables.reconstruction(errors, own_name)


def latents(options, own: list, domains: dict) -> pd.DataFrame | None:
    """Table 3: the geometry of each cloud, and how far and how separable it is from that of the training domain."""
    model, ((own_name, _),) = model_of(Namespace(**{**vars(options), "model": options.model[0]})), own
    stores = {name: inverted(model, domain, options) for name, domain in (dict(own) | domains).items()}
    if rank_and_world()[0]:
        return None
    home = stores[own_name].tensor(0, options.images)
    found, centers, accuracy = {}, {}, {}
    for name, store in stores.items():  # one cloud at a time beside the model's own: each may fill a gigabyte
        cloud = store.tensor(0, options.images)
        found[name] = ood.geometry(cloud)
        if name != own_name:
            centers[name] = ood.center_distance(home, cloud)
            accuracy[name] = ood.separability(home, cloud).accuracy
    beside = tables.separation(centers, accuracy).rename(index=lambda name: f"{name} (OOD)")
    return tables.geometry(found, own_name).join(beside).fillna("–")


def _named(text: str) -> tuple[str, str | Path]:
    """Read ``NAME`` or ``NAME=FOLDER``."""
    name, _, folder = text.partition("=")
    return (name, Path(folder).expanduser()) if folder else (name, name)
