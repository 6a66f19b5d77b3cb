"""What the options of a command stand for: a model, a walk, a way to draw; and where results may be written."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch

import ood_helpers as ood

from .. import domain_fingerprint, domain_parameters, fingerprint, load_model
from ..checks import check_device, check_integer
from ..files import write_whole
from .shared import denoise_together, invert_together
from .units import launch_note, local_device, rank_and_world

HIDDEN = ("attention_head_dim", "num_heads", "attention_order", "image_size", "schedule")  # what a checkpoint hides
PLAIN = str.maketrans({"±": "+-", "√": "sqrt ", "–": "-", "×": "x", "°": " deg"})
"""For terminals that cannot show all signs."""


def model_of(options):
    """Load the model, on the device of this process."""
    writable("--folder", Path(options.folder))
    if note := launch_note():
        print(note, file=sys.stderr, flush=True)
    device = check_device("--device", options.device) if options.device else local_device()
    hidden = {key: getattr(options, key) for key in ("variant", *HIDDEN)}
    return load_model(options.model, device=device, compile=options.compile, **hidden)


def walk_of(options) -> dict:
    """The settings of the walk."""
    return {"t": options.timestep, **{key: getattr(options, key) for key in ("steps", "solver", "precision")}}


def inverted(model, domain, options):
    """The store of a domain's latents, filled."""
    settings = {"seed": options.seed, "batch_size": options.batch_size, **walk_of(options)}
    enough(domain, options)
    return invert_together(model, domain, options.images, folder=options.folder, **settings)


def enough(domain, options, more: int = 0) -> None:
    """Raise at once if a domain has fewer images than ``--images``, and ``more``."""
    domain_parameters(domain, 1, options.seed, options.images + more - 1)


def outside(option: str, output: Path, domain) -> None:
    """Raise if images would be written among those of a domain, and be taken for them the next time."""
    if domain not in ood.list_domains() and Path(domain).resolve() in (output.resolve(), *output.resolve().parents):
        raise ValueError(f"{option}: got {str(output)!r}, within the domain {str(domain)!r}; expected another folder")


def writable(option: str, folder: Path) -> Path:
    """Return a folder, made if need be, that can be written; otherwise say so before there is any work to lose."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OSError(f"{option}: cannot write to {str(folder)!r} ({error.strerror})") from error


def record(file: Path, made_by: dict) -> None:
    """Write down what images are made by.

    Images that were made of other files by the same settings are stale, and removed; if those that are there were made
    by other settings, a ValueError says so.
    """
    content = (json.dumps(made_by, indent=1, sort_keys=True) + "\n").encode()
    before = json.loads(file.read_bytes() if file.exists() else content)
    if before | {"files": ""} != json.loads(content) | {"files": ""}:
        raise ValueError(f"--output: {str(file.parent)!r} holds images made by other settings, see {file.name} there")
    if before != json.loads(content):
        for stale in (*file.parent.glob("*.png"), *file.parent.glob("batches/*.done")):
            stale.unlink()
    write_whole(file, content)


def check_drawing(options) -> None:
    """Raise at once what drawing from the latents would raise after they have been inverted."""
    check_integer("--images", options.images, 1)
    check_integer("--count", getattr(options, "count", 1), 1)
    check_integer("--sampling-seed", options.sampling_seed, 0)
    stand_in = torch.randn(max(1, min(options.images, max(options.neighbors, 16))), 3, 8, 8)
    drawn(stand_in, options, 1)


def drawing_of(options) -> dict:
    """The settings of a way to draw, out of those that any way has."""
    names = {"centered": ("neighbors", "share"), "interpolate": ("weight",), "slerp-gaussian": ("weight",)}
    return {name: getattr(options, name) for name in names.get(options.method, ())}


def drawn(cloud, options, count: int) -> torch.Tensor:
    """New latents, the same in every process."""
    generator = torch.Generator().manual_seed(options.sampling_seed)
    return ood.sample_latents(cloud, count, options.method, generator=generator, **drawing_of(options))


def new_images(model, domain, options, folder: Path) -> list[Path]:
    """Draw latents among the inverted ones of a domain and denoise them into the files of a folder."""
    of_images = {name: getattr(options, name) for name in ("images", "seed", "count", "sampling_seed")}
    outside("--output", folder, domain)
    enough(domain, options)
    made_by = {"model": model.name, "weights": fingerprint(model), "method": options.method, **drawing_of(options)}
    made_from = {"domain": str(domain), "files": domain_fingerprint(domain)}
    record(folder / "settings.json", made_by | of_images | walk_of(options) | made_from)
    cloud = inverted(model, domain, options).tensor(0, options.images)
    latents = drawn(cloud, options, options.count)
    return denoise_together(model, latents, folder, batch_size=options.batch_size, **walk_of(options))


def say(text: str) -> None:
    """Print once, whatever the number of processes."""
    if rank_and_world()[0] == 0:
        code = getattr(sys.stdout, "encoding", None) or "utf-8"  # a notebook may have no stdout
        if code.lower().replace("-", "") != "utf8":
            text = text.translate(PLAIN).encode("ascii", "replace").decode()
        print(text, flush=True)
