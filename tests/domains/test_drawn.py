"""Drawn domains: the same seed draws the same pictures at every size, and the labels say what is in them."""

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.domains import canvas, skies
from ood_helpers.domains.drawn import CHUNK, DRAWN
from ood_helpers.domains.real import REAL

drawn = pytest.mark.parametrize("name", DRAWN)


def test_the_list_starts_with_the_training_domain_and_holds_every_name():
    assert ood.list_domains() == [*DRAWN, *REAL]
    assert ood.list_domains()[0] == "dog"


@pytest.mark.parametrize("name", ood.list_domains())
@pytest.mark.parametrize("size", [8, 33, 64])
def test_images_have_the_stated_shape_type_and_range(name, size):
    images = ood.load_domain(name, n=3, size=size)
    assert images.shape == (3, 3, size, size) and images.dtype == torch.float32 and images.is_contiguous()
    assert images.min() >= -1 and images.max() <= 1
    assert images.std() > 0.1


@pytest.mark.parametrize("name", ood.list_domains())
def test_more_images_extend_a_set_and_labels_go_with_them(name):
    n = CHUNK + 3
    many, few = ood.load_domain(name, n=n, size=32, seed=5), ood.load_domain(name, n=4, size=32, seed=5)
    assert torch.equal(many[:4], few)
    assert torch.equal(many[4:], ood.load_domain(name, n=n - 4, size=32, seed=5, start=4))
    labels, first = ood.domain_parameters(name, n=n, seed=5), ood.domain_parameters(name, n=4, seed=5)
    for key, values in labels.items():
        assert len(values) == n
        assert np.array_equal(values[:4], first[key])
        assert np.array_equal(values[7:9], ood.domain_parameters(name, n=2, seed=5, start=7)[key])


@drawn
def test_no_picture_comes_twice_within_or_between_seeds(name):
    pictures = torch.cat([ood.load_domain(name, n=20, size=32, seed=seed) for seed in (0, 1, 20_240_000)]).flatten(1)
    distances = torch.cdist(pictures, pictures, compute_mode="donot_use_mm_for_euclid_dist")
    assert (distances + torch.eye(60) * 100).min() > 0.5


@drawn
def test_a_large_picture_shows_what_a_small_one_shows(name):
    small, large = (ood.load_domain(name, n=12, size=size, seed=3) for size in (64, 128))
    pooled = torch.nn.functional.avg_pool2d(large, 2)
    assert (small - pooled).abs().mean() / 2 < 0.015


def state():
    return np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


@drawn
def test_drawing_leaves_the_global_random_state_alone(name):
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    before = state()
    ood.load_domain(name, n=2, size=16)
    assert state() == before


def test_a_painted_shape_covers_its_area_at_any_size():
    for size in (16, 64, 256):
        x, y = canvas.grid(size)
        sheet = canvas.Canvas(1, size)
        sheet.paint(canvas.disc(x, y, 0.1, -0.05, 0.6), canvas.WHITE)
        assert sheet.rgb[0, 0].mean() * 4 == pytest.approx(np.pi * 0.36, rel=0.01)
        sheet = canvas.Canvas(1, size)
        sheet.paint(canvas.polygon(x, y, [(-0.5, -0.5), (0.5, -0.5), (0.0, 0.5)]), canvas.WHITE)
        assert sheet.rgb[0, 0].mean() * 4 == pytest.approx(0.5, rel=0.03)


# --- labels against pictures -------------------------------------------------------------------------------


def test_a_sketch_outlines_the_dog_of_the_same_number():
    dogs, sketches = (ood.load_domain(name, n=20, size=64, seed=2) for name in ("dog", "sketch"))
    ink = sketches[:, 0, 20:52, 16:48] < -0.6
    dark = dogs.amax(1)[:, 20:52, 16:48] < -0.6  # the dog's own nose, pupils and mouth
    own, another = ((other & dark).sum() / dark.sum() for other in (ink, ink.roll(1, 0)))
    assert own > 0.3 and own > 1.5 * another


def test_bedrooms_at_night_are_darker():
    images, night = ood.load_domain("bedroom", n=60, size=32), ood.domain_parameters("bedroom", n=60)["night"]
    assert 0.05 < night.mean() < 0.5
    assert images[night].mean() < images[~night].mean() - 0.1


def test_a_church_tower_rises_where_the_label_says():
    images, labels = ood.load_domain("church", n=40, size=64), ood.domain_parameters("church", n=40)
    height = labels["tower_top"] + 0.25  # below the clock, above the door, beside the sky
    for image, x, y, wall in zip(images, labels["tower_x"], height, labels["wall"], strict=True):
        row, column = (int((value + 1) / 2 * 64) for value in (y + 0.1, x))
        assert np.abs((image[:, row, column].numpy() + 1) / 2 - wall * 0.93).max() < 0.12


def galaxies(kind, n=12, size=96, **changes):
    labels = ood.domain_parameters("galaxy", n=200, seed=4)
    rows = np.flatnonzero(labels["kind"] == kind)[:n]
    assert len(rows) == n
    planes = {key: values[rows] for key, values in labels.items()} | {
        key: np.full(n, value) for key, value in changes.items()
    }
    planes["star_flux"] = np.zeros_like(planes["star_flux"])
    return skies.draw_galaxy({k: v[:, None, None] if v.ndim == 1 else v for k, v in planes.items()}, size)


