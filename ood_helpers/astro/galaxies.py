"""What an astronomer measures on a picture of a galaxy: how its light is spread, and which way its arms wind.

The spread is statmorph's (Rodriguez-Gomez et al. 2019). Arms are found in the disc seen face-on (Davis et al. 2012):

    A(m, p) = sum over (u, theta) of I(u, theta) exp(-i (m theta + p u)),    u = ln r,    tan(pitch) = m / |p|

Each ``(m, p)`` is a spiral of ``m`` arms, and the sign of ``p`` is the way that they wind.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from ..checks import check_number
from .bands import Stretch, to_flux
from .extra import need

LIGHT = ("concentration", "asymmetry", "gini", "m20", "ellipticity")
ARMS = ("arms", "hand", "pitch", "strength")
STATMORPH = {"ellipticity": "ellipticity_asymmetry"}  # what statmorph calls otherwise
BAD, NOTHING = 2, 4  # flags of statmorph: from which on a measurement is bad, and of one that is none
FEWEST = 9  # pixels of the smallest source
ANNULUS = (0.5, 3.0)  # in half-light radii
RINGS, ANGLES, MOST_ARMS = 48, 128, 6
WINDING = np.arange(-30, 30.125, 0.25)
EDGE_ON = 0.35  # discs of a smaller axis ratio hide their arms
WEAKEST = 0.4  # strength of arms: of 1,200 drawn galaxies 409 spirals lie above 0.49, all others below 0.36
EVEN = 0.01  # deviation of the rings' relative light below which a disc is even: what is left is pixels and rounding


def brightness(images: torch.Tensor, *, softening: float = 0.05) -> np.ndarray:
    """Undo the stretch of pictures: the surface brightness that `morphology` measures.

    Parameters
    ----------
    images : Tensor
        ``(n, 3, H, W)`` in ``[-1, 1]``; TypeError or ValueError if not.
    softening : float
        As of the `Stretch` that developed them.

    Returns
    -------
    ndarray
        float64 ``(n, H, W)``, mean of the bands, 1 for white. Saturated cores are flatter here than on the sky.
    """
    return to_flux(images, Stretch((1.0, 1.0, 1.0), softening, "lupton")).mean(1).detach().cpu().double().numpy()


def morphology(maps: np.ndarray | torch.Tensor, *, isophote: float = 0.005) -> pd.DataFrame:
    """Measure galaxies, one row each: of the source with the most light, above the median of the four corners.

    Measure sets that are to be compared at the same number of pixels. TypeError or ValueError for bad input.

    Parameters
    ----------
    maps : ndarray or Tensor
        Surface brightness ``(n, H, W)``, as from `brightness`, floating and finite.
    isophote : float
        Brightness above the sky at which a source ends, above 0, or three standard deviations of the sky if more.

    Returns
    -------
    DataFrame
        ``concentration``: ``5 log10(r80 / r20)``, of the radii that hold 80 % and 20 % of the light; 2.7 for an
        exponential disc, more for an elliptical. ``asymmetry``: summed differences after half a turn over the light,
        less those of the sky. ``gini``: 0 if all pixels are alike, 1 if one has all light. ``m20``: log10 of the second
        moment of the brightest 20 % of the light over the total: the lower, the more central. ``ellipticity``: one
        minus the axis ratio, by moments. ``flag``: statmorph's verdict, 0 good, 1 suspect, 2 bad, 4 nothing could be
        measured; what it calls bad is NaN.
        ``arms``: from 1 to 6, or 0. ``hand``: 1 for arms that on the page turn anticlockwise on their way out, the
        "clockwise spiral" of `GALAXY_KINDS`; -1 for an "anticlockwise spiral", 0 without arms. ``pitch``: in radians,
        up to pi / 4. ``strength``: of the variance of light relative to its ring's mean, the share that this spiral
        explains; no arms below 0.4, nor where it varies by less than 1 %. These four are NaN for a disc seen edge-on.
    """
    return pd.DataFrame([_spread(source) | _wind(source) for source in _sources(maps, isophote)])


class _Source(NamedTuple):
    light: np.ndarray  # brightness above the sky, (H, W)
    noise: float  # the sky's standard deviation
    labels: np.ndarray  # which source each pixel belongs to, 0 for none
    label: int
    own: np.ndarray  # which pixels are its own


def _sources(maps, isophote: float) -> list[_Source | None]:
    check_number("isophote", isophote, 0, strict=True)
    if isinstance(maps, torch.Tensor):
        maps = maps.detach().cpu().numpy()
    if not isinstance(maps, np.ndarray) or maps.dtype.kind != "f":
        got = f"dtype {maps.dtype}" if isinstance(maps, np.ndarray) else type(maps).__name__
        raise TypeError(f"maps: got {got}, expected floating brightness of shape (n, H, W)")
    if maps.ndim != 3 or not len(maps) or min(maps.shape[1:]) < 16:
        raise ValueError(f"maps: got shape {maps.shape}, expected (n, H, W) of at least 16 pixels")
    if not np.isfinite(maps).all():
        raise ValueError("maps: holds NaN or infinity, expected finite values")
    return [_find(light, isophote) for light in maps.astype(np.float64, copy=False)]


def _find(light: np.ndarray, isophote: float) -> _Source | None:
    """The source with the most light, if there is any."""
    edge = min(light.shape) // 8
    corners = light[np.ix_(*(np.r_[:edge, -edge:0] for _ in range(2)))]
    _, sky, noise = need("astropy.stats").sigma_clipped_stats(corners)
    light = light - sky
    detect = need("photutils.segmentation").detect_sources
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no source
        found = detect(light, max(isophote, 3 * noise), FEWEST)
    if found is None:
        return None
    label = int(found.labels[np.argmax(ndimage.sum(light, found.data, found.labels))])
    return _Source(light, float(noise), found.data, label, found.data == label)


def _spread(source: _Source | None) -> dict:
    """Statmorph's numbers of one galaxy, NaN where they are bad."""
    nothing = {**dict.fromkeys(LIGHT, np.nan), "flag": NOTHING}
    if source is None:
        return nothing
    light, noise, labels, label, _ = source
    options = {"weightmap": np.full(light.shape, max(noise, 1e-6)), "n_sigma_outlier": 0}
    measure = need("statmorph").SourceMorphology
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # each becomes a flag
            found = measure(light, labels, label, **options)
    except (AssertionError, ValueError, IndexError):  # statmorph gives up on what is no galaxy
        return nothing
    if found.flag >= BAD:
        return {**nothing, "flag": found.flag}
    return {name: found[STATMORPH.get(name, name)] for name in (*LIGHT, "flag")}


