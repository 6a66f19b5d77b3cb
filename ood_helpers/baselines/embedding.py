"""The direction from one domain to another in the space of an embedding, as DiffusionCLIP and Asyrp are led by it.

    L_direction = 1 - cos( E(x) - E(x_source),  D ),      E(x) of length 1

``D`` is the difference of the mean embeddings of both domains: of texts with CLIP, or of images with any embedding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.nn import functional

from .. import load_scorer
from ..checks import check_images

CLIP = "openai/clip-vit-base-patch16"  # as DiffusionCLIP and Asyrp take it
SHIPPED = Path(__file__).parent / "domain-embedding"
Embedding = Callable[[torch.Tensor], torch.Tensor]
"""Takes images from any device; its features are on its own."""


def scorer_embedding(folder: str | os.PathLike = SHIPPED, device: str | torch.device = "cpu") -> Embedding:
    """Return a domain scorer's features: images ``(n, 3, H, W)`` in ``[-1, 1]`` to ``(n, f)``, differentiable.

    The default has other widths, pictures and first weights than the judge of images: what is led by a judge pleases
    it. It has seen labeled pictures of every drawn domain, as CLIP of nearly everything: more than a few images tell.
    """
    scorer = load_scorer(folder).to(device)
    return lambda images: scorer.features(images.to(device))


class ClipEmbedding:
    """CLIP's image and text towers (Radford et al. 2021), frozen: images in ``[-1, 1]`` to ``(n, f)``.

    Parameters
    ----------
    name_or_path, device : str
        A hub id or a folder, as ``transformers`` saves it; and where it is to work.

    Raises
    ------
    ImportError, OSError
        If ``transformers`` is not installed, or the weights are not there.
    """

    MEAN = (0.48145466, 0.4578275, 0.40821073)
    STD = (0.26862954, 0.26130258, 0.27577711)

    def __init__(self, name_or_path: str | os.PathLike = CLIP, device: str | torch.device = "cpu"):
        try:
            from transformers import AutoTokenizer, CLIPModel
        except ImportError as error:
            raise ImportError("ClipEmbedding needs transformers: pip install 'ood-helpers[clip]'") from error
        self.clip = CLIPModel.from_pretrained(name_or_path).to(device).eval().requires_grad_(False)
        self.tokenizer = AutoTokenizer.from_pretrained(name_or_path)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return projected image features ``(n, f)``."""
        size = self.clip.config.vision_config.image_size
        images = images.to(self.clip.device)
        x = functional.interpolate(images, (size, size), mode="bicubic", antialias=True, align_corners=False)
        mean, std = (torch.tensor(part, device=x.device)[:, None, None] for part in (self.MEAN, self.STD))
        vision = self.clip.vision_model(pixel_values=((x + 1) / 2 - mean) / std)
        return self.clip.visual_projection(vision.pooler_output)

    @torch.no_grad()
    def direction(self, sources: Sequence[str], targets: Sequence[str]) -> torch.Tensor:
        """Return the unit vector ``(f,)`` from the mean of some prompts to that of others (DiffusionCLIP, Sec. 3.2)."""
        means = []
        for prompts in (sources, targets):
            tokens = self.tokenizer(list(prompts), padding=True, return_tensors="pt").to(self.clip.device)
            means.append(unit(self.clip.text_projection(self.clip.text_model(**tokens).pooler_output)).mean(0))
        return _between(*means)


def unit(features: torch.Tensor) -> torch.Tensor:
    """Scale each feature vector to length 1."""
    return functional.normalize(features, dim=-1)


@torch.no_grad()
def image_direction(embed: Embedding, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the unit vector ``(f,)`` from the mean embedding of one set of images to that of another."""
    check_images("targets", targets, check_images("sources", sources).shape[1:])
    return _between(*(unit(embed(x)).mean(0) for x in (sources, targets)))


def _between(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if float((target - source).norm()) < 1e-6:
        raise ValueError("targets: their mean embedding is that of the sources, expected another domain")
    return unit(target - source)


def wanted_direction(embed: Embedding, sources, targets, direction) -> torch.Tensor:
    """Return the direction that is given, or that from sources to targets."""
    if (targets is None) == (direction is None):
        raise ValueError("targets, direction: got both or neither, expected one of them")
    return image_direction(embed, sources, targets) if direction is None else direction


def direction_loss(
    embed: Embedding, images: torch.Tensor, sources: torch.Tensor, direction: torch.Tensor
) -> torch.Tensor:
    """Return ``1 - cos`` between each image's way from its source and the wanted direction, ``(n,)`` from 0 to 2."""
    way = unit(embed(images)) - unit(embed(sources)).detach()
    return 1 - functional.cosine_similarity(way, direction[None].to(way), dim=1, eps=1e-7)
