"""Asyrp (Kwon, Jeong & Uh 2023): leave the network frozen and shift its bottleneck.

A small block ``f(h, t)`` is added to the bottleneck features ``h``. The step is asymmetric: the predicted image comes
from the shifted noise, the direction back to noise from the original one,

    y' = (y - sigma eps(x | h + f)) + sigma' eps(x | h),

since with both shifted the change would nearly cancel. Above ``t_edit`` the walk is edited, between ``t_edit`` and
``t_boost`` it is DDIM's own, and below ``t_boost`` fresh noise (eta = 1) restores the detail.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm

from .. import (
    FrozenModel,
    NetworkPredictor,
    choose_batch_size,
    ddim,
    ddim_eta,
    fingerprint,
    generation_levels,
    image_streams,
    invert,
    network_dtype,
    noise_like,
    spend,
    walk,
)
from ..checks import check_batch, check_images, check_integer, check_number
from .diffusionclip import wanted_direction
from .embedding import Embedding, direction_loss, scorer_embedding
from .tuning import Budget, descend

WEIGHTS, RECORD = "block.safetensors", "asyrp.json"


@dataclass(frozen=True)
class Interval:
    """Where the walk is edited, and where it is noisy.

    Attributes
    ----------
    t : int
        Timestep of the latents.
    t_edit : int
        Lowest timestep at which the bottleneck is shifted.
    t_boost : int
        Highest timestep from which a step adds fresh noise.

    The defaults are those of the released code for dogs at 256 x 256, where a perceptual distance chose them and a
    text's similarity scales the second.

    Raises
    ------
    ValueError
        Unless ``t > t_edit >= t_boost >= 0``.
    """

    t: int = 999
    t_edit: int = 482
    t_boost: int = 167

    def __post_init__(self):
        if not self.t > self.t_edit >= self.t_boost >= 0:
            raise ValueError(f"interval: got {self}, expected t > t_edit >= t_boost >= 0")


class BottleneckBlock(nn.Module):
    """Two 1 x 1 convolutions with the time embedding between them: ``(B, c, h, w)`` and ``(B, e)`` to ``(B, c, h, w)``.

    Parameters
    ----------
    channels, embedding : int
        Of the bottleneck features and of the time embedding.
    """

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
    """A frozen model with a trained block beside it.

    Attributes
    ----------
    model : FrozenModel
        As it was.
    block : BottleneckBlock
    interval : Interval
    losses : tuple of float
        One for each step of the descent.
    seconds, operations : float
        Of the descent alone.
    settings : dict
    """

    model: FrozenModel
    block: BottleneckBlock = field(repr=False)
    interval: Interval = field(default_factory=Interval)
    losses: tuple[float, ...] = field(default=(), repr=False)
    seconds: float = 0.0
    operations: float = 0.0
    settings: dict = field(default_factory=dict, repr=False)

    def save(self, folder: str | os.PathLike) -> Path:
        """Write the block and its record; the model's weights are not part of it, their hash is."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({key: value.cpu().contiguous() for key, value in self.block.state_dict().items()}, folder / WEIGHTS)
        record = {
            "weights": fingerprint(self.model),
            "interval": asdict(self.interval),
            "losses": self.losses,
            "seconds": self.seconds,
            "operations": self.operations,
            "settings": self.settings,
        }
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        return folder


def load_asyrp(model: FrozenModel, folder: str | os.PathLike) -> Asyrp:
    """Return a saved block beside the model that it was trained for.

    Raises
    ------
    FileNotFoundError
        If the folder holds none.
    ValueError
        If it was trained for another model.
    """
    folder = Path(folder)
    for name in (WEIGHTS, RECORD):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"folder: {folder} holds no {name}, expected what Asyrp.save writes")
    record = json.loads((folder / RECORD).read_text())
    if record["weights"] != fingerprint(model):
        raise ValueError(f"model: got {model.name!r}, expected the one that the block in {folder} was trained for")
    block = new_block(model)
    block.load_state_dict(load_file(folder / WEIGHTS))
    block.eval().requires_grad_(False)
    kept = {key: record[key] for key in ("seconds", "operations", "settings")}
    return Asyrp(model, block, Interval(**record["interval"]), tuple(record["losses"]), **kept)


