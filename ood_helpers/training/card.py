"""The model card of a toy model: what it learned from, how long, and how near its samples come to held-out images."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from .. import FrozenModel, features_of, frechet_distance, fresh_images, load_domain

HELD_OUT_SEED, FLOOR_SEED = 77, 78

TEXT = """# {name}

A small diffusion model of drawn pictures of one domain, **{domain}**: to study what a frozen model does with
domains that it never saw. It is good for nothing else.

| | |
|---|---|
| Network | `UNet2DModel`, {parameters:.2f} million parameters, channels {channels}, {size} x {size} RGB |
| Operations | {evaluation:.2f} GFLOP for one evaluation of one image |
| Predicts | the noise{sigma}, T = 1000, {schedule} schedule |
| Data | {images:,} drawn pictures, seed {seed}; pictures of every other seed are held out |
| Training | {step:,} steps of {batch} images, AdamW, peak rate {learning_rate:g}, cosine decay to step {decay:,} |
| Loss | {loss} |
| Weights | moving average, decay {ema_decay}; float16 |
| Cost | {teraflops:.0f} TFLOP, {minutes} |
| Made with | torch {torch}, diffusers {diffusers} |

Frechet distance in the features of the domain scorer, between {n} samples (20 steps of DPM-Solver-2M) and {n_real}
held-out pictures: **{frechet:.2f}**. The same number of other held-out pictures: {floor:.2f}. Not an FID.

![Loss by training step](loss.png)

![Samples, in order and none left out](samples.png)

Made by `python -m ood_helpers train {name} --output FOLDER`; `training.json` has every number.
"""


def assess(model: FrozenModel, domain: str, n: int, n_real: int = 400) -> dict:
    """Return the Frechet distance of ``n`` samples, and of ``n`` other pictures, to ``n_real`` held-out pictures."""
    size = model.image_shape[-1]
    real, other = (load_domain(domain, k, size, seed) for k, seed in ((n_real, HELD_OUT_SEED), (n, FLOOR_SEED)))
    walk = {"eta": 0.0, "steps": 20, "solver": "dpm2m", "precision": "float32", "progress": False}
    samples = fresh_images(model, n, generator=torch.Generator().manual_seed(1), **walk)
    target = features_of(real)
    return {
        "samples": n,
        "real": n_real,
        "frechet": frechet_distance(features_of(samples), target),
        "floor": frechet_distance(features_of(other), target),
    }


def write_card(folder: Path, name: str, parameters: int) -> Path:
    """Write ``README.md`` and ``loss.png`` from the folder's ``training.json``."""
    record = json.loads((folder / "training.json").read_text())
    recipe, held_out = record["recipe"], record["held_out"]
    _plot_loss(record["loss"], folder / "loss.png")
    facts = {
        **{**recipe, "decay": max(recipe["decay"], recipe["steps"])},
        **{key: record[key] for key in ("step", "torch", "diffusers")},
        "name": name,
        "parameters": parameters / 1e6,
        "channels": ", ".join(map(str, recipe["channels"])),
        "sigma": " and the variances" if recipe.get("learn_sigma") else "",
        "loss": "hybrid: squared error of the noise, and the variational bound for the variances"
        if recipe.get("learn_sigma")
        else "squared error of the noise",
        "evaluation": record["evaluation_operations"] / 1e9,
        "teraflops": record["operations"] / 1e12,
        "minutes": f"{record['seconds'] / 60:.0f} minutes",
        "n": held_out["samples"],
        "n_real": held_out["real"],
        "frechet": held_out["frechet"],
        "floor": held_out["floor"],
    }
    (folder / "README.md").write_text(TEXT.format(**facts))
    return folder / "README.md"


def _plot_loss(loss: list, path: Path) -> None:
    figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    steps, values = zip(*loss, strict=True)
    ax.plot(steps, values, marker=".")
    ax.set(xlabel="training step", ylabel="loss, mean since the last point", yscale="log")
    figure.savefig(path, dpi=100)
    plt.close(figure)
