"""What each sampler promises: its mean, its covariance, its norms, its parents; and what it refuses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

import ood_helpers as ood
from ood_helpers.latents.geometry import calibrate_acceptance
from ood_helpers.latents.samplers import METHODS


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def cloud_of(n=12, shape=(3, 4, 4), seed=0, mean=0.7):
    """A cloud with a mean, correlated channels and neighbors, and unequal variances."""
    x = torch.randn(n, *shape, generator=seeded(seed), dtype=torch.float64)
    x = x + 0.8 * x.roll(1, -1) + 0.5 * x[:, :1]
    return mean + x * torch.linspace(0.5, 1.5, shape[-1], dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_latents_of_the_cloud_s_kind(method):
    cloud = cloud_of().float()
    first, second, other = (ood.sample_latents(cloud, 5, method, generator=seeded(k)) for k in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert first.shape == (5, 3, 4, 4) and first.dtype == torch.float32 and torch.isfinite(first).all()


@pytest.mark.parametrize("method", ["gaussian", "gaussian-diagonal", "spectrum", "centered", "cog"])
def test_draws_have_the_mean_of_the_latents(method):
    """40,000 draws: each of 48 means is known to s / 200; five standard errors (error rate 3e-5 for all)."""
    cloud, n = cloud_of(), 40_000
    z = ood.sample_latents(cloud, n, method, generator=seeded())
    assert ((z.mean(0) - cloud.mean(0)).abs() < 5 * z.std(0) / math.sqrt(n)).all()


def covariance(x):
    return np.cov(x.flatten(1).T)


def test_centered_draws_have_exactly_the_dense_gaussian_s_covariance():
    """Against N(mean, S) with the dense S: 60,000 draws, each entry within 5.5 standard errors (48^2 entries)."""
    cloud, n = cloud_of(), 60_000
    z = ood.sample_latents(cloud, n, "centered", generator=seeded())
    dense, found = covariance(cloud), covariance(z)
    variances = np.diag(dense)
    error = np.sqrt((np.outer(variances, variances) + dense**2) / n)
    assert (np.abs(found - dense) < 5.5 * error).all()
    assert np.linalg.matrix_rank(found, tol=1e-8) == len(cloud) - 1  # in the span of the offsets, and nowhere else


def test_one_variance_or_one_for_each_pixel():
    cloud, n = cloud_of(200), 40_000
    one, each = (ood.sample_latents(cloud, n, m, generator=seeded()).var(0) for m in ("gaussian", "gaussian-diagonal"))
    allowed = 5 * math.sqrt(2 / n)
    np.testing.assert_allclose(one, (cloud - cloud.mean(0)).square().sum() / 199 / 48, rtol=allowed)
    np.testing.assert_allclose(each, cloud.var(0), rtol=allowed)


def test_spectrum_draws_have_the_power_and_the_channels_covariance_of_the_latents():
    """Per frequency the 3 x 3 matrix of mean products of amplitudes, over 20,000 draws: within 6 %."""
    cloud, n = cloud_of(300), 20_000
    z = ood.sample_latents(cloud, n, "spectrum", generator=seeded())

    def power(x):
        waves = torch.fft.fft2(x - x.mean(0), norm="ortho")
        return torch.einsum("nchw,ndhw->cdhw", waves, waves.conj()) / (len(x) - 1)

    expected, found = power(cloud), power(z)
    assert (found - expected).abs().max() < 0.06 * expected.abs().max()
    stationary = z - z.mean(0)
    shifted = [(stationary[:, 0, i, 0] * stationary[:, 0, i, 1]).mean().item() for i in range(4)]
    assert np.ptp(shifted) < 0.1 * np.mean(shifted)  # neighbors are correlated alike wherever they are


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.integers(0, 1000))
def test_slerp_runs_along_the_arc(weight, seed):
    a, b = torch.randn(2, 3, 3, 4, 4, generator=seeded(seed), dtype=torch.float64)
    z = ood.slerp(a, b, weight)
    lengths = [x.flatten(1).norm(dim=1) for x in (a, b, z)]
    torch.testing.assert_close(lengths[2], (1 - weight) * lengths[0] + weight * lengths[1])
    angle = [torch.cosine_similarity(x.flatten(1), z.flatten(1)).clamp(-1, 1).arccos() for x in (a, b)]
    whole = torch.cosine_similarity(a.flatten(1), b.flatten(1)).arccos()
    torch.testing.assert_close(angle[0], weight * whole, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(angle[1], (1 - weight) * whole, atol=1e-6, rtol=1e-6)


def test_slerp_of_parallel_and_opposite_directions_is_linear():
    a = torch.randn(1, 3, 4, 4, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(ood.slerp(a, 3 * a, 0.25), 1.5 * a)
    torch.testing.assert_close(ood.slerp(a, -a, 0.25), 0.5 * a)


def test_a_convex_combination_shrinks_and_an_arc_does_not():
    """Appendix D has it that a convex combination of two draws follows their law; its norm is sqrt(1/2) of theirs."""
    cloud = torch.randn(400, 3, 16, 16, generator=seeded())
    radius = math.sqrt(768)
    for kind, expected in (("lerp", math.sqrt(0.5)), ("slerp", 1.0)):
        z = ood.sample_latents(cloud, 200, "interpolate", kind=kind, generator=seeded())
        assert z.flatten(1).norm(dim=1).mean().item() / radius == pytest.approx(expected, rel=0.01)


def test_an_arc_inflates_a_shared_mean_and_a_centered_combination_keeps_it():
    mean = torch.linspace(-1, 1, 768).reshape(3, 16, 16)
    cloud = mean + torch.randn(400, 3, 16, 16, generator=seeded())
    share = {}
    for name, more in (("interpolate", {}), ("centered", {"share": 0.5})):
        z = ood.sample_latents(cloud, 400, name, generator=seeded(), **more).mean(0)
        share[name] = ((z * mean).sum() / mean.square().sum()).item()
    cosine = 1 / (1 + 1 / mean.square().mean().item())
    assert share["interpolate"] == pytest.approx(math.sqrt(2 / (1 + cosine)), rel=0.02)  # at most sqrt(2)
    assert share["centered"] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("kind", ["slerp", "lerp"])
def test_parents_are_the_two_that_were_combined_the_nearer_first(kind):
    cloud = cloud_of()
    found = ood.sample_latents(cloud, 40, "interpolate", kind=kind, weight=(0, 1), generator=seeded(), details=True)
    first, second = cloud[found.parents[:, 0]], cloud[found.parents[:, 1]]
    assert (found.parents[:, 0] != found.parents[:, 1]).all()
    for z, p, q in zip(found.latents.flatten(1), first.flatten(1), second.flatten(1), strict=True):
        shares = torch.linalg.lstsq(torch.stack([p, q]).T, z[:, None]).solution[:, 0]
        torch.testing.assert_close(torch.stack([p, q]).T @ shares, z)
        assert (shares > -1e-9).all()
    near, far = (torch.cosine_similarity(found.latents.flatten(1), x.flatten(1)) for x in (first, second))
    if kind == "slerp":
        assert (near >= far - 1e-9).all()


def test_neighbors_are_the_nearest_and_the_radius_is_put_back():
    cloud = torch.cat([cloud_of(6, seed=1, mean=3), cloud_of(6, seed=2, mean=-3)])
    found = ood.sample_latents(cloud, 50, "centered", neighbors=3, generator=seeded(), details=True)
    assert ((found.parents < 6).all(1) | (found.parents >= 6).all(1)).all()  # never across the two groups
    offsets = (cloud - cloud.mean(0)).flatten(1).norm(dim=1)
    lengths = (found.latents - cloud.mean(0)).flatten(1).norm(dim=1)
    assert (lengths <= offsets.max() + 1e-9).all() and (lengths >= offsets.min() - 1e-9).all()


@pytest.mark.parametrize("neighbors", [None, 4])
def test_a_share_of_one_gives_the_latents_back(neighbors):
    cloud = cloud_of()
    found = ood.sample_latents(cloud, 9, "centered", share=1.0, neighbors=neighbors, generator=seeded(), details=True)
    torch.testing.assert_close(found.latents, cloud[found.parents[:, 0]])


def test_a_leading_latent_with_all_others_is_the_sum_of_their_weighted_offsets():
    """Weights by the rule: the first sqrt(share), the others normal, scaled to the rest; in the stated order."""
    cloud, n, share = cloud_of(), 5, 0.6
    found = ood.sample_latents(cloud, n, "centered", share=share, generator=seeded(4), details=True)
    draw, offsets = seeded(4), cloud - cloud.mean(0)
    first = torch.rand((n, 12), generator=draw).argsort(1)[:, 0]
    w = torch.randn((n, 12), generator=draw, dtype=torch.float64)
    for z, parents, k, others in zip(found.latents, found.parents, first, w[:, 1:], strict=True):
        others = others * math.sqrt(1 - share) / others.norm()
        rest = torch.cat([offsets[:k], offsets[k + 1 :]])
        expected = cloud.mean(0) + math.sqrt(share) * offsets[k] + torch.einsum("i,ichw->chw", others, rest)
        torch.testing.assert_close(z, expected)
        assert parents.tolist() == [k]


def combination_of_many_clouds(weights, clouds=20_000, known=True):
    """Corrected combinations, one of each of many clouds of five draws of one N(mu, S), with mu and S."""
    mean, root = torch.tensor([3.0, -1.0]).double(), torch.tensor([[2.0, 0.0], [1.5, 0.5]]).double()
    draws = mean + torch.randn(clouds, 5, 2, generator=seeded(), dtype=torch.float64) @ root.T
    mu = mean.reshape(2, 1, 1) if known else None
    z = torch.cat([ood.corrected_combination(cloud[:, :, None, None], weights, mu) for cloud in draws])
    return z.flatten(1), mean, root @ root.T


def assert_law(z, mean, covariance):
    """Mean and covariance of draws, each entry within five standard errors."""
    n, spread = len(z), covariance.diagonal()
    error = ((spread[:, None] * spread + covariance**2) / n).sqrt()
    assert ((z.mean(0) - mean).abs() < 5 * (spread / n).sqrt()).all()
    assert ((torch.cov(z.T) - covariance).abs() < 5 * error).all()


@pytest.mark.parametrize("weights", [(0.5, 0.5, 0, 0, 0), (2, -1, 0.3, 0, 0), (1, 1, 1, 1, 1)])
def test_a_corrected_combination_has_the_law_of_the_latents(weights):
    """Whatever the weights: N(mu, S), where the plain sum has N(alpha mu, beta S)."""
    assert_law(*combination_of_many_clouds(weights))


@pytest.mark.parametrize("weights", [(1.0, 0, 0, 0, 0), (0.5, 0.5, 0, 0, 0), (2, -1, 0.3, 0, 0), (1, 1, 1, 1, 1)])
def test_with_the_mean_of_n_latents_its_covariance_is_off_by_a_known_factor(weights):
    z, mean, covariance = combination_of_many_clouds(weights, known=False)
    assert_law(z, mean, (1 + (1 - sum(weights) ** 2 / sum(w * w for w in weights)) / 5) * covariance)


def test_a_corrected_combination_is_the_formula_of_its_authors():
    cloud, w = cloud_of(), torch.tensor([0.7, 0, -0.2, 1.1] + [0.0] * 8).double()
    mean, alpha, root = cloud[3] / 2, w.sum(), w.square().sum().sqrt()
    expected = (1 - alpha / root) * mean + torch.einsum("i,ichw->chw", w, cloud) / root
    found = ood.corrected_combination(cloud, w, mean)
    torch.testing.assert_close(found, expected[None])
    torch.testing.assert_close(ood.corrected_combination(cloud, 7 * w, mean), found)  # only the direction counts


@pytest.mark.parametrize("mean", [None, torch.zeros(3, 4, 4)])
def test_a_weight_of_one_gives_that_latent_back(mean):
    cloud = cloud_of()
    torch.testing.assert_close(ood.corrected_combination(cloud, torch.eye(12), mean), cloud)
    found = ood.sample_latents(cloud, 9, "cog", weights=[0, 3], generator=seeded(), details=True)
    torch.testing.assert_close(found.latents, cloud[found.parents[:, 0]])


def test_centered_with_a_leading_latent_is_a_corrected_combination_with_random_weights():
    """So both have one law: the weights of `centered`, drawn anew as its rule says, give its very latents."""
    cloud, n, share, draw = cloud_of(), 5, 0.6, seeded(4)
    found = ood.sample_latents(cloud, n, "centered", share=share, generator=seeded(4), details=True)
    first = torch.rand((n, 12), generator=draw).argsort(1)[:, 0]
    rest = torch.randn((n, 12), generator=draw, dtype=torch.float64)[:, 1:]
    rest = rest / rest.norm(dim=1, keepdim=True) * math.sqrt(1 / share - 1)  # beside a leading weight of 1
    w = torch.stack([torch.cat([r[:k], torch.ones(1).double(), r[k:]]) for r, k in zip(rest, first, strict=True)])
    torch.testing.assert_close(ood.corrected_combination(cloud, w), found.latents)


def test_cog_draws_combine_random_latents_by_the_given_weights():
    cloud, weights = cloud_of(), (0.2, -1.0, 0.5)
    found = ood.sample_latents(cloud, 7, "cog", weights=weights, generator=seeded(), details=True)
    for z, parents in zip(found.latents, found.parents, strict=True):  # the largest weight first
        expected = ood.corrected_combination(cloud[parents], (-1.0, 0.5, 0.2), cloud.mean(0))
        torch.testing.assert_close(z[None], expected)
    assert all(len({*row}) == 3 for row in found.parents.tolist())


def test_bad_input_of_a_combination_is_named():
    cloud, mean = cloud_of(), torch.zeros(3, 4, 4)
    for w in ([1.0, 1.0], [0.0] * 12, [math.nan] * 12):
        with pytest.raises(ValueError, match=r"weights: got shape \(1, (2|12)\), expected finite numbers \(n, 12\)"):
            ood.corrected_combination(cloud, w)
    with pytest.raises(TypeError, match="weights: got 'half'"):
        ood.corrected_combination(cloud, "half")
    with pytest.raises(ValueError, match="latents: got 2, expected at least 4, or a mean"):
        ood.corrected_combination(cloud[:2], (0.5, 0.5))
    with pytest.raises(ValueError, match="mean: got images of shape"):
        ood.corrected_combination(cloud, [1.0] * 12, mean[:, :2])


class Copies(TorchDispatchMode):
    """Counts the tensors that are as large as a cloud of 40 latents."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        self.count += isinstance(result, torch.Tensor) and result.numel() == 40 * 48
        return result


