"""Vanilla fine-tuning: go on training the model on the images of the new domain, then sample anew."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .. import FrozenModel, network_dtype
from ..checks import check_choice, check_images, check_integer, check_number
from ..training import LOSSES, noised, training_loss
from .tuning import Budget, Tuned, descend, frozen_again, trainable_copy


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

    Afterwards `fresh_images` generates with it. The paper tunes with Adam, a rate of 1e-5 and for about 20 passes over
    1,000 images; its released code takes four images a step, and the ``simple`` loss even where the network has learned
    variances, whose part is then never trained.

    Parameters
    ----------
    model : FrozenModel
        It stays as it is.
    images : Tensor
        ``(n, C, H, W)`` in ``[-1, 1]``.
    loss : {"simple", "vlb", "hybrid"}
        The error of the noise, the full variational bound, or both, which takes learned variances
        (`kernels.losses`). Terms of the bound differ by orders of magnitude, so ``vlb`` is the noisiest by far.
    learning_rate : float
        Of Adam.
    batch_size : int
        Images a step; timesteps are drawn in pairs ``t, T - 1 - t``.
    steps, operations : int, float, optional
        Budget: at least one of them.
    seed : int
        Draws images, timesteps and noise; step ``k`` depends on ``(seed, k)`` alone.
    precision : {"auto", "float32", "bfloat16"}
        In which the network computes; weights, loss and optimizer stay in float32.
    watch : callable, optional
        Called with the steps done and the model as it is then, before the first step and after every ``watch_every``.
    watch_every : int
    progress : bool
        Show a bar.

    Returns
    -------
    Tuned

    Raises
    ------
    TypeError, ValueError
        For a model without a network, images of another shape or range, an unknown loss, or no budget.
    FloatingPointError
        If the descent diverges.
    """
    check_images("images", images, model.image_shape)
    check_choice("loss", loss, LOSSES)
    check_number("learning_rate", learning_rate, 0, strict=True)
    check_integer("batch_size", batch_size, 1)
    check_integer("watch_every", watch_every, 1)
    budget, network = Budget(steps, operations), trainable_copy(model)
    dtype = network_dtype(model, precision) or torch.float32
    table = model.alphas_cumprod.to(model.device)
    if loss == "hybrid" and network.config.out_channels == network.config.in_channels:
        raise ValueError(f"loss: got 'hybrid' for {model.name!r} without learned variances, expected 'simple' or 'vlb'")

    def loss_at(step: int) -> torch.Tensor:
        x, eps, t = (part.to(model.device) for part in batch_at(step, images, len(table), batch_size, seed))
        with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
            output = network(noised(x, eps, t, table), t).sample
        return training_loss(loss, output.float(), x, eps, t, table)

    def after(done: int) -> None:
        if watch is not None and done % watch_every == 0:
            watch(done, frozen_again(model, network, name))

    name = f"{model.name} tuned"
    after(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    descent = descend(
        network.parameters(), optimizer, loss_at, budget, label="fine-tune", progress=progress, after=after
    )
    settings = {
        "method": "vanilla",
        "loss": loss,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "images": len(images),
        "seed": seed,
    }
    return Tuned(frozen_again(model, network, name), settings=settings, **vars(descent))


def batch_at(step: int, images: torch.Tensor, length: int, batch_size: int, seed: int):
    """Return images, noise and antithetic timesteps of one step, a function of ``(seed, step)``."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    chosen = torch.randint(len(images), (batch_size,), generator=generator)
    early = torch.randint(length, ((batch_size + 1) // 2,), generator=generator)
    t = torch.cat([early, length - 1 - early])[:batch_size]
    eps = torch.randn((batch_size, *images.shape[1:]), generator=generator)
    return images[chosen.to(images.device)].float(), eps, t
