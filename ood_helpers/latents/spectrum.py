"""The eigenvalues of a cloud's covariance, beside those of white noise.

``n`` draws of ``N(mu, s^2 I)`` in ``d`` dimensions have no equal eigenvalues: in the limit of many of both they fill
the interval ``s^2 (1 +- sqrt(d / (n - 1)))^2`` with the density of Marchenko and Pastur (1967), and the largest one
scatters about its upper edge by the law of Tracy and Widom (Johnstone 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..checks import check_integer
from .geometry import as_gram
from .gram import products_about_means

# Tracy and Widom's law for real matrices is close to a shifted gamma law (Chiani 2014, Table 1)
TRACY_WIDOM = stats.gamma(46.446, loc=-9.84801, scale=0.186054)


def covariance_eigenvalues(latents) -> np.ndarray:
    """Return the nonzero eigenvalues of the sample covariance, in descending order.

    Parameters
    ----------
    latents : Tensor, ndarray, LatentStore or Gram
        ``(n, ...)`` float, ``n >= 3``.

    Returns
    -------
    ndarray
        float64 ``(min(n - 1, d),)``; the division is by ``n - 1``.
    """
    g = as_gram("latents", latents, 3)
    n = len(g)
    centred = products_about_means(g.squared_distances)
    return np.linalg.eigvalsh(centred)[::-1][: min(n - 1, g.dimension)] / (n - 1)


@dataclass(frozen=True)
class MarchenkoPastur:
    """Law of the nonzero eigenvalues of the sample covariance of ``n`` white points in ``d`` dimensions.

    Attributes
    ----------
    low, high : float
        Ends of the interval that holds them.
    n, d : int
    variance : float
        Of each coordinate.
    """

    low: float
    high: float
    n: int
    d: int
    variance: float

    def density(self, eigenvalue) -> np.ndarray:
        """Probability density."""
        x = np.asarray(eigenvalue, float)
        return np.sqrt(np.maximum((self.high - x) * (x - self.low), 0)) / (
            2 * np.pi * self.variance * min(1, self.d / (self.n - 1)) * x
        )


def marchenko_pastur(n: int, d: int, variance: float = 1.0) -> MarchenkoPastur:
    """Return the law of eigenvalues of white noise, for the covariance of ``n`` points in ``d`` dimensions.

    Raises
    ------
    TypeError, ValueError
        If ``n < 3``, ``d < 1`` or the variance is not positive.
    """
    check_integer("n", n, 3)
    check_integer("d", d, 1)
    if not variance > 0:
        raise ValueError(f"variance: got {variance!r}, expected a positive number")
    root = np.sqrt(d / (n - 1))
    return MarchenkoPastur(float(variance * (root - 1) ** 2), float(variance * (root + 1) ** 2), n, d, float(variance))


def largest_eigenvalue_law(n: int, d: int):
    """Return the law of the largest eigenvalue for ``n`` draws of ``N(mu, I)``: Tracy and Widom's, centred and scaled.

    Johnstone's (2001) centring for ``n - 1`` degrees of freedom, with the halves of Ma (2012).

    Returns
    -------
    scipy.stats frozen distribution
    """
    check_integer("n", n, 3)
    check_integer("d", d, 1)
    roots = np.sqrt(n - 1.5), np.sqrt(d - 0.5)
    centre = sum(roots) ** 2 / (n - 1)
    scale = sum(roots) * (1 / roots[0] + 1 / roots[1]) ** (1 / 3) / (n - 1)
    shape, loc, unit = TRACY_WIDOM.args[0], TRACY_WIDOM.kwds["loc"], TRACY_WIDOM.kwds["scale"]
    return stats.gamma(shape, loc=centre + scale * loc, scale=scale * unit)
