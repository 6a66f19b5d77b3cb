"""The walk between images and latents along the probability-flow ODE ``dy / dsigma = eps``, in both directions.

A batch goes through *levels*, ascending to invert and descending to generate (`ood_helpers.kernels.levels`), from each
to the next by a *step rule* (`ood_helpers.kernels.steps`), given as such or by its name in `SOLVERS`.
"""

from __future__ import annotations

import reprlib
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
from tqdm import tqdm

from ..checks import check_batch, check_choice, check_floats, check_images, check_integer, check_model, check_number
from ..models.frozen import FrozenModel
from ..models.schedules import alphas_cumprod, timestep_at
from . import steps as rules
from .levels import Grid, Level, generation_levels, inversion_levels
from .runtime import choose_batch_size, network_dtype, sent
from .steps import Eps, Rule

Solver = str | Rule
START = float(alphas_cumprod("linear")[800])  # of fresh images
EXPLICIT: dict[str, Rule] = {k: getattr(rules, k) for k in ("ddim", "ab2", "heun", "dpm2m", "unipc", "belm")}
SOLVERS = ("ddim", "ddim-fixed-point", "ab2", "heun", "dpm2m", "unipc", "belm")


def walk(eps: Eps, y: torch.Tensor, levels: Sequence[Level], step: Rule, memory: Any = None) -> Iterator[torch.Tensor]:
    """Carry ``y`` through ``levels`` by a step rule and yield the state at each, the start included."""
    yield y
    for here, there in pairwise(levels):
        y, memory = step(eps, y, here, there, memory)
        yield y


def path(
    model: FrozenModel,
    x: torch.Tensor,
    levels: Sequence[Level],
    solver: Solver = "ddim",
    *,
    precision: str = "auto",
) -> Iterator[tuple[Level, torch.Tensor]]:
    """Walk one batch ``x``, ``(n, C, H, W)`` at ``levels[0]``, and yield ``(level, x)`` at each; else as `invert`."""
    rule, dtype = _watched(model, x, levels, solver, precision)
    return ((level, state.to(x.device)) for level, state in _path(model, x, levels, rule, dtype))


def predicted_images(
    model: FrozenModel,
    x: torch.Tensor,
    levels: Sequence[Level],
    solver: Solver = "ddim",
    *,
    precision: str = "auto",
) -> Iterator[tuple[Level, torch.Tensor]]:
    """Walk as `path` does and yield ``(level, image)``: the clean image ``y - sigma eps(x_t, t)`` predicted there."""
    rule, dtype = _watched(model, x, levels, solver, precision)
    found = _predicted(_eps_of(model, dtype), x.to(model.device) / levels[0].scale, levels, rule)
    return ((level, image.to(x.device)) for level, image in found)


