"""How well a latent remembers its image, and how far it is from the latent that an exact walk would give."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..checks import check_batch, check_model
from ..kernels.walk import denoise, invert
from ..models.frozen import CountedModel


def reconstruction_error(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute error of each image, on the scale where images fill ``[0, 1]`` (Table 2).

    Parameters
    ----------
    x, y : Tensor
        Originals and reconstructions, ``(n, C, H, W)``, on the scale ``[-1, 1]``; nothing is clipped.

    Returns
    -------
    Tensor
        float64 ``(n,)``: 0 for equal images, 1 for black against white. One gray level of 256 is 0.0039.

    Raises
    ------
    TypeError, ValueError
        If either is no finite floating batch, or the shapes differ.
    """
    x = check_batch("x", x)
    y = check_batch("y", y)
    if x.shape != y.shape:
        raise ValueError(f"y: got shape {tuple(y.shape)}, expected that of x, {tuple(x.shape)}")
    return (x.double() - y.double()).abs().flatten(1).mean(1) / 2


def latent_error(latents: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return the relative error of each latent, ``|z - z_ref| / |z_ref|``.

    A walk that can be undone reconstructs its image from a wrong latent just as well; this number tells.

    Parameters
    ----------
    latents, reference : Tensor
        ``(n, C, H, W)``; the reference comes from a walk with many more evaluations.

    Returns
    -------
    Tensor
        float64 ``(n,)``, 0 for a perfect latent.

    Raises
    ------
    TypeError, ValueError
        If either is no finite floating batch, or the shapes differ.
    """
    latents = check_batch("latents", latents)
    reference = check_batch("reference", reference)
    if latents.shape != reference.shape:
        raise ValueError(f"reference: got shape {tuple(reference.shape)}, expected {tuple(latents.shape)}")
    lengths = reference.double().flatten(1).norm(dim=1)
    if not (lengths > 0).all():
        raise ValueError(
            f"reference: latent {int((lengths == 0).nonzero()[0])} is zero, expected a length to compare with"
        )
    difference = (latents.double() - reference.double()).flatten(1).norm(dim=1)
    return difference / lengths


@dataclass(frozen=True)
class RoundTrip:
    """An inversion and its way back.

    Attributes
    ----------
    latents, copies : Tensor
        ``(n, C, H, W)``: the latents at ``t``, and the images that they are denoised into.
    mae : Tensor
        `reconstruction_error` of each image, float64 ``(n,)``.
    nfe : float
        Network evaluations per image, both ways together.
    """

    latents: torch.Tensor
    copies: torch.Tensor
    mae: torch.Tensor
    nfe: float

    def __str__(self) -> str:
        mae = f"MAE {self.mae.mean():.4f} ± {self.mae.std():.4f} (mean ± std) over {len(self.mae)} images"
        return f"{mae}, {self.nfe:.0f} evaluations each"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>"


def round_trip(
    model, images: torch.Tensor, *, tolerance: float = 1e-6, max_iterations: int = 30, **settings
) -> RoundTrip:
    """Invert images and denoise their latents by the same settings (Sec. C.2).

    Parameters
    ----------
    model : FrozenModel
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``.
    tolerance, max_iterations
        Of the inversion, for ``ddim-fixed-point``.
    **settings
        Those that `invert` and `denoise` share: ``t``, ``steps``, ``solver``, ``grid``, ``precision``, ``batch_size``,
        ``progress``.

    Returns
    -------
    RoundTrip
    """
    check_model("model", model)
    counted = CountedModel(model)
    latents = invert(counted, images, tolerance=tolerance, max_iterations=max_iterations, **settings)
    copies = denoise(counted, latents, **settings)
    return RoundTrip(latents, copies, reconstruction_error(images, copies), counted.evaluations / len(images))
