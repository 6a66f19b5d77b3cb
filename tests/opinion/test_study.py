"""A study: raters can find out nothing from what they are given, and a study is there as a whole or not at all."""

import json
import struct
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from ood_helpers.opinion.study import KEY, RATERS, STUDY, Study, open_study, order_for, prepare, read_key


def pictures(n, seed, size=4):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


GROUPS = {"generated": pictures(6, 1), "raw": pictures(8, 2), "CLIP tuning": pictures(5, 3)}


def chunks(png):
    """Types of the chunks of a PNG file."""
    found, position = [], 8
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        found.append(png[position + 4 : position + 8])
        position += length + 12
    return found


def test_key_and_images_belong_together(tmp_path):
    study = prepare(tmp_path / "study", GROUPS, seed=0, title="Galaxies", zoom=3)
    key = read_key(tmp_path / "study")
    assert len(study.images) == 19 and set(key) == set(study.images)
    for label, images in GROUPS.items():
        wanted = {((x + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy().tobytes() for x in images}
        found = [np.asarray(Image.open(study.folder / f"{i}.png")) for i in study.images if key[i] == label]
        assert {picture[::3, ::3].tobytes() for picture in found} == wanted
        assert all(np.array_equal(p, p[::3, ::3].repeat(3, 0).repeat(3, 1)) for p in found)


def test_what_raters_are_given_says_nothing_of_the_groups(tmp_path):
    study = prepare(tmp_path / "study", GROUPS, seed=0)
    assert study.folder == tmp_path / "study" / RATERS
    names = sorted(path.name for path in study.folder.iterdir())
    assert names == [*(f"{i:03d}.png" for i in range(1, 20)), STUDY]
    for path in study.folder.glob("*.png"):
        assert set(chunks(path.read_bytes())) == {b"IHDR", b"IDAT", b"IEND"}
    facts = json.loads((study.folder / STUDY).read_text())
    assert set(facts) == {"title", "images", "scale", "identifier"} and (facts["images"], facts["scale"]) == (
        19,
        [1, 5],
    )
    labels = list(read_key(tmp_path / "study").values())
    changes = sum(a != b for a, b in pairwise(labels))
    assert changes > 6  # 2 if the groups came one after the other; 12 ± 2 of a shuffle


def test_the_shuffle_depends_on_the_seed_and_on_the_images(tmp_path):
    keys = [
        read_key(prepare(tmp_path / str(i), groups, seed=seed).folder.parent)
        for i, (groups, seed) in enumerate(
            [(GROUPS, 0), (GROUPS, 0), (GROUPS, 1), (GROUPS | {"raw": pictures(8, 9)}, 0)]
        )
    ]
    assert keys[0] == keys[1] and keys[0] != keys[2] and keys[0] != keys[3]
    studies = [open_study(tmp_path / str(i)).identifier for i in range(4)]
    assert studies[0] == studies[1] and len(set(studies)) == 3


def test_a_rater_opens_the_study_without_the_key(tmp_path):
    study = prepare(tmp_path / "study", GROUPS, seed=0, title="Galaxies")
    handed_out = study.folder.rename(tmp_path / "for anna")
    assert open_study(handed_out).identifier == study.identifier
    assert str(open_study(handed_out)) == f"Galaxies ({study.identifier}): 19 images, scores from 1 to 5, 5 being best"
    with pytest.raises(FileNotFoundError, match="no key at"):
        read_key(handed_out)


def test_an_interrupted_study_leaves_nothing_behind(tmp_path, monkeypatch):
    save, saved = Image.Image.save, []

    def fail_at_the_fourth(self, *args, **kwargs):
        saved.append(args)
        if len(saved) == 4:
            raise OSError("no space left on device")
        save(self, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "save", fail_at_the_fourth)
    with pytest.raises(OSError, match="no space"):
        prepare(tmp_path / "study", GROUPS, seed=0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".study.unfinished" / RATERS).mkdir(parents=True)  # as a kill leaves it
    prepare(tmp_path / "study", GROUPS, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_each_rater_has_an_order_of_their_own_and_keeps_it(tmp_path):
    study = prepare(tmp_path / "study", GROUPS, seed=0)
    assert sorted(order_for(study, "anna")) == sorted(order_for(study, "ben")) == list(study.images)
    assert order_for(study, "anna") != order_for(study, "ben")
    assert order_for(study, "anna") == order_for(open_study(tmp_path / "study"), "anna")
    known = Study(tmp_path, "", "0123456789abcdef", ("001", "002", "003", "004", "005"))
    assert order_for(known, "anna") == ("002", "004", "003", "001", "005")  # in any version


def test_no_image_comes_early_for_all_raters(tmp_path):
    """Mean position over 400 raters: 9 ± 0.27, of uniform positions 0 to 18; five standard errors."""
    study = prepare(tmp_path / "study", GROUPS, seed=0)
    orders = [order_for(study, f"rater-{i}") for i in range(400)]
    mean = np.mean([[order.index(image) for image in study.images] for order in orders], axis=0)
    assert np.abs(mean - 9).max() < 5 * np.sqrt((19**2 - 1) / 12 / 400)


def test_a_study_is_never_written_over(tmp_path):
    prepare(tmp_path / "study", GROUPS, seed=0)
    with pytest.raises(FileExistsError, match="which exists, expected a new folder"):
        prepare(tmp_path / "study", GROUPS, seed=0)


@pytest.mark.parametrize(
    ("groups", "settings", "message"),
    [
        ({"raw": GROUPS["raw"]}, {}, "groups: got fewer than two"),
        (GROUPS["raw"], {}, "groups: got fewer than two"),
        ({"generated": pictures(2, 0, 5), "raw": pictures(2, 0)}, {}, r"groups\['raw'\]: got images of shape"),
        ({"generated": pictures(2, 0)[:, :1], "raw": pictures(2, 0)}, {}, r"groups\['generated'\]: got images of"),
        ({"generated": pictures(2, 0) * 9, "raw": pictures(2, 0)}, {}, r"groups\['generated'\]: got values from"),
        (GROUPS, {"zoom": 0}, "zoom: got 0, expected an integer >= 1"),
        (GROUPS, {"seed": -1}, "seed: got -1"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing_behind(tmp_path, groups, settings, message):
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / "study", groups, **{"seed": 0} | settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "Anna B", "a/b", "../a", "é", "a" * 61, 7])
def test_raters_have_plain_names(tmp_path, name):
    with pytest.raises(ValueError, match=r"rater: got .*, expected a name of 1 to 60 letters"):
        order_for(Study(tmp_path, "", "0", ("001",)), name)


def test_damage_is_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="no study at"):
        open_study(tmp_path)
    study = prepare(tmp_path / "study", GROUPS, seed=0)
    other = prepare(tmp_path / "other", GROUPS, seed=1)

    key = (tmp_path / "study" / KEY).read_bytes()
    (tmp_path / "study" / KEY).write_bytes((tmp_path / "other" / KEY).read_bytes())
    with pytest.raises(
        ValueError, match=f"is the key of study {other.identifier}, expected that of {study.identifier}"
    ):
        read_key(tmp_path / "study")
    (tmp_path / "study" / KEY).write_bytes(key[:50])
    with pytest.raises(ValueError, match=r"key\.json' cannot be read"):
        read_key(tmp_path / "study")

    image = study.folder / "007.png"
    content = image.read_bytes()
    image.write_bytes((study.folder / "008.png").read_bytes())
    with pytest.raises(ValueError, match="have been changed"):
        open_study(tmp_path / "study")
    image.write_bytes(content[:40])
    with pytest.raises(ValueError, match=r"007\.png' cannot be read"):
        open_study(tmp_path / "study")
    image.unlink()
    with pytest.raises(FileNotFoundError, match=r"no image at .*007\.png"):
        open_study(tmp_path / "study")
    (study.folder / STUDY).write_text("{}")
    with pytest.raises(ValueError, match=r"study\.json' cannot be read"):
        open_study(tmp_path / "study")
