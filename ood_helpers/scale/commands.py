"""What the command line does: invert, sample, and the study of one domain, by one process or many."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np
import torch

import ood_helpers as ood

from ..models.frozen import fingerprint
from ..models.loading import load_model
from .shared import denoise_together, invert_together
from .units import launch_note, local_device, rank_and_world, write_whole

SHOWN = 64  # images whose round trip and interference the study measures


def invert(options) -> None:
    """Fill the store of a domain's latents, and say where it is."""
    store = _inverted(_model(options), options.domain, options)
    _say(f"{store.path}: {len(store)} latents of shape {store.image_shape}")


def sample(options) -> None:
    """Draw latents among the inverted ones and denoise them into PNG files."""
    folder = _writable("--output", Path(options.output))
    _check_drawing(options)
    model = _model(options)
    of_images = {name: getattr(options, name) for name in ("domain", "images", "seed", "count", "sampling_seed")}
    made_by = {"model": model.name, "weights": fingerprint(model), "method": options.method, **_drawing(options)}
    _record(folder / "settings.json", made_by | of_images | _walk(options))
    cloud = _inverted(model, options.domain, options).tensor(0, options.images)
    drawn = _drawn(cloud, options, options.count)
    files = denoise_together(model, drawn, folder, batch_size=options.batch_size, **_walk(options))
    _say(f"{folder}: {len(files)} images, {files[0].name} to {files[-1].name}")


def study(options) -> None:
    """Measure what the chapters measure: reconstruction, Gaussianity, geometry, separability, interference."""
    output = Path(options.output)
    _writable("--output", output.parent)
    _check_drawing(options)
    model = _model(options)
    domains = {"unseen": options.domain, "own": options.own}
    clouds = {name: _inverted(model, domain, options).tensor(0, options.images) for name, domain in domains.items()}
    if rank_and_world()[0]:
        return
    quiet = {**_walk(options), "batch_size": options.batch_size, "progress": False}
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
    write_whole(output, (json.dumps(found, indent=1) + "\n").encode())
    _say(_summary(found, clouds))
    _say(f"written to {output}")


def _model(options):
    _writable("--folder", Path(options.folder))
    if note := launch_note():
        print(note, file=sys.stderr, flush=True)
    device = torch.device(options.device) if options.device else local_device()
    hidden = {key: getattr(options, key) for key in ("variant", "attention_head_dim", "image_size", "schedule")}
    return load_model(options.model, device=device, **hidden)


def _walk(options) -> dict:
    return {"t": options.timestep, **{key: getattr(options, key) for key in ("steps", "solver", "precision")}}


def _inverted(model, domain, options):
    domain = Path(domain) if Path(domain).is_dir() else domain
    settings = {"seed": options.seed, "batch_size": options.batch_size, **_walk(options)}
    return invert_together(model, domain, options.images, folder=options.folder, **settings)


def _writable(option: str, folder: Path) -> Path:
    """Return a folder, made if need be, that can be written; otherwise say so before there is any work to lose."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OSError(f"{option}: cannot write to {str(folder)!r} ({error.strerror})") from error


def _record(file: Path, made_by: dict) -> None:
    """Write down what images are made by, or raise ValueError if those that are there were made by something else."""
    content = (json.dumps(made_by, indent=1, sort_keys=True) + "\n").encode()
    if file.exists() and file.read_bytes() != content:
        raise ValueError(f"--output: {str(file.parent)!r} holds images made by other settings, see {file.name} there")
    write_whole(file, content)


def _check_drawing(options) -> None:
    """Raise at once what drawing from the latents would raise after they have been inverted."""
    stand_in = torch.randn(max(1, min(options.images, max(options.neighbours, 16))), 3, 8, 8)
    _drawn(stand_in, options, 1)


def _drawing(options) -> dict:
    """The settings of a way to draw, out of those that any way has."""
    names = {"centred": ("neighbours", "share"), "interpolate": ("weight",), "slerp-gaussian": ("weight",)}
    return {name: getattr(options, name) for name in names.get(options.method, ())}


def _drawn(cloud, options, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(options.sampling_seed)
    return ood.sample_latents(cloud, count, options.method, generator=generator, **_drawing(options))


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


def _say(text: str) -> None:
    """Print once, whatever the number of processes."""
    if rank_and_world()[0] == 0:
        print(text, file=sys.stdout, flush=True)
