"""How much of an image a walk with fresh noise remembers."""

from __future__ import annotations

import numpy as np


def remembered_share(sigma, eta, variance):
    """Return how much of an image is left after a walk up to ``sigma`` and down with fresh noise, in a Gaussian domain.

    Along a direction in which the training images have the given variance, an eigenvalue of their covariance and not
    the variance of a pixel, an image comes back as

        mean + rho (image - mean) + sqrt(variance (1 - rho^2)) n,    rho = (1 + sigma^2 / variance)^(-eta^2 / 2)

    in the limit of many steps, with standard normal ``n``.

    Parameters
    ----------
    sigma : float or ndarray
        Noise level at which the walk turns, ``sqrt((1 - a_t) / a_t)``, above 0.
    eta : float or ndarray
        Share of fresh noise, from 0 to 1.
    variance : float or ndarray
        Above 0.

    Returns
    -------
    float or ndarray
        ``rho``, from 0 (forgotten) to 1 (all there).

    Raises
    ------
    ValueError
        If ``sigma`` or ``variance`` is not positive, or ``eta`` lies outside ``[0, 1]``.
    """
    _check_positive(sigma=sigma, variance=variance)
    if not np.all((np.asarray(eta) >= 0) & (np.asarray(eta) <= 1)):
        raise ValueError(f"eta: got {eta!r}, expected numbers from 0 to 1")
    return (1 + np.square(sigma) / variance) ** (-np.square(eta) / 2)


def tolerated_eta(sigma, variance, rho: float = 0.5):
    """Return the ``eta``, at most 1, at which `remembered_share`, with these parameters, falls to ``rho`` in (0, 1)."""
    _check_positive(sigma=sigma, variance=variance)
    if not 0 < rho < 1:
        raise ValueError(f"rho: got {rho!r}, expected a number between 0 and 1")
    return np.minimum(1, np.sqrt(2 * np.log(1 / rho) / np.log1p(np.square(sigma) / variance)))


def _check_positive(**values) -> None:
    for name, value in values.items():
        if not np.all(np.asarray(value) > 0):
            raise ValueError(f"{name}: got {value!r}, expected positive numbers")
