"""Churches from outside and bedrooms from inside, in the place of the two LSUN categories."""

from __future__ import annotations

import numpy as np

from . import canvas as c
from .portraits import lit

WOOD = np.array([[0.55, 0.36, 0.2], [0.72, 0.52, 0.32], [0.4, 0.26, 0.17], [0.85, 0.72, 0.52]])
ROOF = np.array([[0.55, 0.22, 0.16], [0.32, 0.34, 0.4], [0.42, 0.28, 0.2]])
PUFFS = ((-0.16, 0.03, 0.14), (0, 0, 0.19), (0.17, 0.04, 0.13))  # of a cloud: place and radius


def sample_church(rng) -> dict:
    return {
        "sky": np.array([0.36, 0.58, 0.9]) * rng.uniform(0.75, 1.1),
        "haze": rng.uniform(0.8, 1.0, 3),
        "grass": np.array([0.3, 0.55, 0.24]) * rng.uniform(0.7, 1.2, 3),
        "wall": np.clip(np.array([0.88, 0.82, 0.72]) * rng.uniform(0.65, 1.1) + rng.normal(0, 0.03, 3), 0, 1),
        "roof": np.clip(ROOF[rng.integers(len(ROOF))] * rng.uniform(0.8, 1.25), 0, 1),
        **c.uniform(rng, horizon=(0.5, 0.68), nave_x=(-0.12, 0.12), nave_width=(0.5, 0.68), nave_top=(0.02, 0.18)),
        "tower_x": rng.choice([-1, 1]) * rng.uniform(0.12, 0.5),
        **c.uniform(rng, tower_width=(0.13, 0.19), tower_top=(-0.34, -0.12), spire=(0.34, 0.5)),
        "windows": rng.integers(3, 6),
        **c.uniform(rng, cloud=(-0.8, 0.8, 3), cloud_height=(-0.9, -0.25, 3)),
        "tree_x": rng.choice([-1, 1]) * rng.uniform(0.72, 0.95),
        "tree_size": rng.uniform(0.14, 0.26),
    }


