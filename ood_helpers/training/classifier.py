"""Training of the domain scorer: cross entropy over the drawn domains, on images changed without loss of content.

The galaxy classifier is the same network, trained in the same way on the kinds of drawn galaxies.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import optimize
from torch.nn import functional
from tqdm import tqdm

import ood_helpers as ood

from ..checks import check_choice, check_device
from .losses import stream_of_step
from .trainer import TRAINING_SEED, pictures_as_bytes

REAL = (*ood.list_domains("real"), "apples", "hands", "dust", "satellite", "objects")
NONE = -1  # the label of a picture that shows none of the classes


@dataclass(frozen=True)
class ScorerRecipe:
    """Everything that decides what a scorer becomes; its training depends on these fields alone."""

    classes: str = "domains"  # drawn ones; or "real" ones; or "galaxies": tell their six kinds apart
    channels: tuple[int, ...] = (24, 48, 96, 128)  # of the stages, each half the size of the one before
    images: int = 2_500  # training pictures of each class
    size: int = 64
    seed: int = TRAINING_SEED  # the next one draws pictures for the calibration, the next but one those held out
    steps: int = 2_000
    batch: int = 64
    learning_rate: float = 3e-3  # peak of the one-cycle schedule
    noise: float = 0.4  # largest changes: the standard deviation of noise,
    blur: float = 1.0  # share of a blurred copy,
    zoom: float = 0.2  # relative zoom,
    shift: float = 0.1  # shift as a share of the width,
    tint: float = 0.5  # and change of each channel's gain and offset
    mirror: bool = True  # half of the images
    repaint: float = 0.5  # share that takes mean and contrast of another image: a dark red dog is still a dog
    faintest: float = 1e-3  # least contrast, the standard deviation of a channel, that such an image takes on
    others: int = 0  # pictures of none of the classes, to be undecided about (outlier exposure, Hendrycks et al. 2019)


CLASSIFIERS = {
    "domain-scorer": ScorerRecipe(),
    "domain-embedding": ScorerRecipe(channels=(32, 56, 80, 112), seed=TRAINING_SEED + 10),
    # arms are faint, and in a mirror wind the other way; a galaxy with the contrast of a plain other would be none
    "galaxy-classifier": ScorerRecipe(
        classes="galaxies", seed=TRAINING_SEED + 20, noise=0.2, mirror=False, faintest=0.05, others=3_000
    ),
    "real-scorer": ScorerRecipe(classes="real", seed=TRAINING_SEED + 30, repaint=0.3),
    # a second opinion, by which tunings are led and which judges nothing; not shipped
    "real-embedding": ScorerRecipe(classes="real", channels=(32, 56, 80, 112), seed=TRAINING_SEED + 40, repaint=0.3),
}


def augment(images: torch.Tensor, recipe: ScorerRecipe, stream: torch.Generator) -> torch.Tensor:
    """Change images ``(n, 3, H, W)`` at random: place, colors of another image, saturation, tint, blur, noise."""

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand((len(images), *shape), generator=stream)

    mirror = 1 - 2 * recipe.mirror * (uniform(0, 1) < 0.5).float()
    zoom = 1 + uniform(-recipe.zoom, recipe.zoom)
    place = torch.zeros(len(images), 2, 3)
    place[:, 0, 0], place[:, 1, 1] = mirror * zoom, zoom
    place[:, :, 2] = uniform(-2 * recipe.shift, 2 * recipe.shift, 2)
    grid = functional.affine_grid(place, list(images.shape), align_corners=False)
    x = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True).clamp_min(recipe.faintest)
    other = torch.randperm(len(x), generator=stream)
    repainted = mean[other] + (x - mean) / std * std[other]
    x = torch.where(uniform(0, 1, 1, 1, 1) < recipe.repaint, repainted, x)
    gray = x.mean(1, keepdim=True)
    x = gray + uniform(0, 1.3, 1, 1, 1) * (x - gray)
    x = x * uniform(1 - recipe.tint, 1 + recipe.tint, 3, 1, 1) + uniform(-recipe.tint / 2, recipe.tint / 2, 3, 1, 1)
    soft = functional.avg_pool2d(functional.avg_pool2d(x, 3, 1, 1), 3, 1, 1)
    x = torch.lerp(x, soft, uniform(0, recipe.blur, 1, 1, 1))
    noise = torch.randn(x.shape, generator=stream)
    return (x + uniform(0, recipe.noise, 1, 1, 1) * noise).clamp(-1, 1)


def pictures_of(recipe: ScorerRecipe, n: int, seed: int, folder=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw ``n`` pictures of each class, of galaxies on average: uint8 ``(k n, 3, size, size)`` and their labels.

    Of real domains, which have two parts, the recipe's seed takes those to train on and another one the held-out ones,
    each picture as often as need be.
    """
    if recipe.classes == "galaxies":
        count = n * len(ood.GALAXY_KINDS)
        labels = torch.from_numpy(ood.domain_parameters("galaxy", count, seed)["kind"])
        return pictures_as_bytes("galaxy", count, recipe.size, seed), labels
    if recipe.classes == "domains":
        drawings = [pictures_as_bytes(name, n, recipe.size, seed) for name in ood.list_domains("drawn")]
    else:
        part = "train" if seed == recipe.seed else "test"
        drawings = [_pictures_of_part(name, n, recipe.size, seed, part, folder) for name in REAL]
    return torch.cat(drawings), torch.arange(len(drawings)).repeat_interleave(n)


