"""What theory says of telling two Gaussian clouds apart: pairs by distance, points by the nearer center (Lemma C.2).

For unit variance and centers ``D`` apart, squared distances are ``2 chi^2_d`` within a cloud and, noncentral,
``2 chi'^2_d(D^2 / 2)`` across.  They differ by ``D^2`` and scatter by ``sqrt(8 d)``: hence ``D ~ d^(1/4)``,
up to a constant.
A classifier looks along one direction only and needs ``D ~ 1``, or what it takes to learn that direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats
from sklearn.model_selection import train_test_split

from .. import Gram, center_distance_of, separability_of, trace_of_product, trace_of_square
from ..checks import check_integer, check_number


def pair_accuracy(d: int, distance: float) -> float:
    """How often a threshold tells by their distance whether two points come from one cloud or from two: exactly.

    The pair classifier of Lemma C.2's proof, with its threshold half way between the two mean squared distances,
    for as many pairs of either kind.

    Parameters
    ----------
    d : int
        ``d >= 1``.
    distance : float
        Between the centers of two Gaussian clouds of unit variance, ``>= 0``.

    Returns
    -------
    float
        0.5 where they cannot be told apart. At ``distance = k d**0.25`` near ``Phi(k**2 / (4 sqrt(2)))``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    d, noncentral = check_integer("d", d, 1), check_number("distance", distance, 0) ** 2 / 2
    threshold = d + noncentral / 2
    across = stats.ncx2.sf(threshold, d, noncentral) if noncentral else stats.chi2.sf(threshold, d)
    return float((stats.chi2.cdf(threshold, d) + across) / 2)


def pair_error_bound(d: int, distance: float) -> float:
    """Bound the share of errors of the pair classifier: ``exp(-D^4 / (64 (d + D^2)))``, by Chernoff's method.

    The constant behind the order ``d^(1/4)`` of Lemma C.2: for ``D = k d**0.25`` it is about ``exp(-k^4 / 64)``.
    """
    check_integer("d", d, 1)
    return float(np.exp(-(check_number("distance", distance, 0) ** 4) / (64 * (d + distance**2))))


def distance_for_pairs(d: int, accuracy: float) -> float:
    """Return the distance of centers at which `pair_accuracy` reaches ``accuracy``, from 0.51 to 0.9999."""
    if not 0.51 <= accuracy <= 0.9999:
        raise ValueError(f"accuracy: got {accuracy!r}, expected a number from 0.51 to 0.9999")
    check_integer("d", d, 1)
    return float(optimize.brentq(lambda k: pair_accuracy(d, k * d**0.25) - accuracy, 0, 20) * d**0.25)


def known_centers_accuracy(distance: float) -> float:
    """Accuracy of the best classifier that knows both centers, in any dimension: ``Phi(distance / 2)``."""
    return float(stats.norm.cdf(check_number("distance", distance, 0) / 2))


def centroid_accuracy(d: int, distance: float, n: int, std: float = 1.0) -> float:
    """Accuracy of the nearer of two sample means, each of ``n`` points of a spherical Gaussian cloud.

        Phi( D^2 / 2  /  (s sqrt( D^2 (1 + 1/n) + 2 s^2 d / n + s^2 d / n^2 )) )

    Far above ``n`` dimensions a support vector machine on spherical clouds does the same: all points support it alike.

    Parameters
    ----------
    d, n : int
        Dimension, and training points of each cloud.
    distance : float
        Between the true centers.
    std : float
        ``s``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    """
    check_integer("d", d, 1)
    check_integer("n", n, 1)
    s2, square = float(std) ** 2, check_number("distance", distance, 0) ** 2
    cloud = Moments(square, s2 * d, s2 * d, s2**2 * d, s2**2 * d, s2**2 * d, s2 * square, s2 * square)
    return cloud.centroid_accuracy(n, n)


@dataclass(frozen=True)
class Moments:
    """What decides how well the centroid classifier tells two clouds ``a`` and ``b`` apart.

    Attributes
    ----------
    squared : float
        ``|D|^2``, of the true centers.
    trace_a, trace_b : float
        ``tr(S_a)``, ``tr(S_b)``, with ``S`` the covariances.
    square_a, square_b, cross : float
        ``tr(S_a^2)``, ``tr(S_b^2)``, ``tr(S_a S_b)``.
    along_a, along_b : float
        ``D' S_a D``, ``D' S_b D``: the variance in the direction of the other center, times ``|D|^2``.
    """

    squared: float
    trace_a: float
    trace_b: float
    square_a: float
    square_b: float
    cross: float
    along_a: float
    along_b: float

    def centroid_accuracy(self, n_a: int, n_b: int) -> float:
        """Accuracy, mean of both clouds, with centroids of ``n_a`` and ``n_b`` training points.

        The score of a new point is nearly normal, its mean and variance follow from the moments.
        """
        floor = self.trace_a / n_a - self.trace_b / n_b
        noise = self.square_a / (2 * n_a**2) + self.square_b / (2 * n_b**2)
        of_a = self.along_a + self.along_b / n_b + self.square_a / n_a + self.cross / n_b + noise
        of_b = self.along_b + self.along_a / n_a + self.square_b / n_b + self.cross / n_a + noise
        scores = (self.squared - floor) / np.sqrt(of_a), (self.squared + floor) / np.sqrt(of_b)
        return float(np.mean([stats.norm.cdf(score / 2) for score in scores]))

    def spherical(self, d: int) -> Moments:
        """The same centers, with the variance spread evenly over all ``d`` directions."""
        a, b = self.trace_a / d, self.trace_b / d
        return replace(
            self,
            square_a=a * a * d,
            square_b=b * b * d,
            cross=a * b * d,
            along_a=a * self.squared,
            along_b=b * self.squared,
        )


