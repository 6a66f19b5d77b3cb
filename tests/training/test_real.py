"""Training on a public set, from a tiny folder in its layout: what is held out stays so, and the card tells it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import ood_helpers as ood
from ood_helpers.training import classifier, trainer
from ood_helpers.training.card import nearest_training_images
from ood_helpers.training.trainer import RECIPES, batch_at, middle_of, probe_losses, training_pictures

SMALL = {"size": 16, "shift": 2, "channels": (16, 32), "batch": 4, "steps": 3, "warmup": 1, "card_images": 6}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two hundred hands of twenty people, whose brightness tells the person; and a few of the other sets."""
    folder, rng = tmp_path_factory.mktemp("sets"), np.random.default_rng(0)
    names = {f"hands/Dataset/{k % 10}/IMG_{1000 + k}.JPG": 12 * (k // 10) for k in range(200)}
    names |= {f"apples/image-{1117 + k}.jpg": 40 for k in range(60)}
    names |= {f"dust/GLM_1_mosaic_I24M1_{k:04d}_0000.png": 80 for k in range(60)}
    names |= {f"satellite/bmng_{k:04d}_0000.png": 120 for k in range(60)}
    names |= {f"objects/glass{k}.jpg": 160 for k in range(60)}
    for path, light in names.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.clip(light + rng.integers(0, 8, (20, 20, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
    return folder


@pytest.fixture(scope="module")
def judge(sets, tmp_path_factory):
    return classifier.train_scorer(
        "real-scorer", tmp_path_factory.mktemp("scorer"), folder=sets, steps=2, images=20, size=16, progress=False
    )


@pytest.fixture(scope="module")
def finished(sets, judge, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.ood, "REAL_SCORER", judge)
        folder = tmp_path_factory.mktemp("hand")
        return trainer.train("real-hand", folder, folder=sets, device="cpu", progress=False, **SMALL)


def test_it_learns_from_the_people_who_are_not_held_out(sets):
    recipe = replace(RECIPES["real-hand"], size=16, shift=2)
    pictures = training_pictures(recipe, sets)
    people = {round(float(x)) // 12 for x in pictures.float().mean((1, 2, 3))}
    assert pictures.shape == (180, 3, 18, 18) and pictures.dtype == torch.uint8
    assert people == set(range(20)) - {9, 19}
    held_out = (trainer.held_out_pictures(recipe, sets, 1000) + 1) * 127.5
    assert {round(float(x)) // 12 for x in held_out.mean((1, 2, 3))} == {9, 19} and len(held_out) == 20
    later = (trainer.held_out_pictures(recipe, sets, 1000, start=5) + 1) * 127.5
    torch.testing.assert_close(later, held_out[5:])


def test_shifts_show_every_part_of_the_larger_picture():
    recipe = replace(RECIPES["real-hand"], size=8, shift=2, batch=256)
    pictures = torch.arange(100, dtype=torch.uint8).reshape(1, 1, 10, 10).expand(1, 3, 10, 10)
    images, eps, _ = batch_at(0, pictures, recipe)
    whole, found = pictures.float() / 127.5 - 1, set()
    for image in images:
        for mirrored in (False, True):
            candidate = whole[0].flip(-1) if mirrored else whole[0]
            for i in range(3):
                for j in range(3):
                    if torch.equal(image, candidate[:, i : i + 8, j : j + 8]):
                        found.add((mirrored, i, j))
    assert len(found) == 18 and eps.shape == (256, 3, 8, 8)
    torch.testing.assert_close(middle_of(pictures, recipe), whole[..., 1:9, 1:9])


def test_the_record_tells_memory_and_the_card_whom_to_credit(finished):
    record = json.loads((finished / "training.json").read_text())
    source, losses = record["source"], record["final_losses"]
    assert np.shape(record["colors"]) == (180, 3) and np.abs(record["colors"]).max() <= 1
    assert (source["count"], source["held"]) == (180, 20)
    assert source["credit"] == ood.public_set("hands").credit and source["memory"] > 0
    assert losses["difference"] == pytest.approx(losses["held_out"] - losses["train"]) and losses["error"] > 0
    steps, train, held = record["probes"][-1]
    assert steps == 3 and train > 0 and held > 0
    card = (finished / "README.md").read_text()
    known = ood.public_set("hands")
    told = (known.license, known.credit, known.address, "180 photographs of hands", "Kernel distance", "nearest.png")
    assert all(text in card for text in told)
    assert (finished / "nearest.png").stat().st_size > 500
    assert ood.load_model(finished).image_shape == (3, 16, 16)


def test_a_copy_is_found_and_called_one():
    training, others = torch.rand(9, 3, 8, 8) * 2 - 1, torch.rand(9, 3, 8, 8) * 2 - 1
    samples = torch.stack([training[4], training[7].flip(-1)])
    found, memory = nearest_training_images(samples, training, others)
    assert torch.equal(found, samples) and memory < 1e-3
    assert nearest_training_images(others, training, others)[1] == pytest.approx(1)


def test_the_probe_is_the_squared_error_of_the_noise():
    """A network that answers 0 is wrong by the variance of the noise; one probe is the same at every call."""

    class Silent(torch.nn.Module):
        def forward(self, x, t):
            return type("Output", (), {"sample": torch.zeros_like(x)})

    images, table = torch.rand(40, 3, 16, 16) * 2 - 1, ood.alphas_cumprod("linear")
    losses = probe_losses(Silent(), images, table)
    assert losses.shape == (40,) and losses.mean().item() == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(losses, probe_losses(Silent(), images, table), rtol=0, atol=0)


def test_the_real_scorer_learns_from_one_part_and_is_measured_on_the_other(judge, sets):
    scorer = ood.load_scorer(judge)
    assert scorer.domains == classifier.REAL and "galaxies" not in scorer.domains
    recipe = replace(classifier.CLASSIFIERS["real-scorer"], size=16)
    seen, labels = classifier.pictures_of(recipe, 30, recipe.seed, sets)
    others, _ = classifier.pictures_of(recipe, 30, recipe.seed + 2, sets)
    assert seen.shape == (11 * 30, 3, 16, 16) and labels.tolist() == sorted(list(range(11)) * 30)
    k = classifier.REAL.index("hands")
    of_people = [{round(float(x)) // 12 for x in p[labels == k].float().mean((1, 2, 3))} for p in (seen, others)]
    assert of_people[1] <= {9, 19} and not of_people[0] & of_people[1]
    texture = classifier.REAL.index("retina")  # 19 in the part test: each as often as need be
    assert len(others[labels == texture].flatten(1).unique(dim=0)) == 19


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda out: trainer.train("real-hand", out), "folder: got None, expected a folder for sets"),
        (lambda out: trainer.train("toy-dog", out, folder=out), "folder: got .*, expected a folder for sets"),
        (lambda out: classifier.train_scorer("real-scorer", out), "folder: got None, expected that of the public sets"),
        (lambda out: classifier.train_scorer("domain-scorer", out, folder=out), "folder: got .*, and else none"),
    ],
)
def test_a_folder_is_for_sets_and_for_them_alone(call, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
    assert not list(tmp_path.iterdir())
