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
from .analysis import check_level, mean_difference, permutation_test
from .study import SCORES, SIMULATED

EDGES = np.array([-np.inf, 1.5, 2.5, 3.5, 4.5, np.inf])  # between scores
SMALLEST, LARGEST = 1e-3, 1e3  # standard deviations of the latent variable that are tried
RATER_SHARE, IMAGE_SHARE = 0.2, 0.3  # the paper gives one number for the spread and does not split it: a guess, vary it

Means = Mapping[str, tuple[float, float]]


def latent_normal(mean: float, std: float) -> tuple[float, float]:
    """Return mean and spread of the normal variable whose values, rounded to 1 to 5, have a given mean and spread.

    Raises
    ------
    ValueError
        If no scores have them. With the mean ``m`` and its fraction ``f`` the variance is between ``f (1 - f)``, of two
        neighboring scores, and ``(m - 1) (5 - m)``, of the extreme ones.
    """
    low, high = SCORES[0], SCORES[-1]
    if not low < mean < high:
        raise ValueError(f"mean: got {mean!r}, expected a number between {low} and {high}")

    def mu(sigma: float) -> float:
        reach = 40 * sigma
        return brentq(lambda mu: _moments(mu, sigma)[0] - mean, low - reach, high + reach)

    def excess(log_sigma: float) -> float:
        sigma = np.exp(log_sigma)
        return _moments(mu(sigma), sigma)[1] - std

    least, most = np.sqrt(mean % 1 * (1 - mean % 1)), np.sqrt((mean - low) * (high - mean))
    ends = np.log([SMALLEST, LARGEST])
    if not least < std < most or excess(ends[0]) > 0 or excess(ends[1]) < 0:
        raise ValueError(
            f"std: got {std!r}, expected a number between {least:.3f} and {most:.3f}, as scores of mean {mean:g} have"
        )
    sigma = float(np.exp(brentq(excess, *ends, xtol=1e-10)))
    return mu(sigma), sigma


