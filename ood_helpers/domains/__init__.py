"""Where images come from: drawn pictures and skies, real images that come with a library, your folder of files."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..checks import check_choice, check_integer
from .drawn import DRAWN
from .folder import open_folder
from .real import REAL
from .sets import SETS, how_to_fetch, open_set

KINDS: dict[str, dict[str, Any]] = {"drawn": DRAWN, "real": REAL, "sets": SETS}
DOMAINS = DRAWN | REAL


def list_domains(kind: str | None = None) -> list[str]:
    """Names that :func:`load_domain` knows: of ``kind`` "drawn" or "real", or both; or "sets", which need a folder."""
    if kind is not None:
        check_choice("kind", kind, KINDS)
    return list(DOMAINS if kind is None else KINDS[kind])


def load_domain(
    name: str | Path, n: int = 200, size: int = 64, seed: int = 0, start: int = 0, **options: object
) -> torch.Tensor:
    """Return images of a domain; FileNotFoundError, ImportError, TypeError or ValueError says what is not as below.

    Parameters
    ----------
    name : str or pathlib.Path
        One of :func:`list_domains`, or a folder, searched with its subfolders, of image files (turned upright by their
        EXIF tag, flattened onto white, cropped to the center square and resized with antialiasing), of FITS files
        (`ood_helpers.astro.read_map`), or of files of another `Reader`.
    n, start : int
        How many images, and the number of the first, to take a long series piece by piece.
    size : int
        Height and width in pixels, at least 8.
    seed : int
        Which images: the pictures drawn, or the order in which real images are taken.
    **options
        None is as not given. For a public set such as ``apples`` (`list_domains` of kind "sets") ``folder``, where it
        lies. For real images ``part``: "train" or "test", which share no pixel, or "all". For a folder, what its reader
        has: for FITS files ``blank``, a float: brightness in MJy/sr of new pixels without any measurement, for want of
        which a map that has one is refused. New pixels with some measurement have the mean of these.

    Returns
    -------
    torch.Tensor
        float32 ``(n, 3, size, size)`` in ``[-1, 1]``.
    """
    domain, given = _domain(name, options)
    numbers, size, seed = _numbers(n, start), check_integer("size", size, 8), check_integer("seed", seed, 0)
    images = domain.pictures(numbers, size, seed, **given)
    return torch.from_numpy(np.ascontiguousarray(images)).mul_(2).sub_(1)


def domain_parameters(
    name: str | Path, n: int = 200, seed: int = 0, start: int = 0, **options: object
) -> dict[str, np.ndarray]:
    """Return what is known of each image of `load_domain`, for use as labels.

    Parameters
    ----------
    name, n, seed, start, **options
        As for :func:`load_domain`, with the same errors.

    Returns
    -------
    dict of str to numpy.ndarray
        For a drawn domain every parameter of its generator, ``(n,)`` or ``(n, k)`` (``kind`` of ``galaxy`` indexes
        `GALAXY_KINDS`); for ``digits`` what they read; for crops the ``picture`` and where in it; for a set what the
        names of its files tell; for a folder the ``file``.
    """
    domain, given = _domain(name, options)
    chosen = {option: value for option, value in given.items() if option == "part"}
    return domain.parameters(_numbers(n, start), check_integer("seed", seed, 0), **chosen)


def domain_size(name: str | Path, **options: object) -> float:
    """Return how many images a domain has, options as for `load_domain`; of a drawn one infinity."""
    domain, given = _domain(name, options)
    return domain.available(**given) if hasattr(domain, "available") else math.inf


def domain_fingerprint(name: str | Path, **options: object) -> str:
    """Return a hash of what of a domain lies outside this package: names and contents of a folder's files, else ""."""
    domain, _ = _domain(name, options)
    return domain.fingerprint() if hasattr(domain, "fingerprint") else ""


def _domain(name, options: dict) -> tuple[Any, dict]:
    """Find a domain, and those of the options that are meant for it."""
    if not isinstance(name, str | Path):
        raise TypeError(f"name: got {type(name).__name__}, expected a domain's name or the path of a folder")
    given = {option: value for option, value in options.items() if value is not None}
    if name in SETS and "folder" in given:
        domain: Any = open_set(str(name), given.pop("folder"))
    elif name in DOMAINS:
        domain = DOMAINS[name]
    elif os.path.isdir(name):  # of a Path "" would be the working directory, and a name too long an OSError
        domain = open_folder(name)
    elif name in SETS:
        raise FileNotFoundError(f"name: {name!r} is a public set, expected folder= too; {how_to_fetch(str(name))}")
    else:
        known = ", ".join(DOMAINS)
        raise FileNotFoundError(f"name: got {str(name)!r}, expected one of {known}, or the path of a folder of images")
    for option in given.keys() - set(getattr(domain, "options", ())):
        told = f"expected no such option for {str(name)!r} (part is one of real images, blank of FITS files)"
        raise TypeError(f"{option}: got {given[option]!r}, {told}")
    return domain, given


def _numbers(n: int, start: int) -> range:
    start = check_integer("start", start, 0)
    return range(start, start + check_integer("n", n, 1))
