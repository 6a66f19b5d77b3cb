"""Errors of a round trip, against values worked out by hand; edges, which no colors change."""

import numpy as np
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


def test_colors_do_not_matter_and_places_do():
    x = ood.load_domain("church", 6, 64, 1)
    np.testing.assert_allclose(ood.edge_similarity(x, x), 1)
    np.testing.assert_allclose(ood.edge_similarity(x, -0.5 * x + 0.1), 1)
    assert (ood.edge_similarity(x, x.flip(-1)) < 0.8).all()
    assert np.abs(ood.edge_similarity(x, torch.zeros_like(x))).max() == 0


def test_a_dog_and_its_own_line_drawing_share_edges_and_others_less():
    """Images of one number and seed show one dog; 24 pairs against 24 that are not, of dogs that sit much alike."""
    dogs, lines = (ood.load_domain(name, 24, 64, 1) for name in ("dog", "sketch"))
    own, other = ood.edge_similarity(dogs, lines), ood.edge_similarity(dogs, lines.roll(1, 0))
    assert own.mean() > other.mean() + 0.03 and (own > other).mean() > 0.7


def test_blur_forgives_a_shift():
    x = ood.load_domain("church", 4, 64, 1)
    sharp, soft = (ood.edge_similarity(x, x.roll(1, -1), blur=b).mean() for b in (0, 2))
    assert soft > sharp + 0.05


@pytest.mark.parametrize(
    ("b", "blur", "message"),
    [
        (torch.zeros(2, 3, 9, 9), 1, "b: got shape"),
        (torch.zeros(2, 3, 8, 8) / 0, 1, "b: holds NaN"),
        (torch.zeros(2, 3, 8, 8), -1, "blur: got -1"),
    ],
)
def test_bad_input_is_named(b, blur, message):
    with pytest.raises(ValueError, match=message):
        ood.edge_similarity(torch.zeros(2, 3, 8, 8), b, blur)
