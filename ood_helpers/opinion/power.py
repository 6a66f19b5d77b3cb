"""How many raters it takes: simulated raters with known opinions, and how often a study of theirs finds a difference.

A simulated score is ``mu + sigma (sqrt(r) rater + sqrt(i) image + sqrt(1 - r - i) rest)``, rounded and cut off to 1 to
5, with standard normal effects; ``mu`` and ``sigma`` are solved for so that scores have the mean and the standard
deviation asked for. Nobody's opinion is in it: whatever is made of simulated ratings says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr

from ..checks import check_integer, check_number
from .analysis import check_share
from .study import SCORES, SIMULATED

RATER_SHARE, IMAGE_SHARE = 0.2, 0.3  # the paper gives one number for the spread and does not split it: a guess, vary it

Means = Mapping[str, tuple[float, float]]


def latent_normal(mean: float, std: float, of: str = "") -> tuple[float, float]:
    """Return mean and spread of the normal variable whose values, rounded to 1 to 5, have a given mean and spread."""
    low, high = SCORES[0], SCORES[-1]
    for name, value in (("mean", mean), ("std", std)):
        check_number(of + name, value, 0)
    if not low < mean < high:
        raise ValueError(f"{of}mean: got {mean!r}, expected a number between {low} and {high}")

    def mu(sigma: float) -> float:
        return brentq(lambda mu: _moments(mu, sigma)[0] - mean, low - 40 * sigma, high + 40 * sigma)

    def excess(log_sigma: float) -> float:
        return _moments(mu(np.exp(log_sigma)), np.exp(log_sigma))[1] - std

    # Of a given mean, two neighboring scores vary least and the extreme ones most.
    least, most = np.sqrt(mean % 1 * (1 - mean % 1)), np.sqrt((mean - low) * (high - mean))
    ends = np.log([1e-3, 1e3])
    if not least < std < most or excess(ends[0]) > 0 or excess(ends[1]) < 0:
        expected = f"a number between {least:.3f} and {most:.3f}, as scores of mean {mean:g} have"
        raise ValueError(f"{of}std: got {std!r}, expected {expected}")
    sigma = float(np.exp(brentq(excess, *ends, xtol=1e-10)))
    return mu(sigma), sigma


def _moments(mu: float, sigma: float) -> tuple[float, float]:
    """Mean and standard deviation of a rounded normal variable."""
    edges, scores = np.array([-np.inf, 1.5, 2.5, 3.5, 4.5, np.inf]), np.array(SCORES)
    p = np.diff(ndtr((edges - mu) / sigma))
    return p @ scores, np.sqrt(p @ (scores - p @ scores) ** 2)


def simulate_raters(
    n_raters: int,
    n_images: int,
    means: Means,
    *,
    rater_share: float = RATER_SHARE,
    image_share: float = IMAGE_SHARE,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw ratings of raters who do not exist, who all rate all images; their names begin with "simulated".

    Returns a DataFrame with columns ``rater``, ``image``, ``score`` and ``group``.

    Parameters
    ----------
    n_raters, n_images : int
        Images are of each group.
    means : mapping of str to (float, float)
        Group -> mean and standard deviation of its scores, over raters and images; ValueError if no scores have them.
    rater_share, image_share : float
        How much of the variance, before rounding, is due to strict and mild raters and to good and bad images. The
        rest is particular to a rater and an image. A rater is equally strict with all groups.
    """
    shape = (1, check_integer("n_raters", n_raters, 1), check_integer("n_images", n_images, 1))
    scores = _draw(shape, means, rater_share, image_share, seed)[0]
    rater, image = np.indices(scores.shape).reshape(2, -1)
    names = {"rater": [f"{SIMULATED}-{i + 1:02d}" for i in rater], "image": [f"{k + 1:03d}" for k in image]}
    return pd.DataFrame({**names, "score": scores.ravel(), "group": np.repeat(list(means), n_images)[image]})


