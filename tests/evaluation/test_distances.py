"""Distances of sets of images: closed forms, known nulls, and the numbers' own uncertainty."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from torch import nn

import ood_helpers as ood
from ood_helpers.evaluation.distances import features_of
from ood_helpers.evaluation.scorer import load_scorer

PIXELS = nn.Flatten()


def clouds(n, seed, d=6):
    """Two Gaussian samples with different means and covariances, as features."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n, d))
    return torch.from_numpy(a @ rng.normal(size=(d, d))), torch.from_numpy(b @ rng.normal(size=(d, d)) + 1)


def test_frechet_is_the_formula_on_sample_moments():
    a, b = clouds(50, 0)
    m, s = (x.mean(0).numpy() for x in (a, b)), [np.cov(x.numpy().T) for x in (a, b)]
    expected = np.sum(np.subtract(*m) ** 2) + np.trace(s[0] + s[1] - 2 * linalg.sqrtm(s[0] @ s[1]).real)
    assert ood.frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_frechet_approaches_the_closed_form_of_two_gaussians():
    """N(0, 1) and N(1, 4) in each of 12 pixels: 12 (1 + (2 - 1)^2) = 24, within 3 % at 20,000 draws."""
    draw = torch.randn(2, 20_000, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a, b = draw[0] / 10, (1 + 2 * draw[1]) / 10  # a tenth, so that nothing is cut off at -1 or 1
    assert 100 * ood.frechet_distance(a, b, PIXELS) == pytest.approx(24, rel=0.03)


def test_kernel_distance_is_the_unbiased_estimate_over_all_pairs():
    a, b = clouds(9, 1)
    within = [[(1 + x @ y / 6) ** 3 for i, x in enumerate(z) for j, y in enumerate(z) if i != j] for z in (a, b)]
    across = [(1 + x @ y / 6) ** 3 for x in a for y in b]
    expected = np.mean(within[0]) + np.mean(within[1]) - 2 * np.mean(across)
    assert ood.kernel_distance(a, b, subset_size=9).value == pytest.approx(expected, rel=1e-8)


def test_of_one_distribution_the_kernel_distance_is_zero_and_the_frechet_distance_is_not():
    """200 pairs of samples: the mean is zero within 4 of its standard errors (error rate 6e-5)."""
    draws = torch.randn(200, 2, 24, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = np.array([ood.kernel_distance(a, b, subset_size=24).value for a, b in draws])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(200)
    few, many = (ood.frechet_distance(*draws[:k, :, :].transpose(0, 1).reshape(2, -1, 8)) for k in (1, 40))
    assert few > 10 * many > 0


def test_its_error_is_about_the_scatter_of_repeated_samples():
    """Between two different clouds; the ratio of two standard deviations of 60 numbers is known to 10 %."""
    pairs = [clouds(60, 0)] + [
        tuple(c[torch.randperm(6000, generator=torch.Generator().manual_seed(k))[:60]] for c in clouds(6000, 0))
        for k in range(60)
    ]
    found = [ood.kernel_distance(a, b) for a, b in pairs[1:]]
    scatter, told = np.std([k.value for k in found]), np.mean([k.error for k in found])
    assert 0.6 < told / scatter < 1.6


def resampled_distance(kernel, i, j):
    """The estimate from a matrix of kernels; a pair of an image with itself is left out."""
    within = [kernel[k][:, k][k[:, None] != k].mean() for k in (i, j)]
    return float(sum(within) - 2 * kernel[i][:, j].mean())


@pytest.mark.parametrize("larger", [24, 96])
@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_its_error_is_no_smaller_than_a_bootstrap_s_and_covers_the_true_distance(shift, larger):
    """Two errors have to cover the truth in 95 % of cases: of 60, at most 8 miss it (error rate 0.4 %).

    The truth is the distance of two sets of 2,000. The mean of 60 errors is known to 3 %.
    """
    rng = np.random.default_rng(5)
    mix = rng.normal(size=(16, 16)) / 4

    def pair(n, m):
        a, b = (torch.from_numpy(rng.normal(size=(k, 16)) @ mix + s) for k, s in ((n, shift), (m, 0)))
        both = torch.cat([a, b])
        return a, b, (both @ both.T / 16 + 1) ** 3

    *_, kernel = pair(2000, 2000)
    truth = resampled_distance(kernel, torch.arange(2000), torch.arange(2000, 4000)) if shift else 0.0
    stream, missed, told, bootstrap = torch.Generator().manual_seed(0), 0, [], []
    for _ in range(60):
        a, b, kernel = pair(24, larger)
        found = ood.kernel_distance(a, b)
        draws = [
            resampled_distance(
                kernel, *(start + torch.randint(n, (n,), generator=stream) for start, n in ((0, 24), (24, larger)))
            )
            for _ in range(60)
        ]
        missed += abs(found.value - truth) > 2 * found.error
        told.append(found.error)
        bootstrap.append(np.std(draws))
    assert missed <= 8
    assert np.mean(told) > 0.97 * np.mean(bootstrap)


def test_drawn_domains_are_nearer_to_themselves_than_to_each_other():
    names = ("dog", "cat", "church", "galaxy")
    first, second = ({name: features_of(ood.load_domain(name, 64, 64, seed)) for name in names} for seed in (31, 32))
    for one in names:
        own = ood.kernel_distance(first[one], second[one])
        assert abs(own.value) < 5 * own.error
        for other in names:
            if other != one:
                assert ood.kernel_distance(first[one], second[other]).value > 20 * own.error
                assert ood.frechet_distance(first[one], second[other]) > 3 * ood.frechet_distance(
                    first[one], second[one]
                )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_both_are_symmetric_and_blind_to_order(seed):
    a, b = clouds(12, seed)
    shuffled = a[torch.randperm(12, generator=torch.Generator().manual_seed(seed))]
    for distance in (ood.frechet_distance, lambda x, y: ood.kernel_distance(x, y, subset_size=12).value):
        assert distance(a, b) == pytest.approx(distance(b, shuffled), rel=1e-6, abs=1e-9)
    assert ood.frechet_distance(a, shuffled) == pytest.approx(0, abs=1e-6)


def test_the_same_seed_gives_the_same_and_torch_s_stream_stays_as_it_was():
    a, b = clouds(20, 3)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert ood.kernel_distance(a, b, seed=1) == ood.kernel_distance(a, b, seed=1) != ood.kernel_distance(a, b, seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_features_are_the_scorer_s_unless_a_network_is_given():
    images = ood.load_domain("cat", 5, 64, 1)
    expected, close = load_scorer().features(images).double(), {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(features_of(images, batch_size=5), expected, **close)
    torch.testing.assert_close(features_of(images, batch_size=2), expected, **close)
    assert features_of(images, PIXELS).shape == (5, 3 * 64 * 64)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(1, 4), torch.zeros(5, 4), "a: got 1, expected at least"),
        (torch.zeros(5, 4), torch.zeros(5, 3), "b: got 3 features, expected those of a, 4"),
        (torch.zeros(5, 4), torch.full((5, 4), torch.nan), "b: holds NaN"),
        (torch.zeros(5, 3, 8, 8) / 0, torch.zeros(5, 3, 8, 8), "a: holds NaN"),
    ],
)
def test_bad_input_is_named(a, b, message):
    for distance in (ood.frechet_distance, ood.kernel_distance):
        with pytest.raises(ValueError, match=message):
            distance(a, b)


def test_a_subset_cannot_exceed_its_set_and_features_are_rows():
    with pytest.raises(ValueError, match="subset_size: got 9"):
        ood.kernel_distance(torch.zeros(8, 4), torch.zeros(8, 4), subset_size=9)
    with pytest.raises(ValueError, match=r"network: returned shape \(4, 3, 8, 8\)"):
        ood.frechet_distance(torch.zeros(4, 3, 8, 8), torch.zeros(4, 3, 8, 8), nn.Identity())
