"""Floating-point operations of networks: the currency in which chapters, tunings and trainings are paid.

As `torch.utils.flop_counter` counts: those of convolutions and matrix products, two for a product and its sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.func import functional_call
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.flop_counter import FlopCounterMode

_spent = 0.0
_counted: dict[tuple, float] = {}  # by a network's design


def operations() -> float:
    """Return how many operations the networks of this process have been asked for so far, backward passes included.

    Like `time.process_time`, only differences mean something. Frozen models, scorers and networks in training count.
    """
    return _spent


def spend(amount: float) -> None:
    """Add operations to those of this process."""
    global _spent
    _spent += amount


@dataclass
class Cost:
    """What the calls within `paid` or `measured_operations` cost."""

    total: float = 0.0


@contextmanager
def paid(amount: float) -> Iterator[Cost]:
    """Let the calls within cost a known amount, whatever they would count themselves."""
    global _spent
    before = _spent
    yield Cost(amount)
    _spent = before + amount


@contextmanager
def measured_operations() -> Iterator[Cost]:
    """Count every operation within, those of backward passes and of any network included.

    Too slow for whole walks. It leaves out the fused attention of a processor, two thousandths of an evaluation here.
    """
    global _spent
    before, cost = _spent, Cost()
    with FlopCounterMode(display=False) as counter:
        yield cost
    cost.total = float(counter.get_total_flops())
    _spent = before + cost.total


def evaluation_operations(network: torch.nn.Module, *inputs: torch.Tensor) -> float:
    """Return the operations of ``network(*inputs)``, of which only shapes and dtypes matter: nothing is computed."""
    return _on_meta(network, inputs, learns=False)


def gradient_operations(network: torch.nn.Module, *inputs: torch.Tensor) -> float:
    """Return the operations of ``network(*inputs).sample`` and of its gradients in all weights; as above."""
    return _on_meta(network, inputs, learns=True)


def _on_meta(network: torch.nn.Module, inputs: tuple[torch.Tensor, ...], learns: bool) -> float:
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes, given = {name: _shape_of(tensor) for name, tensor in state.items()}, tuple(map(_shape_of, inputs))
    config = getattr(network, "config", None)  # a network of diffusers costs what another one of its config does
    parts = tuple((x.shape, x.dtype, x.requires_grad) for x in (*shapes.values(), *given))
    design = (type(network), str(config), learns, parts)
    if config is None or design not in _counted:
        with _disable_current_modes(), torch.set_grad_enabled(learns):  # no counter around this one counts it
            with FlopCounterMode(display=False) as counter:
                output = functional_call(network, shapes, given)
                if learns:
                    output.sample.sum().backward()
        _counted[design] = float(counter.get_total_flops())
    return _counted[design]


def _shape_of(tensor: torch.Tensor) -> torch.Tensor:
    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return empty.requires_grad_(isinstance(tensor, torch.nn.Parameter) and tensor.requires_grad)
