"""How much of an image a walk with fresh noise remembers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..checks import check_number
from .concentration import numbers_within


def remembered_share(sigma: ArrayLike, eta: ArrayLike, variance: ArrayLike) -> np.ndarray:
    """Return how much of an image is left after a walk up to ``sigma`` and down with fresh noise, in a Gaussian domain.

    Along a direction in which the training images have the given variance, an eigenvalue of their covariance and not
    the variance of a pixel, an image comes back, in the limit of many steps and with standard normal ``n``, as

        mean + rho (image - mean) + sqrt(variance (1 - rho^2)) n,    rho = (1 + sigma^2 / variance)^(-eta^2 / 2)

    Parameters
    ----------
    sigma, variance : float or ndarray
        Noise level at which the walk turns, ``sqrt((1 - a_t) / a_t)``, and the direction's variance; above 0.
    eta : float or ndarray
        Share of fresh noise, from 0 to 1.

    Returns
    -------
    ndarray
        ``rho``, from 0 (forgotten) to 1 (all there).
    """
    sigma, variance = (numbers_within(k, v, 0, np.inf) for k, v in (("sigma", sigma), ("variance", variance)))
    eta = numbers_within("eta", eta, 0, 1)
    return (1 + np.square(sigma) / variance) ** (-np.square(eta) / 2)


def tolerated_eta(sigma: ArrayLike, variance: ArrayLike, rho: float = 0.5) -> np.ndarray:
    """Return the ``eta``, at most 1, at which `remembered_share`, with these parameters, falls to ``rho`` in (0, 1)."""
    sigma, variance = (numbers_within(k, v, 0, np.inf) for k, v in (("sigma", sigma), ("variance", variance)))
    if check_number("rho", rho, 0, 1, strict=True) == 1:
        raise ValueError(f"rho: got {rho!r}, expected a number between 0 and 1")
    return np.minimum(1, np.sqrt(2 * np.log(1 / rho) / np.log1p(np.square(sigma) / variance)))
