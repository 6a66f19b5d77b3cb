"""The best linear denoiser of a set of images: exact for one Gaussian with their mean and their whole covariance.

For data ``N(mu, S)`` the noise predictor is ``sqrt(1 - a) (a S + (1 - a) I)^-1 (x - sqrt(a) mu)``, Wiener's filter in
other words. It knows how any two pixels of the domain go together, and nothing that is not linear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from .. import FrozenModel, Predictor, gaussian_model
from ..checks import check_images, check_number


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
