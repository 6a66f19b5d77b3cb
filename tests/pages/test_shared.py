"""Latents that chapters share: made once, extended when more are asked for, the same whoever asks."""

import pytest
import torch

import ood_helpers as ood
from ood_helpers.pages import shared

MODEL = ood.gaussian_model(torch.zeros(3, 16, 16), torch.full((3, 16, 16), 0.3))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "FOLDER", tmp_path)
    return tmp_path


def test_a_second_chapter_pays_for_what_is_new_alone():
    counted = ood.CountedModel(MODEL)
    few = shared.clouds(counted, ("church",), 2)["church"]
    assert counted.evaluations == 2 * (shared.WALK["steps"] + 1)
    again, more = (shared.clouds(counted, ("church",), n)["church"] for n in (2, 3))
    assert counted.evaluations == 3 * (shared.WALK["steps"] + 1)
    assert torch.equal(few, again) and torch.equal(more[:2], few)
    images = ood.load_domain("church", 3, 16, shared.SEED)
    torch.testing.assert_close(more, ood.invert(MODEL, images, progress=False, **shared.WALK))


def test_other_walks_have_stores_of_their_own(folder):
    plain, fine = (shared.clouds(MODEL, ("cat",), 2, **walk)["cat"] for walk in (shared.DDIM, shared.WALK))
    assert not torch.equal(plain, fine) and len(list(folder.iterdir())) == 2


def test_climbs_pass_the_heights():
    found = shared.climbs(MODEL, ("cat", "galaxy"), 2, heights=(200, 800))
    assert list(found) == ["cat", "galaxy"] and list(found["cat"]) == [200, 800]
    assert found["cat"][800].shape == (2, 3, 16, 16)
    cloud = shared.clouds(MODEL, ("cat",), 2)["cat"]
    torch.testing.assert_close(found["cat"][800], cloud, rtol=0.02, atol=0.05)
