"""Properties D.1 and D.5, Lemmas D.2 to D.4: exact probabilities against integrals and draws, and below the bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from ood_helpers.theory.concentration import (
    ball_above,
    ball_outside_shell,
    fitted_std_law,
    gaussian_outside_annulus,
    not_orthogonal,
    spherical_fit,
)

DIMENSIONS = st.integers(1, 10**6)
SIZES = st.floats(1e-3, 30)
ROUNDING = 1 + 1e-9
TINY = 1e-300  # below it probabilities lose their digits


@given(DIMENSIONS.filter(lambda d: d > 1), SIZES)
def test_lemma_d2_holds_in_every_dimension(d, c):
    tail = ball_above(d, c)
    assert tail.exact <= ROUNDING * tail.normal + TINY
    assert tail.normal <= ROUNDING * tail.bound + TINY


@given(DIMENSIONS, SIZES)
def test_lemma_d3_holds_in_every_dimension(d, c):
    tail = gaussian_outside_annulus(d, c)
    assert tail.exact <= ROUNDING * tail.normal + TINY
    assert tail.normal <= ROUNDING * tail.bound + TINY


@given(DIMENSIONS.filter(lambda d: d > 3), st.floats(0, 90))
def test_random_directions_are_nearly_orthogonal_in_every_dimension(d, degrees):
    tail = not_orthogonal(d, degrees)
    assert tail.exact <= ROUNDING * tail.normal + TINY
    assert tail.exact <= ROUNDING * tail.bound + TINY


@given(DIMENSIONS, st.floats(0, 1))
def test_little_of_a_ball_lies_below_its_surface(d, width):
    tail = ball_outside_shell(d, width)
    assert tail.exact <= ROUNDING * tail.bound + TINY


@pytest.mark.parametrize("d", [2, 3, 10, 50])
@pytest.mark.parametrize("c", [0.3, 1.0, 2.0])
def test_the_part_of_a_ball_above_a_plane_is_the_integral_of_its_slices(d, c):
    """The slice at x_1 is a ball of dimension d - 1 and radius sqrt(1 - x_1^2)."""

    def slices(x):
        return (1 - x * x) ** ((d - 1) / 2)

    height = min(c / np.sqrt(d - 1), 1)
    above, half = (integrate.quad(slices, low, 1)[0] for low in (height, 0))
    assert ball_above(d, c).exact == pytest.approx(above / half, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 7, 100])
@pytest.mark.parametrize("c", [0.5, 1.5, 3.0])
def test_the_mass_outside_an_annulus_is_the_integral_of_the_radial_density(d, c):
    """The density of the radius is proportional to r^(d - 1) exp(-r^2 / 2), the paper's g(r)."""
    mode = np.sqrt(d - 1)

    def density(r):
        return np.exp((d - 1) * np.log(r / max(mode, 1)) - (r**2 - mode**2) / 2) if r > 0 else float(d == 1)

    inside = integrate.quad(density, max(mode - c, 0), mode + c, epsabs=1e-13)[0]
    whole = integrate.quad(density, max(mode - 12, 0), mode + 12, epsabs=1e-13, limit=200)[0]
    assert gaussian_outside_annulus(d, c).exact == pytest.approx(1 - inside / whole, abs=1e-9)


def test_draws_agree_with_the_exact_probabilities():
    """40,000 draws in 20 dimensions: each share within 5 standard errors."""
    rng, n, d = np.random.default_rng(0), 40_000, 20
    x = rng.standard_normal((n, d))
    radius = np.linalg.norm(x, axis=1)
    in_ball = x[:, 0] / radius * rng.random(n) ** (1 / d)  # first coordinate of a uniform point of the ball
    cosine = np.einsum("ij,ij->i", x[::2], x[1::2]) / (radius[::2] * radius[1::2])
    for seen, exact in (
        (abs(in_ball) > 1.2 / np.sqrt(d - 1), ball_above(d, 1.2).exact),
        (abs(radius - np.sqrt(d - 1)) > 1, gaussian_outside_annulus(d, 1.0).exact),
        (abs(np.degrees(np.arccos(cosine)) - 90) > 15, not_orthogonal(d, 15.0).exact),
    ):
        assert abs(seen.mean() - exact) < 5 * np.sqrt(exact * (1 - exact) / len(seen))


def test_in_many_dimensions_the_radius_scatters_by_one_over_root_two_whatever_the_dimension():
    for d in (10**3, 10**5, 10**7):
        assert gaussian_outside_annulus(d, 1.0).exact == pytest.approx(2 * stats.norm.sf(np.sqrt(2)), rel=0.03)


def test_the_papers_bound_says_nothing_for_small_annuli():
    assert gaussian_outside_annulus(100, 1.5).bound > 1 > gaussian_outside_annulus(100, 1.52).bound


def test_lemma_d4_the_fit_is_where_an_optimizer_finds_the_largest_likelihood():
    x = np.random.default_rng(1).standard_normal((12, 3)) * 2 + 1

    def loss(parameters):
        *mean, log_std = parameters
        return np.square(x - mean).sum() / (2 * np.exp(2 * log_std)) + x.size * log_std

    best = optimize.minimize(loss, np.zeros(4), method="BFGS").x
    fit = spherical_fit(x.astype(np.float32))
    np.testing.assert_allclose(fit.mean, best[:3], atol=1e-5)
    assert fit.std == pytest.approx(np.exp(best[3]), rel=1e-5)


def test_the_fitted_deviation_follows_its_exact_law():
    """500 fits of 5 points: Kolmogorov-Smirnov p-value above 1e-3 (seed fixed)."""
    rng, n, d = np.random.default_rng(2), 5, 30
    fits = [spherical_fit(rng.standard_normal((n, d)).astype(np.float32)).std for _ in range(500)]
    law = fitted_std_law(n, d)
    assert stats.kstest(fits, law.cdf).pvalue > 1e-3
    assert law.mean() == pytest.approx(np.sqrt(1 - 1 / n), abs=0.002)  # too small by sqrt(1 - 1 / n)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ball_above(1, 1.0), ValueError, "d: got 1"),
        (lambda: ball_above(2.5, 1.0), TypeError, "d: got"),
        (lambda: gaussian_outside_annulus(10, 0.0), ValueError, "c: got 0.0, expected finite numbers above 0"),
        (lambda: not_orthogonal(10, 91.0), ValueError, "degrees: got 91.0, expected finite numbers from 0 to 90"),
        (lambda: ball_outside_shell(10, np.nan), ValueError, "width: got nan"),
        (lambda: spherical_fit(np.ones((1, 3), np.float32)), ValueError, r"latents: got shape \(1, 3\)"),
        (lambda: spherical_fit(np.full((4, 3), np.inf, np.float32)), ValueError, "NaN or infinity"),
        (lambda: fitted_std_law(1, 3), ValueError, "n: got 1"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
