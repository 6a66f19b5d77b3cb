"""Drawn domains: a parametric, seeded generator for each, so that every picture comes with its labels.

Image ``i`` of a domain depends on ``(seed, domain, i)`` alone: asking for more images extends a set and
never changes it, and two seeds share no picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from . import animals

CHUNK = 16  # images drawn together: their planes stay in the processor's cache


@dataclass(frozen=True)
class DrawnDomain:
    """A domain given by ``sample(rng) -> parameters`` and ``draw(parameters, size) -> pictures``.

    Attributes
    ----------
    sample : callable
        Draws one image's parameters, a dict of numbers and small vectors.
    draw : callable
        Paints a batch, ``(n, 3, size, size)`` float32 in ``[0, 1]``; numbers arrive as ``(n, 1, 1)``, vectors
        as ``(n, k)``.
    counterpart : str
        The data set of the paper that it stands for.
    """

    sample: Callable[[np.random.Generator], dict]
    draw: Callable[[dict, int], np.ndarray]
    counterpart: str


DRAWN = {
    "dog": DrawnDomain(animals.sample_dog, animals.draw_dog, "AFHQ-Dog"),
}


def parameters(name: str, n: int, seed: int) -> dict[str, np.ndarray]:
    """Return the parameters of ``n`` images: numbers as ``(n,)``, vectors as ``(n, k)``."""
    sample = DRAWN[name].sample
    rows = [sample(np.random.default_rng([seed, crc32(name.encode()), i])) for i in range(n)]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def pictures(name: str, n: int, size: int, seed: int) -> np.ndarray:
    """Draw ``n`` images, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
    labels = parameters(name, n, seed)
    images = np.empty((n, 3, size, size), np.float32)
    for start in range(0, n, CHUNK):
        part = {key: _as_planes(values[start : start + CHUNK]) for key, values in labels.items()}
        images[start : start + CHUNK] = DRAWN[name].draw(part, size)
    return np.clip(images, 0, 1, out=images)


def _as_planes(values: np.ndarray) -> np.ndarray:
    """Give numbers the shape ``(n, 1, 1)`` so that they broadcast against pixel grids."""
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    return values[:, None, None] if values.ndim == 1 else values
