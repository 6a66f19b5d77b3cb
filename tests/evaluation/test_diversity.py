"""Diversity and novelty: known sets, known orders, and what counts as a double exposure."""

import numpy as np
import pytest
import torch
from torch import nn

import ood_helpers as ood
from ood_helpers.evaluation.diversity import composites, double_exposures

PIXELS = nn.Flatten()


def church(n, seed, start=0):
    return ood.load_domain("church", n, 64, seed, start)


def test_copies_have_no_diversity_and_orthogonal_images_a_known_one():
    copies = church(1, 1).expand(5, -1, -1, -1)
    assert ood.diversity(copies).value == pytest.approx(0, abs=1e-4)
    assert ood.diversity(copies, "ms-ssim").value == pytest.approx(0, abs=1e-4)
    units = torch.eye(12).reshape(12, 3, 2, 2) / 2
    found = ood.diversity(units, network=PIXELS)
    assert found.value == pytest.approx(np.sqrt(0.5)) and found.error == pytest.approx(0, abs=1e-9)


def test_its_error_is_the_scatter_of_repeated_samples():
    """Mean distance of 20 normal points, 200 times; the ratio of the two errors is known to about 10 %."""
    draws = 0.2 * torch.randn(200, 20, 1, 1, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = [ood.diversity(x, network=PIXELS) for x in draws]
    assert np.mean([d.error for d in found]) == pytest.approx(np.std([d.value for d in found]), rel=0.25)


@pytest.mark.parametrize("metric", ["features", "ms-ssim"])
def test_near_copies_are_less_diverse_than_a_domain(metric):
    noise = torch.randn(12, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    alike = (church(1, 1) + 0.05 * noise).clamp(-1, 1)
    assert ood.diversity(alike, metric).value < 0.5 * ood.diversity(church(12, 1), metric).value


def test_copies_are_not_new_and_other_images_are_as_new_as_real_ones():
    inputs, real = church(60, 1), church(60, 2)
    copied, fresh = (ood.novelty(x, inputs, real) for x in (inputs[:20], church(40, 3)))
    assert copied.median == pytest.approx(0, abs=1e-3) and copied.copies == 1
    assert 0.8 < fresh.median < 1.25 and fresh.copies < 0.2
    faint = (inputs[:20] + 0.02 * torch.randn(20, 3, 64, 64, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    assert ood.novelty(faint, inputs, real).median < 0.5


def test_two_pictures_printed_over_each_other_are_found_and_real_ones_are_not():
    inputs, real = church(40, 1), church(40, 2)
    p, q = inputs[:12], inputs[12:24]
    assert double_exposures(0.45 * p + 0.45 * q + 0.05, (p, q), inputs, real).mean() == 1
    assert double_exposures(church(12, 5), (p, q), inputs, real).mean() <= 0.1
    assert double_exposures(p, (p, q), inputs, real).mean() == 0  # a copy is no double exposure


def test_what_several_parents_explain_is_a_composite_and_real_images_are_not():
    inputs, real = church(40, 1), church(40, 2)
    parents = torch.arange(36).reshape(12, 3)
    blend = inputs[parents].mean(1)
    assert composites(blend, parents, inputs, real).mean() == 1
    assert composites(inputs[parents[:, 0]], parents, inputs, real).mean() == 1  # copies count
    assert composites(church(12, 5), parents, inputs, real).mean() <= 0.1
    with pytest.raises(ValueError, match="parents: got shape"):
        composites(blend, parents[:5], inputs, real)


@pytest.mark.parametrize(
    ("images", "metric", "message"),
    [
        (torch.zeros(2, 3, 64, 64), "features", "images: got 2, expected at least 3"),
        (torch.zeros(4, 3, 32, 32), "ms-ssim", r"images: got \(32, 32\) pixels, expected more than 40"),
        (torch.zeros(4, 3, 64, 64), "taste", "metric: got 'taste', expected one of features, ms-ssim"),
    ],
)
def test_bad_input_is_named(images, metric, message):
    with pytest.raises(ValueError, match=message):
        ood.diversity(images, metric)


def test_parents_have_the_shape_of_their_children():
    x = church(4, 1)
    with pytest.raises(ValueError, match="parents: got"):
        double_exposures(x, (x[:2], x[:2]), x, x)
