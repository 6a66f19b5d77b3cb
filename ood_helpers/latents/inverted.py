"""Inverted latents of a domain, kept on disk: whoever asks a second time finds them there."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from tqdm import tqdm

import ood_helpers

from ..checks import check_choice, check_integer, check_model
from ..domains import domain_fingerprint, domain_parameters, load_domain
from ..kernels.levels import inversion_levels
from ..kernels.runtime import PRECISIONS, network_dtype
from ..kernels.walk import EXPLICIT, SOLVERS, invert, path
from ..models.frozen import FrozenModel, fingerprint
from .store import LatentStore

BATCH = 16  # an interrupted run goes on with the very batches of an uninterrupted one


def inverted_latents(
    model: FrozenModel,
    domain: str | Path,
    n: int,
    *,
    folder: str | os.PathLike,
    seed: int = 0,
    t: int = 800,
    steps: int = 50,
    solver: str = "ddim",
    grid: str | Sequence[float] | None = None,
    precision: str = "auto",
    progress: bool = True,
) -> LatentStore:
    """Return a store with the latents of a domain's first ``n`` images at least, inverting those that it lacks.

    Parameters
    ----------
    model, domain, seed
        As for `load_model` and `load_domain`.
    n : int
        Number of images. A store that holds more, from an earlier call, is returned as it is.
    folder : path
        Where stores are kept, one for each combination of settings: the model and a hash of its weights, the domain,
        the walk, the precision that was used, and the version and a hash of the code.
    t, steps, solver, grid, precision, progress
        As in `invert`; a sequence of timesteps as ``grid`` takes the place of ``t`` and ``steps``.
    """
    _check_images(model, domain, n, seed)
    check_choice("solver", solver, SOLVERS)
    t, steps = check_integer("t", t, 0), check_integer("steps", steps, 1)
    walk: dict[str, Any] = {"t": t, "steps": steps, "solver": solver, "grid": grid}
    if grid is None or isinstance(grid, str):
        inversion_levels(model.alphas_cumprod, t, steps, grid or "uniform")  # what it refuses, it refuses now
    else:
        timesteps = [level.t for level in inversion_levels(model.alphas_cumprod, grid=grid)]
        last = int(timesteps[-1]) if timesteps[-1].is_integer() else timesteps[-1]
        walk |= {"t": last, "steps": len(timesteps) - 1, "grid": timesteps}
    store = open_store(folder, model, domain, seed, precision, walk)
    for start in range(len(store), n, BATCH):
        images = batch_of_images(model, domain, n, seed, start)
        store.append(invert(model, images, **walk, precision=precision, progress=progress, batch_size=BATCH), start)
    return store


def climbing_latents(
    model: FrozenModel,
    domain: str | Path,
    n: int,
    heights: Sequence[int],
    *,
    folder: str | os.PathLike,
    seed: int = 0,
    steps: int = 40,
    solver: str = "dpm2m",
    precision: str = "float32",
    progress: bool = True,
) -> dict[int, LatentStore]:
    """Return latents of a domain's first ``n`` images at several heights, ascending, all from one walk to the highest.

    Killed halfway it continues, and repeats a batch that some stores lack.

    Parameters
    ----------
    model, domain, n, folder, seed, precision, progress
        As for `inverted_latents`; float32 by default, since these latents serve as a reference for others.
    heights : sequence of int
        Timesteps, in any order.
    steps, solver : int, {"ddim", "ab2", "heun", "dpm2m", "unipc"}
        Of the walk to the highest, even in ``log sigma``; the heights are added to its levels.
    """
    _check_images(model, domain, n, seed)
    check_choice("solver", solver, EXPLICIT)
    if isinstance(heights, str) or not isinstance(heights, Iterable):
        raise TypeError(f"heights: got {heights!r}, expected timesteps")
    heights = sorted({check_integer("heights", t, 0) for t in heights})
    if not heights:
        raise ValueError("heights: got none, expected at least one timestep")
    spread = inversion_levels(model.alphas_cumprod, heights[-1], steps, "log-snr")
    grid = sorted({level.t for level in spread} | set(map(float, heights)))
    levels = inversion_levels(model.alphas_cumprod, grid=grid)
    walk = {"steps": len(grid) - 1, "solver": solver, "grid": grid}
    stores = {t: open_store(folder, model, domain, seed, precision, {"t": t, **walk}) for t in heights}
    starts = range(min(map(len, stores.values())), n, BATCH)
    for start in tqdm(starts, "climb", disable=not progress, leave=False, file=sys.stderr):
        images = batch_of_images(model, domain, n, seed, start)
        for level, latents in path(model, images, levels, EXPLICIT[solver], precision=precision):
            if level.t in stores:
                stores[int(level.t)].append(latents, start)
    return stores


def _check_images(model: FrozenModel, domain: str | Path, n: int, seed: int) -> None:
    """Raise now what would be raised when the last image is asked for, after all the others were inverted."""
    check_model("model", model)
    domain_parameters(domain, 1, seed, check_integer("n", n, 1) - 1)


def open_store(
    folder: str | os.PathLike, model: FrozenModel, domain: str | Path, seed: int, precision: str, walk: dict
) -> LatentStore:
    """Open the store of these settings in a folder of stores, or make an empty one."""
    names: dict[Any, str] = {kind: name for name, kind in PRECISIONS.items()}
    settings = {
        "model": model.name,
        "weights": fingerprint(model),
        "domain": str(domain),
        "files": domain_fingerprint(domain),
        "seed": check_integer("seed", seed, 0),
        "image_shape": list(model.image_shape),
        **walk,
        "precision": names.get(network_dtype(model, precision), "closed form"),
        "compiled": getattr(model.predictor, "compiled", False),
        "device": model.device.type,
        "ood_helpers": ood_helpers.__version__,
        "code": _code_fingerprint(),
    }
    digest = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:12]
    name = f"{model.name:.60}-{Path(str(domain)).name:.60}-{digest}".replace(" ", "-")  # 255 bytes at most
    return LatentStore(Path(folder) / name, settings)


def batch_of_images(model: FrozenModel, domain: str | Path, n: int, seed: int, start: int) -> torch.Tensor:
    """Return a domain's images from ``start`` on, one batch at most, as a model takes them, on its device.

    Gray for a model of one channel, the middle for oblong images; less than 8 pixels are averaged from 8.
    """
    channels, height, width = model.image_shape
    images = load_domain(domain, min(BATCH, n - start), max(height, width, 8), seed, start)
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    if max(height, width) >= 8:
        images = images[:, :, top : top + height, left : left + width]
    else:
        images = functional.adaptive_avg_pool2d(images, (height, width))
    return (images.mean(1, keepdim=True) if channels == 1 else images).to(model.device)


@cache
def _code_fingerprint() -> str:
    """Hash of what latents depend on: the statements of models, domains, kernels and this module, not their words."""
    package = Path(__file__).parents[1]
    sources = sorted(file for room in ("models", "domains", "kernels") for file in (package / room).rglob("*.py"))
    statements = "\n".join(_statements(file.read_text("utf-8")) for file in (*sources, Path(__file__)))
    return hashlib.sha256(statements.encode()).hexdigest()[:16]


def _statements(source: str) -> str:
    """What a module does, without comments, layout, docstrings and annotations of functions."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return ast.dump(tree)
