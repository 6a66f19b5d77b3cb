"""The variational bound against closed forms, torch.distributions and the variances of diffusers."""

import math

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel

import ood_helpers as ood
from ood_helpers.models.loading import freeze
from ood_helpers.models.schedules import SCHEDULES, alphas_cumprod
from ood_helpers.training.losses import LOSSES, bound_term, noised, prior_term, training_loss, variational_bound

SHAPE = (3, 4, 4)


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=4,
        in_channels=3,
        out_channels=6,
        layers_per_block=1,
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=4,
        add_attention=False,
    )
    return freeze(network, DDPMScheduler(variance_type="learned_range"), "tiny")


def draw(n, seed=0, dtype=torch.float64, channels=3):
    return torch.randn((n, channels, 4, 4), generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noising_matches_diffusers(schedule):
    scheduler = DDPMScheduler(beta_schedule={"linear": "linear", "cosine": "squaredcos_cap_v2"}[schedule])
    images, eps, t = draw(5, 0, torch.float32), draw(5, 1, torch.float32), torch.tensor([0, 1, 400, 998, 999])
    expected = scheduler.add_noise(images, eps, t)
    torch.testing.assert_close(noised(images, eps, t, alphas_cumprod(schedule)), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("learned", [False, True])
def test_a_term_is_the_divergence_of_two_gaussians(schedule, learned):
    """Against torch.distributions, with means and variances from the formulas of DDPM as diffusers writes them."""
    name = {"linear": "linear", "cosine": "squaredcos_cap_v2"}[schedule]
    kind = "learned_range" if learned else "fixed_small"
    scheduler = DDPMScheduler(beta_schedule=name, variance_type=kind, clip_sample=False)
    table, t = alphas_cumprod(schedule), 300
    images, eps, guess, raw = (draw(6, seed).clamp(-1, 1) for seed in range(4))
    steps = torch.full((6,), t)
    x_t = noised(images, eps, steps, table)
    a, before = table[t], table[t - 1]
    beta = 1 - a / before

    def posterior_mean(x_0):
        first, second = before.sqrt() * beta / (1 - a), (a / before).sqrt() * (1 - before) / (1 - a)
        return first * x_0 + second * x_t

    x_0_guess = (x_t - (1 - a).sqrt() * guess) / a.sqrt()
    variance = beta * (1 - before) / (1 - a)
    log_variance = variance.log()
    if learned:
        log_variance = scheduler._get_variance(t, predicted_variance=raw.float()).double()
    truth = torch.distributions.Normal(posterior_mean(images), variance.sqrt())
    model = torch.distributions.Normal(posterior_mean(x_0_guess), (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(truth, model).flatten(1).mean(1) / math.log(2)
    output = torch.cat([guess, raw], 1) if learned else guess
    torch.testing.assert_close(bound_term(output, images, eps, steps, table), expected, rtol=1e-4, atol=0)


def test_the_right_noise_and_the_posterior_s_variance_cost_nothing():
    images, eps = draw(4).clamp(-1, 1), draw(4, 1)
    t = torch.tensor([1, 10, 500, 999])
    output = torch.cat([eps, -torch.ones_like(eps)], 1)
    assert bound_term(output, images, eps, t, alphas_cumprod()).abs().max() < 1e-12


def test_the_last_term_is_a_distribution_over_gray_levels():
    table = alphas_cumprod()
    levels = torch.linspace(-1, 1, 256, dtype=torch.float64)
    images = levels[:, None, None, None].expand(-1, 1, 1, 1)
    # the mean is to stay where it is while the image runs through its levels: eps is what makes it so
    gain = (1 - table[0]) / ((1 - table[0]) * table[0]).sqrt()
    eps = torch.zeros_like(images)
    output = (images - 0.3) / gain
    bits = bound_term(output, images, eps, torch.zeros(256, dtype=torch.long), table)
    assert float((2.0**-bits).sum()) == pytest.approx(1, abs=1e-9)


def whole_bound(variance, optimal, n=64):
    """The bound of ``n`` images of N(0.1, s^2) data and their mean log density, both in bits per dimension."""
    model = ood.gaussian_model(0.1, variance, image_shape=SHAPE)
    table, generator, total = model.alphas_cumprod, torch.Generator().manual_seed(3), 0.0
    images = 0.1 + variance**0.5 * torch.randn((n, *SHAPE), generator=generator, dtype=torch.float64)
    for step in range(1000):
        t = torch.full((n,), step)
        eps = torch.randn(images.shape, generator=generator, dtype=torch.float64)
        output = model.eps(noised(images, eps, t, table), step)
        if optimal:
            output = torch.cat([output, optimal_variance(variance, table, step) * torch.ones_like(eps)], 1)
        total += float(bound_term(output, images, eps, t, table).mean())
    total += float(prior_term(images, table).mean())
    density = torch.distributions.Normal(0.1, variance**0.5).log_prob(images).mean()
    return total, -float(density) / math.log(2) + math.log2(255 / 2)  # gray levels lie 2 / 255 apart


def optimal_variance(variance, table, t):
    """What a network should say: the variance of x_{t-1} given x_t is that of the posterior plus that of its mean."""
    a, before = float(table[t]), float(table[t - 1]) if t else 1.0
    beta = 1 - a / before
    spread = beta**2 / ((1 - a) * a / before) * a * variance / (a * variance + 1 - a)
    low = lambda s: (1 - table[s] / table[s - 1]) * (1 - table[s - 1]) / (1 - table[s])  # noqa: E731
    best = spread + (float(low(t)) if t else 0.0)
    floor = float(low(max(t, 1)))
    return 2 * (math.log(best) - math.log(floor)) / (math.log(beta) - math.log(floor)) - 1


@pytest.mark.parametrize("variance", [0.05, 0.25])
def test_with_exact_noise_and_variances_the_bound_is_the_likelihood_of_gaussian_data(variance):
    """The reverse steps of Gaussian data are Gaussian: nothing is lost. 3,072 values; four standard errors are 0.06."""
    bound, truth = whole_bound(variance, optimal=True)
    assert bound == pytest.approx(truth, abs=0.06)


def test_the_posterior_s_variance_instead_costs_bits():
    bound, truth = whole_bound(0.25, optimal=False)
    assert truth + 0.3 < bound < truth + 1


def test_the_estimate_from_a_few_terms_is_that_of_all():
    model = ood.gaussian_model(0.0, 0.1, image_shape=SHAPE)
    images = ((0.1**0.5 * draw(400)).clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1
    few = variational_bound(model, images, generator=torch.Generator().manual_seed(0))
    every = variational_bound(model, images, first=1, strata=999, last=0, generator=torch.Generator().manual_seed(1))
    error = (few.var() / 400 + every.var() / 400).sqrt()  # the images' own scatter is common to both: generous
    assert abs(float(few.mean() - every.mean())) < 4 * float(error)
    with pytest.raises(ValueError, match=r"first \+ strata \+ last: got 1001"):
        variational_bound(model, images[:1], first=1, strata=1000, last=0)
    with pytest.raises(ValueError, match="between gray levels"):
        variational_bound(model, images * 0.9)


def test_learned_variances_can_be_left_out_of_the_bound(tiny):
    images = (draw(2, 0, torch.float32).clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1
    with_them, without = (
        variational_bound(tiny, images, learned=learned, first=2, strata=3, generator=torch.Generator().manual_seed(0))
        for learned in (True, False)
    )
    assert not torch.allclose(with_them, without)
    t, table = torch.tensor([500, 500]), tiny.alphas_cumprod
    eps = draw(2, 1, torch.float32)
    x_t = noised(images, eps, t, table)
    plain = bound_term(tiny.eps(x_t, 500), images, eps, t, table)
    full = bound_term(tiny.predictor.network(x_t, t).sample, images, eps, t, table)
    assert not torch.allclose(plain, full)


def test_the_prior_s_term_is_a_divergence():
    table = alphas_cumprod()[:300]  # cut where much of the image is left
    images = draw(3).clamp(-1, 1)
    a = table[-1]
    truth = torch.distributions.Normal(a.sqrt() * images, (1 - a).sqrt())
    standard = torch.distributions.Normal(torch.zeros_like(images), torch.ones_like(images))
    expected = torch.distributions.kl_divergence(truth, standard).flatten(1).mean(1) / math.log(2)
    torch.testing.assert_close(prior_term(images, table), expected)
    assert expected.min() > 0.01


def test_an_estimate_of_the_bound_is_the_sum_of_its_terms():
    table = alphas_cumprod()
    images, eps, output = draw(1000).clamp(-1, 1), draw(1000, 1), draw(1000, 2, channels=6)
    t = torch.arange(1000)
    whole = training_loss("vlb", output, images, eps, t, table)
    torch.testing.assert_close(whole, bound_term(output, images, eps, t, table).sum())


def test_the_bound_s_gradient_in_the_hybrid_loss_reaches_the_variances_alone():
    table, t = alphas_cumprod("cosine"), torch.tensor([0, 3, 500, 999])
    images, eps = draw(4).clamp(-1, 1), draw(4, 1)
    mean, raw = draw(4, 2).requires_grad_(), draw(4, 3).clamp(-1, 1).requires_grad_()
    training_loss("hybrid", torch.cat([mean, raw], 1), images, eps, t, table).backward()
    hybrid = mean.grad.clone()
    mean.grad = None
    training_loss("simple", mean, images, eps, t, table).backward()
    torch.testing.assert_close(hybrid, mean.grad)
    assert raw.grad.abs().sum() > 0
    losses = {kind: training_loss(kind, torch.cat([mean, raw], 1), images, eps, t, table) for kind in LOSSES}
    torch.testing.assert_close(losses["hybrid"], losses["simple"] + 1e-3 * losses["vlb"])


def test_float32_agrees_with_float64_at_every_level():
    table, t = alphas_cumprod(), torch.arange(1000)
    images, eps, output = draw(1000).clamp(-1, 1), draw(1000, 1), draw(1000, 2, channels=6).clamp(-1, 1)
    exact = bound_term(output, images, eps, t, table)
    rounded = bound_term(output.float(), images.float(), eps.float(), t, table)
    torch.testing.assert_close(rounded.double(), exact, rtol=1e-3, atol=1e-6)


def test_a_wrong_kind_is_named():
    images, t = draw(1), torch.tensor([3])
    with pytest.raises(ValueError, match="kind: got 'elbo', expected one of simple, vlb, hybrid"):
        training_loss("elbo", images, images, images, t, alphas_cumprod())
    with pytest.raises(ValueError, match="kind: got 'hybrid' for a network without learned variances"):
        training_loss("hybrid", images, images, images, t, alphas_cumprod())
