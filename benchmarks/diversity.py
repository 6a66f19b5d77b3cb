"""Fig. 7 again: the diversity of new images against the number N of inverted ones, a near and a far domain.

    python benchmarks/diversity.py

Prints a table and writes `benchmarks/results/diversity.json`. An interrupted run goes on where
it stopped. Some 55 TFLOP: eight minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

import ood_helpers as ood
from ood_helpers import fingerprint

RESULTS = Path(__file__).parent / "results" / "diversity.json"
SAMPLERS = {
    "slerp": ("interpolate", {}),
    "2 neighbors": ("centered", {"neighbors": 2, "share": 0.5}),
}


def both(images: torch.Tensor) -> dict:
    """Diversity in features and by MS-SSIM, with standard errors."""
    found = {"features": ood.diversity(images), "ms-ssim": ood.diversity(images, "ms-ssim", max_images=40)}
    return {key: {"value": d.value, "error": d.error} for key, d in found.items()}


def main() -> None:
    """Measure the domains that the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="toy-dog")
    parser.add_argument("--domains", nargs="+", default=["cat", "galaxy"])
    parser.add_argument("--inputs", nargs="+", type=int, default=[25, 50, 100, 200, 400, 800])
    parser.add_argument("--images", type=int, default=64, help="images of each sampler")
    parser.add_argument("--steps", type=int, default=12, help="of UniPC, on the way up")
    parser.add_argument("--down", type=int, default=20, help="of DPM-Solver-2M, on the way down")
    parser.add_argument("--precision", default="float32", help="of the network, as in ood.invert")
    parser.add_argument("--folder", default="_build/latents", help="where inverted latents are kept")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, default=RESULTS, help="file for the results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    model = ood.load_model(options.model)
    size, most = model.image_shape[-1], max(options.inputs)
    settings = {k: v for k, v in vars(options).items() if k not in ("folder", "threads", "output")}
    head = {"settings": settings, "weights": {model.name: fingerprint(model)}}
    record = json.loads(options.output.read_text()) if options.output.exists() else {}
    if any(record.get(key) != value for key, value in head.items()):
        record = {**head, "date": time.strftime("%Y-%m-%d"), "domains": {}}
    quiet = {"t": 800, "precision": options.precision, "progress": False}
    walk = {"steps": options.steps, "solver": "unipc", **quiet}
    down = {"steps": options.down, "solver": "dpm2m", **quiet}
    for name in options.domains:
        if name in record["domains"]:
            continue
        cloud = ood.inverted_latents(model, name, most, seed=2, folder=options.folder, **walk).tensor(0, most)
        rows = {"real": both(ood.load_domain(name, options.images, size, 78))}
        for n in options.inputs:
            for label, (method, settings) in SAMPLERS.items():
                generator = torch.Generator().manual_seed(n)
                z = ood.sample_latents(cloud[:n], options.images, method, generator=generator, **settings)
                images = ood.denoise(model, z, **down).clamp(-1, 1)
                rows[f"{label}, {n}"] = both(images)
                print(name, label, n, rows[f"{label}, {n}"], flush=True)
        record["domains"][name] = rows
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
