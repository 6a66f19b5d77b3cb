"""Step rules for the probability-flow ODE ``dy / dsigma = eps(sqrt(a) y, t)``, each in a few lines.

A rule ``(eps, y, here, there, memory) -> (y, memory)`` carries ``y`` from the level ``here`` to the level ``there``, up
or down, and hands a memory to the next step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .levels import Level

Eps = Callable[..., torch.Tensor]  # eps(y, level), in the shape of y
Rule = Callable[..., tuple[torch.Tensor, Any]]


def ddim(eps: Eps, y: torch.Tensor, here: Level, there: Level, memory: Any) -> tuple[torch.Tensor, Any]:
    """Euler's step: DDIM with eta = 0, Eq. 12 of Song et al. 2021. One evaluation, order 1."""
    return torch.add(y, eps(y, here), alpha=there.sigma - here.sigma), None


def heun(eps: Eps, y: torch.Tensor, here: Level, there: Level, memory: Any) -> tuple[torch.Tensor, Any]:
    """Average the slopes at both ends. Two evaluations, order 2."""
    step, start = there.sigma - here.sigma, eps(y, here)
    end = eps(torch.add(y, start, alpha=step), there)
    return torch.add(y, start + end, alpha=step / 2), None


def ab2(eps: Eps, y: torch.Tensor, here: Level, there: Level, memory: Any) -> tuple[torch.Tensor, Any]:
    """Two-step Adams-Bashforth on an uneven grid: extrapolate the slope linearly in sigma. One evaluation, order 2."""
    return _two_step(eps, y, here, there, memory, _sigma_ratio)


def dpm2m(eps: Eps, y: torch.Tensor, here: Level, there: Level, memory: Any) -> tuple[torch.Tensor, Any]:
    """DPM-Solver-2M [Lu et al. 2022]: as `ab2`, but linearly in log sigma where no end is the clean image. Order 2."""
    return _two_step(eps, y, here, there, memory, _log_sigma_ratio)


def unipc(eps: Eps, y: torch.Tensor, here: Level, there: Level, memory: Any) -> tuple[torch.Tensor, Any]:
    """UniPC [Zhao et al. 2023]: predict as `dpm2m`; the evaluation at a level mends the step there. One, order 3.

    The mended step integrates a parabola in log sigma through the slopes at its ends and at the level before.
    """
    if memory is None:
        predicted, newest = _two_step(eps, y, here, there, None, _log_sigma_ratio)
        return predicted, (None, (newest,))
    slope, (start, past) = eps(y, here), memory
    if start is not None:
        known = [(one, level) for one, level in ((slope, here), *past) if level.sigma > 0]
        shares = _integral([level.sigma for _, level in known], past[0][1].sigma, here.sigma)
        y = start + sum(share * one for share, (one, _) in zip(shares, known, strict=True))
    predicted, newest = _two_step(lambda *_: slope, y, here, there, past[0], _log_sigma_ratio)
    return predicted, (y, (newest, past[0]))


def belm(
    eps: Eps, y: torch.Tensor, here: Level, there: Level, memory: Any, power: float = 2
) -> tuple[torch.Tensor, Any]:
    """``y' = w y_before + (1 - w) y + b eps(y)``, by its last two states exactly reversible. One evaluation, order 2.

    With ``w = r^2``, ``r`` the ratio of this step to the one before, it is O-BELM [Wang et al. 2024], of order 2 on any
    grid. A disturbance grows with the square of the steps: down the levels it dies out, up it takes over the latent.
    ``w = r^power`` with ``power=1`` is of order 2 where ``r`` tends to 1, and on even log-SNR steps a disturbance stays
    in proportion to sigma. The first step is Heun's.
    """
    if memory is None:
        return heun(eps, y, here, there, None)[0], (y, here)
    past, before = memory
    step, last = there.sigma - here.sigma, here.sigma - before.sigma
    weight = (step / last) ** power
    return torch.add(torch.lerp(y, past, weight), eps(y, here), alpha=step + weight * last), (y, here)


