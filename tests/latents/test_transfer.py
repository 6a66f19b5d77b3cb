"""Transfer: exact for Gaussian domains that differ by a shift, and what it refuses."""

import pytest
import torch

import ood_helpers as ood
from ood_helpers.latents.samplers import blend


def cloud(n=40, seed=0, shift=0.0, scale=1.0):
    z = torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return shift + scale * z


def test_a_shift_is_undone_and_the_way_back_undoes_the_way():
    source = cloud()
    target = source + torch.linspace(-1, 1, 48, dtype=torch.float64).reshape(3, 4, 4)
    there = ood.transfer(source, source, target)
    torch.testing.assert_close(there, target)
    torch.testing.assert_close(ood.transfer(there, target, source), source)
    torch.testing.assert_close(ood.transfer(source, source, target, amount=0), source)
    torch.testing.assert_close(ood.transfer(source, source, target, amount=0.5), (source + target) / 2)


def test_with_spread_the_cloud_takes_the_target_s_mean_and_deviation():
    source, target = cloud(), cloud(60, 1, shift=2, scale=0.3)
    moved = ood.transfer(source, source, target, spread=True)
    torch.testing.assert_close(moved.mean(0), target.mean(0))
    deviation = [(z - z.mean(0)).square().sum() / (len(z) - 1) for z in (moved, target)]
    torch.testing.assert_close(*deviation)


def test_the_partner_is_the_nearest_about_the_centers_and_the_ends_are_the_latents():
    source = cloud(8)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    target = (source + 5)[order]
    for weight, end in ((0.0, source[:5]), (1.0, source[:5] + 5)):
        blended, partner = blend(source[:5], source, target, weight)
        assert torch.equal(order[partner], torch.arange(5))
        torch.testing.assert_close(blended, end)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents": cloud() / 0}, "latents: holds NaN"),
        ({"target": cloud(1)}, "target: got 1 latents, expected at least 2"),
        ({"source": torch.zeros(4, 3, 2, 2)}, "source: got images of shape"),
        ({"amount": -1}, "amount: got -1"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        ood.transfer(**{"latents": cloud(), "source": cloud(), "target": cloud(seed=2)} | change)
