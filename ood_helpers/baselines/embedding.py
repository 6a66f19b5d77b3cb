"""The direction from one domain to another in the space of an embedding, as DiffusionCLIP and Asyrp are led by it.

    L_direction = 1 - cos( E(x) - E(x_source),  D ),      E(x) of length 1

``D`` is a text's direction with CLIP, ``E_text(target) - E_text(source)``, or an image-given one with any embedding:
the difference of the means over images of both domains. Text means nothing for radiation fields.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.nn import functional

from .. import load_scorer
from ..checks import check_images

SHIPPED = Path(__file__).parent / "domain-embedding"
Embedding = Callable[[torch.Tensor], torch.Tensor]
"""Takes images from any device; its features are on its own."""


def scorer_embedding(folder=SHIPPED, device="cpu") -> Embedding:
    """Return a domain scorer's features: images ``(n, 3, H, W)`` in ``[-1, 1]`` to ``(n, f)``, differentiable.

    The default is a scorer of its own, of other widths, pictures and first weights than the one that judges images:
    what is led by a judge pleases it. Like that one it has seen labeled pictures of every drawn domain, as CLIP has
    seen nearly everything: methods that are led by an embedding know more than their few target images.

    Parameters
    ----------
    folder : path
        As `train_scorer` writes it; by default the one that comes with the package.
    device : str or torch.device
    """
    scorer = load_scorer(folder).to(device)
    return lambda images: scorer.features(images.to(device))


class ClipEmbedding:
    """CLIP's image and text towers (Radford et al. 2021), frozen: images in ``[-1, 1]`` to ``(n, f)``.

    Parameters
    ----------
    name_or_path : str or path
        A hub id or a folder, as ``transformers`` saves it. DiffusionCLIP and Asyrp take the default.
    device : str or torch.device

    Raises
    ------
    ImportError
        If ``transformers`` is not installed.
    OSError
        If the weights are not there.
    """

    MEAN = (0.48145466, 0.4578275, 0.40821073)
    STD = (0.26862954, 0.26130258, 0.27577711)

    def __init__(self, name_or_path: str | os.PathLike = "openai/clip-vit-base-patch16", device="cpu"):
        try:
            from transformers import CLIPModel
        except ImportError as error:
            raise ImportError("ClipEmbedding needs transformers: pip install 'ood-helpers[clip]'") from error
        self.source = name_or_path
        self.clip = CLIPModel.from_pretrained(name_or_path).to(device).eval().requires_grad_(False)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return projected image features ``(n, f)``."""
        size = self.clip.config.vision_config.image_size
        images = images.to(self.clip.device)
        x = functional.interpolate(images, (size, size), mode="bicubic", antialias=True, align_corners=False)
        mean, std = (torch.tensor(part, device=x.device)[:, None, None] for part in (self.MEAN, self.STD))
        vision = self.clip.vision_model(pixel_values=((x + 1) / 2 - mean) / std)
        return self.clip.visual_projection(vision.pooler_output)

    @torch.no_grad()
    def text(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return projected text features ``(n, f)``."""
        from transformers import AutoTokenizer

        tokens = AutoTokenizer.from_pretrained(self.source)(list(prompts), padding=True, return_tensors="pt")
        text = self.clip.text_model(**tokens.to(self.clip.device))
        return self.clip.text_projection(text.pooler_output)


def unit(features: torch.Tensor) -> torch.Tensor:
    """Scale each feature vector to length 1."""
    return functional.normalize(features, dim=-1)


@torch.no_grad()
def image_direction(embed: Embedding, sources: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the unit vector ``(f,)`` from the mean embedding of one set of images to that of another.

    Raises
    ------
    TypeError, ValueError
        If one is no batch of images in ``[-1, 1]``, or both have one mean.
    """
    means = [unit(embed(check_images(name, x))).mean(0) for name, x in (("sources", sources), ("targets", targets))]
    return _between(*means)


def text_direction(clip: ClipEmbedding, source: Sequence[str], target: Sequence[str]) -> torch.Tensor:
    """Return the unit vector ``(f,)`` from the mean of some prompts to that of others (DiffusionCLIP, Sec. 3.2)."""
    return _between(*(unit(clip.text(prompts)).mean(0) for prompts in (source, target)))


def _between(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if float((target - source).norm()) < 1e-6:
        raise ValueError("targets: their mean embedding is that of the sources, expected another domain")
    return unit(target - source)


def direction_loss(
    embed: Embedding, images: torch.Tensor, sources: torch.Tensor, direction: torch.Tensor
) -> torch.Tensor:
    """Return ``1 - cos`` between each image's way from its source and the wanted direction, ``(n,)`` from 0 to 2."""
    way = unit(embed(images)) - unit(embed(sources)).detach()
    return 1 - functional.cosine_similarity(way, direction[None].to(way), dim=1, eps=1e-7)
