"""The toy model's reconstruction error on 50 held-out images of each domain, by the paper's solver and a better one.

    python benchmarks/reconstruction.py

Prints a table and writes `benchmarks/results/reconstruction.json`, domain by domain: an interrupted run goes on where
it stopped. In float32, some 100 TFLOP: a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from records import keep, opened

import ood_helpers as ood
from ood_helpers import fingerprint

RESULTS = Path(__file__).parent / "results" / "reconstruction.json"
DOMAINS = (*ood.list_domains("drawn"), "digits", "photographs")  # other real ones: benchmarks/real.py
SETTINGS = {  # the same number of evaluations: DPM-Solver-2M makes one more than its steps, each way
    "ddim": {"solver": "ddim", "steps": 50},
    "dpm2m": {"solver": "dpm2m", "steps": 49},
}


def main() -> None:
    """Measure the domains that the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="toy-dog")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--precision", default="float32", help="of the network, as in ood.invert")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", default=str(RESULTS))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    model, path = ood.load_model(options.model), Path(options.output)
    settings = {key: getattr(options, key) for key in ("model", "images", "seed", "precision")} | {"t": 800}
    head = {"settings": settings, "weights": {model.name: fingerprint(model)}}
    record = opened(path, head, mae={})
    for name in DOMAINS:
        if name in record["mae"]:
            continue
        images = ood.load_domain(name, n=options.images, size=model.image_shape[-1], seed=options.seed)
        row = {}
        for label, solver in SETTINGS.items():
            trip = ood.round_trip(model, images, t=800, precision=options.precision, progress=False, **solver)
            mean, std = float(trip.mae.mean()), float(trip.mae.std())
            row[label] = {"mean": mean, "std": std, "n": len(images), "nfe": trip.nfe}
            print(name, f"{label}: {mean:.5f} ± {std:.5f} ({trip.nfe:.0f} NFE)", flush=True)
        record["mae"][name] = row
        keep(path, record)


if __name__ == "__main__":
    main()