def _wind(source: _Source | None) -> dict:
    """The one logarithmic spiral that explains most of a galaxy's contrast."""
    nothing = dict.fromkeys(ARMS, np.nan)
    if source is None or (disc := _disc(source))[1] < EDGE_ON:
        return nothing
    u, contrast = _rings(source, *disc)
    power = _power(u, contrast) if contrast.std() >= EVEN else np.zeros((1, 1))
    k, p = np.unravel_index(np.argmax(power), power.shape)
    if power[k, p] < WEAKEST:
        return {**nothing, "arms": 0.0, "hand": 0.0, "strength": power[k, p]}
    m, winding = k + 1.0, WINDING[p]
    return dict(zip(ARMS, (m, np.sign(winding), np.arctan(m / abs(winding)), power[k, p]), strict=True))


def _disc(source: _Source):
    """Center ``(x, y)``, axis ratio and angle of the major axis, by moments of the light."""
    light = np.where(source.own, source.light, 0)
    y, x = np.indices(light.shape)
    cy, cx = np.unravel_index(np.argmax(ndimage.gaussian_filter(light, 1)), light.shape)
    for _ in range(5):  # the centroid under a window that follows it
        near = light * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 3.0**2))
        cx, cy = (near * x).sum() / near.sum(), (near * y).sum() / near.sum()
    xx, xy, yy = ((light * a * b).sum() / light.sum() for a, b in ((x - cx,) * 2, (x - cx, y - cy), (y - cy,) * 2))
    small, large = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    return (cx, cy), np.sqrt(max(small, 0) / large), np.arctan2(2 * xy, xx - yy) / 2


def _rings(source: _Source, center, ratio: float, angle: float):
    """The disc face-on: ``u = ln r`` of the rings, and each ring's light relative to its mean, less 1."""
    cos, sin = np.cos(angle), np.sin(angle)
    y, x = np.indices(source.light.shape)
    dx, dy = x - center[0], y - center[1]
    r = np.hypot(dx * cos + dy * sin, (dy * cos - dx * sin) / ratio)
    order = np.argsort(r[source.own])
    growth = np.cumsum(source.light[source.own][order])
    half = r[source.own][order][np.searchsorted(growth, growth[-1] / 2)]

    u = np.linspace(*np.log(np.multiply(ANNULUS, max(half, 2.0))), RINGS)
    radius, theta = np.exp(u)[:, None], np.arange(ANGLES) * 2 * np.pi / ANGLES
    a, b = radius * np.cos(theta), ratio * radius * np.sin(theta)
    place = [center[1] + a * sin + b * cos, center[0] + a * cos - b * sin]
    light = ndimage.map_coordinates(source.light, place, order=1, mode="nearest")
    other = (source.labels > 0) & ~source.own
    known = ndimage.map_coordinates((~other).astype(float), place, order=0, mode="constant")
    mean = (light * known).sum(1, keepdims=True) / known.sum(1, keepdims=True).clip(1)
    return u, known * (light / mean.clip(1e-9) - 1).clip(-1, 2)


def _power(u, contrast):
    """Share of the contrast's variance that each spiral ``(m, p)`` explains, ``(6, len(WINDING))``.

    None if it is steeper than 45 degrees: bars, and discs whose inclination was misjudged, have ``p`` near 0.
    """
    contrast = contrast - contrast.mean(1, keepdims=True)
    modes = np.fft.rfft(contrast, axis=1)[:, 1 : MOST_ARMS + 1]
    amplitude = np.exp(-1j * np.outer(WINDING, u)) @ modes
    power = 2 * np.abs(amplitude.T) ** 2 / (contrast.size * (contrast**2).sum()).clip(1e-30)
    return np.where(np.abs(WINDING) >= np.arange(1, MOST_ARMS + 1)[:, None], power, 0)