@pytest.mark.parametrize("settings", [{"share": 0.5}, {"neighbors": 40, "share": 0.5}])
def test_more_draws_take_no_more_copies_of_the_cloud(settings):
    counted = []
    for n in (3, 30):
        with Copies() as copies:
            ood.sample_latents(cloud_of(40), n, "centered", generator=seeded(), **settings)
        counted.append(copies.count)
    assert counted[0] == counted[1]


def test_a_store_serves_as_well_as_a_tensor(tmp_path):
    cloud = cloud_of().float()
    store = ood.LatentStore(tmp_path / "store", {"image_shape": [3, 4, 4]})
    store.append(cloud)
    drawn = [ood.sample_latents(x, 3, generator=seeded()) for x in (cloud, store)]
    assert torch.equal(*drawn)


def test_acceptance_holds_the_stated_share_of_the_latents_and_of_others_like_them():
    """Latents of one Gaussian: of 400 new draws 0.9 should pass, the ranges being known from 200 latents (sd 0.03)."""
    cloud = torch.randn(200, 3, 8, 8, generator=seeded())
    accept = calibrate_acceptance(cloud, 0.9)
    assert accept.coverage >= 0.9
    fresh = torch.randn(400, 3, 8, 8, generator=seeded(9))
    assert abs(accept.accepts(fresh).mean() - 0.9) < 0.12
    assert not accept.accepts(1.5 * fresh).any() and not accept.accepts(fresh + 2).any()


