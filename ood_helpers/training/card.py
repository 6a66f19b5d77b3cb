"""The model card of a toy model: what it learned from, how long, and how near its samples come to held-out images."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from .. import FrozenModel, features_of, frechet_distance, fresh_images, load_domain

HELD_OUT_SEED, FLOOR_SEED = 77, 78
ERROR = "squared error of the noise"

TEXT = """# {name}

A small diffusion model of drawn pictures of one domain, **{recipe[domain]}**: to study what a frozen model does with
domains that it never saw. It is good for nothing else.

| | |
|---|---|
| Network | `UNet2DModel`, {parameters:.2f} million parameters, channels {channels}, {recipe[size]} x {recipe[size]} RGB |
| Operations | {gigaflops:.2f} GFLOP for one evaluation of one image |
| Predicts | the noise{sigma}, T = 1000, {recipe[schedule]} schedule |
| Data | {recipe[images]:,} drawn pictures, seed {recipe[seed]}; pictures of every other seed are held out |
| Training | {step:,} steps of {recipe[batch]} images, AdamW, peak rate {recipe[learning_rate]:g}, cosine decay to step {decay:,} |
| Loss | {error} |
| Weights | moving average, decay {recipe[ema_decay]}; float16 |
| Cost | {teraflops:.0f} TFLOP, {minutes:.0f} minutes |
| Made with | torch {torch}, diffusers {diffusers} |

Frechet distance in the features of the domain scorer, between {held_out[samples]} samples (20 steps of DPM-Solver-2M) and {held_out[real]}
held-out pictures: **{held_out[frechet]:.2f}**. The same number of other held-out pictures: {held_out[floor]:.2f}. Not an FID.

![Loss by training step](loss.png)

![Samples, in order and none left out](samples.png)

Made by `python -m ood_helpers train {name} --output FOLDER`; `training.json` has every number.
"""  # noqa: E501


def assess(model: FrozenModel, domain: str, n: int, n_real: int = 400) -> dict:
    """Return the Frechet distance of ``n`` samples, and of ``n`` other pictures, to ``n_real`` held-out pictures."""
    size = model.image_shape[-1]
    walk = {"eta": 0.0, "steps": 20, "solver": "dpm2m", "precision": "float32", "progress": False}
    samples = fresh_images(model, n, generator=torch.Generator().manual_seed(1), **walk)
    target = features_of(load_domain(domain, n_real, size, HELD_OUT_SEED))
    found = {"frechet": samples, "floor": load_domain(domain, n, size, FLOOR_SEED)}
    return {"samples": n, "real": n_real} | {k: frechet_distance(features_of(x), target) for k, x in found.items()}


def write_card(folder: Path, name: str, parameters: int) -> None:
    """Write ``README.md`` and ``loss.png`` from the folder's ``training.json``."""
    record = json.loads((folder / "training.json").read_text())
    recipe = record["recipe"]
    learned = recipe.get("learn_sigma")
    facts = {
        "name": name,
        "parameters": parameters / 1e6,
        "channels": ", ".join(map(str, recipe["channels"])),
        "sigma": " and the variances" if learned else "",
        "error": f"hybrid: {ERROR}, and the variational bound for the variances" if learned else ERROR,
        "decay": max(recipe["decay"], recipe["steps"]),
        "gigaflops": record["evaluation_operations"] / 1e9,
        "teraflops": record["operations"] / 1e12,
        "minutes": record["seconds"] / 60,
    }
    (folder / "README.md").write_text(TEXT.format(**record, **facts))
    figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    ax.plot(*zip(*record["loss"], strict=True), marker=".")
    ax.set(xlabel="training step", ylabel="loss, mean since the last point", yscale="log")
    figure.savefig(folder / "loss.png", dpi=100)
    plt.close(figure)
