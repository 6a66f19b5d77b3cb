"""Training of the shipped models: noise prediction on one domain, drawn or real.

The batch and the noise of step ``k`` depend on ``(seed, k)`` alone, so an interrupted run that is started again
continues on the very path that it was on.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from tqdm import tqdm

import ood_helpers as ood

from ..checks import check_choice, check_device, check_integer
from ..files import write_whole
from .card import NEIGHBORS, REVERSIBLE, assess, nearest_training_images, write_card
from .losses import noised, stream_of_step, training_loss

TRAINING_SEED = 20_240_000  # pictures of every other seed are held out from every toy model


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a model becomes.

    Many small steps do better than few large ones: for the same operations, 360 steps of 32 dogs, 720 of 16 and 1,440
    of 8 end at Frechet distances of 41, 8.0 and 0.9. A fifth level or 96 channels on the coarsest brought nothing.
    """

    domain: str = "dog"  # what the model sees, and the only one: drawn, or the part "train" of a public set
    schedule: str = "linear"  # or "cosine", over T = 1000 steps
    channels: tuple[int, ...] = (16, 32, 64, 128)  # one block a level, self-attention on the coarsest: 1.0 GFLOP
    images: int = 20_000  # of a set at most so many
    shift: int = 0  # pixels by which a square may lie elsewhere in a real image that is so much larger
    size: int = 64
    seed: int = TRAINING_SEED  # draws the pictures, the first weights and every batch
    steps: int = 6_000
    batch: int = 8
    learning_rate: float = 6e-4  # peak of its cosine schedule
    warmup: int = 200  # steps that lead to the peak
    decay: int = 6_600  # step at which the rate would reach 0, the last one at the earliest
    ema_decay: float = 0.999  # of the moving average of the weights, which is what is saved
    groups: int = 16  # of channels that are normalized together; those of one channel alone hide an image's mean color
    learn_sigma: bool = False  # learn the variances of the reverse steps, by the hybrid loss of improved DDPM


RECIPES = {
    "toy-dog": Recipe(),
    "toy-dog-cosine": Recipe(schedule="cosine", learn_sigma=True),
    "toy-dog-cosine-fixed": Recipe(schedule="cosine"),  # a control of chapter 10, not shipped
    "toy-face": Recipe(domain="face", steps=4_000, decay=4_000),
    "toy-church": Recipe(domain="church"),
    "toy-bedroom": Recipe(domain="bedroom"),
    "real-hand": Recipe(domain="hands", shift=4, steps=16_000, decay=16_000, groups=4),
    "real-apple": Recipe(domain="apples", shift=4, steps=16_000, decay=16_000, groups=4),
    # controls of chapter 12, not shipped: the same at other sizes, down to 8 x 8, too
    "toy-dog-32": Recipe(size=32, channels=(32, 64, 128)),
    "toy-dog-128": Recipe(size=128, channels=(16, 16, 32, 64, 128)),
}
HELD_OUT = 77  # seed of drawn pictures that no model was trained on
COLORS = 200  # mean colors of training images on record: a small network hardly sees the mean of noise
PROBES = 128  # images by which the loss of what a model was trained on is compared with that of other images


def build_network(recipe: Recipe) -> UNet2DModel:
    """Return the U-Net of a recipe with its first weights, which the recipe's seed draws."""
    plain = len(recipe.channels) - 1
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        return UNet2DModel(
            sample_size=recipe.size,
            in_channels=3,
            out_channels=6 if recipe.learn_sigma else 3,
            layers_per_block=1,
            block_out_channels=recipe.channels,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
            attention_head_dim=32,
            norm_num_groups=recipe.groups,
        )


def build_scheduler(recipe: Recipe) -> DDPMScheduler:
    """Return the schedule as `diffusers` writes it down."""
    name = {"linear": "linear", "cosine": "squaredcos_cap_v2"}[recipe.schedule]
    variance = "learned_range" if recipe.learn_sigma else "fixed_small"
    # clip_sample is for those who sample with DDPMPipeline, as DDPM does; the walks of this package never clip
    return DDPMScheduler(num_train_timesteps=1000, beta_schedule=name, variance_type=variance, clip_sample=True)


def untrained(name: str) -> ood.FrozenModel:
    """Return the model of a recipe as it is before its first training step: a control for what training brings."""
    check_choice("name", name, RECIPES)
    return ood.freeze(build_network(RECIPES[name]), build_scheduler(RECIPES[name]), f"untrained {name}")


def pictures_as_bytes(domain: str, n: int, size: int, seed: int, **options: Any) -> torch.Tensor:
    """Draw or read pictures, uint8 ``(n, 3, size, size)``."""
    return ood.load_domain(domain, n, size, seed, **options).add_(1).mul_(127.5).round_().byte()


def training_pictures(recipe: Recipe, folder: str | os.PathLike | None) -> torch.Tensor:
    """Draw or read what a recipe trains on, uint8 ``(n, 3, size + shift, size + shift)``."""
    n, size, where = recipe.images, recipe.size + recipe.shift, {}
    if folder is not None:
        where = {"folder": folder, "part": "train"}
        n = int(min(n, ood.domain_size(recipe.domain, **where)))
    return pictures_as_bytes(recipe.domain, n, size, recipe.seed, **where)


