"""Portraits: dogs (the training domain), cats (its nearest neighbor), dogs as line drawings (sketches), and people."""

from __future__ import annotations

import numpy as np

from . import canvas as c

FUR = np.array(
    [[0.58, 0.38, 0.2], [0.86, 0.7, 0.45], [0.28, 0.22, 0.2], [0.92, 0.89, 0.84], [0.65, 0.48, 0.32], [0.5, 0.49, 0.52]]
)
IRIS = np.array([[0.42, 0.72, 0.32], [0.86, 0.68, 0.2], [0.32, 0.6, 0.86]])
PAPER = (0.97, 0.96, 0.92)
SKIN = np.array([[0.99, 0.87, 0.76], [0.93, 0.74, 0.58], [0.8, 0.58, 0.42], [0.58, 0.39, 0.27], [0.4, 0.26, 0.19]])
HAIR = np.array(
    [[0.1, 0.08, 0.08], [0.3, 0.18, 0.1], [0.52, 0.33, 0.16], [0.88, 0.72, 0.4], [0.62, 0.26, 0.12], [0.7, 0.7, 0.72]]
)
STYLES = ("short", "long", "bun")
TONGUE, NOSE, PINK = (0.93, 0.45, 0.5), (0.09, 0.07, 0.07), (0.93, 0.62, 0.62)


def portrait(rng) -> dict:
    """A pose and a backdrop of two colors along a direction; one in four is a studio's, between black and white."""
    pose = {"cx": rng.normal(0, 0.06), "cy": rng.normal(-0.03, 0.05)}
    pose |= c.uniform(rng, scale=(0.84, 1.06), tilt=(-0.14, 0.14))
    colored = rng.random() > 0.25
    sky, ground = rng.uniform(0.02, 1, (2, 3)) if colored else rng.uniform(0, 1, (2, 1)).repeat(3, 1)
    return {**pose, "sky": sky, "ground": ground, "slant": rng.uniform(-0.7, 0.7)}


def _fur(rng):
    return np.clip(FUR[rng.integers(len(FUR))] + rng.normal(0, 0.045, 3), 0.06, 0.97)


def backdrop(p, size: int):
    """Canvas with a smooth gradient between two colors along a slanted direction, and its coordinates."""
    canvas = c.Canvas(len(p["cx"]), size)
    x, y = canvas.grid
    ramp = np.clip((c.rotate(x, y, p["slant"])[1] + 1) / 2, 0, 1)[:, None]
    canvas.rgb[:] = c.color(p["sky"]) * (1 - ramp) + c.color(p["ground"]) * ramp
    return canvas, x, y


def lit(values, v, strength=0.16):
    """Light from above: a color that falls off with the height ``v`` on the object."""
    return np.clip(c.color(values) * (1 - strength * v)[:, None], 0, 1)


def sample_dog(rng) -> dict:
    return {
        **portrait(rng),
        "fur": _fur(rng),
        **c.uniform(rng, ear_shade=(0.5, 0.92), ear_drop=(0, 0.12), ear_turn=(0.08, 0.34), muzzle_light=(0.1, 0.24)),
        **c.uniform(rng, eye_gap=(0.2, 0.25), eye_size=(0.085, 0.11)),
        "patch": rng.choice([-1, 0, 0, 1]),
        "tongue": rng.integers(2),
        "collar": rng.uniform(0.1, 0.95, 3),
    }


