"""Centers and linear classifiers, against direct formulas, scikit-learn on the raw points, and known nulls."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from ood_helpers.latents.gram import gram
from ood_helpers.latents.separability import center_distance, separability, wilson_interval


def cloud(n, d, shift=0.0, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def test_center_distance_is_that_of_the_sample_means():
    a, b = cloud(30, 200), cloud(20, 200, 0.3, seed=1)
    found = center_distance(a, b)
    x, y = a.double().numpy(), b.double().numpy()
    plug_in = np.linalg.norm(x.mean(0) - y.mean(0))
    floor = x.var(0, ddof=1).sum() / 30 + y.var(0, ddof=1).sum() / 20
    assert found.plug_in == pytest.approx(plug_in, rel=1e-6)
    assert found.noise_floor == pytest.approx(np.sqrt(floor), rel=1e-6)
    assert found.squared == pytest.approx(plug_in**2 - floor, rel=1e-5)
    assert found.threshold == 200**0.25
    assert center_distance(gram(a, b), 30) == found


def test_two_samples_of_one_gaussian_show_the_noise_floor_and_nothing_else():
    """E|m_a - m_b|^2 = 2 d / n; over 200 repetitions the unbiased estimate averages to 0 within 4 standard errors."""
    d, n = 400, 25
    found = [center_distance(cloud(n, d, seed=2 * k), cloud(n, d, seed=2 * k + 1)) for k in range(200)]
    squared = np.array([f.squared for f in found])
    assert abs(squared.mean()) < 4 * squared.std() / np.sqrt(200)
    assert np.mean([f.noise_floor**2 for f in found]) == pytest.approx(2 * d / n, rel=0.01)
    assert np.mean([f.plug_in**2 for f in found]) == pytest.approx(2 * d / n, rel=0.05)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_standard_error_is_the_scatter_over_repetitions(shift):
    found = [center_distance(cloud(25, 300, seed=2 * k), cloud(25, 300, shift, seed=2 * k + 1)) for k in range(300)]
    scatter = np.std([f.squared for f in found])
    # a scatter of 300 is known to 4 %
    assert np.sqrt(np.mean([f.squared_error**2 for f in found])) == pytest.approx(scatter, rel=0.15)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.2])
def test_the_precomputed_kernel_decides_as_a_linear_machine_on_the_points(shift):
    a, b = cloud(60, 500), cloud(40, 500, shift, seed=1)
    points, labels = torch.cat([a, b]).double().numpy() / np.sqrt(500), np.repeat([0, 1], [60, 40])
    train, test = train_test_split(np.arange(100), test_size=0.3, stratify=labels, random_state=0)
    machine = SVC(kernel="linear", C=1.0).fit(points[train], labels[train])
    found = separability(a, b, permutations=0)
    assert found.accuracy == machine.score(points[test], labels[test])
    assert found.training_accuracy == machine.score(points[train], labels[train])


def test_a_hard_margin_does_not_depend_on_the_scale():
    a, b = cloud(60, 400), cloud(60, 400, 0.2, seed=1)
    hard = [separability(s * a, s * b, permutations=0, C=1e6).accuracy for s in (0.1, 1.0, 10.0)]
    assert len(set(hard)) == 1


def test_far_clouds_are_told_apart_and_equal_ones_are_not():
    far = separability(cloud(100, 300), cloud(100, 300, 0.5, seed=1))
    same = separability(cloud(100, 300), cloud(100, 300, seed=1))
    assert far.accuracy == 1 and far.p_value == 0.01
    # 60 held-out points: 0.5 within 4 standard deviations of 0.065
    assert abs(same.accuracy - 0.5) < 0.26 and abs(same.null.mean() - 0.5) < 0.06
    assert same.training_accuracy > 0.9  # with d > n it says nothing


@pytest.mark.parametrize("count", [0, 3, 10])
def test_the_interval_solves_wilsons_equation(count):
    """Its ends are the probabilities p from which count / n lies 1.96 standard errors sqrt(p (1 - p) / n) away."""
    for p, outside in zip(wilson_interval(count, 10), (count == 0, count == 10), strict=True):
        assert abs(count / 10 - p) == pytest.approx(0 if outside else 1.959964 * np.sqrt(p * (1 - p) / 10), abs=1e-6)


def test_the_interval_holds_the_accuracy_on_new_points_as_often_as_it_says():
    """80 machines, each asked about 4,000 more points: 76 intervals expected, 70 at least (fewer: 2 in 1,000)."""
    from sklearn.model_selection import train_test_split

    rng = np.random.default_rng(0)
    held, shift = 0, np.full(20, 0.2, np.float32)
    draw = lambda n: rng.standard_normal((n, 20)).astype(np.float32)  # noqa: E731
    for seed in range(80):
        points, labels = np.concatenate([draw(40), draw(40) + shift]), np.repeat([0, 1], 40)
        found = separability(points[:40], points[40:], seed=seed, permutations=0)
        train, _ = train_test_split(np.arange(80), test_size=0.3, stratify=labels, random_state=seed)
        machine = SVC(kernel="linear").fit(points[train] / np.sqrt(20), labels[train])
        fresh = np.concatenate([draw(2000), draw(2000) + shift]) / np.sqrt(20)
        held += found.low <= machine.score(fresh, np.repeat([0, 1], 2000)) <= found.high
    assert 70 <= held


def test_p_values_are_uniform_for_equal_clouds():
    """At a level of 10 %, 100 repetitions reject 10 +- 3 times; 22 or more with probability 2e-4 (seeds fixed)."""
    rejections = sum(
        separability(cloud(20, 50, seed=2 * k), cloud(20, 50, seed=2 * k + 1), seed=k, permutations=19).p_value <= 0.1
        for k in range(100)
    )
    assert rejections < 22


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: center_distance(cloud(2, 5), cloud(9, 5)), r"a: got shape \(2, 5\)"),
        (lambda: center_distance(cloud(9, 5), cloud(9, 6)), "got d = 6, expected 5"),
        (lambda: separability(cloud(9, 5), cloud(2, 5)), r"b: got shape \(2, 5\)"),
        (lambda: separability(cloud(9, 5), cloud(9, 5), test_size=1.0), "test_size: got 1.0"),
        (lambda: separability(gram(cloud(9, 5)), 6), "b: got 6, expected an integer from 4 to 5"),
        (lambda: separability(cloud(9, 5), cloud(9, 5), permutations=-1), "permutations: got -1"),
        (lambda: separability(cloud(9, 5), cloud(9, 5), C=0), "C: got 0, expected a finite number above 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
