"""New latents from inverted ones: drawn among them (Algorithm 1, Appendix D, Sec. 3.1), or carried between domains.

With the mean ``mu`` of the inverted latents ``z_1 ... z_N`` and their offsets ``u_i = z_i - mu``:

    interpolate        (1 - w) z_i + w z_j, or along the arc between them              Algorithm 1
    slerp-gaussian     an arc from z_i to a draw of ``gaussian``                       the official code
    gaussian           mu + s n,  one variance s^2 for all pixels                      Sec. 3.1
    gaussian-diagonal  mu + s_p n_p,  a variance for each pixel p
    spectrum           mu + a stationary Gaussian field with the offsets' power spectrum
    centered           mu + sum_i w_i u_i,  w_i normal with variance 1 / (N - 1), or |w| = 1 with one latent leading
    cog                the same for given weights of random latents, scaled to |w| = 1       Bodin et al. 2025

``centered`` with normal ``w`` draws from ``N(mu, S)``, ``S`` the sample covariance, without forming that matrix.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..checks import check_batch, check_choice, check_floats, check_integer, check_number
from .geometry import Acceptance
from .store import LatentStore

FEWEST = 4  # latents: fewer have no mean and variance to speak of


@dataclass(frozen=True)
class Sample:
    """New latents ``(n, C, H, W)``, and the ``parents`` that each was combined from, int64 ``(n, k)``.

    The parent of the largest weight comes first; ``k = 0`` where a latent comes from the whole cloud.
    """

    latents: torch.Tensor
    parents: torch.Tensor


def slerp(z1: torch.Tensor, z2: torch.Tensor, weight: float | torch.Tensor) -> torch.Tensor:
    """Interpolate along the arc between two directions, and linearly between two lengths (Shoemake 1985).

    Parameters
    ----------
    z1, z2 : Tensor
        ``(n, C, H, W)``, one arc for each pair; parallel and opposite ones are interpolated linearly.
    weight : float or Tensor
        From 0 (``z1``) to 1 (``z2``); a Tensor ``(n,)`` has one for each.
    """
    w = _weights(z1, z2, weight).flatten()
    kind = torch.result_type(z1, z2)
    w, z1, z2 = (each.to(torch.promote_types(kind, torch.float32)) for each in (w, z1, z2))  # half overflows in sums
    first, second = (z.flatten(1).norm(dim=1).clamp_min(torch.finfo(z.dtype).tiny) for z in (z1, z2))
    cosine = (z1.flatten(1) * z2.flatten(1)).sum(1) / (first * second)
    angle = cosine.clamp(-1, 1).arccos()
    flat = angle.sin() < 1e-4
    sine = torch.where(flat, torch.ones_like(angle), angle.sin())
    share1 = torch.where(flat, 1 - w, ((1 - w) * angle).sin() / sine) / first
    share2 = torch.where(flat, w, (w * angle).sin() / sine) / second
    length = (1 - w) * first + w * second
    return ((length * share1)[:, None, None, None] * z1 + (length * share2)[:, None, None, None] * z2).to(kind)


def lerp(z1: torch.Tensor, z2: torch.Tensor, weight: float | torch.Tensor) -> torch.Tensor:
    """Interpolate linearly, ``(1 - w) z1 + w z2``; parameters as for `slerp`."""
    w = _weights(z1, z2, weight)
    return (1 - w) * z1 + w * z2


def corrected_combination(
    latents: torch.Tensor, weights: Sequence[float] | torch.Tensor, mean: torch.Tensor | None = None
) -> torch.Tensor:
    """Give linear combinations of latents the law of the latents: COG (Bodin et al. 2025, arXiv 2408.08558).

        (1 - alpha / sqrt(beta)) mu + sum_i w_i z_i / sqrt(beta),    alpha = sum_i w_i,  beta = sum_i w_i^2

    For independent ``z_i`` of ``N(mu, S)`` the plain sum is a draw of ``N(alpha mu, beta S)``, and this is its optimal
    transport to ``N(mu, S)``. It equals ``mu + sum_i v_i (z_i - mu)`` with ``v = w / sqrt(beta)``: only the direction
    of ``w`` counts, and ``centered`` with ``|w| = 1`` is the same rule with random weights. With the mean of ``N``
    latents for ``mu`` the covariance is ``(1 + (1 - alpha^2 / beta) / N) S``, which is close to ``S`` for weights on
    few of many latents; equal weights on all of them give their mean, with covariance ``S / N``.

    Parameters
    ----------
    latents : Tensor
        float ``(N, C, H, W)``.
    weights : sequence or Tensor
        ``(N,)`` or, for ``n`` combinations, ``(n, N)``; each with ``beta > 0``. Returned are ``(n, C, H, W)``.
    mean : Tensor, optional
        ``mu``, ``(C, H, W)``; by default the mean of ``latents``, four at least.
    """
    check_batch("latents", latents)
    w = check_floats("weights", weights)
    w = (w[None] if w.ndim == 1 else w).to(latents.device)
    if w.ndim != 2 or w.shape[1] != len(latents) or not (torch.isfinite(w).all() and w.any(1).all()):
        told = f"got shape {tuple(w.shape)}"
        raise ValueError(f"weights: {told}, expected finite numbers (n, {len(latents)}), no row of them all zero")
    if mean is None and len(latents) < FEWEST:
        raise ValueError(f"latents: got {len(latents)}, expected at least {FEWEST}, or a mean")
    exact = latents.to(torch.promote_types(latents.dtype, torch.float32))
    shape = latents.shape[1], latents.shape[2], latents.shape[3]
    mu = exact.mean(0) if mean is None else check_batch("mean", mean[None], shape)[0].to(exact)
    v = (w / w.norm(dim=1, keepdim=True)).to(exact)
    return (mu + (v @ (exact - mu).flatten(1)).reshape(-1, *shape)).to(latents.dtype)


def _weights(z1: torch.Tensor, z2: torch.Tensor, weight) -> torch.Tensor:
    """Check the arguments of an interpolation and return a weight for each pair, ``(n, 1, 1, 1)``."""
    if check_batch("z1", z1).shape != check_batch("z2", z2).shape:
        raise ValueError(f"z2: got shape {tuple(z2.shape)}, expected that of z1, {tuple(z1.shape)}")
    weight = weight if isinstance(weight, torch.Tensor) else check_number("weight", weight, 0, 1)
    w = torch.as_tensor(weight, dtype=z1.dtype, device=z1.device)
    if not ((w >= 0) & (w <= 1)).all():
        raise ValueError(f"weight: got {weight!r}, expected numbers from 0 to 1")
    if w.ndim and w.shape != (len(z1),):
        raise ValueError(f"weight: got shape {tuple(w.shape)}, expected one number or ({len(z1)},)")
    return w.expand(len(z1))[:, None, None, None]


def sample_latents(
    latents: torch.Tensor | LatentStore,
    n: int,
    method: str = "interpolate",
    *,
    generator: torch.Generator | None = None,
    accept: Acceptance | None = None,
    max_rounds: int = 20,
    details: bool = False,
    **settings: Any,
) -> torch.Tensor | Sample:
    """Draw new latents ``(n, C, H, W)`` among inverted ones, in their dtype; with ``details``, a `Sample` of them.

    Raises TypeError or ValueError for an unknown method or setting, or if the filter lets fewer than ``n`` pass.

    Parameters
    ----------
    latents : Tensor or LatentStore
        Inverted latents of one domain at one ``t``, float ``(N, C, H, W)``, ``N >= 4``.
    n, method : int, {"interpolate", "slerp-gaussian", "gaussian", "gaussian-diagonal", "spectrum", "centered", "cog"}
        Arcs, "interpolate", are the way of Algorithm 1; chapter 11 compares them with ten neighbors, "centered".
    generator : torch.Generator, optional
        Source of all randomness, by default torch's global one.
    accept, max_rounds : Acceptance, optional; int
        A filter, by `calibrate_acceptance`: proposals that lie elsewhere than the latents do are drawn anew. How often
        to propose ``n`` before giving up.
    **settings
        For ``interpolate``: ``kind``, "slerp" (default) or "lerp"; ``weight``, a number or a range ``(low, high)`` to
        draw it from, by default 0.5. For ``slerp-gaussian``: ``weight`` of the Gaussian draw, likewise. For
        ``centered``: ``neighbors``, how many latents to combine, a random one and those nearest to it, to the length
        that independent ones would have, by default all; ``share``, the squared weight of that first latent. For
        ``cog``: ``weights`` of as many random latents, as for `corrected_combination`, by default two of one half.
    """
    cloud = check_batch("latents", latents.tensor(0, len(latents)) if hasattr(latents, "tensor") else latents)
    if len(cloud) < FEWEST:
        raise ValueError(f"latents: got {len(cloud)}, expected at least {FEWEST}")
    check_integer("n", n, 1)
    check_integer("max_rounds", max_rounds, 1)
    if not isinstance(accept, Acceptance | None):
        raise TypeError(f"accept: got {type(accept).__name__}, expected what calibrate_acceptance returns")
    expected = sampler_settings(method)
    if unknown := sorted({*settings} - {*expected}):
        raise TypeError(f"settings: got {', '.join(unknown)} for {method!r}, expected {', '.join(expected) or 'none'}")
    exact = cloud.to(torch.promote_types(cloud.dtype, torch.float32))  # half precision keeps too few digits to combine
    kept, tried, passed = [], 0, 0
    while passed < n:
        if tried == max_rounds * n:
            told = "another method, a wider coverage or more rounds"
            raise ValueError(f"accept: {passed} of {tried} proposals passed, expected {n}; {told}")
        z, parents = METHODS[method](exact, n, generator, **settings)
        parents = torch.empty((n, 0), dtype=torch.int64) if parents is None else parents
        inside = slice(None) if accept is None else accept.accepts(z)
        kept.append((z[inside], parents[inside]))
        tried, passed = tried + n, passed + len(kept[-1][0])
    z, parents = (torch.cat(parts)[:n] for parts in zip(*kept, strict=True))
    z = z.to(cloud.dtype)
    return Sample(z, parents) if details else z


def sampler_settings(method: str) -> tuple[str, ...]:
    """Return the names of the settings that `sample_latents` takes for a method."""
    check_choice("method", method, METHODS)
    return tuple(inspect.signature(METHODS[method]).parameters)[3:]


def _interpolate(cloud, n, generator, kind: str = "slerp", weight=0.5):
    check_choice("kind", kind, ("slerp", "lerp"))
    parents = _distinct(len(cloud), n, 2, generator)
    w = _draw_weight(weight, n, generator)
    z = {"slerp": slerp, "lerp": lerp}[kind](cloud[parents[:, 0]], cloud[parents[:, 1]], w.to(cloud))
    return z, torch.where((w > 0.5)[:, None], parents.flip(1), parents)


def _slerp_gaussian(cloud, n, generator, weight=0.5):
    parents = _distinct(len(cloud), n, 1, generator)
    drawn, _ = _gaussian(cloud, n, generator)
    return slerp(cloud[parents[:, 0]], drawn, _draw_weight(weight, n, generator).to(cloud)), parents


def _gaussian(cloud, n, generator):
    mean = cloud.mean(0)
    std = ((cloud - mean).square().sum() / ((len(cloud) - 1) * mean.numel())).sqrt()
    return mean + std * _normal((n, *mean.shape), cloud, generator), None


def _gaussian_diagonal(cloud, n, generator):
    return cloud.mean(0) + cloud.std(0) * _normal((n, *cloud.shape[1:]), cloud, generator), None


def _spectrum(cloud, n, generator):
    """A stationary field: for each frequency the 3 x 3 covariance of the channels' amplitudes, over offsets."""
    mean = cloud.mean(0)
    waves = torch.fft.fft2((cloud - mean).double(), norm="ortho").permute(2, 3, 1, 0)  # (H, W, C, N)
    values, vectors = torch.linalg.eigh(waves @ waves.mH / (len(cloud) - 1))
    root = vectors * values.clamp_min(0).sqrt()[..., None, :] @ vectors.mH
    white = torch.fft.fft2(_normal((n, *mean.shape), cloud, generator).double(), norm="ortho")
    field = torch.einsum("hwcd,ndhw->nchw", root, white)
    return mean + torch.fft.ifft2(field, norm="ortho").real.to(cloud), None


