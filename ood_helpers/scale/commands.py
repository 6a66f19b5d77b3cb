"""What the command line does: invert, sample, and the study of one domain, by one process or many."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np
import torch

import ood_helpers as ood

from ..checks import check_integer
from ..files import write_whole
from .settings import check_drawing, drawn, inverted, model_of, new_images, say, walk_of, writable
from .tables import table as table
from .units import rank_and_world

SHOWN = 64  # images whose round trip and interference the study measures


def invert(options) -> None:
    """Fill the store of a domain's latents, and say where it is."""
    store = inverted(model_of(options), options.domain, options)
    say(f"{store.path}: {len(store)} latents of shape {store.image_shape}")


def sample(options) -> None:
    """Draw latents among the inverted ones and denoise them into PNG files."""
    folder = writable("--output", Path(options.output))
    check_drawing(options)
    files = new_images(model_of(options), options.domain, options, folder)
    say(f"{folder}: {len(files)} images, {files[0].name} to {files[-1].name}")


def study(options) -> None:
    """Measure what the chapters measure: reconstruction, Gaussianity, geometry, separability, interference."""
    output = Path(options.output)
    if output.is_dir():
        raise ValueError(f"--output: got the folder {str(output)!r}, expected a file for the results")
    writable("--output", output.parent)
    check_integer("--images", options.images, 8)
    check_drawing(options)
    model = model_of(options)
    domains = {"unseen": options.domain, "own": options.own}
    clouds = {name: inverted(model, domain, options).tensor(0, options.images) for name, domain in domains.items()}
    if rank_and_world()[0]:
        return
    quiet = {**walk_of(options), "batch_size": options.batch_size, "progress": False}
    found = {"model": model.name, "n": options.images, **domains, **walk_of(options)}
    for name, cloud in clouds.items():
        images = ood.load_domain(domains[name], min(SHOWN, options.images), model.image_shape[-1], options.seed)
        copies = ood.denoise(model, cloud[: len(images)], **quiet).cpu()
        found[name] = {
            "domain": domains[name],
            "reconstruction_error": ood.reconstruction_error(images, copies).tolist(),
            "geometry": _plain(ood.geometry(cloud)),
            "gaussianity": {t.name: {"effect": t.effect, "p": t.p_value} for t in ood.gaussianity(cloud).tests},
        }
    found["center_distance"] = _plain(ood.center_distance(clouds["own"], clouds["unseen"]))
    found["separability"] = _plain(ood.separability(clouds["own"], clouds["unseen"]))
    made = ood.denoise(model, drawn(clouds["unseen"], options, SHOWN), **quiet).clamp(-1, 1).cpu()
    found["diversity"] = ood.diversity(made).value
    if {options.domain, options.own} <= set(ood.load_scorer().domains):
        found["interference"] = _plain(ood.interference_rate(made, options.own, options.domain))
    write_whole(output, (json.dumps(found, indent=1) + "\n").encode())
    say(_summary(found, clouds))
    say(f"written to {output}")


def _plain(value):
    """A result as JSON has it."""
    if is_dataclass(value):
        return {key: _plain(part) for key, part in asdict(value).items()}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value.tolist()
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _summary(found: dict, clouds: dict) -> str:
    lines = []
    for name, cloud in clouds.items():
        mae = np.mean(found[name]["reconstruction_error"])
        lines.append(f"{found[name]['domain']} ({name}): reconstruction MAE {mae:.4f}; {ood.geometry(cloud)}")
    separable = found["separability"]["accuracy"]
    lines.append(f"linear classifier: held-out accuracy {separable:.3f}")
    rate = found.get("interference", {}).get("rate")
    interference = "" if rate is None else f", mode interference {rate:.3f}"
    lines.append(f"{SHOWN} new images: diversity {found['diversity']:.4f}{interference}")
    return "\n".join(lines)
