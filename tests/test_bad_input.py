"""Bad input ends in an error that names the argument, before there is any work; what can be meant is taken."""

import errno
import os

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import ood_helpers as ood
from ood_helpers import astro, baselines, opinion, theory, training
from ood_helpers.evaluation.scorer import DomainScorer
from ood_helpers.pages import figures
from ood_helpers.training import trainer

MODEL = ood.gaussian_model(0.1, 0.3, image_shape=(3, 8, 8))
X, Z = torch.zeros(2, 3, 8, 8), torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
PICTURES = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
WALK = {"steps": 3, "progress": False}

POINTS = ood.gram(Z, Z + 1)
BIG = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(0)).half()
RATINGS = opinion.simulate_raters(2, 3, {"generated": (2.5, 1.0), "raw": (3.5, 1.0)})
SCORED = pd.concat([RATINGS.assign(called="raw"), RATINGS.assign(rater="other", called="raw")])

NO_NUMBERS = {
    "eta": lambda v: ood.denoise(MODEL, Z, eta=v, **WALK),
    "tolerance": lambda v: ood.invert(MODEL, X, solver="ddim-fixed-point", tolerance=v, **WALK),
    "test_size": lambda v: ood.separability(Z, Z + 1, test_size=v),
    "C": lambda v: ood.separability(Z, Z + 1, C=v),
    "amount": lambda v: ood.transfer(Z, Z, Z, amount=v),
    "blur": lambda v: ood.edge_similarity(X, X, blur=v),
    "weight": lambda v: ood.sample_latents(Z, 2, "interpolate", weight=v),
    "weight of slerp": lambda v: ood.slerp(Z, Z, v),
    "share": lambda v: ood.sample_latents(Z, 2, "centered", share=v),
    "grid": lambda v: ood.invert(MODEL, X, grid=[v, 9], progress=False),
}


@pytest.mark.parametrize("value", ["half", b"1", True, [0.5], (0.1, 0.2, 0.3), float("nan"), float("inf"), -1.5, 1e30])
@pytest.mark.parametrize("argument", NO_NUMBERS)
def test_what_is_no_number_in_range_is_named(argument, value):
    fits = {"C": 1e30, "amount": 1e30, "tolerance": 1e30, "blur": None, "weight": [0.5]}
    if (
        fits.get(argument) == value
        or (argument == "grid" and value in (True, b"1"))
        or (argument, value) == ("blur", 1e30)
    ):
        pytest.skip("a number of which nothing bad can be said")
    with pytest.raises((TypeError, ValueError), match=f"^{argument.split()[0]}\\b"):
        NO_NUMBERS[argument](value)


