"""Asyrp (Kwon, Jeong & Uh 2023): leave the network frozen and shift its bottleneck.

A small block ``f(h, t)`` is added to the bottleneck features ``h``. The step is asymmetric: the predicted image comes
from the shifted noise, the direction back to noise from the original one,

    y' = (y - sigma eps(x | h + f)) + sigma' eps(x | h),

since with both shifted the change would nearly cancel. Above ``t_edit`` the walk is edited, between ``t_edit`` and
``t_boost`` it is DDIM's own, and below ``t_boost`` fresh noise (eta = 1) restores the detail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

import ood_helpers as ood

from ..checks import check_batch, check_images, check_model
from .embedding import Embedding, direction_loss, scorer_embedding, wanted_direction
from .tuning import descend, network_to_tune, predictor_of


@dataclass(frozen=True)
class Interval:
    """Where the walk is edited, and where it is noisy: ``t > t_edit >= t_boost >= 0``, or a ValueError is raised.

    They are the timestep of the latents, the lowest one at which the bottleneck is shifted, and that below which steps
    add noise; by default those of the released code for dogs at 256 x 256, where a perceptual distance chose them.
    """

    t: int = 999
    t_edit: int = 482
    t_boost: int = 167

    def __post_init__(self):
        if not self.t > self.t_edit >= self.t_boost >= 0:
            raise ValueError(f"interval: got {self}, expected t > t_edit >= t_boost >= 0")


class BottleneckBlock(nn.Module):
    """Two 1 x 1 convolutions, the time embedding between them: ``(B, c, h, w)`` and ``(B, e)`` to ``(B, c, h, w)``."""

    def __init__(self, channels: int, embedding: int):
        super().__init__()
        self.enter = nn.Conv2d(channels, channels, 1)
        self.time = nn.Linear(embedding, channels)
        self.norm = nn.GroupNorm(min(32, channels // 4), channels)
        self.leave = nn.Conv2d(channels, channels, 1)

    def forward(self, h: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return the shift of the bottleneck features."""
        act = nn.functional.silu
        return self.leave(act(self.norm(self.enter(h) + self.time(act(time))[:, :, None, None])))


@dataclass(frozen=True, eq=False)
class Asyrp:
    """A frozen model with a trained block beside it, the loss of each step and the operations of the descent alone."""

    model: ood.FrozenModel
    block: nn.Module = field(repr=False)
    interval: Interval
    losses: tuple[float, ...] = field(default=(), repr=False)
    operations: float = 0.0


def new_block(network: nn.Module, seed: int = 0) -> BottleneckBlock:
    """Return an untrained block that fits a network's bottleneck, beside it."""
    widths = network.config.block_out_channels
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return BottleneckBlock(widths[-1], 4 * widths[0]).to(network.device)


def shifted(network: nn.Module, block: nn.Module) -> RemovableHandle:
    """Within this context the network's bottleneck features ``h`` become ``h + block(h, time embedding)``."""
    return network.mid_block.register_forward_hook(lambda _, inputs, h: h + block(h, inputs[1]))


def asymmetric_ddim(edited: Callable) -> Callable:
    """Return the asymmetric step: ``edited(y, level)`` predicts the image, ``eps(y, level)`` leads back to noise."""

    def step(eps, y, here, there, memory):
        return y - here.sigma * edited(y, here) + there.sigma * eps(y, here), None

    return step


