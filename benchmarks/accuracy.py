"""How many evaluations of the network a walk needs: error of latents and of reconstructions, ours and others'.

    python benchmarks/accuracy.py

Trained toys, images of two domains that they have not seen, from the clean image to the last timestep and back, in
float32. Latents are compared with those of a walk of 300 steps, which resolves the short way below the first timestep,
too, and is itself compared with one of half as many (`ood.latent_error`, `ood.reconstruction_error`). The number of
steps is raised until both errors are small enough; how many evaluations that takes is interpolated between rungs, in
logarithms of both. The contestants:

ours          `ood.invert` and `ood.denoise` by dpm2m, and by unipc, with even steps in log(sigma).
ddim          `DDIMInverseScheduler` and `DDIMScheduler` of diffusers, unclipped, "trailing" steps: at its best, for by
              default both clip, and the last of few steps falls short of the last timestep.
dpm-solver    `DPMSolverMultistepInverseScheduler` and `DPMSolverMultistepScheduler` of diffusers, as they come.
dopri5        `odeint` of torchdiffeq over a range of tolerances, with log(sigma) for time, and below the first timestep
              sigma (`pip install torchdiffeq`; left out without).

And what a lower precision of the network costs the round trip of 40 steps. Kept in `benchmarks/results/accuracy.json`;
eight minutes on one core.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    DPMSolverMultistepInverseScheduler,
    DPMSolverMultistepScheduler,
)
from records import keep
from speed import machine, odeint

import ood_helpers as ood
from ood_helpers import PRECISIONS, Level, dpm2m, fingerprint, timestep_at

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
WANTED = {"latent": 1e-2, "mae": 2e-3}
FEW = 10, 15, 20, 30, 45, 70  # steps
MANY = 50, 200, 1000  # which the DDIM schedulers need to divide 1000, or else theirs do not meet
TOLERANCES = 1e-1, 1e-2, 1e-3, 1e-4
BELOW = 8  # levels of the reference between the clean image and the first timestep
PEERS = {
    "ddim": (DDIMInverseScheduler, DDIMScheduler, {"clip_sample": False, "timestep_spacing": "trailing"}),
    "dpm-solver": (DPMSolverMultistepInverseScheduler, DPMSolverMultistepScheduler, {}),
}


def our_trip(model, images, steps: int, precision: str = "float32", solver: str = "dpm2m"):
    """There and back by one of our accurate solvers."""
    walk = {"t": len(model.alphas_cumprod) - 1, "steps": steps, "solver": solver}
    trip = ood.round_trip(model, images, precision=precision, progress=False, **walk)
    return trip.latents, trip.copies


def diffusers_trip(model, images, steps: int, kinds):
    """There and back by the schedulers of diffusers."""
    *kinds, settings = kinds
    states = [images]
    for kind in kinds:
        scheduler = kind.from_config(model.scheduler.config, **settings)
        scheduler.set_timesteps(steps)
        x = states[-1]
        for t in scheduler.timesteps:
            x = scheduler.step(model.eps(x, int(t)), t, x).prev_sample
        states.append(x)
    return states[1:]


def dopri5_trip(model, images, tolerance: float):
    """There and back by an adaptive solver of the fifth order."""
    table = model.alphas_cumprod
    low, high = (-0.5 * table[[0, -1]].logit()).tolist()

    def eps_at(sigma, y):
        share = 1 / (1 + sigma**2)
        t = timestep_at(table, min(max(share, float(table[-1])), float(table[0])))
        return model.eps(share**0.5 * y, t)

    def solve(slope, y, *span):
        return odeint(slope, y, torch.tensor(span), rtol=tolerance, atol=tolerance, method="dopri5")[-1]

    def near(sigma, y):
        return eps_at(float(sigma), y)

    def far(log_sigma, y):
        sigma = math.exp(log_sigma)
        return sigma * eps_at(sigma, y)

    latents = solve(far, solve(near, images, 0.0, math.exp(low)), low, high)
    copies = solve(near, solve(far, latents, high, low), math.exp(low), 0.0)
    return latents * float(table[-1]) ** 0.5, copies


def reference_latents(model, images, steps: int) -> torch.Tensor:
    """Walk in small steps, those below the first timestep included, where the network is asked at ``t = 0``."""
    clean, first, *levels = ood.inversion_levels(model.alphas_cumprod, len(model.alphas_cumprod) - 1, steps, "log-snr")
    below = [Level(0.0, first.sigma * number / BELOW) for number in range(1, BELOW)]
    *_, (_, latents) = ood.path(model, images, [clean, *below, first, *levels], dpm2m, precision="float32")
    return latents


def ladder(model, images, reference, trip, rungs) -> list[dict]:
    """Raise the effort until both errors are small enough."""
    rows = []
    for rung in rungs:
        counted = ood.CountedModel(model)
        latents, copies = trip(counted, images, rung)
        rows.append(
            {
                "rung": rung,
                "nfe": counted.evaluations / len(images),
                "latent": ood.latent_error(latents, reference).mean().item(),
                "mae": ood.reconstruction_error(images, copies).mean().item(),
            }
        )
        print("   ", rows[-1], flush=True)
        if all(rows[-1][error] < wanted for error, wanted in WANTED.items()):
            break
    return rows


def needed(rows: list[dict], error: str) -> float | None:
    """Return the evaluations, both ways together, at which an error falls below what is wanted for good."""
    fine = [row[error] < WANTED[error] for row in rows]
    if not fine[-1]:
        return None
    last = len(fine) - fine[::-1].index(False) if False in fine else 0
    if last == 0:
        return rows[0]["nfe"]
    ends = sorted(rows[last - 1 : last + 1], key=lambda row: row[error])
    x, y = np.log([[row[key] for row in ends] for key in (error, "nfe")])
    return float(np.exp(np.interp(np.log(WANTED[error]), x, y)))


def measure(name: str, domains, count: int) -> dict:
    """Return every number about one model."""
    model = ood.load_model(name, device="cpu")
    size = model.image_shape[-1]
    images = torch.cat([ood.load_domain(domain, n=count, size=size, seed=3) for domain in domains])
    reference, half = (reference_latents(model, images, steps) for steps in (300, 150))
    found = {"reference_error": ood.latent_error(half, reference).mean().item(), "ladders": {}}
    trips = {"ours": (our_trip, FEW), "ours, UniPC": (lambda m, x, s: our_trip(m, x, s, solver="unipc"), FEW)}
    for peer, kinds in PEERS.items():
        trips[peer] = (
            lambda m, x, s, kinds=kinds: diffusers_trip(m, x, s, kinds),
            MANY if peer == "ddim" else MANY[:-1],
        )
    if odeint is not None:
        trips["dopri5"] = (dopri5_trip, TOLERANCES)
    for label, (trip, rungs) in trips.items():
        print(f"{name}, {label}", flush=True)
        found["ladders"][label] = ladder(model, images, reference, trip, rungs)
    found["needed"] = {
        label: {error: needed(rows, error) for error in WANTED} for label, rows in found["ladders"].items()
    }
    found["precision"] = precisions(model, images)
    print(found["needed"], found["precision"], sep="\n", flush=True)
    return found


def precisions(model, images) -> dict:
    """Return what each precision of the network changes: eps, latents, and the error of the round trip."""
    t = torch.linspace(0, 900, len(images))
    exact, trip = model.predict(images, t), our_trip(model, images, 40)
    found = {}
    for kind, dtype in PRECISIONS.items():
        eps, (latents, copies) = model.predict(images, t, dtype), our_trip(model, images, 40, kind)
        found[kind] = {
            "eps": ((eps - exact).square().mean() / exact.square().mean()).sqrt().item(),
            "latent": ood.latent_error(latents, trip[0]).mean().item(),
            "mae": ood.reconstruction_error(images, copies).mean().item(),
        }
    return found


def main() -> None:
    """Measure model by model; the file is rewritten after each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=["toy-dog", "toy-face"])
    parser.add_argument("--domains", nargs="+", default=["church", "cat"])
    parser.add_argument("--images", type=int, default=1, help="of each domain")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS, help="file for the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    record = {
        "settings": {key: value for key, value in vars(options).items() if key != "output"},
        "wanted": WANTED,
        "machine": machine(ood.load_model(options.models[0]).device, options.threads),
        "date": time.strftime("%Y-%m-%d"),
        "weights": {name: fingerprint(ood.load_model(name)) for name in options.models},
        "models": {},
    }
    for name in options.models:
        record["models"][name] = measure(name, options.domains, options.images)
        keep(options.output, record)


if __name__ == "__main__":
    main()
