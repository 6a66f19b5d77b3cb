"""The levels of a walk: which noise levels ``sigma`` it visits between the clean image and ``t``.

    sigma_t = sqrt((1 - a_t) / a_t),    y = x / sqrt(a_t),    a_t = alphas_cumprod[t]

In ``y`` an image and its noisy versions share one scale; ``sigma`` is 0 at the clean image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..checks import check_choice, check_integer
from ..models.schedules import alpha_at

GRIDS = ("uniform", "log-snr", "official")
Grid = str | Sequence[float]
CLEAN = -1  # the timestep of the clean image
LOWEST_ALPHA = 1e-6  # below it, y = x / sqrt(a) magnifies the network's error a thousandfold and more


@dataclass(frozen=True)
class Level:
    """One stop of the walk: its timestep ``t``, which may be fractional, and the noise level ``sigma`` of ``y``."""

    t: float
    sigma: float

    @property
    def scale(self) -> float:
        """``sqrt(a_t)``, by which ``x = scale * y``."""
        return 1 / math.sqrt(1 + self.sigma**2)


def inversion_levels(
    alphas_cumprod: torch.Tensor, t: int | None = None, steps: int | None = None, grid: Grid = "uniform"
) -> list[Level]:
    """Return the levels from the image up to ``t``, in ascending order.

    Raises TypeError or ValueError if ``t`` lies outside the schedule or little of the image is left there, or ``steps``
    or ``grid`` do not fit.

    Parameters
    ----------
    alphas_cumprod : Tensor
        float64 ``(T,)``.
    t, steps : int, optional
        Last timestep, ``0 <= t < T``, by default 800; number of intervals, ``1 <= steps <= t + 1``, by default 50.
    grid : {"uniform", "log-snr", "official"} or sequence of float
        ``uniform`` spreads the intervals evenly over the ``t + 1`` noising steps, rounded to whole ones. ``log-snr``
        takes the clean image, ``t = 0``, and from there even steps in ``log(sigma)``, at fractional timesteps.
        ``official`` is that of the released code, ``[int(s) for s in linspace(0, 1, steps) * t]``: up, it takes the
        image for a sample at ``t = 0`` and makes ``steps - 1`` steps; down, one more, to the image. A sequence names
        the timesteps, ascending, ``-1`` for the clean image, and takes the place of ``t`` and ``steps``.
    """
    if isinstance(grid, str):
        check_choice("grid", grid, GRIDS)
        last = check_integer("t", 800 if t is None else t, 0, len(alphas_cumprod) - 1)
        steps = check_integer("steps", 50 if steps is None else steps, 1, last + 1)
        timesteps = _timesteps(grid, alphas_cumprod, last, steps)
    else:
        try:
            timesteps = np.asarray(grid, dtype=float)
        except (TypeError, ValueError):
            raise TypeError(f"grid: got {grid!r}, expected {', '.join(GRIDS)} or timesteps") from None
        if timesteps.ndim != 1 or len(timesteps) < 2 or not (np.diff(timesteps) > 0).all():
            raise ValueError(f"grid: got {grid!r}, expected at least two timesteps in ascending order")
        if timesteps[0] < CLEAN or timesteps[-1] > len(alphas_cumprod) - 1:
            raise ValueError(f"grid: got timesteps outside [-1, {len(alphas_cumprod) - 1}]")
        for name, given, own in ("t", t, timesteps[-1]), ("steps", steps, len(timesteps) - 1):
            if given is not None and given != own:
                raise ValueError(f"{name}: got {given!r} beside a grid that has {own:g}; expected that, or none")
    alphas = alpha_at(alphas_cumprod, timesteps).numpy()
    levels = [Level(float(step), math.sqrt((1 - a) / a)) for step, a in zip(timesteps, alphas, strict=True)]
    if levels[-1].scale ** 2 < LOWEST_ALPHA:
        usable = int((alphas_cumprod >= LOWEST_ALPHA).sum()) - 1
        told = f"got {levels[-1].t:g}, where alphas_cumprod = {levels[-1].scale ** 2:.1e}; expected at least"
        raise ValueError(f"t: {told} {LOWEST_ALPHA:g}, that is t <= {usable} on this schedule")
    return levels


def generation_levels(
    alphas_cumprod: torch.Tensor, t: int | None = None, steps: int | None = None, grid: Grid = "uniform"
) -> list[Level]:
    """Return the levels from ``t`` down to the image: those of `inversion_levels`, reversed, both ends included.

    The official grid alone differs: it appends the clean image after ``t = 0``.
    """
    levels = inversion_levels(alphas_cumprod, t, steps, grid)[::-1]
    return [*levels, Level(CLEAN, 0.0)] if isinstance(grid, str) and grid == "official" else levels


def _timesteps(grid: str, alphas_cumprod: torch.Tensor, t: int, steps: int) -> np.ndarray:
    if grid == "uniform":
        return np.round(np.linspace(0, t + 1, steps + 1)) - 1
    if grid == "official":
        if steps < 2:
            raise ValueError(f"steps: got {steps}, expected at least 2 with grid='official'")
        return np.array([int(s) for s in np.linspace(0, 1, steps) * t])
    if steps == 1:
        return np.array([CLEAN, t])
    # even steps in log sigma between the integers' own levels, by inverting the interpolation of `alpha_at`
    log_sigma = -0.5 * alphas_cumprod.logit().numpy()
    wanted = np.linspace(log_sigma[0], log_sigma[t], steps)
    return np.concatenate([[CLEAN], np.interp(wanted, log_sigma[: t + 1], np.arange(t + 1))])
