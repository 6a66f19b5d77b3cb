"""Where images come from: drawn pictures and skies, real images that come with a library, your folder of files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..checks import check_choice, check_integer
from .drawn import DRAWN
from .folder import open_folder
from .real import REAL

KINDS: dict[str, dict[str, Any]] = {"drawn": DRAWN, "real": REAL}
DOMAINS = KINDS["drawn"] | KINDS["real"]


def list_domains(kind: str | None = None) -> list[str]:
    """Names that :func:`load_domain` knows, the in-domain ``dog`` first; of ``kind`` "drawn" or "real", or all."""
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
        For a folder, what its reader has; None is as not given. For FITS files ``blank``, a float: brightness in MJy/sr
        of pixels without a measurement, for want of which a map with such pixels in its central square is refused.

    Returns
    -------
    torch.Tensor
        float32 ``(n, 3, size, size)`` in ``[-1, 1]``.
    """
    domain, numbers = _domain(name), _numbers(n, start)
    size, seed = check_integer("size", size, 8), check_integer("seed", seed, 0)
    given = {option: value for option, value in options.items() if value is not None}
    for option in given.keys() - set(getattr(domain, "options", ())):
        told = f"expected no such option for {str(name)!r} (blank is one for a folder of FITS files)"
        raise TypeError(f"{option}: got {given[option]!r}, {told}")
    images = domain.pictures(numbers, size, seed, **given)
    return torch.from_numpy(np.ascontiguousarray(images)).mul_(2).sub_(1)


def domain_parameters(name: str | Path, n: int = 200, seed: int = 0, start: int = 0) -> dict[str, np.ndarray]:
    """Return what is known of each image of `load_domain`, for use as labels.

    Parameters
    ----------
    name, n, seed, start
        As for :func:`load_domain`, with the same errors.

    Returns
    -------
    dict of str to numpy.ndarray
        For a drawn domain every parameter of its generator, ``(n,)`` or ``(n, k)`` (``kind`` of ``galaxy`` indexes
        `GALAXY_KINDS`); for ``digits`` and ``photographs`` which one it is; for a folder the ``file``.
    """
    return _domain(name).parameters(_numbers(n, start), check_integer("seed", seed, 0))


def domain_fingerprint(name: str | Path) -> str:
    """Return a hash of what of a domain lies outside this package: names and contents of a folder's files, else ""."""
    domain = _domain(name)
    return domain.fingerprint() if hasattr(domain, "fingerprint") else ""


def _domain(name):
    if not isinstance(name, str | Path):
        raise TypeError(f"name: got {type(name).__name__}, expected a domain's name or the path of a folder")
    if name in DOMAINS:
        return DOMAINS[name]
    if os.path.isdir(name):  # of a Path "" would be the working directory, and a name too long an OSError
        return open_folder(name)
    known = ", ".join(DOMAINS)
    raise FileNotFoundError(f"name: got {str(name)!r}, expected one of {known}, or the path of a folder of images")


def _numbers(n: int, start: int) -> range:
    start = check_integer("start", start, 0)
    return range(start, start + check_integer("n", n, 1))
