"""Inverted latents of a domain, kept on disk: whoever asks a second time finds them there."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ..checks import check_integer
from ..domains import domain_files, load_domain
from ..kernels.runtime import PRECISIONS, network_dtype
from ..kernels.walk import invert
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
    names = {kind: name for name, kind in PRECISIONS.items()}
    settings = {
        "model": model.name,
        "weights": fingerprint(model),
        "domain": str(domain),
        "files": hashlib.sha256("\n".join(domain_files(domain)).encode()).hexdigest()[:16],
        "seed": seed,
        "image_shape": list(model.image_shape),
        "t": t,
        "steps": steps,
        "solver": solver,
        "grid": grid,
        "precision": names.get(network_dtype(model, precision), "closed form"),
        "device": model.device.type,
        "ood_helpers": version("ood-helpers"),
        "code": _code_fingerprint(),
    }
    digest = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:12]
    store = LatentStore(Path(folder) / f"{model.name}-{Path(str(domain)).name}-{digest}".replace(" ", "-"), settings)
    for start in range(len(store), n, BATCH):
        images = load_domain(domain, min(BATCH, n - start), model.image_shape[-1], seed, start)
        store.append(
            invert(
                model,
                images.to(model.device),
                t=t,
                steps=steps,
                solver=solver,
                grid=grid,
                precision=precision,
                progress=progress,
                batch_size=BATCH,
            )
        )
    return store


@cache
def _code_fingerprint() -> str:
    """Hash of the modules that latents depend on: those of models, domains and kernels."""
    package = Path(__file__).parents[1]
    sources = sorted(file for room in ("models", "domains", "kernels") for file in (package / room).glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:16]
