"""Morphology: profiles with known numbers, spirals with known arms, drawn galaxies with labels."""

import numpy as np
import pytest
import torch
from scipy import optimize, special

import ood_helpers as ood
from ood_helpers.astro.bands import Stretch, to_images
from ood_helpers.astro.galaxies import ARMS, LIGHT, NOTHING, brightness, morphology
from ood_helpers.domains import skies
from ood_helpers.evaluation.scorer import GALAXIES

SEED = 77
ELLIPTICAL, CLOCKWISE, ANTICLOCKWISE, EDGE_ON, STAR, MERGER = range(6)


def grid(size, oversample=1):
    """Coordinates from the center in pixels, ``(size * oversample,) * 2``."""
    k = (np.arange(size * oversample) + 0.5) / oversample - size / 2
    return k[None, :], k[:, None]


def binned(fine, oversample):
    return fine.reshape(len(fine) // oversample, oversample, -1, oversample).mean((1, 3))


def sersic(index, radius, size=129, axis_ratio=1.0, angle=0.4):
    """A Sersic profile averaged over pixels; ``radius`` is the half-light semi-major axis in pixels."""
    x, y = grid(size, 9)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    r = np.hypot(u, v / axis_ratio) / radius
    b = special.gammaincinv(2 * index, 0.5)
    return binned(np.exp(-b * (r ** (1 / index) - 1)), 9)[None]


def sersic_concentration(index):
    """``5 log10(r80 / r20)`` of the light within 1.5 Petrosian radii (eta = 0.2), by the incomplete gamma function."""
    b = special.gammaincinv(2 * index, 0.5)
    scale = 2 * index * b ** (-2 * index) * special.gamma(2 * index)  # of the light, in units of pi

    def growth(x):
        return special.gammainc(2 * index, b * x ** (1 / index))

    def eta(x):
        return np.exp(-b * x ** (1 / index)) * x**2 / (scale * growth(x))

    total = growth(1.5 * optimize.brentq(lambda x: eta(x) - 0.2, 0.5, 20))
    r20, r80 = ((special.gammaincinv(2 * index, f * total) / b) ** index for f in (0.2, 0.8))
    return 5 * np.log10(r80 / r20)


def spiral(arms, hand, pitch, size=64, axis_ratio=0.8, angle=0.5, phase=0.3):
    """An exponential disc with logarithmic arms, after the formula in `skies._arms`."""
    x, y = grid(size, 3)
    u, v = x * np.cos(angle) + y * np.sin(angle), (y * np.cos(angle) - x * np.sin(angle)) / axis_ratio
    r, theta = np.hypot(u, v), np.arctan2(v, u)
    crest = np.cos(arms * (theta + hand * np.log(r) / np.tan(pitch)) - phase)
    return binned(np.exp(-r / 5) * (1 + 0.6 * crest * np.clip(r / 3, 0, 1)), 3)[None]


@pytest.fixture(scope="module")
def labels():
    found = ood.domain_parameters("galaxy", 240, SEED)
    hand = np.select([found["kind"] == CLOCKWISE, found["kind"] == ANTICLOCKWISE], [1, -1])
    return found | {"hand": hand}


@pytest.fixture(scope="module")
def images():
    return ood.load_domain("galaxy", 240, 64, SEED)


@pytest.fixture(scope="module")
def measured(images):
    return morphology(brightness(images))


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize("arms", [2, 3, 4])
@pytest.mark.parametrize("pitch", [0.25, 0.4, 0.6])
def test_arms_hand_and_pitch_of_a_logarithmic_spiral_are_found(arms, hand, pitch):
    found = morphology(np.concatenate([spiral(arms, hand, pitch, axis_ratio=q) for q in (1.0, 0.8, 0.6)]))
    assert (found.arms == arms).all() and (found.hand == hand).all()
    np.testing.assert_allclose(found.pitch, pitch, rtol=0.1)


def test_a_mirror_turns_the_hand_and_nothing_else_and_a_rotation_nothing():
    noise = 0.003 * np.random.default_rng(0).standard_normal((6, 64, 64))
    maps = noise + np.concatenate([spiral(m, hand, 0.3) for m in (2, 3, 4) for hand in (1, -1)])
    found = morphology(maps)[list(ARMS)]
    for change, sign in ((np.fliplr, -1), (np.flipud, -1), (np.rot90, 1), (np.transpose, -1)):
        expected = found.assign(hand=sign * found.hand)
        changed = morphology(np.stack([change(light) for light in maps]))[list(ARMS)]
        np.testing.assert_allclose(changed, expected, rtol=1e-9)


def test_arms_and_hands_of_drawn_spirals_are_those_of_their_labels(labels, measured):
    """About 80 of 240 galaxies. If one in a hundred were wrong, this would fail with probability 0.01."""
    spirals = labels["hand"] != 0
    found = measured[spirals]
    right = (found.arms == labels["arms"][spirals]) & (found.hand == labels["hand"][spirals])
    assert right.mean() >= 0.95
    # their arms wind by log(r + 0.02), which is slower than log(r)
    ratio = found.pitch / labels["pitch"][spirals]
    assert 1.03 < ratio.mean() < 1.1 and ratio.std() < 0.04


def test_other_galaxies_have_no_arms_and_those_seen_edge_on_hide_them(labels, measured):
    found = measured
    others = (labels["hand"] == 0) & (labels["kind"] != EDGE_ON)
    assert (found.arms[others] > 0).mean() <= 0.02
    assert found.arms[labels["kind"] == EDGE_ON].isna().mean() >= 0.95
    assert (found.strength.dropna() <= 1).all() and (found.strength.dropna() >= 0).all()


def test_the_classifier_calls_the_hand_that_is_measured(images, measured):
    winding = (measured.hand != 0) & measured.hand.notna()
    called = ood.load_scorer(GALAXIES).probabilities(images).argmax(1).numpy()
    hand = np.array([0, 1, -1, 0, 0, 0])[called]
    assert winding.sum() > 60 and (hand == measured.hand)[winding].mean() >= 0.97


@pytest.mark.parametrize(
    ("index", "radius", "size"), [(0.5, 8, 129), (1, 8, 129), (2, 8, 129), (4, 16, 257)], ids=lambda value: str(value)
)
def test_the_concentration_of_a_sersic_profile_is_that_of_the_integral(index, radius, size):
    noise = 0.005 * np.random.default_rng(0).standard_normal((1, size, size))
    found = morphology(sersic(index, radius, size) + noise).iloc[0]
    assert found.concentration == pytest.approx(sersic_concentration(index), rel=0.015)
    assert found.asymmetry == pytest.approx(0, abs=0.01) and found.arms == 0 and found.flag == 0


def test_the_light_of_steeper_profiles_is_less_evenly_spread():
    noise = 0.005 * np.random.default_rng(0).standard_normal((1, 129, 129))
    found = morphology(np.concatenate([sersic(index, 8) for index in (0.5, 1, 2)]) + noise)
    assert found.gini.is_monotonic_increasing and found.m20.is_monotonic_decreasing


@pytest.mark.parametrize("axis_ratio", [0.9, 0.7, 0.5])
def test_the_ellipticity_of_a_disc_is_one_minus_its_axis_ratio(axis_ratio):
    found = morphology(sersic(1, 8, 129, axis_ratio)).iloc[0]
    assert found.ellipticity == pytest.approx(1 - axis_ratio, abs=0.01)


def test_drawn_galaxies_are_spread_as_their_kind_says(labels, measured):
    median = measured.groupby(labels["kind"]).median().T
    assert median.loc["concentration"].idxmax() == ELLIPTICAL
    assert median.loc["m20"].idxmax() == MERGER
    assert median.loc["ellipticity"].idxmax() == EDGE_ON
    assert abs(median.loc["asymmetry", ELLIPTICAL]) < 0.05 < median.loc["asymmetry", MERGER]
    own = labels["kind"] == ELLIPTICAL
    error = measured[own].ellipticity - (1 - labels["axis_ratio"][own])
    assert error.abs().median() < 0.05
    assert (measured.flag >= 2).mean() < 0.06


def test_another_source_is_masked():
    galaxy = spiral(2, 1, 0.4)
    star = np.zeros_like(galaxy)
    star[0, 5:9, 50:54] = 0.8
    noise = 0.003 * np.random.default_rng(0).standard_normal(galaxy.shape)
    alone, beside = morphology(galaxy + noise), morphology(galaxy + star + noise)
    np.testing.assert_allclose(beside[list(LIGHT)], alone[list(LIGHT)], atol=0.05)
    np.testing.assert_allclose(beside[list(ARMS)], alone[list(ARMS)], atol=0.02)


def test_what_cannot_be_measured_is_missing_and_flagged():
    noise = brightness(torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1))
    galaxy = spiral(2, 1, 0.4) + 0.003 * np.random.default_rng(0).standard_normal((1, 64, 64))
    table = morphology(np.concatenate([np.zeros((1, 64, 64)), np.ones((1, 64, 64)), noise, galaxy]))
    assert (table.flag[:2] == NOTHING).all() and (table.flag[:5] >= 2).all()
    assert table[:5][list(LIGHT)].isna().all(axis=None) and not (table.arms[:5] > 0).any()
    assert table.count()[list(LIGHT)].eq(1).all() and len(table) == 6


