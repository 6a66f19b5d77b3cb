"""Noise schedules: ``alphas_cumprod[t]``, the share of the image's variance left after ``t + 1`` noising steps.

Every level of the walk is known by its timestep ``t``; ``t = -1`` is the clean image, where the share is 1.
"""

from __future__ import annotations

import numpy as np
import torch

from ..checks import check_choice, check_integer, check_number

IN_DIFFUSERS = {"linear": "linear", "cosine": "squaredcos_cap_v2"}  # what the library calls them
SCHEDULES = tuple(IN_DIFFUSERS)


def betas(schedule: str, steps: int = 1000, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """Return the variances that the noising steps add, float64 ``(steps,)``.

    ``linear`` is DDPM's [Ho et al. 2020, Sec. 4]; ``scaled_linear``, whose square roots are evenly spaced, that of
    latent diffusion; ``cosine`` improved DDPM's [Nichol & Dhariwal 2021, Eq. 17], capped to keep the last step finite.
    """
    if schedule == "linear":
        return np.linspace(start, end, steps)
    if schedule == "scaled_linear":
        return np.linspace(start**0.5, end**0.5, steps) ** 2
    level = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.minimum(1 - level[1:] / level[:-1], 0.999)


def alphas_cumprod(schedule: str = "linear", steps: int = 1000) -> torch.Tensor:
    """Return ``alphas_cumprod``, float64 ``(steps,)``, of a schedule by name.

    The paper's DDPMs use ``"linear"``; its improved DDPM is described with ``"cosine"`` (Sec. E.2.2).
    """
    check_choice("schedule", schedule, SCHEDULES)
    return _cumprod(betas(schedule, check_integer("steps", steps, 1)))


def from_scheduler(scheduler) -> torch.Tensor:
    """Return a `diffusers` scheduler's ``alphas_cumprod`` in float64, recomputed where its formula is known.

    The library's table, in float32, costs 7 digits of ``1 - alphas_cumprod`` near the image. Pure noise, where a table
    of zero terminal signal or a flow ends, is left out: no image is left in it to walk to.
    """
    config = scheduler.config
    if config.get("prediction_type", "flow_prediction") == "flow_prediction":
        s = np.arange(1, config.num_train_timesteps) / config.num_train_timesteps
        shift = 1 if config.get("use_dynamic_shifting") else config.shift
        s = shift * s / (1 + (shift - 1) * s)  # the noisy image is (1 - s) x_0 + s eps
        return torch.from_numpy((1 - s) ** 2 / ((1 - s) ** 2 + s**2))
    names = {theirs: ours for ours, theirs in IN_DIFFUSERS.items()} | {"scaled_linear": "scaled_linear"}
    name = names.get(config.beta_schedule)
    if name is None or config.get("trained_betas") is not None or config.get("rescale_betas_zero_snr"):
        return scheduler.alphas_cumprod[scheduler.alphas_cumprod > 0].double()
    return _cumprod(betas(name, config.num_train_timesteps, config.beta_start, config.beta_end))


def alpha_at(table: torch.Tensor, t: float | np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return ``alphas_cumprod`` at timesteps that may be fractional, float64 in the shape of ``t``.

    Between integers the log signal-to-noise ratio ``log(a / (1 - a))`` is interpolated linearly;
    every ``t < 0`` is the clean image, where the value is 1.
    """
    t = torch.as_tensor(t, dtype=torch.float64, device=table.device)
    below = t.floor().long().clamp(0, len(table) - 1)
    above = (below + 1).clamp(max=len(table) - 1)
    log_snr = torch.lerp(table[below].logit(), table[above].logit(), (t - below).clamp(0, 1))
    alpha = torch.where(t == below, table[below], log_snr.sigmoid())
    return torch.where(t < 0, 1.0, alpha)


def timestep_at(table: torch.Tensor, alpha: float) -> float:
    """Return the timestep, fractional, at which ``alphas_cumprod`` is ``alpha``: the inverse of `alpha_at`.

    Models of different schedules are compared at equal noise: ``t = 800`` of the linear schedule is ``t = 974`` of the
    cosine one. ValueError if the schedule does not reach ``alpha``.
    """
    low, high = float(table[-1]), float(table[0])
    if not low <= check_number("alpha", alpha, -np.inf) <= high:
        raise ValueError(f"alpha: got {alpha!r}, expected a value of the schedule, from {low:.3g} to {high:.6g}")
    log_snr = table.logit().flip(0).numpy()
    return float(np.interp(np.log(alpha / (1 - alpha)), log_snr, np.arange(len(log_snr))[::-1]))


def _cumprod(variances: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.cumprod(1 - variances))