@pytest.mark.parametrize("walk", [ood.invert, ood.denoise, ood.round_trip])
@pytest.mark.parametrize("other", ["toy-dog", None, X, object()])
def test_what_is_no_model_is_named(walk, other):
    with pytest.raises(TypeError, match=r"^model: got"):
        walk(other, X, **WALK)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ood.bandwidth("toy-dog", X, "dog", "cat", heights=[200], etas=[0.0]),
        lambda: theory.linear_shares("toy-dog", X, X, [200]),
        lambda: training.variational_bound("toy-dog", X),
        lambda: baselines.fine_tune("toy-dog", X, steps=1),
        lambda: baselines.diffusion_clip("toy-dog", X, X, steps=1),
        lambda: baselines.train_asyrp("toy-dog", X, X, steps=1),
    ],
)
def test_a_name_in_place_of_a_model_is_named(call):
    with pytest.raises(TypeError, match=r"^model: got str, expected a FrozenModel"):
        call()


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (ValueError, "^mean, variance", lambda: ood.gaussian_model(torch.zeros(3, 8, 8), 1.0, image_shape=(3, 4, 4))),
        (ValueError, "^mean, variance", lambda: ood.gaussian_model(torch.zeros(3, 8, 8), torch.ones(3, 4, 4))),
        (ValueError, "^variance", lambda: ood.gaussian_model(0.0, float("inf"), image_shape=(3, 8, 8))),
        (ValueError, "^t: got nan", lambda: MODEL.eps(Z, float("nan"))),
        (ValueError, "^source: all latents are equal", lambda: ood.transfer(Z, X, Z, spread=True)),
        (ValueError, "^real: most are inputs", lambda: ood.novelty(PICTURES[:2], PICTURES[2:], PICTURES[2:])),
        (ValueError, "^reference: latent 0 is zero", lambda: ood.latent_error(Z, torch.zeros_like(Z))),
        (ValueError, "^latents: point 0 is the origin", lambda: ood.geometry(torch.cat([X[:1], Z]))),
        (ValueError, "^latents: point 0 is the origin", lambda: ood.calibrate_acceptance(torch.cat([X, Z]))),
        (ValueError, "^latents: all points coincide", lambda: ood.effective_dimension(torch.ones(5, 4))),
        (ValueError, "^images: image 0 is plain", lambda: theory.share_of_image(Z[:2], X)),
        (ValueError, "^parents: got -1 to 0", lambda: ood.composites(X, torch.tensor([[0], [-1]]), Z, Z)),
        (ValueError, "^ratings: got image '001' in", lambda: opinion.told_apart(mixed_up())),
        (ValueError, "^ratings: got 'real' for called", lambda: opinion.told_apart(SCORED.assign(called="real"))),
        (ValueError, "^ratings: got a rating without", lambda: opinion.mean_opinion(SCORED.assign(group=None))),
        (ValueError, "^n: got 5, expected a multiple", lambda: figures.panels(5, rows=2)),
    ],
)
def test_what_has_no_answer_is_refused(error, match, call):
    with pytest.raises(error, match=match):
        call()


def mixed_up():
    """Two raters who were given the same images under other groups."""
    other = RATINGS["group"].map({"raw": "generated", "generated": "raw"})
    return pd.concat([RATINGS, RATINGS.assign(rater="other", group=other)])


