"""Fig. 7 again: the diversity of new images against the number N of inverted ones, a near and a far domain.

    python benchmarks/diversity.py
    python benchmarks/diversity.py --again

Prints a table and writes results/diversity.json. Some 55 TFLOP: eight minutes on two cores. With ``--again`` the ends
of the curve of arcs, N = 25 and 800, in three repetitions with other images, for the models of dogs and of churches,
into results/diversity_again.json; some 170 TFLOP. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import torch
from records import keep, opened

import ood_helpers as ood
from ood_helpers import fingerprint

RESULTS = Path(__file__).parent / "results"
MODELS, REPEATS, ENDS = ["toy-dog", "toy-church"], 3, [25, 800]
SAMPLERS = {
    "slerp": ("interpolate", {}),
    "2 neighbors": ("centered", {"neighbors": 2, "share": 0.5}),
}


def both(images: torch.Tensor) -> dict:
    """Diversity in features and by MS-SSIM, with standard errors."""
    found = {"features": ood.diversity(images), "ms-ssim": ood.diversity(images, "ms-ssim", max_images=40)}
    return {key: {"value": d.value, "error": d.error} for key, d in found.items()}


def curves(model, domain: str, seed: int, ways: dict, options) -> dict:
    """Diversity of real images, and of new ones by each sampler from each number of latents."""
    quiet = {"t": 800, "precision": options.precision, "progress": False}
    walk = {"steps": options.steps, "solver": "unipc", **quiet}
    down = {"steps": options.down, "solver": "dpm2m", **quiet}
    size, most = model.image_shape[-1], max(options.inputs)
    cloud = ood.inverted_latents(model, domain, most, seed=seed, folder=options.folder, **walk).tensor(0, most)
    rows = {"real": both(ood.load_domain(domain, options.images, size, 76 + seed))}
    for n in options.inputs:
        for label, (method, settings) in ways.items():
            generator = torch.Generator().manual_seed(n + seed - 2)
            z = ood.sample_latents(cloud[:n], options.images, method, generator=generator, **settings)
            rows[f"{label}, {n}"] = both(ood.denoise(model, z, **down).clamp(-1, 1))
            print(model.name, domain, seed, label, n, rows[f"{label}, {n}"], flush=True)
    return rows


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
    parser.add_argument("--again", action="store_true", help="three repetitions of the ends of the curve of arcs")
    parser.add_argument("--output", type=Path, help="file for the results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    plan, ways = [(("domains",), options.model, 2)], SAMPLERS
    if options.again:
        options.model, options.inputs, ways = MODELS, ENDS, {"slerp": SAMPLERS["slerp"]}
        repeats = product(range(REPEATS), MODELS)
        plan = [(("repetitions", f"{name} {k}"), name, 102 + 100 * k) for k, name in repeats]
    models = {name: ood.load_model(name) for _, name, _ in plan}
    settings = {k: v for k, v in vars(options).items() if k not in ("folder", "threads", "output", "again")}
    head = {"settings": settings, "weights": {name: fingerprint(model) for name, model in models.items()}}
    output = options.output or RESULTS / ("diversity_again.json" if options.again else "diversity.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    record = opened(output, head)
    for place, name, seed in plan:
        known = record
        for key in place:
            known = known.setdefault(key, {})
        for domain in options.domains:
            if domain not in known:
                known[domain] = curves(models[name], domain, seed, ways, options)
                keep(output, record)


if __name__ == "__main__":
    main()
