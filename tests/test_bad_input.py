"""Bad input ends in an error that names the argument, before there is any work; what can be meant is taken."""

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.evaluation.scorer import DomainScorer
from ood_helpers.training import toys

MODEL = ood.gaussian_model(0.1, 0.3, image_shape=(3, 8, 8))
X, Z = torch.zeros(2, 3, 8, 8), torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
PICTURES = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
WALK = {"steps": 3, "progress": False}

NO_NUMBERS = {
    "eta": lambda v: ood.denoise(MODEL, Z, eta=v, **WALK),
    "tolerance": lambda v: ood.invert(MODEL, X, solver="ddim-fixed-point", tolerance=v, **WALK),
    "test_size": lambda v: ood.separability(Z, Z + 1, test_size=v),
    "C": lambda v: ood.separability(Z, Z + 1, C=v),
    "amount": lambda v: ood.transfer(Z, Z, Z, amount=v),
    "blur": lambda v: ood.edge_similarity(X, X, blur=v),
    "weight": lambda v: ood.sample_latents(Z, 2, "interpolate", weight=v),
    "weight of slerp": lambda v: ood.slerp(Z, Z, v),
    "share": lambda v: ood.sample_latents(Z, 2, share=v),
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
    ],
)
def test_what_has_no_answer_is_refused(error, match, call):
    with pytest.raises(error, match=match):
        call()


def test_equal_latents_have_the_one_that_they_are_for_a_neighbor():
    found = ood.sample_latents(torch.ones(5, 3, 8, 8), 2, neighbors=2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found, torch.ones(2, 3, 8, 8))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_taken(kind):
    z, few = Z.to(kind), 0.05
    assert ood.geometry(z).radius.mean == pytest.approx(ood.geometry(Z).radius.mean, rel=few)
    assert ood.separability(z, z, permutations=0).accuracy == ood.separability(Z, Z, permutations=0).accuracy
    near = {"neighbors": 3, "generator": torch.Generator().manual_seed(0)}
    assert ood.sample_latents(z, 2, **near).dtype == kind
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
    model = toys.untrained("toy-dog")
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
