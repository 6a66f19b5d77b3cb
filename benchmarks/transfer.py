"""Transfer between domains again and again: what chapter 9 measures, with other images and models.

    python -m ood_helpers data hands objects --output sets
    python benchmarks/transfer.py --folder sets

Three repetitions, each with other images, for two models of drawings and one of photographs: into the training domain
and out of it, and between two unseen domains, back and forth. Of each domain 40 images say where its latents lie, and 8
others are moved. Kept in results/transfer.json. An interrupted run goes on where it stopped. Some 65 TFLOP: a quarter
of an hour on two cores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from claims import REPEATS, STUDIES
from generation import machine
from real import Images
from records import keep, read

import ood_helpers as ood
from ood_helpers.pages import transfers
from ood_helpers.pages.shared import DOWN, WALK

RESULTS = Path(__file__).parent / "results" / "transfer.json"
KNOWN, MOVED, REAL = 40, 8, 64
PAIRS = {  # into the training domain and out of it, then between unseen domains
    "toy-dog": (("sketch", "dog"), ("dog", "sketch"), ("cat", "church"), ("church", "cat")),
    "toy-church": (("cat", "church"), ("church", "cat"), ("dog", "cat"), ("cat", "dog")),
    "real-hand": (("objects", "hands"), ("hands", "objects"), ("objects", "hubble"), ("hubble", "objects")),
}
NOISE = {"t": 500, "steps": 16, "precision": "float32", "progress": False}


def repetition(name: str, images: Images) -> dict:
    """Numbers of every direction and way of one model."""
    model, scorer = ood.load_model(name), ood.load_scorer(STUDIES[name].judge)
    domains = dict.fromkeys(domain for pair in PAIRS[name] for domain in pair)
    x = {domain: images(domain, KNOWN + MOVED) for domain in domains}
    z = {domain: ood.invert(model, x[domain], **WALK, progress=False) for domain in domains}
    sources = {domain: x[domain][KNOWN:] for domain in domains}
    ways: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for source, target in PAIRS[name]:
        there = transfers.moved(z[source][KNOWN:], z[source][:KNOWN], z[target][:KNOWN])
        ways[source, target] = {way: ood.denoise(model, y, **DOWN, progress=False) for way, y in there.items()}
        if target == STUDIES[name].own:
            low, fresh = ood.invert(model, sources[source], **NOISE), torch.Generator().manual_seed(images.repetition)
            ways[source, target]["noise"] = ood.denoise(model, low, eta=1.0, generator=fresh, **NOISE)
    ways = {pair: {way: y.clamp(-1, 1) for way, y in made.items()} for pair, made in ways.items()}
    real = {domain: images(domain, REAL, "held_out") for domain in domains}
    table, kept = transfers.arrivals(ways, sources, real, scorer)
    return {
        direction: {
            "ways": list(table.loc[direction].index),
            **{key: table.loc[direction, key].round(4).tolist() for key in ("arrived", "left", "fine")},
            "kept": edges.round(4).tolist(),
        }
        for direction, edges in kept.items()
    }


def main() -> None:
    """Measure what the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the public sets are")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    weights = {name: ood.fingerprint(ood.load_model(name)) for name in PAIRS}
    record = read(options.output)
    if record.get("weights") != weights:
        record = {"repetitions": {}}
    record |= {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "weights": weights}
    record["settings"] = {"known": KNOWN, "moved": MOVED, "real": REAL}
    for k in range(REPEATS):
        for name in PAIRS:
            if f"{name} {k}" not in record["repetitions"]:
                record["repetitions"][f"{name} {k}"] = repetition(name, Images(options.folder, k))
                keep(options.output, record)
                print(name, k, flush=True)


if __name__ == "__main__":
    main()
