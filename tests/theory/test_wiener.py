"""The full-covariance model against matrices written out, and against the exact flow of its Gaussian."""

import pytest
import torch

import ood_helpers as ood
from ood_helpers.theory import linear_shares, wiener_model

SHAPE = (1, 8, 8)


def pictures(n, seed=0):
    """Images of three patterns in random strengths, with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.rand((3, 64), generator=generator, dtype=torch.float64) - 0.5
    strengths = torch.rand((n, 3), generator=generator, dtype=torch.float64) - 0.5
    noise = 0.05 * (torch.rand((n, 64), generator=generator, dtype=torch.float64) - 0.5)
    return (0.2 + strengths @ patterns + noise).reshape(n, *SHAPE)


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize("t", [-1, 10, 500, 999])
def test_predictions_are_those_of_the_matrix(n, t):
    x, ridge = pictures(n), 0.02
    model = wiener_model(x, ridge)
    a = 1.0 if t < 0 else model.alphas_cumprod[t].item()
    matrix = a * torch.cov(x.flatten(1).T) + (a * ridge + 1 - a) * torch.eye(64, dtype=torch.float64)
    probe = torch.randn((5, *SHAPE), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    centered = (probe - a**0.5 * x.mean(0)).flatten(1)
    expected = (1 - a) ** 0.5 * torch.linalg.solve(matrix, centered.T).T
    torch.testing.assert_close(model.eps(probe, t).flatten(1), expected, rtol=1e-9, atol=1e-9)


def test_its_own_gaussian_comes_out_white_and_the_way_back_is_exact():
    """The flow multiplies by ``(a S + (1 - a) I)^(1/2) S^(-1/2)``: each eigenvector of S by itself."""
    x, ridge = pictures(100), 0.02
    model = wiener_model(x, ridge)
    a = model.alphas_cumprod[800].item()
    values, vectors = torch.linalg.eigh(torch.cov(x.flatten(1).T) + ridge * torch.eye(64, dtype=torch.float64))
    probe = pictures(4, seed=5)
    inner = (probe - x.mean(0)).flatten(1) @ vectors * ((a * values + 1 - a) / values) ** 0.5
    expected = a**0.5 * x.mean(0) + (inner @ vectors.T).reshape(probe.shape)
    found = ood.invert(model, probe, steps=120, solver="unipc", progress=False)
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)


def test_a_linear_model_is_explained_by_itself_and_a_mean_of_nothing_by_the_formula():
    """On any schedule; of a model that knows one variance alone the share follows from two linear maps."""
    seen, x, timesteps = pictures(40), pictures(6, seed=5), (200, 600)
    for schedule in ("linear", "cosine"):
        torch.testing.assert_close(
            linear_shares(wiener_model(seen, schedule=schedule), seen, x, timesteps),
            torch.ones(2, 6, dtype=torch.float64),
            rtol=0,
            atol=1e-4,
        )
    mean, v = seen.mean(0), 0.5
    model, filtered = ood.gaussian_model(mean, v), wiener_model(seen)
    found = linear_shares(model, seen, x, timesteps, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    for t, shares in zip(timesteps, found, strict=True):
        level = ood.inversion_levels(model.alphas_cumprod, grid=[-1, t])[-1]
        y = x + level.sigma * torch.randn(x.shape, generator=generator, dtype=torch.float64)
        guess = v / (v + level.sigma**2) * (y - mean)
        other = y - level.sigma * filtered.eps(y * level.scale, t) - mean
        expected = 1 - (guess - other).flatten(1).square().sum(1) / guess.flatten(1).square().sum(1)
        torch.testing.assert_close(shares, expected, rtol=1e-3, atol=1e-3)


def test_the_ridge_is_what_an_image_has_outside_the_hull_of_the_others():
    x = pictures(12)
    distances = []
    for i in range(12):
        others = torch.cat([x[:i], x[i + 1 :]]).flatten(1)
        span = (others[1:] - others[0]).T
        rest = x[i].flatten() - others[0]
        distances.append((rest - span @ torch.linalg.lstsq(span, rest[:, None]).solution[:, 0]).square().mean())
    by_hand = wiener_model(x, float(torch.stack(distances).mean()))
    probe = pictures(2, seed=3)
    torch.testing.assert_close(wiener_model(x).eps(probe, 100), by_hand.eps(probe, 100), rtol=1e-8, atol=1e-10)


def test_other_sets_are_other_models_by_their_fingerprint():
    one, same, other = (ood.fingerprint(wiener_model(pictures(9, seed))) for seed in (0, 0, 1))
    assert one == same != other


@pytest.mark.parametrize(
    ("images", "ridge", "message"),
    [
        (pictures(2), None, "^images: got 2, expected at least 3"),
        (pictures(5)[[0, 1, 2, 0]], None, "^images: some are combinations"),
        (pictures(100), None, "^images: some are combinations"),
        (pictures(5), 0.0, "^ridge: got 0"),
        (pictures(5) * 9, None, "^images: got values"),
    ],
)
def test_what_has_no_covariance_is_named(images, ridge, message):
    with pytest.raises(ValueError, match=message):
        wiener_model(images, ridge)
