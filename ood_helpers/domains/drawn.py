"""Drawn domains: a parametric, seeded generator for each, so that every picture comes with its labels.

Image ``i`` of a domain depends on ``(seed, stream, i)`` alone: asking for more images extends a set and
never changes it, and two seeds share no picture.  Sketch ``i`` is dog ``i`` as a line drawing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from . import animals, buildings, canvas, people, skies

BRIGHTNESS = (300.0, 40.0, 5.0)  # MJy/sr at 250, 24 and 4.5 micrometers where a drawn dust field has light 1
GLOW = (10.0, 2.0, 0.1)  # MJy/sr of what lies before and behind it
CHUNK = 16  # images drawn together: their planes stay in the processor's cache


@dataclass(frozen=True)
class DrawnDomain:
    """A domain that is computed; those of one ``stream`` of random numbers show the same subjects.

    ``sample(rng)`` draws one image's parameters, numbers and small vectors; ``paint(parameters, size)`` paints a batch,
    ``(n, 3, size, size)`` float32, to which numbers come as ``(n, 1, 1)`` and vectors as ``(n, k)``.
    """

    sample: Callable[[np.random.Generator], dict]
    paint: Callable[[dict, int], np.ndarray]
    stream: str

    def parameters(self, numbers: range, seed: int) -> dict[str, np.ndarray]:
        """Return the parameters of the images with these numbers: numbers as ``(n,)``, vectors as ``(n, k)``."""
        stream = crc32(self.stream.encode())
        rows = [self.sample(np.random.default_rng([seed, stream, i])) for i in numbers]
        return {key: np.array([row[key] for row in rows]) for key in rows[0]}

    def pictures(self, numbers: range, size: int, seed: int) -> np.ndarray:
        """Draw the images with these numbers, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
        n, labels = len(numbers), self.parameters(numbers, seed)
        images = np.empty((n, 3, size, size), np.float32)
        for start in range(0, n, CHUNK):
            part = {key: _as_planes(values[start : start + CHUNK]) for key, values in labels.items()}
            images[start : start + CHUNK] = self.paint(part, size)
        return np.clip(images, 0, 1, out=images)


DRAWN = {
    "dog": DrawnDomain(animals.sample_dog, animals.draw_dog, "dog"),
    "cat": DrawnDomain(animals.sample_cat, animals.draw_cat, "cat"),
    "face": DrawnDomain(people.sample_face, people.draw_face, "face"),
    "church": DrawnDomain(buildings.sample_church, buildings.draw_church, "church"),
    "bedroom": DrawnDomain(buildings.sample_bedroom, buildings.draw_bedroom, "bedroom"),
    "sketch": DrawnDomain(animals.sample_dog, animals.draw_sketch, "dog"),
    "galaxy": DrawnDomain(skies.sample_galaxy, skies.draw_galaxy, "galaxy"),
    "radiation": DrawnDomain(skies.sample_radiation, skies.draw_radiation, "radiation"),
}


def dust_maps(numbers: range, size: int, seed: int) -> np.ndarray:
    """Simulate the maps that ``radiation`` shows, float32 ``(n, 3, size, size)`` in MJy/sr, in the order of the bands.

    Light becomes brightness by a factor for each band, of the order that molecular clouds have, over a diffuse glow;
    there is no noise.
    """
    labels = DRAWN["radiation"].parameters(numbers, seed)
    light = skies.radiation_light({key: _as_planes(values) for key, values in labels.items()}, size)
    return (light * canvas.color(BRIGHTNESS) + canvas.color(GLOW)).astype(np.float32)


def _as_planes(values: np.ndarray) -> np.ndarray:
    """Give numbers the shape ``(n, 1, 1)`` so that they broadcast against pixel grids."""
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    return values[:, None, None] if values.ndim == 1 else values