def reversible_walk(
    model: FrozenModel,
    x: torch.Tensor | Sequence[torch.Tensor],
    levels: Sequence[Level],
    *,
    rule: Rule = rules.belm,
    precision: str = "auto",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Walk one batch by `belm` and keep both of its states: with them the way back is exact, but for rounding.

    Parameters
    ----------
    model, precision
        As in `invert`.
    x : Tensor or pair of Tensor
        ``(n, C, H, W)`` at ``levels[0]``, or the two states at ``levels[0]`` and ``levels[1]``.
    levels : sequence of Level
        Two at least, up or down.
    rule : step rule
        `belm`, or ``functools.partial(belm, power=1)``, whose latents on the way up are far better.

    Returns
    -------
    tuple of Tensor
        The states at ``levels[-1]`` and ``levels[-2]``: where the same walk along ``levels[::-1]`` starts.

    Examples
    --------
    >>> pair = reversible_walk(model, images, levels)
    >>> images, _ = reversible_walk(model, pair, levels[::-1])
    """
    pair = tuple(x) if isinstance(x, Sequence) else (x,)
    dtypes = [_watched(model, state, levels, rule, precision)[1] for state in pair]
    if len(pair) not in (1, 2) or len(levels) < 2 or pair[0].shape != pair[-1].shape:
        told = f"got {len(pair)} states and {len(levels)} levels, expected one state or two alike, and at least two"
        raise ValueError(f"x, levels: {told} levels")
    eps = _eps_of(model, dtypes[0])
    start, *known = (state.to(model.device) / level.scale for state, level in zip(pair, levels, strict=False))
    second = known[0] if known else rule(eps, start, *levels[:2], None)[0]
    states = deque([start], maxlen=2)
    states.extend(walk(eps, second, levels[1:], rule, (start, levels[0])))
    before, last = states
    return (last * levels[-1].scale).to(pair[0].device), (before * levels[-2].scale).to(pair[0].device)


def _watched(model, x, levels, solver, precision) -> tuple[Rule, torch.dtype | None]:
    check_model("model", model)
    check_batch("x", x, model.image_shape)
    if not isinstance(levels, Sequence) or not levels or not all(isinstance(level, Level) for level in levels):
        raise TypeError(f"levels: got {reprlib.repr(levels)}, expected some, such as inversion_levels returns")
    return _rule(solver, levels), network_dtype(model, precision)


def _path(model, x, levels, rule, dtype):
    eps, start = _eps_of(model, dtype), x.to(model.device) / levels[0].scale
    for level, y in zip(levels, walk(eps, start, levels, rule), strict=True):
        yield level, y * level.scale


def _predicted(eps, y, levels, rule):
    seen: dict[Level, torch.Tensor] = {}
    memory = None

    def watched(y, level):
        slope = eps(y, level)
        seen[level] = y - level.sigma * slope  # the last one at a level is that of the state itself
        return slope

    for here, there in pairwise(levels):
        seen.clear()
        start, (y, memory) = y, rule(watched, y, here, there, memory)
        if here not in seen:  # an implicit rule asks where it arrives, not where it starts
            watched(start, here)
        yield here, seen[here]
    yield levels[-1], y - levels[-1].sigma * eps(y, levels[-1]) if levels[-1].sigma else y


def _eps_of(model, dtype) -> Eps:
    def eps(y, level):
        # made where it is needed: a copy from the host would be waited for
        t = torch.full((len(y),), level.t, dtype=torch.promote_types(y.dtype, torch.float32), device=y.device)
        return model.predict(y * level.scale, t, dtype)

    return eps


def _rule(solver: Solver, levels: Sequence[Level], **options: Any) -> Rule:
    """The step rule of a solver; down, the fixed point's is the step that it inverts."""
    if callable(solver):
        return solver
    check_choice("solver", solver, SOLVERS)
    if solver in EXPLICIT or levels[0].sigma > levels[-1].sigma:
        return EXPLICIT.get(solver, rules.ddim)
    return rules.ddim_fixed_point(**options)


def invert(
    model: FrozenModel,
    images: torch.Tensor,
    *,
    t: int | None = None,
    steps: int | None = None,
    solver: Solver = "ddim",
    grid: Grid | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 30,
    forward_steps: int = 0,
    generator: torch.Generator | None = None,
    progress: bool = True,
    batch_size: int | None = None,
    precision: str = "auto",
) -> torch.Tensor:
    """Invert images to their latents at step ``t``: the deterministic walk of Sec. C.1 run backward.

    Raises TypeError or ValueError for bad arguments, FloatingPointError if the network gives NaN or infinity.

    Parameters
    ----------
    model, images : FrozenModel, Tensor
        Any domain's model; images, floating ``(n, C, H, W)`` in ``[-1, 1]``.
    t, steps : int, optional
        Timestep of the latents, ``0 <= t < T``, by default 800, as the paper advises (Sec. E.2.1), and intervals of the
        walk, ``1 <= steps <= t + 1``, by default 50.
    solver : {"ddim", "ddim-fixed-point", "ab2", "heun", "dpm2m", "unipc", "belm"} or step rule
        ``ddim`` is the paper's: Euler's rule, one evaluation a step. ``ddim-fixed-point`` solves for the latent that
        the DDIM steps of `denoise` lead back from, to ``tolerance``. ``ab2``, ``heun`` and ``dpm2m`` are of second
        order, ``unipc`` of third: of these the nearest latents for the same evaluations. ``belm`` is made for the way
        down: up, it needs `reversible_walk`, which keeps its second state, for a copy, and its latents are poor.
    grid : {"uniform", "log-snr", "official"} or sequence of float, optional
        Where the levels lie (`inversion_levels`); ``log-snr`` for ``dpm2m``, ``unipc`` and ``belm``, else ``uniform``.
    tolerance, max_iterations : float, int
        For ``ddim-fixed-point``: change of a pixel below which an image's iteration ends, and how often at most.
    forward_steps, generator : int, torch.Generator
        So many first steps are replaced by one draw of ``q(x_s | x_0)`` where they end, so that less of the image shows
        in the latent [Staniszewski et al. 2024]; with all of them, the latent is such a draw. The generator, by default
        torch's global one, seeds a stream for each image.
    progress, batch_size : bool, int
        Show a bar; images at a time, by default what suits the machine. Results depend on it by rounding alone.
    precision : {"auto", "float32", "bfloat16", "float16"}
        In which the network runs (`network_dtype`); the state keeps the dtype of ``images``, at least float32.

    Returns
    -------
    Tensor
        Latents ``x_t``, in the shape, dtype and device of ``images``.
    """
    check_model("model", model)
    check_images("images", images, model.image_shape)
    check_number("tolerance", tolerance, 0, strict=True)
    check_integer("max_iterations", max_iterations, 1)
    levels = inversion_levels(model.alphas_cumprod, t, steps, _grid_of(solver, grid))
    rule = _rule(solver, levels, tolerance=tolerance, max_iterations=max_iterations)
    drawn = check_integer("forward_steps", forward_steps, 0, len(levels) - 1)
    streams = image_streams(len(images), generator, model.device) if drawn else []

    def rule_for(batch, start):
        noise = noise_like(batch, streams[start : start + len(batch)])
        return rules.diffused(rule, levels[0], noise) if drawn else rule

    walked = levels[:1] + levels[max(1, drawn) :]
    return _carry(model, images, walked, rule_for, "invert", progress, batch_size, precision)


def denoise(
    model: FrozenModel,
    latents: torch.Tensor,
    *,
    t: int | None = None,
    steps: int | None = None,
    solver: Solver = "ddim",
    grid: Grid | None = None,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    progress: bool = True,
    batch_size: int | None = None,
    precision: str = "auto",
) -> torch.Tensor:
    """Denoise latents at step ``t`` into images, along the same levels that `invert` climbs.

    Parameters
    ----------
    latents : Tensor
        Floating ``(n, C, H, W)``: ``x_t`` at timestep ``t``.
    model, t, steps, solver, grid, progress, batch_size, precision
        As in `invert`. ``ddim-fixed-point`` goes down by the plain DDIM step. ``unipc`` is made for the way up: down,
        it takes more steps than ``dpm2m`` where latents have too little variance.
    eta : float
        Stochasticity in ``[0, 1]``, for ``ddim`` alone: 0 is none, 1 is DDPM's ancestral sampling (Sec. E.2.1).
    generator : torch.Generator, optional
        Source of the noise for ``eta > 0``, by default torch's global one; each image gets a stream of its own.

    Returns
    -------
    Tensor
        Images in the shape, dtype and device of ``latents``, not clipped: a few values lie outside ``[-1, 1]``.

    Examples
    --------
    >>> latents = invert(model, images, t=800, steps=50)
    >>> copies = denoise(model, latents, t=800, steps=50)
    """
    check_model("model", model)
    check_batch("latents", latents, model.image_shape)
    levels = generation_levels(model.alphas_cumprod, t, steps, _grid_of(solver, grid))
    rule, noisy = _rule(solver, levels), check_number("eta", eta, 0, 1) > 0
    if noisy and solver != "ddim":
        told = f"got {eta:g} with solver {solver!r}, which is deterministic"
        raise ValueError(f"eta: {told}; expected eta=0 or solver='ddim'")
    streams = image_streams(len(latents), generator, model.device) if noisy else []

    def rule_for(batch, start):
        return rules.ddim_eta(eta, noise_like(batch, streams[start : start + len(batch)])) if noisy else rule

    return _carry(model, latents, levels, rule_for, "denoise", progress, batch_size, precision)


def fresh_images(
    model: FrozenModel,
    n: int,
    *,
    t: int | None = None,
    steps: int = 100,
    solver: Solver = "ddim",
    eta: float = 1.0,
    colors: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
    **settings: Any,
) -> torch.Tensor:
    """Generate images of the training domain: denoise draws of ``N(0, I)``, by default with DDPM's fresh noise.

    A small network with group normalization does not see the mean color of noise, and the walk keeps it: random, with
    standard deviation ``sigma_t / sqrt(H W)``, 0.4 at the linear schedule's ``t = 800`` but 2.5 at its end. Nor does
    tuning teach such a network the colors of another domain; ``colors`` puts them into the starts.

    Parameters
    ----------
    model, steps, solver, eta, generator, **settings
        As in `denoise`; the generator draws the starts, too.
    n : int
        How many: float32 ``(n, C, H, W)``, not clipped.
    t : int, optional
        Where to start; by default the timestep with the noise of the linear schedule's 800, or the noisiest there is.
    colors : Tensor, optional
        Mean colors ``(n, C)`` of images: each start gets ``sqrt(a_t)`` times one for its mean, without noise.
    """
    check_model("model", model)
    starts = torch.randn((check_integer("n", n, 1), *model.image_shape), generator=generator)
    start = round(timestep_at(model.alphas_cumprod, max(START, float(model.alphas_cumprod[-1]))))
    t = check_integer("t", start if t is None else t, 0, len(model.alphas_cumprod) - 1)
    if colors is not None:
        colors = check_floats("colors", colors).to(starts)
        if colors.shape != starts.shape[:2] or not torch.isfinite(colors).all():
            told = f"got shape {tuple(colors.shape)}, expected finite numbers {tuple(starts.shape[:2])}"
            raise ValueError(f"colors: {told}")
        own = starts.mean((2, 3), keepdim=True)
        starts = starts - own + float(model.alphas_cumprod[t]) ** 0.5 * colors[:, :, None, None]
    how = {"t": t, "steps": steps, "solver": solver, "eta": eta, "generator": generator}
    return denoise(model, starts.to(model.device), **{**how, **settings})


def _carry(model, x, levels, rule_for, label, progress, batch_size, precision) -> torch.Tensor:
    """Walk batches to the last level, each by ``rule_for(batch, first image)``; a GPU is waited for only at the end."""
    dtype = network_dtype(model, precision)
    size = choose_batch_size(model, batch_size, dtype)
    away = model.device.type == "cuda" and not x.is_cuda
    arrived, total = torch.empty_like(x, pin_memory=away), len(x) * (len(levels) - 1)
    # a plain text bar on stderr: it leaves no widget behind in a built page
    with tqdm(total=total, desc=label, unit="step", disable=not progress, leave=False, file=sys.stderr) as bar:
        for start in range(0, len(x), size):
            part = x[start : start + size]
            batch = sent(part, model.device).to(torch.promote_types(x.dtype, torch.float32))
            rule = rule_for(part, start)
            for number, (_, state) in enumerate(_path(model, batch, levels, rule, dtype)):  # noqa: B007
                bar.update(len(batch) * (number > 0))
            arrived[start : start + size].copy_(state, non_blocking=away)
    if away:
        torch.cuda.synchronize(model.device)
    if not torch.isfinite(arrived).all():
        lost = int((~torch.isfinite(arrived)).flatten(1).any(1).sum())
        told = f"{model.name!r} in {precision} led {lost} of {len(x)} images to NaN or infinity, expected finite values"
        raise FloatingPointError(f"model: {told}; a network that overflows in float16 may not in bfloat16 or float32")
    return arrived


def noise_like(batch: torch.Tensor, streams: list[torch.Generator]) -> Callable[[], torch.Tensor]:
    """Return what draws standard normal noise in the shape of a batch, each image's from its own stream."""
    return lambda: randn_tensor(batch.shape, streams, streams[0].device, batch.dtype)


def image_streams(n: int, generator: torch.Generator | None, device: torch.device) -> list[torch.Generator]:
    """Return one random stream per image, on the device where it is used; their seeds are drawn from one."""
    seeds = torch.randint(2**62, (n,), generator=generator, device=generator.device if generator else None)
    return [torch.Generator(device).manual_seed(seed) for seed in seeds.tolist()]


def _grid_of(solver: Solver, grid: Grid | None) -> Grid:
    own = "log-snr" if getattr(solver, "__name__", solver) in ("dpm2m", "unipc", "belm") else "uniform"
    return own if grid is None else grid