@pytest.mark.parametrize(
    ("match", "call"),
    [
        ("^mean: got 'a'", lambda: ood.gaussian_model("a", 1.0, image_shape=(3, 8, 8))),
        ("^variance: got 1j", lambda: ood.gaussian_model(0.0, 1j, image_shape=(3, 8, 8))),
        ("^image_shape: got 0", lambda: ood.gaussian_model(0.0, 1.0, image_shape=(3, 0, 8))),
        (r"^image_shape: got \(8,\)", lambda: ood.gaussian_model(0.0, 1.0, image_shape=8)),
        ("^variances: got None", lambda: ood.mixture_model(Z, None)),
        ("^weights: got ", lambda: ood.mixture_model(Z, 1.0, {"a": 1})),
        ("^means: got shape", lambda: ood.mixture_model(torch.zeros(2, 3, 0, 0), 1.0)),
        ("^t: got None", lambda: MODEL.eps(X, None)),
        ("^levels: got ", lambda: ood.path(MODEL, X, [])),
        ("^levels: got ", lambda: ood.predicted_images(MODEL, X, [1, 2])),
        ("^colors: got ", lambda: ood.fresh_images(MODEL, 2, colors=torch.full((2, 3), torch.nan))),
        ("^t: got 5000", lambda: ood.fresh_images(MODEL, 2, t=5000, colors=torch.zeros(2, 3))),
        ("^alpha: got 'a'", lambda: ood.timestep_at(MODEL.alphas_cumprod, "a")),
        ("^clouds: got none", lambda: ood.gram()),
        (r"^clouds\[0\]: got shape \(5, 0\)", lambda: ood.gram(torch.zeros(5, 0))),
        ("^b: holds NaN", lambda: ood.center_distance(Z, Z * torch.nan)),
        ("^b: got d = 64, expected 192 as in a", lambda: ood.separability(Z, Z[:, :1])),
        ("^a: got 4 points", lambda: ood.center_distance(POINTS[:4], 2)),
        (r"^b: got tensor\(.{,40} of type Tensor", lambda: ood.center_distance(POINTS, Z)),
        ("^proposals: holds NaN", lambda: ood.calibrate_acceptance(torch.cat([Z, Z + 1])).accepts(Z * torch.nan)),
        (r"^method: got \['gaussian'\]", lambda: ood.sample_latents(Z, 2, ["gaussian"])),
        ("^accept: got function", lambda: ood.sample_latents(Z, 2, accept=lambda z: True)),
        ("^network: got str", lambda: ood.features_of(X, "inception")),
        ("^parents: got torch.float32", lambda: ood.composites(X, torch.zeros(2, 1), Z, Z)),
        ("^parents: got 1, expected two", lambda: ood.double_exposures(X, (X,), Z, Z)),
        ("^real: got images of shape", lambda: ood.double_exposures(X, (X, X), Z, Z[:, :, :4])),
        ("^image: got ndarray", lambda: ood.to_picture(X[0].numpy())),
        (r"^image: got \(3, 8, 8\) torch.uint8", lambda: ood.to_picture(X[0].byte())),
        ("^columns: got 0", lambda: ood.save_sheet(X, "sheet.png", columns=0)),
        ("^path: got 'sheet'", lambda: ood.save_sheet(X, "sheet")),
        ("^size: got -8", lambda: ood.read_sheet("sheet.png", -8)),
        ("^device: got ''", lambda: ood.load_model("toy-dog", device="")),
        ("^device: got 1000", lambda: ood.load_model("toy-dog", device=10**30)),
        ("^name_or_path: got NoneType", lambda: ood.load_model(None)),
        ("^settings: got what is no JSON", lambda: ood.LatentStore("store", {"image_shape": [3, 8, 8], "z": Z})),
        ("^g: got Tensor", lambda: theory.moments_of(Z, 4)),
        ("^n_a: got 0", lambda: theory.held_out_of(POINTS, 0)),
        ("^seed: got -1", lambda: theory.held_out_of(POINTS, 8, seed=-1)),
        ("^width: got 'a'", lambda: theory.ball_outside_shell(3, "a")),
        ("^sigma: got 'a'", lambda: theory.remembered_share("a", 0.5, 1.0)),
        ("^variance: got inf", lambda: theory.remembered_share(1.0, 0.5, float("inf"))),
        ("^rho: got ", lambda: theory.tolerated_eta(1.0, 1.0, np.array([0.5, 0.6]))),
        ("^a_t: got 2.0", lambda: theory.implied_noise(X, X, 2.0)),
        ("^x_0: got shape", lambda: theory.implied_noise(X, Z, 0.5)),
        ("^alphas: got ", lambda: theory.reverse_chain(X, [1.5], 0.5)),
        ("^alphas: got ", lambda: theory.reverse_chain(X, [], 0.5)),
        ("^level: got 'a'", lambda: opinion.mean_opinion(SCORED, "a")),
        ("^means, n_raters: got ", lambda: opinion.power_curve({"a": (2, 1), "b": (3, 1)}, 5)),
        ("^means: got ", lambda: opinion.simulate_raters(2, 2, {"a": 3})),
        (r"^means\['a'\], std: got '1'", lambda: opinion.simulate_raters(2, 2, {"a": (2, "1")})),
        ("^title: got b'x'", lambda: opinion.prepare("study", {"a": X, "b": X}, seed=0, title=b"x")),
        ("^groups: got 1", lambda: opinion.prepare("study", {1: X, "raw": X}, seed=0)),
        ("^rows: got 0", lambda: figures.panels(2, rows=0)),
    ],
)
def test_what_cannot_be_meant_is_named_and_nothing_is_written(match, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError), match=match):
        call()
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\0b"])
def test_no_name_is_the_working_directory(name, tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "private.png")
    monkeypatch.chdir(tmp_path)
    for load in (ood.load_domain, ood.load_model):
        with pytest.raises(FileNotFoundError, match=r"^name.*: got "):
            load(name)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_with_pixels_that_are_no_numbers_is_refused(value, tmp_path):
    pixels = np.linspace(0, 1, 81, dtype=np.float32).reshape(9, 9)
    pixels[0, 0] = value
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif.*NaN or infinity"):
        ood.load_domain(tmp_path, 1, 8)


