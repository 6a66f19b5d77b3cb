"""Lemma C.2 and what it takes to tell clouds apart: exact laws against draws, predictions against classifiers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ood_helpers.latents.gram import gram
from ood_helpers.latents.separability import separability
from ood_helpers.theory.classifiers import (
    centroid_accuracy,
    distance_for_pairs,
    held_out_of,
    known_centers_accuracy,
    moments_of,
    pair_accuracy,
    pair_error_bound,
)


def draws(n, d, seed, scale=1.0):
    return (scale * np.random.default_rng(seed).standard_normal((n, d))).astype(np.float32)


def test_the_pair_classifier_is_as_good_as_its_law_says():
    """20,000 pairs of either kind in 50 dimensions: within 5 standard errors."""
    d, distance, n = 50, 6.0, 20_000
    shift = np.zeros(d, np.float32)
    shift[0] = distance
    threshold = 2 * d + distance**2 / 2
    within = np.square(draws(n, d, 0) - draws(n, d, 1)).sum(1) < threshold
    across = np.square(draws(n, d, 2) - draws(n, d, 3) - shift).sum(1) >= threshold
    exact = pair_accuracy(d, distance)
    assert abs((within.mean() + across.mean()) / 2 - exact) < 5 * 0.5 / np.sqrt(2 * n)


@pytest.mark.parametrize("k", [0.5, 1.0, 2.0, 4.0])
def test_in_units_of_the_fourth_root_the_lemma_is_the_same_in_all_high_dimensions(k):
    limit = stats.norm.cdf(k**2 / (4 * np.sqrt(2)))
    for d in (12_288, 196_608):
        assert pair_accuracy(d, k * d**0.25) == pytest.approx(limit, abs=0.005)


def test_the_fourth_root_itself_separates_hardly_better_than_a_coin():
    """Lemma C.2 gives an order of magnitude: for 99 % of the pairs the constant is 3.6, not 1."""
    assert pair_accuracy(196_608, 196_608**0.25) == pytest.approx(0.570, abs=0.001)
    assert distance_for_pairs(196_608, 0.99) / 196_608**0.25 == pytest.approx(3.64, abs=0.01)


@given(st.integers(10, 10**5), st.floats(0.55, 0.999))
def test_the_distance_for_an_accuracy_has_that_accuracy(d, accuracy):
    assert pair_accuracy(d, distance_for_pairs(d, accuracy)) == pytest.approx(accuracy, abs=1e-6)


@given(st.integers(1, 10**6), st.floats(0, 12))
def test_the_bound_on_errors_of_pairs_holds(d, k):
    assert 1 - pair_accuracy(d, k * d**0.25) <= pair_error_bound(d, k * d**0.25) * (1 + 1e-9)


def test_equal_centers_are_a_coin_toss_for_everyone():
    assert pair_accuracy(100, 0.0) == pytest.approx(0.5)
    assert known_centers_accuracy(0.0) == 0.5
    assert centroid_accuracy(100, 0.0, 10) == 0.5


def test_with_many_examples_the_centroids_do_as_well_as_known_centers():
    assert centroid_accuracy(1000, 3.0, 10**9) == pytest.approx(known_centers_accuracy(3.0), abs=1e-6)


@pytest.fixture(scope="module")
def repeated():
    """Twelve pairs of clouds with unequal, uneven covariances: predictions and measured accuracies, mean of each."""
    d, n = 2000, 60
    scale_a, scale_b, shift = np.ones(d), np.ones(d), np.zeros(d, np.float32)
    scale_a[:20], scale_b[:40] = 5, 3
    shift[0], shift[100] = 2, 4
    found = []
    for k in range(12):
        g = gram(draws(n, d, 2 * k, scale_a), draws(n, d, 2 * k + 1, scale_b) + shift)
        moments, trained = moments_of(g, n), round(0.7 * n)
        found.append(
            {
                "moments": moments,
                "predicted": moments.centroid_accuracy(trained, trained),
                "spherical": moments.spherical(d).centroid_accuracy(trained, trained),
                "centroids": (result := held_out_of(g, n)).centroids,
                "from training": result.predicted,
            }
        )
    true = {
        "squared": shift @ shift,
        "trace_a": (scale_a**2).sum(),
        "square_a": (scale_a**4).sum(),
        "cross": (scale_a**2 * scale_b**2).sum(),
        "along_b": (shift**2 * scale_b**2).sum(),
    }
    return found, true


@pytest.mark.parametrize("name", ["squared", "trace_a", "square_a", "cross", "along_b"])
def test_moments_are_found_without_bias(repeated, name):
    """Mean of 12 clouds within 4 standard errors; ``along_b`` is cut off at zero and may be too large a little."""
    found, true = repeated
    values = np.array([getattr(row["moments"], name) for row in found])
    assert abs(values.mean() - true[name]) < 4 * values.std(ddof=1) / np.sqrt(12) + 0.01 * true[name]


def test_the_prediction_from_the_measured_covariance_is_what_the_classifier_achieves(repeated):
    found, _ = repeated
    predicted, measured, spherical = (
        np.array([row[k] for row in found]) for k in ("predicted", "centroids", "spherical")
    )
    assert abs(predicted.mean() - measured.mean()) < 4 * np.hypot(predicted.std(), measured.std()) / np.sqrt(12)
    from_training = np.array([row["from training"] for row in found])
    assert abs(from_training.mean() - measured.mean()) < 4 * np.hypot(from_training.std(), measured.std()) / np.sqrt(12)
    assert spherical.mean() > measured.mean() + 0.05  # taking the clouds for spherical promises too much


def test_on_spherical_clouds_a_support_vector_machine_does_what_the_formula_says():
    """20 pairs of clouds, 36 held-out points each: 720 in all, within 4 standard errors."""
    n, d, distance = 60, 3000, 9.0
    shift = np.full(d, distance / np.sqrt(d), np.float32)
    accuracies = [
        separability(gram(draws(n, d, 2 * k), draws(n, d, 2 * k + 1) + shift), n, seed=k, permutations=0).accuracy
        for k in range(20)
    ]
    expected = centroid_accuracy(d, distance, 42)
    assert abs(np.mean(accuracies) - expected) < 4 * np.sqrt(expected * (1 - expected) / 720)


def test_the_plain_classifiers_are_those_of_direct_formulas():
    a, b = draws(20, 100, 0), draws(30, 100, 1) + 0.4
    found = held_out_of(gram(a, b), 20, splits=1, seed=3)
    from sklearn.model_selection import train_test_split

    x, labels = np.concatenate([a, b]).astype(float), np.arange(50) >= 20
    train, test = train_test_split(np.arange(50), test_size=0.3, stratify=labels, random_state=3)
    means = [x[train][labels[train] == label].mean(0) for label in (False, True)]
    nearer = np.linalg.norm(x[test] - means[1], axis=1) < np.linalg.norm(x[test] - means[0], axis=1)
    assert found.centroids == (nearer == labels[test]).mean()
    assert 0.5 < found.pairs < 1
    assert found.machine == separability(gram(a, b), 20, seed=3, permutations=0).accuracy


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pair_accuracy(0, 1.0), "d: got 0"),
        (lambda: pair_accuracy(10, -1.0), "distance: got -1.0"),
        (lambda: distance_for_pairs(10, 1.0), "accuracy: got 1.0"),
        (lambda: moments_of(gram(draws(9, 5, 0)), 2), "n_a: got 2, expected an integer from 4 to 5"),
        (lambda: held_out_of(gram(draws(9, 5, 0)), 4, splits=0), "splits: got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
