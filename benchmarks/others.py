"""What others have found, again and again: three repetitions, two models of drawings and one of photographs.

    python -m ood_helpers data hands apples --output sets
    python benchmarks/others.py --folder sets

Each repetition takes other images, and is judged by the rules of the chapters. For one unseen domain of each model:

exact       copies of 8 images by O-BELM with both states, 20 steps
arcs        the self-interpolation test of `round_trips.py`, 8 draws of noise, for a solver that finds the latent (DPM-
            Solver-2M) and two that need not; its images are of the training domain
noise       the correlation of neighbors in 8 latents, with none, 5 and 7 of 12 steps replaced by forward diffusion
between     36 images of each way between 12 pairs of latents, as `interpolants.py` makes them, with t = 800
linear      how much of what the network predicts from 24 noisy images of its own domain the Wiener filter of 400 does
fine        the power at high frequencies of 48 images and of their latents, for two domains that may have little
path        how well two numbers of the walk up tell 24 images of each unseen domain from 24 of the own one

Kept in results/others.json. An interrupted run goes on where it stopped. Some 130 TFLOP: half an hour on two cores.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from claims import REPEATS, STUDIES, complete
from generation import machine, with_errors
from interpolants import latents_between
from real import Images, World, share
from records import read
from round_trips import PAIRS as OF_TWO_STATES
from round_trips import SOLVERS, OneState, TwoStates, self_interpolation
from scipy import stats

import ood_helpers as ood
from ood_helpers import theory
from ood_helpers.pages.shared import DOWN, WALK
from ood_helpers.pages.transfers import fine_power

RESULTS = Path(__file__).parent / "results" / "others.json"
FEW, N, PAIRS, HELD_OUT, STEPS = 8, 48, 12, 200, 20
NOISY, KNOWN, HEIGHTS, FITTED = 24, 400, (200, 400, 600, 800), 28
TARGETS = {"toy-dog": "church", "toy-church": "dog", "real-hand": "apples"}
SMOOTH = {"toy-dog": ("sketch", "galaxy"), "toy-church": ("sketch", "galaxy"), "real-hand": ("histology", "hubble")}


def exact(model: ood.FrozenModel, images: Images, domain: str) -> list[float]:
    """Errors of copies, there and back by both states."""
    way, x = TwoStates(model, STEPS, "float32", ood.belm), images(domain, FEW)
    return ood.reconstruction_error(x, way.down(way.up(x))).tolist()


def arcs(model: ood.FrozenModel, images: Images) -> dict:
    """Errors along the arc from a latent to the one that is recovered, by solver."""
    found, fresh = {}, torch.Generator().manual_seed(7 + images.repetition)
    noise = torch.randn(FEW, *model.image_shape, generator=fresh)
    for label in ("DDIM, fixed point", "DPM-Solver-2M"):
        found[label] = self_interpolation(OneState(model, STEPS, "float32", SOLVERS[label]), noise)
    pair = "power 1, both states"
    return found | {pair: self_interpolation(TwoStates(model, STEPS, "float32", OF_TWO_STATES[pair]), noise)}


def noise_first(model: ood.FrozenModel, images: Images, domain: str) -> dict[str, float]:
    """Correlation of neighbors by the number of steps that forward diffusion replaces."""
    found, x = {}, images(domain, FEW)
    for k in (0, 5, 7):
        fresh = {"generator": torch.Generator().manual_seed(4 + images.repetition), "forward_steps": k} if k else {}
        found[str(k)] = ood.gaussianity(ood.invert(model, x, **WALK, **fresh, progress=False))["neighbors"].effect
    return found


def between(world: World, images: Images, domain: str) -> dict[str, dict]:
    """Distance, with its error, and copies of what ways between latents make."""
    model, scorer = ood.load_model(world.model), ood.load_scorer(world.judge)
    x, held = images(domain, N), images(domain, HELD_OUT, "held_out")
    real, z = ood.features_of(held, scorer), ood.invert(model, x, **WALK, progress=False)
    found = {}
    for way in ("line", "cog", "arc", "geodesic"):
        drawn, more = latents_between(way, model, z, PAIRS, WALK["t"])
        made = ood.denoise(model, drawn, **DOWN, progress=False).clamp(-1, 1)
        distance = ood.kernel_distance(ood.features_of(made, scorer), real)
        new = ood.novelty(made, x, held, network=torch.nn.Flatten())
        found[way] = {
            "images": len(made),
            **with_errors(kernel=distance),
            "novelty": new.median,
            "copies": new.copies,
            **more,
        }
    return found


def fine(model: ood.FrozenModel, images: Images, domain: str) -> dict[str, list[float]]:
    """Mean fine power, with its error, of images and of their latents."""
    x = images(domain, N)
    kinds = {"images": x, "latents": ood.invert(model, x, **WALK, progress=False)}
    return {kind: share(torch.tensor([fine_power(one[None]) for one in found])) for kind, found in kinds.items()}


def linear(model: ood.FrozenModel, images: Images, domain: str) -> dict[str, list[float]]:
    """Share of the network's predictions that a linear denoiser explains, with its error, by timestep."""
    known, x = images(domain, KNOWN, "held_out"), images(domain, NOISY)
    fresh = torch.Generator().manual_seed(images.repetition)
    found = theory.linear_shares(model, known, x, HEIGHTS, generator=fresh)
    return {str(t): share(shares) for t, shares in zip(HEIGHTS, found, strict=True)}


