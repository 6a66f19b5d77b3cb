"""Eigenvalues of a covariance: numpy's, and those of white noise by Marchenko and Pastur, Tracy and Widom."""

import numpy as np
import pytest
from scipy import integrate

from ood_helpers.latents.geometry import geometry
from ood_helpers.latents.gram import gram
from ood_helpers.latents.spectrum import (
    TRACY_WIDOM,
    covariance_eigenvalues,
    effective_dimension,
    largest_eigenvalue_law,
    marchenko_pastur,
    power_spectrum,
)
from ood_helpers.theory.null import gaussian_geometry


def draws(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(20, 60), (50, 12)])
def test_eigenvalues_are_those_of_the_sample_covariance(n, d):
    x = draws(n, d) * np.linspace(0.5, 2, d, dtype=np.float32) + 3
    expected = np.sort(np.linalg.eigvalsh(np.cov(x.T.astype(float))))[::-1][: min(n - 1, d)]
    np.testing.assert_allclose(covariance_eigenvalues(x), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(covariance_eigenvalues(gram(x)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n", "d"), [(41, 2000), (201, 40)])
def test_the_density_is_one_in_all_and_has_the_mean_of_the_eigenvalues(n, d):
    """All eigenvalues together are the trace, variance * d on average."""
    law = marchenko_pastur(n, d, 0.7)
    total = integrate.quad(law.density, law.low, law.high)[0]
    mean = integrate.quad(lambda x: x * law.density(x), law.low, law.high)[0]
    assert total == pytest.approx(1, rel=1e-4)
    assert mean * min(n - 1, d) == pytest.approx(0.7 * d, rel=1e-4)
    assert law.density(law.high + 1) == 0


def test_eigenvalues_of_white_noise_fill_the_interval():
    law, found = marchenko_pastur(200, 4000), covariance_eigenvalues(draws(200, 4000))
    assert law.low * 0.98 < found.min() and found.max() < law.high * 1.02
    middle = (found > np.quantile(found, 0.25)) & (found < np.quantile(found, 0.75))
    low, high = found[middle].min(), found[middle].max()
    assert integrate.quad(law.density, low, high)[0] == pytest.approx(0.5, abs=0.03)


def test_the_largest_eigenvalue_scatters_by_tracy_and_widoms_law():
    """300 clouds: alarms at 10 % number 30 +- 5.2, outside [12, 50] with probability 4e-4; mean within 5 errors."""
    law = largest_eigenvalue_law(30, 1000)
    found = np.array([covariance_eigenvalues(draws(30, 1000, seed))[0] for seed in range(300)])
    assert 12 <= (law.sf(found) < 0.1).sum() <= 50
    assert abs(found.mean() - law.mean()) < 5 * law.std() / np.sqrt(300)


def test_the_gamma_law_has_the_known_moments_of_tracy_and_widom():
    """Mean, variance, skewness of the law of order 1: Bornemann (2010), Table 10."""
    mean, variance, skewness = (float(value) for value in TRACY_WIDOM.stats("mvs"))
    assert (mean, variance, skewness) == pytest.approx((-1.2065336, 1.6077810, 0.2934645), rel=2e-3)


def test_the_effective_dimension_counts_directions_of_equal_strength():
    """30 strong directions among 2,000 weak ones; 40 clouds of 50 points, mean within 4 standard errors."""
    scale = np.full(2000, 0.1, np.float32)
    scale[:30] = 3
    true = np.square(scale).sum() ** 2 / (scale**4).sum()
    found = np.array([effective_dimension(draws(50, 2000, seed) * scale) for seed in range(40)])
    assert abs(found.mean() - true) < 4 * found.std() / np.sqrt(40) + 0.02 * true
    assert effective_dimension(draws(60, 2000)) == pytest.approx(2000, rel=0.1)


def test_angles_scatter_as_the_effective_dimension_says():
    scale = np.linspace(0.1, 3, 1000).astype(np.float32) ** 3
    cloud = draws(150, 1000) * scale
    expected = gaussian_geometry(round(effective_dimension(cloud))).origin_angle.std
    assert geometry(cloud).origin_angle.std == pytest.approx(expected, rel=0.1)


def test_white_noise_has_equal_power_at_all_frequencies():
    """Each ring averages thousands of modes; the smallest, of 12 modes in 90 fields, is known to 3 %."""
    frequency, power = power_spectrum(draws(90, 32 * 32).reshape(30, 3, 32, 32))
    np.testing.assert_allclose(power, 1, atol=0.15)
    assert (np.diff(frequency) > 0).all() and frequency[-1] < 0.5


def test_a_wave_has_its_power_at_its_frequency():
    wave = np.cos(2 * np.pi * 5 / 32 * np.arange(32)) * np.ones((1, 1, 32, 1))
    frequency, power = power_spectrum(wave.astype(np.float32))
    assert abs(frequency[power.argmax()] - 5 / 32) < 1 / 32
    assert power.max() > 100 * np.sort(power)[-2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: marchenko_pastur(2, 10), "n: got 2"),
        (lambda: marchenko_pastur(10, 10, -1.0), "variance: got -1.0"),
        (lambda: covariance_eigenvalues(draws(2, 5)), r"latents: got shape \(2, 5\)"),
        (lambda: marchenko_pastur(10, 0), "d: got 0"),
        (lambda: effective_dimension(draws(3, 5)), r"latents: got shape \(3, 5\)"),
        (lambda: power_spectrum(draws(3, 64)), r"latents: got shape \(3, 64\), expected \(n, C, H, H\)"),
        (lambda: power_spectrum(draws(3, 64).reshape(3, 1, 8, 8), bins=5), "bins: got 5"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