def test_a_filter_returns_what_passes_or_says_how_little_did():
    cloud = torch.randn(60, 3, 8, 8, generator=seeded())
    accept = calibrate_acceptance(cloud, 0.8)
    found = ood.sample_latents(cloud, 20, "gaussian", accept=accept, generator=seeded(), details=True)
    assert len(found.latents) == 20 and accept.accepts(found.latents).all()
    with pytest.raises(ValueError, match=r"accept: 0 of 60 proposals passed, expected 20"):
        ood.sample_latents(cloud, 20, "interpolate", kind="lerp", accept=accept, max_rounds=3, generator=seeded())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"latents": torch.zeros(3, 3, 4, 4)}, ValueError, "latents: got 3, expected at least 4"),
        ({"latents": torch.zeros(5, 3, 4, 4) / 0}, ValueError, "latents: holds NaN"),
        ({"n": 0}, ValueError, "n: got 0"),
        ({"method": "magic"}, ValueError, "method: got 'magic', expected one of interpolate"),
        ({"method": "interpolate", "weight": 1.5}, ValueError, "weight: got 1.5"),
        ({"method": "interpolate", "weight": (0.9, 0.1)}, ValueError, r"weight: got \(0.9, 0.1\)"),
        ({"method": "interpolate", "kind": "arc"}, ValueError, "kind: got 'arc'"),
        ({"method": "gaussian", "weight": 0.5}, TypeError, "settings: got weight for 'gaussian', expected none"),
        ({"n": 2, "generator": None, "cloud": 1}, TypeError, "settings: got cloud .*, expected kind, weight$"),
        ({"method": "centered", "neighbors": 99}, ValueError, "neighbors: got 99"),
        ({"method": "cog", "weights": [1.0] * 13}, ValueError, r"weights: got shape \(13,\), expected \(k,\) with k"),
        ({"method": "centered", "share": 1.5}, ValueError, "share: got 1.5"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ood.sample_latents(**{"latents": cloud_of(), "n": 2} | arguments)


def test_bad_input_of_an_arc_and_of_a_calibration_is_named():
    for along in (ood.slerp, ood.lerp):
        with pytest.raises(ValueError, match="z2: got shape"):
            along(torch.ones(1, 3, 4, 4), torch.ones(2, 3, 4, 4), 0.5)
        with pytest.raises(ValueError, match="weight: got 2"):
            along(torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4), 2)
        with pytest.raises(ValueError, match=r"weight: got shape \(3,\), expected one number or \(2,\)"):
            along(torch.ones(2, 3, 4, 4), torch.ones(2, 3, 4, 4), torch.ones(3))
    with pytest.raises(ValueError, match="coverage: got 0"):
        calibrate_acceptance(cloud_of(), 0)
    with pytest.raises(ValueError, match="proposals: got d = 12, expected 48"):
        calibrate_acceptance(cloud_of()).accepts(torch.zeros(2, 3, 2, 2))