def told_by_path(model: ood.FrozenModel, images: Images, own: str, others: tuple[str, ...]) -> dict[str, list[float]]:
    """Share of pairs in which an own image is the likelier one, with its error, by domain (AUC; DeLong et al. 1988).

    How likely an image is, a normal law of two numbers says, fitted to other own images: the root of the sum of squares
    of all noises that are predicted in ten steps up, and of their changes from step to step.
    """
    levels = ood.inversion_levels(model.alphas_cumprod, 999, 10)
    steps = torch.tensor([level.sigma for level in levels]).diff()[:, None, None, None, None]

    def numbers(domain: str, n: int) -> np.ndarray:
        states = ood.path(model, images(domain, n), levels, precision="float32")
        noises = torch.stack([x / level.scale for level, x in states]).diff(dim=0) / steps
        sums = [noise.square().sum((0, 2, 3, 4)).sqrt() for noise in (noises, noises.diff(dim=0))]
        return torch.stack(sums, 1).double().numpy()

    fitted, held = np.split(numbers(own, FITTED + NOISY), [FITTED])
    law, found = stats.multivariate_normal(fitted.mean(0), np.cov(fitted.T)), {}
    for name in others:
        told = law.logpdf(held)[:, None] > law.logpdf(numbers(name, NOISY))
        error = np.hypot(*(stats.sem(told.mean(axis)) for axis in (0, 1)))
        found[name] = [float(told.mean()), float(error)]
    return found


def parts(world: World, images: Images):
    """Yield what one repetition is made of: its part, the domain, and who measures it."""
    model, target = ood.load_model(world.model), TARGETS[world.model]
    foreign = tuple(dict.fromkeys((*world.unseen, *SMOOTH[world.model])))
    yield "exact", target, partial(exact, model, images, target)
    yield "arcs", world.own, partial(arcs, model, images)
    yield "linear", world.own, partial(linear, model, images, world.own)
    yield "noise", target, partial(noise_first, model, images, target)
    for domain in SMOOTH[world.model]:
        yield "fine", domain, partial(fine, model, images, domain)
    yield "path", world.own, partial(told_by_path, model, images, world.own, foreign)
    yield "between", target, partial(between, world, images, target)


def main() -> None:
    """Measure what the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the public sets are")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    weights = {name: ood.fingerprint(ood.load_model(name)) for name in TARGETS}
    record = read(options.output)
    if record.get("weights") != weights:
        record = {"weights": weights, "repetitions": {}}
    record |= {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "precision": "float32"}
    record["settings"] = {"few": FEW, "n": N, "pairs": PAIRS, "held out": HELD_OUT, "steps": STEPS}
    for repetition in range(REPEATS):
        for name in TARGETS:
            known = record["repetitions"].setdefault(f"{name} {repetition}", {})
            todo = parts(STUDIES[name], Images(options.folder, repetition))
            complete(known, todo, record, options.output, f"{name} {repetition}")


if __name__ == "__main__":
    main()
