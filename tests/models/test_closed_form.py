"""Closed-form models are the optimal predictors of noise for their data, and the flow of a Gaussian solves the ODE."""

import math

import numpy as np
import pytest
import torch
from gaussian_flow import gaussian_flow

import ood_helpers as ood
from ood_helpers.models.schedules import alpha_at, alphas_cumprod


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


MEANS = torch.linspace(-1, 1, 3 * 12, dtype=torch.float64).sin().reshape(3, 3, 2, 2)
WIDTHS = {
    "shared": torch.tensor(0.04),
    "shared, per pixel": torch.linspace(0.01, 0.3, 4).reshape(2, 2),
    "own": torch.tensor([0.02, 0.3, 1.5]).reshape(3, 1, 1, 1),
    "own, per pixel": torch.linspace(0.01, 0.6, 36).reshape(3, 3, 2, 2),
    "points": torch.tensor(0.0),
    "a point among others": torch.tensor([0.0, 0.1, 0.2]).reshape(3, 1, 1, 1),
}


def score(x, a, means, variances, weights):
    """Gradient of the log-density of the noisy data, by torch's own distributions and its autograd."""
    x = x.clone().requires_grad_(True)
    spread = (a * variances.double() + 1 - a).sqrt().expand(means.shape)
    parts = torch.distributions.Independent(torch.distributions.Normal(a**0.5 * means, spread), 3)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(weights.double()), parts)
    return torch.autograd.grad(mixture.log_prob(x).sum(), x)[0]


@pytest.mark.parametrize("kind", WIDTHS)
@pytest.mark.parametrize("t", [0, 30, 400.5, 950])
def test_eps_of_a_mixture_is_the_score_of_its_noisy_density(kind, t):
    weights = torch.tensor([1.0, 0.2, 3.0])
    model = ood.mixture_model(MEANS, WIDTHS[kind], weights)
    a = float(alpha_at(model.alphas_cumprod, t))
    start = torch.Generator().manual_seed(0)
    x = a**0.5 * MEANS.repeat(3, 1, 1, 1) + 0.3 * torch.randn(9, 3, 2, 2, generator=start, dtype=torch.float64)
    expected = -math.sqrt(1 - a) * score(x, a, MEANS, WIDTHS[kind], weights)
    torch.testing.assert_close(model.eps(x, t), expected, rtol=1e-8, atol=1e-8)


def test_each_image_of_a_batch_may_have_its_own_timestep():
    model, t = ood.mixture_model(MEANS, WIDTHS["own"]), torch.tensor([-1, 3.5, 700])
    together = model.eps(MEANS, t)
    apart = torch.cat([model.eps(MEANS[k : k + 1], float(t[k])) for k in range(3)])
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("t", [-1, 0, 500, 999])
def test_one_component_is_the_gaussian_and_so_are_equal_ones(t):
    mean, variance = MEANS[0], WIDTHS["shared, per pixel"]
    x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = ood.gaussian_model(mean, variance).eps(x, t)
    assert torch.equal(ood.mixture_model(mean[None], variance).eps(x, t), expected)
    for widths in (variance, variance.expand(5, 3, 2, 2)):
        equal = ood.mixture_model(mean.expand(5, 3, 2, 2), widths, torch.arange(5))
        torch.testing.assert_close(equal.eps(x, t), expected)


def test_a_mixture_has_the_schedule_that_is_asked_for():
    model = ood.mixture_model(MEANS, 0.1, schedule="cosine", T=200)
    assert torch.equal(model.alphas_cumprod, alphas_cumprod("cosine", 200)) and model.image_shape == (3, 2, 2)
    assert ood.fingerprint(model) != ood.fingerprint(ood.mixture_model(MEANS, 0.2, schedule="cosine", T=200))


@pytest.mark.parametrize("solver", ["ddim", "dpm2m"])
def test_denoising_by_a_data_set_lands_on_its_images(solver):
    images = ood.load_domain("dog", 8, 16)
    model = ood.data_model(images, torch.tensor([1.0, 1, 1, 1, 1, 1, 1, 0]))
    noise = torch.randn(12, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    made = ood.denoise(model, noise, t=990, steps=250, solver=solver, progress=False)
    distance = (made[:, None] - images).abs().flatten(2).amax(2)
    nearest = distance.min(1)
    assert nearest.values.max() < 0.01
    assert len(nearest.indices.unique()) > 2 and 7 not in nearest.indices  # one has no weight


def test_a_data_set_is_stable_where_densities_under_and_overflow():
    """At ``t = 0`` the densities of two images differ by factors of ``exp(10^6)``; one image is the answer."""
    images = ood.load_domain("cat", 4, 32)
    model = ood.data_model(images)
    a = model.alphas_cumprod[0].item()
    noise = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    noisy = a**0.5 * images + (1 - a) ** 0.5 * noise
    torch.testing.assert_close(model.eps(noisy, 0), noise, rtol=0, atol=1e-3)  # float32 over sqrt(1 - a) = 0.01
    assert torch.equal(model.eps(images, -1), model.eps(images, 0))
    assert torch.isfinite(model.eps(1e3 * noise, 0)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"means": MEANS[0]}, ValueError, "means: got shape"),
        ({"means": MEANS.long()}, TypeError, "means: got dtype"),
        ({"variances": -0.1}, ValueError, "variances: got -0.1"),
        ({"variances": float("inf")}, ValueError, "variances: got inf"),
        ({"variances": torch.ones(2, 1, 1, 1)}, ValueError, r"variances: got shape \(2, 1, 1, 1\)"),
        ({"variances": torch.ones(5)}, ValueError, r"variances: got shape \(5,\)"),
        ({"weights": torch.ones(2)}, ValueError, "weights: got"),
        ({"weights": torch.tensor([1.0, -1, 1])}, ValueError, "weights: got"),
        ({"weights": torch.zeros(3)}, ValueError, "weights: got"),
        ({"schedule": "flat"}, ValueError, "schedule: got 'flat'"),
        ({"T": 0}, ValueError, "T: got 0"),
    ],
)
def test_bad_parameters_of_a_mixture_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ood.mixture_model(**{"means": MEANS, "variances": 0.1, **arguments})


def test_a_data_set_consists_of_images():
    with pytest.raises(ValueError, match="images: got values from"):
        ood.data_model(MEANS * 200)
