"""The numbers that the paper gives at 256 pixels, at 32, 64 and 128: results/resolution.json.

    python -m ood_helpers train toy-dog-32 --output models/toy-dog-32
    python -m ood_helpers train toy-dog-128 --output models/toy-dog-128
    python benchmarks/resolution.py --models models

One family of networks, each down to 8 x 8, trained by one recipe on drawn dogs at three sizes; that of 64 pixels is
toy-dog, which is shipped. Each inverts 48 images of unseen domains, drawn at that size, or real ones cut from pictures
as squares of 128 pixels. The noise is equal after resizing: a mean over 2 x 2 pixels halves its standard deviation, so
that at twice the size it must be twice as large to hide as much of a picture, sigma = sigma(800) size / 64.

An interrupted run goes on where it stopped. Some 35 TFLOP: minutes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from generation import machine, plain
from records import keep, read

import ood_helpers as ood
from ood_helpers import theory
from ood_helpers.pages.shared import DDIM, WALK

RESULTS = Path(__file__).parent / "results" / "resolution.json"
SIZES, MIDDLE, T = (32, 64, 128), 64, 800
N, FEW, INPUTS = 48, 4, 2  # latents of a domain, round trips, and the seed of images
UNSEEN = {"drawn": ("cat", "face", "church", "bedroom", "galaxy", "radiation"), "real": ("photographs", "retina")}


def timestep_of(size: int, table: torch.Tensor) -> int:
    """The timestep that hides as much of a picture of this size as ``T`` hides of one of 64 pixels."""
    sigma = float(((1 - table[T]) / table[T]).sqrt()) * size / MIDDLE
    return round(ood.timestep_at(table, 1 / (1 + sigma**2)))


def images_of(domain: str, size: int, seed: int) -> torch.Tensor:
    """The images of a domain at a size."""
    return ood.load_domain(domain, N, size, seed)


def latents_of(model, images: torch.Tensor, t: int) -> torch.Tensor:
    """Invert images to a timestep by the walk of most chapters."""
    return ood.invert(model, images, **(WALK | {"t": t}), progress=False)


def numbers(model, images: torch.Tensor, own: torch.Tensor, t: int) -> dict:
    """What the paper gives of a domain: angles, distances, the error of round trips and the accuracy of a machine."""
    z = latents_of(model, images, t)
    g = ood.gram(own, z)
    c, shape, tests = ood.center_distance(g, len(own)), ood.geometry(z), ood.gaussianity(z)
    d, mae = images[0].numel(), ood.round_trip(model, images[:FEW], **(DDIM | {"t": t}), progress=False).mae
    return {
        "n": len(images),
        "mae": [float(mae.mean()), float(mae.std())],
        "angle at the origin": [shape.origin_angle.mean, shape.origin_angle.std],
        "angle of three": [shape.pair_angle.mean, shape.pair_angle.std],
        "distance": [shape.pair_distance.mean / np.sqrt(2 * d), shape.pair_distance.std / np.sqrt(2 * d)],
        "radius": [shape.radius.mean / np.sqrt(d), shape.radius.std / np.sqrt(d)],
        "center": [c.unbiased / c.threshold, c.squared_error / (2 * max(c.unbiased, 1e-9) * c.threshold)],
        "machine": theory.held_out_of(g, len(own), C=100).machine,
        "neighbors": tests["neighbors"].effect,
    }


def main() -> None:
    """Measure what the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="where the networks of 32 and 128 pixels are")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, choices=SIZES)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    record = read(options.output) or {"models": {}, "rows": {}}
    record |= {"sizes": SIZES, "unseen": UNSEEN, "machine": machine(), "date": time.strftime("%Y-%m-%d")}
    for size in options.sizes:
        folder = options.models / f"toy-dog-{size}"
        model = ood.load_model("toy-dog" if size == MIDDLE else folder)
        card = ood.model_record("toy-dog") if size == MIDDLE else json.loads((folder / "training.json").read_text())
        weights, mapped = ood.fingerprint(model), timestep_of(size, model.alphas_cumprod)
        if size == MIDDLE:
            record["weights"] = {"toy-dog": weights}
        record["models"][str(size)] = {
            **{"weights": weights, "t": mapped, "loss": card["loss"][-1][1]},
            **{key: card[key] for key in ("recipe", "evaluation_operations", "operations", "held_out")},
        }
        mine = images_of("dog", size, INPUTS)
        latents = latents_of(model, mine, mapped)
        for domain in ("dog", *UNSEEN["drawn"], *UNSEEN["real"]):
            key, start = f"{size} {domain}", time.monotonic()
            if record["rows"].get(key, {}).get("weights") == weights:
                continue
            x = images_of(domain, size, INPUTS + (domain == "dog"))
            record["rows"][key] = {"weights": weights, **plain(numbers(model, x, latents, mapped))}
            keep(options.output, record)
            print(key, f"{time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