def _centered(cloud, n, generator, neighbors: int | None = None, share: float | None = None):
    mean, count = cloud.mean(0), len(cloud)
    offsets = (cloud - mean).flatten(1)
    size = count if neighbors is None else check_integer("neighbors", neighbors, 2, count)
    first = _distinct(count, n, 1, generator)
    w = _normal((n, size), cloud, generator)
    if neighbors is None and share is None:
        return mean + (w / math.sqrt(size - 1) @ offsets).reshape(n, *mean.shape), None
    if neighbors is None:  # the first, then all others in their order
        members = (torch.arange(count) != first).int().argsort(dim=1, stable=True).to(cloud.device)
    else:  # the first, then those nearest to it
        w, nearest = w.abs(), torch.cdist(offsets, offsets).fill_diagonal_(-1).argsort(dim=1)[:, :size]
        members = nearest[first[:, 0]]
    if share is not None:
        share = check_number("share", share, 0, 1)
        w[:, 0] = 0
        w = w * (math.sqrt(1 - share) / w.norm(dim=1, keepdim=True))
        w[:, 0] = math.sqrt(share)
    w = w / w.norm(dim=1, keepdim=True)
    z = w.new_zeros(n, count).scatter(1, members, w) @ offsets
    if neighbors is not None:
        wanted = (w.square() * offsets.square().sum(1)[members]).sum(1).sqrt()
        z = z * (wanted / z.norm(dim=1).clamp_min(torch.finfo(z.dtype).tiny))[:, None]  # of equal latents z is 0
    parents = first if neighbors is None else torch.gather(members, 1, w.abs().argsort(dim=1, descending=True))
    return mean + z.reshape(n, *mean.shape), parents


