"""Images that come with installed packages, against the packages' own arrays."""

import numpy as np
import pytest
from skimage import data
from sklearn.datasets import load_digits, load_sample_image

import ood_helpers as ood
from ood_helpers.domains.real import REAL, Crops

CROPS = {name: domain for name, domain in REAL.items() if isinstance(domain, Crops)}
crops = pytest.mark.parametrize("name", CROPS)


def boxes(name: str, part: str) -> list[tuple[str, int, int, int]]:
    labels = ood.domain_parameters(name, ood.domain_size(name, part=part), part=part)
    return [(*row, CROPS[name].side) for row in zip(*labels.values(), strict=True)]


def overlap(a, b) -> float:
    """Share of its area that one square has in common with another."""
    if a[0] != b[0]:
        return 0.0
    return np.prod([max(0, a[3] - abs(a[k] - b[k])) for k in (1, 2)]) / a[3] ** 2


def test_digits_are_the_library_s_with_their_labels():
    digits = load_digits()
    images, labels = ood.load_domain("digits", n=20, size=64, seed=3), ood.domain_parameters("digits", n=20, seed=3)
    assert np.array_equal(digits.target[labels["index"]], labels["digit"])
    assert len(set(labels["index"])) == 20
    pooled = images.unflatten(2, (8, 8)).unflatten(4, (8, 8)).mean((3, 5))[:, 0]
    assert np.abs((pooled.numpy() + 1) / 2 - digits.images[labels["index"]] / 16).mean() < 0.05


def test_the_parts_of_the_digits_have_none_in_common():
    train, test = (
        set(ood.domain_parameters("digits", int(ood.domain_size("digits", part=part)), part=part)["index"])
        for part in ("train", "test")
    )
    assert not train & test and train | test == set(range(1797)) and len(test) == 539


@pytest.mark.parametrize(("name", "scene"), [("photographs", "china"), ("hubble", "hubble_deep_field")])
def test_crops_are_squares_of_the_library_s_pictures(name, scene):
    pixels = load_sample_image("china.jpg") if scene == "china" else data.hubble_deep_field()
    n, side = ood.domain_size(name), CROPS[name].side
    images, labels = ood.load_domain(name, n, 32, seed=1), ood.domain_parameters(name, n, seed=1)
    own = labels["picture"] == scene
    assert own.any()
    for image, left, top in zip(images[own], labels["left"][own], labels["top"][own], strict=True):
        crop = pixels[top : top + side, left : left + side]
        assert crop.shape == (side, side, 3)
        assert (image.numpy().mean((1, 2)) + 1) / 2 == pytest.approx(crop.mean((0, 1)) / 255, abs=0.01)


@crops
def test_there_are_sixty_crops_that_overlap_by_less_than_a_quarter(name):
    found = boxes(name, "all")
    assert len(found) >= 60 and len(set(found)) == len(found)
    assert max(overlap(a, b) for i, a in enumerate(found) for b in found[:i]) < 0.25


@crops
def test_the_parts_share_no_pixel_and_make_up_the_whole(name):
    train, test = boxes(name, "train"), boxes(name, "test")
    assert min(len(train), len(test)) >= 15
    assert sorted(train + test) == sorted(boxes(name, "all"))
    assert max(overlap(a, b) for a in train for b in test) == 0


def test_a_crop_of_the_deep_field_has_a_source_in_its_middle():
    """Brighter there than around by far; a grid of squares would have most of them off the middle."""
    light = ood.load_domain("hubble", 108, 48).mean(1) + 1
    middle, around = light[:, 20:28, 20:28].mean((1, 2)), light.mean((1, 2))
    assert (middle > 2 * around).float().mean() > 0.9


def test_crops_of_the_retina_lie_within_its_disc():
    """What is outside is black."""
    assert ood.load_domain("retina", 83, 16).mean(1).amin((1, 2)).min() > -0.7


def test_textures_are_gray_and_tell_their_kind():
    images, labels = ood.load_domain("texture", 40, 16), ood.domain_parameters("texture", 40)
    assert set(labels["picture"]) == {"grass", "gravel", "brick"}
    assert images.std(1).max() == 0


def test_a_seed_is_an_order_and_no_crop_comes_twice():
    first, other = (ood.domain_parameters("histology", 72, seed=seed) for seed in (0, 1))
    pairs = [list(zip(labels["left"], labels["top"], strict=True)) for labels in (first, other)]
    assert pairs[0] != pairs[1] and set(pairs[0]) == set(pairs[1]) and len(set(pairs[0])) == 72
    later = ood.domain_parameters("histology", 10, seed=0, start=5)
    assert np.array_equal(later["left"], first["left"][5:15])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 73}, ValueError, "n: got 73, expected at most 72, the number of crops in part 'all'"),
        ({"n": 19, "part": "test"}, ValueError, "n: got 19, expected at most 18, the number of crops in part 'test'"),
        ({"part": "held-out"}, ValueError, "part: got 'held-out', expected one of all, train, test"),
        ({"folder": "."}, TypeError, "folder: got '.', expected no such option for 'histology'"),
    ],
)
def test_bad_input_is_named(options, error, message):
    with pytest.raises(error, match=message):
        ood.load_domain("histology", **({"n": 1} | options))
