"""Pictures on their ways between domains: known ends of every measure."""

import pytest
import torch

import ood_helpers as ood
from ood_helpers.pages import transfers


@pytest.fixture(scope="module")
def domains():
    return {name: ood.load_domain(name, n=24, size=64, seed=3) for name in ("sketch", "dog")}


def test_white_noise_has_a_fine_power_of_one():
    noise = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert transfers.fine_power(noise) == pytest.approx(1, abs=0.03)  # 30,000 powers, each with a deviation of 1
    coarse = torch.nn.functional.interpolate(noise[..., ::4, ::4], size=32, mode="bilinear")
    assert transfers.fine_power(coarse) < 0.1


def test_shifted_latents_have_the_mean_of_the_target():
    stream = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 16, 3, 8, 8, generator=stream) + torch.tensor([0.0, 2.0]).view(2, 1, 1, 1, 1)
    found = transfers.moved(a, a, b)
    assert set(found) == {"shift", "transport", *(f"arc {weight}" for weight in transfers.WEIGHTS)}
    for way in ("shift", "transport"):
        assert torch.allclose(found[way].mean(0).float(), b.mean(0), atol=1e-5)


def test_what_is_in_the_target_has_arrived_and_what_stayed_has_kept_its_edges(domains):
    """The key of a sketch is its dog; a sketch that stays has all edges of its own, and more fine power."""
    sources = {name: x[:8] for name, x in domains.items()}
    real = {name: x[8:] for name, x in domains.items()}
    ways = {("sketch", "dog"): {"key": sources["dog"], "stay": sources["sketch"]}}
    table, kept = transfers.arrivals(ways, sources, real)
    key, stay = (table.loc[("sketch to dog", way)] for way in ("key", "stay"))
    assert key["arrived"] == 1 and stay["arrived"] == 0
    assert key["left"] < 0.1 and stay["left"] == pytest.approx(1, abs=0.2)
    assert stay["edges"] == pytest.approx(1, abs=1e-6) and stay["edges"] > key["edges"] > key["others"]
    assert 0.5 < key["fine"] < 2 < stay["fine"]
    assert kept["sketch to dog"].shape == (2, 8)
    assert kept["sketch to dog"].mean(1).tolist() == pytest.approx([key["kept"], stay["kept"]])
