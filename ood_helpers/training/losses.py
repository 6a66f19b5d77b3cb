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

from .. import spend
from ..checks import check_choice, check_images, check_integer

LOSSES = ("simple", "vlb", "hybrid")
HYBRID_WEIGHT = 1e-3
HALF_BIN = 1 / 255  # half the distance of two gray levels in [-1, 1]


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
        ``vlb`` and the second part of ``hybrid`` estimate the whole sum of ``T`` terms, in bits per dimension.
    output : Tensor
        ``(B, C, H, W)``, the network's eps; or ``(B, 2 C, H, W)`` with learned variances.
    images, eps : Tensor
        ``(B, C, H, W)``: ``x_0`` in ``[-1, 1]`` and the noise that `noised` it.
    t : Tensor
        Integer ``(B,)``.
    alphas_cumprod : Tensor
        float64 ``(T,)``.

    Raises
    ------
    ValueError
        If the kind is unknown, or ``hybrid`` is asked of a network without learned variances.
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
    posterior's, ``beta~_t``. Parameters as for `training_loss`.
    """
    channels = images.shape[1]
    log_beta, log_posterior, gain = _coefficients(t, alphas_cumprod, images)
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
    model,
    images: torch.Tensor,
    *,
    learned: bool = True,
    first: int = 20,
    strata: int = 60,
    last: int = 10,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Estimate the whole bound of each image, an upper bound of ``-log2 p(x)``, in bits per dimension.

    The first terms are all evaluated, and the last, which are large where a cosine schedule falls off; of the others
    one in each of ``strata`` equal stretches of timesteps, drawn at random, stands for its stretch: an unbiased
    estimate.

    Parameters
    ----------
    model : FrozenModel
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``, rounded to 256 gray levels, as bytes give them.
    learned : bool
        Take the learned variances, if the network has them; else the posterior's.
    first, strata, last : int
        Evaluations of the model, ``first + strata + last`` for each image.
    generator : torch.Generator, optional
        Of noise and timesteps, by default torch's global one.

    Returns
    -------
    Tensor
        ``(n,)``.

    Raises
    ------
    TypeError, ValueError
        For images of another shape or range or between gray levels, where the sum bounds nothing, or if
        ``first + strata + last`` exceeds the number of timesteps.
    """
    origin = check_images("images", images, model.image_shape).device
    images = images.to(model.device)
    levels = (images + 1) * 127.5
    if (levels - levels.round()).abs().max() > 0.01:
        raise ValueError("images: got values between gray levels, expected k / 127.5 - 1 for k = 0 ... 255")
    table = model.alphas_cumprod.to(model.device)
    first, strata = check_integer("first", first, 1), check_integer("strata", strata, 1)
    check_integer("first + strata + last", first + strata + check_integer("last", last, 0), 2, len(table))
    edges = torch.linspace(first, len(table) - last, strata + 1).round().long().tolist()
    single = [*range(first), *range(len(table) - last, len(table))]
    stretches = [(t, t + 1) for t in single] + list(pairwise(edges))
    total = prior_term(images, table)
    for low, high in stretches:
        t = torch.randint(low, high, (len(images),), generator=generator).to(model.device)
        eps = torch.randn(images.shape, generator=generator, dtype=images.dtype).to(model.device)
        output = _output(model, noised(images, eps, t, table), t)
        output = output if learned else output[:, : images.shape[1]]
        total = total + (high - low) * bound_term(output, images, eps, t, table)
    return total.to(origin)


def _output(model, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """All that a network says, learned variances included; a closed form says its noise."""
    network = getattr(model.predictor, "network", None)
    if network is None:
        return model.predict(x, t.double())
    spend(len(x) * model.operations)
    return network(x, t).sample.to(x.dtype)


def _coefficients(t, alphas_cumprod, like):
    """``log beta_t``, ``log beta~_t`` and the factor from an error of the noise to one of the mean.

    At ``t = 0``, where ``beta~`` is 0, its logarithm is that of ``t = 1``, as in improved DDPM. Differences
    are formed in float64.
    """
    here, before = _at(t, alphas_cumprod, like), _at(t - 1, alphas_cumprod, like)
    beta = 1 - here / before
    gain = beta / ((1 - here) * here / before).sqrt()
    log_posterior = _posterior_variance(t.clamp(min=1), alphas_cumprod, like).log()
    return tuple(value.to(like.dtype) for value in (beta.log(), log_posterior, gain))


def _posterior_variance(t, alphas_cumprod, like) -> torch.Tensor:
    here, before = _at(t, alphas_cumprod, like), _at(t - 1, alphas_cumprod, like)
    return (1 - here / before) * (1 - before) / (1 - here)


def _log_likelihood(images, mean, log_variance) -> torch.Tensor:
    """Log probability of the gray level that a value stands for; the outermost levels take all that lies beyond."""
    width = (0.5 * log_variance).exp()
    above = torch.special.ndtr((images - mean + HALF_BIN) / width).masked_fill(images > 1 - HALF_BIN, 1.0)
    below = torch.special.ndtr((images - mean - HALF_BIN) / width).masked_fill(images < HALF_BIN - 1, 0.0)
    return (above - below).clamp_min(1e-12).log()


def _at(t, alphas_cumprod, like) -> torch.Tensor:
    """``a_t`` in float64, ``(B, 1, 1, 1)``; 1 for the clean image, ``t = -1``."""
    a = torch.where(t < 0, 1.0, alphas_cumprod.to(like.device)[t.clamp(min=0)])
    return a[:, None, None, None]
