"""Latents of a domain on disk: made once, whatever happens on the way, and told apart by what made them."""

import json

import pytest
import torch

import ood_helpers as ood
from ood_helpers.latents import inverted
from ood_helpers.models.frozen import fingerprint
from ood_helpers.training.trainer import untrained

MODEL = ood.gaussian_model(0.1, 0.25, image_shape=(3, 16, 16))
QUICK = {"t": 100, "steps": 4, "progress": False}


def test_the_store_holds_what_invert_returns(tmp_path):
    store = ood.inverted_latents(MODEL, "cat", 20, folder=tmp_path, seed=3, **QUICK)
    expected = ood.invert(MODEL, ood.load_domain("cat", 20, 16, seed=3), **QUICK)
    assert len(store) == 20
    torch.testing.assert_close(store.tensor(), expected)
    assert store.settings["solver"] == "ddim" and store.settings["weights"] == fingerprint(MODEL)


def test_a_second_call_inverts_nothing_and_a_longer_one_only_what_is_missing(tmp_path, monkeypatch):
    counted = []

    def counting(model, images, **settings):
        counted.append(len(images))
        return invert(model, images, **settings)

    invert = inverted.invert
    monkeypatch.setattr(inverted, "invert", counting)
    first = ood.inverted_latents(MODEL, "dog", 32, folder=tmp_path, **QUICK)
    again = ood.inverted_latents(MODEL, "dog", 10, folder=tmp_path, **QUICK)
    assert counted == [16, 16] and again.path == first.path and len(again) == 32
    ood.inverted_latents(MODEL, "dog", 40, folder=tmp_path, **QUICK)
    assert counted == [16, 16, 8]


def test_an_interrupted_run_ends_bit_for_bit_like_an_undisturbed_one(tmp_path, monkeypatch):
    network = untrained("toy-dog")

    def failing(*arguments, **settings):
        if calls.pop() == "die":
            raise KeyboardInterrupt
        return invert(*arguments, **settings)

    invert, calls = inverted.invert, ["die", "go"]
    monkeypatch.setattr(inverted, "invert", failing)
    options = {"t": 10, "steps": 2, "precision": "float32", "progress": False}
    with pytest.raises(KeyboardInterrupt):
        ood.inverted_latents(network, "cat", 24, folder=tmp_path / "a", **options)
    monkeypatch.setattr(inverted, "invert", invert)
    resumed = ood.inverted_latents(network, "cat", 24, folder=tmp_path / "a", **options)
    whole = ood.inverted_latents(network, "cat", 24, folder=tmp_path / "b", **options)
    assert torch.equal(resumed.tensor(), whole.tensor())


def test_other_settings_make_another_store(tmp_path):
    paths = {
        ood.inverted_latents(model, name, 2, folder=tmp_path, **(QUICK | change)).path
        for model, name, change in (
            (MODEL, "cat", {}),
            (MODEL, "dog", {}),
            (MODEL, "cat", {"seed": 1}),
            (MODEL, "cat", {"steps": 5}),
            (MODEL, "cat", {"solver": "heun"}),
            (ood.gaussian_model(0.1, 0.26, image_shape=(3, 16, 16)), "cat", {}),
        )
    }
    assert len(paths) == 6
    for path in paths:
        assert json.loads((path / "settings.json").read_text())["ood_helpers"] == ood.__version__


def test_latents_of_edited_code_are_not_taken_for_those_of_the_new(tmp_path, monkeypatch):
    before = ood.inverted_latents(MODEL, "cat", 2, folder=tmp_path, **QUICK)
    monkeypatch.setattr(inverted, "_code_fingerprint", lambda: "edited")
    assert ood.inverted_latents(MODEL, "cat", 2, folder=tmp_path, **QUICK).path != before.path


