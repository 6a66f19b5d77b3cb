"""Radii along a walk, for a model whose flow is known, and the step where two chains meet."""

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.kernels.steps import dpm2m
from ood_helpers.latents.chain import Chain, mixing_step, radius_along


def test_radii_are_those_of_the_exact_flow_in_both_directions():
    model = ood.gaussian_model(0.0, 0.25, image_shape=(3, 16, 16))
    levels = ood.inversion_levels(model.alphas_cumprod, t=800, steps=60, grid="log-snr")
    images = ood.load_domain("cat", 5, 16).double()
    up = radius_along(model, images, levels, dpm2m)
    a = 1 / (1 + np.array([level.sigma for level in levels]) ** 2)
    exact = np.sqrt(a + (1 - a) / 0.25)[:, None] * images.flatten(1).norm(dim=1).numpy() / np.sqrt(768)
    np.testing.assert_allclose(up.radius, exact, rtol=2e-3)
    latents = ood.invert(model, images, solver="dpm2m", steps=60, progress=False)
    down = radius_along(model, latents, levels[::-1], dpm2m)
    assert np.array_equal(down.t, up.t) and up.t[0] == -1 and up.t[-1] == 800
    np.testing.assert_allclose(down.radius, exact, rtol=5e-3)


def test_chains_mix_where_they_meet_for_good():
    t = np.array([-1.0, 100, 200, 300, 400])
    flat = Chain(t, np.ones((5, 2)))
    meeting = Chain(t, np.array([0.5, 1.0, 0.9, 1.01, 1.0])[:, None] + np.array([-0.001, 0.001]))
    assert mixing_step(meeting, flat) == 300
    assert mixing_step(flat, flat) == -1
    assert np.isnan(mixing_step(Chain(t, np.full((5, 2), 0.9)), flat))


def test_bad_input_is_named():
    one, other = Chain(np.array([0.0, 1.0]), np.ones((2, 1))), Chain(np.array([0.0, 2.0]), np.ones((2, 1)))
    with pytest.raises(ValueError, match="reference: its levels differ"):
        mixing_step(one, other)
    with pytest.raises(ValueError, match="tolerance: got 0"):
        mixing_step(one, one, 0)
    with pytest.raises(ValueError, match="x: holds NaN"):
        model = ood.gaussian_model(0.0, 1.0, image_shape=(1, 8, 8))
        radius_along(model, torch.full((1, 1, 8, 8), torch.nan), ood.inversion_levels(model.alphas_cumprod, 10, 2))
