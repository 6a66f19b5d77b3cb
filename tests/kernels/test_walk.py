"""The walk against independent truth: products of affine maps, the exact flow, exact distributions."""

import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from gaussian_flow import gaussian_flow
from hypothesis import given, settings
from hypothesis import strategies as st

import ood_helpers as ood
from ood_helpers.kernels import steps as rules
from ood_helpers.kernels.walk import SOLVERS
from ood_helpers.models.frozen import FrozenModel

MEAN, VARIANCE, SHAPE = 0.3, 0.25, (3, 4, 4)
QUIET = {"progress": False}
X = torch.zeros(2, *SHAPE)


@pytest.fixture
def model():
    return ood.gaussian_model(MEAN, VARIANCE, image_shape=SHAPE)


@pytest.fixture
def images():
    return torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


def ddim_in_x(x, a, b, a_label):
    """One DDIM step of the Gaussian model from share ``a`` to ``b``, in x as the literature writes it."""
    eps = math.sqrt(1 - a_label) * (x - math.sqrt(a_label) * MEAN) / (a_label * VARIANCE + 1 - a_label)
    return math.sqrt(b) * (x - math.sqrt(1 - a) * eps) / math.sqrt(a) + math.sqrt(1 - b) * eps


def shares(model, timesteps):
    return [1.0 if t < 0 else model.alphas_cumprod[int(t)].item() for t in timesteps]


@pytest.mark.parametrize("steps", [1, 7, 50])
def test_inverting_a_gaussian_by_ddim_is_the_known_product_of_maps(model, images, steps):
    grid = np.round(np.linspace(0, 801, steps + 1)) - 1
    expected = images
    for a, b in zip(shares(model, grid), shares(model, grid[1:]), strict=False):
        expected = ddim_in_x(expected, a, b, a)
    latents = ood.invert(model, images, t=800, steps=steps, **QUIET)
    torch.testing.assert_close(latents, expected, rtol=0, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 950), min_size=1, max_size=8))
def test_denoising_a_gaussian_is_the_known_product_on_any_grid(timesteps):
    model = ood.gaussian_model(MEAN, VARIANCE, image_shape=SHAPE)
    grid = [-1, *sorted(timesteps)]
    x = torch.linspace(-2, 2, 48, dtype=torch.float64).reshape(1, *SHAPE)
    expected, table = x, shares(model, grid[::-1])
    for a, b in pairwise(table):
        expected = ddim_in_x(expected, a, b, a)
    torch.testing.assert_close(ood.denoise(model, x, grid=grid, **QUIET), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("solver", "grid", "order"),
    [
        ("ddim", "uniform", 1),
        ("ddim", "log-snr", 1),
        ("ddim-fixed-point", "uniform", 1),
        ("ab2", "uniform", 2),
        ("ab2", "log-snr", 2),
        ("heun", "uniform", 2),
        ("heun", "log-snr", 2),
        ("dpm2m", "log-snr", 2),
        ("unipc", "log-snr", 3),
        ("belm", "uniform", 2),
        ("belm", "log-snr", 2),
    ],
)
def test_every_solver_converges_to_the_exact_flow_at_its_order(model, images, solver, grid, order):
    a = model.alphas_cumprod[799].item()
    exact = gaussian_flow(MEAN, VARIANCE, 1.0, a, images)
    options = {"t": 799, "solver": solver, "grid": grid, **QUIET}

    def errors(steps):
        up = ood.invert(model, images, steps=steps, **options) - exact
        down = ood.denoise(model, exact, steps=steps, **options) - images
        return up.abs().max().item(), down.abs().max().item()

    for coarse, fine in zip(errors(100), errors(400), strict=True):
        assert math.log(coarse / fine, 4) == pytest.approx(order, abs=0.15)