def test_brightness_is_what_the_stretch_was_given_and_a_saturated_core_is_lost():
    flux = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.1
    np.testing.assert_allclose(brightness(to_images(flux, Stretch((1, 1, 1)))), flux.mean(1), rtol=1e-4)
    picture = torch.from_numpy(2 * skies.stretch(round_galaxy()) - 1)
    noise = 0.001 * np.random.default_rng(0).standard_normal((1, 128, 128))
    true = morphology(round_galaxy().mean(1) + noise).iloc[0]
    seen = morphology(brightness(picture) + noise).iloc[0]
    assert true.flag == seen.flag == 0
    assert true.concentration - seen.concentration > 0.5


def round_galaxy(size=128):
    """An elliptical seen as a perfect circle, without noise, ``(1, 3, size, size)``."""
    seen = {"axis_ratio": np.float64(1), "angle": np.float64(0), "radius": np.float64(0.15)}
    x, y = (2 * k[None] / size for k in grid(size))
    return skies._elliptical(seen, x, y)


def test_a_perfectly_round_galaxy_without_noise_has_no_arms_and_no_number_that_is_called_bad():
    """No real galaxy is like that. Whether statmorph can measure it depends on the last digits of a processor; that
    what it calls bad is missing, does not."""
    found = morphology(round_galaxy().mean(1)).iloc[0]
    assert found.arms == found.hand == found.strength == 0
    assert found[list(LIGHT)].isna().all() == (found.flag >= 2) == found[list(LIGHT)].isna().any()


