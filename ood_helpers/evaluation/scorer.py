"""Which domain does an image belong to?  A small convolutional classifier over the drawn domains.

It judges whether an image that a model generated shows its target or the domain that the model was trained on, and its
features are the space in which sets of drawn images are compared.  Trained with blur, noise, shifts and changed
colors, so that it looks for content and overlooks what a walk does to an image.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from scipy import stats
from torch import nn
from torch.nn import functional

from ..checks import check_batch, check_number
from ..models.operations import evaluation_operations, spend

SHIPPED = Path(__file__).parent / "domain-scorer"
GALAXIES = Path(__file__).parent / "galaxy-classifier"
"""For `load_scorer`: tells the kinds of drawn galaxies apart, `ood_helpers.domains.skies.GALAXY_KINDS`."""

SIZE = 64  # pixels; images of other sizes are resampled
WEIGHTS, RECORD = "scorer.safetensors", "scorer.json"


class DomainScorer(nn.Module):
    """Classify images ``(n, 3, H, W)`` in ``[-1, 1]`` into domains.

    Attributes
    ----------
    domains : tuple of str
        In the order of the scores.
    num_features : int
        Length of a feature vector.
    temperature : Tensor
        Divides the scores, so that probabilities are calibrated on held-out, augmented images.
    record : dict
        How it was trained, and how accurate it is.
    """

    def __init__(self, domains: tuple[str, ...], channels: tuple[int, ...] = (24, 48, 96, 128)):
        super().__init__()
        self.domains, self.channels, self.num_features = tuple(domains), tuple(channels), channels[-1]
        blocks, wide = [], 3
        for width in channels:
            blocks += [
                nn.Conv2d(wide, width, 3, stride=2, padding=1),
                nn.GroupNorm(8, width),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.GroupNorm(8, width),
                nn.SiLU(),
            ]
            wide = width
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(wide, len(domains))
        self.register_buffer("temperature", torch.ones(()))
        self.record: dict = {}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return ``(n, num_features)``: the last layer's channels, averaged over the image; gray is taken as RGB."""
        if images.shape[1] not in (1, 3):
            raise ValueError(f"images: got shape {tuple(images.shape)}, expected one or three channels")
        images = images.expand(-1, 3, -1, -1)
        if images.shape[-2:] != (SIZE, SIZE):
            images = functional.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        spend(len(images) * self._operations())
        return self.body(images).mean((2, 3))

    def _operations(self) -> float:
        """Of one image, the last layer's left out, a hundredth of a percent."""
        if not hasattr(self, "_counted"):
            self._counted = evaluation_operations(self.body, torch.empty(1, 3, SIZE, SIZE))
        return self._counted

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return calibrated scores ``(n, domains)``, whose softmax are probabilities."""
        return self.head(self.features(images)) / self.temperature

    @torch.no_grad()
    def probabilities(self, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
        """Return calibrated probabilities of each domain.

        Parameters
        ----------
        images : Tensor
            float ``(n, 3, H, W)`` in ``[-1, 1]``; what lies outside is cut off, as on a screen.
        batch_size : int

        Returns
        -------
        Tensor
            float32 ``(n, domains)``, rows that add up to 1.

        Raises
        ------
        TypeError, ValueError
            If the images are no finite floating batch with one or three channels.
        """
        images = check_batch("images", images)
        device = self.head.weight.device
        parts = [self(part.to(device).float().clamp(-1, 1)).softmax(1).cpu() for part in images.split(batch_size)]
        return torch.cat(parts)

    def save(self, folder: Path) -> None:
        """Write the weights in half precision and the record."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {key: value.half().cpu().contiguous() for key, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS)
        record = {"domains": self.domains, "channels": self.channels, **self.record}
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n")


def load_scorer(folder=SHIPPED) -> DomainScorer:
    """Return a saved scorer, by default the one that comes with the package; frozen, in float32.

    Raises
    ------
    FileNotFoundError
        If the folder holds no scorer.
    """
    folder = Path(folder).resolve()
    for name in (WEIGHTS, RECORD):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"folder: {folder} holds no {name}, expected what 'train domain-scorer' writes")
    return copy.deepcopy(_load(folder, *((folder / name).stat().st_mtime_ns for name in (WEIGHTS, RECORD))))


@cache
def _load(folder: Path, *times: int) -> DomainScorer:
    """Read a scorer, as long as its files stay as they are; whoever asks gets a copy."""
    record = json.loads((folder / RECORD).read_text())
    with torch.random.fork_rng(devices=[]):  # first weights are drawn, and replaced
        scorer = DomainScorer(tuple(record.pop("domains")), tuple(record.pop("channels")))
    scorer.load_state_dict({key: value.float() for key, value in load_file(folder / WEIGHTS).items()})
    scorer.record = record
    scorer._operations()  # counted once for all copies
    return scorer.eval().requires_grad_(False)


@dataclass(frozen=True)
class Recognition:
    """How surely images can be put into one of the classes that a scorer knows.

    Attributes
    ----------
    rate : float
        Share of the images of which one class has a probability of at least the level.
    low, high : float
        Wilson's interval of the rate, 95 %.
    distribution : dict of str to float
        Mean probability of each class: of many images, the share that each class has.
    entropy : float
        Mean entropy of the probabilities, from 0, all certain, to 1, all undecided (it is divided by ``log(classes)``).
    n : int
    """

    rate: float
    low: float
    high: float
    distribution: dict[str, float]
    entropy: float
    n: int

    def __str__(self) -> str:
        return f"{self.rate:.2f} ({self.low:.2f} to {self.high:.2f}, n = {self.n})"


def recognition(images: torch.Tensor, scorer: DomainScorer | None = None, *, level: float = 0.9) -> Recognition:
    """Ask whether one could reliably classify images into one of the known categories (Sec. E.1).

    The level is compared with a calibrated probability: of the galaxies held out from the classifier that it puts
    into a class with probability 0.9, nine of ten belong there. What shows no galaxy at all has no such
    guarantee; the shipped classifier was trained to be undecided about other domains, clouds and noise. Two galaxies
    printed over each other it mostly calls one: see `ood_helpers.evaluation.diversity.double_exposures`.

    Parameters
    ----------
    images : Tensor
        ``(n, 3, H, W)`` in ``[-1, 1]``; what lies outside is cut off.
    scorer : DomainScorer, optional
        By default the galaxy classifier that comes with the package.
    level : float
        From 0 to 1.

    Returns
    -------
    Recognition

    Raises
    ------
    TypeError, ValueError
        If the images are no finite floating batch with three channels, or the level is out of range.
    """
    check_number("level", level, 0, 1)
    scorer = scorer or load_scorer(GALAXIES)
    odds = scorer.probabilities(images)
    count = int((odds.amax(1) >= level).sum())
    interval = stats.binomtest(count, len(odds)).proportion_ci(0.95, "wilson")
    entropy = torch.special.entr(odds.double()).sum(1).mean() / math.log(odds.shape[1])
    distribution = dict(zip(scorer.domains, odds.mean(0).tolist(), strict=True))
    return Recognition(
        count / len(odds), float(interval.low), float(interval.high), distribution, float(entropy), len(odds)
    )