def test_dpm2m_walks_even_log_snr_steps_unless_told_otherwise(model, images):
    default = ood.invert(model, images, solver="dpm2m", **QUIET)
    torch.testing.assert_close(
        default, ood.invert(model, images, solver="dpm2m", grid="log-snr", **QUIET), rtol=0, atol=0
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_more_steps_bring_a_better_round_trip(model, images, solver):
    def trip(steps):
        latents = ood.invert(model, images, steps=steps, solver=solver, **QUIET)
        return ood.reconstruction_error(images, ood.denoise(model, latents, steps=steps, solver=solver, **QUIET)).max()

    assert trip(80) < trip(10) or trip(10) < 1e-6


def test_a_fixed_point_inversion_is_undone_by_ddim_in_float32(model, images):
    images = images.float()
    latents = ood.invert(model, images, solver="ddim-fixed-point", **QUIET)
    assert latents.dtype == torch.float32
    torch.testing.assert_close(ood.denoise(model, latents, **QUIET), images, rtol=0, atol=1e-5)


def test_a_perfect_reconstruction_does_not_certify_the_latent(model, images):
    latents = ood.invert(model, images, steps=10, solver="ddim-fixed-point", **QUIET)
    copies = ood.denoise(model, latents, steps=10, **QUIET)
    exact = gaussian_flow(MEAN, VARIANCE, 1.0, model.alphas_cumprod[800].item(), images)
    assert ood.reconstruction_error(images, copies).max() < 1e-5
    assert ood.latent_error(latents, exact).min() > 0.1


def rough(seed=0):
    """A predictor that knows nothing of Gaussians and is not linear: exactness may not come from either."""
    mix = torch.randn(48, 48, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    table = ood.alphas_cumprod("linear")
    return FrozenModel("rough", table, SHAPE, lambda x, t, dtype=None: (x.flatten(1) @ mix).tanh().view_as(x))


@pytest.mark.parametrize("grid", ["uniform", "log-snr", [-1, 5, 6, 300, 310, 700]])
@pytest.mark.parametrize("power", [2, 1])
@pytest.mark.parametrize("kind", ["gaussian", "rough"])
def test_two_states_lead_back_exactly_and_lead_back_again(model, images, grid, power, kind):
    if kind == "rough":
        model = rough()
    levels = ood.inversion_levels(model.alphas_cumprod, *(() if isinstance(grid, list) else (800, 20)), grid=grid)
    rule, first = partial(ood.belm, power=power), images
    for _ in range(3):
        latents, before = ood.reversible_walk(model, first, levels, rule=rule)
        first, second = ood.reversible_walk(model, (latents, before), levels[::-1], rule=rule)
        torch.testing.assert_close(first, images, rtol=0, atol=1e-10)
    again = ood.reversible_walk(model, (first, second), levels, rule=rule)
    for state, expected in zip(again, (latents, before), strict=True):
        torch.testing.assert_close(state, expected, rtol=1e-6, atol=1e-6)


def test_one_step_of_o_belm_by_hand():
    # levels sigma = 0, 1, 3: r = 2, so y' = 4 * y_before - 3 * y + (1 + 2) * 2 eps; exact for parabolas, here sigma^2
    low, here, there = (ood.Level(t, sigma) for t, sigma in ((-1, 0.0), (5, 1.0), (9, 3.0)))
    square = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    y, memory = ood.belm(lambda y, level: 2 * level.sigma * square, square, here, there, (0 * square, low))
    assert y.item() == 4 * 0 - 3 * 1 + 6 * 2 == 9 and torch.equal(memory[0], square) and memory[1] == here


def test_a_pair_holds_the_latent_that_invert_returns(model, images):
    levels = ood.inversion_levels(model.alphas_cumprod, 800, 9, "log-snr")
    latents, before = ood.reversible_walk(model, images, levels)
    torch.testing.assert_close(latents, ood.invert(model, images, steps=9, solver="belm", **QUIET), rtol=0, atol=1e-12)
    torch.testing.assert_close(before, list(ood.path(model, images, levels, "belm"))[-2][1], rtol=0, atol=1e-12)
    first, second = ood.reversible_walk(model, images, levels[:2])
    assert torch.equal(second, images) and first.shape == images.shape


@pytest.mark.parametrize("power", [2, 1])
def test_a_disturbance_of_a_pair_grows_like_that_power_of_the_steps(power):
    """Where eps is 0 a walk stands still, and a disturbance is all that moves."""
    still = FrozenModel("still", ood.alphas_cumprod("linear"), SHAPE, lambda x, t, dtype=None: torch.zeros_like(x))
    up = ood.inversion_levels(still.alphas_cumprod, 800, 12, "log-snr")
    for levels in (up, up[::-1]):
        pair = torch.zeros(1, *SHAPE, dtype=torch.float64), torch.full((1, *SHAPE), 1e-3, dtype=torch.float64)
        last, before = ood.reversible_walk(still, pair, levels, rule=partial(ood.belm, power=power))
        moved = (last / levels[-1].scale - before / levels[-2].scale).abs()
        (first, second), (late, end) = levels[:2], levels[-2:]
        grown = abs((end.sigma - late.sigma) / (second.sigma - first.sigma)) ** power
        torch.testing.assert_close(moved, 1e-3 / second.scale * grown * torch.ones_like(moved), rtol=1e-6, atol=0)


def test_the_gentler_rule_is_of_second_order_between_even_levels(model, images):
    a, b = (model.alphas_cumprod[t].item() for t in (0, 799))
    exact = gaussian_flow(MEAN, VARIANCE, a, b, images)

    def errors(steps):
        levels = ood.inversion_levels(model.alphas_cumprod, 799, steps, "log-snr")[1:]
        rule = partial(ood.belm, power=1)
        up, _ = ood.reversible_walk(model, images, levels, rule=rule)
        down, _ = ood.reversible_walk(model, exact, levels[::-1], rule=rule)
        return (up - exact).abs().max().item(), (down - images).abs().max().item()

    for coarse, fine in zip(errors(101), errors(401), strict=True):
        assert math.log(coarse / fine, 4) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize(
    ("x", "levels"),
    [((X, X, X), 3), ((), 3), ((X, X[:1]), 3), (X, 1)],
    ids=["three states", "no state", "two batches", "one level"],
)
def test_bad_pairs_are_named(model, x, levels):
    levels = ood.inversion_levels(model.alphas_cumprod, 800, 5)[:levels]
    with pytest.raises(ValueError, match=r"^x, levels: got"):
        ood.reversible_walk(model, x, levels)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", [1, 4, 9])
def test_latents_after_forward_steps_have_their_exact_law(model, solver, k):
    """Images all alike: at level k the noise is drawn, N(x_0, sigma_k^2) in y; from there an affine map of a Gaussian.

    The map is found by walking two points from level k. Five standard errors of mean and variance.
    """
    n, image = 4000, torch.full((1, *SHAPE), -0.4, dtype=torch.float64)
    walk, seed = {"solver": solver, **QUIET}, torch.Generator().manual_seed(5)
    found = ood.invert(model, image.expand(n, -1, -1, -1), steps=9, forward_steps=k, generator=seed, **walk)
    grid = "log-snr" if solver in ("dpm2m", "unipc", "belm") else "uniform"
    levels = ood.inversion_levels(model.alphas_cumprod, 800, 9, grid)
    points = torch.cat([image, image + 1]) * levels[k].scale
    if k < 9:
        *_, (_, points) = ood.path(model, points, levels[k:], solver)
    mean, deviation = points[0, 0, 0, 0].item(), (points[1] - points[0])[0, 0, 0].item() * levels[k].sigma
    size = found.numel()
    assert abs(found.mean().item() - mean) < 5 * abs(deviation) / size**0.5
    assert abs(found.var().item() / deviation**2 - 1) < 5 * (2 / size) ** 0.5


def test_only_forward_steps_are_forward_diffusion(images):
    """No evaluation, ``x_t = sqrt(a) x_0 + sqrt(1 - a) e``, and the same ``e`` for other images by the same seed."""
    counted = ood.CountedModel(ood.gaussian_model(MEAN, VARIANCE, image_shape=SHAPE))
    a = counted.alphas_cumprod[800].item()
    drawn, other = (
        ood.invert(counted, x, steps=9, forward_steps=9, generator=torch.Generator().manual_seed(2), **QUIET)
        for x in (images, -images)
    )
    assert counted.evaluations == 0
    torch.testing.assert_close(drawn - other, 2 * a**0.5 * images, rtol=0, atol=1e-12)
    streams = ood.image_streams(len(images), torch.Generator().manual_seed(2), counted.device)
    noise = ood.noise_like(images, streams)()
    torch.testing.assert_close(drawn, a**0.5 * images + (1 - a) ** 0.5 * noise, rtol=0, atol=1e-12)


def test_forward_steps_are_seeded_and_do_not_depend_on_the_batch_size(model, images):
    def run(size, seed=3, **given):
        how = {"generator": torch.Generator().manual_seed(seed)} | given
        return ood.invert(model, images, steps=9, forward_steps=2, batch_size=size, **how, **QUIET)

    torch.testing.assert_close(run(2), run(5), rtol=0, atol=1e-12)
    assert torch.equal(run(5), run(5)) and not torch.allclose(run(5), run(5, seed=4))
    torch.manual_seed(3)
    one = run(5, generator=None)
    torch.manual_seed(3)
    assert torch.equal(one, run(5, generator=None))


def test_without_forward_steps_no_random_number_is_drawn(model, images):
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    plain = ood.invert(model, images, steps=9, **QUIET)
    assert torch.equal(ood.invert(model, images, steps=9, forward_steps=0, generator=generator, **QUIET), plain)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (10, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)]
)
def test_bad_forward_steps_are_named(model, images, value, error):
    with pytest.raises(error, match=r"^forward_steps: got"):
        ood.invert(model, images, steps=9, forward_steps=value, **QUIET)


