"""High dimensions, exactly: the probabilities that Properties D.1, D.5 and Lemmas D.2 to D.4 bound.

One comparison serves them all.  Where the logarithm of a density falls at least as steeply as that of a normal one,
``(ln f)'(u) <= -k u`` for ``u >= 0``, the variable is no wider: ``P(u > c / sqrt(k)) <= P(|Z| > c)``, ``Z ~ N(0, 1)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..checks import check_integer, check_rows


@dataclass(frozen=True)
class Tail:
    """A probability that is small in high dimensions, beside what is claimed of it.

    Attributes
    ----------
    exact : ndarray
        From the beta or chi distribution.
    normal : ndarray
        The bound by a normal variable (head of this module); never below ``exact``.
    bound : ndarray
        As the paper states it, where it states one; above 1 it says nothing.
    """

    exact: np.ndarray
    normal: np.ndarray
    bound: np.ndarray


def ball_outside_shell(d, width) -> Tail:
    """Share of a ball's volume deeper than ``width`` below its surface (Property D.1), with radius 1.

    ``(1 - width)**d <= exp(-width d)``.

    Parameters
    ----------
    d : int or array of int
        Dimension, ``d >= 1``.
    width : float or array
        In ``[0, 1]``.

    Returns
    -------
    Tail
        ``normal`` and ``bound`` are both ``exp(-width d)``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    d, width = _dimensions(d, 1), _numbers("width", width, 0, 1)
    bound = np.exp(-width * d)
    return Tail((1 - width) ** d, bound, bound)


def ball_above(d, c) -> Tail:
    """Share of a hemisphere's volume above the plane ``x_1 = c / sqrt(d - 1)`` (Lemma D.2, Property D.1).

    ``x_1^2`` of a uniform point of the unit ball follows ``Beta(1/2, (d + 1) / 2)``; the density of ``x_1``,
    ``(1 - x_1^2)^((d - 1) / 2)``, falls at least as steeply as a normal one of variance ``1 / (d - 1)``.

    Parameters
    ----------
    d : int or array of int
        ``d >= 2``.
    c : float or array
        ``c > 0``.

    Returns
    -------
    Tail
        ``bound`` is the paper's ``2 exp(-c^2 / 2) / c``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    d, c = _dimensions(d, 2), _numbers("c", c, 0, np.inf)
    exact = stats.beta.sf(np.minimum(c**2 / (d - 1), 1), 0.5, (d + 1) / 2)
    return Tail(exact, _two_sided(c) + 0 * exact, 2 / c * np.exp(-(c**2) / 2) + 0 * exact)


def gaussian_outside_annulus(d, c) -> Tail:
    """Mass of ``N(0, I)`` outside the annulus of radii ``sqrt(d - 1) - c`` to ``sqrt(d - 1) + c`` (Lemma D.3).

    The radius follows the chi distribution, whose density ``r^(d - 1) exp(-r^2 / 2)`` falls on both sides of its mode
    ``sqrt(d - 1)`` at least as steeply as a standard normal one.

    Parameters
    ----------
    d : int or array of int
        ``d >= 1``.
    c : float or array
        ``c > 0``.

    Returns
    -------
    Tail
        ``bound`` is the paper's ``4 exp(-c^2 / 4) / c^2``, which exceeds 1 up to ``c = 1.5``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    d, c = _dimensions(d, 1), _numbers("c", c, 0, np.inf)
    mode = np.sqrt(d - 1)
    exact = stats.chi2.cdf(np.maximum(mode - c, 0) ** 2, d) + stats.chi2.sf((mode + c) ** 2, d)
    return Tail(exact, _two_sided(c) + 0 * exact, 4 / c**2 * np.exp(-(c**2) / 4) + 0 * exact)


def not_orthogonal(d, degrees) -> Tail:
    """Probability that two random directions miss a right angle by more than ``degrees`` (Property D.5).

    The square of their cosine follows ``Beta(1/2, (d - 1) / 2)``; the density of the cosine,
    ``(1 - x^2)^((d - 3) / 2)``, falls at least as steeply as a normal one of variance ``1 / (d - 3)``.

    Parameters
    ----------
    d : int or array of int
        ``d >= 4``.
    degrees : float or array
        In ``[0, 90]``.

    Returns
    -------
    Tail
        The paper states no bound: ``bound`` is Chebyshev's ``1 / (d sin^2)``, the cosine having variance ``1 / d``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    d, degrees = _dimensions(d, 4), _numbers("degrees", degrees, 0, 90)
    cosine = np.sin(np.radians(degrees))
    with np.errstate(divide="ignore"):
        chebyshev = 1 / (d * cosine**2)
    exact = stats.beta.sf(cosine**2, 0.5, (d - 1) / 2)
    return Tail(exact, _two_sided(cosine * np.sqrt(d - 3)), chebyshev)


@dataclass(frozen=True)
class SphericalFit:
    """The maximum-likelihood Gaussian ``N(mean, std^2 I)`` of a cloud.

    Attributes
    ----------
    mean : ndarray
        ``(d,)`` float64.
    std : float
        Root mean square distance from the mean over ``sqrt(d)``, with division by ``n``: too small by about
        ``sqrt(1 - 1 / n)``.
    """

    mean: np.ndarray
    std: float


def spherical_fit(latents) -> SphericalFit:
    """Fit a spherical Gaussian by maximum likelihood (Lemma D.4).

    Parameters
    ----------
    latents : Tensor, ndarray or LatentStore
        ``(n, ...)`` float, ``n >= 2``.

    Returns
    -------
    SphericalFit

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two points or they are not finite.
    """
    rows = check_rows("latents", latents, 2)
    mean = rows.mean(0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ValueError("latents: hold NaN or infinity, expected finite values")
    squares = sum(float(np.square(row - mean).sum()) for row in rows)
    return SphericalFit(mean, float(np.sqrt(squares / rows.size)))


def fitted_std_law(n: int, d: int):
    """Return the exact law of `SphericalFit.std` for ``n`` draws of ``N(mu, I)`` in ``d`` dimensions.

    Returns
    -------
    scipy.stats frozen distribution
        ``chi`` with ``(n - 1) d`` degrees of freedom, over ``sqrt(n d)``.
    """
    check_integer("n", n, 2)
    check_integer("d", d, 1)
    return stats.chi((n - 1) * d, scale=1 / np.sqrt(n * d))


def _two_sided(c) -> np.ndarray:
    """``P(|Z| > c)``."""
    return 2 * stats.norm.sf(c)


def _dimensions(d, fewest: int) -> np.ndarray:
    d = np.asarray(d)
    if d.dtype.kind not in "iu":
        raise TypeError(f"d: got {d!r}, expected whole numbers >= {fewest}")
    if (d < fewest).any():
        raise ValueError(f"d: got {d.min()}, expected whole numbers >= {fewest}")
    return d.astype(float)


def _numbers(name: str, value, low: float, high: float) -> np.ndarray:
    """Finite numbers from ``low`` to ``high``; above ``low`` where there is no upper end."""
    value = np.asarray(value, float)
    above = value > low if np.isinf(high) else value >= low
    if not (np.isfinite(value) & above & (value <= high)).all():
        interval = f"above {low:g}" if np.isinf(high) else f"from {low:g} to {high:g}"
        raise ValueError(f"{name}: got {value}, expected finite numbers {interval}")
    return value
