"""Where images come from: drawn pictures and skies, real images that come with a library, your folder of files."""

from __future__ import annotations

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
    if kind is None:
        return list(DOMAINS)
    check_choice("kind", kind, KINDS)
    return list(KINDS[kind])


def load_domain(
    name: str | Path, n: int = 200, size: int = 64, seed: int = 0, start: int = 0, **options: object
) -> torch.Tensor:
    """Return images of a domain.

    Parameters
    ----------
    name : str or pathlib.Path
        One of :func:`list_domains`, or the path of a folder, searched with its subfolders, of image files (each is
        turned upright by its EXIF tag, flattened onto white if it is transparent, cropped to its center square and
        resized with antialiasing), of FITS files (`ood_helpers.astro.read_map`), or of files of another `Reader`.
    n : int
        Number of images.
    size : int
        Height and width in pixels, at least 8.
    seed : int
        Which images: the pictures drawn, or the order in which real images are taken.
    start : int
        Number of the first image, to take a long series piece by piece.
    **options
        For a folder, what its reader has; None is as not given. For FITS files ``blank``, a float: brightness in MJy/sr
        of pixels without a measurement, for want of which a map with such pixels in its central square is refused.

    Returns
    -------
    torch.Tensor
        float32 ``(n, 3, size, size)`` in ``[-1, 1]``: images ``start`` to ``start + n`` of a series without end, or of
        as many as there are.

    Raises
    ------
    FileNotFoundError, ImportError, TypeError, ValueError
        If ``name`` is neither a domain nor a folder with files, a number is out of range, there are fewer images than
        asked for, a domain has no such option, a file cannot be read (it is named), or its reader lacks a package.
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
        As in :func:`load_domain`.

    Returns
    -------
    dict of str to numpy.ndarray
        For a drawn domain every parameter of its generator, ``(n,)`` or ``(n, k)`` (``kind`` of ``galaxy`` indexes
        `GALAXY_KINDS`); for ``digits`` and ``photographs`` which one it is; for a folder the ``file``.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As in :func:`load_domain`.
    """
    return _domain(name).parameters(_numbers(n, start), check_integer("seed", seed, 0))


def domain_fingerprint(name: str | Path) -> str:
    """Return a hash of what of a domain lies outside this package: names and contents of a folder's files, else ""."""
    domain = _domain(name)
    return domain.fingerprint() if hasattr(domain, "fingerprint") else ""


def _domain(name):
    """What draws, holds or reads the images: something with ``pictures`` and ``parameters``."""
    if not isinstance(name, str | Path):
        raise TypeError(f"name: got {type(name).__name__}, expected a domain's name or the path of a folder")
    if name in DOMAINS:
        return DOMAINS[name]
    if not Path(name).is_dir():
        known = ", ".join(DOMAINS)
        raise FileNotFoundError(f"name: got {str(name)!r}, expected one of {known}, or the path of a folder of images")
    return open_folder(name)


def _numbers(n: int, start: int) -> range:
    start = check_integer("start", start, 0)
    return range(start, start + check_integer("n", n, 1))
