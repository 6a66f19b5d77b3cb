"""Interference and bandwidth: known cases, known intervals, and a model whose every answer is known."""

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.evaluation.interference import Bandwidth, Interference

MODEL = ood.load_model("toy-dog")


def test_real_dogs_interfere_and_real_images_of_the_target_do_not():
    dogs = ood.load_domain("dog", 40, 64, 77)
    assert ood.interference_rate(dogs, "dog", "church").rate == 1
    for name in ("cat", "face", "church", "bedroom", "galaxy", "radiation"):
        assert ood.interference_rate(ood.load_domain(name, 40, 64, 77), "dog", name).rate <= 0.05


def test_dogs_that_the_model_generates_from_noise_are_dogs():
    noise = torch.randn(12, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    generated = ood.denoise(MODEL, noise, steps=25, eta=1.0, generator=torch.Generator().manual_seed(1), progress=False)
    assert ood.interference_rate(generated, "dog", "church").rate >= 0.9


def test_the_interval_is_wilsons():
    """3 of 10 at 95 %: 0.1078 to 0.6032 (Wilson 1927)."""
    images = torch.cat([ood.load_domain("dog", 3, 64, 77), ood.load_domain("church", 7, 64, 77)])
    found = ood.interference_rate(images, "dog", "church")
    assert (found.rate, found.n) == (0.3, 10)
    assert (found.low, found.high) == pytest.approx((0.1078, 0.6032), abs=1e-4)
    assert str(Interference(0.5, 0.25, 0.75, 8)) == "0.50 (0.25 to 0.75, n = 8)"


def grid_of(error, rate, n=1):
    """A bandwidth over three heights and etas 0, 1/2, 1 in which all images fare alike."""
    shape = (3, 3, n)
    errors, odds = (np.broadcast_to(np.array(x, float)[..., None], shape) for x in (error, rate))
    return Bandwidth((100, 200, 300), (0.0, 0.5, 1.0), errors, odds, torch.zeros(3, 3, 3, 8, 8))


def test_bandwidth_is_where_a_tolerance_is_first_exceeded():
    error = [[0.02, 0.06, 0.10], [0.01, 0.01, 0.01], [0.2, 0.2, 0.2]]
    found = grid_of(error, [[0, 0, 0], [0, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(found.largest_eta(max_error=0.08, max_rate=0.5), [0.75, 0.75, np.nan])
    np.testing.assert_allclose(found.largest_eta(max_error=0.3, max_rate=1.0), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(found.largest_eta(max_error=np.inf, max_rate=0.5), [1.0, 0.75, 1.0])


def test_images_that_fare_alike_leave_no_uncertainty_and_others_do():
    """With a threshold of one half and 40 images that fall at eta = 1 with probability 1/2 or stay, it is large."""
    error, rate = np.zeros((3, 3)), [[0, 0, 1]] * 3
    assert not grid_of(error, rate, 5).bootstrap(max_rate=0.5).std(0).any()
    mixed = Bandwidth(
        (1,), (0.0, 1.0), np.zeros((1, 2, 40)), np.stack([[np.arange(40) < 0, np.arange(40) % 2 == 0]]), None
    )
    assert mixed.largest_eta(max_rate=0.4) == pytest.approx(0.8)
    spread = mixed.bootstrap(max_rate=0.4, resamples=2000).std(0)
    draws = np.random.default_rng(1).binomial(40, 0.5, 100_000) / 40
    assert spread == pytest.approx(np.minimum(1, 0.4 / np.maximum(draws, 1e-9)).std(), rel=0.1)


def test_a_stricter_judge_finds_fewer_captured_and_an_unbearable_start_counts_as_zero():
    found = grid_of(np.zeros((3, 3)), [[0.2, 0.4, 0.8], [0.0, 0.6, 0.95], [0.7, 0.8, 0.9]], 2)
    np.testing.assert_allclose(found.largest_eta(max_rate=0.5, threshold=0.9), [1.0, 0.75, 1.0])
    np.testing.assert_allclose(found.largest_eta(max_rate=0.5), [0.75, 0.25, np.nan])
    np.testing.assert_allclose(found.bootstrap(max_rate=0.5, resamples=3), [[0.75, 0.25, 0.0]] * 3)


def test_without_noise_the_exact_model_gives_its_images_back_and_noise_takes_them_away():
    exact = ood.gaussian_model(0.0, 0.25, image_shape=(3, 64, 64))
    images = ood.load_domain("church", 6, 64, 77)
    found = ood.bandwidth(exact, images, "dog", "church", heights=(800, 200), etas=(1.0, 0.0), progress=False)
    assert found.heights == (200, 800) and found.etas == (0.0, 1.0) and found.errors.shape == (2, 2, 6)
    assert (found.error[:, 0] < 0.05).all() and (found.error[:, 1] > 4 * found.error[:, 0]).all()
    assert found.error[1, 1] > found.error[0, 1]  # more noise from higher up
    assert (found.rate[:, 0] == 0).all()


def test_with_all_the_noise_the_error_is_that_of_the_closed_form():
    """From t = 999 a Gaussian model forgets everything: what comes back is an independent draw around its mean."""
    exact = ood.gaussian_model(0.0, 0.01, image_shape=(3, 64, 64))
    images = torch.full((2, 3, 64, 64), 0.4)
    found = ood.bandwidth(exact, images, "dog", "church", heights=(999,), etas=(1.0,), steps=200, progress=False)
    draw = 0.1 * torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    assert found.error.item() == pytest.approx((draw - 0.4).abs().mean().item() / 2, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heights": ()}, "heights, etas: got"),
        ({"heights": (-1,)}, "heights: got -1"),
        ({"etas": (0.5, 2.0)}, "etas: got 2.0, expected a finite number of at least 0 and at most 1"),
        ({"target_domain": "dog"}, "target_domain: got 'dog' for both"),
        ({"images": torch.full((2, 3, 64, 64), 200.0)}, r"images: got values from 200 to 200"),
    ],
)
def test_bad_input_of_a_bandwidth_is_named(change, message):
    arguments = {"images": torch.zeros(2, 3, 64, 64), "heights": (20,), "etas": (0.5,), "steps": 1}
    arguments |= {"target_domain": "cat"} | change
    exact = ood.gaussian_model(0.0, 0.25, image_shape=(3, 64, 64))
    with pytest.raises(ValueError, match=message):
        ood.bandwidth(exact, id_domain="dog", progress=False, **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id_domain": "wolf"}, "id_domain: got 'wolf', expected one of dog"),
        ({"target_domain": "dog"}, "target_domain: got 'dog' for both"),
        ({"images": torch.zeros(2, 3, 64, 64) * torch.nan}, "images: holds NaN or infinity"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"images": torch.zeros(2, 3, 64, 64), "id_domain": "dog", "target_domain": "cat"} | change
    with pytest.raises(ValueError, match=message):
        ood.interference_rate(**arguments)