def test_the_official_round_trip_by_hand():
    # four levels, eps = 1 everywhere, t = 3 in 3 steps: timesteps 0, 1, 3 up and 3, 1, 0, -1 down
    table = torch.tensor([0.9, 0.5, 0.2, 0.1], dtype=torch.float64)
    model = FrozenModel("ones", table, (1, 1, 1), lambda x, t, dtype=None: torch.ones_like(x))
    x = torch.full((1, 1, 1, 1), 0.5, dtype=torch.float64)
    latent = ood.invert(model, x, t=3, steps=3, grid="official", **QUIET)
    # x / sqrt(0.9) + (sigma_3 - sigma_0) with sigma_3 = 3, sigma_0 = 1 / 3, times sqrt(0.1)
    assert latent.item() == pytest.approx(0.5 / 3 + math.sqrt(0.1) * (3 - 1 / 3), abs=1e-12)
    image = ood.denoise(model, latent, t=3, steps=3, grid="official", **QUIET)
    # down to the image the whole of sigma_3 = 3 is taken back: 0.5 / sqrt(0.9) - 1 / 3, not 0.5
    assert image.item() == pytest.approx(0.5 / math.sqrt(0.9) - 1 / 3, abs=1e-12)


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_stochastic_denoising_has_the_exact_variance_of_its_chain(eta):
    """A z-test on mean and variance over 30,000 draws; |z| < 5 fails a correct chain less than once in a million."""
    model = ood.gaussian_model(MEAN, VARIANCE, image_shape=(3, 10, 10))
    n, x = 100, torch.randn(100, 3, 10, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    levels = ood.generation_levels(model.alphas_cumprod, 800, 10, "uniform")
    images = ood.denoise(model, x, steps=10, eta=eta, generator=torch.Generator().manual_seed(1), **QUIET)

    mean, variance = 0.0, 1.0
    table = shares(model, [level.t for level in levels])
    for a, b in pairwise(table):
        fresh = eta**2 * (1 - b) / (1 - a) * (1 - a / b)  # Eq. 16 of Song et al. 2021, squared
        gain = math.sqrt(1 - a) / (a * VARIANCE + 1 - a)
        slope = math.sqrt(b / a) * (1 - math.sqrt(1 - a) * gain) + math.sqrt(1 - b - fresh) * gain
        shift = (math.sqrt(1 - b - fresh) - math.sqrt(b * (1 - a) / a)) * gain * -math.sqrt(a) * MEAN
        mean, variance = slope * mean + shift, slope**2 * variance + fresh
    size = n * 300
    assert abs(images.mean().item() - mean) < 5 * math.sqrt(variance / size)
    assert abs(images.var().item() / variance - 1) < 5 * math.sqrt(2 / size)


def test_eta_zero_is_the_deterministic_walk(model, images):
    assert torch.equal(ood.denoise(model, images, eta=0.0, **QUIET), ood.denoise(model, images, **QUIET))


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_results_do_not_depend_on_the_batch_size(model, images, eta):
    def run(size):
        return ood.denoise(
            model, images, steps=9, eta=eta, generator=torch.Generator().manual_seed(3), batch_size=size, **QUIET
        )

    torch.testing.assert_close(run(2), run(5), rtol=0, atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_inversions_do_not_depend_on_the_batch_size(model, images, solver):
    one, all_ = (ood.invert(model, images, steps=9, solver=solver, batch_size=size, **QUIET) for size in (1, 5))
    torch.testing.assert_close(one, all_, rtol=0, atol=1e-12)


def test_the_same_seed_gives_the_same_images_and_another_seed_others(model, images):
    def run(seed):
        return ood.denoise(model, images, eta=1.0, generator=torch.Generator().manual_seed(seed), **QUIET)

    assert torch.equal(run(4), run(4))
    assert not torch.allclose(run(4), run(5))


@pytest.mark.parametrize(
    ("solver", "expected"), [("ddim", 20), ("heun", 40), ("ab2", 21), ("dpm2m", 21), ("unipc", 21), ("belm", 21)]
)
def test_evaluations_are_counted(model, images, solver, expected):
    counted = ood.CountedModel(model)
    ood.invert(counted, images, steps=20, solver=solver, **QUIET)
    assert counted.evaluations == expected * len(images)


def test_one_iteration_of_the_fixed_point_costs_one_evaluation_a_step(model, images):
    counted = ood.CountedModel(model)
    ood.invert(counted, images, steps=20, solver="ddim-fixed-point", max_iterations=1, **QUIET)
    assert counted.evaluations == 20 * len(images)


def test_the_path_shows_every_level_and_ends_where_invert_does(model, images):
    levels = ood.inversion_levels(model.alphas_cumprod, 800, 8)
    film = list(ood.path(model, images, levels))
    assert [level for level, _ in film] == levels
    torch.testing.assert_close(film[0][1], images)
    torch.testing.assert_close(film[-1][1], ood.invert(model, images, steps=8, **QUIET))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_is_a_name_or_a_rule_in_every_walk(model, images, solver):
    rule = {"ddim-fixed-point": rules.ddim_fixed_point()}.get(solver) or getattr(rules, solver)
    levels = ood.inversion_levels(model.alphas_cumprod, 700, 6, "log-snr")
    walk = {"t": 700, "steps": 6, "grid": "log-snr", **QUIET}
    named, given = (ood.invert(model, images, solver=one, **walk) for one in (solver, rule))
    watched = [x for _, x in ood.path(model, images, levels, solver)]
    assert torch.equal(named, given) and torch.equal(named, watched[-1])
    down = "ddim" if solver == "ddim-fixed-point" else rule  # which inverts this step
    *_, (_, last) = ood.path(model, named, levels[::-1], solver)
    assert torch.equal(last, ood.denoise(model, named, solver=down, **walk))
    with pytest.raises(ValueError, match="solver: got 'euler'"):
        ood.path(model, images, levels, "euler")


@pytest.mark.parametrize("direction", [ood.invert, ood.denoise])
@pytest.mark.parametrize("setting", [{"t": 800}, {"steps": 50}])
def test_a_grid_that_contradicts_t_or_steps_is_refused(model, images, direction, setting):
    with pytest.raises(ValueError, match=f"^{next(iter(setting))}: got"):
        direction(model, images, grid=[-1, 10, 300], **setting, **QUIET)
    agreeing = direction(model, images, grid=[-1, 10, 300], t=300, steps=2, **QUIET)
    assert torch.equal(agreeing, direction(model, images, grid=[-1, 10, 300], **QUIET))


def test_a_walk_leaves_its_input_alone(model, images):
    before = images.clone()
    ood.invert(model, images, solver="ddim-fixed-point", steps=5, **QUIET)
    assert torch.equal(images, before)


def test_the_progress_bar_writes_nothing_to_stdout(model, images, capsys):
    ood.invert(model, images, steps=3, progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and "invert" in captured.err
    ood.invert(model, images, steps=3, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x: x[0], ValueError, r"images: got shape \(3, 4, 4\)"),
        (lambda x: x[:0], ValueError, "non-empty"),
        (lambda x: x[:, :1], ValueError, r"images: got images of shape \(1, 4, 4\), expected \(3, 4, 4\)"),
        (lambda x: x[..., :2], ValueError, "images of shape"),
        (lambda x: (x * 127.5 + 127.5).byte(), TypeError, "torch.uint8.*x / 127.5 - 1"),
        (lambda x: x * 127.5 + 127.5, ValueError, r"images: got values from .* expected images in \[-1, 1\]"),
        (lambda x: x / 0, ValueError, "NaN or infinity"),
        (lambda x: x.numpy(), TypeError, "images: got ndarray"),
    ],
)
def test_bad_images_are_named(model, images, change, error, message):
    with pytest.raises(error, match=message):
        ood.invert(model, change(images), **QUIET)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t": 1000}, "t: got 1000"),
        ({"steps": 0}, "steps: got 0"),
        ({"t": 10, "steps": 12}, "steps: got 12"),
        ({"solver": "euler"}, "solver: got 'euler'"),
        ({"grid": "fine"}, "grid: got 'fine'"),
        ({"precision": "int8"}, "precision: got 'int8'"),
        ({"batch_size": 0}, "batch_size: got 0"),
    ],
)
@pytest.mark.parametrize("direction", [ood.invert, ood.denoise])
def test_bad_settings_are_named(model, images, direction, arguments, message):
    with pytest.raises(ValueError, match=message):
        direction(model, images, **{**QUIET, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta": 1.5}, "eta: got 1.5"),
        ({"eta": -0.1}, "eta: got -0.1"),
        ({"eta": float("nan")}, "eta: got nan"),
        ({"eta": 0.5, "solver": "heun"}, "eta: got 0.5 with solver 'heun'"),
    ],
)
def test_bad_eta_is_named(model, images, arguments, message):
    with pytest.raises(ValueError, match=message):
        ood.denoise(model, images, **QUIET, **arguments)


