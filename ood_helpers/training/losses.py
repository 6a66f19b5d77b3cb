"""What a diffusion model is trained on: the error of the noise, and the variational bound, term by term.

    simple   E |eps - eps_theta(x_t, t)|^2                                           Ho et al. 2020, Eq. 14
    vlb      sum_t KL(q(x_{t-1} | x_t, x_0) || p_theta(x_{t-1} | x_t)) - log p(x_0 | x_1)    ibid., Eq. 5
    hybrid   simple + 0.001 vlb, whose gradient reaches the variances alone          Nichol & Dhariwal 2021, Eq. 16

Both Gaussians of a term have the form ``(x_t - beta_t eps / sqrt(1 - a_t)) / sqrt(1 - beta_t)`` for a mean, so their
means differ by a multiple of the noise's error. Indices count from 0: ``x_t`` at ``t = 0`` is noised once, and the term
at ``t = 0`` is the likelihood of the image's 256 gray levels.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch

from .. import FrozenModel, network_of, spend
from ..checks import check_choice, check_images, check_integer, check_model

LOSSES = ("simple", "vlb", "hybrid")
HYBRID_WEIGHT = 1e-3
HALF_BIN = 1 / 255  # half the distance of two gray levels in [-1, 1]


def stream_of_step(seed: int, step: int) -> torch.Generator:
    """Return the random stream of one step of a training: so step ``k`` depends on ``(seed, k)`` alone."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def noised(images: torch.Tensor, eps: torch.Tensor, t: torch.Tensor, alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """Return ``x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps`` for integer timesteps ``(B,)``."""
    a = _at(t, alphas_cumprod, images)
    return a.sqrt().to(images.dtype) * images + (1 - a).sqrt().to(images.dtype) * eps


def training_loss(
    kind: str,
    output: torch.Tensor,
    images: torch.Tensor,
    eps: torch.Tensor,
    t: torch.Tensor,
    alphas_cumprod: torch.Tensor,
) -> torch.Tensor:
    """Return the loss of a batch, a scalar.

    Parameters
    ----------
    kind : {"simple", "vlb", "hybrid"}
        ``vlb`` and the second part of ``hybrid``, which takes learned variances or raises a ValueError, estimate the
        whole sum of ``T`` terms, in bits per dimension.
    output : Tensor
        ``(B, C, H, W)``, the network's eps; or ``(B, 2 C, H, W)`` with learned variances.
    images, eps, t, alphas_cumprod : Tensor
        ``x_0`` in ``[-1, 1]`` and the noise that `noised` it, ``(B, C, H, W)``; integer ``(B,)``; float64 ``(T,)``.
    """
    check_choice("kind", kind, LOSSES)
    if kind == "vlb":
        return len(alphas_cumprod) * bound_term(output, images, eps, t, alphas_cumprod).mean()
    simple = (output[:, : images.shape[1]] - eps).square().mean()
    if kind == "simple":
        return simple
    if output.shape[1] == images.shape[1]:
        raise ValueError("kind: got 'hybrid' for a network without learned variances, expected 'simple' or 'vlb'")
    mean, variance = output.chunk(2, dim=1)
    terms = bound_term(torch.cat([mean.detach(), variance], 1), images, eps, t, alphas_cumprod)
    return simple + HYBRID_WEIGHT * len(alphas_cumprod) * terms.mean()


def bound_term(
    output: torch.Tensor, images: torch.Tensor, eps: torch.Tensor, t: torch.Tensor, alphas_cumprod: torch.Tensor
) -> torch.Tensor:
    """Return the bound's term at ``t`` for each image, ``(B,)``, in bits per dimension.

    With learned variances (``output`` of ``2 C`` channels, the second half ``v``) the model's log variance is
    ``w log beta_t + (1 - w) log beta~_t`` with ``w = (v + 1) / 2`` [Nichol & Dhariwal 2021, Eq. 15]; without, it is the
    posterior's, ``beta~_t``; its logarithm at ``t = 0``, where it is 0, is that of ``t = 1``, as in improved DDPM.
    """
    channels, first = images.shape[1], t.clamp(min=1)
    here, before, a, a_before = (_at(s, alphas_cumprod, images) for s in (t, t - 1, first, first - 1))
    beta, posterior = 1 - here / before, (1 - a / a_before) * (1 - a_before) / (1 - a)
    gain = beta / ((1 - here) * here / before).sqrt()  # from an error of the noise to one of the mean
    log_beta, log_posterior, gain = (x.to(images.dtype) for x in (beta.log(), posterior.log(), gain))
    log_model = log_posterior
    if output.shape[1] == 2 * channels:
        weight = (output[:, channels:] + 1) / 2
        log_model = weight * log_beta + (1 - weight) * log_posterior
    apart = gain * (output[:, :channels] - eps)  # the means' difference; at t = 0 the posterior's mean is the image
    divergence = 0.5 * (
        log_model - log_posterior - 1 + (log_posterior - log_model).exp() + apart.square() * (-log_model).exp()
    )
    likelihood = _log_likelihood(images, images - apart, log_model)
    nats = torch.where((t == 0)[:, None, None, None], -likelihood, divergence)
    return nats.flatten(1).mean(1) / math.log(2)


def prior_term(images: torch.Tensor, alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """Return ``KL(q(x_T | x_0) || N(0, I))``, ``(B,)``, in bits per dimension: the part that no training changes."""
    a = alphas_cumprod[-1].to(images)
    nats = 0.5 * (a * images.square() - a - torch.log1p(-a))
    return nats.flatten(1).mean(1) / math.log(2)


@torch.no_grad()
def variational_bound(
    model: FrozenModel,
    images: torch.Tensor,
    *,
    learned: bool = True,
    first: int = 20,
    strata: int = 60,
    last: int = 10,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Estimate the whole bound of each image, ``(n,)``, an upper bound of ``-log2 p(x)``, in bits per dimension.

    The first terms are all evaluated, and the last, which are large where a cosine schedule falls off; of the others
    one in each of ``strata`` equal stretches of timesteps, drawn at random, stands for its stretch: it is unbiased.

    Parameters
    ----------
    model : FrozenModel
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``, rounded to 256 gray levels, as bytes give them.
    learned : bool
        Take the learned variances, if the network has them and predicts the noise; else the posterior's.
    first, strata, last, generator : int, int, int, torch.Generator
        Evaluations of the model for each image, and the stream of noise and timesteps, by default torch's global one.

    Raises
    ------
    TypeError, ValueError
        For images of another shape or range or between gray levels, where the sum bounds nothing, or if
        ``first + strata + last`` exceeds the number of timesteps.
    """
    check_model("model", model)
    origin = check_images("images", images, model.image_shape).device
    images = images.to(model.device)
    levels = (images + 1) * 127.5
    if (levels - levels.round()).abs().max() > 0.01:
        raise ValueError("images: got values between gray levels, expected k / 127.5 - 1 for k = 0 ... 255")
    table, plain = model.alphas_cumprod.to(model.device), getattr(model.predictor, "kind", "") == "epsilon"
    network = network_of(model) if plain else None
    first, strata = check_integer("first", first, 1), check_integer("strata", strata, 1)
    check_integer("first + strata + last", first + strata + check_integer("last", last, 0), 2, len(table))
    edges = torch.linspace(first, len(table) - last, strata + 1).round().long().tolist()
    single = [*range(first), *range(len(table) - last, len(table))]
    total = prior_term(images, table)
    for low, high in [(t, t + 1) for t in single] + list(pairwise(edges)):
        t = torch.randint(low, high, (len(images),), generator=generator).to(model.device)
        eps = torch.randn(images.shape, generator=generator, dtype=images.dtype).to(model.device)
        x = noised(images, eps, t, table)
        if network is None:
            output = model.predict(x, t.double())
        else:
            spend(len(x) * model.operations)
            output = network(x, t).sample.to(x.dtype)
        output = output if learned else output[:, : images.shape[1]]
        total = total + (high - low) * bound_term(output, images, eps, t, table)
    return total.to(origin)


def _log_likelihood(images: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Log probability of the gray level that a value stands for; the outermost levels take all that lies beyond."""
    width = (0.5 * log_variance).exp()
    above = torch.special.ndtr((images - mean + HALF_BIN) / width).masked_fill(images > 1 - HALF_BIN, 1.0)
    below = torch.special.ndtr((images - mean - HALF_BIN) / width).masked_fill(images < HALF_BIN - 1, 0.0)
    return (above - below).clamp_min(1e-12).log()


def _at(t: torch.Tensor, alphas_cumprod: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """``a_t`` in float64, ``(B, 1, 1, 1)``; 1 for the clean image, ``t = -1``."""
    a = torch.where(t < 0, 1.0, alphas_cumprod.to(like.device)[t.clamp(min=0)])
    return a[:, None, None, None]