def _cog(cloud, n, generator, weights=(0.5, 0.5)):
    w = check_floats("weights", weights).cpu()
    if w.ndim != 1 or not 1 <= len(w) <= len(cloud):
        raise ValueError(f"weights: got shape {tuple(w.shape)}, expected (k,) with k from 1 to {len(cloud)}")
    parents = _distinct(len(cloud), n, len(w), generator)
    z = corrected_combination(cloud, w.new_zeros(n, len(cloud)).scatter(1, parents, w.expand(n, -1)))
    return z, parents[:, w.abs().argsort(descending=True, stable=True)]


def _distinct(count: int, n: int, k: int, generator) -> torch.Tensor:
    """Choose ``k`` different ones of ``count``, ``n`` times, int64 ``(n, k)``."""
    return torch.rand((n, count), generator=generator).argsort(dim=1)[:, :k]


def _draw_weight(weight, n: int, generator) -> torch.Tensor:
    ends = weight if isinstance(weight, tuple | list) else (weight, weight)
    if len(ends) != 2:
        raise ValueError(f"weight: got {weight!r}, expected a number from 0 to 1 or a range (low, high) of such")
    low, high = (check_number("weight", end, 0, 1) for end in ends)
    if low > high:
        raise ValueError(f"weight: got {weight!r}, expected a range (low, high) with low <= high")
    return low + (high - low) * torch.rand(n, generator=generator)


