"""How different images of one set are from each other, and how different from the images that they were made of."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch

from ..checks import check_batch, check_choice, check_integer
from .distances import features_of

METRICS = ("features", "ms-ssim", "lpips")
SCALES = (0.0448, 0.2856, 0.3001)  # the finest three of the five weights of Wang et al. 2003
WINDOW = 11  # pixels of the filter of MS-SSIM


@dataclass(frozen=True)
class Diversity:
    """Mean distance over pairs of images.

    Attributes
    ----------
    value : float
        0 for copies of one image.
    error : float
        Standard error, by the jackknife over images.
    pairs : int
    """

    value: float
    error: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.error:.2g}"


def diversity(images: torch.Tensor, metric: str = "features", *, network=None, max_images: int = 100) -> Diversity:
    """Return the mean distance between pairs of images.

    Parameters
    ----------
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``, ``n >= 3``; what lies outside is cut off.
    metric : {"features", "ms-ssim", "lpips"}
        Euclidean distance of features; one minus the multi-scale structural similarity, over three scales; or LPIPS
        (Zhang et al. 2018), which needs the package torchvision and its pretrained AlexNet.
    network : Module, optional
        For ``features``, as for `features_of`.
    max_images : int
        The first so many are compared, all with all.

    Returns
    -------
    Diversity

    Raises
    ------
    TypeError, ValueError
        If the images are no finite floating batch, too few, or too small for MS-SSIM (41 pixels).
    ModuleNotFoundError
        For ``lpips`` without torchvision.
    """
    check_choice("metric", metric, METRICS)
    x = check_batch("images", images)[: check_integer("max_images", max_images, 3)].clamp(-1, 1)
    if len(x) < 3:
        raise ValueError(f"images: got {len(x)}, expected at least 3")
    first, second = np.triu_indices(len(x), 1)
    if metric == "features":
        f = features_of(x, network)
        distances = torch.cdist(f, f).numpy()[first, second]
    else:
        compare = _ms_ssim(x) if metric == "ms-ssim" else _lpips()
        parts = zip(np.array_split(first, len(x)), np.array_split(second, len(x)), strict=True)
        distances = np.concatenate([compare(x[i], x[j]).double().cpu().numpy() for i, j in parts])
    return _mean_over_pairs(distances, first, second, len(x))


def _mean_over_pairs(distances, first, second, n: int) -> Diversity:
    total = distances.sum()
    of_one = np.bincount(first, distances, n) + np.bincount(second, distances, n)
    without = (total - of_one) / ((n - 1) * (n - 2) / 2)
    error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    return Diversity(float(total / len(distances)), float(error), len(distances))


def _ms_ssim(x):
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    smallest = (WINDOW - 1) * 2 ** (len(SCALES) - 1)
    if min(x.shape[-2:]) <= smallest:
        raise ValueError(f"images: got {tuple(x.shape[-2:])} pixels, expected more than {smallest} for MS-SSIM")

    def compare(a, b):
        similarity = multiscale_structural_similarity_index_measure(
            a, b, kernel_size=WINDOW, data_range=(-1.0, 1.0), betas=SCALES, normalize="relu", reduction="none"
        )
        return 1 - similarity

    return compare


def _lpips():
    if find_spec("torchvision") is None:
        raise ModuleNotFoundError("metric='lpips' needs torchvision, which is not installed")
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    metric = LearnedPerceptualImagePatchSimilarity(net_type="alex", reduction="none")
    return lambda a, b: metric.net(a, b).flatten()


@dataclass(frozen=True)
class Novelty:
    """How far generated images are from those that they were made of.

    Attributes
    ----------
    ratio : ndarray
        Distance of each image to the nearest input, over the median distance of a real image to its nearest input;
        float64 ``(n,)``. 0: a copy; 1: as new as a real image.
    copies : float
        Share of images nearer to an input than 95 % of real ones are.
    """

    ratio: np.ndarray
    copies: float

    @property
    def median(self) -> float:
        """Median ratio."""
        return float(np.median(self.ratio))


def novelty(images: torch.Tensor, inputs: torch.Tensor, real: torch.Tensor, *, network=None) -> Novelty:
    """Compare the distance to the nearest input with that of real images of the same domain.

    In pixels, by ``network=torch.nn.Flatten()``, or in features, a large ratio says that an image is far from every
    input, be it new or a failure: read it beside a distance to the domain. Low contrast makes it small.

    Parameters
    ----------
    images : Tensor
        Generated, ``(n, C, H, W)`` in ``[-1, 1]``.
    inputs : Tensor
        The images whose latents they were made of.
    real : Tensor
        Others of the same domain, which set the scale.
    network : Module, optional
        As for `features_of`.

    Returns
    -------
    Novelty

    Raises
    ------
    TypeError, ValueError
        As from `features_of`.
    """
    made, given, held = (features_of(x, network) for x in (images, inputs, real))
    distance, scale = (torch.cdist(x, given).amin(1).numpy() for x in (made, held))
    if not np.median(scale) > 0:
        raise ValueError("real: most are inputs, too, expected others of their domain")
    return Novelty(distance / np.median(scale), float((distance < np.quantile(scale, 0.05)).mean()))


def double_exposures(
    images: torch.Tensor, parents: tuple[torch.Tensor, torch.Tensor], inputs: torch.Tensor, real: torch.Tensor
) -> np.ndarray:
    """Tell which images are little more than two parents printed over each other.

    An image is fitted by ``a p + b q + c`` with its parents ``p`` and ``q``, pixel by pixel. It is a double exposure if
    the fit explains more of it than the best two of the inputs explain of 95 % of real images, and leaves less than
    half of what the better parent leaves alone, so that it is not a copy.

    Parameters
    ----------
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``.
    parents : pair of Tensor
        The two parents of each, in the shape of ``images``.
    inputs, real : Tensor
        As for `novelty`; a real image is fitted by the input that explains most of it and the one that adds most.

    Returns
    -------
    ndarray
        bool ``(n,)``.

    Raises
    ------
    TypeError, ValueError
        If anything is no finite floating batch, or the shapes differ.
    """
    x, (p, q) = check_batch("images", images), (check_batch("parents", parent) for parent in parents)
    if x.shape != p.shape or x.shape != q.shape:
        raise ValueError(f"parents: got {tuple(p.shape)} and {tuple(q.shape)}, expected {tuple(x.shape)}")
    threshold = np.quantile([_explained_by_best(y, inputs) for y in check_batch("real", real)], 0.95)
    both = np.array([_explained(y, torch.stack(pair)) for y, *pair in zip(x, p, q, strict=True)])
    alone = np.array([max(_explained(y, a[None]), _explained(y, b[None])) for y, a, b in zip(x, p, q, strict=True)])
    return (both > threshold) & (1 - both < (1 - alone) / 2)


def composites(images: torch.Tensor, parents: torch.Tensor, inputs: torch.Tensor, real: torch.Tensor) -> np.ndarray:
    """Tell which images are explained by all their parents together, copies of one of them included.

    An image is one if a least-squares fit by its ``k`` parents explains more of its pixels than the best ``k`` inputs,
    chosen one after the other, explain of 95 % of real images.

    Parameters
    ----------
    images : Tensor
        ``(n, C, H, W)``.
    parents : Tensor
        int64 ``(n, k)``, numbers of inputs.
    inputs, real : Tensor
        As for `novelty`.

    Returns
    -------
    ndarray
        bool ``(n,)``.
    """
    x = check_batch("images", images)
    if len(parents) != len(x) or parents.ndim != 2 or not parents.shape[1]:
        raise ValueError(f"parents: got shape {tuple(parents.shape)}, expected ({len(x)}, k) with k >= 1")
    best = [_explained_by_best(y, inputs, parents.shape[1]) for y in check_batch("real", real)]
    own = np.array([_explained(y, inputs[of]) for y, of in zip(x, parents, strict=True)])
    return own > np.quantile(best, 0.95)


def _explained(image: torch.Tensor, others: torch.Tensor) -> float:
    """R squared of a least-squares fit of the pixels of one image by those of others and a constant."""
    y = image.flatten().double().cpu()
    a = torch.cat([others.flatten(1).double().cpu(), torch.ones(1, y.numel(), dtype=torch.float64)]).T
    residual = y - a @ torch.linalg.lstsq(a, y[:, None], driver="gelsd").solution[:, 0]
    return float(1 - residual.square().sum() / (y - y.mean()).square().sum().clamp_min(1e-12))


def _explained_by_best(image: torch.Tensor, inputs: torch.Tensor, k: int = 2) -> float:
    """R squared by ``k`` inputs, chosen one after the other so that each adds most (orthogonal matching pursuit)."""
    rest = _standardized(image[None])[0]
    candidates = _standardized(inputs)
    total = rest.square().sum()
    for _ in range(k):
        best = candidates[int((candidates @ rest).abs().argmax())]
        rest = rest - (best @ rest) * best
        candidates = candidates - (candidates @ best)[:, None] * best
        lengths = candidates.norm(dim=1, keepdim=True)
        candidates = torch.where(lengths > 1e-6, candidates / lengths, 0)
    return float(1 - rest.square().sum() / total)


def _standardized(images: torch.Tensor) -> torch.Tensor:
    flat = images.flatten(1).double().cpu()
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)
