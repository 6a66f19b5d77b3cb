"""The closed-form null of Table 3 against drawn clouds and exact laws, and the way back from the printed rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ood_helpers.latents.geometry import geometry
from ood_helpers.theory.null import center_noise, gaussian_geometry, spherical_reading

ROWS = ("pair_angle", "origin_angle", "pair_distance", "radius")


@pytest.mark.parametrize(("std", "mean_norm"), [(1.0, 0.0), (0.8, 20.0), (1.3, 60.0)])
def test_a_drawn_cloud_has_the_geometry_of_the_formulas(std, mean_norm):
    """300 points: means within 5 standard errors (that of the radius is the largest), spreads within 15 %."""
    n, d = 300, 1500
    mean = np.zeros(d)
    mean[3] = mean_norm
    found = geometry((mean + std * np.random.default_rng(4).standard_normal((n, d))).astype(np.float32))
    law = gaussian_geometry(d, std, mean_norm)
    for row in ROWS:
        seen, expected = getattr(found, row), getattr(law, row)
        assert abs(seen.mean - expected.mean) < 5 * expected.std * np.sqrt(2 / n), row
        assert seen.std == pytest.approx(expected.std, rel=0.15), row


@pytest.mark.parametrize("d", [100, 12_288])
def test_centered_clouds_have_the_exact_laws_up_to_one_over_d(d):
    law = gaussian_geometry(d)
    assert law.radius.mean == pytest.approx(stats.chi.mean(d), rel=1 / d**2)
    assert law.radius.std == pytest.approx(np.sqrt(0.5), rel=1e-9)
    assert law.pair_distance.mean == pytest.approx(np.sqrt(2) * stats.chi.mean(d), rel=1 / d**2)
    cosine_std = np.sqrt(stats.beta.mean(0.5, (d - 1) / 2))
    assert law.origin_angle.std == pytest.approx(np.degrees(cosine_std), rel=1 / d)


def test_the_papers_dimension_gives_its_familiar_numbers():
    law = gaussian_geometry(196_608)
    assert law.radius.mean == pytest.approx(443.405, abs=1e-3)
    assert law.pair_distance.mean == pytest.approx(627.07, abs=5e-3)
    assert law.origin_angle.mean == 90
    assert np.radians(law.origin_angle.std) == pytest.approx(0.002255, abs=1e-6)


@given(st.integers(50, 10**6), st.floats(0.1, 3), st.floats(0, 2))
def test_reading_two_rows_gives_the_gaussian_back(d, std, mean_over_std):
    law = gaussian_geometry(d, std, mean_over_std * std * np.sqrt(d))
    reading = spherical_reading(law.pair_distance.mean, law.origin_angle.mean, d)
    assert reading.std == pytest.approx(std, rel=1 / d)
    assert reading.radius == pytest.approx(law.radius.mean, rel=4 / d)


def test_the_noise_floor_of_equal_clouds_is_what_sample_means_differ_by():
    """Facts of the paper's dimension: 19.8 at 1,000 images each, 62.7 at 100."""
    assert center_noise(196_608, 1, 1, 1000, 1000) == pytest.approx(19.83, abs=0.01)
    assert center_noise(196_608, 1, 1, 100, 100) == pytest.approx(62.71, abs=0.01)
    rng, d = np.random.default_rng(5), 4000
    squares = [np.square(np.subtract(*rng.standard_normal((2, 10, d)).mean(1))).sum() for _ in range(3)]
    assert np.sqrt(np.mean(squares)) == pytest.approx(center_noise(d, 1, 1, 10, 10), rel=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_geometry(1), "d: got 1"),
        (lambda: gaussian_geometry(10, std=0.0), "std: got 0.0, expected a finite number above 0"),
        (lambda: gaussian_geometry(10, mean_norm=-1.0), "mean_norm: got -1.0, expected a finite number of at least 0"),
        (lambda: spherical_reading(600.0, 91.0, 10), "origin_angle: got 91.0"),
        (lambda: spherical_reading(0.0, 90.0, 10), "pair_distance: got 0.0"),
        (lambda: center_noise(10, 1.0, np.nan, 5, 5), "std_b: got nan"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