def draw_dog(p: dict, size: int) -> np.ndarray:
    canvas, x, y = backdrop(p, size)
    fur, ear = p["fur"], p["fur"] * p["ear_shade"][:, 0]

    u, v = c.place(x, y, p["cx"], p["cy"], p["scale"])
    canvas.paint(c.ellipse(u, v, 0, 1.12, 0.62, 0.56), lit(fur * 0.86, v - 1))
    canvas.paint(c.both(c.ellipse(u, v, 0, 0.63, 0.44, 0.2), -c.ellipse(u, v, 0, 0.5, 0.52, 0.2)), p["collar"])

    u, v = c.place(x, y, p["cx"], p["cy"], p["scale"], p["tilt"])
    mirrored = np.abs(u)
    side = c.ellipse(mirrored, v, 0.55 + p["ear_drop"] / 2, -0.06 + p["ear_drop"], 0.17, 0.44, p["ear_turn"] * -1)
    canvas.paint(side, lit(ear, v, 0.3))
    canvas.paint(c.ellipse(u, v, 0, 0.03, 0.54, 0.6), lit(fur, v))
    canvas.paint(c.ellipse(u * p["patch"], v, 0.25, -0.14, 0.2, 0.24, 0.3), lit(ear * 0.9, v), 0.85 * (p["patch"] != 0))
    canvas.paint(c.ellipse(u, v, 0, 0.32, 0.3, 0.26), lit(np.clip(fur * 1.15 + p["muzzle_light"][:, 0], 0, 1), v - 0.3))

    eye, gap = p["eye_size"], p["eye_gap"]
    canvas.paint(c.disc(mirrored, v, gap, -0.1, eye * 1.1), c.WHITE)
    canvas.paint(c.disc(mirrored, v, gap, -0.095, eye * 0.78), (0.16, 0.09, 0.05))
    canvas.paint(c.either(*(c.disc(u, v, s * gap - 0.025, -0.13, eye * 0.27) for s in (-1, 1))), c.WHITE)
    canvas.paint(c.segment(mirrored, v, gap - 0.06, -0.265, gap + 0.07, -0.25, 0.018), ear * 0.6)

    canvas.paint(c.ellipse(u, v, 0, 0.49, 0.095, 0.14), TONGUE, p["tongue"])
    canvas.paint(c.both(c.outline(c.disc(mirrored, v, 0.1, 0.33, 0.1), 0.014), 0.35 - v), NOSE)
    canvas.paint(c.segment(u, v, 0, 0.24, 0, 0.35, 0.014), NOSE)
    canvas.paint(c.ellipse(u, v, 0, 0.2, 0.125, 0.088), NOSE)
    canvas.paint(c.ellipse(u, v, -0.03, 0.165, 0.045, 0.02), (0.55, 0.53, 0.53))
    for dx, dy in ((0.15, 0.3), (0.2, 0.35), (0.14, 0.38)):
        canvas.paint(c.disc(mirrored, v, dx + 0.03, dy, 0.014), ear * 0.5)
    return canvas.rgb


def sample_cat(rng) -> dict:
    return {
        **portrait(rng),
        "fur": _fur(rng),
        "iris": IRIS[rng.integers(len(IRIS))] + rng.normal(0, 0.03, 3),
        **c.uniform(rng, ear_spread=(0.33, 0.42), ear_height=(0.3, 0.42)),
        **c.uniform(rng, eye_gap=(0.21, 0.25), eye_open=(0.7, 1), pupil=(0.025, 0.05)),
        "stripes": rng.random() < 0.5,
        "bib": rng.random() < 0.5,
        "whiskers": rng.uniform(-0.05, 0.05),
    }


def draw_cat(p: dict, size: int) -> np.ndarray:
    canvas, x, y = backdrop(p, size)
    fur = p["fur"]
    dark, light = fur * 0.62, np.clip(fur * 0.6 + 0.42, 0, 1)

    u, v = c.place(x, y, p["cx"], p["cy"], p["scale"])
    canvas.paint(c.ellipse(u, v, 0, 1.12, 0.52, 0.6), lit(fur * 0.88, v - 1))
    canvas.paint(c.ellipse(u, v, 0, 0.98, 0.24, 0.42), light, p["bib"])

    u, v = c.place(x, y, p["cx"], p["cy"], p["scale"], p["tilt"])
    mirrored = np.abs(u)
    ear, tip = p["ear_spread"], -0.42 - p["ear_height"]
    canvas.paint(c.polygon(mirrored, v, [(ear + 0.07, tip), (0.56, 0.0), (0.08, -0.38)]) - 0.02, lit(fur * 0.92, v))
    canvas.paint(c.polygon(mirrored, v, [(ear + 0.05, tip + 0.13), (0.45, -0.18), (0.2, -0.4)]), PINK)
    canvas.paint(c.ellipse(u, v, 0, 0.05, 0.58, 0.5), lit(fur, v))
    for ends in ((0.0, -0.22, 0.0, -0.4), (0.1, -0.24, 0.13, -0.4), (0.44, 0.08, 0.56, 0.04), (0.44, 0.2, 0.56, 0.16)):
        canvas.paint(c.segment(mirrored, v, *ends, 0.022), dark, p["stripes"])
    canvas.paint(c.ellipse(mirrored, v, 0.1, 0.3, 0.145, 0.115), light)

    gap, iris = p["eye_gap"], p["iris"]
    eye = c.ellipse(mirrored, v, gap, -0.03, 0.125, 0.115 * p["eye_open"], 0.25)
    canvas.paint(eye, iris)
    canvas.paint(c.both(c.ellipse(mirrored, v, gap, -0.03, p["pupil"], 0.11), eye), c.INK)
    canvas.paint(c.outline(eye, 0.014), dark * 0.5)
    canvas.paint(c.either(*(c.disc(u, v, s * gap - 0.03, -0.065, 0.024) for s in (-1, 1))), c.WHITE)

    nose = c.polygon(u, v, [(-0.06, 0.165), (0.06, 0.165), (0.0, 0.235)]) - 0.015
    canvas.paint(c.segment(u, v, 0, 0.23, 0, 0.3, 0.012), NOSE)
    canvas.paint(c.both(c.outline(c.disc(mirrored, v, 0.075, 0.29, 0.075), 0.012), 0.3 - v), NOSE)
    canvas.paint(nose, (0.85, 0.5, 0.52))
    for height, drop in ((0.24, -0.05), (0.3, 0.02), (0.35, 0.1)):
        whisker = c.segment(mirrored, v, 0.17, height, 0.64, height + drop + p["whiskers"], 0.009)
        canvas.paint(whisker, (0.97, 0.97, 0.97), 0.9)
    return canvas.rgb


