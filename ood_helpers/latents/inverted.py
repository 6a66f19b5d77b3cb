"""Inverted latents of a domain, kept on disk: whoever asks a second time finds them there."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch
from torch.nn import functional
from tqdm import tqdm

from ..checks import check_choice, check_integer
from ..domains import domain_fingerprint, load_domain
from ..kernels.levels import inversion_levels
from ..kernels.runtime import PRECISIONS, network_dtype
from ..kernels.walk import EXPLICIT, invert, path
from ..models.frozen import fingerprint
from .store import LatentStore

BATCH = 16  # an interrupted run goes on with the very batches of an uninterrupted one


def inverted_latents(
    model,
    domain,
    n: int,
    *,
    folder: str | os.PathLike,
    seed: int = 0,
    t: int = 800,
    steps: int = 50,
    solver: str = "ddim",
    grid: str | None = None,
    precision: str = "auto",
    progress: bool = True,
) -> LatentStore:
    """Return a store with the latents of a domain's first ``n`` images at least, inverting those that it lacks.

    Parameters
    ----------
    model : FrozenModel
    domain : str or Path
        As for `load_domain`.
    n : int
        Number of images. A store that holds more, from an earlier call, is returned as it is.
    folder : path
        Where stores are kept, one for each combination of settings.
    seed : int
        Which images.
    t, steps, solver, grid, precision, progress
        As in `invert`.

    Returns
    -------
    LatentStore
        Its ``settings`` say what made it: the model and a hash of its weights, the domain, the seed, the walk, the
        precision that was used, and the version and a hash of the code: after an edit of it, latents are made anew.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As from `load_domain` and `invert`.
    """
    check_integer("n", n, 1)
    walk = {"t": check_integer("t", t, 0), "steps": check_integer("steps", steps, 1), "solver": solver, "grid": grid}
    if grid is not None and not isinstance(grid, str):
        walk["grid"] = [float(level.t) for level in inversion_levels(model.alphas_cumprod, grid=grid)]
    store = open_store(folder, model, domain, seed, precision, walk)
    for start in range(len(store), n, BATCH):
        images = batch_of_images(model, domain, n, seed, start)
        store.append(invert(model, images, **walk, precision=precision, progress=progress, batch_size=BATCH), start)
    return store


def climbing_latents(
    model,
    domain,
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
    """Return latents of a domain's first ``n`` images at several heights, all from one walk to the highest.

    Parameters
    ----------
    model, domain, n, folder, seed, progress
        As for `inverted_latents`.
    heights : sequence of int
        Timesteps, in any order.
    steps : int
        Of the walk to the highest, even in ``log sigma``; the heights are added to its levels.
    solver : {"ddim", "ab2", "heun", "dpm2m", "unipc"}
    precision
        As in `invert`; by default float32, since these latents serve as a reference for others.

    Returns
    -------
    dict of int to LatentStore
        By height, ascending. Killed halfway it continues, and repeats a batch that some stores lack.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As from `load_domain` and `inversion_levels`, or if there is no height.
    """
    check_integer("n", n, 1)
    check_choice("solver", solver, EXPLICIT)
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
            store = stores.get(int(level.t)) if level.t.is_integer() else None
            if store is not None:
                store.append(latents, start)
    return stores


def open_store(folder, model, domain, seed: int, precision: str, walk: dict) -> LatentStore:
    """Open the store of these settings in a folder of stores, or make an empty one."""
    names = {kind: name for name, kind in PRECISIONS.items()}
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
        "ood_helpers": version("ood-helpers"),
        "code": _code_fingerprint(),
    }
    digest = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:12]
    name = f"{model.name}-{Path(str(domain)).name}-{digest}".replace(" ", "-")
    return LatentStore(Path(folder) / name, settings)


def batch_of_images(model, domain, n: int, seed: int, start: int) -> torch.Tensor:
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
    """Hash of what latents depend on: the statements of models, domains and kernels, not their words."""
    package = Path(__file__).parents[1]
    sources = sorted(file for room in ("models", "domains", "kernels") for file in (package / room).glob("*.py"))
    return hashlib.sha256("\n".join(_statements(file.read_text("utf-8")) for file in sources).encode()).hexdigest()[:16]


def _statements(source: str) -> str:
    """Return what a module does, written down without comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        words = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
        if words and len(node.body) > 1:
            del node.body[0]
    return ast.dump(tree)
