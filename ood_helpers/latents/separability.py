"""Can two clouds of latents be told apart: by their centers, and by a linear classifier (Lemma C.2, Sec. C.5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from ..checks import check_integer, check_number, check_rows
from .gram import Gram, gram, trace_of_product, trace_of_square

ITERATIONS = 1_000_000  # a hard margin between clouds that overlap would be sought for ever; scikit-learn warns


@dataclass(frozen=True)
class CenterDistance:
    """How far apart the centers of two clouds lie.

    The distance of two sample means is inflated by sampling noise: for two samples of one distribution its square has
    the expectation ``tr(S_a) / n_a + tr(S_b) / n_b``, the square of the noise floor.

    Attributes
    ----------
    plug_in : float
        Distance of the sample means, the "Center-Distance" of Table 3.
    unbiased : float
        Root of the unbiased estimate of the squared distance of the true centers; 0 where that is negative.
    squared, squared_error : float
        That unbiased estimate, which may be negative, and its standard error.
    noise_floor : float
        What ``plug_in`` would be on (root mean square) average if the true centers coincided.
    threshold : float
        ``d**0.25``, with which Lemma C.2 compares the distance for clouds of unit variance.
    """

    plug_in: float
    unbiased: float
    squared: float
    squared_error: float
    noise_floor: float
    threshold: float

    def __str__(self) -> str:
        return (
            f"plug-in {self.plug_in:.4g}, noise floor {self.noise_floor:.4g}, unbiased {self.unbiased:.4g} "
            f"(squared {self.squared:.4g} ± {self.squared_error:.2g}), d**0.25 = {self.threshold:.4g}"
        )


def center_distance(a, b) -> CenterDistance:
    """Estimate the distance between the centers of two clouds, with its noise floor.

    With mean squared distances ``D`` between points of two clouds, and between *different* points of one,
    ``|mu_a - mu_b|^2 = D_ab - (D_aa + D_bb) / 2``; each mean is an unbiased estimate.

    Parameters
    ----------
    a, b : Tensor, ndarray or LatentStore
        ``(n, ...)`` float, at least three points each.

    Returns
    -------
    CenterDistance

    Raises
    ------
    TypeError, ValueError
        If either has fewer than three points, is not finite, or the dimensions differ.
    """
    a, b = check_rows("a", a, 3), check_rows("b", b, 3)
    return center_distance_of(gram(a, b), len(a))


def center_distance_of(g: Gram, n_a: int) -> CenterDistance:
    """`center_distance` of the first ``n_a`` points of a Gram matrix from the others."""
    within_a = g.squared_distances[:n_a, :n_a]
    within_b = g.squared_distances[n_a:, n_a:]
    between = g.squared_distances[:n_a, n_a:]
    n_b = len(within_b)
    spread_a = within_a.sum() / (n_a * (n_a - 1)) / 2  # tr(S_a)
    spread_b = within_b.sum() / (n_b * (n_b - 1)) / 2
    squared = between.mean() - spread_a - spread_b
    floor = spread_a / n_a + spread_b / n_b
    variance = _jackknife(within_a, between.mean(1)) + _jackknife(within_b, between.mean(0))
    # leaving out one point at a time counts what comes from pairs of points twice
    variance -= _pair_variance(within_a, within_b, between)
    return CenterDistance(
        plug_in=float(np.sqrt(max(squared + floor, 0))),
        unbiased=float(np.sqrt(max(squared, 0))),
        squared=float(squared),
        squared_error=float(np.sqrt(max(variance, 0))),
        noise_floor=float(np.sqrt(floor)),
        threshold=g.dimension**0.25,
    )


def _jackknife(within: np.ndarray, to_other: np.ndarray) -> float:
    """Variance that one cloud's points bring into the estimate, from leaving out each in turn."""
    n = len(within)
    without_spread = (within.sum() - 2 * within.sum(1)) / ((n - 1) * (n - 2)) / 2
    without = (to_other.sum() - to_other) / (n - 1) - without_spread
    return (n - 1) / n * float(np.square(without - without.mean()).sum())