def _moments(mu: float, sigma: float) -> tuple[float, float]:
    """Mean and standard deviation of a rounded normal variable."""
    p, scores = np.diff(ndtr((EDGES - mu) / sigma)), np.array(SCORES)
    mean = p @ scores
    return mean, np.sqrt(p @ (scores - mean) ** 2)


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

    Parameters
    ----------
    n_raters, n_images : int
        Images are of each group.
    means : mapping of str to (float, float)
        Group -> mean and standard deviation of its scores, over raters and images, such as
        ``{"ours": (2.88, 0.93), "CLIP tuning": (1.84, 0.97)}``.
    rater_share, image_share : float
        How much of the variance, before rounding, is due to strict and mild raters and to good and bad images. The
        rest is particular to a rater and an image. A rater is equally strict with all groups.
    seed : int

    Returns
    -------
    DataFrame
        Columns ``rater``, ``image``, ``score``, ``group``.

    Raises
    ------
    TypeError, ValueError
        If a mean and standard deviation are those of no scores from 1 to 5, or a number is out of range.
    """
    n_raters, n_images = check_integer("n_raters", n_raters, 1), check_integer("n_images", n_images, 1)
    shares = _check_shares(rater_share, image_share)
    latents, rng = _latents(means), np.random.default_rng(check_integer("seed", seed, 0))
    scores = np.concatenate([x[0] for x in _draw(rng, (1, n_raters, n_images), latents, shares)], 1)
    groups = np.repeat(list(latents), n_images)
    rater, image = np.indices(scores.shape).reshape(2, -1)
    names = {"rater": [f"{SIMULATED}-{i + 1:02d}" for i in rater], "image": [f"{k + 1:03d}" for k in image]}
    return pd.DataFrame({**names, "score": scores.ravel().astype(int), "group": groups[image]})


def _latents(means: Means) -> dict[str, tuple[float, float]]:
    latents = {}
    for group, (mean, std) in means.items():
        try:
            latents[group] = latent_normal(mean, std)
        except ValueError as error:
            raise ValueError(f"means[{group!r}], {error}") from None
    return latents


def _check_shares(rater_share: float, image_share: float) -> tuple[float, float]:
    for name, share in (("rater_share", rater_share), ("image_share", image_share)):
        check_number(name, share, 0)
    if rater_share + image_share > 1:
        raise ValueError(f"image_share: got {image_share}, expected at most {1 - rater_share:g} beside rater_share")
    return rater_share, image_share


def _draw(rng: np.random.Generator, shape: tuple[int, int, int], latents: Means, shares: tuple) -> list[np.ndarray]:
    """Scores of each group, ``(studies, raters, images)``: the same raters for all groups, other images for each."""
    studies, raters, images = shape
    r, i = np.sqrt(shares)
    rest = np.sqrt(max(1 - sum(shares), 0))
    rater = r * rng.standard_normal((studies, raters, 1))
    groups = []
    for mu, sigma in latents.values():
        effects = rater + i * rng.standard_normal((studies, 1, images)) + rest * rng.standard_normal(shape)
        groups.append(np.clip(np.floor(mu + sigma * effects + 0.5), SCORES[0], SCORES[-1]))
    return groups


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
    rater_share: float = RATER_SHARE,
    image_share: float = IMAGE_SHARE,
    studies: int = 1000,
    permutations: int = 999,
    seed: int = 0,
) -> PowerCurve:
    """Simulate studies and count how many find a difference of mean opinions, by the permutation test of `told_apart`.

    The test permutes images, so it keeps its level however much raters or images vary. It speaks of these raters: that
    others might favor one of the groups is not simulated.

    Parameters
    ----------
    means : mapping of str to (float, float)
        Mean and standard deviation of the scores of two groups, such as those of the paper.
    n_raters : iterable of int
    n_images : int
        Of each group.
    level : float
        Of the test.
    rater_share, image_share : float
        As for `simulate_raters`. Power rests on them: the larger the share of images, the less do more raters help.
    studies : int
        Simulated; the same ones for all numbers of raters, of which the first so many are used.
    permutations, seed : int

    Raises
    ------
    TypeError, ValueError
        As from `simulate_raters`, or if there are not two groups.
    """
    counts = tuple(check_integer("n_raters", n, 1) for n in n_raters)
    if not counts:
        raise ValueError("n_raters: got no number, expected at least one")
    if len(means) != 2:
        raise ValueError(f"means: got {', '.join(means) or 'none'}, expected those of two groups")
    n_images, studies = check_integer("n_images", n_images, 2), check_integer("studies", studies, 1)
    check_level(level)
    shares = _check_shares(rater_share, image_share)
    latents, rng = _latents(means), np.random.default_rng(check_integer("seed", seed, 0))
    scores = np.concatenate(_draw(rng, (studies, max(counts), n_images), latents, shares), axis=2)
    labels = np.repeat([1.0, 0.0], n_images)

    def rejected(n: int) -> float:
        of_images = scores[:, :n].mean(1)
        _, p_values = permutation_test(lambda dealt: mean_difference(of_images, dealt), labels, permutations, seed)
        return float((p_values <= level).mean())

    power = np.array([rejected(n) for n in counts])
    adjusted = (power * studies + 2) / (studies + 4)
    error = np.sqrt(adjusted * (1 - adjusted) / (studies + 4))
    return PowerCurve(counts, power, error, dict(means), level)


def raters_needed(means: Means, *, power: float = 0.8, most: int = 20, **settings: Any) -> int | None:
    """Return how many simulated raters it takes to tell two groups apart in a given share of studies.

    Parameters
    ----------
    means : mapping of str to (float, float)
        As for `power_curve`.
    power : float
        Share of studies.
    most : int
        Raters that are tried. If images vary, no number of raters may be enough: then the result is None, and it takes
        more images.
    **settings
        As for `power_curve`.

    Raises
    ------
    TypeError, ValueError
        As from `power_curve`, or if ``power`` is not between 0 and 1.
    """
    if not 0 < power < 1:
        raise ValueError(f"power: got {power!r}, expected a number between 0 and 1")
    curve = power_curve(means, range(1, check_integer("most", most, 1) + 1), **settings)
    return next((n for n, reached in zip(curve.n_raters, curve.power, strict=True) if reached >= power), None)