def new_block(model: FrozenModel, seed: int = 0) -> BottleneckBlock:
    """Return an untrained block that fits a model's bottleneck.

    Raises
    ------
    TypeError
        If the model is a closed form.
    """
    if not isinstance(model.predictor, NetworkPredictor):
        raise TypeError(f"model: got {model.name!r}, which has no bottleneck, expected one that load_model returned")
    widths = model.predictor.network.config.block_out_channels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BottleneckBlock(widths[-1], 4 * widths[0]).to(model.device)


@contextmanager
def shifted(network: nn.Module, block: nn.Module) -> Iterator[None]:
    """Within this context the network's bottleneck features ``h`` become ``h + block(h, time embedding)``."""

    def shift(_, inputs, h):
        return h + block(h, inputs[1])

    handle = network.mid_block.register_forward_hook(shift)
    try:
        yield
    finally:
        handle.remove()


def asymmetric_ddim(edited: Callable):
    """Return the asymmetric step: ``edited(y, level)`` predicts the image, ``eps(y, level)`` leads back to noise."""

    def step(eps, y, here, there, memory):
        return y - here.sigma * edited(y, here) + there.sigma * eps(y, here), None

    return step


def train_asyrp(
    model: FrozenModel,
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
    watch: Callable[[int, Asyrp], None] | None = None,
    watch_every: int = 100,
    progress: bool = True,
) -> Asyrp:
    """Train a block so that images of the model's own domain are denoised into a target domain.

        loss = clip_weight * -log(1 - L_direction(P, x) / 2) + l1_weight * |P - P_unshifted|

    with ``P`` the image predicted at a level, one descent step at each level of the edited walk, none of them through
    the walk. The defaults are those of the released code, but for ``train_steps``, there 6. Its scripts take 50, a rate
    of 0.5, and weights of 1 and of 3 times the similarity of two texts. The direction is, as in `diffusion_clip`, one
    between means of images.

    Parameters
    ----------
    model : FrozenModel
        It stays as it is.
    sources, targets, direction, embed, inversion_steps, precision, progress
        As in `diffusion_clip`.
    interval : Interval, optional
    train_steps : int
        DDIM steps of the whole walk down, of which those above ``t_edit`` are trained on.
    learning_rate, gamma, gamma_every : float, float, int
        Of SGD, and the factor on it after every ``gamma_every`` passes over the sources.
    clip_weight, l1_weight : float
        Weights of the losses.
    batch_size : int
        Images a step.
    steps, operations : int, float, optional
        Budget: at least one of them. The inversion of the sources is not part of it.
    seed : int
        Of the block's first weights.
    watch, watch_every
        Called with the steps done and the block as it is then.

    Returns
    -------
    Asyrp

    Raises
    ------
    TypeError, ValueError
        As from `diffusion_clip`.
    FloatingPointError
        If the descent diverges.
    """
    check_images("sources", sources, model.image_shape)
    check_number("learning_rate", learning_rate, 0, strict=True)
    check_integer("batch_size", batch_size, 1)
    check_integer("watch_every", watch_every, 1)
    interval, budget, block = interval or Interval(), Budget(steps, operations), new_block(model, seed)
    embed = scorer_embedding(device=model.device) if embed is None else embed
    direction = wanted_direction(embed, sources, targets, direction)
    eps, edited = _predictions(model, block, precision)
    levels = _edited(generation_levels(model.alphas_cumprod, interval.t, train_steps), interval)
    latents = invert(model, sources, t=interval.t, steps=inversion_steps, precision=precision, progress=progress)

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

    def after(done: int) -> None:
        if done and done % (gamma_every * passes) == 0:
            decay.step()
        if watch is not None and done % watch_every == 0:
            watch(done, Asyrp(model, block, interval))

    optimizer = torch.optim.SGD(block.parameters(), lr=learning_rate)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    passes = -(-len(sources) // batch_size) * (len(levels) - 1)
    after(0)
    found = losses()
    descent = descend(
        block.parameters(), optimizer, lambda _: next(found), budget, label="Asyrp", progress=progress, after=after
    )
    settings = {
        "method": "Asyrp",
        "inversion_steps": inversion_steps,
        "train_steps": train_steps,
        "learning_rate": learning_rate,
        "gamma": gamma,
        "gamma_every": gamma_every,
        "clip_weight": clip_weight,
        "l1_weight": l1_weight,
        "batch_size": batch_size,
        "images": len(sources),
        "seed": seed,
    }
    return Asyrp(model, block.eval().requires_grad_(False), interval, settings=settings, **vars(descent))


@torch.no_grad()
def asyrp_denoise(
    asyrp: Asyrp,
    latents: torch.Tensor,
    *,
    steps: int = 40,
    generator: torch.Generator | None = None,
    batch_size: int | None = None,
    precision: str = "auto",
    progress: bool = True,
) -> torch.Tensor:
    """Denoise latents at ``asyrp.interval.t`` with the shifted bottleneck.

    Parameters
    ----------
    asyrp : Asyrp
    latents : Tensor
        ``(n, C, H, W)``, inverted by the frozen model.
    steps, generator, batch_size, precision, progress
        As in `denoise`; the noise below ``t_boost`` is of a stream for each image, too.

    Returns
    -------
    Tensor
        Images ``(n, C, H, W)``.
    """
    model, interval = asyrp.model, asyrp.interval
    check_batch("latents", latents, model.image_shape)
    levels = generation_levels(model.alphas_cumprod, interval.t, steps)
    eps, edited = _predictions(model, asyrp.block, precision)
    size = choose_batch_size(model, batch_size, network_dtype(model, precision))
    images, streams = [], image_streams(len(latents), generator, model.device)
    for part in tqdm(latents.split(size), "Asyrp", disable=not progress, leave=False, file=sys.stderr):
        mine, streams = streams[: len(part)], streams[len(part) :]
        boost = ddim_eta(1.0, noise_like(part, mine))

        def step(eps, y, here, there, memory, boost=boost):
            rule = asymmetric_ddim(edited) if here.t >= interval.t_edit else ddim
            rule = boost if here.t < interval.t_boost else rule
            return rule(eps, y, here, there, memory)

        *_, y = walk(eps, part.to(model.device) / levels[0].scale, levels, step)
        images.append(y.to(latents.device))
    return torch.cat(images)


def _edited(levels, interval: Interval):
    """The levels that the shifted steps start from, and the one where the last of them ends."""
    count = sum(level.t >= interval.t_edit for level in levels)
    return levels[: count + 1]


def _predictions(model: FrozenModel, block: nn.Module, precision: str):
    """Return ``eps(y, level)`` of the frozen model, and the same with the shifted bottleneck, which gradients reach."""
    network, channels = model.predictor.network, model.image_shape[0]
    dtype = network_dtype(model, precision) or torch.float32

    as_is = None if dtype == torch.float32 else dtype  # both by one layout of the weights, which rounds alike

    def eps(y, level):
        return model.predict(y * level.scale, torch.full((len(y),), level.t, dtype=torch.float64), as_is)

    def edited(y, level):
        label = torch.full((len(y),), max(level.t, 0.0), device=y.device)
        spend(len(y) * model.operations)  # the block's own are few
        with shifted(network, block), torch.autocast(y.device.type, dtype, enabled=dtype != torch.float32):
            return network(y * level.scale, label).sample[:, :channels].float()

    return eps, edited
