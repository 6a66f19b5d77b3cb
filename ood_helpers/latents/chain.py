"""Along a walk: the radius of latents at every level, the step at which a domain's radius joins that of noise, and how
much a walk with fresh noise remembers.

A standard normal start has radius ``sqrt(d)``.  Near the image each domain has a radius of its own; where it
meets that of a walk from noise is the mixing step, an automatic choice of ``t`` (after Zhu et al. 2023, who search
along the Gaussian radius).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..checks import check_number
from ..kernels import steps as rules
from ..kernels.levels import Level
from ..kernels.walk import path


@dataclass(frozen=True)
class Chain:
    """Radii along a walk, in ascending order of ``t``.

    Attributes
    ----------
    t : ndarray
        Timesteps, float64 ``(levels,)``; -1 is the image.
    radius : ndarray
        ``|x_t| / sqrt(d)`` of each image, float64 ``(levels, n)``.
    """

    t: np.ndarray
    radius: np.ndarray


def radius_along(model, x: torch.Tensor, levels: Sequence[Level], step=rules.ddim, *, precision: str = "auto") -> Chain:
    """Walk a batch along ``levels``, up or down, and note its radius at each.

    Parameters
    ----------
    model, x, levels, step, precision
        As for `path`.

    Returns
    -------
    Chain
    """
    root = np.sqrt(x[0].numel())
    found = [
        (level.t, x.flatten(1).norm(dim=1).cpu().numpy() / root)
        for level, x in path(model, x, levels, step, precision=precision)
    ]
    t, radius = zip(*sorted(found, key=lambda pair: pair[0]), strict=True)
    return Chain(np.array(t), np.array(radius, float))


def mixing_step(chain: Chain, reference: Chain, tolerance: float = 0.02) -> float:
    """Return the smallest ``t`` from which on the mean radii of two chains differ by less than ``tolerance``.

    Parameters
    ----------
    chain, reference : Chain
        Over the same levels; the reference starts from ``N(0, I)``.
    tolerance : float
        In units of ``sqrt(d)``.

    Returns
    -------
    float
        NaN if they differ at the highest level.

    Raises
    ------
    ValueError
        If the levels differ or the tolerance is not positive.
    """
    if not np.array_equal(chain.t, reference.t):
        raise ValueError("reference: its levels differ from those of chain, expected the same")
    check_number("tolerance", tolerance, 0, strict=True)
    apart = np.abs(chain.radius.mean(1) - reference.radius.mean(1)) >= tolerance
    if apart[-1]:
        return float("nan")
    last = np.flatnonzero(apart)
    return float(chain.t[last[-1] + 1] if len(last) else chain.t[0])


def memory(sigma, eta, variance):
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
    """Return the ``eta`` at which `memory` falls to ``rho``, above 0 and below 1; at most 1. Parameters as there."""
    _check_positive(sigma=sigma, variance=variance)
    if not 0 < rho < 1:
        raise ValueError(f"rho: got {rho!r}, expected a number between 0 and 1")
    return np.minimum(1, np.sqrt(2 * np.log(1 / rho) / np.log1p(np.square(sigma) / variance)))


def _check_positive(**values) -> None:
    for name, value in values.items():
        if not np.all(np.asarray(value) > 0):
            raise ValueError(f"{name}: got {value!r}, expected positive numbers")
