"""Can two clouds of latents be told apart: by their centers, and by a linear classifier (Lemma C.2, Sec. C.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from ..checks import check_integer, check_number
from .gram import Cloud, Gram, joint_gram, trace_of_product, trace_of_square

SEEDS = 2**32  # that scikit-learn knows
ITERATIONS = 1_000_000  # a hard margin between clouds that overlap would be sought for ever; scikit-learn warns


@dataclass(frozen=True)
class CenterDistance:
    """How far apart the centers of two clouds lie.

    ``plug_in`` is the distance of the sample means, the "Center-Distance" of Table 3. Sampling noise inflates it: for
    two samples of one distribution its square is ``noise_floor^2 = tr(S_a) / n_a + tr(S_b) / n_b`` on average.
    ``squared`` estimates the true squared distance without bias, may be negative, and has the standard error
    ``squared_error``; ``unbiased`` is its root, or 0. Lemma C.2 compares with ``threshold = d**0.25``.
    """

    plug_in: float
    unbiased: float
    squared: float
    squared_error: float
    noise_floor: float
    threshold: float

    def __str__(self) -> str:
        square = f"(squared {self.squared:.4g} ± {self.squared_error:.2g}), d**0.25 = {self.threshold:.4g}"
        return f"plug-in {self.plug_in:.4g}, noise floor {self.noise_floor:.4g}, unbiased {self.unbiased:.4g} {square}"


def center_distance(a: Cloud | Gram, b: Cloud | int) -> CenterDistance:
    """Estimate the distance between the centers of two clouds, with its noise floor.

    With unbiased mean squared distances ``D`` between points of two clouds, and between *different* points of one,
    ``|mu_a - mu_b|^2 = D_ab - (D_aa + D_bb) / 2``.

    Parameters
    ----------
    a, b : Tensor, ndarray or LatentStore
        ``(n, ...)`` float, finite, at least three points each. Or their joint `Gram` matrix, and how many of its
        points, the first ones, belong to the first cloud.
    """
    g, n_a = joint_gram(a, b, 3)
    n_b, squares = len(g) - n_a, g.squared_distances
    within_a, within_b, between = squares[:n_a, :n_a], squares[n_a:, n_a:], squares[:n_a, n_a:]
    spread_a = within_a.sum() / (n_a * (n_a - 1)) / 2  # tr(S_a)
    spread_b = within_b.sum() / (n_b * (n_b - 1)) / 2
    squared = between.mean() - spread_a - spread_b
    floor = spread_a / n_a + spread_b / n_b
    variance = _jackknife(within_a, between.mean(1)) + _jackknife(within_b, between.mean(0))
    # leaving out one point at a time counts what comes from pairs of points twice
    pairs = 2 * trace_of_square(within_a) / (n_a * (n_a - 1)) + 2 * trace_of_square(within_b) / (n_b * (n_b - 1))
    variance -= pairs + 4 * trace_of_product(between) / (n_a * n_b)
    roots = np.sqrt(np.maximum([squared + floor, squared, variance, floor], 0)).tolist()
    plug_in, unbiased, error, noise_floor = roots
    return CenterDistance(plug_in, unbiased, float(squared), error, noise_floor, g.dimension**0.25)


def _jackknife(within: np.ndarray, to_other: np.ndarray) -> float:
    """Variance that one cloud's points bring into the estimate, from leaving out each in turn."""
    n = len(within)
    without_spread = (within.sum() - 2 * within.sum(1)) / ((n - 1) * (n - 2)) / 2
    without = (to_other.sum() - to_other) / (n - 1) - without_spread
    return (n - 1) / n * float(np.square(without - without.mean()).sum())


class Interval(NamedTuple):
    """Where a number lies, most likely."""

    low: float
    high: float


def wilson_interval(count: int, n: int) -> Interval:
    """Return Wilson's (1927) 95 % interval of a probability, of which ``count`` successes in ``n`` trials were seen."""
    n = check_integer("n", n, 1)
    interval = stats.binomtest(check_integer("count", count, 0, n), n).proportion_ci(0.95, "wilson")
    return Interval(float(interval.low), float(interval.high))


@dataclass(frozen=True)
class Separability:
    """How well a linear classifier tells two clouds apart on points that it was not trained on.

    ``accuracy`` is that on the held-out points, 0.5 for equally large clouds that cannot be told apart, and ``low`` and
    ``high`` Wilson's 95 % interval of it. ``training_accuracy`` says nothing where ``d`` exceeds the number of points.
    ``null`` holds held-out accuracies after shuffling the labels; ``p_value`` is the share of them, the true one
    included, that is at least as accurate.
    """

    accuracy: float
    low: float
    high: float
    training_accuracy: float
    null: np.ndarray
    p_value: float


def separability(
    a: Cloud | Gram, b: Cloud | int, test_size: float = 0.3, seed: int = 0, permutations: int = 99, C: float = 1.0
) -> Separability:
    """Train a linear support vector machine on part of two clouds and test it on the rest (Sec. C.5: 7 to 3).

    It is ``SVC(kernel="linear", C=C)`` on latents over ``sqrt(d)``: the kernel ``<x, y> / d`` is of order one.

    Parameters
    ----------
    a, b : Tensor, ndarray or LatentStore; or Gram and int
        As for `center_distance`, at least four points each.
    test_size : float
        Share of the points that is held out, the same of each cloud; above 0 and below 1.
    seed, permutations : int
        Draws the split and the null; its size, 0 or more: ``p_value`` is at least ``1 / (permutations + 1)``.
    C : float
        Penalty of the margin, above 0, for latents of about unit variance; for those on other scales take a hard
        margin, ``C = 100`` or more, which does not depend on the scale.
    """
    g, n_a = joint_gram(a, b, 4)
    check_number("test_size", test_size, 0, np.nextafter(1, 0), strict=True)
    check_integer("permutations", permutations, 0)
    check_number("C", C, 0, strict=True)
    labels = (np.arange(len(g)) >= n_a).astype(int)
    kernel = g.products / g.dimension
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    right, trained = _fit(kernel, labels, test_size, seed, C)
    null = [_fit(kernel, rng.permutation(labels), test_size, seed + k + 1, C)[0].mean() for k in range(permutations)]
    beaten = (1 + (np.array(null) >= right.mean()).sum()) / (permutations + 1)
    interval = wilson_interval(int(right.sum()), len(right))
    return Separability(float(right.mean()), *interval, float(trained.mean()), np.array(null), float(beaten))


def _fit(kernel, labels, test_size, seed, C) -> tuple[np.ndarray, np.ndarray]:
    """Which held-out points, and which that it was trained on, a machine puts where they belong."""
    seed %= SEEDS
    train, test = train_test_split(np.arange(len(labels)), test_size=test_size, stratify=labels, random_state=seed)
    machine = SVC(kernel="precomputed", C=C, max_iter=ITERATIONS, random_state=seed)  # without a seed, numpy's stream
    machine.fit(kernel[np.ix_(train, train)], labels[train])
    held_out, trained = (machine.predict(kernel[np.ix_(rows, train)]) == labels[rows] for rows in (test, train))
    return held_out, trained
