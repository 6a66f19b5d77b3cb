"""Distances between two sets of images, in the space of a network's features.

With features of Inception-v3 the first is the FID and the second the KID; with others they are not, and their values
compare with nothing but values in the same space.  The default, the features of the domain scorer, is for drawn images.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import nn

from ..checks import check_batch, check_integer
from .scorer import load_scorer

SUBSETS, LARGEST_SUBSET = 100, 250


@dataclass(frozen=True)
class KernelDistance:
    """A squared maximum mean discrepancy and its uncertainty.

    Attributes
    ----------
    value : float
        Unbiased, so it may be negative: two samples of one distribution have an expected value of 0.
    error : float
        Standard deviation over subsets. At the default size, half of the smaller sample, and for samples of equal size
        this is about the standard error of ``value``; where the distributions agree, or one sample is larger, it is
        more than that.
    """

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.error:.2g}"


def features_of(images: torch.Tensor, network: nn.Module | None = None, batch_size: int = 128) -> torch.Tensor:
    """Return the features of images by which sets are compared.

    Parameters
    ----------
    images : Tensor
        float ``(n, C, H, W)`` in ``[-1, 1]``; what lies outside is cut off, as on a screen.
    network : Module, optional
        Maps ``(n, C, H, W)`` in ``[-1, 1]`` to ``(n, f)``, on its own device; by default the domain scorer's body.
    batch_size : int

    Returns
    -------
    Tensor
        float64 ``(n, f)`` on the processor.

    Raises
    ------
    TypeError, ValueError
        If the images are no finite floating batch, or the network does not return ``(n, f)``.
    """
    images = check_batch("images", images)
    check_integer("batch_size", batch_size, 1)
    compute = load_scorer().features if network is None else network
    weight = next(iter((load_scorer() if network is None else network).parameters()), images)
    with torch.no_grad():
        parts = [compute(part.to(weight).clamp(-1, 1)).double().cpu() for part in images.split(batch_size)]
    found = torch.cat(parts)
    if found.ndim != 2 or len(found) != len(images):
        raise ValueError(f"network: returned shape {tuple(found.shape)}, expected ({len(images)}, features)")
    return found


def frechet_distance(a: torch.Tensor, b: torch.Tensor, network: nn.Module | None = None) -> float:
    """Return the Frechet distance of two sets, each seen as a Gaussian of features (Heusel et al. 2017).

        |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))

    It is biased upward, the more so the smaller the sets: print it beside the distance of two samples of one
    distribution, of the same sizes.

    Parameters
    ----------
    a, b : Tensor
        Images ``(n, C, H, W)`` in ``[-1, 1]``, at least two each; or their features ``(n, f)``.
    network : Module, optional
        As for `features_of`.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    TypeError, ValueError
        As from `features_of`, or for sets of fewer than two.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b = _pair(a, b, network, 2)
    metric = FrechetInceptionDistance(feature=_AsTheyAre(a.shape[1])).set_dtype(torch.float64)
    metric.update(a, real=True)
    metric.update(b, real=False)
    return max(float(metric.compute()), 0.0)


def inception() -> nn.Module:
    """Return Inception-v3 up to its last pooling: with its features the Frechet distance is the FID.

    Returns
    -------
    Module
        Maps ``(n, 3, H, W)`` in ``[-1, 1]`` to ``(n, 2048)``; images are brought to 299 x 299 pixels in it.

    Raises
    ------
    ModuleNotFoundError
        Without the package `torch-fidelity`, which holds the network and downloads its weights.
    """
    from torchmetrics.image.fid import NoTrainInceptionV3

    class Inception(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])

        def forward(self, images):
            return self.body(((images + 1) * 127.5).round().to(torch.uint8))

    try:
        return Inception()
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("features: Inception-v3 needs the package torch-fidelity (pip install it)") from error


def kernel_distance(
    a: torch.Tensor,
    b: torch.Tensor,
    network: nn.Module | None = None,
    *,
    subset_size: int | None = None,
    seed: int = 0,
) -> KernelDistance:
    """Return the squared maximum mean discrepancy of two sets with a cubic kernel (Binkowski et al. 2018).

    Unbiased at any size, and so the better choice for small sets.

    Parameters
    ----------
    a, b, network
        As for `frechet_distance`, at least four images each.
    subset_size : int, optional
        Images of each set in a subset; by default half of the smaller set, at most 250. The value is the mean over 100
        subsets.
    seed : int
        Draws the subsets.

    Returns
    -------
    KernelDistance

    Raises
    ------
    TypeError, ValueError
        As from `features_of`, for sets of fewer than four, or a subset that is larger than a set.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    a, b = _pair(a, b, network, 4)
    fewest = min(len(a), len(b))
    size = check_integer("subset_size", subset_size or min(fewest // 2, LARGEST_SUBSET), 2, fewest)
    with warnings.catch_warnings():  # that features are kept in memory
        warnings.simplefilter("ignore", UserWarning)
        metric = KernelInceptionDistance(feature=_AsTheyAre(a.shape[1]), subsets=SUBSETS, subset_size=size)
    metric.update(a, real=True)
    metric.update(b, real=False)
    with torch.random.fork_rng(devices=[]):  # torchmetrics draws from torch's global stream
        torch.manual_seed(check_integer("seed", seed, 0))
        value, error = metric.compute()
    return KernelDistance(float(value), float(error))


class _AsTheyAre(nn.Module):
    """A feature network for features: torchmetrics takes a module, and here it has nothing left to do."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def _pair(a, b, network, fewest: int) -> tuple[torch.Tensor, torch.Tensor]:
    pair = []
    for name, x in (("a", a), ("b", b)):
        if isinstance(x, torch.Tensor) and x.ndim == 2:
            x = x.double().cpu()
            if not torch.isfinite(x).all():
                raise ValueError(f"{name}: holds NaN or infinity, expected finite features")
        else:
            x = features_of(check_batch(name, x), network)
        if len(x) < fewest:
            raise ValueError(f"{name}: got {len(x)}, expected at least {fewest}")
        pair.append(x)
    if pair[0].shape[1] != pair[1].shape[1]:
        raise ValueError(f"b: got {pair[1].shape[1]} features, expected those of a, {pair[0].shape[1]}")
    return pair[0], pair[1]
