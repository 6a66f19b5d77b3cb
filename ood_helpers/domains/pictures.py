"""Images as pictures: clipped to what a screen shows, and many of them on one sheet."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..checks import check_batch, check_integer
from ..files import write_whole


def to_picture(image: torch.Tensor) -> np.ndarray:
    """Bring an image ``(C, H, W)`` in ``[-1, 1]`` to ``(H, W, C)`` in ``[0, 1]``, clipping what lies outside."""
    if not isinstance(image, torch.Tensor) or image.ndim != 3 or not image.is_floating_point():
        told = f"{tuple(image.shape)} {image.dtype}" if isinstance(image, torch.Tensor) else type(image).__name__
        raise TypeError(f"image: got {told}, expected a floating tensor (C, H, W) in [-1, 1]")
    return ((image.detach().cpu().float().clamp(-1, 1) + 1) / 2).permute(1, 2, 0).numpy()


def save_sheet(images: torch.Tensor, path: str | os.PathLike, columns: int = 10, zoom: int = 2) -> None:
    """Write images ``(n, 3, H, W)`` in ``[-1, 1]`` as one picture, whole or not at all, uncurated and in order."""
    check_batch("images", images)
    check_integer("columns", columns, 1)
    check_integer("zoom", zoom, 1)
    kind = Image.registered_extensions().get(Path(path).suffix.lower())
    if kind is None:
        raise ValueError(f"path: got {str(path)!r}, expected the ending of a picture, such as .png")
    pictures = [to_picture(image.expand(3, -1, -1)) for image in images]
    blank = np.ones_like(pictures[0])
    pictures += [blank] * (-len(pictures) % columns)
    lines = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
    sheet = Image.fromarray((np.concatenate(lines) * 255).round().astype(np.uint8))
    content = io.BytesIO()
    sheet.resize((sheet.width * zoom, sheet.height * zoom), Image.Resampling.NEAREST).save(content, kind)
    write_whole(Path(path), content.getvalue())


def read_sheet(path: str | os.PathLike, size: int = 64) -> np.ndarray:
    """Read a sheet that `save_sheet` wrote without zoom: pictures ``(rows, columns, size, size, 3)`` in ``[0, 1]``."""
    check_integer("size", size, 1)
    with Image.open(path) as opened:
        sheet = np.asarray(opened.convert("RGB"), np.float32) / 255
    height, width, _ = sheet.shape
    if height % size or width % size:
        raise ValueError(f"size: got {size}, but the sheet {path} measures {height} x {width}")
    return sheet.reshape(height // size, size, width // size, size, 3).swapaxes(1, 2)