def draw_church(p: dict, size: int) -> np.ndarray:
    canvas = c.Canvas(len(p["horizon"]), size)
    x, y = canvas.grid
    ramp = np.clip((y + 1) / (1 + p["horizon"]), 0, 1)[:, None] ** 1.3
    canvas.rgb[:] = c.color(p["sky"]) * (1 - ramp) + c.color(p["haze"]) * ramp
    for k in range(3):
        cx, cy = (p[key][:, k, None, None] for key in ("cloud", "cloud_height"))
        canvas.paint(c.either(*(c.ellipse(x, y, cx + dx, cy + dy, r, r * 0.55) for dx, dy, r in PUFFS)), c.WHITE, 0.75)

    base = p["horizon"] + 0.12
    canvas.paint(p["horizon"] - y + 0 * x, lit(p["grass"], y - p["horizon"], -0.5))
    size_, tx = p["tree_size"], p["tree_x"]
    canvas.paint(c.box(x, y, tx, base - 0.02, 0.035, 0.16), (0.36, 0.24, 0.15))
    leaves = ((-0.4, 0.2), (0.4, 0.2), (0, -0.4))
    crown = [c.disc(x, y, tx + dx * size_, base - 0.28 + dy * size_, size_) for dx, dy in leaves]
    canvas.paint(c.either(*crown), lit(p["grass"] * 0.75, y - base + 0.3, 0.6))

    wall, roof = p["wall"], p["roof"]
    nx, nw, top = p["nave_x"], p["nave_width"], p["nave_top"]
    canvas.paint(c.box(x, y, nx, (top + base) / 2, nw, (base - top) / 2), lit(wall, x - nx, 0.12))
    gable = top - 0.34
    ridge, eaves = [(nx - nw + 0.12, gable), (nx + nw - 0.12, gable)], top + 0.02
    corners = [*ridge, (nx + nw + 0.07, eaves), (nx - nw - 0.07, eaves)]
    canvas.paint(c.polygon(x, y, corners), lit(roof, y - gable, -0.35))

    tx, tw, tt = p["tower_x"], p["tower_width"], p["tower_top"]
    pitch = 2 * nw / (p["windows"] + 0.0)
    along = (x - nx + nw) / pitch
    offset = (along - np.floor(along) - 0.5) * pitch
    inside = np.abs(x - nx) - nw + 0.02
    arch = c.either(c.box(offset, y, 0, top + 0.28, 0.055, 0.1), c.disc(offset, y, 0, top + 0.18, 0.055))
    canvas.paint(c.both(arch, inside), (0.22, 0.28, 0.42))
    canvas.paint(c.both(c.outline(arch, 0.012), inside), wall * 0.7)

    canvas.paint(c.box(x, y, tx, (tt + base) / 2, tw, (base - tt) / 2), lit(wall * 0.93, x - tx, 0.5))
    peak = tt - p["spire"]
    spire = c.polygon(x, y, [(tx, peak), (tx + tw + 0.05, tt + 0.01), (tx - tw - 0.05, tt + 0.01)])
    canvas.paint(spire, lit(roof * 0.85, x - tx, 1.0))
    beam = c.segment(x, y, tx - 0.055, peak - 0.09, tx + 0.055, peak - 0.09, 0.014)
    canvas.paint(c.either(c.segment(x, y, tx, peak - 0.14, tx, peak, 0.014), beam), (0.2, 0.18, 0.2))
    clock = c.disc(x, y, tx, tt + 0.17, 0.075)
    canvas.paint(clock, c.WHITE)
    canvas.paint(c.outline(clock, 0.012), (0.25, 0.22, 0.22))
    hands = [c.segment(x, y, tx, tt + 0.17, *end, 0.01) for end in ((tx, tt + 0.12), (tx + 0.035, tt + 0.17))]
    canvas.paint(c.either(*hands), (0.1, 0.1, 0.1))
    door = c.either(c.box(x, y, tx, base - 0.11, 0.075, 0.11), c.disc(x, y, tx, base - 0.22, 0.075))
    canvas.paint(door, (0.34, 0.2, 0.12))
    canvas.paint(c.outline(door, 0.014), wall * 0.65)
    canvas.paint(base - y + 0 * x, lit(p["grass"] * 0.9, y - base, 0.3))
    canvas.paint(c.trapezoid(x, y, tx, base, 0.07, 1.1, 0.2), (0.78, 0.71, 0.58))
    return canvas.rgb


def sample_bedroom(rng) -> dict:
    return {
        "wall": rng.uniform(0.6, 0.98) * rng.uniform(0.85, 1.0, 3),
        **{k: np.clip(WOOD[rng.integers(len(WOOD))] + rng.normal(0, 0.03, 3), 0, 1) for k in ("floor", "wood")},
        **c.uniform(rng, blanket=(0.1, 0.95, 3), curtain=(0.25, 0.95, 3), rug=(0.2, 0.95, 3), picture=(0.1, 0.9, 3)),
        "night": rng.random() < 0.25,
        **c.uniform(rng, skirting=(0.12, 0.28), bed_x=(-0.3, 0.3), bed_width=(0.42, 0.56), headboard=(0.24, 0.4)),
        "window_x": rng.choice([-1, 1]) * rng.uniform(0.5, 0.62),
        "lamp": rng.random() < 0.7,
    }