def test_what_a_walk_cannot_do_is_said_before_the_first_image_is_inverted(tmp_path):
    images = tmp_path / ("é" * 120)  # a name that leaves no room for more in that of a store
    images.mkdir()
    for k in range(3):
        Image.new("RGB", (8, 8)).save(images / f"-{k} ü\n.png")
    how = {"folder": tmp_path / "stores", "steps": 2, "progress": False}
    for bad in ({"n": 20}, {"n": 1, "t": 5000}, {"n": 1, "solver": "euler"}, {"n": 1, "solver": ood.ddim}):
        with pytest.raises(ValueError, match=r"^(n|t|solver): got"):
            ood.inverted_latents(MODEL, images, **{**how, **bad})
    with pytest.raises(ValueError, match=r"^n: got 20"):
        ood.climbing_latents(MODEL, images, 20, [100], **how)
    with pytest.raises(TypeError, match=r"^heights: got 800"):
        ood.climbing_latents(MODEL, images, 1, 800, **how)
    assert not how["folder"].exists()
    assert len(ood.inverted_latents(MODEL, images, 3, **how)) == 3


def test_half_precision_does_not_overflow_in_sums():
    torch.testing.assert_close(ood.slerp(BIG, BIG, 0.5), BIG)
    assert torch.isfinite(ood.transfer(BIG, BIG, 2 * BIG.flip(0), spread=True)).all()
    moved, partner = ood.blend(Z.half(), Z.half(), Z.half(), 0.5)
    assert moved.dtype == torch.half and torch.equal(partner, torch.arange(len(Z)))


def test_a_seed_may_be_any_number():
    assert ood.separability(Z, Z + 1, seed=2**40, permutations=1).accuracy == 1


def test_nearly_parallel_latents_have_an_angle():
    found = theory.gaussian_geometry(2, mean_norm=1e9).origin_angle
    assert found.mean == pytest.approx(np.degrees(2e-9)) and found.std == pytest.approx(np.degrees(1e-9))
    assert theory.spherical_reading(1.0, 1e-9, 10).mean_norm == pytest.approx(1 / np.radians(1e-9), rel=1e-6)


def test_a_full_disk_leaves_the_sheet_that_was_there(tmp_path, monkeypatch):
    ood.save_sheet(X, tmp_path / "sheet.png")
    before = (tmp_path / "sheet.png").read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        ood.save_sheet(X + 1, tmp_path / "sheet.png")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


def test_a_store_neither_loses_nor_invents_latents(tmp_path):
    store = ood.LatentStore(tmp_path / "store", {"image_shape": [3, 8, 8]})
    store.append(Z)
    with pytest.raises(ValueError, match=r"^start: got -1"):
        store.append(Z, start=-1)
    with pytest.raises(ValueError, match=r"^latents: holds NaN or infinity"):
        store.append(torch.full((1, 3, 8, 8), 1e300, dtype=torch.float64))
    data = (store.path / "latents.f32").read_bytes()
    (store.path / "latents.f32").write_bytes(data[:100])
    with pytest.raises(OSError, match="too few for 8 latents"):
        store.append(Z)
    for stop in ("-3", "1e400", '"8"'):
        (store.path / "batches.jsonl").write_text(f'{{"stop": {stop}}}\n')
        with pytest.raises(OSError, match="is damaged"):
            len(store)
    for settings in ("[]", "5", "null", '{"image_shape": [-3, 8, 8]}'):
        (store.path / "settings.json").write_text(settings)
        with pytest.raises(OSError, match="is damaged"):
            ood.LatentStore(store.path, {"image_shape": [3, 8, 8]})


def test_a_map_is_written_as_it_was_meant_or_not_at_all(tmp_path):
    pytest.importorskip("astropy")
    flux = torch.ones(3, 8, 8, dtype=torch.float64)
    with pytest.raises(TypeError, match=r"^history: got 'a line'"):
        astro.write_map(tmp_path / "a.fits", flux, history="a line")
    with pytest.raises(ValueError, match=r"^flux: holds NaN or infinity"):
        astro.write_map(tmp_path / "a.fits", 1e300 * flux)
    assert not [*tmp_path.iterdir()]


