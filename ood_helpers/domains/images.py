"""Image files: pixels of any format, clean RGB out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

NAME = "images"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
BESIDE = ()
SCALES = (1.0, 255.0, 65535.0)  # what white is in images of fractions or of 32-bit integers
UNREADABLE = (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError)
ODD_TAGS = (*UNREADABLE, KeyError, TypeError, ZeroDivisionError, struct.error)  # what odd EXIF entries end in


def read_files(files: list[Path], size: int, folder) -> np.ndarray:
    """Read images, float32 ``(n, 3, size, size)`` in ``[0, 1]``, as `load_domain` says; ValueError names the file.

    Images of fractions or of 32-bit integers do not tell what white is; all of their folder do.
    """
    return read_squares(files, size, folder, None)


def read_squares(files: list[Path], size: int, folder, frame: tuple[float, float, float] | None) -> np.ndarray:
    """Read images as `read_files` does; of a frame the left, top and side of the square in widths of the image."""
    white = cache(lambda: _white(folder.stamps()))
    return np.stack([_read(file, size, white, frame) for file in files])


def _read(file: Path, size: int, white: Callable[[], float], frame) -> np.ndarray:
    try:
        with Image.open(file) as opened:
            opened.load()
            image = _upright(opened)
            rgb = _to_rgb(image, white() if image.mode in ("I", "F") else SCALES[-1])
    except UNREADABLE as error:
        raise ValueError(f"name: {str(file)!r} cannot be read as an image ({error})") from error
    left, top, side = (share * rgb.width for share in frame or (0, 0, 1))
    if frame and top + side <= rgb.height:  # a sheet that lies on its side has its fruit in the middle
        square = rgb.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
    else:
        square = ImageOps.fit(rgb, (size, size), Image.Resampling.LANCZOS)
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
                    values = np.asarray(image)
                    largest = max(largest, float(values.max(initial=0, where=np.isfinite(values))))
        except UNREADABLE:
            continue  # it is named when it is asked for
    return next((scale for scale in SCALES if largest <= scale), largest)


def _to_rgb(image: Image.Image, white: float) -> Image.Image:
    """Bring gray, palette, CMYK, 16-bit and transparent images to 8-bit RGB; ``white`` is that of deeper ones."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image) / white
        if not np.isfinite(values).all():
            raise ValueError("it holds NaN or infinity")
        return Image.fromarray(np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        flattened = Image.new("RGBA", image.size, "white")
        flattened.alpha_composite(image.convert("RGBA"))
        return flattened.convert("RGB")
    return image.convert("RGB")
