"""Training of the domain scorer: cross entropy over the drawn domains, on images changed without loss of content.

The galaxy classifier is the same network, trained in the same way on the kinds of drawn galaxies.
The batch of step ``k`` depends on ``(seed, k)`` alone, as in the training of the toy models.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import optimize
from torch.nn import functional
from tqdm import tqdm

from .. import GALAXY_KINDS, DomainScorer, domain_parameters, list_domains, random_field
from ..checks import check_choice
from .toys import TRAINING_SEED, pictures_as_bytes

NONE = -1  # the label of a picture that shows none of the classes


@dataclass(frozen=True)
class ScorerRecipe:
    """Everything that decides what the domain scorer becomes.

    Attributes
    ----------
    classes : {"domains", "galaxies"}
        Tell the drawn domains apart, or the six kinds of galaxies.
    channels : tuple of int
        Widths of the stages, each half the size of the one before.
    images, size, seed : int
        Training pictures of each class, their size, and the seed that draws them; ``seed + 1`` draws those for the
        calibration, ``seed + 2`` those that are held out for the record.
    steps, batch : int
        Optimizer steps and images per step.
    learning_rate : float
        Peak of the one-cycle schedule.
    noise, blur, zoom, shift, tint : float
        Largest changes: standard deviation of noise, share of a blurred copy, relative zoom, shift as a share of the
        width, and change of each channel's gain and offset.
    mirror : bool
        Mirror half of the images.
    repaint : float
        Share of the images that take on mean and contrast of each channel from another image of the batch, of whatever
        domain: a dark red dog is still a dog.
    faintest : float
        Least contrast, the standard deviation of a channel, that such an image takes on.
    others : int
        Pictures that show none of the classes, half of them from the other drawn domains and half of clouds and noise,
        for which the classifier is trained to be undecided (outlier exposure, Hendrycks et al. 2019).
    """

    classes: str = "domains"
    channels: tuple[int, ...] = (24, 48, 96, 128)
    images: int = 2_500
    size: int = 64
    seed: int = TRAINING_SEED
    steps: int = 2_000
    batch: int = 64
    learning_rate: float = 3e-3
    noise: float = 0.4
    blur: float = 1.0
    zoom: float = 0.2
    shift: float = 0.1
    tint: float = 0.5
    mirror: bool = True
    repaint: float = 0.5
    faintest: float = 1e-3
    others: int = 0


EMBEDDING = {"channels": (32, 56, 80, 112), "seed": TRAINING_SEED + 10}
"""What the embedding of the baselines differs by from the judge."""

GALAXIES = {
    "classes": "galaxies",
    "seed": TRAINING_SEED + 20,
    "noise": 0.2,
    "mirror": False,
    "faintest": 0.05,
    "others": 3_000,
}
"""What the galaxy classifier differs by: arms are faint, in a mirror they wind the other way, and some others are
plain: a galaxy with their contrast would be none."""


def augment(images: torch.Tensor, recipe: ScorerRecipe, generator: torch.Generator) -> torch.Tensor:
    """Change images ``(n, 3, H, W)`` at random: place, colors of another image, saturation, tint, blur, noise."""

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand((len(images), *shape), generator=generator)

    mirror = 1 - 2 * recipe.mirror * (uniform(0, 1) < 0.5).float()
    zoom = 1 + uniform(-recipe.zoom, recipe.zoom)
    place = torch.zeros(len(images), 2, 3)
    place[:, 0, 0], place[:, 1, 1] = mirror * zoom, zoom
    place[:, :, 2] = uniform(-2 * recipe.shift, 2 * recipe.shift, 2)
    grid = functional.affine_grid(place, list(images.shape), align_corners=False)
    x = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True).clamp_min(recipe.faintest)
    other = torch.randperm(len(x), generator=generator)
    repainted = mean[other] + (x - mean) / std * std[other]
    x = torch.where(uniform(0, 1, 1, 1, 1) < recipe.repaint, repainted, x)
    gray = x.mean(1, keepdim=True)
    x = gray + uniform(0, 1.3, 1, 1, 1) * (x - gray)
    x = x * uniform(1 - recipe.tint, 1 + recipe.tint, 3, 1, 1) + uniform(-recipe.tint / 2, recipe.tint / 2, 3, 1, 1)
    soft = functional.avg_pool2d(functional.avg_pool2d(x, 3, 1, 1), 3, 1, 1)
    x = torch.lerp(x, soft, uniform(0, recipe.blur, 1, 1, 1))
    noise = torch.randn(x.shape, generator=generator)
    return (x + uniform(0, recipe.noise, 1, 1, 1) * noise).clamp(-1, 1)


def names_of(recipe: ScorerRecipe) -> tuple[str, ...]:
    """Return the names of the classes."""
    check_choice("classes", recipe.classes, ("domains", "galaxies"))
    return tuple(list_domains("drawn")) if recipe.classes == "domains" else GALAXY_KINDS


def pictures_of(recipe: ScorerRecipe, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw ``n`` pictures of each class, of galaxies on average: uint8 ``(k n, 3, size, size)`` and their labels."""
    if recipe.classes == "galaxies":
        count = n * len(GALAXY_KINDS)
        labels = torch.from_numpy(domain_parameters("galaxy", count, seed)["kind"])
        return pictures_as_bytes("galaxy", count, recipe.size, seed), labels
    drawings = [pictures_as_bytes(name, n, recipe.size, seed) for name in list_domains("drawn")]
    return torch.cat(drawings), torch.arange(len(drawings)).repeat_interleave(n)


