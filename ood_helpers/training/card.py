"""The card of a model: what it learned from, how long, how near its samples come to held-out images, and to its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from .. import FrozenModel, features_of, frechet_distance, fresh_images, kernel_distance, load_scorer

REVERSIBLE = {"eta": 0.0, "steps": 20, "solver": "dpm2m"}
ERROR = "squared error of the noise"
NEIGHBORS = 8  # samples of which the card shows the nearest training image
DRAWN = "drawn pictures, seed {seed}; pictures of every other seed are held out"
REAL = """{what}; {held:,} others are held out, every tenth run of neighbors. [Public set]({address}) |
| License of the data | {license} |
| Credit | {credit} |
| Augmentation | mirrored, and shifted by up to {shift} of {large} pixels"""

TEXT = """# {name}

A small diffusion model of one domain, **{recipe[domain]}**: to study what a frozen model does with
domains that it never saw. It is good for nothing else.

| | |
|---|---|
| Network | `UNet2DModel`, {parameters:.2f} million parameters, channels {channels}, {recipe[size]} x {recipe[size]} RGB |
| Operations | {gigaflops:.2f} GFLOP for one evaluation of one image |
| Predicts | the noise{sigma}, T = 1000, {recipe[schedule]} schedule |
| Data | {count:,} {data} |
| Training | {step:,} steps of {recipe[batch]} images, AdamW, peak rate {recipe[learning_rate]:g}, cosine decay to step {decay:,} |
| Loss | {error} |
| Weights | moving average, decay {recipe[ema_decay]}; float16 |
| Cost | {teraflops:.0f} TFLOP, {minutes:.0f} minutes |
| Made with | torch {torch}, diffusers {diffusers} |

Frechet distance in the features of the {held_out[scorer]}, between {held_out[samples]} samples (20 steps of DPM-Solver-2M) and {held_out[real]}
held-out pictures: **{held_out[frechet]:.2f}**. The same number of other held-out pictures: {held_out[floor]:.2f}. Not an FID.
Kernel distance, times 1000: {kernel}; of the others {kernel_floor}.

![Loss by training step](loss.png)
{losses}
![Samples, in order and none left out](samples.png)
{nearest}
Made by `python -m ood_helpers train {name} --output FOLDER{option}`; `training.json` has every number.
"""  # noqa: E501
LOSSES = """
Loss of the averaged weights at the same {images} timesteps and noises: {train:.4f} on training images, {held_out:.4f}
on held-out ones (difference {difference:.4f} ± {error:.4f}, its standard error).
"""
NEAREST = """
The samples of this card, for these distances too, start with mean colors of training images (`colors` of
`ood.fresh_images`; `training.json` has some): without them many samples are tinted, since a network of this size hardly
sees the mean color of noise.

![Samples above, and below each the training image that is nearest in pixels, mirrored ones included](nearest.png)

The {shown} samples lie {memory:.2f} times as far from their nearest training image as held-out images do: 1 if nothing
is memorized, 0 for copies.
"""


def assess(
    model: FrozenModel,
    held_out: Callable[[int, int], torch.Tensor],
    n: int,
    scorer: Path,
    colors: list[list[float]] | None = None,
) -> dict:
    """Compare samples, and as many held-out pictures, with other held-out pictures, in the features of a scorer.

    ``held_out(n, start)`` returns ``n`` pictures, or all that are left, from number ``start`` on; ``colors`` are mean
    colors for the samples to start with.
    """
    others, target = held_out(n, 0), held_out(4 * n, n)
    walk = {"colors": torch.tensor(colors)[torch.arange(len(others)) % len(colors)]} if colors else {}
    walk |= {"generator": torch.Generator().manual_seed(1), "precision": "float32", "progress": False, **REVERSIBLE}
    samples = fresh_images(model, len(others), **walk)
    judge = load_scorer(scorer)
    made, floor, goal = (features_of(images, judge) for images in (samples, others, target))
    kernel, kernel_floor = kernel_distance(made, goal), kernel_distance(floor, goal)
    return {
        "scorer": scorer.name.replace("-", " "),
        "samples": len(samples),
        "real": len(target),
        "frechet": frechet_distance(made, goal),
        "floor": frechet_distance(floor, goal),
        "kernel": [kernel.value, kernel.error],
        "kernel_floor": [kernel_floor.value, kernel_floor.error],
    }


def nearest_training_images(samples: torch.Tensor, training: torch.Tensor, held_out: torch.Tensor) -> tuple:
    """Return the training image nearest to each sample, in pixels, and the ratio of the median distance to held-out.

    Training images ``(m, C, H, W)`` in ``[-1, 1]``, which are looked at in the mirror, too.
    """
    known = torch.cat([training, training.flip(-1)])
    flat = known.flatten(1)
    distance, nearest = torch.cdist(samples.clamp(-1, 1).flatten(1), flat).min(1)
    usual = torch.cdist(held_out.flatten(1), flat).amin(1)
    return known[nearest], float(distance.median() / usual.median())


def write_card(folder: Path, name: str, parameters: int) -> None:
    """Write ``README.md`` and ``loss.png`` from the folder's ``training.json``."""
    record = json.loads((folder / "training.json").read_text())
    recipe = record["recipe"]
    held_out, learned, source = record["held_out"], recipe.get("learn_sigma"), record.get("source")
    data, nearest, losses = DRAWN.format(**recipe), "", ""
    if source:
        data = REAL.format(**source, shift=recipe["shift"], large=recipe["size"] + recipe["shift"])
        nearest = NEAREST.format(**source)
        losses = LOSSES.format(**record["final_losses"])
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
        "count": source["count"] if source else recipe["images"],
        "data": data,
        "nearest": nearest,
        "option": " --folder SETS" if source else "",
        "losses": losses,
        **{k: "{:.2f} ± {:.2f}".format(*(1000 * x for x in held_out[k])) for k in ("kernel", "kernel_floor")},
    }
    (folder / "README.md").write_text(TEXT.format(**record, **facts))
    figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
    ax.plot(*zip(*record["loss"], strict=True), marker=".", label="batches, since the last point")
    if record["probes"]:
        steps, train, held = zip(*record["probes"], strict=True)
        ax.plot(steps, train, label="fixed noise: training images")
        ax.plot(steps, held, "--", label="fixed noise: held-out images")
        ax.legend(fontsize="small")
    ax.set(xlabel="training step", ylabel="loss", yscale="log")
    figure.savefig(folder / "loss.png", dpi=100)
    plt.close(figure)
