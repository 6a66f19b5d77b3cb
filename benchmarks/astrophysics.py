"""Which physics survives generation?  Galaxies and dust fields of the dog model, measured as an astronomer would.

    python benchmarks/astrophysics.py           results/astrophysics/{galaxy,radiation,radiation-faint}.csv and sheets
    python benchmarks/astrophysics.py --again   results/astrophysics_again.json

For N = 50, 200 and 800 raw images, by the two samplers of the paper and the one that the book recommends; and by tuning
the network, all of it (vanilla) or toward a direction (DiffusionCLIP), by as many operations as inverting 50 images in
50 steps takes: the budget of `generation.py`, and like there without the published L1 penalty.
Held-out images set the scale, others the floor.  Statistics of each single image are kept, so that comparisons can be
made anew, and the share of images that are copies.  "faint" are the same dust fields under a stretch that lifts faint
dust.  Some 120 TFLOP, and a quarter of an hour of morphology, on two cores; what is there already, by the same weights,
is not made again.

``--again`` compares arcs with DiffusionCLIP, N = 50, with other images and seeds: by the models of dogs and of
churches, three times each, 50 images of each way and 100 held-out ones. An interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from generation import plain
from records import keep, read

import ood_helpers as ood
from ood_helpers import GALAXIES, fingerprint, load_scorer, save_sheet
from ood_helpers.astro import brightness, dust_statistics, fit_stretch, morphology, to_flux, to_images
from ood_helpers.baselines import diffusion_clip, fine_tune, translate
from ood_helpers.pages import verdicts

RESULTS = Path(__file__).parent / "results" / "astrophysics"
MODEL, T = "toy-dog", 800
SIZES = (50, 200, 800)
SEEDS = {"raw": 2, "held_out": 77, "floor": 78, "own": 79, "translate": 80, "fresh": 81}
SAMPLERS = {
    "arcs": ("interpolate", {"kind": "slerp"}),
    "one variance": ("gaussian", {}),
    "10 neighbors": ("centered", {"neighbors": 10, "share": 0.5}),
}
TUNING = {"learning_rate": 2e-4, "t": 500}  # the best of benchmarks/generation.py --sweep
VANILLA = {"learning_rate": 3e-4}  # likewise
AGAIN = {"toy-dog": "dog", "toy-church": "church"}  # models of the repetitions, and their domains
REPEATS, FEW, REAL = 3, 50, 100
BUDGET = 50  # steps of the inversion that sets the budget of tunings
SHOWN = 10


class Dust:
    """Dust fields: simulated maps, developed into pictures, and measured in maps again."""

    judged = None  # all columns

    def __init__(self, softening: float, sizes: tuple[int, ...]):
        self.sizes = sizes
        self.stretch = fit_stretch(self.maps(200, SEEDS["raw"]), softening=softening, kind="per-band")

    def maps(self, n: int, seed: int) -> torch.Tensor:
        return torch.from_numpy(ood.dust_maps(range(n), 64, seed))

    def images(self, n: int, seed: int) -> torch.Tensor:
        return to_images(self.maps(n, seed), self.stretch)

    def measure(self, images: torch.Tensor) -> pd.DataFrame:
        return dust_statistics(to_flux(images, self.stretch))


class Galaxies:
    """Galaxies: drawn ones, measured in the light that their pictures were developed from."""

    sizes = SIZES
    judged = ("concentration", "asymmetry", "gini", "m20", "ellipticity", "arms")

    def images(self, n: int, seed: int) -> torch.Tensor:
        return ood.load_domain("galaxy", n, 64, seed)

    def measure(self, images: torch.Tensor) -> pd.DataFrame:
        odds, kind = load_scorer(GALAXIES).probabilities(images).max(1)
        return morphology(brightness(images)).assign(probability=odds.numpy(), kind=kind.numpy())


def translated(model, own: str, raw: torch.Tensor, count: int, seeds: dict, lower: dict) -> tuple[torch.Tensor, int]:
    """Return images of a model's own domain, translated by DiffusionCLIP, and the steps of its tuning."""
    sources, known = (ood.load_domain(own, n, 64, seeds[what]) for n, what in ((count, "translate"), (24, "own")))
    budget = len(raw) * model.operations * (BUDGET + 1)  # DPM-Solver looks once more than it steps
    tuned = diffusion_clip(model, known, raw, operations=budget, **lower, **TUNING)
    return translate(model, tuned.model, sources, t=TUNING["t"], steps=40, **lower), len(tuned.losses)


def make(domain, raw: torch.Tensor, options):
    """Yield the label of each set of images, the set, how many raw images it is made of, and the steps of a tuning."""
    model = ood.load_model(MODEL)
    few = min(domain.sizes)
    lower = {"precision": options.precision, "progress": False}
    walk = {"t": T, "steps": options.steps, "solver": "unipc", **lower}
    down = {"t": T, "steps": options.down, "solver": "dpm2m", **lower}
    yield "floor", domain.images(options.images, SEEDS["floor"]), few, 0
    changed, steps = translated(model, "dog", raw[:few], options.images, SEEDS, lower)
    yield "DiffusionCLIP", changed, few, steps
    budget = few * model.operations * (BUDGET + 1)
    tuned = fine_tune(model, raw[:few], operations=budget, **lower, **VANILLA)
    start = {"colors": raw[torch.arange(options.images) % few].mean((2, 3)), "eta": 0.0}
    start["generator"] = torch.Generator().manual_seed(SEEDS["fresh"])
    fresh = ood.fresh_images(tuned.model, options.images, **start, **down)
    yield "vanilla tuning", fresh, few, len(tuned.losses)
    latents = ood.invert(model, raw, **walk)
    yield "reconstructed", ood.denoise(model, latents[: options.images], **walk), len(raw), 0
    for n in domain.sizes:
        for label, (method, settings) in SAMPLERS.items():
            generator = torch.Generator().manual_seed(11)
            drawn_latents = ood.sample_latents(latents[:n], options.images, method, generator=generator, **settings)
            yield f"{label}, N = {n}", ood.denoise(model, drawn_latents, **down), n, 0


