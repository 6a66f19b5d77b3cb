"""What an astronomer measures in maps of dust emission at 250, 24 and 4.5 micrometers (Appendix E.1 of the paper).

Cold dust shines at 250 micrometers, warm dust at 24, stars at 4.5; young stars cluster, warm the dust around them and
blow cavities into it. Each of these becomes a number of one map.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import torch
from scipy import spatial
from scipy.ndimage import median_filter

from ..checks import check_batch
from .extra import need

SPECTRUM = (2, 0.25)  # from two waves a map to one wave in four pixels: below is the window, above the pixel
STAR_WIDTH = 0.032  # full width at half maximum of a star, as a share of the map's width
STAR_SIGNIFICANCE, STAR_CONTRAST = 5.0, 0.2  # above the scatter, and relative to the brightest star
INNER, OUTER = (0.035, 0.07), (0.08, 0.22)  # rings around stars, shares of the map's width
FAINTEST = 1e-3  # share of a band's mean below which brightness is not taken apart by its logarithm


def dust_statistics(flux: torch.Tensor) -> pd.DataFrame:
    """Measure each map.

    Parameters
    ----------
    flux : Tensor
        ``(n, 3, H, H)`` in MJy/sr at 250, 24 and 4.5 micrometers, at least 32 pixels a side; TypeError or ValueError if
        not, ImportError without photutils.

    Returns
    -------
    DataFrame
        One row a map. NaN where there is nothing to measure, such as the clustering of a single star.

        ========================== ==================================================================================
        slope 250, slope 24        exponent of the power spectrum; that of one map scatters by about 0.1 at 64 pixels
        flux 250, 24, 4.5          log10 of the mean brightness in MJy/sr: the total flux, which bright places decide
        brightness 250, 24, 4.5    mean of log10 of brightness: all places count alike, the faint ones as the bright
        contrast 250, 24, 4.5      standard deviation of log10 of brightness, the width of a lognormal distribution
        color 24/250, color 4.5/24 median of log10 of the ratio of two bands
        sources                    number of point sources at 4.5 micrometers (DAOFIND, Stetson 1987), close ones as one
        clustering                 index of Clark and Evans: 1 for random places, below for clusters
        warm rim                   log10 of the 24-micrometer brightness in a ring around stars over that elsewhere
        cavity                     log10 of the 250-micrometer brightness close to stars over that elsewhere
        ========================== ==================================================================================
    """
    flux = check_batch("flux", flux)
    if flux.shape[1] != 3 or flux.shape[2] != flux.shape[3] or flux.shape[2] < 32:
        raise ValueError(f"flux: got shape {tuple(flux.shape)}, expected (n, 3, H, H) with H of at least 32")
    bands = cold, warm, hot = flux.detach().cpu().double().numpy().transpose(1, 0, 2, 3)
    stars = [find_stars(band) for band in hot]
    logs = [np.log10(np.maximum(band, FAINTEST * band.mean())) for band in bands]
    frame = {"slope 250": spectral_slope(cold), "slope 24": spectral_slope(warm)}
    for name, band, log in zip(("250", "24", "4.5"), bands, logs, strict=True):
        frame[f"flux {name}"] = np.log10(np.maximum(band.mean((1, 2)), FAINTEST * band.mean()))
        frame[f"brightness {name}"], frame[f"contrast {name}"] = log.mean((1, 2)), log.std((1, 2))
    for name, k in (("color 24/250", 1), ("color 4.5/24", 2)):
        frame[name] = np.median(logs[k] - logs[k - 1], axis=(1, 2))
    frame["sources"] = [float(len(found)) for found in stars]
    frame["clustering"] = [clark_evans(found, flux.shape[-1]) for found in stars]
    for name, k, ring in (("warm rim", 1, OUTER), ("cavity", 0, INNER)):
        frame[name] = [around(log, found, ring) for log, found in zip(logs[k], stars, strict=True)]
    return pd.DataFrame(frame)


def power_of_rings(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wave numbers in waves a map, ``(k,)``, and the power of each map averaged over directions, ``(n, k)``."""
    n, size = len(maps), maps.shape[-1]
    fade = np.hanning(size + 1)[:-1]  # to the edges: what wraps around them would add power of slope -2
    window = np.outer(fade, fade)
    centered = maps - (maps * window).sum((1, 2), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2(centered * window)) ** 2 / (window**2).sum()
    along = np.fft.fftfreq(size, 1 / size)
    ring = np.rint(np.hypot(along[:, None], along)).astype(int)
    sums = np.stack([np.bincount(ring.ravel(), p.ravel()) for p in power])
    rings = np.arange(1, size // 2)
    return rings.astype(float), (sums / np.bincount(ring.ravel())).reshape(n, -1)[:, rings]


def spectral_slope(maps: np.ndarray) -> np.ndarray:
    """Exponent of ``P(k) ~ k**slope`` of each map ``(n, H, H)``, by weighted least squares of the logarithms."""
    k, power = power_of_rings(maps)
    used = (k >= SPECTRUM[0]) & (k <= SPECTRUM[1] * maps.shape[-1])
    waves = k[used]  # a ring holds about 2 pi k waves, and its mean is that much surer
    x = np.log(waves) - np.average(np.log(waves), weights=waves)
    y = np.log(np.maximum(power[:, used], 1e-300))
    return (y * waves) @ x / (waves @ x**2)


def find_stars(band: np.ndarray) -> np.ndarray:
    """Places of point sources in a map ``(H, H)``, ``(k, 2)`` as column and row in pixels.

    Sought above a median over nine stars' area, five times the scatter and, as there may be none, a fifth of the peak.
    """
    width = STAR_WIDTH * len(band)
    rest = band - median_filter(band, size=2 * round(1.5 * width) + 1, mode="reflect")
    noise = max(float(need("astropy.stats").mad_std(rest)), 1e-6 * float(np.abs(band).max()), 1e-12)
    threshold = max(STAR_SIGNIFICANCE * noise, STAR_CONTRAST * float(rest.max()))
    finder = need("photutils.detection").DAOStarFinder(threshold=threshold, fwhm=width, exclude_border=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", need("photutils.utils.exceptions").NoDetectionsWarning)
        found = finder(rest)
    if found is None:
        return np.empty((0, 2))
    names = ("x_centroid", "y_centroid") if "x_centroid" in found.colnames else ("xcentroid", "ycentroid")
    return np.stack([np.asarray(found[name], float) for name in names], 1)


def clark_evans(places: np.ndarray, size: float) -> float:
    """Mean distance to the nearest neighbor over that of as many random places in a square, NaN for fewer than two.

    With Donnelly's edge correction (1978): ``sqrt(A / n) / 2 + (0.0514 + 0.041 / sqrt(n)) L / n``, area A, edge L.
    """
    n = len(places)
    if n < 2:
        return float("nan")
    nearest = spatial.KDTree(places).query(places, k=2)[0][:, 1]
    expected = size / np.sqrt(n) / 2 + (0.0514 + 0.041 / np.sqrt(n)) * 4 * size / n
    return float(nearest.mean() / expected)


def around(log: np.ndarray, places: np.ndarray, ring: tuple[float, float]) -> float:
    """Mean of a map in a ring around the nearest of some places, less that farther away; NaN if either is empty."""
    if not len(places):
        return float("nan")
    row, column = np.indices(log.shape)[..., None]
    distance = np.hypot(column - places[:, 0], row - places[:, 1]).min(2) / len(log)
    near, far = (distance >= ring[0]) & (distance < ring[1]), distance >= OUTER[1]
    return float(log[near].mean() - log[far].mean()) if near.any() and far.any() else float("nan")
