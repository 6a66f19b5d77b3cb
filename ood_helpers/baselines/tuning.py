"""What all tuning has in common: a copy that may change, a budget, a descent and its record.

The model that is given stays as it is: each method trains a copy of its network, or a small network beside it.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import torch
from tqdm import tqdm

from .. import FrozenModel, NetworkPredictor, measured_operations, paid
from ..checks import check_integer, check_number


@dataclass(frozen=True, eq=False)
class Tuned:
    """A tuned model and how it came about.

    Attributes
    ----------
    model : FrozenModel
        The tuned copy.
    losses : tuple of float
        One for each step.
    seconds, operations : float
        Of the descent alone.
    settings : dict
        What was asked for.
    """

    model: FrozenModel
    losses: tuple[float, ...] = field(repr=False)
    seconds: float
    operations: float
    settings: dict = field(repr=False)


@dataclass(frozen=True)
class Budget:
    """When a descent ends: after so many steps, or so many operations, whichever comes first.

    Raises
    ------
    ValueError
        If there is neither, or one is not positive.
    """

    steps: int | None = None
    operations: float | None = None

    def __post_init__(self):
        if self.steps is None and self.operations is None:
            raise ValueError("steps, operations: got neither, expected at least one of them")
        if self.steps is not None:
            check_integer("steps", self.steps, 1)
        if self.operations is not None:
            check_number("operations", self.operations, 0, strict=True)

    def spent(self, steps: int, operations: float) -> bool:
        """Whether so many steps of so many operations are enough."""
        return (self.steps is not None and steps >= self.steps) or (
            self.operations is not None and operations >= self.operations
        )


@dataclass(frozen=True)
class Descent:
    """What a descent left behind: the loss of each step, its seconds and its operations."""

    losses: tuple[float, ...] = field(repr=False)
    seconds: float
    operations: float


def trainable_copy(model: FrozenModel) -> torch.nn.Module:
    """Return a copy of a model's network in float32 that gradients reach.

    Raises
    ------
    TypeError
        If the model is a closed form.
    """
    if not isinstance(model.predictor, NetworkPredictor):
        raise TypeError(
            f"model: got {model.name!r}, which has no network to tune, expected one that load_model returned"
        )
    network = copy.deepcopy(model.predictor.network)
    return torch.nn.Module.to(network, torch.float32, memory_format=torch.channels_last).requires_grad_(True)


def frozen_again(model: FrozenModel, network: torch.nn.Module, name: str) -> FrozenModel:
    """Return a model like ``model``, with another network of the same kind."""
    return replace(model, name=name, predictor=NetworkPredictor(copy.deepcopy(network), model.image_shape[0]))


def descend(
    parameters: Iterable[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    loss_at: Callable[[int], torch.Tensor],
    budget: Budget,
    *,
    label: str,
    progress: bool = True,
    after: Callable[[int], None] | None = None,
) -> Descent:
    """Descend until the budget is spent.

    Every step makes the same calls, so the operations of the first one are counted, and stand for all.

    Parameters
    ----------
    parameters : iterable of Parameter
        What is to change; a gradient that is not finite in them ends the descent with an error.
    optimizer : Optimizer
        Over these parameters.
    loss_at : callable
        The loss of step ``k``, a scalar Tensor that depends on them.
    budget : Budget
    label : str
        Of the bar.
    progress : bool
    after : callable, optional
        Called with the number of steps done after each; its time does not count.

    Raises
    ------
    FloatingPointError
        If the loss or a gradient is NaN or infinite: the learning rate is too high.
    """
    parameters, losses, seconds, each = list(parameters), [], 0.0, 0.0
    with tqdm(total=budget.steps, desc=label, disable=not progress, leave=False, file=sys.stderr) as bar:
        while not budget.spent(len(losses), each * len(losses)):
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            with paid(each) if each else measured_operations() as cost:
                loss = loss_at(len(losses))
                loss.backward()
            each = cost.total
            optimizer.step()
            losses.append(loss.item())
            seconds += time.perf_counter() - start
            if not all(torch.isfinite(p).all() for p in (loss.detach(), *parameters)):
                raise FloatingPointError(f"{label}: step {len(losses)} gave NaN or infinity; lower the learning rate")
            bar.update()
            if after is not None:
                after(len(losses))
    return Descent(tuple(losses), seconds, each * len(losses))
