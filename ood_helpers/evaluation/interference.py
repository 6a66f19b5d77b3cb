"""Mode interference: images meant for an unseen domain that came out in the training domain (Sec. C.4, Fig. 3).

An image counts as interfered where the domain scorer finds the training domain more likely than the target.  From that
rate and the reconstruction error follows the bandwidth of Sec. E.2.1: how much fresh noise, ``eta``, the walk down from
``t`` tolerates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from ..checks import check_choice, check_images, check_integer, check_number
from ..kernels.levels import inversion_levels
from ..kernels.walk import denoise, invert
from .reconstruction import reconstruction_error
from .scorer import DomainScorer, load_scorer


@dataclass(frozen=True)
class Interference:
    """How many of ``n`` images fell into the training domain.

    Attributes
    ----------
    rate : float
        0: all in the target domain; 1: all in the training domain.
    low, high : float
        Wilson's interval, 95 %.
    n : int
    """

    rate: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.rate:.2f} ({self.low:.2f} to {self.high:.2f}, n = {self.n})"


def interference_rate(
    images: torch.Tensor, id_domain: str, target_domain: str, scorer: DomainScorer | None = None
) -> Interference:
    """Return the share of images that the scorer assigns to the training domain rather than to the target.

    Parameters
    ----------
    images : Tensor
        ``(n, 3, H, W)`` in ``[-1, 1]``; what lies outside is cut off.
    id_domain, target_domain : str
        Two different domains of the scorer.
    scorer : DomainScorer, optional
        By default the shipped one, which knows the drawn domains.

    Returns
    -------
    Interference

    Raises
    ------
    TypeError, ValueError
        If the images are no finite floating batch, a domain is unknown to the scorer, or both are the same.
    """
    captured = captures(images, id_domain, target_domain, scorer)
    count = int(captured.sum())
    interval = stats.binomtest(count, len(images)).proportion_ci(0.95, "wilson")
    return Interference(count / len(images), float(interval.low), float(interval.high), len(images))


def captures(
    images: torch.Tensor, id_domain: str, target_domain: str, scorer: DomainScorer | None = None
) -> torch.Tensor:
    """Return for each image whether the scorer finds the training domain more likely than the target, bool ``(n,)``.

    Parameters and errors are those of `interference_rate`.
    """
    scorer = scorer or load_scorer()
    check_choice("id_domain", id_domain, scorer.domains)
    check_choice("target_domain", target_domain, scorer.domains)
    if id_domain == target_domain:
        raise ValueError(f"target_domain: got {target_domain!r} for both, expected another domain than id_domain")
    probabilities = scorer.probabilities(images)
    own, target = (probabilities[:, scorer.domains.index(name)] for name in (id_domain, target_domain))
    return own > target


@dataclass(frozen=True)
class Bandwidth:
    """What became of images over heights ``t`` and amounts of fresh noise ``eta``.

    Attributes
    ----------
    heights : tuple of int
    etas : tuple of float
        Both ascending.
    errors : ndarray
        Mean absolute error of each image, float64 ``(heights, etas, n)``.
    captured : ndarray
        Whether it came out in the training domain, bool ``(heights, etas, n)``.
    example : Tensor
        What became of the first image, ``(heights, etas, C, H, W)``.
    """

    heights: tuple[int, ...]
    etas: tuple[float, ...]
    errors: np.ndarray
    captured: np.ndarray
    example: torch.Tensor

    @property
    def error(self) -> np.ndarray:
        """Mean error, ``(heights, etas)``."""
        return self.errors.mean(2)

    @property
    def rate(self) -> np.ndarray:
        """Interference rate, ``(heights, etas)``."""
        return self.captured.mean(2)

    def largest_eta(self, max_error: float = 0.1, max_rate: float = 0.1) -> np.ndarray:
        """Return ``B(t)``: for each height the largest ``eta`` up to which both stay within their tolerance.

        Linear interpolation between the points of the grid; NaN where even the smallest ``eta`` is too much. An
        infinite tolerance leaves a criterion out.
        """
        return _largest_eta(self.etas, self.error / max_error, self.rate / max_rate)

    def largest_eta_error(
        self, max_error: float = 0.1, max_rate: float = 0.1, resamples: int = 200, seed: int = 0
    ) -> np.ndarray:
        """Return the standard error of `largest_eta`, by the bootstrap over images."""
        rng = np.random.default_rng(seed)
        n = self.errors.shape[2]
        found = []
        for _ in range(resamples):
            drawn = rng.integers(n, size=n)
            loads = self.errors[..., drawn].mean(2) / max_error, self.captured[..., drawn].mean(2) / max_rate
            found.append(_largest_eta(self.etas, *loads))
        return np.std(found, axis=0)


def _largest_eta(etas, *loads) -> np.ndarray:
    return np.minimum.reduce([[_first_crossing(etas, line) for line in load] for load in loads])


def _first_crossing(etas, load) -> float:
    """Where the load first exceeds 1."""
    if load[0] > 1:
        return float("nan")
    above = np.flatnonzero(load > 1)
    if not len(above):
        return float(etas[-1])
    k = above[0]
    share = (1 - load[k - 1]) / (load[k] - load[k - 1])
    return float(etas[k - 1] + share * (etas[k] - etas[k - 1]))


def bandwidth(
    model,
    images: torch.Tensor,
    id_domain: str,
    target_domain: str,
    *,
    heights: Sequence[int],
    etas: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    steps: int = 25,
    seed: int = 0,
    scorer: DomainScorer | None = None,
    precision: str = "auto",
    progress: bool = True,
) -> Bandwidth:
    """Invert images to each height, come back with each amount of fresh noise, see what became of them (Sec. E.2.1).

    All walks share one spacing of their levels, by DDIM, so that ``eta`` means the same at every height.

    Parameters
    ----------
    model : FrozenModel
    images : Tensor
        Of the target domain, ``(n, 3, H, W)`` in ``[-1, 1]``.
    id_domain, target_domain, scorer
        As for `interference_rate`.
    heights : sequence of int
        Timesteps of the latents.
    etas : sequence of float
        Within ``[0, 1]``.
    steps : int
        From the image to the highest latent; the heights are added to its levels.
    seed : int
        Draws the noise; each image keeps its own stream over all heights and ``etas``.
    precision, progress
        As in `invert`.

    Returns
    -------
    Bandwidth

    Raises
    ------
    TypeError, ValueError
        As from `invert`, `denoise` and `interference_rate`, or if there is no height or no ``eta``.
    """
    check_images("images", images, model.image_shape)
    check_integer("seed", seed, 0)
    heights = tuple(sorted({check_integer("heights", t, 0) for t in heights}))
    etas = tuple(sorted({check_number("etas", eta, 0) for eta in etas}))
    if not heights or not etas:
        raise ValueError(f"heights, etas: got {heights} and {etas}, expected at least one of each")
    spread = inversion_levels(model.alphas_cumprod, heights[-1], steps)
    grid = sorted({level.t for level in spread} | set(map(float, heights)))
    common = {"precision": precision, "progress": progress}
    errors = np.empty((len(heights), len(etas), len(images)))
    captured = np.empty(errors.shape, bool)
    example = torch.empty(len(heights), len(etas), *model.image_shape)
    for i, t in enumerate(heights):
        below = [s for s in grid if s <= t]
        latents = invert(model, images, grid=below, **common)
        for j, eta in enumerate(etas):
            generator = torch.Generator().manual_seed(seed)
            copies = denoise(model, latents, grid=below, eta=eta, generator=generator, **common)
            errors[i, j] = reconstruction_error(images, copies.clamp(-1, 1)).cpu()
            captured[i, j] = captures(copies, id_domain, target_domain, scorer).cpu()
            example[i, j] = copies[0].cpu()
    return Bandwidth(heights, etas, errors, captured, example)
