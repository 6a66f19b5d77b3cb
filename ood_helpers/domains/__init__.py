"""Where images come from: drawn pictures and skies, real images, your folder of images or of maps of the sky."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from ..checks import check_choice, check_integer
from . import drawn, folder, real

fits = import_module("ood_helpers.astro.fits")


KINDS = {"drawn": tuple(drawn.DRAWN), "real": tuple(real.REAL)}


def list_domains(kind: str | None = None) -> list[str]:
    """Names that :func:`load_domain` knows, the in-domain ``dog`` first; of ``kind`` "drawn" or "real", or all."""
    if kind is None:
        return [name for names in KINDS.values() for name in names]
    check_choice("kind", kind, KINDS)
    return list(KINDS[kind])


def load_domain(
    name, n: int = 200, size: int = 64, seed: int = 0, start: int = 0, *, blank: float | None = None
) -> torch.Tensor:
    """Return images of a domain.

    Parameters
    ----------
    name : str or pathlib.Path
        One of :func:`list_domains`, or the path of a folder of image files (searched with its subfolders;
        each image is turned upright by its EXIF tag, flattened onto white if it is transparent, cropped to its
        center square and resized with antialiasing), or of a folder of FITS files (`ood_helpers.astro.fits`).
    n : int
        Number of images.
    size : int
        Height and width in pixels, at least 8.
    seed : int
        Which images: the pictures drawn, or the order in which real images are taken.
    start : int
        Number of the first image, to take a long series piece by piece.
    blank : float, optional
        For a folder of FITS files only: brightness in MJy/sr of pixels without a measurement. By default a map that has
        such pixels, in its central square at this size, is refused.

    Returns
    -------
    torch.Tensor
        float32 ``(n, 3, size, size)`` in ``[-1, 1]``: images ``start`` to ``start + n`` of a series without end, or of
        as many as there are.

    Raises
    ------
    FileNotFoundError
        If ``name`` is neither a known domain nor a folder, or the folder holds no image.
    ValueError
        If ``n``, ``size`` or ``seed`` is out of range, a folder or data set has fewer than ``n`` images, a file cannot
        be read (it is named), or ``blank`` is given for anything but FITS files.
    """
    _check_name(name)
    if blank is not None and (name in list_domains() or _kind(name) is not fits):
        raise ValueError(f"blank: got {blank!r} for {str(name)!r}, expected None, except for a folder of FITS files")
    chosen = _numbers(n, start)
    size, seed = check_integer("size", size, 8), check_integer("seed", seed, 0)
    if name in drawn.DRAWN:
        images = drawn.pictures(name, chosen, size, seed)
    elif name in real.REAL:
        images = real.REAL[name].pictures(chosen, size, seed)
    else:
        kind = _kind(name)
        images = kind.pictures(_folder(name), chosen, size, seed, **({"blank": blank} if kind is fits else {}))
    return torch.from_numpy(np.ascontiguousarray(images)).mul_(2).sub_(1)


def domain_parameters(name, n: int = 200, seed: int = 0, start: int = 0) -> dict[str, np.ndarray]:
    """Return what is known of each image of `load_domain`, for use as labels.

    Parameters
    ----------
    name, n, seed, start
        As in :func:`load_domain`.

    Returns
    -------
    dict of str to numpy.ndarray
        For a drawn domain every parameter of its generator, ``(n,)`` or ``(n, k)`` (``kind`` of ``galaxy`` indexes
        :data:`ood_helpers.domains.skies.GALAXY_KINDS`); for ``digits`` the digit; for a folder the file.

    Raises
    ------
    FileNotFoundError, ValueError
        As in :func:`load_domain`.
    """
    _check_name(name)
    chosen, seed = _numbers(n, start), check_integer("seed", seed, 0)
    if name in drawn.DRAWN:
        return drawn.parameters(name, chosen, seed)
    if name in real.REAL:
        return real.REAL[name].parameters(chosen, seed)
    return _kind(name).parameters(_folder(name), chosen, seed)


def domain_fingerprint(name) -> str:
    """Return a hash of what of a domain lies outside this package: names and contents of a folder's files, else ""."""
    _check_name(name)
    if name in drawn.DRAWN or name in real.REAL:
        return ""
    digest = hashlib.sha256()
    for file, *stamp in folder.stamps(_kind(name).files(_folder(name))):
        digest.update(
            f"{Path(file).relative_to(name).as_posix()} {_content(file, *stamp)}\n".encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()[:16]


@cache
def _content(file: str, size: int, time: int) -> str:
    """Hash of a file's content, as long as its size and time stay."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _kind(name):
    """Return the module that reads a folder: `fits` for maps of the sky, `folder` for images."""
    maps = fits.map_files(_folder(name))
    if maps and folder.has_images(_folder(name)):
        raise ValueError(f"name: the folder {str(name)!r} holds images and FITS files, expected either")
    return fits if maps else folder


def _numbers(n: int, start: int) -> range:
    start = check_integer("start", start, 0)
    return range(start, start + check_integer("n", n, 1))


def _check_name(name) -> None:
    if not isinstance(name, str | Path):
        raise TypeError(f"name: got {type(name).__name__}, expected a domain's name or the path of a folder")


def _folder(name) -> Path:
    if not Path(name).is_dir():
        raise FileNotFoundError(
            f"name: got {str(name)!r}, expected one of {', '.join(list_domains())}, or the path of a folder of images"
        )
    return Path(name)
