"""Latents on disk: appended batch by batch, safe against being killed at any moment, read through a memory map.

A store is a folder of three files.

    settings.json   what made the latents; written once, and a store made with other settings is refused
    latents.f32     the numbers, image after image, little-endian float32
    batches.jsonl   one line per batch, {"stop": images so far, "crc32": of this batch}, written once it is on the disk

What follows the last whole line does not count and is cut off when writing goes on.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from zlib import crc32

import numpy as np
import torch

from ..checks import check_batch
from ..files import write_whole

SETTINGS, DATA, BATCHES = "settings.json", "latents.f32", "batches.jsonl"


class LatentStore:
    """Latents ``(n, C, H, W)`` in a folder, with the settings that made them.

    Parameters
    ----------
    path : str or Path
        The folder. It is made, with its parents, if it does not exist and ``settings`` are given.
    settings : mapping, optional
        What made the latents: JSON values by name, among them ``image_shape``, ``(C, H, W)``. Needed for a new
        store; for one that exists they must be those that it was made with.

    Attributes
    ----------
    path : Path
    settings : dict
    image_shape : tuple of int

    Raises
    ------
    FileNotFoundError
        If there is no store at ``path`` and no ``settings`` to make one.
    OSError
        If what is there is damaged, here or whenever it is read.
    ValueError
        If the store was made with other settings (both are shown), ``settings`` lack ``image_shape``, or the folder
        holds something else.

    Examples
    --------
    >>> store = LatentStore("latents/church", {"model": "toy-dog", "image_shape": [3, 64, 64]})
    >>> store.append(batch)  # float32 (n, 3, 64, 64)
    >>> store.array[10:20]   # read from the disk as needed
    """

    def __init__(self, path: str | os.PathLike, settings: Mapping | None = None):
        self.path = Path(path)
        wanted = None if settings is None else json.loads(json.dumps(dict(settings)))
        if not (self.path / SETTINGS).exists():
            _create(self.path, wanted)
        self.settings = self._read(lambda: json.loads((self.path / SETTINGS).read_text()))
        if wanted is not None and wanted != self.settings:
            raise ValueError(_difference(self.path, self.settings, wanted))
        self.image_shape = self._read(lambda: tuple(self.settings["image_shape"]))
        self._row = 4 * math.prod(self.image_shape)

    def __len__(self) -> int:
        batches = self._batches()
        return batches[-1]["stop"] if batches else 0

    def __repr__(self) -> str:
        return f"LatentStore({str(self.path)!r}: {len(self)} latents of shape {self.image_shape})"

    @property
    def array(self) -> np.ndarray:
        """The latents as a read-only memory map, float32 ``(n, C, H, W)``: only what is used is read."""
        n = len(self)
        if not n:
            return np.empty((0, *self.image_shape), np.float32)
        return self._read(lambda: np.memmap(self.path / DATA, "<f4", "r", shape=(n, *self.image_shape)))

    def tensor(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Copy latents ``start`` to ``stop`` into memory, float32 ``(n, C, H, W)``."""
        return torch.from_numpy(np.array(self.array[start:stop]))

    def append(self, latents: torch.Tensor, start: int | None = None) -> None:
        """Add a batch: it is there as a whole after this returns, and not at all if the process dies before.

        Parameters
        ----------
        latents : Tensor
            ``(n, C, H, W)``, kept as float32.
        start : int, optional
            Which image of the store the first of the batch is, by default the next one. Those that the store holds
            already, perhaps from another process that makes the same latents, are left out.

        Raises
        ------
        TypeError, ValueError
            If it is no finite floating batch of ``image_shape``, or there would be a gap before ``start``.
        """
        batch = check_batch("latents", latents, self.image_shape).detach().cpu().to(torch.float32)
        with open(self.path / BATCHES, "r+b") as log, open(self.path / DATA, "r+b") as data:
            _lock(log)
            stop, end = self._read(lambda: _whole_lines(log.read()))
            first = stop if start is None else start
            if first > stop:
                raise ValueError(f"start: got {first}, expected at most {stop}, the number of latents in the store")
            batch = batch[stop - first :]
            if not len(batch):
                return
            content = np.ascontiguousarray(batch.numpy(), "<f4").tobytes()
            data.truncate(stop * self._row)
            data.seek(0, os.SEEK_END)
            data.write(content)
            _flush(data)
            log.truncate(end)
            log.seek(end)
            log.write(json.dumps({"stop": stop + len(batch), "crc32": crc32(content)}).encode() + b"\n")
            _flush(log)

    def verify(self) -> None:
        """Read everything and compare it with the checksums.

        Raises
        ------
        OSError
            If a batch is not what was written; the message says which images.
        """
        with open(self.path / DATA, "rb") as data:
            start = 0
            for batch in self._batches():
                if crc32(data.read((batch["stop"] - start) * self._row)) != batch["crc32"]:
                    raise OSError(f"{self.path / DATA}: latents {start} to {batch['stop'] - 1} are damaged")
                start = batch["stop"]

    def _batches(self) -> list[dict]:
        whole = (self.path / BATCHES).read_bytes()
        lines = whole[: whole.rfind(b"\n") + 1].splitlines()
        return self._read(lambda: [{"stop": int(one["stop"]), "crc32": one["crc32"]} for one in map(json.loads, lines)])

    def _read(self, part: Callable):
        """Read a part of the store; what cannot be read is damaged, and OSError says which store it is."""
        try:
            return part()
        except (KeyError, TypeError, ValueError) as error:
            raise OSError(
                f"path: the store {str(self.path)!r} is damaged ({type(error).__name__}: {error}); remove the folder, "
                "and what asks for its latents makes them again"
            ) from error


def _create(path: Path, settings: dict | None) -> None:
    """Make an empty store; ``settings.json`` comes last, and with it the folder becomes a store."""
    if settings is None:
        raise FileNotFoundError(f"path: no store of latents at {str(path)!r}; to make one, give settings")
    shape = settings.get("image_shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(isinstance(k, int) and k > 0 for k in shape)):
        raise ValueError(f"settings: got image_shape={shape!r}, expected (C, H, W)")
    path.mkdir(parents=True, exist_ok=True)
    ours = (DATA, BATCHES, SETTINGS, f".{SETTINGS}.")
    strangers = {entry.name for entry in path.iterdir() if not entry.name.startswith(ours)}
    if strangers:
        raise ValueError(
            f"path: {str(path)!r} holds other things ({', '.join(sorted(strangers))}), expected a new folder"
        )
    for name in (DATA, BATCHES):
        (path / name).touch()  # another process may have made the store meanwhile
    write_whole(path / SETTINGS, json.dumps(settings, indent=1, sort_keys=True).encode())


def _whole_lines(log: bytes) -> tuple[int, int]:
    """Return the number of images and of bytes that the whole lines of a log stand for."""
    end = log.rfind(b"\n") + 1
    lines = log[:end].splitlines()
    return (json.loads(lines[-1])["stop"] if lines else 0), end


def _flush(file) -> None:
    file.flush()
    os.fsync(file.fileno())


def _lock(file) -> None:
    """Wait for other writers, and keep them out until the file is closed, also by a kill; Windows has no such lock."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX)


def _difference(path: Path, made: dict, wanted: dict) -> str:
    names = [name for name in sorted({*made, *wanted}) if made.get(name) != wanted.get(name)]
    there, here = ({name: settings.get(name) for name in names} for settings in (made, wanted))
    return f"settings: the store at {str(path)!r} was made with {there}, expected {here}; give another path"
