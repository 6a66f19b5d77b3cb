"""Two skies, computed as light in three bands and then developed: galaxies, and dust lit by young stars.

Sources add up in each band, the sky adds noise, and a nonlinear stretch brings the brightness onto a screen.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from . import canvas as c

GALAXY_KINDS = ("elliptical", "clockwise spiral", "anticlockwise spiral", "edge-on", "star or don't know", "merger")
FIELD_STARS = 4
OLD, YOUNG = (1.0, 0.74, 0.46), (0.62, 0.8, 1.0)

BUBBLES, STARS = 3, 9
MODES = 24  # wave numbers -24..24: detail down to 1/24 of PERIOD
PERIOD = 2.6  # in units where the picture is 2 wide, so that opposite edges do not match


def sample_galaxy(rng) -> dict:
    """Draw the parameters of one galaxy; ``kind`` indexes ``GALAXY_KINDS``."""
    return {
        "kind": rng.integers(len(GALAXY_KINDS)),
        **{name: rng.normal(0, 0.05) for name in ("cx", "cy")},
        **c.uniform(rng, angle=(0, np.pi), axis_ratio=(0.55, 1), radius=(0.13, 0.2), bulge=(0.12, 0.4)),
        "arms": rng.integers(2, 4),
        **c.uniform(rng, pitch=(0.3, 0.5), phase=(0, 2 * np.pi), contrast=(0.75, 0.95), separation=(0.26, 0.4)),
        **c.uniform(rng, star_x=(-1, 1, FIELD_STARS), star_y=(-1, 1, FIELD_STARS)),
        "star_flux": rng.pareto(1.5, FIELD_STARS).clip(0, 8) * 0.12,
        "noise": rng.integers(2**31),
    }


def draw_galaxy(p: dict, size: int) -> np.ndarray:
    x, y = c.grid(size)
    dx, dy = x - p["cx"], y - p["cy"]
    kind = p["kind"][:, 0, 0]
    flux = np.zeros((len(kind), 3, size, size), np.float32)
    for k, painter in enumerate((_elliptical, _spiral, _spiral, _edge_on, _star, _merger)):
        rows = kind == k
        if rows.any():
            flux[rows] = painter({key: values[rows] for key, values in p.items()}, dx[rows], dy[rows])
    for k in range(FIELD_STARS):
        sx, sy, brightness = (p[key][:, k, None, None] for key in ("star_x", "star_y", "star_flux"))
        flux += c.color((1.0, 0.93, 0.8)) * (brightness * _point(x - sx, y - sy))[:, None]
    noise = [np.random.default_rng(int(seed)).standard_normal((3, size, size), np.float32) for seed in p["noise"].flat]
    return stretch(flux + 0.006 + 0.003 * np.stack(noise))


def stretch(flux, softening=0.05):
    """Develop light into a picture: ``asinh`` of the brightness, which keeps the ratio of the three bands."""
    brightness = np.maximum(flux.mean(1, keepdims=True), 1e-6)
    seen = np.arcsinh(brightness / softening) / np.arcsinh(1 / softening)
    picture = np.maximum(flux, 0) * (seen / brightness)
    return picture / np.maximum(picture.max(1, keepdims=True), 1)  # beyond the screen's white a pixel keeps its hue


def _point(dx, dy, width=0.035):
    """A point source seen through the atmosphere: a Moffat profile."""
    return (1 + (dx**2 + dy**2) / width**2) ** -2.5


def _sersic(r, radius, index):
    """Brightness ``exp(-b ((r / radius)**(1 / index) - 1))``, relative to that at the half-light radius."""
    b = 2 * index - 1 / 3
    return np.exp(-b * ((r / radius + 0.02) ** (1 / index) - 1))


def _disc_plane(p, dx, dy, axis_ratio):
    """Polar coordinates in the plane of an inclined disc."""
    u, v = c.rotate(dx, dy, p["angle"])
    v = v / axis_ratio
    return np.sqrt(u * u + v * v), np.arctan2(v, u)


def _elliptical(p, dx, dy):
    r, _ = _disc_plane(p, dx, dy, p["axis_ratio"])
    return c.color(OLD) * (0.11 * _sersic(r, p["radius"] * 1.5, 4))[:, None]


def _arms(p, r, theta, hand):
    """Logarithmic spiral arms: crests where ``theta + hand log(r) / tan(pitch)`` is constant."""
    crest = np.cos(p["arms"] * (theta + hand * np.log(r + 0.02) / np.tan(p["pitch"]) - p["phase"]))
    return 1 + p["contrast"] * (2 * ((1 + crest) / 2) ** 2 - 0.75) * np.clip(r / 0.12, 0, 1)


def _spiral(p, dx, dy, hand=None):
    r, theta = _disc_plane(p, dx, dy, p["axis_ratio"])
    hand = np.where(p["kind"] == 1, 1, -1) if hand is None else hand
    disc = 1.1 * np.exp(-r / p["radius"]) * np.maximum(_arms(p, r, theta, hand), 0)
    bulge = 1.3 * p["bulge"] * _sersic(r, 0.09, 1.5)
    return c.color(YOUNG) * disc[:, None] + c.color(OLD) * bulge[:, None]


def _edge_on(p, dx, dy):
    u, v = c.rotate(dx, dy, p["angle"])
    disc = 1.2 * np.exp(-np.abs(u) / (p["radius"] * 1.3) - (v / 0.05) ** 2)
    bulge = 1.2 * p["bulge"] * _sersic(np.sqrt(u * u + (v / 0.7) ** 2), 0.09, 1.5)
    lane = 1 - 0.6 * np.exp(-((v - 0.012) ** 2) / 0.02**2 - (u / 0.5) ** 2)
    return c.color((0.85, 0.82, 0.8)) * (disc * lane)[:, None] + c.color(OLD) * (bulge * lane)[:, None]


def _star(p, dx, dy):
    """One bright point with the cross that a telescope's mirror supports cast."""
    cross = sum(np.exp(-np.abs(a) / 0.16 - (b / 0.014) ** 2) for a, b in ((dx, dy), (dy, dx)))
    return c.color((1.0, 0.95, 0.85)) * (2.2 * _point(dx, dy, 0.06) + 0.5 * cross)[:, None]


