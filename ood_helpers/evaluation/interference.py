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

from ..checks import check_batch, check_choice, check_integer
from ..kernels.levels import generation_levels
from ..kernels.runtime import network_dtype
from ..kernels.steps import ddim_eta
from ..kernels.walk import denoise, invert, path
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
    scorer = scorer or load_scorer()
    check_choice("id_domain", id_domain, scorer.domains)
    check_choice("target_domain", target_domain, scorer.domains)
    if id_domain == target_domain:
        raise ValueError(f"target_domain: got {target_domain!r} for both, expected another domain than id_domain")
    probabilities = scorer.probabilities(images)
    own, target = (probabilities[:, scorer.domains.index(name)] for name in (id_domain, target_domain))
    count = int((own > target).sum())
    interval = stats.binomtest(count, len(images)).proportion_ci(0.95, "wilson")
    return Interference(count / len(images), float(interval.low), float(interval.high), len(images))


def along_walk(
    model,
    latents: torch.Tensor,
    id_domain: str,
    target_domain: str,
    *,
    t: int = 800,
    eta: float = 1.0,
    steps: int = 25,
    seed: int = 0,
    scorer: DomainScorer | None = None,
    precision: str = "auto",
) -> dict[float, Interference]:
    """Follow a walk down and ask at every level where the image is heading.

    Parameters
    ----------
    model : FrozenModel
    latents : Tensor
        ``(n, C, H, W)`` at timestep ``t``.
    id_domain, target_domain, scorer
        As for `interference_rate`.
    t, eta, steps, precision
        As in `denoise`, with DDIM steps.
    seed : int
        Draws the fresh noise.

    Returns
    -------
    dict of float to Interference
        By timestep, descending: of the clean images that the model predicts there,
        ``(x_t - sqrt(1 - a_t) eps) / sqrt(a_t)``; at -1 of the final images.
    """
    generator = torch.Generator().manual_seed(check_integer("seed", seed, 0))

    def noise():
        return torch.randn(latents.shape, generator=generator, dtype=latents.dtype).to(model.device)

    levels = generation_levels(model.alphas_cumprod, t, steps)
    found = {}
    for level, x in path(model, latents, levels, ddim_eta(eta, noise), precision=precision):
        dtype = network_dtype(model, precision)
        timesteps = torch.full((len(x),), level.t, dtype=torch.float64)
        predicted = x / level.scale - level.sigma * model.predict(x, timesteps, dtype) if level.sigma else x
        found[level.t] = interference_rate(predicted, id_domain, target_domain, scorer)
    return found


@dataclass(frozen=True)
class Bandwidth:
    """Reconstruction error and interference of re-generated images over heights ``t`` and amounts of noise ``eta``.

    Attributes
    ----------
    heights : tuple of int
    etas : tuple of float
        Ascending.
    error, rate : ndarray
        Mean absolute error and interference rate, float64 ``(heights, etas)``.
    n : int
        Images.
    """

    heights: tuple[int, ...]
    etas: tuple[float, ...]
    error: np.ndarray
    rate: np.ndarray
    n: int

    def largest_eta(self, max_error: float = 0.1, max_rate: float = 0.1) -> np.ndarray:
        """Return ``B(t)``: for each height the largest ``eta`` up to which both stay within their tolerance.

        Linear interpolation between the points of the grid; NaN where even the smallest ``eta`` is too much.
        """
        crossings = [
            [_first_crossing(self.etas, load) for load in loads]
            for loads in (self.error / max_error, self.rate / max_rate)
        ]
        return np.minimum(*crossings)


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
        Of each walk, by DDIM, up and down.
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
        As from `invert`, `denoise` and `interference_rate`.
    """
    check_batch("images", images, model.image_shape)
    heights, etas = tuple(sorted(heights)), tuple(sorted(map(float, etas)))
    common = {"steps": steps, "precision": precision, "progress": progress}
    error, rate = np.empty((2, len(heights), len(etas)))
    for i, t in enumerate(heights):
        latents = invert(model, images, t=t, **common)
        for j, eta in enumerate(etas):
            generator = torch.Generator().manual_seed(check_integer("seed", seed, 0))
            copies = denoise(model, latents, t=t, eta=eta, generator=generator, **common)
            error[i, j] = reconstruction_error(images, copies.clamp(-1, 1)).mean()
            rate[i, j] = interference_rate(copies, id_domain, target_domain, scorer).rate
    return Bandwidth(heights, etas, error, rate, len(images))
