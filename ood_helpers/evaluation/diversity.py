"""How different images of one set are from each other, and how different from the images that they were made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..checks import check_batch, check_choice, check_integer
from .distances import Estimate, features_of

SCALES = (0.0448, 0.2856, 0.3001)  # the finest three of the five weights of Wang et al. 2003
WINDOW = 11  # pixels of the filter of MS-SSIM


def diversity(
    images: torch.Tensor, metric: str = "features", *, network: nn.Module | None = None, max_images: int = 100
) -> Estimate:
    """Return the mean distance between pairs of images, 0 for copies of one, with the standard error by the jackknife.

    Parameters
    ----------
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``, ``n >= 3``; what lies outside is cut off.
    metric : {"features", "ms-ssim"}
        Euclidean distance of features; or one minus the multi-scale structural similarity, over three scales.
    network : Module, optional
        For ``features``, as for `features_of`.
    max_images : int
        The first so many are compared, all with all.

    Raises
    ------
    TypeError, ValueError
        If the images are no finite floating batch, too few, or too small for MS-SSIM (41 pixels).
    """
    check_choice("metric", metric, ("features", "ms-ssim"))
    x = check_batch("images", images)[: check_integer("max_images", max_images, 3)].clamp(-1, 1)
    if (n := len(x)) < 3:
        raise ValueError(f"images: got {n}, expected at least 3")
    first, second = np.triu_indices(n, 1)
    if metric == "features":
        f = features_of(x, network)
        distances = torch.cdist(f, f).numpy()[first, second]
    else:
        distances = _ms_ssim_distances(x, first, second)
    of_one = np.bincount(first, distances, n) + np.bincount(second, distances, n)
    without = (distances.sum() - of_one) / ((n - 1) * (n - 2) / 2)
    error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    return Estimate(float(distances.mean()), float(error))


def _ms_ssim_distances(x: torch.Tensor, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    smallest = (WINDOW - 1) * 2 ** (len(SCALES) - 1)
    if min(x.shape[-2:]) <= smallest:
        raise ValueError(f"images: got {tuple(x.shape[-2:])} pixels, expected more than {smallest} for MS-SSIM")
    settings: dict[str, Any] = {"kernel_size": WINDOW, "data_range": (-1.0, 1.0), "betas": SCALES, "normalize": "relu"}
    parts = zip(np.array_split(first, len(x)), np.array_split(second, len(x)), strict=True)
    alike = [multiscale_structural_similarity_index_measure(x[i], x[j], **settings, reduction="none") for i, j in parts]
    return (1 - torch.cat(alike)).double().cpu().numpy()


@dataclass(frozen=True)
class Novelty:
    """How far generated images are from those that they were made of."""

    median: float  #: distance to the nearest input over that of real images: 0 for copies, 1 for as new ones
    copies: float  #: share of images nearer to an input than 95 % of real ones are


def novelty(
    images: torch.Tensor, inputs: torch.Tensor, real: torch.Tensor, *, network: nn.Module | None = None
) -> Novelty:
    """Compare the distance to the nearest input with that of real images of the same domain.

    In pixels, by ``network=torch.nn.Flatten()``, or in features, a large ratio says that an image is far from every
    input, be it new or a failure: read it beside a distance to the domain. Low contrast makes it small.

    Parameters
    ----------
    images, inputs, real : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``: generated ones; those whose latents they were made of; and others of the same
        domain, which set the scale.
    network : Module, optional
        As for `features_of`.

    Raises
    ------
    TypeError, ValueError
        As from `features_of`, or if most of the real images are inputs.
    """
    made, given, held = (features_of(x, network) for x in (images, inputs, real))
    distance, scale = (torch.cdist(x, given).amin(1).numpy() for x in (made, held))
    if not np.median(scale) > 0:
        raise ValueError("real: most are inputs, too, expected others of their domain")
    copies = (distance < np.quantile(scale, 0.05)).mean()
    return Novelty(float(np.median(distance) / np.median(scale)), float(copies))


def double_exposures(
    images: torch.Tensor, parents: tuple[torch.Tensor, torch.Tensor], inputs: torch.Tensor, real: torch.Tensor
) -> np.ndarray:
    """Tell which images are little more than two parents printed over each other: bool ``(n,)``.

    An image is fitted by ``a p + b q + c`` with its parents ``p`` and ``q``, pixel by pixel. It is a double exposure if
    the fit explains more of it than the best two of the inputs explain of 95 % of real images, and leaves less than
    half of what the better parent leaves alone, so that it is not a copy.

    Parameters
    ----------
    images, inputs, real : Tensor
        As for `novelty`; a real image is fitted by the input that explains most of it and the one that adds most.
    parents : pair of Tensor
        The two parents of each, in the shape of ``images``.

    Raises
    ------
    TypeError, ValueError
        If anything is no finite floating batch, or the shapes differ.
    """
    if len(parents) != 2:
        raise ValueError(f"parents: got {len(parents)}, expected two")
    x, (p, q) = check_batch("images", images), (check_batch("parents", parent) for parent in parents)
    if x.shape != p.shape or x.shape != q.shape:
        raise ValueError(f"parents: got {tuple(p.shape)} and {tuple(q.shape)}, expected {tuple(x.shape)}")
    both = np.array([_explained(y, torch.stack(pair)) for y, *pair in zip(x, p, q, strict=True)])
    alone = np.array([[_explained(y, parent[None]) for parent in pair] for y, *pair in zip(x, p, q, strict=True)])
    return (both > _usual(real, inputs, 2)) & (1 - both < (1 - alone.max(1)) / 2)


def composites(images: torch.Tensor, parents: torch.Tensor, inputs: torch.Tensor, real: torch.Tensor) -> np.ndarray:
    """Tell which images are explained by all their parents together, copies of one included: bool ``(n,)``.

    An image is one if a least-squares fit by its ``k`` parents explains more of its pixels than the best ``k`` inputs,
    chosen one after the other, explain of 95 % of real images.

    Parameters
    ----------
    images, inputs, real : Tensor
        As for `novelty`.
    parents : Tensor
        int64 ``(n, k)``, numbers of inputs: one row for each image. Errors are those of `double_exposures`.
    """
    x = check_batch("images", images)
    check_batch("inputs", inputs, (x.shape[1], x.shape[2], x.shape[3]))
    if not isinstance(parents, torch.Tensor) or parents.dtype != torch.int64:
        raise TypeError(f"parents: got {getattr(parents, 'dtype', type(parents).__name__)}, expected a tensor of int64")
    if len(parents) != len(x) or parents.ndim != 2 or not parents.shape[1]:
        raise ValueError(f"parents: got shape {tuple(parents.shape)}, expected ({len(x)}, k) with k >= 1")
    if parents.min() < 0 or parents.max() >= len(inputs):
        told = f"got {int(parents.min())} to {int(parents.max())}"
        raise ValueError(f"parents: {told}, expected numbers of inputs, from 0 to {len(inputs) - 1}")
    own = np.array([_explained(y, inputs[of]) for y, of in zip(x, parents, strict=True)])
    return own > _usual(real, inputs, parents.shape[1])


def _usual(real: torch.Tensor, inputs: torch.Tensor, k: int) -> float:
    """What ``k`` inputs explain of 95 % of real images at most."""
    _, channels, height, width = check_batch("inputs", inputs).shape
    real = check_batch("real", real, (channels, height, width))
    return float(np.quantile([_explained_by_best(y, inputs, k) for y in real], 0.95))


def _explained(image: torch.Tensor, others: torch.Tensor) -> float:
    """R squared of a least-squares fit of the pixels of one image by those of others and a constant."""
    y, a = _standardized(image[None]).T, _standardized(others).T
    return float(1 - (y - a @ torch.linalg.lstsq(a, y, driver="gelsd").solution).square().sum())


def _explained_by_best(image: torch.Tensor, inputs: torch.Tensor, k: int) -> float:
    """R squared by ``k`` inputs, chosen one after the other so that each adds most (orthogonal matching pursuit)."""
    rest, candidates = _standardized(image[None])[0], _standardized(inputs)
    for _ in range(k):
        best = candidates[int((candidates @ rest).abs().argmax())]
        rest = rest - (best @ rest) * best
        candidates = candidates - (candidates @ best)[:, None] * best
        lengths = candidates.norm(dim=1, keepdim=True)
        candidates = torch.where(lengths > 1e-6, candidates / lengths, 0)
    return float(1 - rest.square().sum())


def _standardized(images: torch.Tensor) -> torch.Tensor:
    """Rows of mean 0 and length 1, float64; a plain image is all 0."""
    flat = images.flatten(1).double().cpu()
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)