def _normal(shape, like: torch.Tensor, generator) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype).to(like.device)


# functions of the latents, how many to draw, a generator, and the settings that `sample_latents` takes
KINDS = _interpolate, _slerp_gaussian, _gaussian, _gaussian_diagonal, _spectrum, _centered, _cog
METHODS: dict[str, Callable] = {kind.__name__[1:].replace("_", "-"): kind for kind in KINDS}


def transfer(
    latents: torch.Tensor, source: torch.Tensor, target: torch.Tensor, *, amount: float = 1.0, spread: bool = False
) -> torch.Tensor:
    """Move latents from the center of one domain to that of another (Fig. 2b).

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
    """
    latents, source, target = _of_one_shape(latents, source, target)
    check_number("amount", amount, 0)
    for name, z in (("source", source), ("target", target)):
        if len(z) < 2:
            raise ValueError(f"{name}: got {len(z)} latents, expected at least 2")
    kind = latents.dtype
    latents = latents.to(torch.promote_types(kind, torch.float32))  # half precision overflows in sums
    source, target = source.to(latents), target.to(latents)
    offsets = latents - source.mean(0)
    if spread:
        here, there = ((z - z.mean(0)).square().sum().div(len(z) - 1).sqrt() for z in (source, target))
        if not here > 0:
            raise ValueError("source: all latents are equal, expected some spread to match")
        offsets = there / here * offsets
    return torch.lerp(latents, target.mean(0) + offsets, amount).to(kind)


def blend(
    latents: torch.Tensor, source: torch.Tensor, target: torch.Tensor, weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move each latent along the arc to the one of the target domain that lies most alike, each about its own center.

    Parameters are as for `transfer`, with ``weight`` from 0 to 1 as for `slerp`. Returned are the blended latents
    ``(n, C, H, W)``, and which target latent each was blended with, int64 ``(n,)``.
    """
    latents, source, target = _of_one_shape(latents, source, target)
    own = (latents.double() - source.double().mean(0)).flatten(1)
    others = (target.double() - target.double().mean(0)).flatten(1)
    partner = torch.cdist(own, others).argmin(1)
    return slerp(latents, target[partner], weight), partner


def _of_one_shape(latents: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
    _, channels, height, width = check_batch("latents", latents).shape
    shape = channels, height, width
    return [latents, check_batch("source", source, shape), check_batch("target", target, shape)]
