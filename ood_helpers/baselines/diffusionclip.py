"""DiffusionCLIP (Kim, Kwon & Ye 2022): tune the whole network so that the walk down ends elsewhere.

Images of the training domain are inverted once by the frozen model. The tuned copy denoises their latents in a few
deterministic steps, and the gradient of the direction loss runs back through all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from .. import FrozenModel, ddim, denoise, generation_levels, invert, network_dtype, walk
from ..checks import check_images, check_integer, check_number
from .embedding import Embedding, direction_loss, image_direction, scorer_embedding
from .tuning import Budget, Tuned, descend, frozen_again, trainable_copy


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

    The defaults are those of the released code, with three exceptions. The direction is that between means of images in
    the features of a domain scorer, where the release has CLIP and texts. The steps are of equal length, where its last
    one goes from ``t = 0`` to the image. And its loss on the identity of faces, of weight 0 by default, is left out.
    Its examples also take ``learning_rate=8e-6``, ``l1_weight=1`` and ``t=500``. Afterwards `translate` takes images of
    the training domain along.

    Parameters
    ----------
    model : FrozenModel
        It stays as it is.
    sources : Tensor
        Images of the training domain, ``(n, C, H, W)`` in ``[-1, 1]``.
    targets : Tensor, optional
        Images of the target domain: they give the direction, unless ``direction`` does.
    direction : Tensor, optional
        Unit vector ``(f,)`` in the embedding, such as from `text_direction`.
    embed : callable, optional
        Images in ``[-1, 1]`` to features ``(n, f)``; by default `scorer_embedding`.
    t : int
        Timestep of the latents: how much of the image may change.
    inversion_steps, train_steps : int
        DDIM steps of the inversion, and of the walk down that gradients run through.
    learning_rate, gamma : float
        Of Adam, and the factor by which it grows after each pass over the sources.
    clip_weight, l1_weight : float
        Weights of the losses.
    batch_size : int
        Images a step.
    steps, operations : int, float, optional
        Budget: at least one of them. The inversion of the sources is not part of it.
    precision : {"auto", "float32", "bfloat16"}
        In which the network computes.
    watch, watch_every
        As in `fine_tune`.
    progress : bool
        Show bars.

    Returns
    -------
    Tuned

    Raises
    ------
    TypeError, ValueError
        For a model without a network, images of another shape or range, neither targets nor direction, or no budget.
    FloatingPointError
        If the descent diverges.
    """
    check_images("sources", sources, model.image_shape)
    check_number("learning_rate", learning_rate, 0, strict=True)
    check_integer("batch_size", batch_size, 1)
    check_integer("watch_every", watch_every, 1)
    budget, network = Budget(steps, operations), trainable_copy(model)
    embed = scorer_embedding(device=model.device) if embed is None else embed
    direction = wanted_direction(embed, sources, targets, direction)
    dtype = network_dtype(model, precision) or torch.float32
    levels = generation_levels(model.alphas_cumprod, t, train_steps)
    latents = invert(model, sources, t=t, steps=inversion_steps, precision=precision, progress=progress)
    channels, name = model.image_shape[0], f"{model.name} by DiffusionCLIP"

    def eps(y, level):
        label = torch.full((len(y),), max(level.t, 0.0), device=y.device)
        with torch.autocast(y.device.type, dtype, enabled=dtype != torch.float32):
            return network(y * level.scale, label).sample[:, :channels].float()

    def loss_at(step: int) -> torch.Tensor:
        chosen = torch.arange(step * batch_size, (step + 1) * batch_size) % len(sources)
        x_source, z = sources[chosen].to(model.device), latents[chosen].to(model.device)
        *_, x = walk(eps, z / levels[0].scale, levels, ddim)
        lead = direction_loss(embed, x, x_source, direction)
        return clip_weight * -(1 - lead / 2).log().mean() + l1_weight * (x - x_source).abs().mean()

    def after(done: int) -> None:
        if done and done % passes == 0:
            growth.step()
        if watch is not None and done % watch_every == 0:
            watch(done, frozen_again(model, network, name))

    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    growth = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    passes = -(-len(sources) // batch_size)
    after(0)
    descent = descend(
        network.parameters(), optimizer, loss_at, budget, label="DiffusionCLIP", progress=progress, after=after
    )
    settings = {
        "method": "DiffusionCLIP",
        "t": t,
        "inversion_steps": inversion_steps,
        "train_steps": train_steps,
        "learning_rate": learning_rate,
        "gamma": gamma,
        "clip_weight": clip_weight,
        "l1_weight": l1_weight,
        "batch_size": batch_size,
        "images": len(sources),
    }
    return Tuned(frozen_again(model, network, name), settings=settings, **vars(descent))


def translate(
    model: FrozenModel,
    tuned: FrozenModel,
    images: torch.Tensor,
    *,
    t: int = 400,
    steps: int = 40,
    precision: str = "auto",
    progress: bool = True,
) -> torch.Tensor:
    """Invert images by the frozen model and denoise them by the tuned one; parameters as for `invert`."""
    latents = invert(model, images, t=t, steps=steps, precision=precision, progress=progress)
    return denoise(tuned, latents, t=t, steps=steps, precision=precision, progress=progress)


def wanted_direction(embed: Embedding, sources, targets, direction) -> torch.Tensor:
    """Return the direction that is given, or that from sources to targets."""
    if (targets is None) == (direction is None):
        raise ValueError("targets, direction: got both or neither, expected one of them")
    if direction is not None:
        return direction
    return image_direction(embed, sources, check_images("targets", targets, tuple(sources.shape[1:])))
