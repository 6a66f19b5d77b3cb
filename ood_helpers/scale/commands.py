"""What the command line does: invert, sample, and the study of one domain, by one process or many."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np
import torch

import ood_helpers as ood

from ..models.loading import load_model
from .shared import denoise_together, invert_together
from .units import local_device, rank_and_world, write_whole

SHOWN = 64  # images whose round trip and interference the study measures


def invert(options) -> None:
    """Fill the store of a domain's latents, and say where it is."""
    store = _inverted(_model(options), options.domain, options)
    _say(f"{store.path}: {len(store)} latents of shape {store.image_shape}")


def sample(options) -> None:
    """Draw latents among the inverted ones and denoise them into PNG files."""
    model = _model(options)
    cloud = _inverted(model, options.domain, options).tensor(0, options.images)
    files = denoise_together(model, _drawn(cloud, options, options.count), options.output, **_walk(options))
    _say(f"{options.output}: {len(files)} images, {files[0].name} to {files[-1].name}")


def study(options) -> None:
    """Measure what the chapters measure: reconstruction, Gaussianity, geometry, separability, interference."""
    model = _model(options)
    domains = {"unseen": options.domain, "own": options.own}
    clouds = {name: _inverted(model, domain, options).tensor(0, options.images) for name, domain in domains.items()}
    if rank_and_world()[0]:
        return
    quiet = {**_walk(options), "progress": False}
    found = {"model": model.name, "n": options.images, **domains, **_walk(options)}
    for name, cloud in clouds.items():
        images = ood.load_domain(domains[name], min(SHOWN, options.images), model.image_shape[-1], options.seed)
        copies = ood.denoise(model, cloud[: len(images)], **quiet).cpu()
        found[name] = {
            "domain": domains[name],
            "reconstruction_error": ood.reconstruction_error(images, copies).tolist(),
            "geometry": _plain(ood.geometry(cloud)),
            "gaussianity": {t.name: {"effect": t.effect, "p": t.p_value} for t in ood.gaussianity(cloud).tests},
        }
    found["centre_distance"] = _plain(ood.centre_distance(clouds["own"], clouds["unseen"]))
    found["separability"] = _plain(ood.separability(clouds["own"], clouds["unseen"]))
    drawn = _drawn(clouds["unseen"], options, SHOWN)
    made = ood.denoise(model, drawn, **quiet).clamp(-1, 1).cpu()
    found["diversity"] = ood.diversity(made).value
    if {options.domain, options.own} <= set(ood.load_scorer().domains):
        found["interference"] = _plain(ood.interference_rate(made, options.own, options.domain))
    output = Path(options.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(output, (json.dumps(found, indent=1) + "\n").encode())
    _say(_summary(found, clouds))
    _say(f"written to {output}")


def _model(options):
    device = torch.device(options.device) if options.device else local_device()
    hidden = {key: getattr(options, key) for key in ("attention_head_dim", "image_size", "schedule")}
    return load_model(options.model, device=device, **hidden)


def _walk(options) -> dict:
    return {"t": options.timestep, **{key: getattr(options, key) for key in ("steps", "solver", "precision")}}


def _inverted(model, domain, options):
    domain = Path(domain) if Path(domain).is_dir() else domain
    walk = _walk(options)
    return invert_together(model, domain, options.images, folder=options.folder, seed=options.seed, **walk)


def _drawn(cloud, options, count: int) -> torch.Tensor:
    settings = {"neighbours": options.neighbours, "share": options.share} if options.method == "centred" else {}
    generator = torch.Generator().manual_seed(options.sampling_seed)
    return ood.sample_latents(cloud, count, options.method, generator=generator, **settings)


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
    return "\n".join(lines)


def _say(text: str) -> None:
    """Print once, whatever the number of processes."""
    if rank_and_world()[0] == 0:
        print(text, file=sys.stdout, flush=True)
