"""Vanilla fine-tuning: go on training the model on the images of the new domain, then sample anew."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .. import FrozenModel, network_dtype
from ..checks import check_choice, check_images, check_model
from ..training import LOSSES, noised, stream_of_step, training_loss
from .tuning import Tuned, descend, frozen_again, network_to_tune, trainable


def fine_tune(
    model: FrozenModel,
    images: torch.Tensor,
    *,
    loss: str = "simple",
    learning_rate: float = 1e-5,
    batch_size: int = 4,
    steps: int | None = None,
    operations: float | None = None,
    seed: int = 0,
    precision: str = "auto",
    watch: Callable[[int, FrozenModel], None] | None = None,
    watch_every: int = 50,
    progress: bool = True,
) -> Tuned:
    """Tune a copy of a model on images of another domain, by the loss that it was trained with (Sec. 3.1).

    Then `fresh_images` generates with it. The paper takes Adam, a rate of 1e-5 and about 20 passes over 1,000 images;
    its released code four images a step, and the ``simple`` loss even where variances are learned, and then stay.

    Parameters
    ----------
    model : FrozenModel
        It stays as it is.
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``.
    loss : {"simple", "vlb", "hybrid"}
        As in `training_loss`. Terms of the bound differ by orders of magnitude, so ``vlb`` is the noisiest by far.
    learning_rate, batch_size : float, int
        Of Adam, and images a step; timesteps are drawn in pairs ``t, T - 1 - t``.
    steps, operations : int, float, optional
        Budget: at least one of them; the step that exceeds it is finished.
    seed : int
        Draws images, timesteps and noise; step ``k`` depends on ``(seed, k)`` alone.
    precision : {"auto", "float32", "bfloat16"}
        In which the network computes, as in `invert`; weights, loss and optimizer stay in float32.
    watch, watch_every, progress : callable, int, bool
        Called with the steps done and the model as it is then, before the first step and after every ``watch_every``.

    Raises
    ------
    TypeError, ValueError
        For a model without a network, images of another shape or range, an unknown loss, or no budget.
    FloatingPointError
        If the descent diverges.
    """
    check_model("model", model)
    check_images("images", images, model.image_shape)
    check_choice("loss", loss, LOSSES)
    network = trainable(network_to_tune(model, learning_rate, batch_size, watch_every, steps, operations))
    if loss == "hybrid" and network.config.out_channels == network.config.in_channels:
        raise ValueError(f"loss: got 'hybrid' for {model.name!r} without learned variances, expected 'simple' or 'vlb'")
    dtype = network_dtype(model, precision) or torch.float32
    table = model.alphas_cumprod.to(model.device)

    def loss_at(step: int) -> torch.Tensor:
        x, eps, t = (part.to(model.device) for part in batch_at(step, images, len(table), batch_size, seed))
        with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
            output = network(noised(x, eps, t, table), t).sample
        return training_loss(loss, output.float(), x, eps, t, table)

    def now() -> FrozenModel:
        return frozen_again(model, network, f"{model.name} tuned")

    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    found = descend("fine-tune", optimizer, loss_at, steps, operations, progress, watch=(watch, watch_every, now))
    return Tuned(now(), *found)


def batch_at(step: int, images: torch.Tensor, length: int, batch_size: int, seed: int) -> tuple[torch.Tensor, ...]:
    """Return images, noise and antithetic timesteps of one step, a function of ``(seed, step)``."""
    generator = stream_of_step(seed, step)
    chosen = torch.randint(len(images), (batch_size,), generator=generator)
    early = torch.randint(length, ((batch_size + 1) // 2,), generator=generator)
    t = torch.cat([early, length - 1 - early])[:batch_size]
    eps = torch.randn((batch_size, *images.shape[1:]), generator=generator)
    return images[chosen.to(images.device)].float(), eps, t
