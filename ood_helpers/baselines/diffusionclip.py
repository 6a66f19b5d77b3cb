"""DiffusionCLIP (Kim, Kwon & Ye 2022): tune the whole network so that the walk down ends elsewhere.

Images of the training domain are inverted once by the frozen model. The tuned copy denoises their latents in a few
deterministic steps, and the gradient of the direction loss runs back through all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .. import FrozenModel, ddim, denoise, generation_levels, invert, walk
from ..checks import check_images, check_model
from .embedding import Embedding, direction_loss, scorer_embedding, wanted_direction
from .tuning import Tuned, descend, frozen_again, network_to_tune, predictor_of, trainable


def diffusion_clip(
    model: FrozenModel,
    sources: torch.Tensor,
    targets: torch.Tensor | None = None,
    *,
    direction: torch.Tensor | None = None,
    embed: Embedding | None = None,
    t: int = 400,
    inversion_steps: int = 40,
    train_steps: int = 6,
    learning_rate: float = 2e-6,
    gamma: float = 1.3,
    clip_weight: float = 3.0,
    l1_weight: float = 0.0,
    batch_size: int = 1,
    steps: int | None = None,
    operations: float | None = None,
    precision: str = "auto",
    watch: Callable[[int, FrozenModel], None] | None = None,
    watch_every: int = 10,
    progress: bool = True,
) -> Tuned:
    """Tune a copy of a model so that images of its own domain are denoised into a target domain.

        loss = clip_weight * -log(1 - L_direction / 2) + l1_weight * |x - x_source|

    The defaults are those of the released code, but the direction is between means of images in the features of a
    scorer, where the release has CLIP and texts; the steps are of equal length, where its last one goes from ``t = 0``
    to the image; and its loss on the identity of faces, of weight 0 by default, is left out. Its examples also take
    ``learning_rate=8e-6``, ``l1_weight=1`` and ``t=500``. Then `translate` takes images of the training domain along.

    Parameters
    ----------
    model, batch_size, steps, operations, precision, watch, watch_every, progress
        As in `fine_tune`. The inversion of the sources is not part of the budget.
    sources, targets : Tensor
        Images ``(n, C, H, W)`` in ``[-1, 1]`` of the training domain, and of the target domain for the direction.
    direction : Tensor, optional
        In place of targets: unit vector ``(f,)`` in the embedding, such as by `ClipEmbedding.direction`.
    embed : callable, optional
        Images in ``[-1, 1]`` to features ``(n, f)``; by default those of a domain scorer that judges nothing else.
    t : int
        Timestep of the latents: how much of the image may change.
    inversion_steps, train_steps : int
        DDIM steps of the inversion, and of the walk down that gradients run through.
    learning_rate, gamma : float
        Of Adam, and the factor by which it grows after each pass over the sources.
    clip_weight, l1_weight : float
        Weights of the losses.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        As in `fine_tune`, and for both or neither of targets and direction.
    """
    check_model("model", model)
    check_images("sources", sources, model.image_shape)
    network = trainable(network_to_tune(model, learning_rate, batch_size, watch_every, steps, operations))
    embed = scorer_embedding(device=model.device) if embed is None else embed
    direction = wanted_direction(embed, sources, targets, direction)
    eps = predictor_of(model, network, precision)
    levels = generation_levels(model.alphas_cumprod, t, train_steps)
    latents = invert(model, sources, t=t, steps=inversion_steps, precision=precision, progress=progress)

    def loss_at(step: int) -> torch.Tensor:
        chosen = torch.arange(step * batch_size, (step + 1) * batch_size) % len(sources)
        x_source, z = sources[chosen].to(model.device), latents[chosen].to(model.device)
        *_, x = walk(eps, z / levels[0].scale, levels, ddim)
        lead = direction_loss(embed, x, x_source, direction)
        return clip_weight * -(1 - lead / 2).log().mean() + l1_weight * (x - x_source).abs().mean()

    def now() -> FrozenModel:
        return frozen_again(model, network, f"{model.name} by DiffusionCLIP")

    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    growth = torch.optim.lr_scheduler.StepLR(optimizer, -(-len(sources) // batch_size), gamma)
    found = descend("DiffusionCLIP", optimizer, loss_at, steps, operations, progress, growth, (watch, watch_every, now))
    return Tuned(now(), *found)


def translate(
    model: FrozenModel, tuned: FrozenModel, images: torch.Tensor, *, t: int = 400, steps: int = 40, **settings: Any
) -> torch.Tensor:
    """Invert images by the frozen model and denoise them by the tuned one; settings are those that the two share."""
    return denoise(tuned, invert(model, images, t=t, steps=steps, **settings), t=t, steps=steps, **settings)
