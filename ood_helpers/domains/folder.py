"""A folder of image files as a domain."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .real import draw

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
SCALES = (1.0, 255.0, 65535.0)  # what white is in images of fractions or of 32-bit integers
LEFT_BEHIND = "__MACOSX"  # by macOS in archives; beside images it leaves files that begin with a dot
UNREADABLE = (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError)
ODD_TAGS = (*UNREADABLE, KeyError, TypeError, ZeroDivisionError, struct.error)  # what odd EXIF entries end in


def listing(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files with these endings in a folder and the folders below it, linked ones, too, sorted by path; none hidden."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [f for f in folders if f != LEFT_BEHIND and not f.startswith(".")]
        if real not in seen:
            found += [Path(place, name) for name in names if name.lower().endswith(suffixes) and name[0] != "."]
        seen.add(real)
    return sorted(file for file in found if file.is_file())


def has_images(folder: Path) -> bool:
    """Whether there is an image file in a folder or below it."""
    return bool(listing(folder, SUFFIXES))


def files(folder: Path) -> list[Path]:
    """Image files in a folder and the folders below it, sorted by path."""
    found = listing(folder, SUFFIXES)
    if not found:
        raise FileNotFoundError(
            f"name: no image in the folder {str(folder)!r} or below it, expected at least one of " + ", ".join(SUFFIXES)
        )
    return found


def stamps(files: list[Path]) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of files: what is remembered of their content holds as long as these stay."""
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def choose(folder: Path, numbers: range, seed: int) -> list[Path]:
    """Those of a folder's image files with these numbers in an order drawn by ``seed``."""
    found = files(folder)
    order = draw(len(found), numbers, seed, f"the number of images in {str(folder)!r}")
    return [found[i] for i in order]


def pictures(folder: Path, numbers: range, size: int, seed: int) -> np.ndarray:
    """Read some of a folder's images, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""

    @cache
    def white() -> float:
        return _white(stamps(files(folder)))

    return np.stack([read_image(file, size, white) for file in choose(folder, numbers, seed)])


def parameters(folder: Path, numbers: range, seed: int) -> dict[str, np.ndarray]:
    """Where each of the images comes from: ``file``."""
    return {"file": np.array([str(file) for file in choose(folder, numbers, seed)])}


def read_image(file: Path, size: int, white: Callable[[], float]) -> np.ndarray:
    """Read one image as float32 ``(3, size, size)`` in ``[0, 1]``.

    It is turned upright, flattened onto white, cropped to its center square and resized with an antialiasing
    Lanczos filter. Images of fractions or of 32-bit integers do not tell what white is; ``white()`` does.

    Raises
    ------
    ValueError
        If the file cannot be read as an image; the message names it.
    """
    try:
        with Image.open(file) as image:
            image.load()
            image = _upright(image)
            rgb = to_rgb(image, white() if image.mode in ("I", "F") else None)
    except UNREADABLE as error:
        raise ValueError(f"name: {str(file)!r} cannot be read as an image ({error})") from error
    square = ImageOps.fit(rgb, (size, size), Image.LANCZOS)
    return np.asarray(square, np.float32).transpose(2, 0, 1) / 255


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image by its EXIF tag; tags that cannot be read say nothing about the pixels."""
    try:
        return ImageOps.exif_transpose(image)
    except ODD_TAGS:
        return image


@cache
def _white(stamps: tuple) -> float:
    """What white is in those images that do not tell: of 1, 255 and 65,535 the smallest that none of them exceeds."""
    largest = 0.0
    for file, *_ in stamps:
        try:
            with Image.open(file) as image:
                if image.mode in ("I", "F"):
                    largest = max(largest, float(np.nanmax(np.asarray(image))))
        except UNREADABLE:
            continue  # it is named when it is asked for
    return next((scale for scale in SCALES if largest <= scale), largest)


def to_rgb(image: Image.Image, white: float | None = None) -> Image.Image:
    """Bring gray, palette, CMYK, 16-bit and transparent images to 8-bit RGB; ``white`` is that of deeper ones."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image) / (white or SCALES[-1])
        return Image.fromarray(np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        flattened = Image.new("RGBA", image.size, "white")
        flattened.alpha_composite(image.convert("RGBA"))
        return flattened.convert("RGB")
    return image.convert("RGB")
