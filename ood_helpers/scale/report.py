"""What the commands report: the study of one domain, and the paper's Tables 1 to 3, its numbers beside ours.

All processes share the walks; the first one measures and writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import torch

import ood_helpers as ood

from .. import FrozenModel, LatentStore, inception
from ..files import write_whole
from ..pages import tables
from .study import Domain, Study, check_output, inverted, round_trip_errors, write_images
from .tunings import LED, Embedding, tuned_images

SHOWN = 64  # images whose round trip the study measures


def sample(model: FrozenModel, domain: Domain, plan: Study, folder: Path) -> str:
    """Write new images of a domain into a folder, and say where they are."""
    check_output(folder, model, domain, plan)
    (store,) = inverted(model, [domain], plan)
    latents = plan.draw(store.tensor(0, plan.images), plan.count)
    files = write_images(lambda start, stop: plan.denoise(model, latents[start:stop]), plan, folder)
    return f"{folder}: {len(files)} images, {files[0].name} to {files[-1].name}"


def study(model: FrozenModel, domain: Domain, own: Domain, plan: Study, output: Path) -> str:
    """Write as JSON what the chapters measure, and return a summary, in the first process."""
    names = {"unseen": str(domain), "own": str(own)}
    stand_in = torch.randn(8, *model.image_shape, generator=torch.Generator().manual_seed(0))
    _measure(names, {"unseen": stand_in, "own": -stand_in}, [stand_in, stand_in], stand_in)  # what raises, raises now
    stores = inverted(model, [domain, own], plan)
    errors = round_trip_errors(model, [domain, own], stores, min(SHOWN, plan.images), plan)
    if plan.rank:
        return ""
    clouds = {name: store.tensor(0, plan.images) for name, store in zip(names, stores, strict=True)}
    made = plan.denoise(model, plan.draw(clouds["unseen"], plan.count)).cpu()
    found, summary = _measure(names, clouds, errors, made)
    found = {"model": model.name, "n": plan.images, **plan.walk, **found}
    plain = lambda value: asdict(value) if is_dataclass(value) else value.tolist()  # noqa: E731
    write_whole(output, (json.dumps(found, indent=1, default=plain) + "\n").encode())
    return f"{summary}\nwritten to {output}"


def _measure(
    names: Mapping[str, str], clouds: Mapping[str, torch.Tensor], errors: Sequence[torch.Tensor], made: torch.Tensor
) -> tuple[dict, str]:
    """Return what is measured, by name, and a summary."""
    found, lines = {}, []
    for (role, name), mae in zip(names.items(), errors, strict=True):
        where = ood.geometry(clouds[role])
        tests = {test.name: {"effect": test.effect, "p": test.p_value} for test in ood.gaussianity(clouds[role]).tests}
        found[role] = {"domain": name, "reconstruction_error": mae, "geometry": where, "gaussianity": tests}
        lines.append(f"{name} ({role}): reconstruction MAE {mae.mean():.4f}; {where}")
    found["center_distance"] = ood.center_distance(clouds["own"], clouds["unseen"])
    found["separability"] = apart = ood.separability(clouds["own"], clouds["unseen"])
    found["diversity"] = ood.diversity(made).value
    lines.append(f"linear classifier: held-out accuracy {apart.accuracy:.3f}")
    lines.append(f"{len(made)} new images: diversity {found['diversity']:.4f}")
    if set(names.values()) <= set(ood.load_scorer().domains):
        found["interference"] = rate = ood.interference_rate(made, names["own"], names["unseen"])
        lines[-1] += f", mode interference {rate.rate:.3f}"
    return found, "\n".join(lines)


def table(
    number: int,
    models: Sequence[FrozenModel],
    own: Sequence[tuple[str, Domain]],
    domains: Mapping[str, Domain],
    plans: Sequence[Study],
    features: str,
    embed: Embedding | None,
    output: Path,
) -> str:
    """Make a table of models, each with its own domain, and of other domains, as CSV; and return it as text.

    Table 1 has a plan for each method, the others one.
    """
    home, plan = own[0][0], plans[0]
    if number == 1:
        found = _generation(models, own, domains, plans, features, embed, output)
    else:
        stores = inverted(models[0], list(domains.values()), plan)
        if number == 2:
            errors = round_trip_errors(models[0], list(domains.values()), stores, plan.images, plan)
            found = tables.reconstruction(dict(zip(domains, errors, strict=True)), home)
        elif plan.rank == 0:
            found = _geometry(dict(zip(domains, stores, strict=True)), home, plan.images)
    if plan.rank:
        return ""
    file = output / f"table-{number}.csv"
    write_whole(file, found.to_csv().encode())
    return f"{found.to_string()}\nwritten to {file}"


def _geometry(stores: Mapping[str, LatentStore], own: str, n: int) -> pd.DataFrame:
    """Table 3: the geometry of each cloud, and how far and how separable it is from that of the training domain."""
    home = stores[own].tensor(0, n)
    found, centers, accuracy = {}, {}, {}
    for name, store in stores.items():  # one cloud at a time beside the model's own: each may fill a gigabyte
        cloud = store.tensor(0, n)
        found[name] = ood.geometry(cloud)
        if name != own:
            centers[name] = ood.center_distance(home, cloud)
            accuracy[name] = ood.separability(home, cloud, permutations=0).accuracy
    beside = tables.separation(centers, accuracy).rename(index=lambda name: f"{name} (OOD)")
    return tables.geometry(found, own).join(beside).fillna("–")


def _generation(
    models: Sequence[FrozenModel],
    own: Sequence[tuple[str, Domain]],
    domains: Mapping[str, Domain],
    plans: Sequence[Study],
    features: str,
    embed: Embedding | None,
    output: Path,
) -> pd.DataFrame:
    """Table 1: distances of new images to others of their domain, and copies, by method and over models.

    The images that they are measured to follow those that were given. The floor is their distance to the latter. Copies
    are found at 64 x 64 pixels.
    """
    network = inception().to(models[0].device) if features == "inception" else None
    n, seed = plans[0].count, plans[0].seed
    jobs = [
        (model, home, name, plan, output / "images" / plan.method / f"{model.name}-{name}")
        for plan in plans
        for model, (seen, home) in zip(models, own, strict=True)
        for name in domains
        if name != seen
    ]
    for model, home, name, plan, folder in jobs:
        check_output(folder, model, domains[name], plan, home if plan.method in LED else None)
    count = plans[0].images

    @cache
    def seen(source: Domain, how_many: int, size: int, start: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = ood.load_domain(source, how_many, size, seed, start)
        return ood.features_of(x, network), torch.nn.functional.adaptive_avg_pool2d(x, 64)

    found, floors = {}, {}
    for model, home, name, plan, folder in jobs:
        if plan.tuning is None:
            sample(model, domains[name], plan, folder)
        elif plan.rank == 0:
            tuned_images(model, home, domains[name], plan, embed, folder)
        if plan.rank == 0:
            size, settings = model.image_shape[-1], plan.drawing | plan.walk
            row = name, plan.method, ", ".join(f"{key}={value}" for key, value in settings.items())
            made, small = seen(folder, n, size, 0)
            given, inputs = seen(domains[name], count, size, 0)
            others, held_out = seen(domains[name], n, size, count)
            new = ood.novelty(small, inputs, held_out, network=torch.nn.Flatten())
            distances = {"frechet": ood.frechet_distance(made, others), "kernel": ood.kernel_distance(made, others)}
            found.setdefault(row, []).append(distances | {"copies": new.copies})
            floors[name] = ood.frechet_distance(given[:n], others)
    return tables.sampling(found, floors, features)