def winding(picture):
    """Sense of the strongest logarithmic spiral: +1 if the arms turn anticlockwise on the page on their way out."""
    size = picture.shape[-1]
    x, y = canvas.grid(size)
    r, theta = np.sqrt(x**2 + y**2)[0], np.arctan2(-y, x)[0]  # theta as seen on the page, y upward
    ring = (r > 0.12) & (r < 0.6)
    light = picture.mean(0) * r**2
    amplitude = {
        sense: max(
            np.abs((light * np.exp(1j * (m * theta - sense * p * np.log(np.maximum(r, 0.01)))))[ring].sum())
            for m in (2, 3)
            for p in (4, 6, 8)
        )
        for sense in (1, -1)
    }
    return max(amplitude, key=amplitude.get)


def test_spirals_wind_as_labeled():
    """Galaxy Zoo names the rotation of a galaxy that trails its arms: those of a clockwise one unwind anticlockwise."""
    for kind, sense in (("clockwise spiral", 1), ("anticlockwise spiral", -1)):
        pictures = galaxies(skies.GALAXY_KINDS.index(kind), axis_ratio=1.0, cx=0.0, cy=0.0)
        assert [winding(picture) for picture in pictures] == [sense] * len(pictures)


def test_kinds_of_galaxies_differ_in_shape_and_color():
    def elongation(pictures):
        x, y = canvas.grid(pictures.shape[-1])
        light = np.clip(pictures.mean(1) - 0.15, 0, 1)
        light /= light.sum((1, 2), keepdims=True)
        mx, my = (light * x).sum((1, 2)), (light * y).sum((1, 2))
        dx, dy = x - mx[:, None, None], y - my[:, None, None]
        moments = [[(light * a * b).sum((1, 2)) for b in (dx, dy)] for a in (dx, dy)]
        values = np.linalg.eigvalsh(np.array(moments).transpose(2, 0, 1))
        return np.sqrt(values[:, 0] / values[:, 1])

    shape = [np.median(elongation(galaxies(kind))) for kind in range(6)]
    assert shape[3] < 0.3 < min(shape[0], shape[1], shape[2], shape[4])
    redness = [np.median((p[:, 0] - p[:, 2]).mean((1, 2))) for p in map(galaxies, range(6))]
    assert redness[0] > 0 > max(redness[1], redness[2])


def test_every_kind_of_galaxy_is_equally_frequent():
    """Chi-squared over six classes, false alarm 1e-4 (25.7 at 5 degrees of freedom)."""
    counts = np.bincount(ood.domain_parameters("galaxy", n=600, seed=9)["kind"], minlength=6)
    assert len(counts) == 6 and ((counts - 100) ** 2 / 100).sum() < 25.7


def test_bubbles_have_warm_rims_and_blown_out_insides():
    images, labels = (ood.load_domain("radiation", 80, 64) + 1) / 2, ood.domain_parameters("radiation", 80)
    x, y = (plane[0] for plane in canvas.grid(64))
    rims, outside, cavities = [], [], []
    for image, count, bx, by, br in zip(
        images, *(labels[k] for k in ("bubbles", "bubble_x", "bubble_y", "bubble_radius")), strict=True
    ):
        assert (br > 0).sum() == count
        if count == 1:
            r = np.sqrt((x - bx[0]) ** 2 + (y - by[0]) ** 2) / br[0]
            red, green = image[0].numpy(), image[1].numpy()
            rims.append(green[(r > 0.9) & (r < 1.1)].mean())
            outside.append(green[r > 1.6].mean())
            cavities.append(red[(r > 0.6) & (r < 0.8)].mean() / red[r > 1.6].mean())
    assert len(rims) > 10
    assert min(np.array(rims) / np.array(outside)) > 3
    assert np.median(cavities) < 0.5


@pytest.mark.parametrize("slope", [2.0, 3.0])
def test_a_random_field_has_the_stated_spectrum_and_variance(slope):
    fields = np.stack([skies.random_field(seed, slope, 128) for seed in range(300)])
    # 300 fields of unit variance each: the mean square scatters by a few per cent (seeds fixed)
    assert (fields**2).mean() == pytest.approx(1, abs=0.1)
    window = np.hanning(128)
    power = (np.abs(np.fft.fft2(fields * window[:, None] * window)) ** 2).mean(0)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(128, 1 / 128), np.fft.fftfreq(128, 1 / 128)))
    band = (k > 3) & (k < 16)  # waves up to 24 / PERIOD * 2 = 18 per picture
    measured = -np.polyfit(np.log(k[band]), np.log(power[band]), 1)[0]
    assert measured == pytest.approx(slope, abs=0.15)


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n: got 0"),
        ({"n": 2.5}, TypeError, "n: got 2.5"),
        ({"size": 4}, ValueError, "size: got 4"),
        ({"seed": -1}, ValueError, "seed: got -1"),
        ({"start": -1}, ValueError, "start: got -1"),
        ({"name": "dgo"}, FileNotFoundError, "name: got 'dgo', expected one of dog, cat"),
        ({"name": 3}, TypeError, "name: got int"),
        ({"name": ["dog"]}, TypeError, "name: got list"),
        (
            {"name": "digits", "n": 1798},
            ValueError,
            "n: got 1798, expected at most 1797, the number of digits in part 'all'",
        ),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ood.load_domain(**{"name": "dog", "n": 1} | arguments)
