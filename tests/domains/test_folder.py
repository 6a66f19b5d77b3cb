"""A folder of images: every kind of file in, clean pictures out, and clear words about what cannot be read."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import ood_helpers as ood
from ood_helpers.domains import domain_fingerprint, folder, images

RNG = np.random.default_rng(0)


def one(folder, size=32):
    """The only image of a folder, ``(3, size, size)`` in ``[0, 1]``."""
    return (ood.load_domain(folder, n=1, size=size)[0] + 1) / 2


def smooth(height=48, width=48):
    """A picture without detail, so that resampling and compression leave it alone."""
    y, x = np.mgrid[:height, :width] / (max(height, width) - 1)
    return np.uint8(np.round(255 * np.stack([x, y, (2 - x - y) / 2], -1)))


def test_images_are_read_in_a_seeded_order_with_their_files(tmp_path):
    (tmp_path / "below").mkdir()
    for i in range(6):
        Image.new("RGB", (10, 10), (40 * i,) * 3).save(tmp_path / ("below" if i % 2 else ".") / f"{i}.png")
    (tmp_path / "notes.txt").write_text("not an image")
    images, files = ood.load_domain(tmp_path, 6, 16, seed=1), ood.domain_parameters(tmp_path, 6, seed=1)["file"]
    values = ((images[:, 0, 0, 0] + 1) / 2 * 255).round().int().tolist()
    assert sorted(values) == [0, 40, 80, 120, 160, 200]
    assert [int(file[-5]) * 40 for file in files] == values
    assert torch.equal(ood.load_domain(str(tmp_path), 3, 16, seed=1), images[:3])
    assert not torch.equal(ood.load_domain(tmp_path, 6, 16, seed=2), images)


def test_the_center_square_is_kept(tmp_path):
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert one(tmp_path)[:, :, 2:-2].min() == 1 and one(tmp_path).min() > 0.8


def test_reducing_averages_instead_of_skipping(tmp_path):
    """A one-pixel checkerboard turns gray; taking every eighth pixel would leave it black or white."""
    board = np.indices((256, 256)).sum(0) % 2 * 255
    Image.fromarray(np.uint8(board)).save(tmp_path / "board.png")
    assert (one(tmp_path) - 0.5).abs().max() < 0.02


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(tmp_path, orientation):
    upright = smooth()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "camera.jpg", exif=exif, quality=98)
    expected = torch.from_numpy(upright / 255).permute(2, 0, 1).float()
    assert (one(tmp_path, 48) - expected).abs().mean() < 0.02


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "CMYK", "YCbCr", "I;16", "I", "F", "PA"])
def test_every_pixel_format_becomes_rgb(tmp_path, mode):
    gray = mode in ("L", "LA", "1", "I;16", "I", "F")
    picture = Image.fromarray(smooth()).convert("L") if gray else Image.fromarray(smooth())
    if mode in ("I;16", "I"):
        deep = np.asarray(picture).astype(np.uint16) * 257
        image = Image.fromarray(deep if mode == "I;16" else deep.astype(np.int32))
    elif mode == "F":
        image = Image.fromarray(np.asarray(picture).astype(np.float32) / 255)
    elif mode == "1":
        picture = picture.point(lambda value: 255 * (value > 127))
        image = picture.convert("1", dither=Image.Dither.NONE)
    elif mode == "PA":
        image = picture.quantize(256).convert("PA")
    elif mode == "P":
        image = picture.quantize(256)
    else:
        image = picture.convert(mode)
    assert image.mode == mode
    suffix = "tif" if mode in ("CMYK", "YCbCr", "I", "F", "PA") else "png"
    image.save(tmp_path / f"picture.{suffix}")
    expected = torch.from_numpy(np.array(picture.convert("RGB")) / 255).permute(2, 0, 1).float()
    assert (one(tmp_path, 48) - expected).abs().mean() < (0.05 if "P" in mode else 0.01)


def test_transparency_is_flattened_onto_white(tmp_path):
    layers = np.zeros((20, 20, 4), np.uint8)
    layers[:, 10:, 3] = 128
    for name, image in (
        ("rgba", Image.fromarray(layers)),
        ("la", Image.fromarray(layers).convert("LA")),
    ):
        folder = tmp_path / name
        folder.mkdir()
        image.save(folder / "glass.png")
        picture = one(folder, 20)
        assert (picture[:, :, :8] - 1).abs().max() < 1e-6
        assert (picture[:, :, 12:] - (1 - 128 / 255)).abs().max() < 0.01
    folder = tmp_path / "palette"
    folder.mkdir()
    Image.new("P", (20, 20), 0).save(folder / "glass.png", transparency=0)
    assert one(folder).min() == 1


def test_sixteen_bits_agree_with_eight(tmp_path):
    gray = np.asarray(Image.fromarray(smooth()).convert("L"))
    for name, values in (("eight", gray), ("sixteen", gray.astype(np.uint16) * 257)):
        (tmp_path / name).mkdir()
        Image.fromarray(values).save(tmp_path / name / "gray.png")
    assert (one(tmp_path / "eight", 48) - one(tmp_path / "sixteen", 48)).abs().max() < 1 / 255


@pytest.mark.parametrize("size", [8, 64, 200])
def test_any_size_can_be_asked_for(tmp_path, size):
    Image.fromarray(smooth(30, 50)).save(tmp_path / "a.webp")
    assert one(tmp_path, size).shape == (3, size, size)


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"these are not pixels")
    with pytest.raises(ValueError, match=r"broken\.png' cannot be read as an image"):
        ood.load_domain(tmp_path, n=1)


def test_a_truncated_file_is_named(tmp_path):
    noise = Image.fromarray(RNG.integers(0, 255, (64, 64, 3), np.uint8))
    noise.save(tmp_path / "cut.jpg")
    content = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut\.jpg' cannot be read"):
        ood.load_domain(tmp_path, n=1)


def test_an_empty_folder_a_missing_one_and_one_with_too_few(tmp_path):
    with pytest.raises(FileNotFoundError, match="name: no image"):
        ood.load_domain(tmp_path, n=1)
    with pytest.raises(FileNotFoundError, match="or the path of a folder"):
        ood.load_domain(tmp_path / "missing", n=1)
    Image.new("RGB", (9, 9)).save(tmp_path / "only.png")
    with pytest.raises(ValueError, match="n: got 2, expected at most 1"):
        ood.load_domain(tmp_path, n=2)


def flat(path, value, mode="RGB", size=(16, 16)):
    """Save an image of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape, kind = {"RGB": ((*size, 3), np.uint8), "F": (size, np.float32), "I": (size, np.int32)}[mode]
    Image.fromarray(np.full(shape, value, kind)).save(path)


