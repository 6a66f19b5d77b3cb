"""The rules of verdicts on small sets of data whose answer is known: each has one where it holds, one where it fails.

What goes into a rule is measured here by the functions that the chapters measure with: on clouds drawn from a known
law, on formulas in place of networks, and on drawn images. Rules that check a proof, and those of records of people,
ranks, time or weights, have no such sets; nor have two that need a trained network, `t_800` and
`copies_certify_nothing`: `test_verdicts` tries them on numbers.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from others import told_by_path
from real import captured_along
from round_trips import SOLVERS, OneState, TwoStates, self_interpolation
from torch import nn

import ood_helpers as ood
from ood_helpers import theory
from ood_helpers.pages import transfers, verdicts

N, SHAPE = 40, (3, 16, 16)
ROOT_OF_D = (3 * 16 * 16) ** 0.25
PIXELS, SMALL = nn.Flatten(), nn.AdaptiveAvgPool2d(16)


def white(seed: int, n: int = N) -> torch.Tensor:
    """A cloud of white noise."""
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def blurred(seed: int, n: int = N) -> torch.Tensor:
    """A cloud of noise with correlated neighbors, and variance 1."""
    return 3 * nn.functional.avg_pool2d(white(seed, n), 3, stride=1, padding=1, count_include_pad=False)


def flat() -> torch.Tensor:
    """A cloud that fills four of its dimensions, far from the origin."""
    few = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
    return (few @ white(1, 4).flatten(1) + 3 * white(2, 1).flatten(1)).unflatten(1, SHAPE)


@cache
def drawn(domain: str, seed: int = 3, n: int = N) -> torch.Tensor:
    """Drawn images, and by other seeds other ones."""
    return ood.load_domain(domain, n, 64, seed)


def estimate(values) -> tuple[float, float]:
    """Mean and standard error."""
    values = np.asarray(values, dtype=float)
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def trip(steps: int, far: float) -> torch.Tensor:
    """Errors of round trips by the formula of a Gaussian, for images whose mean lies so far from its own."""
    model, x = ood.gaussian_model(0.0, 0.05, image_shape=SHAPE), (far + 0.2 * white(3, 12)).clamp(-1, 1)
    return ood.round_trip(model, x, t=800, steps=steps, solver="ddim", progress=False).mae


def faithful(good):
    mean, error = estimate(trip(50 if good else 3, 0.5))
    return [mean], [error]


def equally(good):
    mean, error = estimate(trip(50, 0.1 if good else 0.9))
    return estimate(trip(50, 0.0)), [mean], [error]


def convergence(good):
    return ([float(trip(steps, 0.5).mean()) for steps in (8, 16, 32)][:: 1 if good else -1],)


def reversal(good):
    """Two states come back exactly; one, in twenty steps, does not."""
    if not good:
        return (float(trip(20, 0.5).median()),)
    model, x = ood.gaussian_model(0.0, 0.05, image_shape=SHAPE), (0.2 * white(3, 8)).clamp(-1, 1)
    up = ood.inversion_levels(model.alphas_cumprod, t=800, steps=20)
    back, _ = ood.reversible_walk(model, ood.reversible_walk(model, x, up), up[::-1])
    return (float(ood.reconstruction_error(x, back).median()),)


def arcs(good):
    """Five coarse steps of two states lead back exactly, whatever lies between; twenty of one state follow the ODE."""
    model, noise = ood.mixture_model(0.4 * white(6, 6).clamp(-2, 2), 0.01), white(7, 8)
    way = TwoStates(model, 5, "float32", ood.belm) if good else OneState(model, 20, "float32", SOLVERS["DPM-Solver-2M"])
    errors = self_interpolation(way, noise)
    return tuple([float(np.median(errors[weight]))] for weight in ("1", "0.5"))


def gaussian(good):
    found = ood.gaussianity(white(0) if good else blurred(0))
    return [found["neighbors"].effect], [found["spectrum"].effect]


def visible_images(good):
    x, z = blurred(0), white(1)
    mean, error = estimate(theory.share_of_image(0.4 * x + (1.0 if good else 0.1) * z, x))
    return [mean], [error], [float(theory.share_of_image(z, x).mean())]


def cloud(good) -> ood.Geometry:
    return ood.geometry(white(0) if good else flat())


def images_of_another_kind(good):
    """Images on few dimensions; white noise in place of images has the geometry of latents."""
    found = cloud(not good)
    return [found.pair_distance.std / found.pair_distance.mean], [found.origin_angle.mean]


def apart(distance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Two clouds of white noise whose centers are so many d^(1/4) apart."""
    a, b = white(0, 52), white(1, 52)
    b[:, 0, 0, 0] += distance * ROOT_OF_D
    return a, b