def train_asyrp(
    model: ood.FrozenModel,
    sources: torch.Tensor,
    targets: torch.Tensor | None = None,
    *,
    direction: torch.Tensor | None = None,
    embed: Embedding | None = None,
    interval: Interval | None = None,
    inversion_steps: int = 40,
    train_steps: int = 40,
    learning_rate: float = 0.2,
    gamma: float = 0.1,
    gamma_every: int = 3,
    clip_weight: float = 3.0,
    l1_weight: float = 0.0,
    batch_size: int = 1,
    steps: int | None = None,
    operations: float | None = None,
    seed: int = 0,
    precision: str = "auto",
    progress: bool = True,
) -> Asyrp:
    """Train a block so that images of the model's own domain are denoised into a target domain.

        loss = clip_weight * -log(1 - L_direction(P, x) / 2) + l1_weight * |P - P_unshifted|

    with ``P`` the image predicted at a level: one descent step at each level of the edited walk, none through the walk.
    The defaults are those of the released code, but for ``train_steps``, there 6. Its scripts take 50, a rate of 0.5,
    and weights of 1 and of 3 times the similarity of two texts.

    Parameters
    ----------
    model, sources, targets, direction, embed, inversion_steps, clip_weight, l1_weight
        As in `diffusion_clip`.
    batch_size, steps, operations, precision, progress
        As in `fine_tune`.
    interval, train_steps : Interval, int
        Where to edit, and the DDIM steps of the whole walk down, of which those above ``t_edit`` are trained on.
    learning_rate, gamma, gamma_every : float, float, int
        Of SGD, and the factor on it after every ``gamma_every`` passes over the sources.
    seed : int
        Of the block's first weights.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        As in `diffusion_clip`.
    """
    check_model("model", model)
    check_images("sources", sources, model.image_shape)
    network = network_to_tune(model, learning_rate, batch_size, 1, steps, operations)
    interval, block = interval or Interval(), new_block(network, seed)
    embed = scorer_embedding(device=model.device) if embed is None else embed
    direction = wanted_direction(embed, sources, targets, direction)
    eps, edited = _predictions(model, block, precision)
    levels = ood.generation_levels(model.alphas_cumprod, interval.t, train_steps)
    levels = levels[: 1 + sum(level.t >= interval.t_edit for level in levels)]  # up to where the last shifted step ends
    latents = ood.invert(model, sources, t=interval.t, steps=inversion_steps, precision=precision, progress=progress)

    def losses() -> Iterator[torch.Tensor]:
        """The loss at each level of each batch's walk, again and again; the walk goes on where the block leads it."""
        start = 0
        while True:
            chosen = torch.arange(start, start + batch_size) % len(sources)
            start += batch_size
            x_source, z = sources[chosen].to(model.device), latents[chosen].to(model.device)
            y = plain = z / levels[0].scale
            for here, there in pairwise(levels):
                noise, seen = eps(y, here), y - here.sigma * edited(y, here)
                loss = clip_weight * -(1 - direction_loss(embed, seen, x_source, direction) / 2).log().mean()
                if l1_weight:  # the walk without shifts costs as much again
                    unshifted = eps(plain, here)
                    seen_plain = plain - here.sigma * unshifted
                    loss = loss + l1_weight * (seen - seen_plain).abs().mean()
                    plain = seen_plain + there.sigma * unshifted
                yield loss
                y = seen.detach() + there.sigma * noise

    found, optimizer = losses(), torch.optim.SGD(block.parameters(), lr=learning_rate)
    a_pass = -(-len(sources) // batch_size) * (len(levels) - 1)
    decay = torch.optim.lr_scheduler.StepLR(optimizer, gamma_every * a_pass, gamma)
    spent = descend("Asyrp", optimizer, lambda _: next(found), steps, operations, progress, decay)
    return Asyrp(model, block.eval().requires_grad_(False), interval, *spent)


@torch.no_grad()
def asyrp_denoise(
    asyrp: Asyrp,
    latents: torch.Tensor,
    *,
    steps: int = 40,
    generator: torch.Generator | None = None,
    precision: str = "auto",
    **settings: Any,
) -> torch.Tensor:
    """Denoise latents at ``asyrp.interval.t``, inverted by the frozen model, with the shifted bottleneck.

    Parameters and errors are those of `denoise`; the noise below ``t_boost`` is of a stream for each image, too.
    """
    model, interval = asyrp.model, asyrp.interval
    check_batch("latents", latents, model.image_shape)
    eps, edited = _predictions(model, asyrp.block, precision)
    streams, editing = iter(ood.image_streams(len(latents), generator, model.device)), asymmetric_ddim(edited)

    def step(_, y, here, there, mine):
        mine = mine or list(islice(streams, len(y)))  # the batch remembers its own
        boost = ood.ddim_eta(1.0, ood.noise_like(y, mine))
        rule = boost if here.t < interval.t_boost else editing if here.t >= interval.t_edit else ood.ddim
        return rule(eps, y, here, there, None)[0], mine

    return ood.denoise(model, latents, t=interval.t, steps=steps, solver=step, precision=precision, **settings)


def _predictions(model: ood.FrozenModel, block: nn.Module, precision: str) -> tuple[Callable, Callable]:
    """Return ``eps(y, level)`` of the frozen model, and the same with the shifted bottleneck, which gradients reach.

    Both compute in the same way, so that in any precision the block's shift is all that they differ by.
    """
    predict = predictor_of(model, ood.network_of(model), precision)

    def edited(y, level):
        with shifted(ood.network_of(model), block):
            return predict(y, level)

    return torch.no_grad()(predict), edited