def _draw(shape: tuple[int, int, int], means: Means, rater_share: float, image_share: float, seed: int) -> np.ndarray:
    """Scores ``(studies, raters, images of all groups)``: the same raters for all groups, other images for each."""
    (studies, raters, images), rng = shape, np.random.default_rng(check_integer("seed", seed, 0))
    check_number("rater_share", rater_share, 0)
    check_number("image_share", image_share, 0)
    if rater_share + image_share > 1:
        raise ValueError(f"image_share: got {image_share}, expected at most {1 - rater_share:g} beside rater_share")
    if not isinstance(means, Mapping) or not means or any(np.shape(pair) != (2,) for pair in means.values()):
        raise TypeError(f"means: got {means!r}, expected group -> (mean, standard deviation)")
    latents = [latent_normal(*pair, f"means[{group!r}], ") for group, pair in means.items()]
    rater = np.sqrt(rater_share) * rng.standard_normal((studies, raters, 1))
    groups = []
    for mu, sigma in latents:
        image = np.sqrt(image_share) * rng.standard_normal((studies, 1, images))
        rest = np.sqrt(max(1 - rater_share - image_share, 0)) * rng.standard_normal(shape)
        groups.append(np.rint(mu + sigma * (rater + image + rest)).clip(SCORES[0], SCORES[-1]).astype(int))
    return np.concatenate(groups, axis=2)


@dataclass(frozen=True)
class PowerCurve:
    """How often simulated studies tell two groups apart, over the number of raters."""

    n_raters: tuple[int, ...]
    power: np.ndarray  # share of studies in which the test rejects that the groups are alike, one for each number
    error: np.ndarray  # its standard error, of the simulation; by Agresti and Coull, not 0 where all studies agree
    means: Means
    level: float  # of the test


def power_curve(
    means: Means,
    n_raters: Iterable[int] = (1, 2, 3, 5, 8, 12),
    *,
    n_images: int = 50,
    level: float = 0.05,
    studies: int = 1000,
    permutations: int = 999,
    rater_share: float = RATER_SHARE,
    image_share: float = IMAGE_SHARE,
    seed: int = 0,
) -> PowerCurve:
    """Simulate studies and count how many find a difference of mean opinions, by a permutation test as in `told_apart`.

    It permutes images, so it keeps its level however much raters or images vary, and speaks of these raters: that
    others might favor one of the groups is not simulated. The larger the share of images, the less do more raters help.

    Parameters
    ----------
    means, n_images, rater_share, image_share, seed
        As for `simulate_raters`, with two groups.
    n_raters : iterable of int
        All numbers are tried on the same simulated studies, of which the first so many raters are used.
    level, studies, permutations : float, int, int
        Level of the test; how many studies are simulated, and for each how often its groups are dealt out anew.
    """
    if not isinstance(means, Mapping) or not isinstance(n_raters, Iterable):
        told = "a mapping and several integers"
        raise TypeError(f"means, n_raters: got {means!r} and {n_raters!r}, expected {told}")
    counts = tuple(check_integer("n_raters", n, 1) for n in n_raters)
    if not counts:
        raise ValueError("n_raters: got no number, expected at least one")
    if len(means) != 2:
        raise ValueError(f"means: got {', '.join(means) or 'none'}, expected those of two groups")
    check_share("level", level)
    shape = (check_integer("studies", studies, 1), max(counts), check_integer("n_images", n_images, 2))
    scores = _draw(shape, means, rater_share, image_share, seed)
    labels = np.repeat([1.0, 0.0], n_images)
    dealt = np.tile(labels, (check_integer("permutations", permutations, 99), 1))
    labelings = np.vstack([labels, np.random.default_rng(seed).permuted(dealt, axis=1)])

    def rejected(n: int) -> float:
        of_images = scores[:, :n].mean(1)
        difference = np.abs(labelings @ of_images.T - of_images.sum(1) / 2)
        p_values = (difference >= difference[0] - 1e-9).mean(0)  # equal but for rounding is equal
        return float((p_values <= level).mean())

    power = np.array([rejected(n) for n in counts])
    adjusted = (power * studies + 2) / (studies + 4)
    error = np.sqrt(adjusted * (1 - adjusted) / (studies + 4))
    return PowerCurve(counts, power, error, dict(means), level)


def raters_needed(means: Means, *, power: float = 0.8, most: int = 20, **settings: Any) -> int | None:
    """Return how many simulated raters it takes to tell two groups apart in a share ``power`` of studies.

    None if ``most`` are not enough: if images differ, no number of raters may be, and it takes more images. Other
    ``settings`` and errors are those of `power_curve`.
    """
    check_share("power", power)
    curve = power_curve(means, range(1, check_integer("most", most, 1) + 1), **settings)
    return next((n for n, reached in zip(curve.n_raters, curve.power, strict=True) if reached >= power), None)
