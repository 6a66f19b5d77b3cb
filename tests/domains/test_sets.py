"""Public sets of images, in tiny folders that are laid out as their publishers do."""

import numpy as np
import pytest
from PIL import Image

import ood_helpers as ood
from ood_helpers.domains.sets import SETS

LAYOUTS = {  # paths as in the source, and the labels of the first
    "apples": ([f"data/images/image-{k}.jpg" for k in (1117, 1118, 4916)], {"number": 1117}),
    "hands": ([f"Dataset/{d}/IMG_{1118 + d}.JPG" for d in range(3)], {"digit": 0, "number": 1118}),
    "galaxies": (
        [f"public/images/examples/{name}_0.jpg" for name in ("candels-0_a-0", "goods_full-18-x-2", "sloan-4_a-3")],
        {"survey": "candels", "question": 0, "answer": "a-0", "number": 0},
    ),
    "dust": (
        [f"GLM_04130-0013_mosaic_I24M1_{k:04d}_0100.png" for k in (0, 100, 200)],
        {"mosaic": "GLM_04130-0013_mosaic", "top": 0, "left": 100},
    ),
    "satellite": ([f"bmng_{k:04d}_0768.png" for k in (0, 96, 192)], {"top": 0, "left": 768}),
    "objects": (
        [f"dataset-resized/{kind}/{kind}7.jpg" for kind in ("cardboard", "glass", "trash")],
        {"kind": "cardboard", "number": 7},
    ),
}


def lay_out(folder, paths, width=40, height=60):
    """Write images whose red grows from the top to the bottom; each has another blue."""
    for k, path in enumerate(paths):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = np.linspace(0, 255, height)[:, None]
        pixels[..., 2] = 20 * k % 256
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file, "PNG")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_set_is_read_in_its_own_layout_with_its_labels(name, tmp_path):
    paths, wanted = LAYOUTS[name]
    lay_out(tmp_path, [*paths, "cover.png", "data/images/image-5.jpg"])  # and files that do not belong to it
    assert ood.domain_size(name, folder=tmp_path) == 3
    images = ood.load_domain(name, 3, 16, folder=tmp_path)
    labels = ood.domain_parameters(name, 3, folder=tmp_path)
    order = {file.removeprefix(f"{tmp_path}/"): k for k, file in enumerate(labels["file"])}
    assert set(order) == set(paths)
    assert {key: labels[key][order[paths[0]]] for key in wanted} == wanted
    blue = (images[:, 2].mean((1, 2)) + 1) * 127.5  # each picture comes with its own labels
    assert [blue[order[path]].item() for path in paths] == pytest.approx([0, 20, 40], abs=0.5)


def test_every_set_says_where_it_is_and_whom_to_credit():
    assert ood.list_domains("sets") == list(SETS)
    for known in map(ood.public_set, SETS):
        assert known.address.startswith("https://") and known.license and known.credit and known.files > 0


def test_a_set_lies_in_a_folder_or_in_its_subfolder_of_that_name(tmp_path):
    lay_out(tmp_path / "hands", LAYOUTS["hands"][0])
    lay_out(tmp_path / "objects", LAYOUTS["objects"][0])
    above, own = (ood.load_domain("hands", 3, 16, folder=folder) for folder in (tmp_path, tmp_path / "hands"))
    assert above.equal(own)
    assert ood.domain_fingerprint("hands", folder=tmp_path) == ood.domain_fingerprint(
        "hands", folder=tmp_path / "hands"
    )


def test_of_an_apple_s_sheet_the_square_with_the_whole_fruit_is_taken(tmp_path):
    lay_out(tmp_path, LAYOUTS["apples"][0], width=100, height=150)
    column = (ood.load_domain("apples", 1, 38, folder=tmp_path)[0, 0, :, 0] + 1) / 2
    assert column[[0, -1]].tolist() == pytest.approx([8 / 150, 82 / 150], abs=0.01)  # 7 to 83 hundredths of the width


def test_people_do_not_stand_in_both_parts(tmp_path):
    """Thirty people show the digits in order; a few leave some out."""
    number, shown = 100, []
    for person in range(30):
        for digit in range(person % 3, 10):
            shown.append((person, digit, number))
            number += 1
    lay_out(tmp_path, [f"Dataset/{digit}/IMG_{number}.JPG" for _, digit, number in shown], 8, 8)
    person_of = {number: person for person, _, number in shown}
    parts = {}
    for part in ("train", "test"):
        n = ood.domain_size("hands", folder=tmp_path, part=part)
        parts[part] = {person_of[k] for k in ood.domain_parameters("hands", n, folder=tmp_path, part=part)["number"]}
    assert parts["test"] == {9, 19, 29} and parts["train"] == set(range(30)) - parts["test"]


def test_elsewhere_runs_of_neighbors_stay_together(tmp_path):
    lay_out(tmp_path, [f"image-{k}.jpg" for k in range(1117, 1317)], 8, 8)
    held_out = ood.domain_parameters("apples", 20, folder=tmp_path, part="test")["number"]
    assert sorted(held_out) == [1117 + 40 * run + k for run in range(5) for k in range(36, 40)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {},
            FileNotFoundError,
            "name: 'hands' is a public set, expected folder= too; `python -m ood_helpers data hands",
        ),
        ({"folder": "nowhere"}, FileNotFoundError, "folder: 'nowhere' is no folder; `python -m ood_helpers data hands"),
        ({"folder": "empty"}, FileNotFoundError, "no images"),
        ({"folder": "others"}, FileNotFoundError, "folder: 'others' holds no file of the set 'hands'"),
        ({"folder": "right", "n": 4}, ValueError, "n: got 4, expected at most 3, the number of images in part 'all'"),
        ({"folder": "right", "blank": 1}, TypeError, "blank: got 1, expected no such option for 'hands'"),
    ],
)
def test_bad_input_is_named(arguments, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    lay_out(tmp_path / "others", ["dog.png"])
    lay_out(tmp_path / "right", LAYOUTS["hands"][0])
    with pytest.raises(error, match=message):
        ood.load_domain("hands", **({"n": 1} | arguments))
    with pytest.raises(ValueError, match="name: got 'afhq', expected one of apples"):
        ood.public_set("afhq")
