"""Domain transfer in latent space: carry a latent from where one domain lies to where another does (Fig. 2b)."""

from __future__ import annotations

import torch

from ..checks import check_batch, check_number
from .samplers import slerp

FEWEST = 2


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

    Returns
    -------
    Tensor
        ``(n, C, H, W)``.

    Raises
    ------
    TypeError, ValueError
        If anything is no finite floating batch of one shape, a domain has fewer than two latents, or the amount is
        negative.
    """
    latents = check_batch("latents", latents)
    clouds = [check_batch(name, z, tuple(latents.shape[1:])) for name, z in (("source", source), ("target", target))]
    for name, z in zip(("source", "target"), clouds, strict=True):
        if len(z) < FEWEST:
            raise ValueError(f"{name}: got {len(z)} latents, expected at least {FEWEST}")
    check_number("amount", amount, 0)
    source, target = (cloud.to(latents) for cloud in clouds)
    ratio = 1.0
    if spread:
        if not _deviation(source) > 0:
            raise ValueError("source: all latents are equal, expected some spread to match")
        ratio = _deviation(target) / _deviation(source)
    return torch.lerp(latents, target.mean(0) + ratio * (latents - source.mean(0)), amount)


def _deviation(z: torch.Tensor) -> torch.Tensor:
    return (z - z.mean(0)).square().sum().div(len(z) - 1).sqrt()


def blend(
    latents: torch.Tensor, source: torch.Tensor, target: torch.Tensor, weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move each latent along the arc to the one of the target domain that lies most alike, each about its own center.

    Parameters
    ----------
    latents, source, target : Tensor
        As for `transfer`.
    weight : float
        From 0 to 1, as for `slerp`.

    Returns
    -------
    blended, partner : Tensor
        ``(n, C, H, W)``, and int64 ``(n,)``: which target latent each was blended with.
    """
    latents = check_batch("latents", latents)
    target = check_batch("target", target, tuple(latents.shape[1:]))
    source = check_batch("source", source, tuple(latents.shape[1:]))
    partner = torch.cdist((latents - source.mean(0)).flatten(1), (target - target.mean(0)).flatten(1)).argmin(1)
    return slerp(latents, target[partner], weight), partner