def draw_sketch(p: dict, size: int) -> np.ndarray:
    """Draw the dogs of ``draw_dog`` again as ink lines on paper, ``(n, 3, size, size)`` in ``[0, 1]``."""
    canvas = c.Canvas(len(p["cx"]), size)
    x, y = canvas.grid
    canvas.rgb[:] = c.color(PAPER)

    def ink(shape, half_width=0.016):
        """Cover what lies behind with paper, then follow the rim."""
        canvas.paint(shape, PAPER)
        canvas.paint(c.outline(shape, half_width), c.INK)

    u, v = c.place(x, y, p["cx"], p["cy"], p["scale"])
    ink(c.ellipse(u, v, 0, 1.12, 0.62, 0.56))
    ink(c.both(c.ellipse(u, v, 0, 0.63, 0.44, 0.2), -c.ellipse(u, v, 0, 0.5, 0.52, 0.2)))

    u, v = c.place(x, y, p["cx"], p["cy"], p["scale"], p["tilt"])
    mirrored = np.abs(u)
    side = c.ellipse(mirrored, v, 0.55 + p["ear_drop"] / 2, -0.06 + p["ear_drop"], 0.17, 0.44, p["ear_turn"] * -1)
    head = c.ellipse(u, v, 0, 0.03, 0.54, 0.6)
    ink(side)
    hatching = np.abs(np.mod(u + v, 0.11) - 0.055) - 0.008
    canvas.paint(c.both(hatching, side + 0.03), c.INK, 0.75)
    ink(head)
    patch = c.both(c.ellipse(u * p["patch"], v, 0.25, -0.14, 0.2, 0.24, 0.3), head + 0.02)
    canvas.paint(c.both(np.abs(np.mod(u - v, 0.09) - 0.045) - 0.008, patch), c.INK, 0.75 * (p["patch"] != 0))
    canvas.paint(c.both(c.outline(c.ellipse(u, v, 0, 0.32, 0.3, 0.26), 0.011), head), c.INK)

    eye, gap = p["eye_size"], p["eye_gap"]
    ink(c.disc(mirrored, v, gap, -0.1, eye), 0.013)
    canvas.paint(c.disc(mirrored, v, gap, -0.095, eye * 0.55), c.INK)
    canvas.paint(c.either(*(c.disc(u, v, s * gap - 0.02, -0.12, eye * 0.2) for s in (-1, 1))), PAPER)
    canvas.paint(c.segment(mirrored, v, gap - 0.06, -0.265, gap + 0.07, -0.25, 0.014), c.INK)

    tongue = c.both(c.ellipse(u, v, 0, 0.49, 0.095, 0.14), 0.42 - v)
    canvas.paint(c.outline(tongue, 0.012), c.INK, p["tongue"])
    canvas.paint(c.both(c.outline(c.disc(mirrored, v, 0.1, 0.33, 0.1), 0.014), 0.35 - v), c.INK)
    canvas.paint(c.segment(u, v, 0, 0.24, 0, 0.35, 0.014), c.INK)
    canvas.paint(c.ellipse(u, v, 0, 0.2, 0.125, 0.088), c.INK)
    canvas.paint(c.ellipse(u, v, -0.03, 0.165, 0.045, 0.02), PAPER)
    return canvas.rgb


def sample_face(rng) -> dict:
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
    canvas, x, y = backdrop(p, size)
    skin, hair, width = p["skin"], p["hair"], p["face_width"]

    u, v = c.place(x, y, p["cx"], p["cy"], p["scale"], p["tilt"] * 0.7)
    side = np.abs(u)
    back = c.either(c.ellipse(u, v, 0, -0.14, width + 0.17, 0.62), c.box(u, v, 0, 0.32, width + 0.15, 0.48, 0.2))
    canvas.paint(back, lit(hair * 0.8, v), p["style"] == 1)
    canvas.paint(c.disc(u, v, 0, -0.78, 0.2), lit(hair * 0.9, v), p["style"] == 2)

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
