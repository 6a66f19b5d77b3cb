"""One rule for devices: images may come from anywhere, the model's device does the work, results are where images were.

Each program runs on the processor, and again with the model, the images or both on a GPU. Where there is none, one is
pretended (`pretended_gpu`), which raises where a real one would; the numbers must be the same then. A real one rounds
otherwise and draws other random numbers, so results of draws must only be finite, and the same twice.
"""

import copy
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from pretended_gpu import OnGPU, pretended_gpu

import ood_helpers as ood
from ood_helpers.baselines.asyrp import Interval, asyrp_denoise, train_asyrp
from ood_helpers.baselines.diffusionclip import diffusion_clip, translate
from ood_helpers.baselines.vanilla import fine_tune
from ood_helpers.evaluation import mixing as chain
from ood_helpers.evaluation.distances import features_of
from ood_helpers.kernels.levels import generation_levels, inversion_levels
from ood_helpers.kernels.steps import ddim_fixed_point
from ood_helpers.kernels.walk import SOLVERS
from ood_helpers.models.frozen import PREDICTIONS, NetworkPredictor, fingerprint
from ood_helpers.models.loading import freeze
from ood_helpers.models.schedules import alphas_cumprod
from ood_helpers.training.losses import variational_bound
from ood_helpers.training.trainer import Recipe, build_network, build_scheduler