def _merger(p, dx, dy):
    """Two galaxies in contact; each draws the other's outskirts out into a tail."""
    along, across = (p["separation"] * f(p["angle"]) / 2 for f in (np.cos, np.sin))
    flux = 0
    for s, weight in ((1, 1.0), (-1, 0.7)):
        u, v = s * (dx - s * along), s * (dy - s * across)
        body = _spiral({**p, "axis_ratio": 0.75, "radius": p["radius"] * 0.62}, u, v, 1)
        turn = np.arctan2(*c.rotate(u, v, p["angle"])[::-1])
        reach = np.sqrt(u * u + v * v) - (0.24 + 0.09 * turn)
        tail = 0.2 * np.exp(-((reach / 0.045) ** 2)) * np.clip(1.3 - np.abs(turn - 0.9), 0, 1)
        flux = flux + weight * (body + c.color(YOUNG) * tail[:, None])
    return flux


def sample_radiation(rng) -> dict:
    """Draw the parameters of one dust field: the bubbles, the young stars in them and the cloud around."""
    bubbles = rng.integers(1, BUBBLES + 1)
    home = rng.integers(bubbles, size=STARS)
    centers = rng.uniform(-0.75, 0.75, (2, BUBBLES))
    radii = rng.uniform(0.18, 0.42, BUBBLES)
    spread = rng.normal(0, 0.28, (2, STARS)) * radii[home]
    return {
        "bubbles": bubbles,
        "bubble_x": centers[0],
        "bubble_y": centers[1],
        "bubble_radius": np.where(np.arange(BUBBLES) < bubbles, radii, 0.0),
        "stars": rng.integers(2, STARS + 1),
        "star_x": centers[0][home] + spread[0],
        "star_y": centers[1][home] + spread[1],
        "star_flux": rng.uniform(0.5, 1.0, STARS),
        **c.uniform(rng, cold=(0.35, 0.75), slope=(2.4, 3.2), contrast=(0.6, 0.9)),
        "cloud": rng.integers(2**31),
    }


def draw_radiation(p: dict, size: int) -> np.ndarray:
    """Develop dust fields, ``(n, 3, size, size)`` in ``[0, 1]``, as a photographic plate does."""
    return 1 - np.exp(-1.7 * radiation_light(p, size))


def radiation_light(p: dict, size: int) -> np.ndarray:
    """Return the light of dust fields, ``(n, 3, size, size)``: red 250, green 24 and blue 4.5 micrometers."""
    x, y = c.grid(size)
    fields = zip(p["cloud"].flat, p["slope"].flat, strict=True)
    cloud = np.stack([random_field(int(seed), slope, size) for seed, slope in fields])
    veil = np.stack([random_field(int(seed) + 1, 3.2, size) for seed in p["cloud"].flat])
    density = np.exp(p["contrast"] * cloud)
    filaments = np.exp(-((veil / 0.18) ** 2)) * density**1.5

    cavity, rim, warm = 1.0, 0.0, 0.0
    dents = 1 + 0.09 * cloud  # of the shells, by the cloud's own lumps
    for k in range(BUBBLES):
        bx, by, radius = (p[key][:, k, None, None] for key in ("bubble_x", "bubble_y", "bubble_radius"))
        there = radius > 0
        r = np.sqrt((x - bx) ** 2 + (y - by) ** 2) / np.maximum(radius, 0.1) * dents
        cavity = cavity * (1 - there * 0.95 * expit((0.95 - r) / 0.05))
        rim = rim + there * np.exp(-(((r - 1.02) / 0.13) ** 2))
        warm = warm + there * 0.3 * np.exp(-((r / 0.5) ** 2))
    red = p["cold"] * (0.34 * density + 0.5 * filaments) * cavity + 0.45 * rim * np.sqrt(density) * p["cold"]
    green = 0.62 * rim * density**0.6 + warm + 0.05 * filaments * cavity

    blue = 0.05 * rim + 0 * red
    for k in range(STARS):
        sx, sy, flux = (p[key][:, k, None, None] for key in ("star_x", "star_y", "star_flux"))
        light = (p["stars"] > k) * flux * (_point(x - sx, y - sy, 0.055) + 0.12 * _point(x - sx, y - sy, 0.16))
        red, green, blue = red + 0.45 * light, green + 0.75 * light, blue + 1.7 * light
    return np.stack([red, green, blue], 1)


def random_field(seed: int, slope: float, size: int) -> np.ndarray:
    """A periodic Gaussian field, power spectrum ``|k|**-slope``, unit variance, the same at any ``(size, size)``."""
    k = np.arange(-MODES, MODES + 1)
    power = np.float32(k[:, None] ** 2 + k[None, :] ** 2)
    amplitude = np.where(power > 0, np.maximum(power, 1) ** (-slope / 4), 0)
    real, imaginary = np.random.default_rng(seed).standard_normal((2, *power.shape), np.float32)
    waves = np.exp(2j * np.pi / PERIOD * np.outer(c.grid(size)[0].ravel(), k)).astype(np.complex64)
    field = waves @ ((real + 1j * imaginary) * amplitude).astype(np.complex64) @ waves.T
    return field.real / np.float32(np.sqrt((amplitude**2).sum()))
