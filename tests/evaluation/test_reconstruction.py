"""Errors of a round trip, against values worked out by hand."""

import pytest
import torch

import ood_helpers as ood


def test_black_against_white_is_one_and_equal_images_zero():
    black, white = -torch.ones(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
    assert ood.reconstruction_error(black, white).tolist() == [1.0, 1.0]
    assert ood.reconstruction_error(white, white).tolist() == [0.0, 0.0]


def test_the_error_of_each_image_is_its_own():
    x = torch.zeros(2, 1, 2, 2)
    y = x.clone()
    y[1, 0, 0, 0] = 0.8  # one pixel of four, 0.4 on [0, 1]
    assert ood.reconstruction_error(x, y).tolist() == pytest.approx([0.0, 0.1])


def test_latent_error_is_relative_to_the_reference():
    reference = torch.full((1, 1, 2, 2), 3.0)
    assert ood.latent_error(reference * 1.1, reference).item() == pytest.approx(0.1, rel=1e-6)
    assert ood.latent_error(reference * 7, reference * 7).item() == 0


@pytest.mark.parametrize("function", [ood.reconstruction_error, ood.latent_error])
def test_other_shapes_and_bad_values_are_refused(function):
    x = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 5\)"):
        function(x, torch.zeros(2, 3, 4, 5))
    with pytest.raises(ValueError, match="NaN"):
        function(x, x / 0)
    with pytest.raises(TypeError):
        function(x, x.int())
