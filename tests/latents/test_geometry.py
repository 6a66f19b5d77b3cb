"""Geometry from one Gram matrix, against loops over pairs and triples in float64."""

from itertools import combinations, permutations

import numpy as np
import pytest
import torch

import ood_helpers.latents.gram as gram_module
from ood_helpers.latents.geometry import geometry
from ood_helpers.latents.gram import gram
from ood_helpers.latents.store import LatentStore


def cloud(n=24, d=300, shift=0.0, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def angle(u, v):
    return np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1)))


@pytest.mark.parametrize("shift", [0.0, 3.0, 300.0])
def test_the_gram_matrix_is_that_of_float64(shift):
    x, y = cloud(shift=shift), cloud(n=9, shift=-shift, seed=1)
    g = gram(x, y)
    points = torch.cat([x, y]).double().numpy()
    np.testing.assert_allclose(g.products, points @ points.T, rtol=1e-6, atol=1e-6 * np.square(points).sum(1).max())
    squares = np.square(points[:, None] - points[None]).sum(-1)
    np.testing.assert_allclose(g.squared_distances, squares, rtol=1e-6)
    assert np.array_equal(g.products, g.products.T) and not np.diag(g.squared_distances).any()


def test_panels_of_any_width_give_the_same(monkeypatch):
    expected = gram(cloud())
    monkeypatch.setattr(gram_module, "PANEL", 24 * 7)
    np.testing.assert_allclose(gram(cloud()).products, expected.products, rtol=0, atol=1e-6 * expected.products.max())


@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-5])
def test_near_pairs_keep_their_distance(distance):
    """By the formula alone, float32 products would leave nothing of a distance of 1e-5 at radius 17."""
    x = cloud().double()
    x[1] = x[0] + distance * torch.nn.functional.normalize(cloud(1, seed=5).double())[0]
    x = x.float()
    true = float((x[1].double() - x[0].double()).norm())
    assert np.sqrt(gram(x).squared_distances[0, 1]) == pytest.approx(true, rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_geometry_is_that_of_loops_over_all_pairs_and_triples(shift):
    x = cloud(shift=shift)
    points = x.double().numpy()
    expected = {
        "radius": [np.linalg.norm(a) for a in points],
        "pair_distance": [np.linalg.norm(a - b) for a, b in combinations(points, 2)],
        "origin_angle": [angle(a, b) for a, b in combinations(points, 2)],
        "pair_angle": [angle(a - c, b - c) for a, b, c in permutations(points, 3)],
    }
    found = geometry(x)
    for name, values in expected.items():
        assert getattr(found, name).mean == pytest.approx(np.mean(values), rel=1e-6), name
        assert getattr(found, name).std == pytest.approx(np.std(values), rel=1e-6), name
    assert (found.n, found.d) == (24, 300)


@pytest.mark.parametrize("make", [torch.rand, torch.randn, lambda *a, **k: torch.randn(*a, **k) ** 5])
def test_the_mean_pair_angle_is_sixty_degrees_for_every_cloud(make):
    """The angles of a triangle add up to 180 degrees; so the mean cannot tell one cloud from another."""
    x = make(20, 2, generator=torch.Generator().manual_seed(3))
    assert geometry(x).pair_angle.mean == pytest.approx(60, abs=1e-4)


def test_an_isotropic_gaussian_has_the_geometry_that_concentration_of_measure_predicts():
    """Radius s sqrt(d), distance s sqrt(2 d), origin angle arccos(mu^2 / (mu^2 + s^2)), within 5 standard errors."""
    n, d, mu, s = 100, 20_000, 0.5, 2.0
    found = geometry(s * cloud(n, d) + mu)
    assert found.radius.mean == pytest.approx(np.sqrt((mu**2 + s**2) * d), abs=5 * s / np.sqrt(2 * n))
    assert found.pair_distance.mean == pytest.approx(s * np.sqrt(2 * d), abs=5 * s / np.sqrt(n))
    assert found.origin_angle.mean == pytest.approx(np.degrees(np.arccos(mu**2 / (mu**2 + s**2))), abs=0.2)
    assert found.pair_angle.std < 0.6


def test_a_gram_matrix_a_store_and_an_image_batch_give_the_same(tmp_path):
    x = cloud(12, 60).reshape(12, 3, 4, 5)
    store = LatentStore(tmp_path / "store", {"image_shape": [3, 4, 5]})
    store.append(x)
    expected = geometry(x)
    assert geometry(store) == geometry(x.numpy()) == geometry(gram(x)) == expected
    joint = gram(cloud(5, 60, seed=9), x)
    assert geometry(joint[5:]).pair_distance.mean == pytest.approx(expected.pair_distance.mean, rel=1e-6)


@pytest.mark.parametrize(
    ("latents", "error", "message"),
    [
        (cloud(2), ValueError, r"latents: got shape \(2, 300\), expected \(n, ...\) with n >= 3"),
        (gram(cloud(2)), ValueError, "latents: got 2 points"),
        ([1.0, 2.0], TypeError, "latents: got list"),
        (torch.ones(4, 5, dtype=torch.int64), TypeError, "latents: got dtype int64"),
        (torch.full((4, 5), torch.nan), ValueError, "latents: holds NaN or infinity"),
        (torch.ones(4, 5), ValueError, "points 0 and 1 coincide"),
    ],
)
def test_bad_input_is_named(latents, error, message):
    with pytest.raises(error, match=message):
        geometry(latents)


def test_clouds_of_different_dimension_do_not_mix():
    with pytest.raises(ValueError, match=r"clouds\[1\]: got d = 7, expected 300"):
        gram(cloud(), cloud(d=7))
