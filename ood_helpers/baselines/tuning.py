"""What all tuning has in common: a network beside the frozen one that may change, and a descent within a budget."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import nn
from tqdm import tqdm

from .. import FrozenModel, Level, NetworkPredictor, measured_operations, network_dtype, network_of, paid, spend
from ..checks import check_integer, check_number


@dataclass(frozen=True, eq=False)
class Tuned:
    """A tuned copy of a model, with the loss of each step and the operations of the descent alone."""

    model: FrozenModel
    losses: tuple[float, ...] = field(repr=False)
    operations: float


def network_to_tune(model: FrozenModel, learning_rate, batch_size, watch_every, steps, operations) -> nn.Module:
    """Return a model's network, or raise TypeError or ValueError for what no tuning can start with."""
    check_number("learning_rate", learning_rate, 0, strict=True)
    check_integer("batch_size", batch_size, 1)
    check_integer("watch_every", watch_every, 1)
    if steps is None and operations is None:
        raise ValueError("steps, operations: got neither, expected at least one of them")
    if steps is not None:
        check_integer("steps", steps, 1)
    if operations is not None:
        check_number("operations", operations, 0, strict=True)
    network = network_of(model)
    if network is None:
        raise TypeError(f"model: got {model.name!r}, which has no network to tune, expected one that load_model gave")
    kind = getattr(model.predictor, "kind", "epsilon")
    if kind != "epsilon":
        raise ValueError(f"model: got {model.name!r}, whose network predicts {kind!r}; only 'epsilon' can be tuned")
    return network


def trainable(network: nn.Module) -> nn.Module:
    """Return a copy of a network in float32 that gradients reach."""
    return nn.Module.to(copy.deepcopy(network), torch.float32, memory_format=torch.channels_last).requires_grad_(True)


def frozen_again(model: FrozenModel, network: nn.Module, name: str) -> FrozenModel:
    """Return a model like ``model``, with another network of the same kind as it is now."""
    return replace(model, name=name, predictor=NetworkPredictor(copy.deepcopy(network), model.image_shape[0]))


def predictor_of(model: FrozenModel, network: nn.Module, precision: str) -> Callable:
    """Return ``eps(y, level)`` of a network like the model's, which gradients reach; its weights stay in float32."""
    channels, dtype = model.image_shape[0], network_dtype(model, precision) or torch.float32
    each = model.operations  # counted before a block may hang on the network

    def eps(y: torch.Tensor, level: Level) -> torch.Tensor:
        spend(len(y) * each)
        label = torch.full((len(y),), max(level.t, 0.0), device=y.device)
        with torch.autocast(y.device.type, dtype, enabled=dtype != torch.float32):
            return network((y * level.scale).float(), label).sample[:, :channels].float()

    return eps


def descend(
    label: str,
    optimizer: torch.optim.Optimizer,
    loss_at: Callable[[int], torch.Tensor],
    steps: int | None,
    operations: float | None,
    progress: bool,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    watch: tuple[Callable | None, int, Callable] | None = None,
) -> tuple[tuple[float, ...], float]:
    """Descend until the budget is spent; return the loss of each step, and the operations of all.

    Every step makes the same calls, so the operations of the first one are counted, and stand for all. The watcher of
    ``(watcher, every, now)`` is called at the start and after so many steps, with their number and ``now()``.
    A loss or a weight that is NaN or infinite ends in a FloatingPointError.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    losses: list[float] = []
    each, limit, budget = 0.0, steps or math.inf, operations or math.inf
    with tqdm(total=steps, desc=label, disable=not progress, leave=False, file=sys.stderr) as bar:
        while True:
            if watch and watch[0] and len(losses) % watch[1] == 0:
                watch[0](len(losses), watch[2]())
            if len(losses) >= limit or each * len(losses) >= budget:
                return tuple(losses), each * len(losses)
            optimizer.zero_grad(set_to_none=True)
            with paid(each) if each else measured_operations() as cost:
                loss = loss_at(len(losses))
                loss.backward()
            each = cost.total
            optimizer.step()
            if schedule is not None:
                schedule.step()
            size = nn.utils.get_total_norm([weight.detach() for weight in weights])
            value, size = torch.stack([loss.detach(), size]).cpu().tolist()  # a GPU is waited for here alone
            losses.append(value)
            if not math.isfinite(value + size):
                raise FloatingPointError(f"{label}: step {len(losses)} gave NaN or infinity; lower the learning rate")
            bar.update()
