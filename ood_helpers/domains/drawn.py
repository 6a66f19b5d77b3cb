"""Drawn domains: a parametric, seeded generator for each, so that every picture comes with its labels.

Image ``i`` depends on ``(seed, stream, i)`` alone: more images extend a set. Sketch ``i`` outlines dog ``i``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from . import buildings, canvas, portraits, skies

BRIGHTNESS = (300.0, 40.0, 5.0)  # MJy/sr at 250, 24 and 4.5 micrometers where a drawn dust field has light 1
GLOW = (10.0, 2.0, 0.1)  # MJy/sr of what lies before and behind it
CHUNK = 16  # images drawn together: their planes stay in the processor's cache


@dataclass(frozen=True)
class DrawnDomain:
    """A domain that is computed; those of one ``stream`` of random numbers show the same subjects.

    Parameters of one image are numbers and small vectors; of a batch numbers are ``(n, 1, 1)`` and vectors ``(n, k)``.
    """

    sample: Callable[[np.random.Generator], dict]  # the parameters of one image
    paint: Callable[[dict, int], np.ndarray]  # a batch at a size, (n, 3, size, size) float32 in [0, 1] or beyond
    stream: str

    def parameters(self, numbers: range, seed: int) -> dict[str, np.ndarray]:
        """Return the parameters of the images with these numbers: numbers as ``(n,)``, vectors as ``(n, k)``."""
        stream = crc32(self.stream.encode())
        rows = [self.sample(np.random.default_rng([seed, stream, i])) for i in numbers]
        return {key: np.array([row[key] for row in rows]) for key in rows[0]}

    def pictures(self, numbers: range, size: int, seed: int) -> np.ndarray:
        """Draw the images with these numbers, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
        labels = {key: _as_planes(values) for key, values in self.parameters(numbers, seed).items()}
        images = np.empty((len(numbers), 3, size, size), np.float32)
        for start in range(0, len(numbers), CHUNK):
            part = slice(start, start + CHUNK)
            images[part] = self.paint({key: values[part] for key, values in labels.items()}, size)
        return np.clip(images, 0, 1, out=images)


DRAWN = {
    "dog": DrawnDomain(portraits.sample_dog, portraits.draw_dog, "dog"),
    "cat": DrawnDomain(portraits.sample_cat, portraits.draw_cat, "cat"),
    "face": DrawnDomain(portraits.sample_face, portraits.draw_face, "face"),
    "church": DrawnDomain(buildings.sample_church, buildings.draw_church, "church"),
    "bedroom": DrawnDomain(buildings.sample_bedroom, buildings.draw_bedroom, "bedroom"),
    "sketch": DrawnDomain(portraits.sample_dog, portraits.draw_sketch, "dog"),
    "galaxy": DrawnDomain(skies.sample_galaxy, skies.draw_galaxy, "galaxy"),
    "radiation": DrawnDomain(skies.sample_radiation, skies.draw_radiation, "radiation"),
}


def dust_maps(numbers: range, size: int, seed: int) -> np.ndarray:
    """Simulate the noiseless maps that ``radiation`` shows, float32 ``(n, 3, size, size)`` in MJy/sr."""
    labels = DRAWN["radiation"].parameters(numbers, seed)
    light = skies.radiation_light({key: _as_planes(values) for key, values in labels.items()}, size)
    return (light * canvas.color(BRIGHTNESS) + canvas.color(GLOW)).astype(np.float32)


def _as_planes(values: np.ndarray) -> np.ndarray:
    """Give numbers the shape ``(n, 1, 1)`` so that they broadcast against pixel grids."""
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    return values[:, None, None] if values.ndim == 1 else values