def diffused(rule: Rule, start: Level, noise: Callable[[], torch.Tensor]) -> Rule:
    """Return a rule whose step from ``start`` is forward diffusion, by ``noise()`` as in `ddim_eta`; else ``rule``."""

    def step(eps: Eps, y, here, there, memory):
        if here != start:
            return rule(eps, y, here, there, memory)
        return torch.add(y, noise(), alpha=math.sqrt(there.sigma**2 - here.sigma**2)), None

    return step


def _integral(sigmas: list[float], low: float, high: float) -> list[float]:
    """Weights of a function's values in its integral over sigma, by a polynomial in ``log(sigma / low)``."""
    where, end = np.log(np.array(sigmas) / low), math.log(high / low)
    moments = [high - low]
    for k in range(1, len(sigmas)):
        moments.append(high * end**k - k * moments[-1])
    return np.linalg.solve(np.vander(where, increasing=True).T, moments).tolist()


def _two_step(eps: Eps, y, here, there, memory, ratio):
    step, slope = there.sigma - here.sigma, eps(y, here)
    if memory is None:
        # sigma grows like sqrt(t): the first step from the image is long, and by Euler's rule it would cost the order
        end = eps(torch.add(y, slope, alpha=step), there)
        return torch.add(y, slope + end, alpha=step / 2), (slope, here)
    previous_slope, before = memory
    ahead = torch.lerp(slope, previous_slope, -ratio(before, here, there) / 2)  # a negative weight extrapolates
    return torch.add(y, ahead, alpha=step), (slope, here)


def _sigma_ratio(before, here, there) -> float:
    return (there.sigma - here.sigma) / (here.sigma - before.sigma)


def _log_sigma_ratio(before, here, there) -> float:
    if 0.0 in (before.sigma, there.sigma):
        return _sigma_ratio(before, here, there)
    return math.log(there.sigma / here.sigma) / math.log(here.sigma / before.sigma)


def ddim_fixed_point(tolerance: float = 1e-6, max_iterations: int = 30) -> Rule:
    """Return the implicit inverse of the DDIM step that leads back from ``there`` to ``here``.

    It solves ``y' = y + (sigma' - sigma) eps(y', t')`` by fixed-point iteration, starting from the slope of the step
    before. An image stops when its next latent moves by less than ``tolerance`` (largest pixel, in the units of ``x``),
    whatever its neighbors in the batch do. This rule alone waits for the device, in every iteration.
    """

    def step(eps: Eps, y, here, there, memory):
        length = there.sigma - here.sigma
        slope = torch.zeros_like(y) if memory is None else memory.clone()
        moving = torch.arange(len(y), device=y.device)
        for _ in range(max_iterations):
            update = eps(torch.add(y[moving], slope[moving], alpha=length), there)
            change = (update - slope[moving]).abs().amax((1, 2, 3)) * (length * there.scale)
            slope[moving] = update
            moving = moving[change > tolerance]
            if not len(moving):
                break
        return torch.add(y, slope, alpha=length), slope

    return step


def ddim_eta(eta: float, noise: Callable[[], torch.Tensor]) -> Rule:
    """Return the stochastic DDIM step toward the image, Eq. 12 of Song et al. 2021 with its Eq. 16 for the variance.

    In ``y`` and sigma the fresh noise has standard deviation ``s = eta sigma' sqrt(1 - sigma'^2 / sigma^2)``, and the
    predicted noise keeps ``sqrt(sigma'^2 - s^2)``: eta = 0 is `ddim`, eta = 1 is DDPM's ancestral step.
    ``noise()`` draws a standard normal batch in the shape of ``y``.
    """

    def step(eps: Eps, y, here, there, memory):
        slope = eps(y, here)
        fresh = eta * there.sigma * math.sqrt(max(0.0, 1 - (there.sigma / here.sigma) ** 2))
        kept = math.sqrt(there.sigma**2 - fresh**2)
        y = torch.add(y, slope, alpha=kept - here.sigma)
        return (torch.add(y, noise(), alpha=fresh) if fresh else y), None

    return step
