"""Latents in a folder: appended batch by batch, safe against being killed at any moment, read through a memory map.

    settings.json   what made the latents; written once, and a store made with other settings is refused
    latents.f32     the numbers, image after image, little-endian float32
    batches.jsonl   one line per batch, {"stop": images so far}, written once it is on the disk

What follows the last whole line does not count and is cut off when writing goes on.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from ..checks import check_batch, check_integer
from ..files import write_whole

SETTINGS, DATA, BATCHES = "settings.json", "latents.f32", "batches.jsonl"


class LatentStore:
    """Latents ``(n, C, H, W)`` in a folder, with the ``settings`` that made them and their ``image_shape``.

    Raises OSError or ValueError if there is neither a store nor ``settings`` to make one; if it is damaged, here or
    whenever it is read; if it was made with other settings, or the folder holds something else.

    Parameters
    ----------
    path : str or Path
        The folder. It is made, with its parents, if it does not exist and ``settings`` are given.
    settings : mapping, optional
        What made the latents: JSON values by name, among them ``image_shape``, ``(C, H, W)``. Needed for a new
        store; for one that exists they must be those that it was made with.
    """

    def __init__(self, path: str | os.PathLike, settings: Mapping | None = None):
        self.path = Path(path)
        try:
            wanted = None if settings is None else json.loads(json.dumps(dict(settings)))
        except (TypeError, ValueError) as error:
            raise TypeError(f"settings: got what is no JSON ({error}), expected a mapping of JSON values") from None
        if not (self.path / SETTINGS).exists():
            _create(self.path, wanted)
        self.settings = made = self._read(lambda: dict(json.loads((self.path / SETTINGS).read_text())))
        self.image_shape = self._read(lambda: tuple(check_integer("image_shape", k, 1) for k in made["image_shape"]))
        if wanted is not None and wanted != made:
            names = [name for name in sorted({*made, *wanted}) if made.get(name) != wanted.get(name)]
            there, here = ({name: some.get(name) for name in names} for some in (made, wanted))
            told = f"was made with {there}, expected {here}; give another path"
            raise ValueError(f"settings: the store at {str(path)!r} {told}")

    def __len__(self) -> int:
        return self._written((self.path / BATCHES).read_bytes())[0]

    def __repr__(self) -> str:
        return f"LatentStore({str(self.path)!r}: {len(self)} latents of shape {self.image_shape})"

    @property
    def array(self) -> np.ndarray:
        """The latents as a read-only memory map, float32 ``(n, C, H, W)``: only what is used is read."""
        shape = (len(self), *self.image_shape)
        if not shape[0]:
            return np.empty(shape, np.float32)
        return self._read(lambda: np.memmap(self.path / DATA, "<f4", "r", shape=shape))

    def tensor(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Copy latents ``start`` to ``stop`` into memory, float32 ``(n, C, H, W)``."""
        return torch.from_numpy(np.array(self.array[start:stop]))

    def append(self, latents: torch.Tensor, start: int | None = None) -> None:
        """Add a batch: it is there as a whole after this returns, and not at all if the process dies before.

        Parameters
        ----------
        latents : Tensor
            ``(n, C, H, W)``, finite, kept as float32.
        start : int, optional
            Which image of the store the first of the batch is, by default the next one, and no later. Those that the
            store holds already, perhaps from another process that makes the same latents, are left out.
        """
        batch = check_batch("latents", latents.float() if torch.is_tensor(latents) else latents, self.image_shape)
        batch = batch.detach().cpu()
        if start is not None:
            check_integer("start", start, 0)
        with open(self.path / BATCHES, "r+b") as log, open(self.path / DATA, "r+b") as data:
            _lock(log)
            stop, end = self._written(log.read())
            first = stop if start is None else start
            if first > stop:
                raise ValueError(f"start: got {first}, expected at most {stop}, the number of latents in the store")
            batch, there = batch[stop - first :], os.fstat(data.fileno()).st_size
            if there < stop * 4 * math.prod(self.image_shape):
                raise self._damage(f"{DATA} has {there} bytes, too few for {stop} latents")
            if len(batch):
                line = json.dumps({"stop": stop + len(batch)}).encode() + b"\n"
                _write_at(data, stop * 4 * math.prod(self.image_shape), np.ascontiguousarray(batch, "<f4").tobytes())
                _write_at(log, end, line)

    def _written(self, log: bytes) -> tuple[int, int]:
        """The numbers of images and of bytes that the whole lines of a log stand for."""
        end = log.rfind(b"\n") + 1
        lines = log[:end].splitlines()
        return self._read(lambda: check_integer("stop", json.loads(lines[-1])["stop"], 0) if lines else 0), end

    def _read(self, part: Callable):
        """Read a part of the store; what cannot be read is damaged, and OSError says which store it is."""
        try:
            return part()
        except (KeyError, TypeError, ValueError) as error:
            raise self._damage(f"{type(error).__name__}: {error}") from error

    def _damage(self, what: str) -> OSError:
        told = f"is damaged ({what}); remove the folder, and its latents are made again"
        return OSError(f"path: the store {str(self.path)!r} {told}")


def _create(path: Path, settings: dict | None) -> None:
    """Make an empty store; ``settings.json`` comes last, and with it the folder becomes a store."""
    if settings is None:
        raise FileNotFoundError(f"path: no store of latents at {str(path)!r}; to make one, give settings")
    shape = settings.get("image_shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(k) is int and k > 0 for k in shape)):
        raise ValueError(f"settings: got image_shape={shape!r}, expected (C, H, W)")
    path.mkdir(parents=True, exist_ok=True)
    ours = (DATA, BATCHES, SETTINGS, f".{SETTINGS}.")
    if strangers := sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(ours)):
        raise ValueError(f"path: {str(path)!r} holds other things ({', '.join(strangers)}), expected a new folder")
    for name in (DATA, BATCHES):
        (path / name).touch()  # another process may have made the store meanwhile
    write_whole(path / SETTINGS, json.dumps(settings, indent=1, sort_keys=True).encode())


def _write_at(file, end: int, content: bytes) -> None:
    """Write after the first ``end`` bytes, whatever followed, and have it on the disk."""
    file.truncate(end)
    file.seek(end)
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def _lock(file) -> None:
    """Wait for other writers, and keep them out until the file is closed, also by a kill; Windows has no such lock."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX)
