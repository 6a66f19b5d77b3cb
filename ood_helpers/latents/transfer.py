"""Domain transfer in latent space: carry a latent from where one domain lies to where another does (Fig. 2b)."""

from __future__ import annotations

import torch

from ..checks import check_batch, check_number
from .samplers import slerp


def transfer(
    latents: torch.Tensor, source: torch.Tensor, target: torch.Tensor, *, amount: float = 1.0, spread: bool = False
) -> torch.Tensor:
    """Move latents from the center of one domain to that of another.

        z + amount (mu_t + r (z - mu_s) - z),    r = 1, or s_t / s_s with ``spread``

    Parameters
    ----------
    latents : Tensor
        Inverted latents of images of the source domain, ``(n, C, H, W)``.
    source, target : Tensor
        Latents that stand for the two domains, at the same ``t``, ``(N, C, H, W)`` with ``N >= 2`` each.
    amount : float
        0 leaves the latents as they are, 1 carries them over; more exaggerates.
    spread : bool
        Match the standard deviation as well: the optimal transport between two spherical Gaussians.

    Raises
    ------
    TypeError, ValueError
        If anything is no finite floating batch of one shape, a domain is too small, or the amount is negative.
    """
    latents, source, target = _checked(latents, source, target)
    check_number("amount", amount, 0)
    for name, z in (("source", source), ("target", target)):
        if len(z) < 2:
            raise ValueError(f"{name}: got {len(z)} latents, expected at least 2")
    source, target = source.to(latents), target.to(latents)
    offsets = latents - source.mean(0)
    if spread:
        here, there = ((z - z.mean(0)).square().sum().div(len(z) - 1).sqrt() for z in (source, target))
        if not here > 0:
            raise ValueError("source: all latents are equal, expected some spread to match")
        offsets = there / here * offsets
    return torch.lerp(latents, target.mean(0) + offsets, amount)


def blend(
    latents: torch.Tensor, source: torch.Tensor, target: torch.Tensor, weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move each latent along the arc to the one of the target domain that lies most alike, each about its own center.

    Parameters are as for `transfer`, with ``weight`` from 0 to 1 as for `slerp`. Returned are the blended latents
    ``(n, C, H, W)``, and which target latent each was blended with, int64 ``(n,)``.
    """
    latents, source, target = _checked(latents, source, target)
    partner = torch.cdist((latents - source.mean(0)).flatten(1), (target - target.mean(0)).flatten(1)).argmin(1)
    return slerp(latents, target[partner], weight), partner


def _checked(latents, source, target) -> list[torch.Tensor]:
    _, channels, height, width = check_batch("latents", latents).shape
    shape = channels, height, width
    return [latents, check_batch("source", source, shape), check_batch("target", target, shape)]
