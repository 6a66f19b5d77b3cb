"""Training: the loss falls, an interrupted run continues on its path, the result is a pipeline."""

import json

import pytest
import torch
from diffusers import DDPMPipeline

import ood_helpers as ood
from ood_helpers.models.schedules import alphas_cumprod
from ood_helpers.training import trainer
from ood_helpers.training.trainer import RECIPES, Recipe, batch_at, train

SMALL = {"images": 8, "size": 16, "channels": (16, 32), "batch": 4, "learning_rate": 3e-3, "warmup": 1}
SMALL |= {"card_images": 4}


@pytest.fixture(scope="module", autouse=True)
def short_walks():
    """Samples for the model card take five steps here, not fifty."""
    made = ood.fresh_images
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ood, "fresh_images", lambda *args, **settings: made(*args, **{"steps": 5, **settings}))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train(
        "toy-dog", tmp_path_factory.mktemp("run"), steps=6, save_every=3, device="cpu", progress=False, **SMALL
    )


def test_a_finished_run_is_a_pipeline_with_its_record(finished):
    pipeline = DDPMPipeline.from_pretrained(finished)
    assert pipeline.scheduler.config.clip_sample is True  # as DDPM samples; our walk never clips
    record = json.loads((finished / "training.json").read_text())
    assert record["step"] == 6 and [step for step, _ in record["loss"]] == [3, 6]
    assert record["recipe"]["seed"] == RECIPES["toy-dog"].seed
    assert ood.load_model(finished).image_shape == (3, 16, 16)
    assert all((finished / name).stat().st_size > 1000 for name in ("samples.png", "loss.png"))


def test_the_model_card_says_what_the_record_says(finished):
    card, record = (finished / "README.md").read_text(), json.loads((finished / "training.json").read_text())
    held_out = record["held_out"]
    assert "model of one domain, **dog**" in card and "8 drawn pictures, seed" in card and "6 steps of 4 images" in card
    assert f"**{held_out['frechet']:.2f}**" in card and f"pictures: {held_out['floor']:.2f}." in card
    assert held_out["frechet"] > held_out["floor"] > 0  # six steps make no dogs
    assert "![Loss by training step](loss.png)" in card and "![Samples" in card
    assert f"{record['evaluation_operations'] / 1e9:.2f} GFLOP for one evaluation of one image" in card
    # a step of 4 images, forward and backward, is some three evaluations of each
    assert 2.5 < record["operations"] / (6 * 4 * record["evaluation_operations"]) <= 3


def test_training_leaves_the_global_stream_alone(tmp_path):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    train("toy-dog", tmp_path, steps=1, device="cpu", progress=False, **SMALL)
    trainer.untrained("toy-dog")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_interrupted_run_ends_with_the_very_same_weights(finished, tmp_path, monkeypatch):
    def killed(output, parts, record):
        save(output, parts, record)
        raise KeyboardInterrupt

    save = trainer._save
    monkeypatch.setattr(trainer, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        train("toy-dog", tmp_path, steps=6, save_every=3, device="cpu", progress=False, **SMALL)
    monkeypatch.setattr(trainer, "_save", save)
    resumed = train("toy-dog", tmp_path, steps=6, save_every=3, device="cpu", progress=False, **SMALL)
    ours, theirs = (ood.load_model(path).predictor.network.state_dict() for path in (finished, resumed))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_bfloat16_is_for_devices_that_have_it(tmp_path, monkeypatch):
    """Without its units it is many times slower than float32; either way the same batches are learned from."""
    losses = []
    for units in (True, False):
        monkeypatch.setattr(ood, "has_bfloat16_units", lambda device, units=units: units)
        folder = train("toy-dog", tmp_path / str(units), steps=2, save_every=1, device="cpu", progress=False, **SMALL)
        losses.append([loss for _, loss in json.loads((folder / "training.json").read_text())["loss"]])
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.02)


def test_the_loss_falls(tmp_path):
    folder = train("toy-dog", tmp_path, steps=40, save_every=10, device="cpu", progress=False, **SMALL)
    losses = [loss for _, loss in json.loads((folder / "training.json").read_text())["loss"]]
    assert losses[-1] < 0.9 * losses[0]


def test_a_step_s_batch_depends_on_seed_and_step_alone():
    recipe = Recipe(batch=4)
    pictures = torch.randint(256, (10, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    first, again, other = batch_at(5, pictures, recipe), batch_at(5, pictures, recipe), batch_at(6, pictures, recipe)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])
    images, eps, t = first
    assert images.min() >= -1 and images.max() <= 1 and eps.shape == images.shape and t.shape == (4,)


def test_a_folder_with_another_run_is_refused(finished):
    with pytest.raises(ValueError, match="holds a run of"):
        train("toy-dog", finished, steps=6, device="cpu", **{**SMALL, "batch": 5})
    with pytest.raises(ValueError, match=r"steps: got 5, but .* holds a run of 6 steps"):
        train("toy-dog", finished, steps=5, device="cpu", **SMALL)


def test_a_longer_run_passes_through_the_end_of_a_shorter_one(tmp_path):
    common = {"save_every": 3, "device": "cpu", "progress": False, **SMALL}
    train("toy-dog", tmp_path / "one", steps=9, **common)
    train("toy-dog", tmp_path / "two", steps=6, **common)
    train("toy-dog", tmp_path / "two", steps=9, **common)
    one, two = (ood.load_model(tmp_path / name).predictor.network.state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_learned_variances_follow_the_hybrid_loss_and_open_in_diffusers(tmp_path):
    """A pipeline of `diffusers` takes the second half of the channels for the variances, and samples with them."""
    folder = train("toy-dog-cosine", tmp_path, steps=4, save_every=2, device="cpu", progress=False, **SMALL)
    pipeline = DDPMPipeline.from_pretrained(folder)
    assert pipeline.unet.config.out_channels == 6 and pipeline.scheduler.config.variance_type == "learned_range"
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(batch_size=1, num_inference_steps=5, output_type="np").images
    assert images.shape == (1, 16, 16, 3)
    model = ood.load_model(folder)
    assert model.eps(torch.zeros(2, 3, 16, 16), 5).shape == (2, 3, 16, 16)
    assert torch.equal(model.alphas_cumprod, alphas_cumprod("cosine"))


def test_an_unknown_model_or_field_is_named(tmp_path):
    for make in (lambda: train("toy-cat", tmp_path), lambda: trainer.untrained("toy-cat")):
        with pytest.raises(ValueError, match="name: got 'toy-cat', expected one of toy-dog"):
            make()
    with pytest.raises(ValueError, match="device: got 'tpu', expected"):
        train("toy-dog", tmp_path, device="tpu")
    with pytest.raises(TypeError, match="unexpected keyword argument 'color'"):
        train("toy-dog", tmp_path, color=3)


@pytest.mark.parametrize("changes", [{"steps": -5}, {"steps": 0}, {"images": 0}, {"batch": 2.5}])
def test_a_recipe_that_cannot_be_is_refused(tmp_path, changes):
    with pytest.raises((TypeError, ValueError), match=rf"^{next(iter(changes))}: got"):
        trainer.train("toy-dog", tmp_path / "run", progress=False, **changes)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_leaves_the_checkpoint_that_was_there(tmp_path, monkeypatch):
    quick = SMALL | {"save_every": 1, "progress": False}
    monkeypatch.setattr(trainer, "export", lambda *_: tmp_path)
    trainer.train("toy-dog", tmp_path, steps=1, **quick)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        trainer.train("toy-dog", tmp_path, steps=2, **quick)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
