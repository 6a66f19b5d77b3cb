"""Does a better base model give better images of unseen domains?  Schedules, variances, and how long it trained.

    python benchmarks/model_design.py                    the shipped models
    python benchmarks/model_design.py runs/face-750 ...  and other folders, such as those of shorter trainings:
    python -m ood_helpers train toy-face --steps 750 --output runs/face-750

Every model is walked between the image and the same noise level, whatever its schedule. The judge is the kernel
distance to held-out images in the scorer's features, the second judge that of thumbnails. Writes
`results/model_design.json`, model by model; some 100 TFLOP for all.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler
from generation import THUMBNAIL, with_errors
from records import keep, read

import ood_helpers as ood
from ood_helpers import PRECISIONS, alphas_cumprod, fingerprint, timestep_at

RESULTS = Path(__file__).parent / "results" / "model_design.json"
TARGETS = ("cat", "church", "galaxy", "radiation")
LEVEL = float(alphas_cumprod("linear")[800])
ANCESTRAL_STEPS = (10, 30)
SAMPLERS = {
    "arcs": ("interpolate", {"kind": "slerp"}),
    "10 neighbors": ("centered", {"neighbors": 10, "share": 0.5}),
}


def study(name: str, options) -> dict:
    """Return a model's quality on its own domain and on those that it did not see."""
    model = ood.load_model(name)
    folder = Path(name)
    trained = json.loads((folder / "training.json").read_text()) if folder.is_dir() else ood.model_record(name)
    own, size = trained["recipe"]["domain"], model.image_shape[-1]
    t = round(timestep_at(model.alphas_cumprod, LEVEL))
    quiet = {"precision": options.precision, "progress": False}
    up = {"t": t, "steps": options.steps, "solver": "dpm2m", **quiet}
    plain = {"t": t, "steps": 50, **quiet}
    generator = torch.Generator().manual_seed(5)
    fresh = ood.fresh_images(model, options.images, eta=0.0, generator=generator, **up)
    held_out = ood.load_domain(own, options.real, size, 77)
    dogs = ood.invert(model, ood.load_domain(own, options.inputs, size, 3), **up)
    found = {
        "domain": own,
        "schedule": trained["recipe"]["schedule"],
        "learn_sigma": trained["recipe"].get("learn_sigma", False),
        "step": trained["step"],
        "t": t,
        "own": distances(fresh.clamp(-1, 1), held_out),
        "weights": fingerprint(model),
        "unseen": {},
    }
    if found["learn_sigma"]:
        found["ancestral"] = by_variance(model, t, options)
    for target in TARGETS:
        if target == own:
            continue
        images = ood.load_domain(target, options.inputs, size, 2)
        held, latents = ood.load_domain(target, options.real, size, 77), ood.invert(model, images, **up)
        few = images[:8]
        row = {
            "mae": float(ood.reconstruction_error(few, ood.denoise(model, latents[:8], **up)).mean()),
            "mae_ddim": float(
                ood.reconstruction_error(few, ood.denoise(model, ood.invert(model, few, **plain), **plain)).mean()
            ),
            "svm": ood.separability(dogs, latents, permutations=0).accuracy,
        }
        for label, (method, settings) in SAMPLERS.items():
            generator = torch.Generator().manual_seed(11)
            z = ood.sample_latents(latents, options.images, method, generator=generator, **settings)
            made = ood.denoise(model, z, **up).clamp(-1, 1)
            row[label] = {
                **distances(made, held),
                "copies": ood.novelty(made, images, held[:200], network=torch.nn.Flatten()).copies,
                "interference": ood.interference_rate(made, own, target).rate,
            }
        found["unseen"][target] = row
        print(name, target, row, flush=True)
    return found


def distances(made: torch.Tensor, real: torch.Tensor) -> dict:
    """Return the kernel distances of images to real ones by both judges, each with its standard error."""
    return with_errors(kernel=ood.kernel_distance(made, real), thumbnails=ood.kernel_distance(made, real, THUMBNAIL))


def by_variance(model, t: int, options) -> dict:
    """Return how far fresh samples are from held-out images, by the variances of few ancestral steps."""
    real = ood.load_domain("dog", options.real, model.image_shape[-1], 77)
    rows = {}
    for steps in ANCESTRAL_STEPS:
        for variance in ("learned_range", "fixed_small", "fixed_large"):
            made = ancestral(model, options.images, t, steps, variance)
            rows[f"{variance} {steps}"] = distances(made, real)
            print("ancestral", variance, steps, rows[f"{variance} {steps}"], flush=True)
    return rows


@torch.no_grad()
def ancestral(model, n: int, t: int, steps: int, variance: str) -> torch.Tensor:
    """Draw ``n`` samples by diffusers' DDPM steps; with fixed variances those that the network learned are left out."""
    scheduler = DDPMScheduler.from_config(model.scheduler.config, variance_type=variance)
    scheduler.set_timesteps(timesteps=np.linspace(t, 0, steps).round().astype(int).tolist())
    generator = torch.Generator().manual_seed(5)
    x, network = torch.randn((n, *model.image_shape), generator=generator), model.predictor.network
    for step in scheduler.timesteps:
        outputs = torch.cat([network(part, step).sample for part in x.to(model.device).split(32)]).cpu()
        outputs = outputs if variance == "learned_range" else outputs[:, :3]
        x = scheduler.step(outputs, int(step), x, generator=generator).prev_sample
    return x.clamp(-1, 1)


def main() -> None:
    """Measure the models that the file of results lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help="folders of others; the shipped ones of drawings are always there")
    parser.add_argument("--inputs", type=int, default=32)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--real", type=int, default=400)
    parser.add_argument("--steps", type=int, default=20, help="of DPM-Solver-2M")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="bfloat16", help="the same for all models")
    parser.add_argument("--output", default=str(RESULTS))
    options = parser.parse_args()
    path = Path(options.output)
    settings = {key: getattr(options, key) for key in ("inputs", "images", "real", "steps", "precision")}
    record = read(path)
    if record and record["settings"] != settings:
        raise SystemExit(f"{path} holds results of other settings; move it away")
    if not record:
        record = {"settings": settings, "date": time.strftime("%Y-%m-%d"), "weights": {}, "models": {}}
    drawn = [
        name for name in ood.list_models() if ood.model_record(name)["recipe"]["domain"] in ood.list_domains("drawn")
    ]
    for name in (*drawn, *options.models):
        label = Path(name).name
        if record["models"].get(label, {}).get("weights") != fingerprint(ood.load_model(name)):
            record["models"][label] = study(name, options)
            if label in ood.list_models():
                record["weights"][label] = record["models"][label]["weights"]
            keep(path, record)


if __name__ == "__main__":
    main()
