"""Tests of normality: right rates of false alarm, and alarms where there is something to find."""

import numpy as np
import pytest
import torch
from scipy import stats

from ood_helpers.latents.gaussianity import gaussianity
from ood_helpers.latents.geometry import geometry

NAMES = ("marginal", "projections", "radius", "neighbors", "spectrum", "sphericity", "eigenvalues")
SHAPE = (30, 3, 16, 16)


def normal(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def under_the_null():
    return [gaussianity(normal(seed)) for seed in range(300)]


@pytest.mark.parametrize("name", NAMES)
def test_false_alarms_are_as_frequent_as_stated(under_the_null, name):
    """At 10 %, 300 repetitions alarm 30 +- 5.2 times; outside [12, 50] with probability 4e-4 for each test."""
    alarms = sum(found[name].p_value < 0.1 for found in under_the_null)
    assert alarms <= 50
    assert alarms >= (12 if name != "marginal" else 8)  # the marginal test is a little conservative


@pytest.mark.parametrize("name", NAMES)
def test_effects_of_normal_latents_scatter_about_the_expected_value(under_the_null, name):
    effects = np.array([found[name].effect for found in under_the_null])
    if name in ("marginal", "projections"):  # distances: positive, and small
        assert effects.max() < 0.05
    else:
        assert abs(effects.mean() - under_the_null[0][name].expected) < 4 * effects.std() / np.sqrt(300)


def test_the_verdict_on_normal_latents_is_rarely_a_rejection(under_the_null):
    """3 expected at 1 %; more than 10 with probability 3e-4."""
    assert sum(found.rejected(0.01) for found in under_the_null) <= 10


def smooth(z):
    return torch.nn.functional.avg_pool2d(z, 3, 1, 1) * 3


@pytest.mark.parametrize(
    ("change", "finds"),
    [
        (lambda z: 1.05 * z, {"radius"}),
        (lambda z: z + 0.05, {"marginal"}),
        (smooth, {"neighbors", "spectrum", "sphericity"}),
        (lambda z: z.sign() * z.abs().sqrt(), {"marginal"}),
        (lambda z: z * torch.linspace(0.8, 1.2, len(z))[:, None, None, None], {"radius"}),
        (lambda z: (z + 0.3 * normal(99, (1, 3, 16, 16))) / 1.09**0.5, {"sphericity"}),
        (lambda z: z + normal(98, (30, 1, 1, 1)) * normal(99, (1, 3, 16, 16)) / 2, {"sphericity", "eigenvalues"}),
    ],
    ids=["scaled", "shifted", "smoothed", "other marginals", "radii spread", "common picture", "one direction"],
)
def test_departures_are_found_by_the_tests_made_for_them(change, finds):
    found = gaussianity(change(normal(1000)))
    assert found.rejected()
    assert {name for name in NAMES if found[name].p_value < 1e-4} >= finds


def test_a_cloud_can_have_perfect_angles_and_not_be_normal():
    """Colored noise: the geometry of Table 3 is that of a Gaussian cloud, the spectrum is not that of white noise."""
    z = smooth(normal(5, (40, 3, 32, 32)))
    z = z / z.std()
    shape = geometry(z)
    assert shape.origin_angle.mean == pytest.approx(90, abs=0.5) and shape.pair_angle.std < 2
    assert gaussianity(z)["neighbors"].effect > 0.5 and gaussianity(z).rejected()


def test_effects_against_direct_formulas():
    z = normal(3)
    found, x = gaussianity(z), z.double().numpy()
    assert found["radius"].effect == pytest.approx(np.linalg.norm(x.reshape(30, -1), axis=1).mean() / np.sqrt(768))
    assert found["marginal"].effect == pytest.approx(stats.kstest(x.ravel(), "norm").statistic, abs=2 / 4096)
    horizontal, vertical = x[..., 1:] * x[..., :-1], x[..., 1:, :] * x[..., :-1, :]
    mean = (horizontal.sum() + vertical.sum()) / (horizontal.size + vertical.size)
    assert found["neighbors"].effect == pytest.approx(mean / np.square(x).mean())
    eigenvalues = np.linalg.eigvalsh(x.reshape(30, -1).T @ x.reshape(30, -1) / 30)
    u = np.square(eigenvalues / eigenvalues.mean() - 1).mean()
    assert found["sphericity"].effect == pytest.approx(u - 769 / 30)


def test_latents_are_read_twice_by_rows_for_all_statistics_and_once_by_columns():
    """Chunks of 64 rows for what pixels tell, stretches of columns for the Gram matrix: each number is read twice."""

    class Watched(np.ndarray):
        def __getitem__(self, key):
            found = super().__getitem__(key)
            if self.base is not None and np.ndim(found) == 2 and isinstance(key, slice | tuple):
                read.append(found.size)
            return found

    z, read = np.asarray(normal(4, (130, 3, 8, 8))), []
    expected = gaussianity(z)
    assert gaussianity(z.view(Watched)) == expected
    assert sum(read) == 2 * z.size


@pytest.mark.parametrize(
    ("latents", "message"),
    [
        (normal(0, (5, 3, 16, 16)), r"latents: got shape \(5, 3, 16, 16\)"),
        (normal(0, (9, 300)), r"latents: got shape \(9, 300\), expected \(n, C, H, W\)"),
        (normal(0, (9, 3, 4, 16)), "H and W of at least 8"),
        (torch.full(SHAPE, torch.nan), "NaN or infinity"),
    ],
)
def test_bad_input_is_named(latents, message):
    with pytest.raises(ValueError, match=message):
        gaussianity(latents)
