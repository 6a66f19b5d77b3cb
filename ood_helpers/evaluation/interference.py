"""Mode interference: images meant for an unseen domain that came out in the training domain (Sec. C.4, Fig. 3).

An image counts as interfered where the domain scorer finds the training domain more likely than the target.  From that
rate and the reconstruction error follows the bandwidth of Sec. E.2.1: how much fresh noise, ``eta``, the walk down from
``t`` tolerates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..checks import check_choice, check_images, check_integer, check_model, check_number
from ..kernels.levels import inversion_levels
from ..kernels.walk import denoise, invert
from ..latents.separability import wilson_interval
from ..models.frozen import FrozenModel
from .reconstruction import reconstruction_error
from .scorer import DomainScorer, load_scorer


@dataclass(frozen=True)
class Interference:
    """The share of ``n`` images that fell into the training domain, with Wilson's interval, 95 %."""

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

    Raises
    ------
    TypeError, ValueError
        If the images are no finite floating batch, a domain is unknown to the scorer, or both are the same.
    """
    count = int((capture_odds(images, id_domain, target_domain, scorer) > 0.5).sum())
    return Interference(count / len(images), *wilson_interval(count, len(images)), len(images))


def capture_odds(
    images: torch.Tensor, id_domain: str, target_domain: str, scorer: DomainScorer | None = None
) -> torch.Tensor:
    """Return the probability of the training domain, given that it is this or the target, float32 ``(n,)``.

    Parameters and errors are those of `interference_rate`.
    """
    scorer = _judge_of(id_domain, target_domain, scorer)
    probabilities = scorer.probabilities(images)
    own, target = (probabilities[:, scorer.domains.index(name)] for name in (id_domain, target_domain))
    return own / (own + target).clamp_min(torch.finfo(own.dtype).tiny)


def _judge_of(id_domain: str, target_domain: str, scorer: DomainScorer | None) -> DomainScorer:
    scorer = scorer or load_scorer()
    check_choice("id_domain", id_domain, scorer.domains)
    check_choice("target_domain", target_domain, scorer.domains)
    if id_domain == target_domain:
        raise ValueError(f"target_domain: got {target_domain!r} for both, expected another domain than id_domain")
    return scorer


@dataclass(frozen=True)
class Bandwidth:
    """What became of images over heights ``t`` and amounts of fresh noise ``eta``, both ascending."""

    heights: tuple[int, ...]
    etas: tuple[float, ...]
    errors: np.ndarray  #: mean absolute error of each image on the scale ``[0, 1]``, float64 ``(heights, etas, n)``
    odds: np.ndarray  #: `capture_odds` of what it came out as, float64 ``(heights, etas, n)``
    example: torch.Tensor  #: what became of the first image, ``(heights, etas, C, H, W)``

    @property
    def error(self) -> np.ndarray:
        """Mean error, ``(heights, etas)``."""
        return self.errors.mean(2)

    @property
    def rate(self) -> np.ndarray:
        """Interference rate, ``(heights, etas)``."""
        return (self.odds > 0.5).mean(2)

    def largest_eta(
        self, max_error: float = 0.1, max_rate: float = 0.1, threshold: float = 0.5, images: Any = slice(None)
    ) -> np.ndarray:
        """Return ``B(t)``: for each height the largest ``eta`` up to which both stay within their tolerance.

        Linear interpolation between the points of the grid; NaN where even the smallest ``eta`` is too much. An
        infinite tolerance leaves a criterion out; an image counts as captured if its odds exceed the threshold.
        ``images`` are the numbers of those that are looked at, by default all.
        """
        error, rate = self.errors[..., images].mean(2), (self.odds[..., images] > threshold).mean(2)
        lines = zip(error / max_error, rate / max_rate, strict=True)
        return np.array([np.min([_first_crossing(self.etas, load) for load in pair]) for pair in lines])

    def bootstrap(self, *, resamples: int = 200, seed: int = 0, **tolerances: float) -> np.ndarray:
        """Return `largest_eta` of resampled images, ``(resamples, heights)``, with 0 in place of NaN.

        One set of images serves all heights, as in the measurement: the standard deviation of a mean over heights is
        that of the rows' means.
        """
        rng, n = np.random.default_rng(seed), self.errors.shape[2]
        rows = [self.largest_eta(images=rng.integers(n, size=n), **tolerances) for _ in range(resamples)]
        return np.nan_to_num(rows)


def _first_crossing(etas: tuple[float, ...], load: np.ndarray) -> float:
    """Where the load first exceeds 1."""
    if load[0] > 1:
        return float("nan")
    k = int(np.argmax(load > 1))  # 0 if it never does
    return float(np.interp(1, load[k - 1 : k + 1], etas[k - 1 : k + 1])) if k else etas[-1]


def bandwidth(
    model: FrozenModel,
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

    The levels of a lower height are a part of those of a higher one, by DDIM, so that ``eta`` means the same at each.
    Errors are those of `invert`, `denoise` and `interference_rate`.

    Parameters
    ----------
    model, precision, progress
        As for `invert`.
    images, id_domain, target_domain, scorer
        As for `interference_rate`: images of the target domain.
    heights : sequence of int
        Timesteps of the latents.
    etas : sequence of float
        Within ``[0, 1]``.
    steps : int
        From the image to the highest latent; the heights are added to its levels.
    seed : int
        Draws the noise; each image keeps its own stream over all heights and ``etas``.
    """
    check_model("model", model)
    check_images("images", images, model.image_shape)
    check_integer("seed", seed, 0)
    heights = tuple(sorted({check_integer("heights", t, 0) for t in heights}))
    etas = tuple(sorted({check_number("etas", eta, 0, 1) for eta in etas}))
    scorer = _judge_of(id_domain, target_domain, scorer)
    if not heights or not etas:
        raise ValueError(f"heights, etas: got {heights} and {etas}, expected at least one of each")
    spread = inversion_levels(model.alphas_cumprod, heights[-1], steps)
    grid = sorted({level.t for level in spread} | set(map(float, heights)))
    errors = np.empty((len(heights), len(etas), len(images)))
    odds, example = np.empty(errors.shape), torch.empty(len(heights), len(etas), *model.image_shape)
    for i, t in enumerate(heights):
        walk: dict[str, Any] = {"grid": [s for s in grid if s <= t], "precision": precision, "progress": progress}
        latents = invert(model, images, **walk)
        for j, eta in enumerate(etas):
            copies = denoise(model, latents, eta=eta, generator=torch.Generator().manual_seed(seed), **walk)
            errors[i, j] = reconstruction_error(images, copies.clamp(-1, 1)).cpu()
            odds[i, j] = capture_odds(copies, id_domain, target_domain, scorer)
            example[i, j] = copies[0].cpu()
    return Bandwidth(heights, etas, errors, odds, example)
