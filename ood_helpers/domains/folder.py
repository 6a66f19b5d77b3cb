"""A folder of image files as a domain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .real import draw

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})


def has_images(folder: Path) -> bool:
    """Whether there is an image file in a folder or below it."""
    return any(p.suffix.lower() in SUFFIXES and p.is_file() for p in folder.rglob("*"))


def files(folder: Path) -> list[Path]:
    """Image files in a folder and the folders below it, sorted by path."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise FileNotFoundError(
            f"name: no image in the folder {str(folder)!r} or below it, expected at least one of "
            + ", ".join(sorted(SUFFIXES))
        )
    return found


def choose(folder: Path, numbers: range, seed: int) -> list[Path]:
    """Those of a folder's image files with these numbers in an order drawn by ``seed``."""
    found = files(folder)
    order = draw(len(found), numbers, seed, f"the number of images in {str(folder)!r}")
    return [found[i] for i in order]


def pictures(folder: Path, numbers: range, size: int, seed: int) -> np.ndarray:
    """Read some of a folder's images, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
    return np.stack([read_image(file, size) for file in choose(folder, numbers, seed)])


def parameters(folder: Path, numbers: range, seed: int) -> dict[str, np.ndarray]:
    """Where each of the images comes from: ``file``."""
    return {"file": np.array([str(file) for file in choose(folder, numbers, seed)])}


def read_image(file: Path, size: int) -> np.ndarray:
    """Read one image as float32 ``(3, size, size)`` in ``[0, 1]``.

    It is turned upright, flattened onto white, cropped to its center square and resized with an antialiasing
    Lanczos filter.

    Raises
    ------
    ValueError
        If the file cannot be read as an image; the message names it.
    """
    try:
        with Image.open(file) as image:
            upright = to_rgb(ImageOps.exif_transpose(image))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"name: {str(file)!r} cannot be read as an image ({error})") from error
    square = ImageOps.fit(upright, (size, size), Image.LANCZOS)
    return np.asarray(square, np.float32).transpose(2, 0, 1) / 255


def to_rgb(image: Image.Image) -> Image.Image:
    """Bring gray, palette, CMYK, 16-bit and transparent images to 8-bit RGB."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_to_bytes(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        flattened = Image.new("RGBA", image.size, "white")
        flattened.alpha_composite(image.convert("RGBA"))
        return flattened.convert("RGB")
    return image.convert("RGB")


def _to_bytes(gray: np.ndarray) -> np.ndarray:
    """Map deep gray values to bytes: whole numbers on the scale of their width, fractions on ``[0, 1]``."""
    if gray.dtype.kind == "f":
        scale = 1.0 if gray.max() <= 1 else 255.0 if gray.max() <= 255 else 65535.0
    else:
        scale = 255.0 if gray.max() <= 255 and gray.dtype.itemsize == 1 else 65535.0
    return np.round(np.clip(gray / scale, 0, 1) * 255).astype(np.uint8)
