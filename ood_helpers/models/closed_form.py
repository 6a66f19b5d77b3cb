"""Models in closed form: for a mixture of Gaussians the optimal noise predictor is known, at every timestep.

With data ``sum_k w_k N(mu_k, s_k^2)`` (per pixel), ``a = alphas_cumprod[t]`` and ``v_k = a s_k^2 + 1 - a``, the noisy
image has the density ``p_t = sum_k w_k N(sqrt(a) mu_k, v_k)``, and

    eps(x, t) = -sqrt(1 - a) grad log p_t(x) = sqrt(1 - a) sum_k p_k(x) (x - sqrt(a) mu_k) / v_k,

where ``p_k(x)``, proportional to ``w_k N(x; sqrt(a) mu_k, v_k)``, is the probability of component ``k`` given ``x``.
This is the truth against which every solver is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..checks import check_batch, check_floats, check_images, check_integer
from . import schedules
from .frozen import FrozenModel

Weights = Sequence[float] | torch.Tensor | None


def gaussian_model(
    mean: float | torch.Tensor,
    variance: float | torch.Tensor,
    schedule: str = "linear",
    image_shape: Sequence[int] | None = None,
) -> FrozenModel:
    """Return the exact model of data ``N(mean, diag(variance))``.

    Parameters
    ----------
    mean, variance : float or Tensor
        Per-pixel mean, and variance ``> 0``: numbers, or tensors that broadcast to ``(C, H, W)``.
    schedule : {"linear", "cosine"}
        Noise schedule, ``T = 1000``.
    image_shape : tuple of int, optional
        ``(C, H, W)``; needed where neither ``mean`` nor ``variance`` is a tensor of that shape.
    """
    mean, variance = check_floats("mean", mean), check_floats("variance", variance)
    if not (variance > 0).all():
        raise ValueError(f"variance: got a smallest value of {variance.min():g}, expected positive numbers")
    if not torch.isfinite(mean).all() or not torch.isfinite(variance).all():
        raise ValueError(f"{'variance' if torch.isfinite(mean).all() else 'mean'}: holds NaN or infinity")
    try:
        given = torch.broadcast_shapes(mean.shape, variance.shape) if image_shape is None else image_shape
        shape = tuple(check_integer("image_shape", side, 1) for side in np.atleast_1d(given))
        mean, variance = mean.expand(shape), variance.expand(shape)
    except RuntimeError:
        told = f"{tuple(mean.shape)} and {tuple(variance.shape)} for image_shape={image_shape}"
        raise ValueError(f"mean, variance: got shapes {told}, expected such that broadcast to (C, H, W)") from None
    if len(shape) != 3:
        raise ValueError(f"image_shape: got {shape}, expected (C, H, W), if mean and variance have another shape")
    return replace(mixture_model(mean[None], variance[None], schedule=schedule), name="closed-form Gaussian")


def mixture_model(
    means: torch.Tensor,
    variances: float | torch.Tensor,
    weights: Weights = None,
    *,
    schedule: str = "linear",
    T: int = 1000,
) -> FrozenModel:
    """Return the exact model of a mixture of Gaussians, ``sum_k w_k N(mean_k, diag(variance_k))``.

    It is exact in the dtype of ``x``; with a variance of 0, ``t = -1`` is answered as ``t = 0``, as networks do.

    Parameters
    ----------
    means : Tensor
        ``(K, C, H, W)``, finite.
    variances : float or Tensor
        Per pixel, ``>= 0``: a number, or a tensor that broadcasts to ``(K, C, H, W)``. If all components share it, as
        a number or ``(1, C, H, W)``, thousands are cheap; else each image of a batch takes memory for all ``K``.
    weights : Tensor, optional
        Shares of the components, ``(K,)``, ``>= 0``, in any scale; by default equal.
    schedule, T : {"linear", "cosine"}, int
        The schedule and its length.
    """
    means = check_batch("means", means).double()
    variances, n = check_floats("variances", variances), len(means)
    if not (torch.isfinite(variances) & (variances >= 0)).all():
        raise ValueError(f"variances: got {variances.min():g} to {variances.max():g}, expected finite numbers >= 0")
    try:
        variances.expand(means.shape)
    except RuntimeError:
        told = f"{tuple(variances.shape)} for means of shape {tuple(means.shape)}"
        raise ValueError(f"variances: got shape {told}, expected one that broadcasts to it") from None
    variances = variances.expand(torch.broadcast_shapes(variances.shape, (1, *means.shape[1:])))
    weights = torch.ones(n, dtype=torch.float64) if weights is None else check_floats("weights", weights)
    if weights.shape != (n,) or not torch.isfinite(weights).all() or weights.min() < 0 or not weights.sum() > 0:
        raise ValueError(f"weights: got {weights}, expected {n} numbers >= 0, not all of them 0")
    table = schedules.alphas_cumprod(schedule, check_integer("T", T, 1))
    predictor = MixturePredictor(means, variances, weights.log(), table)
    _, channels, height, width = means.shape
    return FrozenModel(f"closed-form mixture of {n}", table, (channels, height, width), predictor)


def data_model(
    images: torch.Tensor, weights: Weights = None, *, schedule: str = "linear", T: int = 1000
) -> FrozenModel:
    """Return the exact model of a finite data set: what a network would be that had learned it by heart.

    Denoised by it, anything lands on one of the images ``(n, C, H, W)``, in ``[-1, 1]``; other images have no latents,
    unless `mixture_model` gives these a little variance. ``weights``, ``schedule`` and ``T`` are as there.
    """
    return mixture_model(check_images("images", images), 0.0, weights, schedule=schedule, T=T)


@dataclass(frozen=True, eq=False)
class MixturePredictor:
    """The formula at the head of this module, in float64.

    ``means`` are ``(K, C, H, W)``; ``variances`` too, or ``(1, C, H, W)`` if all components share them.
    """

    means: torch.Tensor
    variances: torch.Tensor
    log_weights: torch.Tensor
    alphas_cumprod: torch.Tensor

    def __call__(self, x: torch.Tensor, t: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        mu, s2 = self.means.to(x.device).flatten(1), self.variances.to(x.device).flatten(1)
        t = t.clamp(min=0) if (s2 == 0).any() else t
        a = schedules.alpha_at(self.alphas_cumprod, t).to(x.device)[:, None, None]
        v = a * s2 + 1 - a  # (B, K or 1, d)
        y = x.flatten(1)[:, None]
        own, odds = len(s2) > 1, self.log_weights.to(x.device).expand(len(x), -1)
        if len(mu) > 1:  # log(w_k N(x; sqrt(a) mu_k, v_k)), but for what all components share
            odds = odds + _products(a.sqrt() * y / v, mu) - _products(a / v, mu**2) / 2
        if own:
            odds = odds - (v.log() + y**2 / v).sum(-1) / 2
        share, root, a = odds.softmax(-1), (1 - a[:, 0]).sqrt(), a[:, 0]
        if own:
            share = share[:, :, None] / v
            gain = root * share.sum(1)
            center = (share * mu).sum(1) / share.sum(1)
        else:
            gain, center = root / v[:, 0], share @ mu
        return (gain.to(x.dtype) * (y[:, 0] - (a.sqrt() * center).to(x.dtype))).view_as(x)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What decides the predictions."""
        return {"means": self.means, "variances": self.variances, "log_weights": self.log_weights}


def _products(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Sums over pixels of ``(B, K or 1, d)`` times ``(K, d)``, as ``(B, K)``."""
    return rows[:, 0] @ columns.T if rows.shape[1] == 1 else (rows * columns).sum(-1)
