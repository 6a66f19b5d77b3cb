"""The eigenvalues of a cloud's covariance and the power of its spatial frequencies, beside those of white noise.

The eigenvalues of ``n`` draws of ``N(mu, s^2 I)`` in ``d`` dimensions fill ``s^2 (1 +- sqrt(d / (n - 1)))^2`` with the
density of Marchenko and Pastur (1967); the largest scatters about the upper edge by Tracy and Widom's law.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..checks import check_integer, check_number, check_rows
from .gram import Cloud, Gram, as_gram, products_about_means, trace_of_square
from .store import LatentStore

# Tracy and Widom's law for real matrices is close to a shifted gamma law (Chiani 2014, Table 1)
TRACY_WIDOM = stats.gamma(46.446, loc=-9.84801, scale=0.186054)


def covariance_eigenvalues(latents: Cloud | Gram) -> np.ndarray:
    """Return the nonzero eigenvalues of the sample covariance, in descending order, float64 ``(min(n - 1, d),)``.

    ``latents`` are as for `geometry`; the division is by ``n - 1``.
    """
    g = as_gram("latents", latents, 3)
    n, centered = len(g), products_about_means(g.squared_distances)
    return np.linalg.eigvalsh(centered)[::-1][: min(n - 1, g.dimension)] / (n - 1)


def effective_dimension(latents: Cloud | Gram) -> float:
    """Return ``tr(S)^2 / tr(S^2)``, the dimension of a spherical Gaussian whose angles and distances scatter alike.

    It is far below ``d`` where few directions are strong. ``latents`` are as for `geometry`, ``n >= 4``.
    """
    g = as_gram("latents", latents, 4)
    trace = g.squared_distances[np.triu_indices(len(g), 1)].mean() / 2
    if not trace > 0:
        raise ValueError("latents: all points coincide, expected some spread")
    return float(trace**2 / trace_of_square(g.squared_distances))


def power_spectrum(latents: Cloud, bins: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Average the power of latents over rings of spatial frequencies, and return frequencies and powers.

    Both are float64 ``(bins,)``: cycles per pixel, and mean squared amplitude per mode, 1 everywhere for ``N(0, I)``.

    Parameters
    ----------
    latents : Tensor, ndarray or LatentStore
        ``(n, C, H, W)`` float, finite, ``H = W``.
    bins : int
        Rings, at most ``H / 2``, from the lowest frequency to 1/2 cycle per pixel; frequency 0 is left out.
    """
    rows = check_rows("latents", latents)
    shape = tuple(latents.array.shape if isinstance(latents, LatentStore) else latents.shape)
    if len(shape) != 4 or shape[2] != shape[3]:
        raise ValueError(f"latents: got shape {shape}, expected (n, C, H, H)")
    size = shape[-1]
    check_integer("bins", bins, 1, size // 2)
    frequencies = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    ring = np.digitize(frequencies, np.linspace(0.5 / size, 0.5, bins + 1)) - 1
    inside = (frequencies > 0) & (ring < bins)
    power = sum(np.square(np.abs(np.fft.fft2(row.reshape(shape[1:])))).mean(0) for row in rows) / len(rows) / size**2
    if not np.isfinite(power).all():
        raise ValueError("latents: hold NaN or infinity, expected finite values")
    counts = np.bincount(ring[inside], minlength=bins)
    frequency, power = (np.bincount(ring[inside], values[inside], bins) / counts for values in (frequencies, power))
    return frequency, power


@dataclass(frozen=True)
class MarchenkoPastur:
    """Law of the nonzero eigenvalues, all from ``low`` to ``high``, of the sample covariance of white points."""

    low: float
    high: float
    weight: float

    def density(self, eigenvalue: float | np.ndarray) -> np.ndarray:
        """Probability density."""
        x = np.asarray(eigenvalue, float)
        return np.sqrt(np.maximum((self.high - x) * (x - self.low), 0)) / (self.weight * x)


def marchenko_pastur(n: int, d: int, variance: float = 1.0) -> MarchenkoPastur:
    """Return the law of eigenvalues of white noise, for the covariance of ``n >= 3`` points in ``d`` dimensions."""
    ratio = check_integer("d", d, 1) / (check_integer("n", n, 3) - 1)
    check_number("variance", variance, 0, strict=True)
    low, high = (float(variance * (np.sqrt(ratio) + sign) ** 2) for sign in (-1, 1))
    return MarchenkoPastur(low, high, 2 * np.pi * variance * min(1, ratio))


def largest_eigenvalue_law(n: int, d: int):
    """The law of the largest eigenvalue for ``n`` draws of ``N(mu, I)``: Tracy and Widom's, centered and scaled."""
    roots = np.sqrt(n - 1.5), np.sqrt(d - 0.5)  # Johnstone (2001) for n - 1 degrees, with the halves of Ma (2012)
    center = sum(roots) ** 2 / (n - 1)
    scale = sum(roots) * (1 / roots[0] + 1 / roots[1]) ** (1 / 3) / (n - 1)
    shape, loc, unit = TRACY_WIDOM.args[0], TRACY_WIDOM.kwds["loc"], TRACY_WIDOM.kwds["scale"]
    return stats.gamma(shape, loc=center + scale * loc, scale=scale * unit)