def moments_of(g: Gram, n_a: int) -> Moments:
    """Estimate the moments of the first ``n_a`` points of a Gram matrix and the others, without bias from small ``n``.

    Each cloud needs four points at least; estimates that must not be negative are cut off at zero.
    """
    check_integer("n_a", n_a, 4, len(g) - 4)
    a, b = slice(0, n_a), slice(n_a, len(g))
    within_a, within_b, between = (g.squared_distances[i, j] for i, j in ((a, a), (b, b), (a, b)))
    square_a, square_b, cross = trace_of_square(within_a), trace_of_square(within_b), trace_of_product(between)
    n_b = len(g) - n_a
    along_a = _along(g.products[a, a], g.products[a, b]) - square_a / (n_a - 1) - cross / n_b
    along_b = _along(g.products[b, b], g.products[b, a]) - square_b / (n_b - 1) - cross / n_a
    return Moments(
        squared=max(center_distance_of(g, n_a).squared, 0.0),
        trace_a=_offdiagonal(within_a).mean() / 2,
        trace_b=_offdiagonal(within_b).mean() / 2,
        square_a=square_a,
        square_b=square_b,
        cross=cross,
        along_a=max(along_a, 0.0),
        along_b=max(along_b, 0.0),
    )


def _along(own: np.ndarray, other: np.ndarray) -> float:
    """Variance of the points' projections on the line from the other cloud's mean to that of their *other* fellows."""
    n, m = other.shape
    fellows = (own.sum(1) - np.diag(own)) / (n - 1)  # <x_i, mean of the fellows of i>
    squares = (own.sum() - 2 * own.sum(1) + np.diag(own)) / (n - 1) ** 2
    across = (other.sum() - other.sum(1)) / ((n - 1) * m)
    return float((fellows - squares - other.mean(1) + across).var(ddof=1))


def _offdiagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


@dataclass(frozen=True)
class HeldOut:
    """Held-out accuracies of three classifiers and a prediction, mean over random splits.

    Attributes
    ----------
    pairs : float
        A threshold on the distance of two points: one cloud or two?  Mean of both kinds of pairs.
    centroids : float
        The nearer of the two training means.
    machine : float
        A linear support vector machine, as in `separability`.
    machine_std : float
        Its standard deviation over splits.
    predicted : float
        `Moments.centroid_accuracy` with moments of the training part alone: what to expect of ``centroids``.
    """

    pairs: float
    centroids: float
    machine: float
    machine_std: float
    predicted: float


def held_out_of(g: Gram, n_a: int, test_size: float = 0.3, splits: int = 20, seed: int = 0, C: float = 1.0) -> HeldOut:
    """Measure the classifiers that `pair_accuracy` and `Moments.centroid_accuracy` predict, and the paper's machine.

    Parameters
    ----------
    g : Gram
    n_a : int
        How many of its points, the first ones, belong to the first cloud; six of each at least.
    test_size : float
        Share of held-out points.
    splits : int
        Random splits into training and test.
    seed : int
        Draws the splits.
    C : float
        As for `separability`.
    """
    labels = np.arange(len(g)) >= n_a
    check_integer("splits", splits, 1)
    results = []
    for k in range(splits):
        train, test = train_test_split(np.arange(len(g)), test_size=test_size, stratify=labels, random_state=seed + k)
        machine = separability_of(g, n_a, test_size, seed + k, 0, C).accuracy
        known = np.sort(train)  # the first cloud's points come first
        sizes = int((known < n_a).sum()), int((known >= n_a).sum())
        predicted = moments_of(g[known], sizes[0]).centroid_accuracy(*sizes)
        results.append((_pairs(g, labels, train, test), _centroids(g, labels, train, test), machine, predicted))
    pairs, centroids, machine, predicted = map(float, np.mean(results, 0))
    return HeldOut(pairs, centroids, machine, float(np.std(results, 0)[2]), predicted)


def _pairs(g: Gram, labels, train, test) -> float:
    def kinds(rows):
        i, j = np.triu_indices(len(rows), 1)
        squares, same = g.squared_distances[rows[i], rows[j]], labels[rows[i]] == labels[rows[j]]
        return squares[same], squares[~same]

    threshold = np.mean([kind.mean() for kind in kinds(train)])
    within, across = kinds(test)
    return ((within < threshold).mean() + (across >= threshold).mean()) / 2


def _centroids(g: Gram, labels, train, test) -> float:
    squares = []
    for label in (False, True):
        rows = train[labels[train] == label]
        own = g.products[np.ix_(rows, rows)].mean()
        squares.append(own - 2 * g.products[np.ix_(test, rows)].mean(1))
    return ((squares[1] < squares[0]) == labels[test]).mean()
