"""High dimensions, exactly: the probabilities that Properties D.1, D.5 and Lemmas D.2 to D.4 bound.

One comparison serves them all.  Where the logarithm of a density falls at least as steeply as that of a normal one,
``(ln f)'(u) <= -k u`` for ``u >= 0``, the variable is no wider: ``P(u > c / sqrt(k)) <= P(|Z| > c)``, ``Z ~ N(0, 1)``.

All functions take numbers or arrays, ``d`` of integers, and raise TypeError or ValueError for what is out of range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import stats

from .. import LatentStore
from ..checks import check_floats, check_integer, check_rows


@dataclass(frozen=True)
class Tail:
    """A probability that is small in high dimensions, beside what is claimed of it.

    ``exact`` is from the beta or chi distribution; ``normal`` the bound by a normal variable (head of this module),
    never below it; ``bound`` as the paper states it, where it states one: above 1 it says nothing.
    """

    exact: np.ndarray
    normal: np.ndarray
    bound: np.ndarray


def ball_outside_shell(d: ArrayLike, width: ArrayLike) -> Tail:
    """Share of a unit ball's volume deeper than ``width``, in ``[0, 1]``, below its surface (Property D.1).

    ``(1 - width)**d``, with ``exp(-width d)`` as both bounds.
    """
    d, width = _dimensions(d, 1), numbers_within("width", width, 0, 1)
    bound = np.exp(-width * d)
    return Tail((1 - width) ** d, bound, bound)


def ball_above(d: ArrayLike, c: ArrayLike) -> Tail:
    """Share of a hemisphere's volume above the plane ``x_1 = c / sqrt(d - 1)`` (Lemma D.2, Property D.1).

    ``x_1^2`` of a uniform point of the unit ball follows ``Beta(1/2, (d + 1) / 2)``; the density of ``x_1``,
    ``(1 - x_1^2)^((d - 1) / 2)``, falls at least as steeply as a normal one of variance ``1 / (d - 1)``.
    The paper's bound is ``2 exp(-c^2 / 2) / c``; ``d >= 2`` and ``c > 0``.
    """
    d, c = _dimensions(d, 2), numbers_within("c", c, 0, np.inf)
    exact = stats.beta.sf(np.minimum(c**2 / (d - 1), 1), 0.5, (d + 1) / 2)
    return Tail(exact, 2 * stats.norm.sf(c) + 0 * exact, 2 / c * np.exp(-(c**2) / 2) + 0 * exact)


def gaussian_outside_annulus(d: ArrayLike, c: ArrayLike) -> Tail:
    """Mass of ``N(0, I)`` outside the annulus of radii ``sqrt(d - 1) - c`` to ``sqrt(d - 1) + c`` (Lemma D.3).

    The radius follows the chi distribution, whose density ``r^(d - 1) exp(-r^2 / 2)`` falls on both sides of its mode
    ``sqrt(d - 1)`` at least as steeply as a standard normal one.
    The paper's bound is ``4 exp(-c^2 / 4) / c^2``, which exceeds 1 up to ``c = 1.5``; ``d >= 1`` and ``c > 0``.
    """
    d, c = _dimensions(d, 1), numbers_within("c", c, 0, np.inf)
    mode = np.sqrt(d - 1)
    exact = stats.chi2.cdf(np.maximum(mode - c, 0) ** 2, d) + stats.chi2.sf((mode + c) ** 2, d)
    return Tail(exact, 2 * stats.norm.sf(c) + 0 * exact, 4 / c**2 * np.exp(-(c**2) / 4) + 0 * exact)


def not_orthogonal(d: ArrayLike, degrees: ArrayLike) -> Tail:
    """Probability that two random directions miss a right angle by more than ``degrees``, 0 to 90 (Property D.5).

    The square of their cosine follows ``Beta(1/2, (d - 1) / 2)``; the density of the cosine,
    ``(1 - x^2)^((d - 3) / 2)``, falls at least as steeply as a normal one of variance ``1 / (d - 3)``, ``d >= 4``.
    The paper states no bound: here it is Chebyshev's ``1 / (d sin^2)``, the cosine having variance ``1 / d``.
    """
    d, degrees = _dimensions(d, 4), numbers_within("degrees", degrees, 0, 90)
    cosine = np.sin(np.radians(degrees))
    with np.errstate(divide="ignore"):
        chebyshev = 1 / (d * cosine**2)
    exact = stats.beta.sf(cosine**2, 0.5, (d - 1) / 2)
    return Tail(exact, 2 * stats.norm.sf(cosine * np.sqrt(d - 3)), chebyshev)


@dataclass(frozen=True)
class SphericalFit:
    """The maximum-likelihood Gaussian ``N(mean, std^2 I)`` of a cloud, ``mean`` float64 ``(d,)``.

    ``std`` is divided by ``n``: too small by about ``sqrt(1 - 1 / n)``.
    """

    mean: np.ndarray
    std: float


def spherical_fit(latents: torch.Tensor | np.ndarray | LatentStore) -> SphericalFit:
    """Fit a spherical Gaussian to a cloud, finite ``(n, ...)`` with ``n >= 2``, by maximum likelihood (Lemma D.4)."""
    rows = check_rows("latents", latents, 2)
    mean = rows.mean(0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ValueError("latents: hold NaN or infinity, expected finite values")
    squares = sum(float(np.square(row - mean).sum()) for row in rows)
    return SphericalFit(mean, float(np.sqrt(squares / rows.size)))


def fitted_std_law(n: int, d: int) -> Any:
    """Return the exact law of `SphericalFit.std` for ``n >= 2`` draws of ``N(mu, I)`` in ``d`` dimensions.

    A frozen distribution of scipy: ``chi`` with ``(n - 1) d`` degrees of freedom, over ``sqrt(n d)``.
    """
    check_integer("n", n, 2)
    check_integer("d", d, 1)
    return stats.chi((n - 1) * d, scale=1 / np.sqrt(n * d))


def _dimensions(d, fewest: int) -> np.ndarray:
    d = np.asarray(d)
    if d.dtype.kind not in "iu":
        raise TypeError(f"d: got {d!r}, expected whole numbers >= {fewest}")
    if (d < fewest).any():
        raise ValueError(f"d: got {d.min()}, expected whole numbers >= {fewest}")
    return d.astype(float)


def numbers_within(name: str, value, low: float, high: float) -> np.ndarray:
    """Finite numbers from ``low`` to ``high``; above ``low`` where there is no upper end."""
    value = check_floats(name, value).numpy()
    above = value > low if np.isinf(high) else value >= low
    if not (np.isfinite(value) & above & (value <= high)).all():
        interval = f"above {low:g}" if np.isinf(high) else f"from {low:g} to {high:g}"
        raise ValueError(f"{name}: got {value}, expected finite numbers {interval}")
    return value