def others_of(recipe: ScorerRecipe, n: int, seed: int) -> torch.Tensor:
    """Draw ``n`` pictures without a galaxy: uint8 ``(n, 3, size, size)``, other domains and then clouds and noise."""
    names = [name for name in list_domains("drawn") if name != "galaxy"]
    shares = [len(part) for part in np.array_split(range(n // 2), len(names))]
    drawings = [pictures_as_bytes(name, k, recipe.size, seed) for name, k in zip(names, shares, strict=True) if k]
    rng = np.random.default_rng([seed, n])
    clouds = np.stack([_cloud(rng, recipe.size) for _ in range(n - n // 2)])
    return torch.cat([*drawings, torch.from_numpy((clouds * 255).round().astype(np.uint8))])


def _cloud(rng, size: int) -> np.ndarray:
    """A Gaussian field, from white noise (slope 0) to soft clouds, in random colors; one in five is nearly plain."""
    slope, contrast, gray = rng.uniform(0, 3.5), 0.4 * rng.uniform() ** 2, rng.uniform(0, 1)
    field = np.stack([random_field(int(rng.integers(2**31)), slope, size) for _ in range(3)])
    mixed = np.sqrt(gray) * field[:1] + np.sqrt(1 - gray) * field
    return np.clip(rng.uniform(0, 1, (3, 1, 1)) + contrast * mixed, 0, 1)


def batch_at(step: int, pictures, labels, recipe: ScorerRecipe) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the augmented images and the labels of one step, a function of ``(seed, step)``."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    chosen = torch.randint(len(pictures), (recipe.batch,), generator=generator)
    return augment(pictures[chosen].float() / 127.5 - 1, recipe, generator), labels[chosen]


def train_scorer(output: str | os.PathLike, *, device: str | None = None, progress: bool = True, **changes) -> Path:
    """Train the domain scorer or the galaxy classifier, calibrate it, measure it on held-out pictures, and save it.

    Parameters
    ----------
    output : path
        Folder for the weights and the record.
    device : str, optional
        ``"cuda"`` or ``"cpu"``; by default the GPU if there is one.
    progress : bool
        Show a bar.
    **changes
        Fields of `ScorerRecipe` to change, such as ``steps=100``; ``**GALAXIES`` for the galaxy classifier.

    Returns
    -------
    Path
        The folder, for `load_scorer`. A few minutes on two cores; there is no checkpoint.
    """
    recipe = replace(ScorerRecipe(), **changes)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        scorer = DomainScorer(names_of(recipe), recipe.channels).to(device)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=recipe.learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, max(recipe.steps, 2))
    pictures, labels = pictures_of(recipe, recipe.images, recipe.seed)
    if recipe.others:
        pictures = torch.cat([pictures, others_of(recipe, recipe.others, recipe.seed)])
        labels = functional.pad(labels, (0, recipe.others), value=NONE)
    started = time.perf_counter()
    losses = []
    for step in tqdm(range(recipe.steps), f"scorer of {recipe.classes}", disable=not progress, file=sys.stderr):
        images, wanted = (part.to(device) for part in batch_at(step, pictures, labels, recipe))
        loss = class_loss(scorer(images), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    scorer.eval().requires_grad_(False)
    held_out = max(20, recipe.images // 10)
    calibrate(scorer, recipe, *pictures_of(recipe, held_out, recipe.seed + 1))
    scorer.record = {
        "recipe": asdict(recipe),
        "loss": [float(np.mean(losses[k : k + 100])) for k in range(0, len(losses), 100)],
        "held_out": assess(scorer, recipe, *pictures_of(recipe, held_out, recipe.seed + 2)),
        "seconds": time.perf_counter() - started,
        "torch": torch.__version__.split("+")[0],
    }
    if recipe.others:
        unseen = others_of(recipe, max(20, recipe.others // 10), recipe.seed + 2)
        scorer.record["held_out"]["others_above_0.9"] = _above(scorer, unseen, 0.9)
    scorer.save(Path(output))
    return Path(output)


def class_loss(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the mean cross entropy; the target of what has the label `NONE` is the same probability for each class."""
    none = wanted == NONE
    if not none.any():
        return functional.cross_entropy(scores, wanted, label_smoothing=0.02)
    known = functional.cross_entropy(scores, wanted, label_smoothing=0.02, ignore_index=NONE, reduction="sum")
    return (known - scores[none].log_softmax(1).mean(1).sum()) / len(wanted)


def calibrate(scorer: DomainScorer, recipe: ScorerRecipe, pictures, labels) -> None:
    """Set the temperature that makes the probabilities of augmented pictures most likely (Guo et al. 2017)."""
    scores, labels = _augmented_scores(scorer, recipe, pictures, labels)

    def loss(log_temperature: float) -> float:
        return float(functional.cross_entropy(scores / np.exp(log_temperature), labels))

    scorer.temperature.fill_(float(np.exp(optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)))


def assess(scorer: DomainScorer, recipe: ScorerRecipe, pictures, labels) -> dict:
    """Return the accuracy on pictures as drawn, also of each class, and augmented, and the calibration error of these.

    The calibration error is the mean gap between confidence and accuracy, over ten bins of confidence.
    """
    plain = (scorer.probabilities(pictures.float() / 127.5 - 1).argmax(1) == labels).float()
    by_class = {name: float(plain[labels == k].mean()) for k, name in enumerate(scorer.domains)}
    scores, labels = _augmented_scores(scorer, recipe, pictures, labels)
    confidence, called = (scores / scorer.temperature.cpu()).softmax(1).max(1)
    right = (called == labels).float()
    bins = (confidence * 10).long().clamp(max=9)
    gaps = [abs(float((confidence - right)[bins == k].sum())) for k in range(10)]
    return {
        "pictures": len(labels),
        "accuracy": float(plain.mean()),
        "accuracy_by_class": by_class,
        "accuracy_augmented": float(right.mean()),
        "calibration_error": sum(gaps) / len(labels),
    }


def _above(scorer: DomainScorer, pictures, level: float) -> float:
    """Share of the pictures of which one class has at least this probability."""
    return float((scorer.probabilities(pictures.float() / 127.5 - 1).amax(1) >= level).float().mean())


def _augmented_scores(scorer, recipe: ScorerRecipe, pictures, labels) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of each picture, augmented once, before the temperature."""
    generator = torch.Generator().manual_seed(recipe.seed)
    device = scorer.head.weight.device
    parts = [augment(part.float() / 127.5 - 1, recipe, generator).to(device) for part in pictures.split(256)]
    with torch.no_grad():
        return torch.cat([scorer.head(scorer.features(part)).cpu() for part in parts]), labels
