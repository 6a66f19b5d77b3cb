"""Measured claims again and again: three repetitions, two base models of drawings and one of photographs.

    python -m ood_helpers data hands apples dust objects --output sets
    python benchmarks/claims.py --folder sets

Each repetition takes other images, and is judged by the rules of the chapters, on fewer images than `real.py` has: 32
latents of a domain, 12 round trips, 12 images for each map of noise. Kept in results/claims.json. An interrupted run
goes on where it stopped. Some 680 TFLOP: two hours on two cores. The model of dogs with a cosine schedule is measured
once: at the same timesteps, at which it has less noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from generation import machine, measured, plain
from real import ETAS, HEIGHTS, STEPS, WORLDS, Images, World, cloud, generation, mixing, noise, spreads
from records import keep, read

import ood_helpers as ood

RESULTS = Path(__file__).parent / "results" / "claims.json"
REPEATS, N, FEW = 3, 32, 12
CHURCH = World(
    "toy-church",
    "church",
    ("dog", "cat", "face", "bedroom", "galaxy", "radiation"),
    ("dog", "cat", "galaxy", "radiation"),
    ood.DOMAIN_SCORER,
)
COSINE = replace(WORLDS["drawn"], model="toy-dog-cosine")
STUDIES = {"toy-dog": WORLDS["drawn"], "toy-church": CHURCH, "real-hand": WORLDS["real"], COSINE.model: COSINE}


def parts(world: World, images: Images, precision: str):
    """Yield what one repetition is made of: its part, its name there, and who makes it."""
    for domain in (world.own, *world.unseen):
        yield "clouds", f"{world.model} {domain}", partial(cloud, world.model, images, domain, world.own, N, FEW)
    if world.judge == ood.DOMAIN_SCORER:  # drawings
        yield "pixels", "sketch", lambda: spreads(ood.geometry(images("sketch", N)))
    common = {"world": world, "images": images, "precision": precision}
    yield "noise", world.own, partial(noise, **common)
    yield "noise, last", world.own, partial(noise, last=True, **common)
    for domain in world.unseen:
        yield "generation", domain, partial(generation, domain=domain, n=N, **common)
    for domain in world.mixed:
        yield "mixing", domain, partial(mixing, domain=domain, few=FEW, **common)


def complete(known: dict, todo: Iterable[tuple[str, str, Callable]], record: dict, output: Path, label: str) -> None:
    """Measure the parts that a repetition lacks, and write the record after each."""
    for part, key, make in todo:
        if key in known.setdefault(part, {}):
            continue
        start = time.monotonic()
        with measured(torch.device("cpu")) as cost:
            known[part][key] = plain(make())
        keep(output, record)
        told = f"{cost['operations'] / 1e12:.1f} TFLOP, {time.monotonic() - start:.0f} s"
        print(label, part, key, told, flush=True)


def main() -> None:
    """Measure what the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the public sets are")
    parser.add_argument("--precision", choices=tuple(ood.PRECISIONS), default="float32", help="of all but latents")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    record = read(options.output) or {"repetitions": {}}
    record |= {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "n": N, "few": FEW}
    record["weights"] = {name: ood.fingerprint(ood.load_model(name)) for name in STUDIES}
    settings = {"n": N, "few": FEW, "heights": HEIGHTS, "etas": ETAS, "steps": STEPS}
    for repetition in range(REPEATS):
        for name, study in STUDIES.items():
            if study is COSINE and repetition:
                continue
            known = record["repetitions"].setdefault(f"{name} {repetition}", {"weights": record["weights"][name]})
            if known["weights"] != record["weights"][name]:
                known.clear()
            known |= {"weights": record["weights"][name], "settings": settings}
            known["worlds"] = {name: {**asdict(study), "judge": study.judge.name}}
            todo = parts(study, Images(options.folder, repetition), options.precision)
            complete(known, todo, record, options.output, f"{name} {repetition}")


if __name__ == "__main__":
    main()
