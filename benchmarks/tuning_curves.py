"""Sampling against tuning as the budget grows: learning curves, three seeds, results/tuning_curves.json.

    python benchmarks/tuning_curves.py
    python benchmarks/tuning_curves.py --share 1/12 --output part-1.json      one of twelve processes; then
    python benchmarks/tuning_curves.py --merge part-*.json                    put their results together

The model of dogs and two unseen domains. Each tuning runs from the start for a quarter, 1, 4 and 16 times the
operations that the inversion of its 48 images takes, with schedules stretched over the budget, in two settings:
*published*, with all numbers of the publication; and *swept*, with the rate that `generation.py --sweep` found best for
these small networks. No rate is scaled: a step of Adam moves a weight by about the rate, so that rate times steps says
how far weights can go, and the curve shows that for each rate. Beside them, on the same images, sampling; and doing
nothing, the dogs that are to be translated as they are.

vanilla        Sec. 3.1 of the paper: Adam, 1e-5, four images a step; 20 passes over 1,000 images are 5,000 steps,
               24 times the budget, which is run, too
DiffusionCLIP  8e-6, growing by 1.3 a pass; t = 500; direction 3, L1 distance to the source 1
Asyrp          gradient descent, 0.5, a tenth of it after three passes; latents at t = 999, shifts above 482, noise
               below 167; direction 3, L1 distance 3 times the similarity of the two domains

The judge is the kernel distance to held-out images in the features of a scorer that led none of them, the second judge
the same for thumbnails of 16 x 16 pixels. An interrupted run goes on where it stopped. Some 2,500 TFLOP: eight hours on
two cores with bfloat16.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import replace
from pathlib import Path

from generation import (
    BASES,
    SAMPLING,
    SEEDS,
    SWEPT,
    Method,
    Study,
    automatic,
    chosen_methods,
    drawn_images,
    machine,
    plain,
)
from records import keep
from torch.nn import functional

import ood_helpers as ood
from ood_helpers.baselines import scorer_embedding

RESULTS = Path(__file__).parent / "results"
FACTORS = (0.25, 1, 4, 16)
REPEATS = 3
PAPER = 5_000  # steps of vanilla tuning in the paper
SETTINGS = {"inputs": 48, "images": 48, "real": 400, "steps": 50, "down": 20}
PUBLISHED = {
    "vanilla, published": Method("vanilla", {"learning_rate": 1e-5}),
    "DiffusionCLIP, published": Method("clip", {"learning_rate": 8e-6, "t": 500}),
    "Asyrp, published": Method("asyrp", {"learning_rate": 0.5, "train_steps": 50, "interval": (999, 482, 167)}),
}
FAMILIES = {"vanilla": "vanilla", "clip": "DiffusionCLIP", "asyrp": "Asyrp"}
KEPT = (
    *("kernel", "kernel_error", "thumbnails", "thumbnails_error", "target", "own", "novelty", "copies", "diversity"),
    *("steps", "tune", "prepare", "generate", "loss"),
)


def methods() -> dict[str, Method]:
    """Doing nothing, sampling, and three tunings in two settings each."""
    swept = chosen_methods(RESULTS / "tuning_rates.json").values()
    of_kind = {method.kind: method for method in swept if "loss" not in method.settings}
    return {
        "doing nothing": Method("untouched", {}),
        **SAMPLING,
        **PUBLISHED,
        **{f"{name}, swept": of_kind[kind] for kind, name in FAMILIES.items()},
    }


def stretched(method: Method, factor: float, study: Study, seed: int) -> Method:
    """A method with its schedule stretched over a budget, its penalty, and the stream of a repetition."""
    if method.kind not in FAMILIES:
        return method
    changes = {"seed": seed}
    if method.kind == "clip":
        changes = {"l1_weight": 1.0, "gamma": 1.3 ** (1 / factor)}
    if method.kind == "asyrp":
        alike = functional.cosine_similarity(*(study.embed(x).mean(0) for x in (study.train, study.inputs)), dim=0)
        changes |= {"l1_weight": 3 * max(0.0, float(alike)), "gamma_every": max(1, round(3 * factor))}
    return replace(method, settings={**method.settings, **changes}, longer=factor)


def study_of(base: str, target: str, seed: int, precision: str) -> Study:
    """A pair of model and domain with the images of one repetition; those to judge by are the same for all."""
    moved = {what: value + 100 * seed * (what not in ("held_out", "floor")) for what, value in SEEDS.items()}
    options = argparse.Namespace(**SETTINGS, precision=precision)
    embed = scorer_embedding(device=ood.load_model(base).device)
    return Study(base, (BASES[base], target), options, drawn_images(moved), own=False, embed=embed)


def work() -> list[tuple[str, str, int, str, float]]:
    """What is to be run, as pair, repetition, method and factor: small budgets first, and in no order else."""
    found = [
        (*pair, seed, label, factor)
        for label, method in methods().items()
        for pair in SWEPT
        for seed in range(REPEATS)
        for factor in (FACTORS if method.kind in FAMILIES else (1,))
    ]
    found += [(*pair, seed, "vanilla, published", PAPER) for pair in SWEPT for seed in range(REPEATS)]
    random.Random(0).shuffle(found)
    return sorted(found, key=lambda item: item[-1])


def run(study: Study, label: str, factor: float, seed: int) -> dict:
    """Numbers of one method with one budget."""
    method = methods()[label]
    if factor == PAPER:
        method = replace(method, settings={**method.settings, "steps": PAPER, "seed": seed}, longer=float(PAPER))
    else:
        method = stretched(method, factor, study, seed)
    _, row = study.run(method)
    return {key: row[key] for key in KEPT if key in row} | {"settings": plain(method.settings)}


def main() -> None:
    """Run what the file of results lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", default="1/1", help="I/K: the part of the work that this process does")
    parser.add_argument("--most", type=float, default=PAPER, help="largest factor to run")
    parser.add_argument("--methods", nargs="*", choices=tuple(methods()), help="by default all")
    parser.add_argument("--merge", nargs="+", type=Path, default=[], help="files whose results go into the output")
    precisions = ("auto", *ood.PRECISIONS)
    parser.add_argument(
        "--precision", choices=precisions, default="auto", help="by default what the device has units for"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "tuning_curves.json")
    options = parser.parse_args()
    if options.precision == "auto":
        options.precision = automatic()
    weights = {base: ood.fingerprint(ood.load_model(base)) for base, _ in SWEPT}
    head = {"settings": SETTINGS, "factors": FACTORS, "weights": weights}
    record = {"runs": {}}
    for path in filter(Path.exists, (options.output, *options.merge)):
        known = json.loads(path.read_text())
        if known["weights"] == weights:
            record["runs"] |= known["runs"]
    studies: dict[tuple, Study] = {}
    part, parts = map(int, options.share.split("/"))
    todo = () if options.merge else work()[part - 1 :: parts]
    wanted = options.methods or methods()
    for base, target, seed, label, factor in todo:
        name, start = f"{base} {target} {seed} {label} {factor:g}", time.monotonic()
        if name in record["runs"] or factor > options.most or label not in wanted:
            continue
        if (base, target, seed) not in studies:
            studies[base, target, seed] = study_of(base, target, seed, options.precision)
        row = run(studies[base, target, seed], label, factor, seed)
        record["runs"][name] = row | {"device": machine()["device"], "precision": options.precision}
        save(options.output, head | record)
        print(name, f"{record['runs'][name]['kernel']:.3f}", f"{time.monotonic() - start:.0f} s", flush=True)
    save(options.output, head | record)


def save(path: Path, record: dict) -> None:
    """Write the record, with the day and the runs in their order."""
    runs = dict(sorted(record["runs"].items()))
    keep(path, {**record, "date": time.strftime("%Y-%m-%d"), "runs": runs})


if __name__ == "__main__":
    main()
