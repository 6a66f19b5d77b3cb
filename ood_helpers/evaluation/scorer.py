"""Which domain does an image belong to?  A small convolutional classifier over the drawn domains.

It judges whether an image that a model generated shows its target or the domain that the model was trained on, and its
features are the space in which sets of drawn images are compared.  Trained with blur, noise, shifts and changed
colors, so that it looks for content and overlooks what a walk does to an image.
"""

from __future__ import annotations

import copy
import json
import os
from functools import cache, cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional

from ..checks import check_batch
from ..files import write_whole
from ..models.operations import evaluation_operations, spend

DOMAIN_SCORER = Path(__file__).parent / "domain-scorer"
GALAXIES = Path(__file__).parent / "galaxy-classifier"
"""For `load_scorer`: tells the six `GALAXY_KINDS` apart, and is undecided about other domains, clouds and noise.

Two galaxies printed over each other it mostly calls one."""
REAL_SCORER = Path(__file__).parent / "real-scorer"
"""For `load_scorer`: tells eleven domains of real images apart."""

SIZE = 64  # pixels; images of other sizes are resampled
WEIGHTS, RECORD = "scorer.safetensors", "scorer.json"


class DomainScorer(nn.Module):
    """Classify images ``(n, 3, H, W)`` in ``[-1, 1]`` into ``domains``, in the order of the scores.

    ``temperature`` divides the scores, so that probabilities are calibrated on held-out, augmented images; ``record``
    says how it was trained, and how accurate it is.
    """

    def __init__(self, domains: tuple[str, ...], channels: tuple[int, ...] = (24, 48, 96, 128)):
        super().__init__()
        self.domains, self.channels = tuple(domains), tuple(channels)
        blocks: list[nn.Module] = []
        for before, width in zip((3, *channels), channels, strict=False):
            for convolution in (nn.Conv2d(before, width, 3, 2, padding=1), nn.Conv2d(width, width, 3, padding=1)):
                blocks += [convolution, nn.GroupNorm(8, width), nn.SiLU()]
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(channels[-1], len(domains))
        self.temperature: torch.Tensor
        self.register_buffer("temperature", torch.ones(()))
        self.record: dict = {}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return ``(n, channels)``: the last layer's channels, averaged over the image; gray is taken as RGB."""
        if images.shape[1] not in (1, 3):
            raise ValueError(f"images: got shape {tuple(images.shape)}, expected one or three channels")
        images = images.expand(-1, 3, -1, -1)
        if images.shape[-2:] != (SIZE, SIZE):
            images = functional.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        spend(len(images) * self.operations)
        return self.body(images).mean((2, 3))

    @cached_property
    def operations(self) -> float:
        """Floating-point operations for one image; the last layer's, a hundredth of a percent, are left out."""
        return evaluation_operations(self.body, torch.empty(1, 3, SIZE, SIZE))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return calibrated scores ``(n, domains)``, whose softmax are probabilities."""
        return self.head(self.features(images)) / self.temperature

    @torch.no_grad()
    def probabilities(self, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
        """Return calibrated probabilities of each domain: float32 ``(n, domains)``, on the processor.

        Parameters
        ----------
        images : Tensor
            float ``(n, 3, H, W)`` in ``[-1, 1]``; what lies outside is cut off, as on a screen.
        batch_size : int

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
        write_whole(folder / WEIGHTS, save({k: v.half().cpu().contiguous() for k, v in self.state_dict().items()}))
        record = {"domains": self.domains, "channels": self.channels, **self.record}
        write_whole(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())


def load_scorer(folder: str | os.PathLike = DOMAIN_SCORER) -> DomainScorer:
    """Return a saved scorer, by default the one that comes with the package; frozen, in float32, the caller's own.

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
    """Read a scorer, as long as its files stay as they are."""
    record = json.loads((folder / RECORD).read_text())
    with torch.random.fork_rng(devices=[]):  # first weights are drawn, and replaced
        scorer = DomainScorer(tuple(record.pop("domains")), tuple(record.pop("channels")))
    scorer.load_state_dict({key: value.float() for key, value in load_file(folder / WEIGHTS).items()})
    scorer.record = record
    _ = scorer.operations  # counted once for all copies
    return scorer.eval().requires_grad_(False)