def _pictures_of_part(name: str, n: int, size: int, seed: int, part: str, folder) -> torch.Tensor:
    where = {"part": part, "folder": folder if name in ood.list_domains("sets") else None}
    there = int(min(n, ood.domain_size(name, **where)))
    return pictures_as_bytes(name, there, size, seed, **where)[torch.arange(n) % there]


def others_of(recipe: ScorerRecipe, n: int, seed: int) -> torch.Tensor:
    """Draw ``n`` pictures without a galaxy: uint8 ``(n, 3, size, size)``, other domains and then clouds and noise."""
    names = [name for name in ood.list_domains("drawn") if name != "galaxy"]
    shares = [len(part) for part in np.array_split(range(n // 2), len(names))]
    drawings = [pictures_as_bytes(name, k, recipe.size, seed) for name, k in zip(names, shares, strict=True) if k]
    rng = np.random.default_rng([seed, n])
    clouds = np.stack([_cloud(rng, recipe.size) for _ in range(n - n // 2)])
    return torch.cat([*drawings, torch.from_numpy((clouds * 255).round().astype(np.uint8))])


def _cloud(rng: np.random.Generator, size: int) -> np.ndarray:
    """A Gaussian field, from white noise (slope 0) to soft clouds, in random colors; one in five is nearly plain."""
    slope, contrast, gray = rng.uniform(0, 3.5), 0.4 * rng.uniform() ** 2, rng.uniform(0, 1)
    field = np.stack([ood.random_field(int(rng.integers(2**31)), slope, size) for _ in range(3)])
    mixed = np.sqrt(gray) * field[:1] + np.sqrt(1 - gray) * field
    return np.clip(rng.uniform(0, 1, (3, 1, 1)) + contrast * mixed, 0, 1)


def batch_at(step: int, pictures, labels, recipe: ScorerRecipe) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the augmented images and the labels of one step, a function of ``(seed, step)``."""
    stream = stream_of_step(recipe.seed, step)
    chosen = torch.randint(len(pictures), (recipe.batch,), generator=stream)
    return augment(pictures[chosen].float() / 127.5 - 1, recipe, stream), labels[chosen]


def train_scorer(
    name: str,
    output: str | os.PathLike,
    *,
    folder: str | os.PathLike | None = None,
    device: str | None = None,
    progress: bool = True,
    **changes: Any,
) -> Path:
    """Train a scorer, calibrate it, measure it on held-out pictures, and save it: minutes on two cores.

    Parameters and errors are those of `train`, with a name from ``CLASSIFIERS``; there is no checkpoint. What is
    returned is for `load_scorer`.
    """
    check_choice("name", name, CLASSIFIERS)
    recipe, where = replace(CLASSIFIERS[name], **changes), check_device("device", device)
    kinds = {"domains": tuple(ood.list_domains("drawn")), "galaxies": ood.GALAXY_KINDS, "real": REAL}
    check_choice("classes", recipe.classes, kinds)
    if (folder is None) == (recipe.classes == "real"):
        raise ValueError(f"folder: got {folder!r}, expected that of the public sets for the real-scorer, and else none")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        scorer = ood.DomainScorer(kinds[recipe.classes], recipe.channels).to(where)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=recipe.learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, max(recipe.steps, 2))
    pictures, labels = pictures_of(recipe, recipe.images, recipe.seed, folder)
    if recipe.others:
        pictures = torch.cat([pictures, others_of(recipe, recipe.others, recipe.seed)])
        labels = functional.pad(labels, (0, recipe.others), value=NONE)
    losses, started = [], time.perf_counter()
    for step in tqdm(range(recipe.steps), name, disable=not progress, file=sys.stderr):
        images, wanted = (part.to(where) for part in batch_at(step, pictures, labels, recipe))
        loss = class_loss(scorer(images), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    scorer.eval().requires_grad_(False)
    held_out = max(20, recipe.images // 10)
    others, truth = pictures_of(recipe, held_out, recipe.seed + 1, folder)
    scorer.temperature.fill_(temperature(_augmented_scores(scorer, recipe, others), truth))
    scorer.record = {
        "recipe": asdict(recipe),
        "loss": [float(np.mean(losses[k : k + 100])) for k in range(0, len(losses), 100)],
        "held_out": assess(scorer, recipe, *pictures_of(recipe, held_out, recipe.seed + 2, folder)),
        "seconds": time.perf_counter() - started,
        "torch": torch.__version__.split("+")[0],
    }
    if recipe.others:
        unseen = others_of(recipe, max(20, recipe.others // 10), recipe.seed + 2).float() / 127.5 - 1
        sure = (scorer.probabilities(unseen).amax(1) >= 0.9).float()
        scorer.record["held_out"]["others_above_0.9"] = float(sure.mean())
    scorer.save(Path(output))
    return Path(output)


def class_loss(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the mean cross entropy; the target of what has the label `NONE` is the same probability for each class."""
    none = wanted == NONE
    if not none.any():
        return functional.cross_entropy(scores, wanted, label_smoothing=0.02)
    known = functional.cross_entropy(scores, wanted, label_smoothing=0.02, ignore_index=NONE, reduction="sum")
    return (known - scores[none].log_softmax(1).mean(1).sum()) / len(wanted)


def temperature(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """Return what scores are to be divided by so that the labels become most likely (Guo et al. 2017)."""

    def loss(logarithm: float) -> float:
        return float(functional.cross_entropy(scores / np.exp(logarithm), labels))

    return float(np.exp(optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def assess(scorer: ood.DomainScorer, recipe: ScorerRecipe, pictures: torch.Tensor, labels: torch.Tensor) -> dict:
    """Return the accuracy on pictures as drawn, also of each class, and augmented, and for these the calibration error.

    That is the mean gap between confidence and accuracy, over ten bins of confidence.
    """
    plain = (scorer.probabilities(pictures.float() / 127.5 - 1).argmax(1) == labels).float()
    scores = _augmented_scores(scorer, recipe, pictures) / scorer.temperature.cpu()
    confidence, called = scores.softmax(1).max(1)
    right, bins = (called == labels).float(), (confidence * 10).long().clamp(max=9)
    gaps = [abs(float((confidence - right)[bins == k].sum())) for k in range(10)]
    return {
        "pictures": len(labels),
        "accuracy": float(plain.mean()),
        "accuracy_by_class": {name: float(plain[labels == k].mean()) for k, name in enumerate(scorer.domains)},
        "accuracy_augmented": float(right.mean()),
        "calibration_error": sum(gaps) / len(labels),
    }


def _augmented_scores(scorer: ood.DomainScorer, recipe: ScorerRecipe, pictures: torch.Tensor) -> torch.Tensor:
    """Scores of each picture, augmented once, before the temperature."""
    stream, device = torch.Generator().manual_seed(recipe.seed), scorer.head.weight.device
    parts = [augment(part.float() / 127.5 - 1, recipe, stream).to(device) for part in pictures.split(256)]
    with torch.no_grad():
        return torch.cat([scorer.head(scorer.features(part)).cpu() for part in parts])
