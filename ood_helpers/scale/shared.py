"""Inverted latents, their errors and new images by many processes: the files of one process, in less time."""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .. import BATCH, LatentStore, batch_of_images, denoise, invert, open_store, reconstruction_error
from ..checks import check_integer
from ..files import write_whole
from .units import alone, rank_and_world, work


def invert_together(
    model,
    domain,
    n: int,
    *,
    folder: str | os.PathLike,
    seed: int = 0,
    precision: str = "auto",
    batch_size: int = BATCH,
    progress: bool = True,
    **walk,
) -> LatentStore:
    """Do what `inverted_latents` does, in every process that calls it with the same arguments.

    Images are inverted in the very batches of a single process. Each batch is a file in the folder ``units`` of the
    store until all are there; then one process appends them in order.

    Parameters
    ----------
    model, domain, n, folder, seed, precision, progress
        As for `inverted_latents`; ``folder`` is shared by all machines. With ``precision="auto"`` machines of different
        kinds may disagree, and would fill two stores: name it.
    batch_size : int
        Images at a time, 16 at most: the size of a unit. A smaller one takes less memory, and changes latents by no
        more than rounding.
    **walk
        ``t``, ``steps``, ``solver``, ``grid``.

    Returns
    -------
    LatentStore
        In every process, with at least ``n`` latents.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError, OSError
        As from `inverted_latents`. Calling it again goes on.
    """
    check_integer("n", n, 1)
    check_integer("batch_size", batch_size, 1, BATCH)
    walk = {"t": 800, "steps": 50, "solver": "ddim", "grid": None} | walk
    with alone(Path(folder) / "stores.lock"):  # two would get into each other's way while making a new one
        store = open_store(folder, model, domain, seed, precision, walk)
    starts = {f"{start:08d}.npy": start for start in range(len(store), n, BATCH)}
    room = store.path.with_name(f"{store.path.name}.units")
    rank, world = rank_and_world()

    def make(name: str) -> bytes:
        images = batch_of_images(model, domain, n, seed, starts[name])
        found = invert(model, images, **walk, precision=precision, progress=False, batch_size=batch_size)
        return _npy(found)

    label = f"invert, process {rank} of {world}"
    with tqdm(total=len(starts), desc=label, unit="batch", disable=not progress, leave=False, file=sys.stderr) as bar:
        there = lambda name: (room / name).exists() or len(store) > starts[name]  # noqa: E731
        work(room, list(starts), make, lambda name: bar.update(), there)
    _collect(store, room, n)
    return store


def _collect(store: LatentStore, room: Path, n: int) -> None:
    """Append the units to the store, by whichever process comes first; the others find them there."""
    with alone(store.path.with_name(f"{store.path.name}.lock")):
        while len(store) < n:
            store.append(torch.from_numpy(np.load(room / f"{len(store):08d}.npy")))
        shutil.rmtree(room, ignore_errors=True)


def denoise_together(
    model, latents: torch.Tensor, folder: str | os.PathLike, *, batch_size: int = BATCH, progress: bool = True, **walk
) -> list[Path]:
    """Denoise latents into numbered PNG files, in every process that calls it with the same arguments.

    Parameters
    ----------
    model : FrozenModel
    latents : Tensor
        The same ``(n, C, H, W)`` in every process: drawing is cheap, walking is not.
    folder : path
        Shared by all machines, and for these latents alone: images that are there are not made again.
    batch_size, progress
        As for `invert_together`.
    **walk
        As for `denoise`, with ``eta = 0``.

    Returns
    -------
    list of Path
        All ``n`` images, in order.
    """
    check_integer("batch_size", batch_size, 1, BATCH)
    folder = Path(folder)
    starts = {f"{start:08d}.done": start for start in range(0, len(latents), BATCH)}
    rank, world = rank_and_world()

    def make(name: str) -> bytes:
        start = starts[name]
        made = denoise(model, latents[start : start + BATCH], **walk, progress=False, batch_size=batch_size)
        for number, image in enumerate(made.clamp(-1, 1).cpu(), start):
            write_whole(folder / f"{number:08d}.png", _png(image))
        return b""

    label = f"denoise, process {rank} of {world}"
    with tqdm(total=len(starts), desc=label, unit="batch", disable=not progress, leave=False, file=sys.stderr) as bar:
        work(folder / "batches", list(starts), make, lambda name: bar.update())
    return [folder / f"{number:08d}.png" for number in range(len(latents))]


def errors_together(
    model,
    domain,
    store: LatentStore,
    n: int,
    *,
    seed: int = 0,
    batch_size: int = BATCH,
    progress: bool = True,
    **walk,
) -> torch.Tensor:
    """Return the error of the round trip of ``n`` inverted images, ``(n,)``, in every process that calls it.

    Parameters
    ----------
    model, domain, n, seed, batch_size, progress
        As for `invert_together`.
    store : LatentStore
        That it returned. Errors are kept beside it.
    **walk
        As for `denoise`.
    """
    room = store.path.with_name(f"{store.path.name}.errors")
    starts = {f"{start:08d}-{min(start + BATCH, n):08d}.npy": start for start in range(0, n, BATCH)}
    rank, world = rank_and_world()

    def make(name: str) -> bytes:
        images = batch_of_images(model, domain, n, seed, starts[name])
        found = store.tensor(starts[name], starts[name] + len(images)).to(images.device)
        copies = denoise(model, found, **walk, progress=False, batch_size=batch_size)
        return _npy(reconstruction_error(images, copies))

    label = f"denoise, process {rank} of {world}"
    with tqdm(total=len(starts), desc=label, unit="batch", disable=not progress, leave=False, file=sys.stderr) as bar:
        work(room, list(starts), make, lambda name: bar.update())
    return torch.from_numpy(np.concatenate([np.load(room / name) for name in starts]))


def _npy(values: torch.Tensor) -> bytes:
    content = io.BytesIO()
    np.save(content, values.cpu().numpy().astype("<f4"))
    return content.getvalue()


def _png(image: torch.Tensor) -> bytes:
    from PIL import Image

    values = ((image + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    content = io.BytesIO()
    Image.fromarray(values.squeeze()).save(content, "PNG")
    return content.getvalue()
