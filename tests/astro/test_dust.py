"""Statistics of dust maps: fields with a known spectrum, planted stars and bubbles, random places."""

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers import dust_maps
from ood_helpers.astro.dust import around, clark_evans, dust_statistics, find_stars, power_of_rings, spectral_slope

pytest.importorskip("photutils")


def gaussian_fields(slope, n=40, size=64, seed=0):
    """Gaussian fields with power ``|k|**slope`` that do not wrap around: pieces of fields three times as large."""
    rng = np.random.default_rng(seed)
    large = 3 * size
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(large), np.fft.fftfreq(large)))
    k[0, 0] = np.inf
    white = np.fft.fft2(rng.standard_normal((n, large, large)))
    return np.fft.ifft2(white * k ** (slope / 2)).real[:, :size, :size]


@pytest.mark.parametrize("slope", [-1.0, -2.0, -3.0])
def test_the_slope_of_a_known_field_comes_out(slope):
    """Mean of 40 fields; the window's leakage flattens steep spectra by less than a tenth."""
    found = spectral_slope(gaussian_fields(slope))
    assert found.mean() == pytest.approx(slope, abs=0.1)
    assert found.std() < 0.25


def test_the_slope_does_not_depend_on_unit_or_background():
    fields = gaussian_fields(-2.0, 4)
    np.testing.assert_allclose(spectral_slope(7 * fields + 100), spectral_slope(fields), rtol=1e-6)


def test_a_wave_has_its_power_at_its_wave_number():
    x = np.arange(64) / 64
    k, power = power_of_rings(np.cos(2 * np.pi * 9 * x)[None, None, :] * np.ones((1, 64, 1)))
    assert k[power[0].argmax()] == 9


def star_field(places, size=64, noise=0.02, seed=0, width=0.055):
    x = (np.arange(size) + 0.5) / size * 2 - 1
    band = noise * np.random.default_rng(seed).standard_normal((size, size))
    for column, row in places:
        band += (1 + ((x - column) ** 2 + (x[:, None] - row) ** 2) / width**2) ** -2.5
    return band


def test_planted_stars_are_found_where_they_are():
    places = np.array([[-0.5, -0.6], [0.3, 0.1], [0.7, 0.75], [-0.2, 0.55]])
    found = find_stars(star_field(places))
    pixels = (places + 1) * 32 - 0.5
    assert len(found) == 4
    nearest = np.linalg.norm(found[:, None] - pixels, axis=2).min(0)
    assert (nearest < 0.5).all()


def test_noise_holds_hardly_a_star():
    """Above five times the scatter, in 30 maps of 4,096 pixels."""
    counts = [len(find_stars(star_field([], seed=seed))) for seed in range(30)]
    assert np.mean(counts) < 0.2


def test_random_places_have_index_one_and_clusters_less():
    rng = np.random.default_rng(0)
    for n in (3, 6, 12):
        assert np.mean([clark_evans(rng.uniform(0, 64, (n, 2)), 64) for _ in range(800)]) == pytest.approx(1, abs=0.05)
    cluster = [clark_evans(32 + 3 * rng.standard_normal((6, 2)), 64) for _ in range(50)]
    assert max(cluster) < 0.5
    assert np.isnan(clark_evans(np.zeros((1, 2)), 64))


def test_a_ring_is_measured_in_decades():
    log = np.zeros((64, 64))
    row, column = np.indices(log.shape)
    radius = np.hypot(row - 30, column - 32) / 64
    log[(radius >= 0.08) & (radius < 0.22)] = 0.7
    assert around(log, np.array([[32.0, 30.0]]), (0.08, 0.22)) == pytest.approx(0.7)
    assert around(log, np.array([[32.0, 30.0]]), (0.03, 0.06)) == pytest.approx(0.0)
    assert np.isnan(around(log, np.empty((0, 2)), (0.08, 0.22)))


def radiation(n=40, seed=5):
    return torch.from_numpy(dust_maps(range(n), 64, seed))


def test_drawn_fields_have_the_physics_that_was_drawn():
    """Rims are warm, cavities cold, sources clustered."""
    found = dust_statistics(radiation())
    assert found["warm rim"].median() > 0.2 and found["cavity"].median() < -0.1
    assert found["clustering"].median() < 0.8
    assert found["slope 250"].between(-4.5, -1).all()


def test_stars_of_drawn_fields_are_found_unless_they_touch():
    """Nine of ten sources lie within 1.5 pixels of a star; of stars farther than 6 pixels from any other, four in five
    are found."""
    flux, labels = dust_maps(range(60), 64, 5), ood.domain_parameters("radiation", 60, 5)
    true, alone, seen = [], 0, 0
    for k in range(60):
        count = labels["stars"][k]
        stars = (np.stack([labels["star_x"][k], labels["star_y"][k]], 1)[:count] + 1) * 32 - 0.5
        stars = stars[((stars > 3) & (stars < 60)).all(1)]
        found = find_stars(flux[k, 2])
        if not len(found) or len(stars) < 2:
            continue
        distance = np.linalg.norm(found[:, None] - stars, axis=2)
        true += list(distance.min(1) < 1.5)
        apart = np.linalg.norm(stars[:, None] - stars, axis=2) + 99 * np.eye(len(stars))
        single = apart.min(1) > 6
        alone, seen = alone + single.sum(), seen + (distance.min(0)[single] < 1.5).sum()
    assert np.mean(true) > 0.9 and alone > 20 and seen / alone > 0.8


def test_colors_and_brightness_follow_the_unit():
    flux = radiation(12)
    found, other = dust_statistics(flux), dust_statistics(flux * torch.tensor([1.0, 10.0, 100.0])[:, None, None])
    shift = {"color 24/250": 1, "color 4.5/24": 1, "brightness 24": 1, "brightness 4.5": 2, "flux 24": 1, "flux 4.5": 2}
    for column in found:
        expected = found[column] + shift.get(column, 0)
        np.testing.assert_allclose(other[column], expected, rtol=1e-4, atol=1e-4, err_msg=column)


def test_black_places_take_half_of_the_flux_and_more_of_the_mean_of_logarithms():
    """Half a map of ones is black: half of the flux is gone, each black pixel counts as 0.00075 (all maps: 0.75)."""
    maps = torch.ones(2, 3, 32, 32)
    maps[1, :, :16] = 0
    found = dust_statistics(maps).iloc[1]
    assert found["flux 24"] == pytest.approx(np.log10(0.5))
    assert found["brightness 24"] == pytest.approx(np.log10(0.00075) / 2)


def test_bad_maps_are_refused():
    with pytest.raises(ValueError, match=r"flux: got shape \(2, 3, 16, 16\)"):
        dust_statistics(torch.ones(2, 3, 16, 16))
    with pytest.raises(ValueError, match="NaN"):
        dust_statistics(torch.full((2, 3, 64, 64), float("nan")))
