"""New latents among inverted ones (Algorithm 1, Appendix D, Sec. 3.1): the paper's ways and better ones.

With the mean ``mu`` of the inverted latents ``z_1 ... z_N`` and their offsets ``u_i = z_i - mu``:

    interpolate        (1 - w) z_i + w z_j, or along the arc between them              Algorithm 1
    slerp-gaussian     an arc from z_i to a draw of ``gaussian``                       the official code
    gaussian           mu + s n,  one variance s^2 for all pixels                      Sec. 3.1
    gaussian-diagonal  mu + s_p n_p,  a variance for each pixel p
    spectrum           mu + a stationary Gaussian field with the offsets' power spectrum
    centered           mu + sum_i w_i u_i,  w_i normal with variance 1 / (N - 1), or |w| = 1 with one latent leading

``centered`` over all latents with normal ``w`` draws from ``N(mu, S)``, with the sample covariance ``S``, for the price
of one product with the offsets: no matrix ``(d, d)`` is formed.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..checks import check_batch, check_choice, check_integer, check_number
from .acceptance import Acceptance
from .store import LatentStore

FEWEST = 4  # latents: fewer have no mean and variance to speak of


@dataclass(frozen=True)
class Sample:
    """New latents ``(n, C, H, W)`` and where they come from.

    ``parents``, int64 ``(n, k)``, are the latents that each was combined from, the one with the largest weight first;
    ``k = 0`` where it comes from the whole cloud.
    """

    latents: torch.Tensor
    parents: torch.Tensor


def slerp(z1: torch.Tensor, z2: torch.Tensor, weight: float | torch.Tensor) -> torch.Tensor:
    """Interpolate along the arc between two directions, and linearly between two lengths (Shoemake 1985).

    Parameters
    ----------
    z1, z2 : Tensor
        ``(n, C, H, W)``, one arc for each pair. Parallel and opposite ones, with no arc between, are interpolated
        linearly.
    weight : float or Tensor
        From 0 (``z1``) to 1 (``z2``); a Tensor ``(n,)`` has one for each.

    Raises
    ------
    TypeError, ValueError
        If the latents are no finite floating batches of one shape, or a weight lies outside ``[0, 1]``.
    """
    w = _weights(z1, z2, weight)
    first, second = (z.flatten(1).norm(dim=1).clamp_min(torch.finfo(z.dtype).tiny) for z in (z1, z2))
    cosine = (z1.flatten(1) * z2.flatten(1)).sum(1) / (first * second)
    angle = cosine.clamp(-1, 1).arccos()
    flat = angle.sin() < 1e-4
    sine = torch.where(flat, torch.ones_like(angle), angle.sin())
    share1 = torch.where(flat, 1 - w, ((1 - w) * angle).sin() / sine) / first
    share2 = torch.where(flat, w, (w * angle).sin() / sine) / second
    length = (1 - w) * first + w * second
    return _each(length * share1) * z1 + _each(length * share2) * z2


def lerp(z1: torch.Tensor, z2: torch.Tensor, weight: float | torch.Tensor) -> torch.Tensor:
    """Interpolate linearly, ``(1 - w) z1 + w z2``; parameters as for `slerp`."""
    w = _each(_weights(z1, z2, weight))
    return (1 - w) * z1 + w * z2


def _weights(z1: torch.Tensor, z2: torch.Tensor, weight) -> torch.Tensor:
    """Check the arguments of an interpolation and return a weight for each pair."""
    if check_batch("z1", z1).shape != check_batch("z2", z2).shape:
        raise ValueError(f"z2: got shape {tuple(z2.shape)}, expected that of z1, {tuple(z1.shape)}")
    weight = weight if isinstance(weight, torch.Tensor) else check_number("weight", weight, 0, 1)
    w = torch.as_tensor(weight, dtype=z1.dtype, device=z1.device)
    if not ((w >= 0) & (w <= 1)).all():
        raise ValueError(f"weight: got {weight!r}, expected numbers from 0 to 1")
    if w.ndim and w.shape != (len(z1),):
        raise ValueError(f"weight: got shape {tuple(w.shape)}, expected one number or ({len(z1)},)")
    return w.expand(len(z1))


def _each(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def sample_latents(
    latents: torch.Tensor | LatentStore,
    n: int,
    method: str = "centered",
    *,
    generator: torch.Generator | None = None,
    accept: Acceptance | None = None,
    max_rounds: int = 20,
    details: bool = False,
    **settings,
) -> torch.Tensor | Sample:
    """Draw new latents among inverted ones.

    Parameters
    ----------
    latents : Tensor or LatentStore
        Inverted latents of one domain at one ``t``, float ``(N, C, H, W)``, ``N >= 4``.
    n : int
        How many to draw.
    method : {"interpolate", "slerp-gaussian", "gaussian", "gaussian-diagonal", "spectrum", "centered"}
        How; settings of each are listed below.
    generator : torch.Generator, optional
        Source of all randomness, by default torch's global one.
    accept : Acceptance, optional
        A filter, by `calibrate_acceptance`: proposals that lie elsewhere than the latents do are drawn anew.
    max_rounds : int
        With a filter, how often to propose ``n`` latents before giving up.
    details : bool
        Return a `Sample`, with parents.
    **settings
        For ``interpolate``: ``kind``, "slerp" (default) or "lerp"; ``weight``, a number or a range ``(low, high)`` to
        draw it from, by default 0.5. For ``slerp-gaussian``: ``weight`` of the Gaussian draw, likewise. For
        ``centered``: ``neighbors``, how many latents to combine, a random one and those nearest to it, by default all;
        ``share``, the squared weight of that first latent, by default no more than any other's. Near latents, whose
        offsets are correlated, are combined to the length that independent ones would have.

    Returns
    -------
    Tensor or Sample
        ``(n, C, H, W)`` in the dtype of ``latents``.

    Raises
    ------
    TypeError, ValueError
        For fewer than four latents, NaN or infinity, an unknown method or setting, a weight outside ``[0, 1]``, more
        neighbors than latents, or if the filter lets fewer than ``n`` pass.

    Examples
    --------
    >>> z = sample_latents(latents, 16, "centered", neighbors=3, generator=torch.Generator().manual_seed(0))
    """
    cloud = check_batch("latents", latents.tensor(0, len(latents)) if hasattr(latents, "tensor") else latents)
    if len(cloud) < FEWEST:
        raise ValueError(f"latents: got {len(cloud)}, expected at least {FEWEST}")
    check_integer("n", n, 1)
    check_integer("max_rounds", max_rounds, 1)
    expected = sampler_settings(method)
    if unknown := sorted({*settings} - {*expected}):
        raise TypeError(f"settings: got {', '.join(unknown)} for {method!r}, expected {', '.join(expected) or 'none'}")
    exact = cloud.to(torch.promote_types(cloud.dtype, torch.float32))  # half precision keeps too few digits to combine
    kept, tried, passed = [], 0, 0
    while passed < n:
        if tried == max_rounds * n:
            raise ValueError(
                f"accept: {passed} of {tried} proposals passed, expected {n}; another method, a wider coverage or more "
                "rounds"
            )
        z, parents = METHODS[method](exact, n, generator, **settings)
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
    return mean + std * _normal((n, *mean.shape), cloud, generator), _nobody(n)


def _gaussian_diagonal(cloud, n, generator):
    return cloud.mean(0) + cloud.std(0) * _normal((n, *cloud.shape[1:]), cloud, generator), _nobody(n)


def _spectrum(cloud, n, generator):
    """A stationary field: for each frequency the 3 x 3 covariance of the channels' amplitudes, over offsets."""
    mean = cloud.mean(0)
    waves = torch.fft.fft2((cloud - mean).double(), norm="ortho").permute(2, 3, 1, 0)  # (H, W, C, N)
    values, vectors = torch.linalg.eigh(waves @ waves.mH / (len(cloud) - 1))
    root = vectors * values.clamp_min(0).sqrt()[..., None, :] @ vectors.mH
    white = torch.fft.fft2(_normal((n, *mean.shape), cloud, generator).double(), norm="ortho")
    field = torch.einsum("hwcd,ndhw->nchw", root, white)
    return mean + torch.fft.ifft2(field, norm="ortho").real.to(cloud), _nobody(n)


def _centered(cloud, n, generator, neighbors: int | None = None, share: float | None = None):
    mean, count = cloud.mean(0), len(cloud)
    offsets = (cloud - mean).flatten(1)
    size = count if neighbors is None else check_integer("neighbors", neighbors, 2, count)
    first = _distinct(count, n, 1, generator)
    w = _normal((n, size), cloud, generator)
    if neighbors is None and share is None:
        return mean + (w / math.sqrt(size - 1) @ offsets).reshape(n, *mean.shape), _nobody(n)
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


def _nobody(n: int) -> torch.Tensor:
    return torch.empty((n, 0), dtype=torch.int64)


# functions of the latents, how many to draw, a generator, and the settings that `sample_latents` takes
METHODS: dict[str, Callable] = {
    "interpolate": _interpolate,
    "slerp-gaussian": _slerp_gaussian,
    "gaussian": _gaussian,
    "gaussian-diagonal": _gaussian_diagonal,
    "spectrum": _spectrum,
    "centered": _centered,
}