def centers(good):
    c = ood.center_distance(*apart(4.0 if good else 0.0))
    return [c.unbiased / c.threshold], [c.squared_error / (2 * max(c.unbiased, 1e-9) * c.threshold)]


def machine(distance: float) -> list[float]:
    return [theory.held_out_of(ood.gram(*apart(distance)), 52, C=100).machine]


def separable(good):
    shuffled = ood.separability(ood.gram(*apart(0.0)), 52, C=100, permutations=9).null.max()
    return machine(6.0 if good else 0.0), [float(shuffled)], 104


def earlier(good):
    return *([machine(6.0), machine(0.0)][:: 1 if good else -1]), 104


def captured(images: torch.Tensor) -> tuple[int, int]:
    """How many images the judge calls dogs rather than churches, of how many."""
    return round(len(images) * ood.interference_rate(images, "dog", "church").rate), len(images)


def church_or_dog(church) -> torch.Tensor:
    return drawn("church" if church else "dog")


def interferes(good):
    return captured(church_or_dog(True))[0], *captured(church_or_dog(not good))


def starts(good):
    scorer = ood.load_scorer()
    called = scorer.probabilities(church_or_dog(not good)).argmax(1)
    return int((called == scorer.domains.index("dog")).sum()), N


def draws(good):
    low, high, *_ = ood.wilson_interval(*captured(church_or_dog(not good)))
    return [low], [high]


def widths(sigma, variance: float = 1.0):
    """Bandwidths by the formula of forgetting, for images that vary so much."""
    etas = np.linspace(0, 1, 9)
    lost = np.stack([0.4 * (1 - theory.remembered_share(s, etas, variance)) for s in sigma])
    errors = np.repeat(lost[:, :, None], 24, axis=2)
    return verdicts.bandwidths(ood.Bandwidth((200, 400, 600, 800), etas, errors, 0 * errors, np.empty(0)))


def sides(good):
    """A linear schedule has the noise at which predictions change sides below t = 800; a cosine one far below."""
    name, domain = ("toy-dog", "cat") if good else ("toy-dog-cosine", "church")
    along = captured_along(ood.load_model(name), drawn(domain, n=3), "dog", domain, ood.load_scorer())
    return ([verdicts.changes_sides({float(t): rate for t, rate in along.items()})],)


HEIGHTS = (0.3, 0.9, 3.0, 25.0)  # noise levels


def heights(good):
    """The bandwidth falls with the height; it does not if the heights are in the wrong order."""
    b, off, _ = widths(HEIGHTS[:: 1 if good else -1])
    return ([(b, off)],)


def gap(good):
    """Images that vary more are remembered longer, by the formula."""
    wide, narrow = (widths(HEIGHTS, variance)[2] for variance in (10.0, 0.1))
    return (wide, narrow) if good else (narrow, wide)


def lines(good):
    """The middles of pairs of equal latents, and of independent ones, keep all of the spread and 0.71 of it."""
    a, b = white(0), white(0 if good else 1)
    middles, ends = ((x - x.mean(0)).flatten(1).norm(dim=1).mean() for x in ((a + b) / 2, torch.cat([a, b])))
    return ([float(middles / ends)],)


def row(images: torch.Tensor) -> dict[str, float]:
    """A row of a record, of images made of 40 churches: one distance, of thumbnails, stands for both judges."""
    inputs, held = drawn("church", 0), drawn("church", 7, 100)
    distance = ood.kernel_distance(SMALL(images), SMALL(held), PIXELS)
    new = ood.novelty(images, inputs, held, network=PIXELS)
    judges = {j: distance.value for j in verdicts.JUDGES} | {f"{j}_error": distance.error for j in verdicts.JUDGES}
    return judges | {"copies": new.copies, "novelty": new.median}


def generates(good):
    """Other churches are new images of their domain, dogs are not; that the inputs are not new is another test."""
    images, held = church_or_dog(good), drawn("church", 7, 100)
    distance, between = (ood.kernel_distance(x, held) for x in (images, drawn("dog", 5, 100)))
    return *captured(images), distance.value, between.value, distance.error


def diversity(images: torch.Tensor) -> tuple[float, float]:
    found = ood.diversity(images, "ms-ssim")
    return found.value, found.error


def few_and_many():
    return [diversity(drawn("church", 3, 3).repeat(4, 1, 1, 1))], [diversity(drawn("church", 3, 12))]


def middles(good):
    """Twelve different churches are more diverse than twelve of three kinds."""
    (few,), (many,) = few_and_many()
    gain = (many[0] - few[0]) * (1 if good else -1)
    return [gain], [gain]


def numbers(good):
    return few_and_many()[:: 1 if good else -1]


def nearer(good):
    """Dogs are farther from churches than other churches are."""
    return row(church_or_dog(not good)), row(church_or_dog(good))


def far_and_near(good):
    far, near = (estimate([row(drawn(d, seed))["thumbnails"] for seed in range(3)]) for d in ("galaxy", "bedroom"))
    return (far, near) if good else (near, far)


