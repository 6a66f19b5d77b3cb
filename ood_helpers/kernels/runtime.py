"""How a walk runs on this machine: the network's precision and the batch size, chosen by measuring."""

from __future__ import annotations

import math
import time
from functools import cache

import torch

from ..checks import check_choice, check_integer

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
WORTHWHILE = 1.2  # a lower precision has to be this much faster ...
TOLERABLE = 0.02  # ... and may change eps by this much, relative and root-mean-square
CPU_PIXELS = 2**17  # per batch: 32 images at 64 x 64; more gains nothing on a few cores
GPU_SHARE = 0.8  # of the free memory that a batch may fill
GPU_PIXELS = 2**22  # per batch: 64 images at 256 x 256, with up to 256 channels below 2**31 elements


def network_dtype(model, precision: str) -> torch.dtype | None:
    """Return the dtype in which the network should run; None leaves it as it is.

    Parameters
    ----------
    model : FrozenModel
        A closed form has no network and always computes in the dtype of its input.
    precision : {"auto", "float32", "bfloat16", "float16"}
        ``auto`` measures once per model and process whether bfloat16 is at least 1.2 times faster than float32 here
        and changes eps by at most 2 %; only then it is used. The state of the walk is never lowered.

    Notes
    -----
    On a GPU, torch computes float32 convolutions in TF32, with the 10 bits of float16, unless told otherwise by
    ``torch.backends.cudnn.conv.fp32_precision = "ieee"`` (``torch.backends.cudnn.allow_tf32 = False`` before 2.9): set
    that for references. What rounding costs a round trip is measured by ``benchmarks/accuracy.py``: with ``toy-dog``
    and 40 steps of ``dpm2m``, bfloat16 moves the latents by 3 % and doubles the error in the image, 0.0008; float16
    moves them by 0.3 % and adds no error, but few processors are fast in it.
    """
    check_choice("precision", precision, ("auto", *PRECISIONS))
    if not hasattr(model.predictor, "network"):
        return None
    return (
        _measured_dtype(model.predictor, model.image_shape, model.device)
        if precision == "auto"
        else PRECISIONS[precision]
    )


@cache
def _measured_dtype(predictor, image_shape, device) -> torch.dtype:
    predictor = predictor.uncompiled()
    x = torch.randn((4, *image_shape), generator=torch.Generator().manual_seed(0)).to(device)
    t = torch.full((4,), 500.0, device=device)
    kinds = torch.float32, torch.bfloat16
    exact, rounded = (_timed(predictor, x, t, dtype)[0] for dtype in kinds)  # warms up
    error = ((rounded - exact).square().mean() / exact.square().mean()).sqrt()
    # by turns, and the shortest of each: a busy machine slows single calls
    slow, fast = (min(seconds) for seconds in zip(*_turns(predictor, x, t, kinds), strict=True))
    return torch.bfloat16 if slow > WORTHWHILE * fast and error < TOLERABLE else torch.float32


def _turns(predictor, x, t, kinds, rounds: int = 6):
    return [[_timed(predictor, x, t, dtype)[1] for dtype in kinds] for _ in range(rounds)]


@torch.no_grad()
def _timed(predictor, x, t, dtype):
    """Return the output and the seconds that one call takes."""
    clock = time.perf_counter if x.is_cuda else time.process_time
    start = clock()
    result = predictor(x, t, dtype)
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return result, clock() - start


def choose_batch_size(model, batch_size: int | None, dtype: torch.dtype | None) -> int:
    """Return ``batch_size``, or one that suits the processor's cache or the GPU's free memory."""
    if batch_size is not None:
        return check_integer("batch_size", batch_size, 1)
    _, height, width = model.image_shape
    if model.device.type == "cuda" and hasattr(model.predictor, "network"):
        return _fitting_batch(model.predictor, model.image_shape, model.device, dtype)
    return max(1, CPU_PIXELS // (height * width))


@cache
def _fitting_batch(predictor, image_shape, device, dtype) -> int:
    """Measure what one image costs in GPU memory, and divide."""
    predictor = predictor.uncompiled()
    image, t = torch.zeros((1, *image_shape), device=device), torch.zeros(1, device=device)
    with torch.no_grad():
        predictor(image, t, dtype)  # makes the copy of the weights, which is not the image's
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        predictor(image, t, dtype)
    per_image = torch.cuda.max_memory_allocated(device) - before
    free, _ = torch.cuda.mem_get_info(device)
    largest = GPU_PIXELS // math.prod(image_shape[1:])
    return max(1, min(largest, int(GPU_SHARE * free / max(per_image, 1))))


def sent(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return ``x`` on the device; a GPU fetches it by itself, from pinned memory, and nobody waits."""
    if device.type != "cuda" or x.is_cuda:
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)
