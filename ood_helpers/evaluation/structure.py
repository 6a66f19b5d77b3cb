"""What a transfer keeps: the edges of an image."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from ..checks import check_batch, check_number


def edge_similarity(a: torch.Tensor, b: torch.Tensor, blur: float = 1.0) -> np.ndarray:
    """Return how well the edges of two images coincide, whatever their colors.

    Parameters
    ----------
    a, b : Tensor
        Images ``(n, C, H, W)``, compared one by one.
    blur : float
        Standard deviation in pixels of the Gaussian by which edges are widened, so that a shift of a pixel is forgiven
        and a drawn line, which has two sides, counts as one edge.

    Returns
    -------
    ndarray
        Correlation of the blurred gradient magnitudes over all pixels, float64 ``(n,)``: 1 for the same edges.
        Images of one domain share a layout and so some edges: compare with another image of the domain. Images without
        edges have 0.

    Raises
    ------
    TypeError, ValueError
        If either is no finite floating batch, the shapes differ, or the blur is negative.
    """
    a, b = check_batch("a", a), check_batch("b", b)
    if a.shape != b.shape:
        raise ValueError(f"b: got shape {tuple(b.shape)}, expected that of a, {tuple(a.shape)}")
    check_number("blur", blur, 0)
    first, second = (_edges(x, blur) for x in (a, b))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.einsum("ij,ij->i", first, second) / np.where(lengths > 0, lengths, 1)


def _edges(images: torch.Tensor, blur: float) -> np.ndarray:
    """Gradient magnitudes by Sobel's filter, the strongest channel's, blurred and centered, ``(n, H W)``."""
    x = images.detach().cpu().double().numpy()
    gradient = np.hypot(ndimage.sobel(x, axis=2), ndimage.sobel(x, axis=3)).max(1)
    flat = ndimage.gaussian_filter(gradient, (0, blur, blur)).reshape(len(x), -1)
    return flat - flat.mean(1, keepdims=True)
