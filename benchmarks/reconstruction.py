"""The toy model's reconstruction error on 200 held-out images of each drawn domain, by the paper's solver and the best.

    python benchmarks/reconstruction.py

Prints a table and writes `benchmarks/results/reconstruction.json`. About half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

import ood_helpers as ood
from ood_helpers.domains.drawn import DRAWN
from ood_helpers.kernels.runtime import network_dtype

RESULTS = Path(__file__).parent / "results" / "reconstruction.json"
SETTINGS = {  # the same number of evaluations: DPM-Solver-2M makes one more than its steps, each way
    "ddim": {"solver": "ddim", "steps": 50},
    "dpm2m": {"solver": "dpm2m", "steps": 49},
}


def main() -> None:
    """Measure domain by domain; the file is rewritten after each, so an interrupted run keeps what it has."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="toy-dog")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--precision", default="auto", help="of the network, as in ood.invert")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    model = ood.load_model(options.model)
    precision = str(network_dtype(model, options.precision))
    record = {"settings": vars(options), "t": 800, "network": precision, "mae": {}}
    for name in DRAWN:
        images = ood.load_domain(name, n=options.images, size=model.image_shape[-1], seed=options.seed)
        row = {}
        for label, settings in SETTINGS.items():
            trip = ood.round_trip(model, images, t=800, precision=options.precision, progress=False, **settings)
            row[label] = {"mean": float(trip.mae.mean()), "std": float(trip.mae.std()), "nfe": trip.nfe}
        record["mae"][name] = row
        print(
            name,
            "  ".join(f"{k}: {v['mean']:.5f} ± {v['std']:.5f} ({v['nfe']:.0f} NFE)" for k, v in row.items()),
            flush=True,
        )
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