def compared(name: str, domain, repetition: int, options) -> dict:
    """Arcs against DiffusionCLIP once more: in how many statistics they are nearer, also in redraws; and copies."""
    model, seeds = ood.load_model(name), {what: seed + 100 * (repetition + 1) for what, seed in SEEDS.items()}
    lower = {"precision": options.precision, "progress": False}
    raw, real = domain.images(FEW, seeds["raw"]), domain.images(REAL, seeds["held_out"])
    changed, steps = translated(model, AGAIN[name], raw, FEW, seeds, lower)
    z = ood.invert(model, raw, t=T, steps=options.steps, solver="unipc", **lower)
    method, settings = SAMPLERS["arcs"]
    drawn = ood.sample_latents(z, FEW, method, generator=torch.Generator().manual_seed(11 + repetition), **settings)
    arcs = ood.denoise(model, drawn, t=T, steps=options.down, solver="dpm2m", **lower).clamp(-1, 1)
    tables = [domain.measure(x.clamp(-1, 1)) for x in (arcs, changed, real)]
    tables = [table[list(domain.judged or table)] for table in tables]
    nearer, shares, without = verdicts.redrawn_shares(*tables, np.random.default_rng(repetition))
    copies = ood.novelty(arcs, raw, real, network=torch.nn.Flatten()).copies
    found = {"nearer": nearer.to_dict(), "shares": shares.tolist(), "without": without.tolist(), "copies": copies}
    return found | {"tuning_steps": steps}


def again(domains: dict, output: Path, options) -> None:
    """Measure the repetitions that the record lacks."""
    record = read(output)
    weights = {name: fingerprint(ood.load_model(name)) for name in AGAIN}
    if record.get("weights") != weights:
        record = {"weights": weights, "images": FEW, "real": REAL, "steps": options.steps, "down": options.down}
        record |= {"precision": options.precision, "repetitions": {}}
    for repetition in range(REPEATS):
        for name in AGAIN:
            known = record["repetitions"].setdefault(f"{name} {repetition}", {})
            for what in [what for what in domains if what not in known]:
                known[what] = plain(compared(name, domains[what], repetition, options))
                record["date"] = time.strftime("%Y-%m-%d")
                keep(output, record)
                print(name, repetition, what, np.mean(list(known[what]["nearer"].values())).round(2), flush=True)


def kept(path: Path, weights: dict) -> bool:
    """Whether there is a record that was made with these weights."""
    return path.exists() and json.loads(path.read_text()).get("weights") == weights


def main() -> None:
    """Measure what the folder of results lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100, help="of each way")
    parser.add_argument("--real", type=int, default=400, help="held-out images")
    parser.add_argument("--steps", type=int, default=12, help="of UniPC, on the way up")
    parser.add_argument("--down", type=int, default=20, help="of DPM-Solver-2M, on the way down")
    parser.add_argument("--precision", default="float32", help="of the network, as in ood.invert")
    parser.add_argument("--again", action="store_true", help="repeat the comparison of arcs with DiffusionCLIP")
    parser.add_argument("--output", help="a folder, or a file for the repetitions; by default in results")
    options = parser.parse_args()
    domains = {"galaxy": Galaxies(), "radiation": Dust(0.05, SIZES), "radiation-faint": Dust(0.005, (min(SIZES),))}
    if options.again:
        return again(domains, Path(options.output or RESULTS.parent / "astrophysics_again.json"), options)
    output = Path(options.output or RESULTS)
    output.mkdir(parents=True, exist_ok=True)
    for name, domain in domains.items():
        weights = {MODEL: fingerprint(ood.load_model(MODEL))}
        if kept(output / f"{name}.json", weights):
            continue
        raw, real = domain.images(max(domain.sizes), SEEDS["raw"]), domain.images(options.real, SEEDS["held_out"])
        frames, shown = [domain.measure(real).assign(way="held out")], {"held out": real[:SHOWN]}
        copies, tuned = {}, {}
        for label, images, n, steps in make(domain, raw, options):
            images = images.clamp(-1, 1)
            frames.append(domain.measure(images).assign(way=label))
            shown[label] = images[:SHOWN]
            copies[label] = ood.novelty(images, raw[:n], real, network=torch.nn.Flatten()).copies
            if steps:
                tuned[label] = steps
            print(name, label, frames[-1].median(numeric_only=True).round(3).to_dict(), flush=True)
        save_sheet(torch.cat(list(shown.values())), output / f"{name}.webp", columns=SHOWN, zoom=1)
        pd.concat(frames).round(5).to_csv(output / f"{name}.csv", index=False)
        record = {
            "images": options.images,
            "real": options.real,
            "steps": options.steps,
            "down": options.down,
            "sizes": domain.sizes,
            "seeds": SEEDS,
        }
        record |= {
            "weights": weights,
            "precision": options.precision,
            "rows": list(shown),
            "copies": copies,
            "tuning_steps": tuned,
            "date": time.strftime("%Y-%m-%d"),
        }
        keep(output / f"{name}.json", record)


if __name__ == "__main__":
    main()