def tuned(good):
    return [captured(church_or_dog(not good))[0] / N], N


def sampled(good):
    rivals = [row(church_or_dog(not good)), row(drawn("cat"))]
    return ([verdicts.nearer_than_all(row(church_or_dog(good)), rivals)],)


def sky(good):
    """Six statistics of 40 maps: those by one way follow the law of the real maps, those by the other lie off it."""
    names = [f"{what} {band}" for band in ("250", "24", "4.5") for what in ("slope", "flux")]
    stream = np.random.default_rng(0)
    law, off, real = (pd.DataFrame(stream.normal(mean, 1, (N, 6)), columns=names) for mean in (0, 1, 0))
    return verdicts.redrawn_shares(*((law, off) if good else (off, law)), real, stream)[1:]


def transferred(good):
    """Churches in other colors keep their own edges, other churches do not."""
    x = drawn("church", 3, 8)
    arrived = x * torch.tensor([0.6, 0.8, 1.0])[:, None, None] if good else drawn("church", 9, 8)
    own, others = transfers.kept_of_own(x, arrived)
    return (verdicts.kept_edges([1.0], [0.1], [own - others]),)


def linear(good):
    """The best linear denoiser of 200 images is linear; a formula that knows four images by heart is not."""
    x = (0.3 * blurred(0, 200)).clamp(-1, 1)
    model = theory.wiener_model(x) if good else ood.data_model(x[:4])
    found = [estimate(shares) for shares in theory.linear_shares(model, x, x[:24], (400, 600))]
    return tuple(zip(*found, strict=True))


def by_path(good):
    """Walks by the formula of blurred noise: white noise is foreign to it, other blurred noise is not."""
    clouds = {"own": blurred(1, 60), "new": white(2) if good else blurred(4)}
    images = {name: (0.3 * cloud).clamp(-1, 1) for name, cloud in clouds.items()}
    model = theory.wiener_model((0.3 * blurred(0, 200)).clamp(-1, 1))
    found = told_by_path(model, lambda name, n: images[name][:n], "own", ("new",))
    return tuple(zip(*found.values(), strict=True))


def whiter(good):
    mixed = (a * blurred(0) + (1 - a * a) ** 0.5 * white(1) for a in (0.9, 0.5, 0.1))
    return ([ood.gaussianity(z)["neighbors"].effect for z in mixed][:: 1 if good else -1],)


def smooth(good):
    x = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    if good:
        x = 3 * nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
    return estimate([transfers.fine_power(one[None]) for one in x])


SETS = {
    "reconstructs_unseen": faithful,
    "reconstructs_equally": equally,
    "deterministic_bijection": convergence,
    "reconstruction_is_representation": lambda good: (trip(3, 0.5), trip(3 if good else 50, 0.5)),
    "exact_reversal": reversal,
    "copies_certify_nothing": arcs,
    "inverted_gaussian": gaussian,
    "fig_3c": visible_images,
    "observation_1": lambda good: ([cloud(good).pair_distance.std / cloud(good).pair_distance.mean],),
    "observation_2": lambda good: ([cloud(good).pair_angle.std],),
    "observation_3": lambda good: ([cloud(good).origin_angle.mean],),
    "pixels_75": images_of_another_kind,
    "center_distances": centers,
    "svm_separable": separable,
    "separable_earlier": earlier,
    "interference": interferes,
    "noise_starts": starts,
    "captured_draws": draws,
    "t_800": sides,
    "bandwidth_image": heights,
    "bandwidth_gap": gap,
    "convex_combination": lines,
    "interpolation_generates": generates,
    "middle_of_path": middles,
    "diversity_n": numbers,
    "corrected_combinations": nearer,
    "geodesics_better": nearer,
    "cosine_better": nearer,
    "tuning_near": far_and_near,
    "vanilla_fails": tuned,
    "sampling_beats_tuning": sampled,
    "sky_sampling_better": sky,
    "domain_transfer": transferred,
    "linear_denoisers": linear,
    "told_by_path": by_path,
    "noise_first": whiter,
    "spectral_collapse": smooth,
}


@pytest.mark.parametrize("name", SETS)
def test_a_rule_holds_for_one_set_and_fails_for_another(name):
    rule = getattr(verdicts, name)
    assert (rule(*SETS[name](True)), rule(*SETS[name](False))) == ("holds", "fails")


def test_the_inputs_themselves_do_not_win():
    """They are as near to their domain as other churches are, and would be nearer than dogs."""
    inputs, dogs = row(drawn("church", 0)), row(drawn("dog"))
    assert inputs["kernel"] < dogs["kernel"] / 4 and verdicts.nearer(dogs, inputs) == "undecided"
    assert verdicts.nearer_than_all(inputs, [dogs]) == "fails"
