"""Distances between two sets of images, in the space of a network's features.

With features of Inception-v3 they are the FID and the KID; others compare within their own space alone. The default,
the features of the domain scorer, is for drawn images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..checks import check_batch, check_integer
from .scorer import DomainScorer, load_scorer

SUBSETS, LARGEST_SUBSET = 100, 250


@dataclass(frozen=True)
class Estimate:
    """A number and its uncertainty."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ± {self.error:.2g}"


def features_of(images: torch.Tensor, network: nn.Module | None = None, batch_size: int = 128) -> torch.Tensor:
    """Return the features of images by which sets are compared: float64 ``(n, f)``, on the processor.

    Parameters
    ----------
    images : Tensor
        float ``(n, C, H, W)`` in ``[-1, 1]``; what lies outside is cut off, as on a screen.
    network : Module, optional
        Maps ``(n, C, H, W)`` in ``[-1, 1]`` to ``(n, f)``, on its own device; a `DomainScorer` by its features, which
        is the shipped one by default.
    batch_size : int

    Raises
    ------
    TypeError, ValueError
        If the images are no finite floating batch, or the network does not return ``(n, f)``.
    """
    images = check_batch("images", images)
    check_integer("batch_size", batch_size, 1)
    if not isinstance(network, nn.Module | None):
        raise TypeError(f"network: got {type(network).__name__}, expected a torch.nn.Module")
    network = load_scorer() if network is None else network
    compute: Callable = network.features if isinstance(network, DomainScorer) else network
    weight = next(network.parameters(), images)
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

    Raises
    ------
    TypeError, ValueError
        As from `features_of`, or for sets of fewer than two.
    """
    a, b = _features(a, b, network, 2)
    # with S = R^T R, the eigenvalues of S_a S_b are the squares of the singular values of R_a R_b^T
    r_a, r_b = (torch.linalg.qr((x - x.mean(0)) / (len(x) - 1) ** 0.5, mode="r").R for x in (a, b))
    spread = r_a.square().sum() + r_b.square().sum() - 2 * torch.linalg.matrix_norm(r_a @ r_b.T, "nuc")
    return max(float((a.mean(0) - b.mean(0)).square().sum() + spread), 0.0)


def inception() -> nn.Module:
    """Return Inception-v3 up to its last pooling: with its features the Frechet distance is the FID.

    It maps ``(n, 3, H, W)`` in ``[-1, 1]`` to ``(n, 2048)``; images are brought to 299 x 299 pixels in it.

    Raises
    ------
    ModuleNotFoundError
        Without the package `torch-fidelity`, which holds the network and downloads its weights.
    """
    from torchmetrics.image.fid import NoTrainInceptionV3

    try:
        network = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("features: Inception-v3 needs the package torch-fidelity (pip install it)") from error
    network.register_forward_pre_hook(lambda _, images: ((images[0] + 1) * 127.5).round().to(torch.uint8))
    return network


def kernel_distance(
    a: torch.Tensor,
    b: torch.Tensor,
    network: nn.Module | None = None,
    *,
    subset_size: int | None = None,
    seed: int = 0,
) -> Estimate:
    """Return the squared maximum mean discrepancy of two sets with a cubic kernel (Binkowski et al. 2018).

        mean k(a, a') + mean k(b, b') - 2 mean k(a, b),     k(x, y) = (x . y / f + 1)^3

    Unbiased at any size, and so the better choice for small sets: two samples of one distribution have an expected
    value of 0. The value is the mean over 100 subsets, the error their standard deviation, a bootstrap without
    replacement: at the default size, and for sets of equal size, about the standard error of the value; where
    distributions agree, or one set is larger, more. So a difference beyond two errors is one for a bootstrap with
    replacement, too, whose errors are smaller.

    Parameters
    ----------
    a, b, network
        As for `frechet_distance`, at least four images each.
    subset_size : int, optional
        Images of each set in a subset; by default half of the smaller set, at most 250.
    seed : int
        Draws the subsets.

    Raises
    ------
    TypeError, ValueError
        As from `features_of`, for sets of fewer than four, or a subset that is larger than a set.
    """
    a, b = _features(a, b, network, 4)
    fewest = min(len(a), len(b))
    size = check_integer("subset_size", subset_size or min(fewest // 2, LARGEST_SUBSET), 2, fewest)
    stream = torch.Generator().manual_seed(check_integer("seed", seed, 0))
    found = []
    for _ in range(SUBSETS):
        x, y = (z[torch.randperm(len(z), generator=stream)[:size]] for z in (a, b))
        within = sum(kernel.sum() - kernel.trace() for kernel in (_cubic(x, x), _cubic(y, y)))
        found.append(float(within / (size * (size - 1)) - 2 * _cubic(x, y).mean()))
    return Estimate(float(np.mean(found)), float(np.std(found)))


def _cubic(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _features(a, b, network, fewest: int) -> tuple[torch.Tensor, torch.Tensor]:
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