def middle_of(pictures: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The middle of training pictures, without a shift, in ``[-1, 1]``."""
    margin = recipe.shift // 2
    middle = slice(margin, margin + recipe.size)
    return pictures[..., middle, middle].float() / 127.5 - 1


def held_out_pictures(recipe: Recipe, folder: str | os.PathLike | None, n: int, start: int = 0) -> torch.Tensor:
    """Draw or read what a recipe does not train on, float32 ``(n, 3, size, size)``; of a set no more than there are."""
    where = {}
    if folder is not None:
        where = {"folder": folder, "part": "test"}
        n = int(min(n, ood.domain_size(recipe.domain, **where) - start))
    return ood.load_domain(recipe.domain, n, recipe.size, HELD_OUT, start, **where)


@torch.no_grad()
def probe_losses(network: UNet2DModel, images: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Return the loss of each image at one timestep and noise that never change: to compare steps, and parts."""
    network.eval()
    t = (torch.arange(len(images)) + 0.5).mul(1000 / len(images)).long().to(table.device)
    eps = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).to(table.device)
    trios = zip(images.to(table.device).split(32), eps.split(32), t.split(32), strict=True)
    errors = [(network(noised(x, e, k, table), k).sample[:, :3] - e).square().mean((1, 2, 3)) for x, e, k in trios]
    ood.spend(len(images) * ood.evaluation_operations(network, images[:1], t[:1].float()))
    network.train()
    return torch.cat(errors).cpu()


