"""A folder of files as a domain: which files, in what order, and who reads them.

Readers of other files than images come from installed packages, by the entry points ``ood_helpers.readers``.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import numpy as np

from . import images
from .real import draw

LEFT_BEHIND = "__MACOSX"  # by macOS in archives; beside images it leaves files that begin with a dot


class Reader(Protocol):
    """What turns files of one kind into pictures: a module, or an object."""

    NAME: str  # what its files are called in messages, in the plural
    SUFFIXES: tuple[str, ...]  # endings of its files, in lower case
    BESIDE: tuple[str, ...]  # names of further files in the folder that its pictures depend on

    def read_files(self, files: list[Path], size: int, folder: Folder, **options: object) -> np.ndarray:
        """Read some files of a folder, float32 ``(n, 3, size, size)`` in ``[0, 1]``; options are keyword-only."""


@dataclass(frozen=True)
class Folder:
    """A folder, who reads it, and the files of this kind in it and below it, hidden ones left out, sorted by path."""

    path: Path
    reader: Reader
    files: list[Path]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the keyword options of its reader."""
        known = inspect.signature(self.reader.read_files).parameters.values()
        return tuple(option.name for option in known if option.kind is option.KEYWORD_ONLY)

    def available(self, **_: object) -> int:
        """How many files there are."""
        return len(self.files)

    def choose(self, numbers: range, seed: int) -> list[Path]:
        """Files with these numbers in an order drawn by ``seed``; ValueError if there are fewer."""
        order = draw(len(self.files), numbers, seed, f"the number of {self.reader.NAME} in {str(self.path)!r}")
        return [self.files[i] for i in order]

    def pictures(self, numbers: range, size: int, seed: int, **options: object) -> np.ndarray:
        """Read the files with these numbers, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
        return self.reader.read_files(self.choose(numbers, seed), size, self, **options)

    def parameters(self, numbers: range, seed: int) -> dict[str, np.ndarray]:
        """Where each of the pictures comes from: ``file``."""
        return {"file": np.array([str(file) for file in self.choose(numbers, seed)])}

    def stamps(self, first: int | None = None) -> tuple[tuple[str, int, int], ...]:
        """Path, size and time of files, or of the first: what is remembered of them holds as long as these stay."""
        beside = [self.path / name for name in self.reader.BESIDE if (self.path / name).is_file()]
        known = [(file, file.stat()) for file in [*self.files, *beside][:first]]
        return tuple((str(file), stat.st_size, stat.st_mtime_ns) for file, stat in known)

    def fingerprint(self) -> str:
        """Hash of the names and contents of the files that the pictures depend on."""
        digest = hashlib.sha256()
        for file, *stamp in self.stamps():
            line = f"{Path(file).relative_to(self.path).as_posix()} {_content(file, *stamp)}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]


def open_folder(path: str | os.PathLike) -> Folder:
    """List a folder's files, links followed; FileNotFoundError if none can be read, ValueError if of several kinds."""
    path, known = Path(path), readers()
    suffixes = tuple(suffix for reader in known for suffix in reader.SUFFIXES)
    files = _listing(path, suffixes)
    groups = [(reader, [file for file in files if file.name.lower().endswith(reader.SUFFIXES)]) for reader in known]
    found = [Folder(path, reader, own) for reader, own in groups if own]
    if not found:
        told = f"no {' or '.join(reader.NAME for reader in known)} in the folder {str(path)!r} or below it"
        raise FileNotFoundError(f"name: {told}, expected at least one of {', '.join(suffixes)}")
    if len(found) > 1:
        kinds = " and ".join(folder.reader.NAME for folder in found)
        raise ValueError(f"name: the folder {str(path)!r} holds {kinds}, expected either")
    return found[0]


@cache
def readers() -> tuple[Reader, ...]:
    """That of image files, and those that installed packages declare."""
    return (images, *(point.load() for point in entry_points(group="ood_helpers.readers")))


def _listing(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [f for f in folders if f != LEFT_BEHIND and not f.startswith(".")]
        if real not in seen:
            found += [Path(place, name) for name in names if name.lower().endswith(suffixes) and name[0] != "."]
        seen.add(real)
    return sorted(file for file in found if file.is_file())


@cache
def _content(file: str, size: int, time: int) -> str:
    """Hash of a file's content, as long as its size and time stay."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
