"""Portraits of people, in the place of CelebA-HQ."""

from __future__ import annotations

import numpy as np

from . import canvas as c
from .animals import backdrop, lit, portrait

SKIN = np.array([[0.99, 0.87, 0.76], [0.93, 0.74, 0.58], [0.8, 0.58, 0.42], [0.58, 0.39, 0.27], [0.4, 0.26, 0.19]])
HAIR = np.array(
    [[0.1, 0.08, 0.08], [0.3, 0.18, 0.1], [0.52, 0.33, 0.16], [0.88, 0.72, 0.4], [0.62, 0.26, 0.12], [0.7, 0.7, 0.72]]
)
STYLES = ("short", "long", "bun")


def sample_face(rng) -> dict:
    """Draw the parameters of one portrait."""
    return {
        **portrait(rng),
        "skin": np.clip(SKIN[rng.integers(len(SKIN))] + rng.normal(0, 0.02, 3), 0.05, 1),
        "hair": np.clip(HAIR[rng.integers(len(HAIR))] + rng.normal(0, 0.03, 3), 0.02, 1),
        "style": rng.integers(len(STYLES)),
        "shirt": rng.uniform(0.08, 0.95, 3),
        "iris": np.array([[0.25, 0.15, 0.08], [0.3, 0.5, 0.65], [0.32, 0.48, 0.25]])[rng.integers(3)],
        **c.uniform(rng, face_width=(0.38, 0.45), smile=(0, 1)),
        "glasses": rng.random() < 0.25,
        "lips": np.array([0.78, 0.34, 0.34]) * rng.uniform(0.8, 1.1),
    }


def draw_face(p: dict, size: int) -> np.ndarray:
    """Paint portraits, ``(n, 3, size, size)`` in ``[0, 1]``."""
    canvas, x, y = backdrop(p, size)
    skin, hair, width = p["skin"], p["hair"], p["face_width"]
    long, bun = p["style"] == 1, p["style"] == 2

    u, v = c.place(x, y, p["cx"], p["cy"], p["scale"], p["tilt"] * 0.7)
    side = np.abs(u)
    back = c.either(c.ellipse(u, v, 0, -0.14, width + 0.17, 0.62), c.box(u, v, 0, 0.32, width + 0.15, 0.48, 0.2))
    canvas.paint(back, lit(hair * 0.8, v), long)
    canvas.paint(c.disc(u, v, 0, -0.78, 0.2), lit(hair * 0.9, v), bun)

    flat_u, flat_v = c.place(x, y, p["cx"], p["cy"], p["scale"])
    canvas.paint(c.ellipse(flat_u, flat_v, 0, 1.2, 0.78, 0.46), lit(p["shirt"], flat_v - 1))
    canvas.paint(c.box(u, v, 0, 0.66, 0.15, 0.26, 0.1), lit(skin * 0.86, v - 0.6))
    canvas.paint(c.ellipse(flat_u, flat_v, 0, 0.8, 0.2, 0.1), lit(skin * 0.9, flat_v - 0.8))

    canvas.paint(c.ellipse(side, v, width, 0.06, 0.07, 0.12), lit(skin * 0.9, v))
    canvas.paint(c.ellipse(u, v, 0, -0.16, width + 0.07, 0.52), lit(hair, v, 0.3))
    canvas.paint(c.ellipse(u, v, 0, 0.08, width, 0.56), lit(skin, v, 0.1))
    canvas.paint(c.disc(side, v, 0.24, 0.24, 0.1), np.clip(skin * np.array([1.05, 0.85, 0.82], np.float32), 0, 1), 0.5)
    fringe = c.both(c.ellipse(u, v, 0, -0.16, width + 0.04, 0.5), -c.ellipse(u, v, 0.18, 0.2, 0.62, 0.6, -0.25))
    canvas.paint(fringe, lit(hair, v + 0.3, 0.35))

    canvas.paint(c.ellipse(side, v, 0.17, 0.02, 0.088, 0.052), c.WHITE)
    canvas.paint(c.disc(side, v, 0.17, 0.02, 0.048), p["iris"])
    canvas.paint(c.disc(side, v, 0.17, 0.02, 0.025), c.INK)
    canvas.paint(c.either(*(c.disc(u, v, s * 0.17 - 0.016, 0.002, 0.014) for s in (-1, 1))), c.WHITE)
    canvas.paint(c.segment(side, v, 0.09, -0.115, 0.25, -0.095, 0.018), hair * 0.75)
    rims = c.either(c.outline(c.disc(side, v, 0.18, 0.03, 0.125), 0.014), c.segment(u, v, -0.06, 0.0, 0.06, 0.0, 0.012))
    canvas.paint(rims, (0.14, 0.13, 0.16), p["glasses"])

    canvas.paint(c.segment(u, v, 0.0, 0.06, 0.035, 0.2, 0.016), skin * 0.82)
    canvas.paint(c.ellipse(u, v, 0, 0.21, 0.06, 0.03), skin * 0.82)
    curve = 0.36 + 0.06 * p["smile"] - 1.6 * p["smile"] * u * u
    canvas.paint(c.both(np.abs(v - curve) - 0.035, side - 0.15), p["lips"])
    canvas.paint(c.both(np.abs(v - curve) - 0.012, side - 0.11), c.WHITE, p["smile"] > 0.6)
    return canvas.rgb