def batch_at(step: int, pictures: torch.Tensor, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the images in ``[-1, 1]``, the noise and the timesteps of one step, a function of ``(seed, step)``."""
    stream = stream_of_step(recipe.seed, step)
    chosen = torch.randint(len(pictures), (recipe.batch,), generator=stream)
    mirrored = torch.rand(recipe.batch, generator=stream) < 0.5
    images = pictures[chosen].float() / 127.5 - 1
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    if recipe.shift:
        corners = torch.randint(recipe.shift + 1, (recipe.batch, 2), generator=stream).tolist()
        whole = zip(images, corners, strict=True)
        images = torch.stack([x[:, i : i + recipe.size, j : j + recipe.size] for x, (i, j) in whole])
    eps = torch.randn(images.shape, generator=stream)
    return images, eps, torch.randint(1000, (recipe.batch,), generator=stream)


def train(
    name: str,
    output: str | os.PathLike,
    *,
    folder: str | os.PathLike | None = None,
    device: str | None = None,
    save_every: int = 250,
    card_images: int = 100,
    progress: bool = True,
    **changes: Any,
) -> Path:
    """Train a model, or continue where an earlier run stopped, and save it as a `diffusers` pipeline.

    Parameters
    ----------
    name : str
        A key of ``RECIPES``.
    output : path
        Folder for the pipeline, its training record and its checkpoint; it is returned, for `load_model`.
    folder : path, optional
        Where the public set lies that the recipe trains on.
    device, progress : str, bool
        By default the GPU if there is one; and whether to show a bar.
    save_every, card_images : int
        Steps between two checkpoints, and samples by which the card tells the distance to held-out pictures.
    **changes
        Fields of the recipe to change, such as ``steps=100``.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If the name, a field or the device is unknown, the set is missing, or ``output`` holds a run of another recipe.
    """
    check_choice("name", name, RECIPES)
    recipe, where = replace(RECIPES[name], **changes), check_device("device", device)
    if (folder is None) == (recipe.domain in ood.list_domains("sets")):
        raise ValueError(f"folder: got {folder!r}, expected a folder for sets such as apples, and for them alone")
    for field in ("images", "size", "steps", "batch"):
        check_integer(field, getattr(recipe, field), 1)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)

    network = build_network(recipe).to(where)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate)
    schedule = get_cosine_schedule_with_warmup(optimizer, recipe.warmup, max(recipe.decay, recipe.steps))
    average = EMAModel(network.parameters(), decay=recipe.ema_decay)
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule, "average": average}
    start = {"recipe": asdict(recipe), "step": 0, "seconds": 0.0, "operations": 0.0, "loss": [], "probes": []}
    record = start | (_resume(output, parts, recipe) or {})

    table, kind = ood.alphas_cumprod(recipe.schedule).to(where), "hybrid" if recipe.learn_sigma else "simple"
    todo = range(record["step"], recipe.steps)
    pictures = training_pictures(recipe, folder) if todo else None
    probes = (middle_of(pictures[:PROBES], recipe), held_out_pictures(recipe, folder, PROBES)) if todo else ()
    lower = ood.has_bfloat16_units(where)  # without such units bfloat16 is many times slower than float32
    inputs = torch.empty(recipe.batch, 3, recipe.size, recipe.size), torch.zeros(recipe.batch)
    each = ood.gradient_operations(network, *inputs)
    running, since = [], time.perf_counter()
    bar = {"initial": record["step"], "total": recipe.steps, "desc": name, "disable": not progress, "file": sys.stderr}
    for step in tqdm(todo, **bar):
        images, eps, t = (part.to(where) for part in batch_at(step, pictures, recipe))
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(where.type, torch.bfloat16, enabled=lower):
            predicted = network(noised(images, eps, t, table), t).sample
        loss = training_loss(kind, predicted.float(), images, eps, t, table)
        loss.backward()
        ood.spend(each)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.step(network.parameters())
        running.append(loss.item())
        if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
            now = time.perf_counter()
            record["loss"].append([step + 1, sum(running) / len(running)])
            record["operations"] += each * len(running)
            record.update(step=step + 1, seconds=record["seconds"] + now - since)
            found = [probe_losses(network, part, table).mean().item() for part in probes]
            record["probes"].append([step + 1, *found])
            running, since = [], now
            _save(output, parts, record)
    average.copy_to(network.parameters())
    return export(network, name, recipe, record, output, card_images, folder)


def export(
    network: UNet2DModel,
    name: str,
    recipe: Recipe,
    record: dict,
    output: Path,
    card_images: int,
    folder: str | os.PathLike | None = None,
) -> Path:
    """Write the averaged weights in half precision, the schedule, the record, a sheet of samples and the model card."""
    scheduler, where = build_scheduler(recipe), network.device
    DDPMPipeline(network.cpu().half().eval(), scheduler).save_pretrained(output)
    model = ood.freeze(network.float().to(where), scheduler, name)
    stream, held_out = torch.Generator().manual_seed(0), partial(held_out_pictures, recipe, folder)
    walk, scorer = {"precision": "float32", "progress": False}, ood.DOMAIN_SCORER
    if folder:
        pictures = middle_of(training_pictures(recipe, folder), recipe)
        record = {**record, "colors": pictures[:COLORS].mean((2, 3)).tolist()}
        walk, scorer = walk | {"colors": pictures[:40].mean((2, 3)), **REVERSIBLE}, ood.REAL_SCORER
    samples = ood.fresh_images(model, 40, generator=stream, **walk)
    ood.save_sheet(samples, output / "samples.png")
    record = {
        **record,
        "evaluation_operations": model.operations,
        "torch": torch.__version__.split("+")[0],
        "diffusers": diffusers.__version__,
        "held_out": assess(model, held_out, card_images, scorer, record.get("colors")),
    }
    if folder:
        others = held_out(10_000)
        found, memory = nearest_training_images(samples[:NEIGHBORS], pictures, others)
        ood.save_sheet(torch.cat([samples[:NEIGHBORS], found]), output / "nearest.png", NEIGHBORS)
        probes, table = min(len(pictures), len(others)), ood.alphas_cumprod(recipe.schedule)
        losses = [probe_losses(network, part[:probes], table).double() for part in (pictures, others)]
        known = ood.public_set(recipe.domain)
        record["source"] = {
            **{key: getattr(known, key) for key in ("what", "address", "license", "credit")},
            **{"count": len(pictures), "held": len(others), "memory": memory, "shown": NEIGHBORS},
        }
        record["final_losses"] = {
            "images": probes,
            **{"train": losses[0].mean().item(), "held_out": losses[1].mean().item()},
            "difference": (losses[1] - losses[0]).mean().item(),
            "error": (losses[1] - losses[0]).std().item() / probes**0.5,
        }
    write_whole(output / "training.json", (json.dumps(record, indent=1) + "\n").encode())
    write_card(output, name, network.num_parameters())
    return output


def _save(output: Path, parts: dict, record: dict) -> None:
    content = io.BytesIO()
    torch.save({**{key: part.state_dict() for key, part in parts.items()}, "record": record}, content)
    write_whole(output / "checkpoint.pt", content.getvalue())


def _resume(output: Path, parts: dict, recipe: Recipe) -> dict | None:
    """Load the checkpoint of the same recipe, if there is one, and return its record."""
    if not (output / "checkpoint.pt").exists():
        return None
    state = torch.load(output / "checkpoint.pt", map_location="cpu", weights_only=True)
    kept, step = state["record"]["recipe"], state["record"]["step"]
    if _course(kept) != _course(asdict(recipe)):
        raise ValueError(f"output: {output} holds a run of {kept}, expected {asdict(recipe)}")
    if step > recipe.steps:
        raise ValueError(f"steps: got {recipe.steps}, but {output} holds a run of {step} steps")
    for key, part in parts.items():
        part.load_state_dict(state[key])
    return {**state["record"], "recipe": asdict(recipe)}


def _course(recipe: dict) -> dict:
    """What decides the path of a run, whatever its length: a longer run passes through the shorter one's end."""
    channels, decay = tuple(recipe["channels"]), max(recipe["decay"], recipe["steps"])
    return {**asdict(Recipe()), **recipe, "channels": channels, "steps": None, "decay": decay}
