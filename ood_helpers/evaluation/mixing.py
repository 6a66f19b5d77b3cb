"""Along a walk: the radius of latents at every level, and the step at which a domain's radius joins that of noise.

A standard normal start has radius ``sqrt(d)``.  Near the image each domain has a radius of its own; where it meets that
of a walk from noise is the mixing step, an automatic choice of ``t`` (after Zhu et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..checks import check_number
from ..kernels.levels import Level
from ..kernels.steps import Rule
from ..kernels.walk import path
from ..models.frozen import FrozenModel


@dataclass(frozen=True)
class Chain:
    """Radii along a walk, in ascending order of ``t``."""

    t: np.ndarray  #: timesteps, float64 ``(levels,)``; -1 is the image
    radius: np.ndarray  #: ``|x_t| / sqrt(d)`` of each image, float64 ``(levels, n)``


def radius_along(
    model: FrozenModel,
    x: torch.Tensor,
    levels: Sequence[Level],
    solver: str | Rule = "ddim",
    *,
    precision: str = "auto",
) -> Chain:
    """Walk a batch along ``levels``, up or down, and note its radius at each; parameters and errors as for `path`."""
    states = path(model, x, levels, solver, precision=precision)
    found = {level.t: state.flatten(1).norm(dim=1).cpu().numpy() for level, state in states}
    t = sorted(found)
    return Chain(np.array(t), np.array([found[at] for at in t], float) / np.sqrt(x[0].numel()))


def mixing_step(chain: Chain, reference: Chain, tolerance: float = 0.02) -> float:
    """Return the least ``t`` from which on the mean radii of two chains differ by less than ``tolerance``, or NaN.

    Parameters
    ----------
    chain, reference : Chain
        Over the same levels; the reference starts from ``N(0, I)``.
    tolerance : float
        In units of ``sqrt(d)``.

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
    return float(chain.t[np.flatnonzero(apart)[-1] + 1 if apart.any() else 0])
