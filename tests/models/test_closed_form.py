"""The closed-form model is the optimal predictor of noise for Gaussian data, and its flow solves the ODE."""

import math

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.models.closed_form import gaussian_flow


@pytest.mark.parametrize("t", [5, 300, 900])
def test_eps_is_the_regression_of_the_noise_on_the_noisy_image(t):
    """Linear regression over 400,000 draws: intercept and slope within 5 standard errors (error rate below 1e-5)."""
    mean, variance, n = 0.4, 0.09, 400_000
    model = ood.gaussian_model(mean, variance, image_shape=(1, 1, 1))
    a = model.alphas_cumprod[t].item()
    rng = np.random.default_rng(0)
    noise = rng.normal(size=n)
    x = math.sqrt(a) * rng.normal(mean, math.sqrt(variance), n) + math.sqrt(1 - a) * noise
    predicted = model.eps(torch.from_numpy(x).reshape(n, 1, 1, 1), t).flatten().numpy()
    residual = noise - predicted
    # the optimal predictor leaves a residual of mean zero, uncorrelated with its input
    assert abs(residual.mean()) < 5 * residual.std() / math.sqrt(n)
    assert abs(np.corrcoef(residual, x)[0, 1]) < 5 / math.sqrt(n)


def test_the_flow_solves_the_probability_flow_ode():
    model = ood.gaussian_model(0.3, 0.25, image_shape=(1, 1, 1))
    table, t, x = model.alphas_cumprod, 500, torch.tensor(0.8, dtype=torch.float64)
    a, below, above = (table[i].item() for i in (t, t - 1, t + 1))
    sigma = [math.sqrt((1 - b) / b) for b in (below, above)]
    y = [gaussian_flow(0.3, 0.25, a, b, x) / math.sqrt(b) for b in (below, above)]
    slope = (y[1] - y[0]) / (sigma[1] - sigma[0])
    assert slope.item() == pytest.approx(model.eps(x.reshape(1, 1, 1, 1), t).item(), rel=1e-4)


def test_the_flow_carries_the_data_s_law_to_that_of_its_noisy_version():
    a = 0.2
    x = torch.tensor([0.3 - 0.5, 0.3, 0.3 + 0.5], dtype=torch.float64)  # one standard deviation around the mean
    noisy = gaussian_flow(0.3, 0.25, 1.0, a, x)
    spread = math.sqrt(a * 0.25 + 1 - a)
    torch.testing.assert_close(noisy, torch.tensor([-spread, 0.0, spread], dtype=torch.float64) + math.sqrt(a) * 0.3)


def test_mean_and_variance_may_differ_from_pixel_to_pixel():
    mean = torch.linspace(-1, 1, 12).reshape(3, 2, 2)
    model = ood.gaussian_model(mean, 0.5)
    assert model.image_shape == (3, 2, 2)
    at_mean = model.alphas_cumprod[100].sqrt() * mean
    torch.testing.assert_close(
        model.eps(at_mean[None].double(), 100), torch.zeros(1, 3, 2, 2).double(), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": 0.0, "variance": 0.0, "image_shape": (1, 1, 1)}, "variance: got a smallest value of 0"),
        ({"mean": 0.0, "variance": -1.0, "image_shape": (1, 1, 1)}, "variance"),
        ({"mean": float("nan"), "variance": 1.0, "image_shape": (1, 1, 1)}, "mean: holds NaN"),
        ({"mean": 0.0, "variance": 1.0}, "image_shape: got"),
        ({"mean": 0.0, "variance": 1.0, "schedule": "flat", "image_shape": (1, 1, 1)}, "schedule: got 'flat'"),
    ],
)
def test_bad_parameters_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ood.gaussian_model(**arguments)
