"""What theory says of telling two Gaussian clouds apart: pairs by distance, points by the nearer center (Lemma C.2).

For unit variance and centers ``D`` apart, squared distances are ``2 chi^2_d`` within a cloud and, noncentral,
``2 chi'^2_d(D^2 / 2)`` across.  They differ by ``D^2`` and scatter by ``sqrt(8 d)``: hence ``D ~ d^(1/4)``,
up to a constant.
A classifier looks along one direction only and needs ``D ~ 1``, or what it takes to learn that direction.
All functions raise TypeError or ValueError for what is out of range.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats
from sklearn.model_selection import train_test_split

from .. import Gram, center_distance, separability, trace_of_product, trace_of_square
from ..checks import check_integer, check_number


def pair_accuracy(d: int, distance: float) -> float:
    """How often a threshold tells by their distance whether two points come from one cloud or from two: exactly.

    The pair classifier of Lemma C.2's proof, with its threshold half way between the two mean squared distances, for as
    many pairs of either kind. The ``distance >= 0`` is that of the centers of two Gaussian clouds of unit variance; for
    ``k d**0.25`` the accuracy is near ``Phi(k**2 / (4 sqrt(2)))``.
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
    check_integer("d", d, 1)
    check_number("accuracy", accuracy, 0.51, 0.9999)
    return float(optimize.brentq(lambda k: pair_accuracy(d, k * d**0.25) - accuracy, 0, 20) * d**0.25)


def known_centers_accuracy(distance: float) -> float:
    """Accuracy of the best classifier that knows both centers, in any dimension: ``Phi(distance / 2)``."""
    return float(stats.norm.cdf(check_number("distance", distance, 0) / 2))


def centroid_accuracy(d: int, distance: float, n: int) -> float:
    """Accuracy of the nearer of two sample means, each of ``n`` points of a Gaussian cloud of unit variance.

        Phi( D^2 / 2  /  sqrt( D^2 (1 + 1/n) + 2 d / n + d / n^2 ) )

    Far above ``n`` dimensions a support vector machine on such clouds does the same: all points support it alike.
    ``distance`` is that of the true centers, ``>= 0``, in ``d >= 1`` dimensions.
    """
    check_integer("d", d, 1)
    check_integer("n", n, 1)
    square = check_number("distance", distance, 0) ** 2
    return Moments(square, d, d, d, d, d, square, square).centroid_accuracy(n, n)


@dataclass(frozen=True)
class Moments:
    """What decides how well the centroid classifier tells two clouds ``a`` and ``b`` apart.

    With the difference ``D`` of the true centers and the covariances ``S``: ``squared = |D|^2``, ``trace = tr(S)``,
    ``square = tr(S^2)``, ``cross = tr(S_a S_b)``, ``along = D' S D``.
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
        squares = {"square_a": a * a * d, "square_b": b * b * d, "cross": a * b * d}
        return replace(self, **squares, along_a=a * self.squared, along_b=b * self.squared)


def moments_of(g: Gram, n_a: int) -> Moments:
    """Estimate the moments of the first ``n_a`` points of a Gram matrix and the others, without bias from small ``n``.

    Each cloud needs four points at least; estimates that must not be negative are cut off at zero.
    """
    n_b = len(_gram(g)) - check_integer("n_a", n_a, 4, len(g) - 4)
    a, b = slice(0, n_a), slice(n_a, len(g))
    squares, products = g.squared_distances, g.products
    square_a, square_b = trace_of_square(squares[a, a]), trace_of_square(squares[b, b])
    cross = trace_of_product(squares[a, b])
    along_a = _along(products[a, a], products[a, b]) - square_a / (n_a - 1) - cross / n_b
    along_b = _along(products[b, b], products[b, a]) - square_b / (n_b - 1) - cross / n_a
    trace_a, trace_b = (squares[s, s][np.triu_indices(n, 1)].mean() / 2 for s, n in ((a, n_a), (b, n_b)))
    squared = max(center_distance(g, n_a).squared, 0.0)
    return Moments(squared, trace_a, trace_b, square_a, square_b, cross, max(along_a, 0.0), max(along_b, 0.0))


def _gram(g: Gram) -> Gram:
    if not isinstance(g, Gram):
        raise TypeError(f"g: got {type(g).__name__}, expected a Gram matrix, such as gram returns")
    return g


def _along(own: np.ndarray, other: np.ndarray) -> float:
    """Variance of the points' projections on the line from the other cloud's mean to that of their *other* fellows."""
    n, m = other.shape
    fellows = (own.sum(1) - np.diag(own)) / (n - 1)  # <x_i, mean of the fellows of i>
    squares = (own.sum() - 2 * own.sum(1) + np.diag(own)) / (n - 1) ** 2
    across = (other.sum() - other.sum(1)) / ((n - 1) * m)
    return float((fellows - squares - other.mean(1) + across).var(ddof=1))


@dataclass(frozen=True)
class HeldOut:
    """Held-out accuracies of three classifiers and a prediction, mean over random splits.

    ``pairs``: a threshold on the distance of two points, one cloud or two, mean of both kinds. ``centroids``: the
    nearer of the two training means. ``machine``: a support vector machine as in `separability`; ``machine_std`` is
    over splits. ``predicted``: `Moments.centroid_accuracy` by moments of the training part alone, to be expected of
    ``centroids``.
    """

    pairs: float
    centroids: float
    machine: float
    machine_std: float
    predicted: float


def held_out_of(g: Gram, n_a: int, test_size: float = 0.3, splits: int = 20, seed: int = 0, C: float = 1.0) -> HeldOut:
    """Measure the classifiers that `pair_accuracy` and `Moments.centroid_accuracy` predict, and the paper's machine.

    The first ``n_a`` points of the Gram matrix are one cloud, the others the other, six of each at least.
    ``test_size``, ``seed`` and ``C`` are as for `separability`; split ``k`` is that of ``seed + k``.
    """
    check_integer("splits", splits, 1)
    check_integer("n_a", n_a, 6, len(_gram(g)) - 6)
    check_integer("seed", seed, 0, 2**32 - splits)
    check_number("test_size", test_size, 0, np.nextafter(1, 0), strict=True)
    labels = np.arange(len(g)) >= n_a
    results = []
    for k in range(seed, seed + splits):
        train, test = train_test_split(np.arange(len(g)), test_size=test_size, stratify=labels, random_state=k)
        known = np.sort(train)  # the first cloud's points come first
        sizes = int((known < n_a).sum()), int((known >= n_a).sum())
        predicted = moments_of(g[known], sizes[0]).centroid_accuracy(*sizes)
        machine = separability(g, n_a, test_size, k, 0, C).accuracy
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