@pytest.mark.parametrize(("index", "fainter", "left"), [(1.5, 0.05, 0.012), (4, 0.065, 0.0015)])
def test_the_profile_of_drawn_galaxies_is_sersics_with_a_soft_core(index, fainter, left):
    """Its radius is enlarged by 0.02, and its ``b = 2 n - 1/3`` is 0.3 % too small at ``n = 1.5``.

    Outside of half the half-light radius it is therefore fainter, by at most 5 % (``n = 1.5``) or 6.5 % (``n = 4``).
    """
    galsim = pytest.importorskip("galsim")
    profile = galsim.Sersic(index, half_light_radius=1.0)
    r = np.linspace(0.5, 4, 40)
    exact, shifted = (np.array([profile.xValue(x, 0) for x in at]) / profile.xValue(1, 0) for at in (r, r + 0.02))
    ratio = skies._sersic(r, 1.0, index) / exact
    assert (ratio < 1).all() and (ratio > 1 - fainter).all()
    np.testing.assert_allclose(skies._sersic(r, 1.0, index), shifted, rtol=left)


@pytest.mark.parametrize(
    ("maps", "error", "message"),
    [
        (np.zeros((2, 64, 64), int), TypeError, "maps: got dtype int64, expected floating brightness"),
        ([[0.0]], TypeError, "maps: got list, expected"),
        (np.zeros((2, 3, 64, 64)), ValueError, r"maps: got shape \(2, 3, 64, 64\), expected \(n, H, W\)"),
        (np.zeros((2, 8, 8)), ValueError, r"expected \(n, H, W\) of at least 16 pixels"),
        (np.full((2, 64, 64), np.nan), ValueError, "maps: holds NaN"),
    ],
)
def test_bad_input_is_named(maps, error, message):
    with pytest.raises(error, match=message):
        morphology(maps)


def test_an_isophote_below_the_sky_is_refused():
    with pytest.raises(ValueError, match="isophote: got 0, expected a finite number above 0"):
        morphology(np.zeros((1, 64, 64)), isophote=0)
