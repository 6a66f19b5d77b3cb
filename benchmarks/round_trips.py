"""Ten round trips in a row, and what latents are worth: how each solver drifts on images of an unseen domain.

    python benchmarks/round_trips.py

Each trip inverts the copies of the trip before, clipped to [-1, 1] as a picture file would be, and denoises the latents
by the same solver. Kept are, after every trip, the error of the copies, the drift of their mean color, and the error of
the latents against those of a fine walk from the *original* images. O-BELM goes three ways: by one state as the other
solvers do, by both states (`ood.reversible_walk`), and by both states with ``power=1``.

The self-interpolation test of arXiv 2606.03111 asks for the latent instead of the copy: draws z of N(0, I) are denoised
into images, these are inverted into z', and what lies between z and z' is denoised; where z' = z, all of it is the
image. Both ways are the same solver's, and nothing is clipped; what clipping alone does to z' is kept beside it.

Writes `benchmarks/results/round_trips.json` test by test: an interrupted run goes on where it stopped.
In float32, some 45 TFLOP: ten minutes on two cores.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from records import keep, opened

import ood_helpers as ood
from ood_helpers import fingerprint
from ood_helpers.kernels.steps import ddim_fixed_point

RESULTS = Path(__file__).parent / "results" / "round_trips.json"
ITERATIONS = 5  # of the fixed point, a step
SOLVERS = {  # up, down, levels
    "DDIM": ("ddim", "ddim", "uniform"),
    "DDIM, fixed point": (ddim_fixed_point(max_iterations=ITERATIONS), "ddim", "uniform"),
    "Heun": ("heun", "heun", "uniform"),
    "AB2": ("ab2", "ab2", "uniform"),
    "DPM-Solver-2M": ("dpm2m", "dpm2m", "log-snr"),
    "UniPC": ("unipc", "unipc", "log-snr"),
    "O-BELM, one state": ("belm", "belm", "log-snr"),
}
PAIRS = {"O-BELM, both states": ood.belm, "power 1, both states": partial(ood.belm, power=1)}
WEIGHTS = (0.25, 0.5, 0.75, 1.0)  # of the recovered latent in the self-interpolation test


@dataclass
class OneState:
    """There and back by the steps of `ood.invert` and `ood.denoise`, whatever the values of an image are."""

    model: ood.FrozenModel
    steps: int
    precision: str
    solver: tuple

    def up(self, images: torch.Tensor) -> torch.Tensor:
        """Images to latents."""
        return self._walk(images, self.solver[0], 1)

    def down(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents to images."""
        return self._walk(latents, self.solver[1], -1)

    def _walk(self, x, solver, direction):
        levels = ood.inversion_levels(self.model.alphas_cumprod, 800, self.steps, self.solver[2])[::direction]
        *_, (_, x) = ood.path(self.model, x, levels, solver, precision=self.precision)
        return x


class TwoStates:
    """There and back by `ood.reversible_walk`; it knows both states of the latents that it made last."""

    def __init__(self, model, steps, precision, rule):
        self.levels = ood.inversion_levels(model.alphas_cumprod, 800, steps, "log-snr")
        self.carry = partial(ood.reversible_walk, model, rule=rule, precision=precision)
        self.pair = (None, None)

    def up(self, images: torch.Tensor) -> torch.Tensor:
        """Images to latents."""
        self.pair = self.carry(images, self.levels)
        return self.pair[0]

    def down(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents to images."""
        return self.carry(self.pair if latents is self.pair[0] else latents, self.levels[::-1])[0]


def trips(way, images: torch.Tensor, fine: torch.Tensor, n: int) -> list[dict]:
    """Walk up and down ``n`` times and measure after each."""
    found, copies = [], images
    for _ in range(n):
        latents = way.up(copies.clamp(-1, 1))
        copies = way.down(latents)
        drift = (copies - images).mean((2, 3)) / 2  # of the mean color, where images fill [0, 1]
        found.append(
            {
                "mae": ood.reconstruction_error(images, copies).tolist(),
                "latent error": ood.latent_error(latents, fine).tolist(),
                "color drift": drift.norm(dim=1).tolist(),
            }
        )
        print("  trip", len(found), {k: f"{sum(v) / len(v):.2g}" for k, v in found[-1].items()}, flush=True)
    return found


def self_interpolation(way, noise: torch.Tensor) -> dict:
    """MAE between the image of a latent and those of points on the arc from it to the latent that is recovered."""
    images = way.down(noise)
    found = {"clipped": ood.latent_error(way.up(images.clamp(-1, 1)), noise).tolist()}
    recovered = way.up(images)
    found["recovered"] = ood.latent_error(recovered, noise).tolist()
    for weight in WEIGHTS:
        between = way.down(recovered if weight == 1 else ood.slerp(noise, recovered, weight))
        found[f"{weight:g}"] = ood.reconstruction_error(images, between).tolist()
    print("  ", {k: f"{sum(v) / len(v):.2g}" for k, v in found.items()}, flush=True)
    return found


def main() -> None:
    """Measure the solvers that the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="toy-dog")
    parser.add_argument("--domain", default="church")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--trips", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--precision", default="float32", help="of the network, as in ood.invert")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", default=str(RESULTS))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    model, path = ood.load_model(options.model), Path(options.output)
    settings = {k: v for k, v in vars(options).items() if k not in ("threads", "output")} | {
        "t": 800,
        "iterations": ITERATIONS,
    }
    head = {"settings": settings, "weights": {model.name: fingerprint(model)}}
    record = opened(path, head, solvers={})
    images = ood.load_domain(options.domain, n=options.images, size=model.image_shape[-1], seed=options.seed)
    fine = {"t": 800, "solver": "unipc", "steps": 60, "precision": options.precision, "progress": False}
    reference = ood.invert(model, images, **fine)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(options.seed))
    how = (model, options.steps, options.precision)
    ways = {label: OneState(*how, solver) for label, solver in SOLVERS.items()}
    ways |= {label: TwoStates(*how, rule) for label, rule in PAIRS.items()}
    for label, way in ways.items():
        row = record["solvers"].setdefault(label, {})
        measures = {
            "trips": lambda way=way: trips(way, images, reference, options.trips),
            "self-interpolation": lambda way=way: self_interpolation(way, noise),
        }
        for name in measures.keys() - row.keys():
            print(label, name, flush=True)
            row[name] = measures[name]()
            keep(path, record)


if __name__ == "__main__":
    main()
