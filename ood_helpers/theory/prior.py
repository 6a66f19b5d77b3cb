"""Lemma C.1: what DDIM's family of reverse steps says of ``x_t`` given ``x_0``; an inverted latent need not obey it.

    x_s | x_t, x_0 ~ N( sqrt(a_s) x_0 + sqrt(1 - a_s - v^2) (x_t - sqrt(a_t) x_0) / sqrt(1 - a_t),  v^2 I )      (Eq. 2)
    x_t | x_0      ~ N( sqrt(a_t) x_0,  (1 - a_t) I )     for every t, whatever the v                            (Eq. 4)

``v`` is the standard deviation of the fresh noise, ``s < t``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from ..checks import check_batch, check_number

BELOW_ONE = float(np.nextafter(1, 0))


def reverse_step(
    x_t: torch.Tensor, x_0: torch.Tensor, a_t: float, a_s: float, v: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Draw ``x_s`` given ``x_t`` and ``x_0`` (Eq. 2); ``v = 0`` is DDIM's deterministic step."""
    if not 0 < a_t < a_s <= 1:
        raise ValueError(f"a_t, a_s: got {a_t!r} and {a_s!r}, expected 0 < a_t < a_s <= 1")
    if not 0 <= v <= (1 - a_s) ** 0.5:
        raise ValueError(f"v: got {v!r}, expected a number from 0 to sqrt(1 - a_s) = {(1 - a_s) ** 0.5:.4g}")
    kept = (1 - a_s - v**2) ** 0.5 * implied_noise(x_t, x_0, a_t)
    fresh = torch.randn(x_t.shape, generator=generator, dtype=x_t.dtype, device=x_t.device)
    return a_s**0.5 * x_0 + kept + v * fresh


def implied_noise(x_t: torch.Tensor, x_0: torch.Tensor, a_t: float) -> torch.Tensor:
    """Return ``(x_t - sqrt(a_t) x_0) / sqrt(1 - a_t)``; for ``x_t`` as in Lemma C.1 a draw from ``N(0, I)``."""
    if check_batch("x_t", x_t).shape != check_batch("x_0", x_0).shape:
        raise ValueError(f"x_0: got shape {tuple(x_0.shape)}, expected that of x_t, {tuple(x_t.shape)}")
    a_t = check_number("a_t", a_t, 0, BELOW_ONE)
    return (x_t - a_t**0.5 * x_0) / (1 - a_t) ** 0.5


def induction() -> tuple:
    """Check one step of the lemma's induction with symbols: if ``x_t`` obeys Eq. 4, so does ``x_s``.

    It is Gaussian, being a linear map of ``x_t`` plus independent Gaussian noise. Returned are its mean and variance
    given ``x_0``, simplified sympy expressions in the symbols ``x_0``, ``a_s``, ``a_t``, ``v``.
    """
    import sympy

    x_0, x_t = sympy.symbols("x_0 x_t", real=True)
    a_s, a_t, v = sympy.symbols("a_s a_t v", positive=True)
    step = sympy.sqrt(a_s) * x_0 + sympy.sqrt(1 - a_s - v**2) * (x_t - sympy.sqrt(a_t) * x_0) / sympy.sqrt(1 - a_t)
    mean = step.subs(x_t, sympy.sqrt(a_t) * x_0)
    variance = sympy.diff(step, x_t) ** 2 * (1 - a_t) + v**2
    return sympy.simplify(mean), sympy.simplify(variance)


def reverse_chain(
    x_0: torch.Tensor, alphas: Sequence[float], eta: float, generator: torch.Generator | None = None
) -> list[torch.Tensor]:
    """Draw ``x_t`` given ``x_0``, images ``(n, C, H, W)``, at every level, from the noisiest down, by Eq. 2.

    Parameters
    ----------
    alphas : sequence of float
        ``alphas_cumprod`` at the levels, ascending (from noisy to clean), each within ``(0, 1)``.
    eta : float
        Share of fresh noise as in DDIM: ``v = eta sqrt((1 - a_s) / (1 - a_t)) sqrt(1 - a_t / a_s)``.
    """
    check_batch("x_0", x_0)
    check_number("eta", eta, 0)
    alphas = [check_number("alphas", a, 0, 1, strict=True) for a in np.atleast_1d(alphas)]
    if not alphas or 1 in alphas:
        raise ValueError(f"alphas: got {alphas}, expected numbers above 0 and below 1")
    first = alphas[0]
    x_t = first**0.5 * x_0 + (1 - first) ** 0.5 * torch.randn(x_0.shape, generator=generator, dtype=x_0.dtype)
    chain = [x_t]
    for a_t, a_s in pairwise(alphas):
        v = eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)) ** 0.5
        chain.append(reverse_step(chain[-1], x_0, a_t, a_s, v, generator))
    return chain


def share_of_image(latents: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return the share of each latent's variance that its image explains, ``<z, x_0>^2 / (<z, z> <x_0, x_0>)``.

    Both are ``(n, C, H, W)``, taken without their means over the pixels of each channel; the shares are float64
    ``(n,)``. Under ``q(x_t | x_0)`` they are about ``a_t |x_0|^2 / (a_t |x_0|^2 + (1 - a_t) d)``; the latents of an
    exact model of white data are their images in another scale, with shares of 1.
    """
    z, x = (check_batch(name, v).double() for name, v in (("latents", latents), ("images", images)))
    if z.shape != x.shape:
        raise ValueError(f"images: got shape {tuple(x.shape)}, expected that of latents, {tuple(z.shape)}")
    z, x = (v - v.mean((2, 3), keepdim=True) for v in (z, x))
    squares = x.square().sum((1, 2, 3))
    if not squares.all():
        raise ValueError(f"images: image {int(squares.argmin())} is plain, expected some contrast to look for")
    return (z * x).sum((1, 2, 3)).square() / (squares * z.square().sum((1, 2, 3)))


def standardized(latents: torch.Tensor) -> torch.Tensor:
    """Return a cloud ``(n, C, H, W)`` around 0 and with variance 1: white noise, if it was a spherical Gaussian."""
    centered = check_batch("latents", latents) - latents.mean(0)
    if not centered.any():
        raise ValueError("latents: all are equal, expected a cloud")
    return centered / centered.std()
