"""Lemma C.1: by symbols, by draws, and where an inverted latent leaves it."""

import pytest
import sympy
import torch
from gaussian_flow import gaussian_flow

import ood_helpers as ood
from ood_helpers.theory.prior import implied_noise, induction, reverse_chain, reverse_step, share_of_image, standardized

ALPHAS = (0.01, 0.1, 0.4, 0.9)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_induction_step_gives_mean_and_variance_of_the_lemma_for_every_fresh_noise():
    mean, variance = induction()
    x_0, a_s, v = sympy.Symbol("x_0", real=True), sympy.Symbol("a_s", positive=True), sympy.Symbol("v", positive=True)
    assert sympy.simplify(mean - sympy.sqrt(a_s) * x_0) == 0
    assert sympy.simplify(variance - (1 - a_s)) == 0
    assert v not in variance.free_symbols


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_drawn_chains_have_the_marginals_of_the_lemma(eta):
    """40,000 numbers of each level: mean and variance within 5 standard errors, correlated with x_0 as sqrt(a)."""
    x_0 = torch.empty(40_000, 1, 1, 1, dtype=torch.float64).uniform_(-1, 1, generator=generator())
    for a, x in zip(ALPHAS, reverse_chain(x_0, ALPHAS, eta, generator(1)), strict=True):
        noise = implied_noise(x, x_0, a)
        assert abs(noise.mean()) < 5 / 200
        assert abs(noise.var() - 1) < 5 * (2 / 40_000) ** 0.5
        assert abs((noise * x_0).mean()) < 5 * x_0.std() / 200


def test_fresh_noise_makes_levels_independent_and_none_keeps_their_noise():
    x_0 = torch.zeros(5_000, 1, 1, 1)
    kept, fresh = (reverse_chain(x_0, ALPHAS, eta, generator(2)) for eta in (0.0, 1.0))
    noise = [implied_noise(x, x_0, a).flatten() for chain in (kept, fresh) for a, x in zip(ALPHAS, chain, strict=True)]
    torch.testing.assert_close(noise[0], noise[3], atol=1e-5, rtol=1e-4)
    assert torch.corrcoef(torch.stack([noise[4], noise[7]]))[0, 1] < 0.1


def test_an_inverted_latent_is_one_point_and_no_draw_from_the_lemma():
    """Exact model of data N(0, 0.25): its flow only rescales, so the noise that q would see is the image again."""
    model = ood.gaussian_model(0.0, 0.25, image_shape=(3, 16, 16))
    x_0 = ood.load_domain("church", 4, 16).double()
    a = float(model.alphas_cumprod[800])
    latent = gaussian_flow(0.0, 0.25, 1.0, a, x_0)
    noise = implied_noise(latent, x_0, a)
    correlation = torch.corrcoef(torch.stack([noise.flatten(), x_0.flatten()]))[0, 1]
    assert correlation > 0.9999
    assert share_of_image(latent, x_0).min() == pytest.approx(1)
    signal = x_0.sub(x_0.mean((2, 3), True)).square().sum((1, 2, 3))
    drawn = x_0 + 2 * torch.randn(x_0.shape, generator=generator(3), dtype=x_0.dtype)
    expected = signal / (signal + 4 * x_0[0].numel())
    torch.testing.assert_close(share_of_image(drawn, x_0), expected, rtol=0.3, atol=0.03)


def test_a_spherical_gaussian_becomes_white():
    z = 3 + 2 * torch.randn(40, 1, 8, 8, generator=generator(4), dtype=torch.float64)
    white = standardized(z)
    assert abs(white.mean(0)).max() < 1e-12 and white.std() == pytest.approx(1)
    assert white.flatten(1).norm(dim=1).mean() == pytest.approx(8, rel=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: reverse_step(x, x, 0.5, 0.4, 0.1), "a_t, a_s: got 0.5 and 0.4"),
        (
            lambda x: reverse_step(x, x, 0.4, 0.5, 0.8),
            r"v: got 0.8, expected a number from 0 to sqrt\(1 - a_s\) = 0.7071",
        ),
        (lambda x: share_of_image(x, x[:1]), r"images: got shape \(1, 1, 8, 8\)"),
        (lambda x: reverse_chain(x * torch.nan, ALPHAS, 0.0), "x_0: holds NaN or infinity"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(2, 1, 8, 8))


def test_equal_latents_have_no_standard_form():
    with pytest.raises(ValueError, match="latents: all are equal, expected a cloud"):
        standardized(torch.ones(3, 3, 4, 4))
