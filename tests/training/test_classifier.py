"""Training of the domain scorer: content survives the augmentation, the loss falls, the record tells the truth."""

import json
from dataclasses import asdict, replace

import pytest
import torch

from ood_helpers.__main__ import main
from ood_helpers.baselines import embedding
from ood_helpers.evaluation import scorer
from ood_helpers.evaluation.scorer import GALAXIES, load_scorer
from ood_helpers.training.classifier import (
    CLASSIFIERS,
    ScorerRecipe,
    assess,
    augment,
    batch_at,
    pictures_of,
    temperature,
    train_scorer,
)

SMALL = {"images": 16, "size": 32, "channels": (8, 16, 16), "batch": 32, "steps": 60}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return train_scorer("domain-scorer", tmp_path_factory.mktemp("scorer"), device="cpu", progress=False, **SMALL)


def test_a_short_training_learns_and_its_record_can_be_measured_again(folder):
    trained, recipe = load_scorer(folder), ScorerRecipe(**SMALL)
    record = json.loads((folder / "scorer.json").read_text())
    assert record["held_out"]["accuracy"] > 0.3  # eight domains: 0.125 by guessing
    again = assess(trained, recipe, *pictures_of(recipe, 20, recipe.seed + 2))
    assert again["accuracy"] == pytest.approx(record["held_out"]["accuracy"], abs=0.02)  # weights were rounded


def test_the_same_command_gives_the_same_scorer_and_leaves_the_global_stream_alone(folder, tmp_path):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    again = train_scorer("domain-scorer", tmp_path / "again", device="cpu", progress=False, **SMALL)
    ours, theirs = load_scorer(folder).state_dict(), load_scorer(again).state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_the_command_line_calls_a_scorer_is_what_was_shipped():
    """The recipe of each, but for what only ends or measures it, is that in the record of the shipped weights."""
    judges = {"domain-scorer": scorer.DOMAIN_SCORER, "real-scorer": scorer.REAL_SCORER, "galaxy-classifier": GALAXIES}
    shipped = judges | {"domain-embedding": embedding.SHIPPED}
    for name in shipped:
        recipe = CLASSIFIERS[name]
        told = load_scorer(shipped[name]).record["recipe"]
        assert {**asdict(recipe), "channels": list(recipe.channels)} == {**asdict(recipe), **told}


def test_the_command_line_trains_a_scorer_by_its_name(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(CLASSIFIERS, "galaxy-classifier", replace(CLASSIFIERS["galaxy-classifier"], size=16, others=4))
    arguments = ["--output", str(tmp_path), "--steps", "2", "--images", "2", "--device", "cpu"]
    assert main(["train", "galaxy-classifier", *arguments]) == 0
    record = load_scorer(tmp_path).record["recipe"]
    assert record["classes"] == "galaxies" and record["steps"] == record["images"] == 2
    assert "load_scorer" in capsys.readouterr().out


def test_the_temperature_undoes_overconfidence():
    """Labels drawn from known probabilities, whose logarithms are then taken 2.5 times as large."""
    logits = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.multinomial(logits.softmax(1), 1, generator=torch.Generator().manual_seed(1))[:, 0]
    assert temperature(2.5 * logits, labels) == pytest.approx(2.5, rel=0.03)


def test_a_wrong_name_or_field_is_named(tmp_path):
    with pytest.raises(ValueError, match="name: got 'star-scorer', expected one of domain-scorer, domain-embedding"):
        train_scorer("star-scorer", tmp_path)
    with pytest.raises(TypeError, match="unexpected keyword argument 'color'"):
        train_scorer("domain-scorer", tmp_path, color=3)


def test_augmented_images_stay_images_and_depend_on_the_generator_alone():
    recipe = ScorerRecipe()
    images = torch.rand(5, 3, 32, 32) * 2 - 1
    first, again = (augment(images, recipe, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again) and first.shape == images.shape
    assert first.min() >= -1 and first.max() <= 1
    assert not torch.equal(first, augment(images, recipe, torch.Generator().manual_seed(2)))


def test_without_changes_an_image_is_only_mirrored():
    still = ScorerRecipe(noise=0, blur=0, zoom=0, shift=0, tint=0, repaint=0)
    images = (torch.rand(40, 1, 16, 16) * 2 - 1).expand(-1, 3, -1, -1)  # gray: saturation changes nothing
    changed = augment(images, still, torch.Generator().manual_seed(0))
    same = torch.isclose(changed, images, atol=1e-4).flatten(1).all(1)
    mirrored = torch.isclose(changed, images.flip(-1), atol=1e-4).flatten(1).all(1)
    assert (same | mirrored).all() and same.any() and mirrored.any()


def test_repainted_images_take_the_colors_of_others_and_keep_their_pattern():
    still = ScorerRecipe(noise=0, blur=0, zoom=0, shift=0, tint=0, repaint=1)
    pattern = 0.3 * torch.linspace(-1, 1, 16).expand(20, 1, 16, 16)
    images = (pattern * torch.tensor([0.5, 2.0]).repeat(10).reshape(20, 1, 1, 1)).expand(-1, 3, -1, -1)
    changed = augment(images, still, torch.Generator().manual_seed(0))
    mean, std = changed.mean((2, 3)), changed.std((2, 3))
    ratio = std / images.std((2, 3))
    assert mean.abs().max() < 1e-5  # all have the mean 0
    for expected in (0.25, 1.0, 4.0):
        assert torch.isclose(ratio, torch.tensor(expected), rtol=1e-3).any()
    line = torch.corrcoef(torch.cat([changed[:, 0].flatten(1), pattern[:1].flatten(1)]))[-1, :-1]
    torch.testing.assert_close(line.abs(), torch.ones(20), atol=1e-4, rtol=0)


def test_a_batch_depends_on_seed_and_step_alone():
    recipe = ScorerRecipe(batch=8)
    pictures, labels = pictures_of(ScorerRecipe(size=16), 3, 0)
    first, again, other = (batch_at(step, pictures, labels, recipe) for step in (3, 3, 4))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_pictures_come_with_their_domains_in_order():
    pictures, labels = pictures_of(ScorerRecipe(size=16), 2, 0)
    assert pictures.shape == (16, 3, 16, 16) and pictures.dtype == torch.uint8
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
