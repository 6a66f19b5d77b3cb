"""The numbers that the paper gives at 256 pixels, at 32, 64 and 128: results/resolution.json.

    python -m ood_helpers data hands dust objects --output sets
    python -m ood_helpers train toy-dog-32 --output models/toy-dog-32      likewise toy-dog-128
    python -m ood_helpers train real-hand-32 --folder sets --output models/real-hand-32      likewise -64 and -128
    python benchmarks/resolution.py --folder sets --models models

One family of networks, each down to 8 x 8, trained by one recipe at three sizes: on drawn dogs (at 64 pixels that is
toy-dog, which is shipped) and, for a third of its recipe's steps, on photographs of hands. Each inverts 48 images of
unseen domains at equal noise after resizing: a mean over 2 x 2 pixels halves the standard deviation of noise, so that
at twice the size it must be twice as large to hide as much of a picture. So sigma = sigma(800) size / 64; for
comparison also t = 800 at every size. The photographs of hands have 100 pixels, those of dust 57 to 80: at 128 they are
enlarged.

An interrupted run goes on where it stopped. Some 120 TFLOP: half an hour on two cores, minutes on a GPU.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from generation import machine, plain
from real import Images, share

import ood_helpers as ood
from ood_helpers import theory
from ood_helpers.pages.shared import DDIM, WALK

RESULTS = Path(__file__).parent / "results" / "resolution.json"
SIZES, MIDDLE, T = (32, 64, 128), 64, 800
N, FEW = 48, 8  # latents of a domain, and round trips
FAMILIES = {
    "toy-dog": ("dog", ("cat", "face", "church", "bedroom", "galaxy", "radiation")),
    "real-hand": ("hands", ("objects", "photographs", "histology", "texture", "hubble", "dust")),
}


def timestep_of(size: int, table: torch.Tensor) -> int:
    """The timestep that hides as much of a picture of this size as ``T`` hides of one of 64 pixels."""
    sigma = float(((1 - table[T]) / table[T]).sqrt()) * size / MIDDLE
    return round(ood.timestep_at(table, 1 / (1 + sigma**2)))


def latents_of(model, images: torch.Tensor, t: int) -> torch.Tensor:
    """Invert images to a timestep by the walk of most chapters."""
    return ood.invert(model, images, **(WALK | {"t": t}), progress=False)


def numbers(model, images: torch.Tensor, own: torch.Tensor, t: int) -> dict:
    """What the paper gives of a domain: angles, distances, the error of round trips and the accuracy of a machine."""
    z = latents_of(model, images, t)
    g = ood.gram(own, z)
    c, shape, tests = ood.center_distance(g, len(own)), ood.geometry(z), ood.gaussianity(z)
    d = images[0].numel()
    return {
        "n": len(images),
        "mae": share(ood.round_trip(model, images[:FEW], **(DDIM | {"t": t}), progress=False).mae),
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
    parser.add_argument("--folder", type=Path, required=True, help="where the public sets are")
    parser.add_argument("--models", type=Path, required=True, help="where the networks of 32 and 128 pixels are")
    parser.add_argument("--families", nargs="*", choices=tuple(FAMILIES), default=tuple(FAMILIES))
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    images = Images(options.folder)
    record = json.loads(options.output.read_text()) if options.output.exists() else {"models": {}, "rows": {}}
    record |= {"sizes": SIZES, "families": FAMILIES, "machine": machine(), "date": time.strftime("%Y-%m-%d")}
    for family, (own, unseen) in ((name, FAMILIES[name]) for name in options.families):
        for size in SIZES:
            name = f"{family}-{size}"
            folder = options.models / name
            shipped = not folder.exists()  # that of dogs at the middle size
            model = ood.load_model(family if shipped else folder)
            card = ood.model_record(family) if shipped else json.loads((folder / "training.json").read_text())
            weights = ood.fingerprint(model)
            record["models"][name] = {
                "weights": weights,
                "size": size,
                "t": timestep_of(size, model.alphas_cumprod),
                **{key: card[key] for key in ("recipe", "evaluation_operations", "operations", "held_out")},
                "loss": card["loss"][-1][1],
            }
            mine = images(own, N, size=size)
            for t in sorted({T, timestep_of(size, model.alphas_cumprod)}):
                latents = latents_of(model, mine, t)
                for domain in (own, *unseen):
                    key, start = f"{name} {domain} {t}", time.monotonic()
                    if record["rows"].get(key, {}).get("weights") == weights:
                        continue
                    x = images(domain, N, "held_out" if domain == own else "inputs", size)
                    record["rows"][key] = {"weights": weights, **plain(numbers(model, x, latents, t))}
                    options.output.write_text(json.dumps(record, indent=1) + "\n")
                    print(key, f"{time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