def _pair_variance(within_a, within_b, between) -> float:
    """The part of the variance that comes from pairs, with ``S`` the covariances.

    ``2 tr(S_a^2) / (n_a (n_a - 1)) + 2 tr(S_b^2) / (n_b (n_b - 1)) + 4 tr(S_a S_b) / (n_a n_b)``.
    """
    total = 4 * trace_of_product(between) / between.size
    for within in (within_a, within_b):
        n = len(within)
        total += 2 * trace_of_square(within) / (n * (n - 1))
    return float(total)


@dataclass(frozen=True)
class Separability:
    """How well a linear classifier tells two clouds apart on points that it was not trained on.

    Attributes
    ----------
    accuracy : float
        On the held-out points. 0.5 for equally large clouds that cannot be told apart.
    training_accuracy : float
        Nearly always 1 where ``d`` exceeds the number of points: it says nothing.
    null : ndarray
        Held-out accuracies of the same procedure after shuffling the labels.
    p_value : float
        Share of the null, itself included, that is at least as accurate.
    """

    accuracy: float
    training_accuracy: float
    null: np.ndarray
    p_value: float

    def __str__(self) -> str:
        null = f"{self.null.mean():.3f} ± {self.null.std():.3f}" if len(self.null) else "not computed"
        return f"held-out accuracy {self.accuracy:.3f} (shuffled labels: {null}; p = {self.p_value:.3g})"


def separability(a, b, test_size: float = 0.3, seed: int = 0, permutations: int = 19, C: float = 1.0) -> Separability:
    """Train a linear support vector machine on part of two clouds and test it on the rest (Sec. C.5: 7 to 3).

    Parameters
    ----------
    a, b : Tensor, ndarray or LatentStore
        ``(n, ...)`` float.
    test_size : float
        Share of the points that is held out, the same of each cloud.
    seed : int
        Draws the split and the permutations.
    permutations : int
        Size of the null, 0 or more; ``p_value`` is at least ``1 / (permutations + 1)``.
    C : float
        Penalty of the margin, for latents of about unit variance. Clouds on other scales are compared fairly with a
        hard margin, ``C = 100`` or more, which does not depend on the scale.

    Returns
    -------
    Separability
        As from ``SVC(kernel="linear", C=C)`` on the latents divided by ``sqrt(d)``: the kernel is ``<x, y> / d``,
        of order one in any dimension.

    Raises
    ------
    TypeError, ValueError
        If either cloud is not finite or too small to be split, the dimensions differ, or ``test_size`` is outside
        (0, 1), or ``C`` is not positive.
    """
    a, b = check_rows("a", a, 4), check_rows("b", b, 4)
    return separability_of(gram(a, b), len(a), test_size, seed, permutations, C)


def separability_of(
    g: Gram, n_a: int, test_size: float = 0.3, seed: int = 0, permutations: int = 19, C: float = 1.0
) -> Separability:
    """`separability` of the first ``n_a`` points of a Gram matrix from the others."""
    if check_number("test_size", test_size, 0, 1, strict=True) == 1:
        raise ValueError(f"test_size: got {test_size!r}, expected a share below 1")
    check_integer("permutations", permutations, 0)
    check_number("C", C, 0, strict=True)
    labels = (np.arange(len(g)) >= n_a).astype(int)
    kernel = g.products / g.dimension
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    held_out, trained = _fit(kernel, labels, test_size, seed, C)
    null = np.array([_fit(kernel, rng.permutation(labels), test_size, seed + k + 1, C)[0] for k in range(permutations)])
    return Separability(held_out, trained, null, float((1 + (null >= held_out).sum()) / (permutations + 1)))


def _fit(kernel, labels, test_size, seed, C) -> tuple[float, float]:
    train, test = train_test_split(np.arange(len(labels)), test_size=test_size, stratify=labels, random_state=seed)
    machine = SVC(kernel="precomputed", C=C, max_iter=ITERATIONS, random_state=seed)  # without a seed, numpy's stream
    machine.fit(kernel[np.ix_(train, train)], labels[train])
    on_train = machine.score(kernel[np.ix_(train, train)], labels[train])
    return machine.score(kernel[np.ix_(test, train)], labels[test]), on_train
