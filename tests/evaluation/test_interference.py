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


def test_bandwidth_is_where_a_tolerance_is_first_exceeded():
    error = np.array([[0.02, 0.06, 0.10], [0.01, 0.01, 0.01], [0.2, 0.2, 0.2]])
    rate = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    found = Bandwidth((100, 200, 300), (0.0, 0.5, 1.0), error, rate, 4)
    np.testing.assert_allclose(found.largest_eta(max_error=0.08, max_rate=0.5), [0.75, 0.75, np.nan])
    np.testing.assert_allclose(found.largest_eta(max_error=0.3, max_rate=1.0), [1.0, 1.0, 1.0])


def test_without_noise_the_exact_model_gives_its_images_back_and_noise_takes_them_away():
    exact = ood.gaussian_model(0.0, 0.25, image_shape=(3, 64, 64))
    images = ood.load_domain("church", 6, 64, 77)
    found = ood.bandwidth(exact, images, "dog", "church", heights=(800, 200), etas=(1.0, 0.0), progress=False)
    assert found.heights == (200, 800) and found.etas == (0.0, 1.0) and found.n == 6
    assert (found.error[:, 0] < 0.05).all() and (found.error[:, 1] > 5 * found.error[:, 0]).all()
    assert found.error[1, 1] > found.error[0, 1]  # more noise from higher up
    assert (found.rate[:, 0] == 0).all()


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
