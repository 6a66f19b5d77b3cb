"""Models in closed form: for Gaussian data the optimal noise predictor is known, and so is its whole flow.

With data ``N(mu, s^2)`` (per pixel) and ``a = alphas_cumprod[t]``, the noisy image is ``N(sqrt(a) mu, a s^2 + 1 - a)``:

    eps(x, t) = sqrt(1 - a) (x - sqrt(a) mu) / (a s^2 + 1 - a)
    x_t = sqrt(a_t) mu + sqrt((a_t s^2 + 1 - a_t) / (a_u s^2 + 1 - a_u)) (x_u - sqrt(a_u) mu).

No network, no training: the truth against which every solver is tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from . import schedules
from .frozen import FrozenModel


def gaussian_model(mean, variance, schedule: str = "linear", image_shape=None) -> FrozenModel:
    """Return the exact model of data ``N(mean, diag(variance))``.

    Parameters
    ----------
    mean, variance : float or Tensor
        Per-pixel mean, and variance ``> 0``: numbers, or tensors that broadcast to ``(C, H, W)``.
    schedule : {"linear", "cosine"}
        Noise schedule, ``T = 1000``.
    image_shape : tuple of int, optional
        ``(C, H, W)``; needed where neither ``mean`` nor ``variance`` is a tensor of that shape.

    Returns
    -------
    FrozenModel
        Its predictions are exact in the dtype of ``x``.

    Raises
    ------
    ValueError
        If a variance is not positive, the shapes do not fit or the schedule is unknown.

    Examples
    --------
    >>> model = gaussian_model(mean=0.2, variance=0.25, image_shape=(3, 8, 8))
    """
    mean = torch.as_tensor(mean, dtype=torch.float64)
    variance = torch.as_tensor(variance, dtype=torch.float64)
    if not (variance > 0).all():
        raise ValueError(f"variance: got a smallest value of {variance.min():g}, expected positive numbers")
    if not torch.isfinite(mean).all():
        raise ValueError("mean: holds NaN or infinity, expected finite values")
    if not torch.isfinite(variance).all():
        raise ValueError("variance: holds infinity, expected finite values")
    try:
        shape = tuple(image_shape or torch.broadcast_shapes(mean.shape, variance.shape))
        mean, variance = mean.expand(shape), variance.expand(shape)
    except RuntimeError:
        told = f"{tuple(mean.shape)} and {tuple(variance.shape)} for image_shape={image_shape}"
        raise ValueError(f"mean, variance: got shapes {told}, expected such that broadcast to (C, H, W)") from None
    if len(shape) != 3:
        raise ValueError(
            f"image_shape: got {shape}, expected (C, H, W), given here or by the shape of mean or variance"
        )
    table = schedules.alphas_cumprod(schedule)

    return FrozenModel("closed-form Gaussian", table, shape, GaussianPredictor(mean, variance, table))


@dataclass(frozen=True, eq=False)
class GaussianPredictor:
    """The formula at the head of this module, for ``mean`` and ``variance`` of shape ``(C, H, W)``."""

    mean: torch.Tensor
    variance: torch.Tensor
    alphas_cumprod: torch.Tensor

    def __call__(self, x, t, dtype=None):
        a = schedules.alpha_at(self.alphas_cumprod, t).to(x.device)[:, None, None, None]
        mu, s2 = self.mean.to(x.device), self.variance.to(x.device)
        gain = (1 - a).sqrt() / (a * s2 + 1 - a)
        return gain.to(x.dtype) * (x - (a.sqrt() * mu).to(x.dtype))

    def tensors(self) -> dict[str, torch.Tensor]:
        """What decides the predictions."""
        return {"mean": self.mean, "variance": self.variance}


def gaussian_flow(model_mean, model_variance, alpha_from: float, alpha_to: float, x: torch.Tensor) -> torch.Tensor:
    """Carry ``x`` along the exact probability flow of Gaussian data, between two values of ``alphas_cumprod``.

    The formula at the head of this module: an affine map of each pixel. ``1.0`` stands for the clean image.
    """
    spread = ((alpha_to * model_variance + 1 - alpha_to) / (alpha_from * model_variance + 1 - alpha_from)) ** 0.5
    return alpha_to**0.5 * model_mean + spread * (x - alpha_from**0.5 * model_mean)
