"""Training of the galaxy classifier: hands are kept, and what is no galaxy has no class."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from ood_helpers.domains.skies import GALAXY_KINDS
from ood_helpers.evaluation.scorer import load_scorer
from ood_helpers.training.classifier import (
    CLASSIFIERS,
    NONE,
    augment,
    class_loss,
    others_of,
    pictures_of,
    train_scorer,
)

GALAXIES = CLASSIFIERS["galaxy-classifier"]
SMALL = {"images": 12, "size": 32, "channels": (8, 16, 16), "batch": 32, "steps": 40, "others": 12}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return train_scorer(
        "galaxy-classifier", tmp_path_factory.mktemp("classifier"), device="cpu", progress=False, **SMALL
    )


def test_a_short_training_learns_and_tells_the_accuracy_of_each_kind(folder):
    record = json.loads((folder / "scorer.json").read_text())
    assert load_scorer(folder).domains == GALAXY_KINDS
    assert record["held_out"]["accuracy"] > 0.25  # six kinds: 0.17 by guessing
    assert set(record["held_out"]["accuracy_by_class"]) == set(GALAXY_KINDS)
    assert record["recipe"]["classes"] == "galaxies" and not record["recipe"]["mirror"]


def test_pictures_come_with_their_kinds():
    pictures, labels = pictures_of(replace(GALAXIES, size=16), 10, 0)
    assert pictures.shape == (60, 3, 16, 16) and pictures.dtype == torch.uint8
    assert labels.unique().tolist() == list(range(6))


def test_no_image_is_mirrored():
    still = replace(GALAXIES, **dict.fromkeys(("noise", "blur", "zoom", "shift", "tint", "repaint"), 0))
    images = (torch.rand(40, 1, 16, 16) * 2 - 1).expand(-1, 3, -1, -1)  # gray: saturation changes nothing
    changed = augment(images, still, torch.Generator().manual_seed(0))
    torch.testing.assert_close(changed, images, atol=1e-4, rtol=0)


def test_others_show_no_galaxy_and_depend_on_the_seed_alone():
    recipe = replace(GALAXIES, size=16)
    first, again, other = (others_of(recipe, 30, seed) for seed in (1, 1, 2))
    assert first.shape == (30, 3, 16, 16) and first.dtype == torch.uint8
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_loss_of_what_has_no_class_is_least_where_all_classes_are_as_likely():
    scores, wanted = torch.randn(4, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, NONE, NONE])
    known = functional.cross_entropy(scores[:2], wanted[:2], label_smoothing=0.02)
    none = functional.cross_entropy(scores[2:], torch.full((2, 6), 1 / 6))
    torch.testing.assert_close(class_loss(scores, wanted), (known + none) / 2)
    assert class_loss(torch.zeros(1, 6), wanted[2:3]) < class_loss(scores[2:3], wanted[2:3])


def test_classes_are_domains_or_galaxies(tmp_path):
    with pytest.raises(ValueError, match="classes: got 'stars', expected one of domains, galaxies"):
        train_scorer("domain-scorer", tmp_path, classes="stars")