def test_a_sequence_of_timesteps_is_recorded_as_the_walk_that_it_is(tmp_path):
    """Not as the ``t`` and ``steps`` that it takes the place of; whatever those are, it is one walk and one store."""
    grid, images = [-1, 20, 100.5], ood.load_domain("cat", 2, 16)
    stores = [
        ood.inverted_latents(MODEL, "cat", 2, folder=tmp_path, grid=grid, progress=False, **walk)
        for walk in ({}, {"t": 700, "steps": 9})
    ]
    for store in stores:
        assert [store.settings[key] for key in ("t", "steps", "grid")] == [100.5, 2, [-1, 20, 100.5]]
        torch.testing.assert_close(store.tensor(), ood.invert(MODEL, images, grid=grid, progress=False))
    assert stores[0].path == stores[1].path


def test_a_model_that_cannot_be_told_from_others_is_refused(tmp_path):
    anonymous = ood.FrozenModel("mine", MODEL.alphas_cumprod, (3, 16, 16), lambda x, t, dtype: x)
    with pytest.raises(TypeError, match="without tensors"):
        ood.inverted_latents(anonymous, "cat", 2, folder=tmp_path, **QUICK)


def test_a_changed_folder_makes_another_store(tmp_path):
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (20, 20), "red").save(tmp_path / "pictures" / "a.png")
    first = ood.inverted_latents(MODEL, tmp_path / "pictures", 1, folder=tmp_path / "latents", **QUICK)
    Image.new("RGB", (20, 20), "blue").save(tmp_path / "pictures" / "b.png")
    second = ood.inverted_latents(MODEL, tmp_path / "pictures", 1, folder=tmp_path / "latents", **QUICK)
    assert first.path != second.path


HEIGHTS = (50, 200, 100)


def test_one_climb_passes_all_heights(tmp_path):
    stores = ood.climbing_latents(MODEL, "cat", 18, HEIGHTS, folder=tmp_path, steps=6, progress=False)
    assert list(stores) == sorted(HEIGHTS) and {len(store) for store in stores.values()} == {18}
    grid = stores[200].settings["grid"]
    images = ood.load_domain("cat", 18, 16)
    for t, store in stores.items():
        part = [step for step in grid if step <= t]
        torch.testing.assert_close(
            store.tensor(), ood.invert(MODEL, images, t=t, solver="dpm2m", grid=part, progress=False)
        )


def test_a_climb_is_made_once_and_goes_on_where_stores_differ_in_length(tmp_path, monkeypatch):
    first = ood.climbing_latents(MODEL, "cat", 16, HEIGHTS, folder=tmp_path, steps=6, progress=False)
    whole = ood.climbing_latents(MODEL, "cat", 32, HEIGHTS, folder=tmp_path / "whole", steps=6, progress=False)
    first[50].append(whole[50].tensor(16, 21))  # as if killed in the middle of a shorter batch
    ood.climbing_latents(MODEL, "cat", 32, HEIGHTS, folder=tmp_path, steps=6, progress=False)
    assert all(torch.equal(first[t].tensor(), whole[t].tensor()) for t in HEIGHTS)
    monkeypatch.setattr(inverted, "path", None)  # a walk would fail now
    ood.climbing_latents(MODEL, "cat", 32, HEIGHTS, folder=tmp_path, steps=6, progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heights": []}, "heights: got none"),
        ({"heights": [-3]}, "heights: got -3"),
        ({"solver": "euler"}, "solver: got 'euler'"),
    ],
)
def test_an_impossible_climb_is_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        ood.climbing_latents(MODEL, "cat", 2, **({"heights": HEIGHTS, "folder": tmp_path} | change))


def test_words_about_the_code_make_no_other_latents_but_another_statement_does():
    code = 'def f(x):\n    "Twice x."\n    return 2 * x\n\nclass Odd(Exception):\n    "Odd."\n'
    same = 'def f(x: int) -> int:  # why\n    "Its double."\n\n    return (2 * x)\nclass Odd(Exception): pass\n'
    assert inverted._statements(code) == inverted._statements(same)
    assert inverted._statements(code) != inverted._statements(code.replace("2 *", "3 *"))
