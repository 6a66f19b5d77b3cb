"""What a walk keeps: its image, the latent that an exact walk would give, and in a transfer the edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from ..checks import check_batch, check_model, check_number
from ..kernels.walk import denoise, invert
from ..models.frozen import CountedModel, FrozenModel


def reconstruction_error(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute error of each image, float64 ``(n,)``, where images fill ``[0, 1]`` (Table 2).

    It is 0 for equal images, 1 for black against white; one gray level of 256 is 0.0039.

    Parameters
    ----------
    x, y : Tensor
        Originals and reconstructions, ``(n, C, H, W)``, on the scale ``[-1, 1]``; nothing is clipped.

    Raises
    ------
    TypeError, ValueError
        If either is no finite floating batch, or the shapes differ.
    """
    x, y = _pair("x", x, "y", y)
    return (x - y).abs().flatten(1).mean(1) / 2


def latent_error(latents: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return the relative error of each latent, ``|z - z_ref| / |z_ref|``, float64 ``(n,)``.

    A walk that can be undone reconstructs its image from a wrong latent just as well; this number tells.

    Parameters
    ----------
    latents, reference : Tensor
        ``(n, C, H, W)``; the reference comes from a walk with many more evaluations.

    Raises
    ------
    TypeError, ValueError
        If either is no finite floating batch, the shapes differ, or a reference is zero.
    """
    latents, reference = _pair("latents", latents, "reference", reference)
    lengths = reference.flatten(1).norm(dim=1)
    if not (lengths > 0).all():
        raise ValueError(f"reference: latent {int(lengths.argmin())} is zero, expected a length to compare with")
    return (latents - reference).flatten(1).norm(dim=1) / lengths


def _pair(name: str, x, other: str, y) -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of one shape, in float64."""
    x, y = check_batch(name, x), check_batch(other, y)
    if x.shape != y.shape:
        raise ValueError(f"{other}: got shape {tuple(y.shape)}, expected that of {name}, {tuple(x.shape)}")
    return x.double(), y.double()


@dataclass(frozen=True)
class RoundTrip:
    """An inversion and its way back."""

    latents: torch.Tensor  #: at ``t``, ``(n, C, H, W)``
    copies: torch.Tensor  #: the images that they are denoised into
    mae: torch.Tensor  #: `reconstruction_error` of each image, float64 ``(n,)``
    nfe: float  #: network evaluations per image, both ways together

    def __str__(self) -> str:
        mae = f"MAE {self.mae.mean():.4f} ± {self.mae.std():.4f} (mean ± std) over {len(self.mae)} images"
        return f"{mae}, {self.nfe:.0f} evaluations each"


def round_trip(
    model: FrozenModel, images: torch.Tensor, *, tolerance: float = 1e-6, max_iterations: int = 30, **settings: Any
) -> RoundTrip:
    """Invert images and denoise their latents by the same settings (Sec. C.2).

    Parameters and errors are those of both; ``tolerance`` and ``max_iterations`` are of the way up alone.
    """
    check_model("model", model)
    counted = CountedModel(model)
    latents = invert(counted, images, tolerance=tolerance, max_iterations=max_iterations, **settings)
    copies = denoise(counted, latents, **settings)
    return RoundTrip(latents, copies, reconstruction_error(images, copies), counted.evaluations / len(images))


def edge_similarity(a: torch.Tensor, b: torch.Tensor, blur: float = 1.0) -> np.ndarray:
    """Return how well the edges of two images coincide, whatever their colors: float64 ``(n,)``.

    It is the correlation of the blurred gradient magnitudes over all pixels, 1 for the same edges, 0 for an image
    without any. Images of one domain share a layout: compare with another image of the domain.

    Parameters
    ----------
    a, b : Tensor
        Images ``(n, C, H, W)``, compared one by one.
    blur : float
        Standard deviation in pixels by which edges are widened: a shift of a pixel is forgiven, and a drawn line, which
        has two sides, counts as one edge.

    Raises
    ------
    TypeError, ValueError
        If either is no finite floating batch, the shapes differ, or the blur is negative.
    """
    check_number("blur", blur, 0)
    first, second = (_edges(x, blur) for x in _pair("a", a, "b", b))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.einsum("ij,ij->i", first, second) / np.where(lengths > 0, lengths, 1)


def _edges(images: torch.Tensor, blur: float) -> np.ndarray:
    """Gradient magnitudes by Sobel's filter, the strongest channel's, blurred and centered, ``(n, H W)``."""
    x = images.detach().cpu().numpy()
    gradient = np.hypot(ndimage.sobel(x, axis=2), ndimage.sobel(x, axis=3)).max(1)
    flat = ndimage.gaussian_filter(gradient, (0, blur, blur)).reshape(len(x), -1)
    return flat - flat.mean(1, keepdims=True)
