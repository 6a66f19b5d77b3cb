"""The best linear denoiser of a set of images: exact for one Gaussian with their mean and their whole covariance.

For data ``N(mu, S)`` the noise predictor is ``sqrt(1 - a) (a S + (1 - a) I)^-1 (x - sqrt(a) mu)``, Wiener's filter in
other words. It knows how any two pixels of the domain go together, and nothing that is not linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .. import FrozenModel, Predictor, gaussian_model, inversion_levels, timestep_at
from ..checks import check_images, check_model, check_number


def wiener_model(images: torch.Tensor, ridge: float | None = None, schedule: str = "linear") -> FrozenModel:
    """Return the exact model of ``N(mean, sample covariance + ridge I)`` of images.

    Parameters
    ----------
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``, ``n >= 3``. The covariance has rank ``n - 1``; in all other directions the
        ridge is all the variance there is.
    ridge : float, optional
        Variance ``> 0`` added in every direction; by default the mean square, per pixel, of what an image has outside
        the affine hull of the others.
    schedule : {"linear", "cosine"}
        Noise schedule, ``T = 1000``.

    Raises
    ------
    TypeError, ValueError
        If the images are none, too few or, without a ridge, such that each is a combination of others.
    """
    x = check_images("images", images).double()
    if len(x) < 3:
        raise ValueError(f"images: got {len(x)}, expected at least 3 for a covariance")
    mean = x.mean(0)
    left, lengths, basis = torch.linalg.svd((x - mean).flatten(1), full_matrices=False)
    kept = lengths > 1e-9 * lengths[0]
    left, lengths, basis = left[:, kept], lengths[kept], basis[kept]
    if ridge is None:
        # the inverse Gram matrix of centered points holds their squared distances to the hull of the others
        outside = 1 / (left / lengths).square().sum(1) if len(lengths) == len(x) - 1 else torch.zeros(1)
        ridge = float(outside.mean()) / mean.numel()
        if ridge == 0:
            raise ValueError("images: some are combinations of others, expected a ridge or images that are not")
    ridge = check_number("ridge", ridge, 0, strict=True)
    outside = gaussian_model(mean, ridge, schedule)
    variances = (lengths.square() / (len(x) - 1) + ridge)[None, None]
    inside = gaussian_model((basis @ mean.flatten())[None, None], variances, schedule)
    predictor = WienerPredictor(outside.predictor, inside.predictor, basis)
    return replace(outside, name=f"Wiener filter of {len(x)} images", predictor=predictor)


@torch.no_grad()
def linear_shares(
    model: FrozenModel,
    seen: torch.Tensor,
    images: torch.Tensor,
    timesteps: Sequence[float],
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return which share of the images that a model predicts the best linear denoiser predicts, too.

        1 - |D(y) - L(y)|^2 / |D(y) - mean|^2,     y = x + sigma_t eps,     D(y) = y - sigma_t eps_theta(y, t)

    with ``L`` the same of the `wiener_model` of the images seen. It is 1 where both agree, and may be negative.

    Parameters
    ----------
    model : FrozenModel
    seen, images : Tensor
        ``(m, C, H, W)``, ``m >= 3``, and ``(n, C, H, W)`` in ``[-1, 1]``: those that the linear denoiser knows, whose
        mean is meant above, and others, to put noise on.
    timesteps : sequence of float
        Where on the model's schedule.
    generator : torch.Generator, optional
        For the noise; by default a new one with seed 0.

    Returns
    -------
    Tensor
        float64, ``(len(timesteps), n)``, on the processor.

    Raises
    ------
    TypeError, ValueError
        As in `wiener_model`, or if the images do not fit the model.
    """
    check_model("model", model)
    seen, x = check_images("seen", seen, model.image_shape).cpu(), check_images("images", images, model.image_shape)
    linear, x = wiener_model(seen), x.cpu().double()
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    mean, found = seen.double().mean(0), []
    for level in inversion_levels(model.alphas_cumprod, grid=[-1, *timesteps])[1:]:
        y = x + level.sigma * torch.randn(x.shape, generator=generator, dtype=torch.float64)
        noisy, same = y * level.scale, timestep_at(linear.alphas_cumprod, 1 / (1 + level.sigma**2))
        guess = y - level.sigma * model.eps(noisy.to(model.device, torch.float32), level.t).double().cpu()
        by_filter = y - level.sigma * linear.eps(noisy, same)
        off, whole = ((guess - other).flatten(1).square().sum(1) for other in (by_filter, mean))
        found.append(1 - off / whole)
    return torch.stack(found)


@dataclass(frozen=True, eq=False)
class WienerPredictor:
    """The formula at the head of this module: one Gaussian for the coordinates in a basis, a plain one for the rest.

    ``basis`` is ``(r, C H W)``, orthonormal rows; the predictor ``inside`` takes coordinates ``(B, 1, 1, r)``.
    """

    outside: Predictor
    inside: Predictor
    basis: torch.Tensor

    def __call__(self, x: torch.Tensor, t: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        eps, basis = self.outside(x, t), self.basis.to(x)
        inside = self.inside((x.flatten(1) @ basis.T)[:, None, None], t)[:, 0, 0]
        return eps + ((inside - eps.flatten(1) @ basis.T) @ basis).view_as(x)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What decides the predictions."""
        parts = {"outside": self.outside, "inside": self.inside}
        found = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.tensors().items()}
        return found | {"basis": self.basis}
