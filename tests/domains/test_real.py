"""Images that come with scikit-learn, against the library's own arrays."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_images

import ood_helpers as ood


def test_digits_are_the_library_s_with_their_labels():
    data = load_digits()
    images, labels = ood.load_domain("digits", n=20, size=64, seed=3), ood.domain_parameters("digits", n=20, seed=3)
    assert np.array_equal(data.target[labels["index"]], labels["digit"])
    assert len(set(labels["index"])) == 20
    pooled = images.unflatten(2, (8, 8)).unflatten(4, (8, 8)).mean((3, 5))[:, 0]
    assert np.abs((pooled.numpy() + 1) / 2 - data.images[labels["index"]] / 16).mean() < 0.05


def test_photographs_are_crops_of_the_library_s_two():
    scenes = load_sample_images().images
    images, labels = ood.load_domain("photographs", 30, 32, seed=1), ood.domain_parameters("photographs", 30, seed=1)
    assert set(labels["photograph"]) == {0, 1}
    for image, which, left, top, side in zip(images, *labels.values(), strict=True):
        crop = scenes[which][top : top + side, left : left + side]
        assert crop.shape == (side, side, 3)
        assert (image.numpy().mean((1, 2)) + 1) / 2 == pytest.approx(crop.mean((0, 1)) / 255, abs=0.01)
