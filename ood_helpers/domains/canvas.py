"""Batched drawing with signed distances: a shape is the set of points where its distance is negative.

It covers ``clip(1/2 - distance / pixel, 0, 1)`` of a pixel. Coordinates run over ``[-1, 1]``, ``y`` downward. A shape
parameter is a number or an array ``(n, 1, 1)``, one for each image; every distance broadcasts to ``(n, size, size)``.
"""

from __future__ import annotations

import numpy as np

WHITE = (1.0, 1.0, 1.0)
INK = (0.07, 0.05, 0.05)


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixel centers ``x`` of shape ``(1, 1, size)`` and ``y`` of shape ``(1, size, 1)``."""
    centers = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    return centers[None, None, :], centers[None, :, None]


def uniform(rng, **ranges) -> dict:
    """Draw a number of each range ``(low, high)``, or a vector ``(low, high, k)``, in this order."""
    return {name: rng.uniform(*bounds) for name, bounds in ranges.items()}


def rotate(x, y, angle):
    """Turn the coordinates by ``angle`` radians (clockwise on the page, because ``y`` points down)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def place(x, y, cx, cy, scale=1.0, angle=0.0):
    """Coordinates of an object centered at ``(cx, cy)``, enlarged by ``scale`` and turned by ``angle``."""
    return rotate((x - cx) / scale, (y - cy) / scale, angle)


def ellipse(x, y, cx, cy, rx, ry, angle=0.0):
    """First-order distance to an ellipse: the implicit function over the length of its gradient."""
    u, v = rotate(x - cx, y - cy, angle)
    u, v = u / rx, v / ry
    slope = np.sqrt((u / rx) ** 2 + (v / ry) ** 2) + 1e-6
    return (u * u + v * v - 1) / (2 * slope)


def disc(x, y, cx, cy, r):
    """Distance to a disc of radius ``r``."""
    return np.sqrt((x - cx) ** 2 + (y - cy) ** 2) - r


def box(x, y, cx, cy, half_width, half_height, radius=0.0):
    """Distance to an upright rectangle with rounded corners (exact outside, Chebyshev inside)."""
    u, v = np.abs(x - cx) - half_width + radius, np.abs(y - cy) - half_height + radius
    outside = np.sqrt(np.maximum(u, 0) ** 2 + np.maximum(v, 0) ** 2)
    return outside + np.minimum(np.maximum(u, v), 0) - radius


def segment(x, y, x0, y0, x1, y1, half_width):
    """Distance to a line from ``(x0, y0)`` to ``(x1, y1)`` with round ends."""
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
    return np.sqrt((x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2) - half_width


def polygon(x, y, corners):
    """Largest signed distance to the edges' lines of a convex polygon of ``(x, y)`` pairs, clockwise on the page."""
    edges = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        dx, dy = x1 - x0, y1 - y0
        edges.append(((x - x0) * dy - (y - y0) * dx) / np.sqrt(dx * dx + dy * dy))
    return both(*edges)


def trapezoid(x, y, cx, top, half_top, bottom, half_bottom):
    """Distance to an upright symmetric trapezoid, as of `polygon`."""
    ends = ((-half_top, top), (half_top, top), (half_bottom, bottom), (-half_bottom, bottom))
    return polygon(x, y, [(cx + half, height) for half, height in ends])


def outline(distance, half_width):
    """Distance to the rim of a shape, drawn ``2 * half_width`` thick."""
    return np.abs(distance) - half_width


def either(*distances):
    """Union of shapes."""
    return np.minimum.reduce(np.broadcast_arrays(*distances))


def both(*distances):
    """Intersection of shapes."""
    return np.maximum.reduce(np.broadcast_arrays(*distances))


def color(values) -> np.ndarray:
    """Bring a color ``(3,)`` or one color per image ``(n, 3)`` to shape ``(n, 3, 1, 1)``."""
    return np.asarray(values, np.float32).reshape(-1, 3, 1, 1)


class Canvas:
    """A batch of RGB pictures with values in ``[0, 1]``, shape ``(n, 3, size, size)``, to paint on."""

    def __init__(self, n: int, size: int):
        self.rgb = np.zeros((n, 3, size, size), np.float32)
        self.pixel = np.float32(2 / size)
        self.grid = grid(size)

    def paint(self, distance, values, opacity=1.0) -> None:
        """Lay a color, flat or shaded ``(n, 3, size, size)``, over a shape; ``opacity`` may be ``(n, 1, 1)``."""
        coverage = np.clip(0.5 - distance / self.pixel, 0, 1) * opacity
        self.rgb += coverage[:, None] * ((values if np.ndim(values) == 4 else color(values)) - self.rgb)

    def shade(self, weight, amount) -> None:
        """Brighten (``amount > 0``) or darken where ``weight`` is positive; both broadcast to a picture."""
        self.rgb *= 1 + (weight * amount)[:, None]