def draw_bedroom(p: dict, size: int) -> np.ndarray:
    canvas = c.Canvas(len(p["bed_x"]), size)
    x, y = canvas.grid
    edge, wood = p["skirting"], p["wood"]
    canvas.rgb[:] = lit(p["wall"], y + 0 * x, 0.12)
    canvas.paint(edge - y + 0 * x, lit(p["floor"], y - edge, -0.25))
    fan = (x / (y - edge + 0.55)) * 5  # floorboards that converge toward the back
    board = (np.abs(fan - np.round(fan)) * (y - edge + 0.55) / 5 - 0.008) + 0 * y
    canvas.paint(c.both(board, edge - y + 0 * x), p["floor"] * 0.8)
    canvas.paint(c.box(x, y, 0, edge, 1.2, 0.022), (0.96, 0.95, 0.92))

    wx, day = p["window_x"], 1 - p["night"]
    glass = c.box(x, y, wx, -0.48, 0.22, 0.3)
    pane = np.where(p["night"][:, None], c.color((0.08, 0.1, 0.25)), c.color((0.62, 0.82, 0.97)))
    canvas.paint(glass, pane * (1 - 0.15 * (y + 0.5)[:, None]) + 0 * x[:, None])
    canvas.paint(c.disc(x, y, wx + 0.08, -0.62, 0.05), (0.99, 0.95, 0.75), 1 - 0.5 * day)
    bars = c.either(np.abs(x - wx) - 0.014 + 0 * y, np.abs(y + 0.48) - 0.014 + 0 * x)
    canvas.paint(c.either(c.outline(glass, 0.025), c.both(bars, glass)), (0.97, 0.96, 0.94))
    folds = lit(p["curtain"], np.sin((x - wx) * 90) + 0 * y, 0.12)
    for s in (-1, 1):
        canvas.paint(c.box(x, y, wx + s * 0.25, -0.42, 0.085, 0.42, 0.03), folds)
    canvas.paint(c.segment(x, y, wx - 0.38, -0.84, wx + 0.38, -0.84, 0.018), wood * 0.6)

    px = -0.62 * np.sign(wx) * 0.55
    canvas.paint(c.box(x, y, px, -0.56, 0.2, 0.15), wood * 0.7)
    sheet = c.box(x, y, px, -0.56, 0.165, 0.115)
    canvas.paint(sheet, p["picture"])
    mountain = c.polygon(x, y, [(px - 0.02, -0.62), (px + 0.16, -0.44), (px - 0.165, -0.44)])
    canvas.paint(c.both(mountain, sheet), 1 - p["picture"])

    bx, bw, head = p["bed_x"], p["bed_width"], p["headboard"]
    canvas.paint(c.ellipse(x, y, bx, 0.86, bw + 0.34, 0.22), p["rug"])
    canvas.paint(c.outline(c.ellipse(x, y, bx, 0.86, bw + 0.28, 0.175), 0.014), p["rug"] * 0.7)
    canvas.paint(c.box(x, y, bx, edge - head / 2 + 0.02, bw * 0.92, head / 2 + 0.12, 0.06), lit(wood, y - edge, 0.3))
    fold, linen = edge + 0.22, np.array([0.96, 0.95, 0.93], np.float32)
    canvas.paint(c.trapezoid(x, y, bx, edge + 0.04, bw * 0.9, 0.72, bw * 1.08), lit(linen, y - 0.4, 0.1))
    canvas.paint(c.trapezoid(x, y, bx, fold, bw * 0.98, 0.74, bw * 1.1), lit(p["blanket"], y - 0.45, -0.25))
    hem = c.both(np.abs(y - fold) - 0.035 + 0 * x, np.abs(x - bx) - bw * 0.99 + 0 * y)
    canvas.paint(hem, np.clip(p["blanket"] * 1.2 + 0.12, 0, 1))
    canvas.paint(c.box(x, y, bx, 0.79, bw * 1.1, 0.07, 0.02), lit(wood * 0.85, y - 0.79, 0.8))
    for s in (-1, 1):
        pillow = c.box(x, y, bx + s * bw * 0.44, edge + 0.09, bw * 0.36, 0.085, 0.07)
        canvas.paint(pillow, (1.0, 0.99, 0.97))
        canvas.paint(c.outline(pillow, 0.008), (0.8, 0.79, 0.78))

    lx = bx - np.sign(wx) * (bw + 0.17)
    canvas.paint(c.box(x, y, lx, edge + 0.16, 0.12, 0.17, 0.02), lit(wood * 0.9, y - edge, 0.5))
    canvas.paint(c.segment(x, y, lx, edge - 0.02, lx, edge - 0.12, 0.02), wood * 0.5, p["lamp"])
    canvas.paint(c.trapezoid(x, y, lx, edge - 0.3, 0.06, edge - 0.12, 0.11), (0.99, 0.9, 0.62), p["lamp"])
    glow = np.exp(-((x - lx) ** 2 + (y - edge + 0.2) ** 2) / 0.12) * p["lamp"]
    canvas.shade(glow, np.float32(0.22))
    canvas.shade(p["night"] * (1 - glow), np.float32(-0.28))
    return canvas.rgb
