"""Sec. E.2.1 on more images than a page can wait for: what becomes of them over heights t and amounts of noise eta.

    python benchmarks/bandwidth.py
    python benchmarks/bandwidth.py --fine        a cat and a church, nine amounts of noise: results/bandwidth_fine.json

Writes `benchmarks/results/bandwidth.json`, error and odds of every image, and a sheet of what became of the first of
each domain, `results/bandwidth.webp`. An interrupted run goes on where it stopped. Some 41 TFLOP, and 25 for the second
command: six and four minutes on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from records import keep, known_rows, opened

import ood_helpers as ood
from ood_helpers import fingerprint, save_sheet

RESULTS = Path(__file__).parent / "results" / "bandwidth.json"
UNSEEN = ("cat", "face", "church", "bedroom", "galaxy", "radiation")
HEIGHTS = (200, 400, 600, 800)


def main() -> None:
    """Measure the domains that the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="toy-dog")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--steps", type=int, default=16, help="from the image to the highest latent")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument(
        "--fine", action="store_true", help="nine amounts of noise for a cat and a church, not five for all"
    )
    parser.add_argument("--domains", nargs="+", choices=UNSEEN)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    model = ood.load_model(options.model)
    path = options.output or (RESULTS.with_name("bandwidth_fine.json") if options.fine else RESULTS)
    etas = torch.linspace(0, 1, 9 if options.fine else 5).tolist()
    settings = {key: getattr(options, key) for key in ("model", "images", "steps", "seed")}
    settings |= {"heights": list(HEIGHTS), "etas": etas, "precision": "float32"}
    head = {"settings": settings, "weights": {model.name: fingerprint(model)}}
    record = opened(path, head, domains={})
    for name in options.domains or (("cat", "church") if options.fine else UNSEEN):
        if name in record["domains"]:
            continue
        images = ood.load_domain(name, options.images, model.image_shape[-1], options.seed)
        walk = {"heights": HEIGHTS, "etas": etas, "steps": options.steps, "precision": "float32", "progress": False}
        found = ood.bandwidth(model, images, "dog", name, **walk)
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet = path.with_suffix(".webp")
        earlier = known_rows(sheet, len(record["domains"]) * len(HEIGHTS))
        save_sheet(torch.cat([*earlier, found.example.flatten(0, 1)]), sheet, columns=len(etas), zoom=1)
        record["domains"][name] = {"errors": found.errors.round(5).tolist(), "odds": found.odds.round(5).tolist()}
        keep(path, record, indent=None)
        print(name, "B(t):", found.largest_eta().round(2).tolist(), flush=True)


if __name__ == "__main__":
    main()
