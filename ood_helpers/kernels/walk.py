"""The walk between images and latents along the probability-flow ODE ``dy / dsigma = eps``, in both directions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from diffusers.utils.torch_utils import randn_tensor
from tqdm import tqdm

from ..checks import check_batch, check_choice, check_images, check_integer, check_model, check_number
from ..models.schedules import alphas_cumprod, timestep_at
from . import steps as rules
from .levels import Level, generation_levels, inversion_levels
from .runtime import choose_batch_size, network_dtype, sent

START = float(alphas_cumprod("linear")[800])  # of fresh images
SOLVERS = ("ddim", "ddim-fixed-point", "ab2", "heun", "dpm2m", "unipc")
EXPLICIT = {"ddim": rules.ddim, "ab2": rules.ab2, "heun": rules.heun, "dpm2m": rules.dpm2m, "unipc": rules.unipc}


def walk(eps, y: torch.Tensor, levels: Sequence[Level], step) -> Iterator[torch.Tensor]:
    """Carry ``y`` through ``levels`` and yield the state at each, the start included.

    Ascending levels invert an image, descending ones generate it: there is one walk.
    """
    yield y
    memory = None
    for here, there in pairwise(levels):
        y, memory = step(eps, y, here, there, memory)
        yield y


def path(
    model, x: torch.Tensor, levels: Sequence[Level], step=rules.ddim, *, precision: str = "auto"
) -> Iterator[tuple[Level, torch.Tensor]]:
    """Walk one batch and yield ``(level, x)`` at every level, for whoever wants to watch.

    Parameters
    ----------
    model : FrozenModel
    x : Tensor
        ``(n, C, H, W)`` at ``levels[0]``: images, if that is the clean image, else latents.
    levels : sequence of Level
        From `inversion_levels` or `generation_levels`.
    step : callable
        One of the step rules, such as `steps.ddim`.
    precision : {"auto", "float32", "bfloat16", "float16"}
        In which the network runs.
    """
    check_model("model", model)
    x = check_batch("x", x, model.image_shape)
    states = _path(model, x, levels, step, network_dtype(model, precision))
    return ((level, state.to(x.device)) for level, state in states)


def _path(model, x, levels, step, dtype):
    eps, start = _eps_of(model, dtype), x.to(model.device) / levels[0].scale
    for level, y in zip(levels, walk(eps, start, levels, step), strict=True):
        yield level, y * level.scale


def _eps_of(model, dtype):
    def eps(y, level):
        # made where it is needed: a copy from the host would be waited for
        t = torch.full((len(y),), level.t, dtype=torch.promote_types(y.dtype, torch.float32), device=y.device)
        return model.predict(y * level.scale, t, dtype)

    return eps


def predicted_images(
    model, x: torch.Tensor, levels: Sequence[Level], step=rules.ddim, *, precision: str = "auto"
) -> Iterator[tuple[Level, torch.Tensor]]:
    """Walk one batch and yield ``(level, image)``: where the model sees the walk heading, at every level.

    The clean image that it predicts is ``y - sigma eps(x_t, t)``, by the evaluation that the step makes anyway.

    Parameters
    ----------
    model, x, levels, step, precision
        As for `path`.
    """
    check_model("model", model)
    x = check_batch("x", x, model.image_shape)
    found = _predicted(_eps_of(model, network_dtype(model, precision)), x.to(model.device), levels, step)
    return ((level, image.to(x.device)) for level, image in found)


def _predicted(eps, x, levels, step):
    predicted = {}

    def watched(y, level):
        slope = eps(y, level)
        predicted[level] = y - level.sigma * slope  # the last one at a level is that of the state itself
        return slope

    def leaving(eps, y, here, there, memory):
        predicted.clear()
        found = step(watched, y, here, there, memory)
        if here not in predicted:  # an implicit rule asks where it arrives, not where it starts
            watched(y, here)
        return found

    states = walk(eps, x / levels[0].scale, levels, leaving)
    y = next(states)
    for level in levels[:-1]:
        y = next(states)
        yield level, predicted[level]
    yield levels[-1], y - levels[-1].sigma * eps(y, levels[-1]) if levels[-1].sigma else y


def invert(
    model,
    images: torch.Tensor,
    *,
    t: int = 800,
    steps: int = 50,
    solver: str = "ddim",
    grid: str | Sequence[float] | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 30,
    progress: bool = True,
    batch_size: int | None = None,
    precision: str = "auto",
) -> torch.Tensor:
    """Invert images to their latents at step ``t``: the deterministic walk of Sec. C.1 run backward.

    Parameters
    ----------
    model : FrozenModel
        Any domain's model; it is not changed.
    images : Tensor
        float32 or float64 ``(n, C, H, W)`` in ``[-1, 1]``.
    t : int
        Timestep of the latents, ``0 <= t < T``; the paper finds ``t`` near 800 reasonable (Sec. E.2.1).
    steps : int
        Intervals of the walk, ``1 <= steps <= t + 1``.
    solver : {"ddim", "ddim-fixed-point", "ab2", "heun", "dpm2m", "unipc"}
        ``ddim`` is the paper's: Euler's rule, one evaluation a step. ``ddim-fixed-point`` solves for the latent that
        the DDIM steps of `denoise` lead back from, to ``tolerance``. ``ab2``, ``heun`` and ``dpm2m`` are of second
        order, ``unipc`` of third: of these the nearest latents for the same evaluations.
    grid : {"uniform", "log-snr", "official"} or sequence of float, optional
        Where the levels lie (`inversion_levels`); by default ``log-snr`` for ``dpm2m`` and ``unipc``, and
        ``uniform`` for the others.
    tolerance, max_iterations : float, int
        For ``ddim-fixed-point``: largest change of a pixel at which an image's iteration ends, and how often to iterate
        at most.
    progress : bool
        Show a bar.
    batch_size : int, optional
        Images at a time; by default what suits the machine. Results do not depend on it beyond rounding.
    precision : {"auto", "float32", "bfloat16", "float16"}
        In which the network runs (`network_dtype`); the state keeps the dtype of ``images``, at least float32.

    Returns
    -------
    Tensor
        Latents ``x_t``, in the shape, dtype and device of ``images``.

    Raises
    ------
    TypeError, ValueError
        For images of another shape or range, NaN or infinity, a ``t`` outside the schedule or where almost nothing of
        the image is left, ``steps`` that do not fit, or an unknown solver, grid or precision.
    FloatingPointError
        If the network gives NaN or infinity.
    """
    check_model("model", model)
    check_images("images", images, model.image_shape)
    levels = inversion_levels(model.alphas_cumprod, t, steps, _grid_of(solver, grid))
    if solver == "ddim-fixed-point":
        step = rules.ddim_fixed_point(
            check_number("tolerance", tolerance, 0, strict=True), check_integer("max_iterations", max_iterations, 1)
        )
    else:
        step = EXPLICIT[solver]
    return _carry(model, images, levels, lambda start: step, "invert", progress, batch_size, precision)


def denoise(
    model,
    latents: torch.Tensor,
    *,
    t: int = 800,
    steps: int = 50,
    solver: str = "ddim",
    grid: str | Sequence[float] | None = None,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    progress: bool = True,
    batch_size: int | None = None,
    precision: str = "auto",
) -> torch.Tensor:
    """Denoise latents at step ``t`` into images, along the same levels that `invert` climbs.

    Parameters
    ----------
    model : FrozenModel
        The model that the latents come from.
    latents : Tensor
        float32 or float64 ``(n, C, H, W)``: ``x_t`` at timestep ``t``.
    t, steps, solver, grid
        As in `invert`. ``ddim-fixed-point`` goes down by the plain DDIM step, which it inverts. ``unipc`` is made for
        the way up: down, it takes more steps than ``dpm2m`` where latents have too little variance.
    eta : float
        Stochasticity in ``[0, 1]`` with ``ddim``: 0 is deterministic, 1 is DDPM's ancestral sampling (Sec. E.2.1).
    generator : torch.Generator, optional
        Source of the noise for ``eta > 0``, by default torch's global one. Each image gets a stream of its own, so a
        result does not depend on the batch size.
    progress, batch_size, precision
        As in `invert`.

    Returns
    -------
    Tensor
        Images in the shape, dtype and device of ``latents``. They are not clipped: a few values may lie a little
        outside ``[-1, 1]``.

    Raises
    ------
    TypeError, ValueError
        As in `invert`, and for ``eta`` outside ``[0, 1]`` or positive with a deterministic solver.

    Examples
    --------
    >>> latents = invert(model, images, t=800, steps=50)
    >>> copies = denoise(model, latents, t=800, steps=50)
    """
    check_model("model", model)
    check_batch("latents", latents, model.image_shape)
    levels = generation_levels(model.alphas_cumprod, t, steps, _grid_of(solver, grid))
    _check_eta(eta, solver)
    if eta == 0:
        rule = EXPLICIT["ddim" if solver == "ddim-fixed-point" else solver]
        return _carry(model, latents, levels, lambda start: rule, "denoise", progress, batch_size, precision)
    streams = image_streams(len(latents), generator, model.device)

    def stochastic(start):
        batch = latents[start : start + size]
        return rules.ddim_eta(eta, noise_like(batch, streams[start : start + size]))

    size = choose_batch_size(model, batch_size, network_dtype(model, precision))
    return _carry(model, latents, levels, stochastic, "denoise", progress, size, precision)


def fresh_images(
    model,
    n: int,
    *,
    t: int | None = None,
    steps: int = 100,
    solver: str = "ddim",
    eta: float = 1.0,
    colors: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
    **settings,
) -> torch.Tensor:
    """Generate images of the training domain: denoise draws of ``N(0, I)``, by default with DDPM's fresh noise.

    By default the walk starts where the linear schedule has its ``t = 800``, at ``sigma = 26``: a small network with
    group normalization does not see the mean color of noise, one of 4,096 numbers per channel. The walk then keeps that
    color, a random number with standard deviation ``sigma_t / sqrt(H W)`` for each channel: 0.4 there but 2.5, far
    outside ``[-1, 1]``, at ``t = 999``.
    For the same reason tuning does not teach such a network the colors of another domain; ``colors`` puts them into the
    starts, as inverted latents have them.

    Parameters
    ----------
    model : FrozenModel
    n : int
        Number of images.
    t : int, optional
        Where to start; by default the timestep with the noise of the linear schedule's 800, or the noisiest there is.
    steps, solver, eta, generator, **settings
        As in `denoise`; the generator draws the starts, too.
    colors : Tensor, optional
        Mean colors ``(n, C)`` of images: each start gets ``sqrt(a_t)`` times one for its mean, without noise.

    Returns
    -------
    Tensor
        float32 ``(n, C, H, W)``, a few values a little outside ``[-1, 1]``.
    """
    check_model("model", model)
    starts = torch.randn((check_integer("n", n, 1), *model.image_shape), generator=generator)
    if t is None:
        t = round(timestep_at(model.alphas_cumprod, max(START, float(model.alphas_cumprod[-1]))))
    if colors is not None:
        if colors.shape != starts.shape[:2]:
            raise ValueError(f"colors: got shape {tuple(colors.shape)}, expected {tuple(starts.shape[:2])}")
        own = starts.mean((2, 3), keepdim=True)
        starts = starts - own + float(model.alphas_cumprod[t]) ** 0.5 * colors.cpu()[:, :, None, None]
    walk = {"t": t, "steps": steps, "solver": solver, "eta": eta, "generator": generator}
    return denoise(model, starts.to(model.device), **walk, **settings)


def _carry(model, x, levels, step_for, label, progress, batch_size, precision) -> torch.Tensor:
    """Walk batch after batch to the last level; ``step_for(i)`` is the rule of the batch that starts at image ``i``.

    A GPU is waited for only at the end. Until then its work queues up, the next batch and its way back included.
    """
    dtype = network_dtype(model, precision)
    size = choose_batch_size(model, batch_size, dtype)
    away = model.device.type == "cuda" and not x.is_cuda
    arrived = torch.empty_like(x, pin_memory=away)
    # a plain text bar on stderr: it leaves no widget behind in a built page
    with tqdm(
        total=len(x) * (len(levels) - 1), desc=label, unit="step", disable=not progress, leave=False, file=sys.stderr
    ) as bar:
        for start in range(0, len(x), size):
            batch = sent(x[start : start + size], model.device)
            batch = batch.to(torch.promote_types(batch.dtype, torch.float32))
            for number, (_, state) in enumerate(_path(model, batch, levels, step_for(start), dtype)):  # noqa: B007
                bar.update(len(batch) * (number > 0))
            arrived[start : start + size].copy_(state, non_blocking=away)
    if away:
        torch.cuda.synchronize(model.device)
    if not torch.isfinite(arrived).all():
        lost = int((~torch.isfinite(arrived)).flatten(1).any(1).sum())
        raise FloatingPointError(
            f"model: {model.name!r} in {precision} led {lost} of {len(x)} images to NaN or infinity, expected finite "
            "values; a network that overflows in float16 may not in bfloat16 or float32"
        )
    return arrived


def noise_like(batch: torch.Tensor, streams: list[torch.Generator]) -> Callable[[], torch.Tensor]:
    """Return what draws standard normal noise in the shape of a batch, each image's from its own stream."""
    return lambda: randn_tensor(batch.shape, streams, streams[0].device, batch.dtype)


def image_streams(n: int, generator: torch.Generator | None, device: torch.device) -> list[torch.Generator]:
    """Return one random stream per image, on the device where it is used; their seeds are drawn from one."""
    seeds = torch.randint(2**62, (n,), generator=generator, device=generator.device if generator else None)
    return [torch.Generator(device).manual_seed(seed) for seed in seeds.tolist()]


def _grid_of(solver: str, grid):
    check_choice("solver", solver, SOLVERS)
    return grid if grid is not None else "log-snr" if solver in ("dpm2m", "unipc") else "uniform"


def _check_eta(eta: float, solver: str) -> None:
    if check_number("eta", eta, 0, 1) > 0 and solver != "ddim":
        raise ValueError(
            f"eta: got {eta:g} with solver {solver!r}, which is deterministic; expected eta=0 or solver='ddim'"
        )
