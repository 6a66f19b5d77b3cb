"""Real images that come with scikit-learn: handwritten digits and crops of two photographs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class RealDomain:
    """Images that ship with a library.

    Attributes
    ----------
    pictures : callable
        ``pictures(numbers, size, seed)``, float32 ``(n, 3, size, size)`` in ``[0, 1]``.
    parameters : callable
        ``parameters(numbers, seed)``, labels of the same images.
    """

    pictures: Callable[[range, int, int], np.ndarray]
    parameters: Callable[[range, int], dict[str, np.ndarray]]


def draw(available: int, numbers: range, seed: int, what: str) -> np.ndarray:
    """Return the entries with these numbers of a permutation of ``range(available)``: nothing comes twice."""
    if numbers.stop > available:
        raise ValueError(f"n: got {numbers.stop}, expected at most {available}, {what}")
    return np.random.default_rng(seed).permutation(available)[numbers.start : numbers.stop]


def digit_parameters(numbers: range, seed: int) -> dict[str, np.ndarray]:
    """Which of the 1,797 digits (``index``, none of them twice) and what they read (``digit``)."""
    from sklearn.datasets import load_digits

    digits = load_digits().target
    index = draw(len(digits), numbers, seed, "the number of digits there are")
    return {"index": index, "digit": digits[index]}


def digit_pictures(numbers: range, size: int, seed: int) -> np.ndarray:
    """White digits on black, enlarged from 8x8 pixels."""
    from sklearn.datasets import load_digits

    scans = np.float32(load_digits().images[digit_parameters(numbers, seed)["index"]] / 16)
    gray = np.stack([Image.fromarray(scan).resize((size, size), Image.BICUBIC) for scan in scans])
    return np.clip(gray, 0, 1)[:, None].repeat(3, 1)


def crop_parameters(numbers: range, seed: int) -> dict[str, np.ndarray]:
    """Squares in the photographs: ``photograph`` (0 a temple, 1 a flower); ``left``, ``top``, ``side`` in pixels."""
    rows = [_crop(np.random.default_rng([seed, i])) for i in numbers]
    return dict(zip(("photograph", "left", "top", "side"), np.array(rows).T, strict=True))


def crop_pictures(numbers: range, size: int, seed: int) -> np.ndarray:
    """Cut the squares out and resize them with antialiasing."""
    from sklearn.datasets import load_sample_images

    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    crops = np.stack(list(crop_parameters(numbers, seed).values()), 1).tolist()
    images = [
        photographs[which].resize((size, size), Image.LANCZOS, box=(left, top, left + side, top + side))
        for which, left, top, side in crops
    ]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in images]).astype(np.float32) / 255


def _crop(rng, width: int = 640, height: int = 427) -> tuple[int, int, int, int]:
    which, side = rng.integers(2), rng.integers(height // 3, height + 1)
    return which, rng.integers(width - side + 1), rng.integers(height - side + 1), side


REAL = {
    "digits": RealDomain(digit_pictures, digit_parameters),
    "photographs": RealDomain(crop_pictures, crop_parameters),
}
