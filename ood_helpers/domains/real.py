"""Real images that come with scikit-learn: handwritten digits and crops of two photographs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 640, 427  # of the photographs
CUBIC, LANCZOS = Image.Resampling.BICUBIC, Image.Resampling.LANCZOS


@dataclass(frozen=True)
class RealDomain:
    """Images that ship with a library: ``(numbers, size, seed)`` to pictures in ``[0, 1]``, and to labels of these."""

    pictures: Callable[[range, int, int], np.ndarray]
    parameters: Callable[[range, int], dict[str, np.ndarray]]


def draw(available: int, numbers: range, seed: int, what: str) -> np.ndarray:
    """Return the entries with these numbers of a permutation of ``range(available)``: nothing comes twice."""
    if numbers.stop > available:
        raise ValueError(f"n: got {numbers.stop}, expected at most {available}, {what}")
    return np.random.default_rng(seed).permutation(available)[numbers.start : numbers.stop]


def _digit_parameters(numbers: range, seed: int) -> dict[str, np.ndarray]:
    """Which of the 1,797 digits (``index``, none of them twice) and what they read (``digit``)."""
    from sklearn.datasets import load_digits

    digits = load_digits().target
    index = draw(len(digits), numbers, seed, "the number of digits there are")
    return {"index": index, "digit": digits[index]}


def _digit_pictures(numbers: range, size: int, seed: int) -> np.ndarray:
    """White digits on black, enlarged from 8x8 pixels."""
    from sklearn.datasets import load_digits

    scans = (load_digits().images[_digit_parameters(numbers, seed)["index"]] / 16).astype(np.float32)
    gray = np.stack([np.asarray(Image.fromarray(scan).resize((size, size), CUBIC)) for scan in scans])
    return np.clip(gray, 0, 1)[:, None].repeat(3, 1)


def _crop_parameters(numbers: range, seed: int) -> dict[str, np.ndarray]:
    """Squares in the photographs: ``photograph`` (0 a temple, 1 a flower); ``left``, ``top``, ``side`` in pixels."""
    rows = []
    for rng in (np.random.default_rng([seed, i]) for i in numbers):
        which, side = rng.integers(2), rng.integers(HEIGHT // 3, HEIGHT + 1)
        rows.append((which, rng.integers(WIDTH - side + 1), rng.integers(HEIGHT - side + 1), side))
    return dict(zip(("photograph", "left", "top", "side"), np.array(rows).T, strict=True))


def _crop_pictures(numbers: range, size: int, seed: int) -> np.ndarray:
    """Cut the squares out and resize them with antialiasing."""
    from sklearn.datasets import load_sample_images

    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    images = [
        photographs[which].resize((size, size), LANCZOS, box=(left, top, left + side, top + side))
        for which, left, top, side in np.stack(list(_crop_parameters(numbers, seed).values()), 1).tolist()
    ]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in images]).astype(np.float32) / 255


REAL = {
    "digits": RealDomain(_digit_pictures, _digit_parameters),
    "photographs": RealDomain(_crop_pictures, _crop_parameters),
}
