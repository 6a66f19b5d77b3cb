"""Radii along a walk, for a model whose flow is known, and the step where two chains meet."""

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.evaluation.mixing import Chain, mixing_step, radius_along
from ood_helpers.kernels.steps import dpm2m
from ood_helpers.theory.forgetting import remembered_share, tolerated_eta


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
    with pytest.raises(ValueError, match="variance: got 0"):
        remembered_share(1.0, 0.5, 0)
    with pytest.raises(ValueError, match=r"eta: got 1\.5"):
        remembered_share(1.0, 1.5, 1.0)
    with pytest.raises(ValueError, match="sigma: got 0"):
        tolerated_eta(0, 1.0)
    with pytest.raises(ValueError, match="rho: got 1"):
        tolerated_eta(1.0, 1.0, rho=1)
    with pytest.raises(ValueError, match="x: holds NaN"):
        model = ood.gaussian_model(0.0, 1.0, image_shape=(1, 8, 8))
        radius_along(model, torch.full((1, 1, 8, 8), torch.nan), ood.inversion_levels(model.alphas_cumprod, 10, 2))


@pytest.mark.parametrize(("t", "eta", "variance"), [(800, 0.3, 0.25), (300, 1.0, 0.04), (600, 0.7, 1.0)])
def test_a_walk_remembers_as_much_as_the_closed_form_says(t, eta, variance):
    """Slope and scatter of 20,000 pixels that come back: rho is known to 0.007 by regression, so 0.05 is 7 errors."""
    model = ood.gaussian_model(0.2, variance, image_shape=(1, 100, 100))
    generator = torch.Generator().manual_seed(3)
    images = (torch.rand((2, 1, 100, 100), generator=generator, dtype=torch.float64) * 2 - 1).clamp(-1, 1)
    sigma = ood.inversion_levels(model.alphas_cumprod, t, 1)[-1].sigma
    latents = ood.invert(model, images, t=t, steps=t, solver="heun", progress=False)
    back = ood.denoise(model, latents, t=t, steps=t, eta=eta, generator=generator, progress=False)
    rho = remembered_share(sigma, eta, variance)
    slope, intercept = np.polyfit(images.flatten().numpy(), back.flatten().numpy(), 1)
    scatter = (back - slope * images - intercept).std().item()
    assert slope == pytest.approx(rho, abs=0.05)
    assert intercept == pytest.approx(0.2 * (1 - rho), abs=0.05)
    assert scatter == pytest.approx(np.sqrt(variance * (1 - rho**2)), rel=0.05)


def test_tolerated_noise_is_where_memory_falls_to_the_stated_share():
    sigma = np.array([0.5, 2.0, 26.0])
    eta = tolerated_eta(sigma, 0.3)
    assert eta[0] == 1 and (np.diff(eta) < 0).all()
    np.testing.assert_allclose(remembered_share(sigma[1:], eta[1:], 0.3), 0.5)
    assert remembered_share(26.0, 0.0, 0.3) == 1