def test_a_bad_tolerance_is_named(model, images):
    with pytest.raises(ValueError, match="tolerance: got 0"):
        ood.invert(model, images, solver="ddim-fixed-point", tolerance=0, **QUIET)


@pytest.mark.parametrize("step", [rules.ddim, rules.heun, rules.dpm2m, rules.unipc, rules.belm])
def test_predicted_images_are_the_posterior_means_along_the_walk(images, step):
    """For Gaussian data E[x_0 | x_t] is known; one walk, and no evaluation beyond those that the steps make."""
    counted = ood.CountedModel(ood.gaussian_model(MEAN, VARIANCE, image_shape=SHAPE))
    levels = ood.generation_levels(counted.alphas_cumprod, 700, 9)
    states = dict(ood.path(counted, images, levels, step))
    walked = counted.evaluations
    for level, predicted in ood.predicted_images(counted, images, levels, step):
        y, share = states[level] / level.scale, VARIANCE / (VARIANCE + level.sigma**2)
        torch.testing.assert_close(predicted, MEAN + share * (y - MEAN), rtol=1e-10, atol=1e-10)
    assert counted.evaluations == 2 * walked


def test_a_walk_that_ends_above_the_image_predicts_it_from_there(model, images):
    levels = ood.inversion_levels(model.alphas_cumprod, grid=[-1, 100, 300])
    found = list(ood.predicted_images(model, images, levels))
    assert [level.t for level, _ in found] == [-1, 100, 300]
    torch.testing.assert_close(found[0][1], images)
    y = ood.invert(model, images, grid=[-1, 100, 300], **QUIET) / levels[-1].scale
    share = VARIANCE / (VARIANCE + levels[-1].sigma ** 2)
    torch.testing.assert_close(found[-1][1], MEAN + share * (y - MEAN), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("schedule", "t"), [("linear", 800), ("cosine", 974)])
def test_fresh_images_start_at_the_same_noise_whatever_the_schedule(schedule, t):
    """And have the law of the data: mean and variance of 4,000 images within five standard errors."""
    model = ood.gaussian_model(MEAN, VARIANCE, schedule=schedule, image_shape=SHAPE)
    walk = {"steps": 60, "solver": "dpm2m", "eta": 0.0, **QUIET}
    made = ood.fresh_images(model, 4000, generator=torch.Generator().manual_seed(0), **walk)
    same = ood.fresh_images(model, 4000, generator=torch.Generator().manual_seed(0), t=t, **walk)
    assert torch.equal(made, same)
    error = VARIANCE**0.5 / made.numel() ** 0.5 * made[0].numel() ** 0.5
    assert ((made.mean(0) - MEAN).abs() < 5 * error).all()
    assert ((made.var(0) / VARIANCE - 1).abs() < 5 * (2 / 4000) ** 0.5).all()