@pytest.mark.parametrize("values", [(0.2, 0.9), (1.0, 1.01), (250, 256), (300, 60_000)])
def test_images_of_fractions_share_one_scale_in_a_folder(tmp_path, values):
    for name, value in zip("ab", values, strict=True):
        flat(tmp_path / f"{name}.tif", value, "F")
    order = [Path(file).stem for file in ood.domain_parameters(tmp_path, 2)["file"]]
    means = dict(zip(order, ((ood.load_domain(tmp_path, 2, 16).mean((1, 2, 3)) + 1) / 2).tolist(), strict=True))
    white = next(scale for scale in (1, 255, 65535) if max(values) <= scale)
    assert [means[k] for k in "ab"] == pytest.approx([value / white for value in values], abs=1 / 255)


def test_bytes_that_a_tool_wrote_as_long_integers_are_not_black(tmp_path):
    flat(tmp_path / "a.tif", 255, "I")
    assert ood.load_domain(tmp_path, 1, 16).min() == 1


def test_what_is_hidden_is_left_out_and_links_are_followed(tmp_path):
    flat(tmp_path / "elsewhere" / "a.png", 9)
    folder = tmp_path / "images"
    for name in ("._b.png", "__MACOSX/c.png", ".thumbnails/d.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"no image")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(folder)
    assert [Path(file).name for file in ood.domain_parameters(folder, 1)["file"]] == ["a.png"]
    with pytest.raises(ValueError, match="at most 1"):
        ood.load_domain(folder, 2, 16)


def test_images_that_are_too_large_are_named(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "large.png")
    with pytest.raises(ValueError, match=r"large\.png"):
        ood.load_domain(tmp_path, 1, 16)


def test_tags_that_cannot_be_read_cost_no_image(tmp_path):
    Image.new("RGB", (16, 8), "red").save(tmp_path / "a.png", exif=b"Exif\0\0garbage!!")
    assert ood.load_domain(tmp_path, 1, 8).shape == (1, 3, 8, 8)


def test_a_fingerprint_is_of_contents_and_not_of_places(tmp_path):
    flat(tmp_path / "one" / "a.bmp", 0)
    flat(tmp_path / "two" / "a.bmp", 0)
    before = domain_fingerprint(tmp_path / "one")
    assert before == domain_fingerprint(tmp_path / "two") != domain_fingerprint("dog") == ""
    flat(tmp_path / "one" / "a.bmp", 255)  # of the same size
    assert domain_fingerprint(tmp_path / "one") != before


def test_a_damaged_neighbor_is_no_reason_to_refuse_a_deep_image(tmp_path):
    flat(tmp_path / "a.tif", 0.5, "F")
    (tmp_path / "b.tif").write_bytes(b"no image")
    seed = next(k for k in range(9) if ood.domain_parameters(tmp_path, 1, k)["file"][0].endswith("a.tif"))
    assert ood.load_domain(tmp_path, 1, 16, seed).mean() == pytest.approx(0, abs=1 / 127)


def read_arrays(files, size, folder, *, gain=1.0):
    """One number a file, times what lies beside them."""
    beside = folder.path / "scale.txt"
    scale = float(beside.read_text()) if beside.exists() else 1.0
    return np.stack([np.full((3, size, size), gain * scale * np.load(file), np.float32) for file in files])


@pytest.fixture
def arrays(monkeypatch):
    """A reader of another package."""
    reader = SimpleNamespace(NAME="arrays", SUFFIXES=(".npy",), BESIDE=("scale.txt",), read_files=read_arrays)
    monkeypatch.setattr(folder, "readers", lambda: (images, reader))


def test_a_reader_of_other_files_gets_order_start_and_fingerprint_as_images_do(tmp_path, arrays):
    for k in range(5):
        np.save(tmp_path / f"{k}.npy", np.float32(k / 5))
        flat(tmp_path / "images" / f"{k}.png", 51 * k)
    (tmp_path / "arrays").mkdir()
    for file in tmp_path.glob("*.npy"):
        file.rename(tmp_path / "arrays" / file.name)
    found, same = (ood.load_domain(tmp_path / kind, 3, 8, seed=4, start=2) for kind in ("arrays", "images"))
    torch.testing.assert_close(found, same)
    torch.testing.assert_close(ood.load_domain(tmp_path / "arrays", 5, 8, gain=0.5).max(), torch.tensor(-0.2))
    with pytest.raises(ValueError, match="at most 5, the number of arrays in"):
        ood.load_domain(tmp_path / "arrays", 6, 8)
    before = domain_fingerprint(tmp_path / "arrays")
    (tmp_path / "arrays" / "scale.txt").write_text("0.5")
    assert domain_fingerprint(tmp_path / "arrays") != before
    assert ood.load_domain(tmp_path / "arrays", 5, 8).max() == pytest.approx(-0.2)


def test_a_folder_has_one_reader_and_no_option_but_its_own(tmp_path, arrays):
    np.save(tmp_path / "a.npy", np.float32(0.5))
    for name, option in ((tmp_path, "blank"), ("dog", "gain"), ("digits", "gain")):
        with pytest.raises(TypeError, match=rf"^{option}: got 2, expected no such option"):
            ood.load_domain(name, 1, 8, **{option: 2})
    assert ood.load_domain(tmp_path, 1, 8, blank=None).eq(0).all()
    flat(tmp_path / "a.png", 0)
    with pytest.raises(ValueError, match="holds images and arrays, expected either"):
        ood.load_domain(tmp_path, 1, 8)
    (tmp_path / "none").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"name: no images or arrays in .*expected at least one of \.png.*\.npy"
    ):
        ood.load_domain(tmp_path / "none", 1, 8)
