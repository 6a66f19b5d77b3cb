"""What is a good sample?  Every sampler of latents on six unseen domains: quality, interference, diversity, novelty.

    python benchmarks/samplers.py
    python benchmarks/samplers.py --inputs 1000 --ways lerp "slerp 0.5" gaussian covariance "10 neighbors 0.5" \\
        --output benchmarks/results/samplers_1000.json

Prints a table and writes `benchmarks/results/samplers.json`, domain by domain; an interrupted run goes on where it
stopped. Some 230 TFLOP: half an hour on two cores. The second command takes 1,000 latents of each domain, as many as
the paper, and some 120 TFLOP.

"Noise first" are latents whose first steps, up to t = 200, are forward diffusion instead of inversion.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from generation import THUMBNAIL, with_errors
from records import keep, opened

import ood_helpers as ood
from ood_helpers import double_exposures, features_of, fingerprint

RESULTS = Path(__file__).parent / "results" / "samplers.json"
UNSEEN = ("cat", "face", "church", "bedroom", "galaxy", "radiation")
SAMPLERS = {
    "lerp": ("interpolate", {"kind": "lerp"}),
    **{f"slerp {w}": ("interpolate", {"weight": w}) for w in (0.1, 0.2, 0.3, 0.4, 0.5)},
    "slerp-gaussian": ("slerp-gaussian", {}),
    "gaussian": ("gaussian", {}),
    "gaussian-diagonal": ("gaussian-diagonal", {}),
    "spectrum": ("spectrum", {}),
    "covariance": ("centered", {}),
    **{f"anchored {s}": ("centered", {"share": s}) for s in (0.95, 0.9, 0.8, 0.65, 0.5)},
    **{f"2 neighbors {s}": ("centered", {"neighbors": 2, "share": s}) for s in (0.95, 0.9, 0.8, 0.65, 0.5)},
    **{f"{k} neighbors 0.5": ("centered", {"neighbors": k, "share": 0.5}) for k in (3, 5, 10)},
}
NOISE_FIRST = 7  # steps of the inversion that forward diffusion takes the place of, up to t = 200
WAYS = {label: (0, *way) for label, way in SAMPLERS.items()}
WAYS |= {f"{k}, noise first": (NOISE_FIRST, *SAMPLERS[k]) for k in ("slerp 0.5", "gaussian", "10 neighbors 0.5")}


def measure(images: torch.Tensor, name: str, inputs, real, parents) -> dict:
    """Return every number for one set of images of a domain."""
    features, target = features_of(images), features_of(real)
    kernel, kind = ood.kernel_distance(features, target), ood.novelty(images, inputs, real)
    small, apart = ood.kernel_distance(images, real, THUMBNAIL), ood.diversity(images)
    unlike = ood.diversity(images, "ms-ssim", max_images=30)
    in_pixels = ood.novelty(images, inputs, real, network=torch.nn.Flatten())
    caught = ood.interference_rate(images, "dog", name)
    row = {
        "frechet": ood.frechet_distance(features, target),
        **with_errors(kernel=kernel, thumbnails=small, diversity=apart, ms_ssim=unlike),
        "interference": caught.rate,
        "novelty": kind.median,
        "copies": kind.copies,
        "novelty_pixels": in_pixels.median,
        "copies_pixels": in_pixels.copies,
    }
    if parents is not None:
        row["double"] = float(double_exposures(images, parents, inputs, real[:100]).mean())
    return row


def main() -> None:
    """Measure the domains that the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="toy-dog")
    parser.add_argument("--domains", nargs="+", default=UNSEEN, choices=UNSEEN)
    parser.add_argument("--ways", nargs="+", default=tuple(WAYS), choices=tuple(WAYS), help="samplers to measure")
    parser.add_argument("--inputs", type=int, default=96, help="inverted latents of each domain")
    parser.add_argument("--images", type=int, default=64, help="images of each sampler")
    parser.add_argument("--real", type=int, default=400, help="held-out images of each domain")
    parser.add_argument("--steps", type=int, default=12, help="of UniPC, on the way up")
    parser.add_argument("--down", type=int, default=20, help="of DPM-Solver-2M, on the way down")
    parser.add_argument("--precision", default="float32", help="of the network, as in ood.invert")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, default=RESULTS, help="file for the results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    model = ood.load_model(options.model)
    size = model.image_shape[-1]
    settings = {k: v for k, v in vars(options).items() if k not in ("domains", "ways", "threads", "output")}
    head = {"settings": settings, "weights": {model.name: fingerprint(model)}}
    record = opened(options.output, head, domains={})
    quiet = {"t": 800, "precision": options.precision, "progress": False}
    walk = {"steps": options.steps, "solver": "unipc", **quiet}
    down = {"steps": options.down, "solver": "dpm2m", **quiet}
    for name in options.domains:
        rows = record["domains"].setdefault(name, {})
        todo = {label: WAYS[label] for label in options.ways if label not in rows}
        inputs, real = ood.load_domain(name, options.inputs, size, 2), ood.load_domain(name, options.real, size, 77)
        clouds = {  # by the steps that noise takes the place of
            k: ood.invert(model, inputs, forward_steps=k, generator=torch.Generator().manual_seed(4), **walk)
            for k in {first for first, *_ in todo.values()}
        }
        if "real" not in rows:
            other = ood.load_domain(name, options.images, size, 78)
            rows["real"] = measure(other, name, inputs, real, None)
            rows["copies"] = measure(inputs[: options.images], name, inputs, real, None)
        for label, (first, method, settings) in todo.items():
            generator, cloud = torch.Generator().manual_seed(11), clouds[first]
            drawn = ood.sample_latents(cloud, options.images, method, generator=generator, details=True, **settings)
            images = ood.denoise(model, drawn.latents, **down).clamp(-1, 1)
            two = drawn.parents.shape[1] >= 2
            parents = (inputs[drawn.parents[:, 0]], inputs[drawn.parents[:, 1]]) if two else None
            rows[label] = measure(images, name, inputs, real, parents)
            print(name, label, {k: round(float(v), 3) for k, v in rows[label].items()}, flush=True)
        keep(options.output, record)
    best = {
        label: float(np.mean([rows[label]["frechet"] / rows["real"]["frechet"] for rows in record["domains"].values()]))
        for label in options.ways
    }
    print("Frechet distance over that of real images, mean over domains")
    for label, value in sorted(best.items(), key=lambda item: item[1]):
        print(f"  {label:20s} {value:.2f}")


if __name__ == "__main__":
    main()