QUIET = {"precision": "float32", "progress": False}
WALK = {"t": 700, "steps": 3, **QUIET}
PLACES = [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")]  # of the model, of the images


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model():
    recipe = Recipe(channels=(16, 32), size=16)
    torch.manual_seed(0)
    return freeze(build_network(recipe), build_scheduler(recipe), "tiny")


@pytest.fixture(scope="module")
def images():
    return torch.rand((10, 3, 16, 16), generator=seeded(0)) * 2 - 1


def at(model, device):
    """The model on a device; a closed form that has tensors of its own goes along."""
    if device == "cpu":
        return model
    network = torch.nn.Module.to(copy.deepcopy(model.predictor.network), "cuda")
    predictor = NetworkPredictor(network, 3, False, model.predictor.kind, model.alphas_cumprod)
    return replace(model, predictor=predictor, device=torch.device("cuda"))


REAL = torch.cuda.is_available()
CLOSE = {"rtol": 0.02, "atol": 0.01} if REAL else {}


@pytest.fixture(autouse=True)
def full_precision():
    """Let a real GPU convolve in float32, not in TF32, whose rounding a walk to the image multiplies by sigma."""
    kept, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    yield
    torch.backends.cudnn.allow_tf32 = kept


def agree(program, model, images, follows=True, draws=False):
    """Run a program of model and images everywhere, and compare with the processor's results."""
    expected = program(model, images)
    for model_at, images_at in PLACES:
        with nullcontext() if REAL else pretended_gpu():
            found = program(at(model, model_at), images.to(images_at))
            again = program(at(model, model_at), images.to(images_at)) if REAL and draws else expected
            for one, reference in zip(found, again, strict=True):
                if follows and isinstance(reference, torch.Tensor):
                    assert one.device.type == images_at, (model_at, images_at)
                if isinstance(reference, str):
                    assert REAL or one == reference
                    continue
                one, reference = (x.cpu() if isinstance(x, torch.Tensor) else x for x in (one, reference))
                torch.testing.assert_close(one, reference, msg=lambda m, p=(model_at, images_at): f"{p}: {m}", **CLOSE)


@pytest.mark.skipif(REAL, reason="there is a real GPU")
def test_the_pretended_gpu_refuses_what_a_real_one_refuses():
    with pretended_gpu():
        x = torch.ones(3, device="cuda")
        assert x.device.type == "cuda" and x.is_cuda and isinstance(x + 1, OnGPU) and x.cpu().device.type == "cpu"
        assert torch.equal((x * torch.tensor(2.0))[torch.tensor([0, 1])].cpu(), torch.full((2,), 2.0))
        for mixing in (
            lambda: x + torch.ones(3),
            lambda: torch.cat([x, torch.ones(3)]),
            lambda: torch.conv1d(x[None, None], torch.ones(1, 1, 2)),
            lambda: x.normal_(generator=torch.Generator()),
            lambda: torch.randn(3, generator=torch.Generator(), device="cuda"),
            lambda: torch.randn(3, generator=torch.Generator("cuda")),
        ):
            with pytest.raises(RuntimeError, match="Expected"):
                mixing()
        for taken in (x.numpy, x.__array__):
            with pytest.raises(TypeError, match="numpy"):
                taken()
    with pytest.raises((AssertionError, RuntimeError)):
        torch.ones(3, device="cuda")


@pytest.mark.parametrize("solver", SOLVERS)
def test_walks(model, images, solver):
    def program(model, images):
        latents = ood.invert(model, images, solver=solver, **WALK)
        return latents, ood.denoise(model, latents, solver=solver, **WALK)

    agree(program, model, images)


def test_pairs_of_states(model, images):
    levels = inversion_levels(model.alphas_cumprod, 700, 3)

    def program(model, images):
        pair = ood.reversible_walk(model, images, levels, precision="float32")
        return *pair, *ood.reversible_walk(model, pair, levels[::-1], precision="float32")

    agree(program, model, images)


def test_forward_steps(model, images):
    def program(model, images):
        return ood.invert(model, images, forward_steps=2, generator=seeded(), batch_size=3, **WALK)[None]

    agree(program, model, images, draws=True)


@pytest.mark.parametrize("kind", PREDICTIONS[1:])
def test_walks_of_networks_that_predict_something_else(model, images, kind):
    table = alphas_cumprod("cosine")[:999]
    other = replace(
        model, alphas_cumprod=table, predictor=NetworkPredictor(model.predictor.network, 3, False, kind, table)
    )
    agree(lambda model, images: [ood.denoise(model, images, **WALK)], other, images)


def test_noisy_walks_and_fresh_images(model, images):
    """Streams of random numbers are of the device that they are used on, so a seed gives one result on each kind."""

    def program(model, images):
        return ood.denoise(model, images, eta=1.0, generator=seeded(), batch_size=3, **WALK)[None]

    agree(program, model, images, draws=True)

    def fresh(model, images):
        colors = images[:4].mean((2, 3))
        return ood.fresh_images(model, 4, colors=colors, generator=seeded(), steps=3, **QUIET)[None].cpu()

    agree(fresh, model, images, follows=False, draws=True)


def test_watched_walks(model, images):
    levels = inversion_levels(model.alphas_cumprod, 700, 3)

    def program(model, images):
        seen = [x for _, x in ood.path(model, images, levels, precision="float32")]
        fixed = ddim_fixed_point(1e-4, 5)
        for rule in ({}, {"solver": fixed}):
            seen += [x for _, x in ood.predicted_images(model, images, levels, precision="float32", **rule)]
        return seen

    agree(program, model, images)


def test_errors_of_round_trips(model, images):
    def program(model, images):
        trip = ood.round_trip(model, images, **WALK)
        return trip.mae, trip.copies, ood.reconstruction_error(images, trip.copies)

    agree(program, model, images)


def test_samplers_and_measures_of_latents(model, images):
    def program(model, images):
        z = ood.invert(model, images, **WALK)
        drawn = ood.sample_latents(z, 3, "interpolate", generator=seeded())
        near = ood.sample_latents(z, 3, "centered", neighbors=2, share=0.5, generator=seeded())
        one = ood.sample_latents(z, 3, "gaussian", generator=seeded())
        cog = ood.sample_latents(z, 3, "cog", generator=seeded())
        half = ood.corrected_combination(z[:2], (0.5, 0.5), z.mean(0))
        return drawn, near, one, cog, half, ood.slerp(z[:1], z[1:2], 0.3)

    agree(program, model, images, draws=True)


def test_stored_latents(model, images, tmp_path):
    def program(model, images):
        folder = tmp_path / f"{model.device.type}"
        settings = {"folder": folder, "steps": 3, **QUIET}
        plain = ood.inverted_latents(model, "cat", 3, **settings).tensor()
        climbs = ood.climbing_latents(model, "cat", 3, (100, 700), **settings)
        return plain, *(store.tensor() for store in climbs.values())

    agree(program, model, images, follows=False)


def test_chains_transfers_and_acceptance(model, images):
    levels = generation_levels(model.alphas_cumprod, t=700, steps=3)

    def program(model, images):
        radii = chain.radius_along(model, images, levels, precision="float32").radius
        told = ood.calibrate_acceptance(images).accepts(images.flip(0)), ood.gram(images).products
        return *map(torch.as_tensor, (radii, *told)), ood.transfer(images, images.flip(0), images * 0.5).cpu()

    agree(program, model, images, follows=False)


def test_images_are_judged_wherever_they_are(model, images):
    def program(model, images):
        rate = ood.interference_rate(images, "dog", "cat")
        return (
            torch.as_tensor(rate.rate),
            features_of(images),
            torch.as_tensor(ood.frechet_distance(images, images.flip(0).clamp(-0.9, 0.9))),
            torch.as_tensor(ood.diversity(images).value),
        )

    agree(program, model, images, follows=False)


def test_the_bound_of_the_likelihood(model, images):
    def program(model, images):
        gray = ((images + 1) * 127.5).round() / 127.5 - 1
        return variational_bound(model, gray, first=2, strata=2, last=1, generator=seeded())[None]

    agree(program, model, images, draws=True)


@pytest.mark.parametrize("loss", ["simple", "vlb"])
def test_vanilla_tuning(model, images, loss):
    def program(model, images):
        tuned = fine_tune(model, images, loss=loss, learning_rate=1e-3, batch_size=2, steps=2, **QUIET)
        return torch.tensor(tuned.losses), fingerprint(tuned.model)

    agree(program, model, images, follows=False, draws=True)


def test_diffusionclip(model, images):
    def program(model, images):
        tuned = diffusion_clip(
            model, images, images.flip(-1), inversion_steps=3, train_steps=2, learning_rate=1e-4, steps=2, **QUIET
        )
        losses = torch.tensor(tuned.losses, device=images.device)
        return losses, translate(model, tuned.model, images, steps=3, **QUIET)

    agree(program, model, images, draws=True)


def test_asyrp(model, images):
    def program(model, images):
        options = {"inversion_steps": 3, "train_steps": 3, "interval": Interval(700, 300, 200)}
        trained = train_asyrp(model, images, images.flip(-1), steps=2, l1_weight=0.1, **options, **QUIET)
        latents = ood.invert(model, images, **WALK)
        losses = torch.tensor(trained.losses, device=images.device)
        return losses, asyrp_denoise(trained, latents, steps=5, generator=seeded(), **QUIET)

    agree(program, model, images, draws=True)