def test_equal_latents_have_the_one_that_they_are_for_a_neighbor():
    found = ood.sample_latents(
        torch.ones(5, 3, 8, 8), 2, "centered", neighbors=2, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(found, torch.ones(2, 3, 8, 8))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_taken(kind):
    z, few = Z.to(kind), 0.05
    assert ood.geometry(z).radius.mean == pytest.approx(ood.geometry(Z).radius.mean, rel=few)
    assert ood.separability(z, z, permutations=0).accuracy == ood.separability(Z, Z, permutations=0).accuracy
    near = {"neighbors": 3, "generator": torch.Generator().manual_seed(0)}
    assert ood.sample_latents(z, 2, "centered", **near).dtype == kind
    assert ood.transfer(Z, z, Z).dtype == torch.float32 and ood.transfer(z, Z, Z).dtype == kind
    latents = ood.invert(MODEL, X.to(kind), **WALK)
    assert latents.dtype == kind
    torch.testing.assert_close(latents.float(), ood.invert(MODEL, X, **WALK), rtol=few, atol=few)


def test_numbers_of_numpy_are_numbers(tmp_path):
    settings = {"t": np.int64(500), "seed": np.int64(1), "steps": np.int32(3), "folder": tmp_path, "progress": False}
    plain = ood.inverted_latents(MODEL, "dog", 2, **settings)
    assert plain.settings["t"] == 500
    named = ood.inverted_latents(MODEL, "dog", np.int64(2), **settings, grid=np.array([-1.0, 100, 500]))
    assert named.settings["grid"] == [-1.0, 100.0, 500.0]


def test_the_smallest_images_have_a_spectrum():
    z = torch.randn(10, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    assert 0 < ood.gaussianity(z)["spectrum"].p_value <= 1


def test_gray_images_are_judged_as_rgb():
    gray = PICTURES[:, :1]
    same = gray.expand(-1, 3, -1, -1)
    assert ood.frechet_distance(gray, same) == pytest.approx(0, abs=1e-6)
    assert ood.diversity(gray).value == ood.diversity(same).value
    assert ood.interference_rate(gray, "dog", "cat") == ood.interference_rate(same, "dog", "cat")
    with pytest.raises(ValueError, match="one or three channels"):
        ood.diversity(PICTURES[:, :2])


def test_a_network_that_gives_nan_says_so():
    model = trainer.untrained("toy-dog")
    model.predictor.network.conv_in.weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"untrained toy-dog.*float32.*1 of 1 images"):
        ood.invert(model, torch.zeros(1, 3, 64, 64), steps=2, precision="float32", progress=False)


def test_global_random_streams_stay_as_they_are(tmp_path):
    DomainScorer(("a", "b"), (8, 8)).save(tmp_path)
    np.random.seed(0)  # noqa: NPY002 the global stream is the point
    torch.manual_seed(0)
    expected = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    ood.separability(Z, Z + 1, permutations=1)
    ood.load_scorer(tmp_path)
    assert np.array_equal(np.random.get_state()[1], expected[0]) and torch.equal(torch.get_rng_state(), expected[1])  # noqa: NPY002


def test_a_scorer_is_read_again_when_it_was_saved_again_and_belongs_to_who_asked(tmp_path):
    scorer = DomainScorer(("a", "b"), (8, 8))
    scorer.save(tmp_path)
    first = ood.load_scorer(tmp_path)
    first.temperature.fill_(100)
    assert float(ood.load_scorer(tmp_path).temperature) == 1
    scorer.head.weight.data.mul_(5)
    scorer.save(tmp_path)
    torch.testing.assert_close(ood.load_scorer(tmp_path).head.weight, 5 * first.head.weight, rtol=1e-2, atol=1e-3)


def test_a_margin_between_clouds_that_overlap_is_not_sought_for_ever():
    draw = torch.Generator().manual_seed(0)
    a, b = (torch.randn(40, 1, 4, 4, generator=draw) for _ in "ab")
    with pytest.warns(UserWarning, match="terminated early"):
        assert 0 <= ood.separability(a, b, C=1e6, permutations=0).accuracy <= 1
