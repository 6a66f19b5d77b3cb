"""Noise schedules: ``alphas_cumprod[t]``, the share of the image's variance left after ``t + 1`` noising steps.

Every level of the walk is known by its timestep ``t``; ``t = -1`` is the clean image, where the share is 1.
"""

from __future__ import annotations

import numpy as np
import torch

from ..checks import check_choice, check_integer

SCHEDULES = ("linear", "cosine")


def linear_betas(steps: int = 1000, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """Variances of the forward process of DDPM [Ho et al. 2020, Sec. 4], float64 ``(steps,)``."""
    return np.linspace(start, end, steps)


def scaled_linear_betas(steps: int = 1000, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """Variances whose square roots are evenly spaced, as latent diffusion models use them."""
    return np.linspace(start**0.5, end**0.5, steps) ** 2


def cosine_betas(steps: int = 1000, offset: float = 0.008, cap: float = 0.999) -> np.ndarray:
    """Variances of improved DDPM [Nichol & Dhariwal 2021, Eq. 17], capped so that the last step stays finite."""
    level = np.cos((np.arange(steps + 1) / steps + offset) / (1 + offset) * np.pi / 2) ** 2
    return np.minimum(1 - level[1:] / level[:-1], cap)


def alphas_cumprod(schedule: str = "linear", steps: int = 1000) -> torch.Tensor:
    """Return ``alphas_cumprod``, float64 ``(steps,)``, of a schedule by name.

    Parameters
    ----------
    schedule : {"linear", "cosine"}
        The paper's DDPMs use ``linear``; its improved DDPM is described with ``cosine`` (Sec. E.2.2).
    steps : int
        Length ``T`` of the forward process.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    check_choice("schedule", schedule, SCHEDULES)
    betas = {"linear": linear_betas, "cosine": cosine_betas}[schedule]
    return _cumprod(betas(check_integer("steps", steps, 1)))


def from_scheduler(scheduler) -> torch.Tensor:
    """Return a `diffusers` scheduler's ``alphas_cumprod`` in float64, recomputed where its formula is known.

    The library keeps the table in float32, which costs 7 digits of ``1 - alphas_cumprod`` near the image.
    """
    config = scheduler.config
    if config.get("trained_betas") is not None or config.get("rescale_betas_zero_snr"):
        return scheduler.alphas_cumprod.double()
    steps, ends = config.num_train_timesteps, (config.beta_start, config.beta_end)
    if config.beta_schedule == "linear":
        return _cumprod(linear_betas(steps, *ends))
    if config.beta_schedule == "scaled_linear":
        return _cumprod(scaled_linear_betas(steps, *ends))
    if config.beta_schedule == "squaredcos_cap_v2":
        return _cumprod(cosine_betas(steps))
    return scheduler.alphas_cumprod.double()


def alpha_at(table: torch.Tensor, t) -> torch.Tensor:
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

    Models of different schedules are compared at equal noise, not at equal ``t``: ``t = 800`` of the linear schedule is
    ``t = 974`` of the cosine one.

    Raises
    ------
    ValueError
        If the schedule does not reach ``alpha`` between its first and last step.
    """
    low, high = float(table[-1]), float(table[0])
    if not low <= alpha <= high:
        raise ValueError(f"alpha: got {alpha!r}, expected a value of the schedule, from {low:.3g} to {high:.6g}")
    log_snr = table.logit().flip(0).numpy()
    steps = np.arange(len(table))[::-1]
    return float(np.interp(np.log(alpha / (1 - alpha)), log_snr, steps))


def _cumprod(betas: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.cumprod(1 - betas))
