"""How a walk runs on this machine: the network's precision, by what the processor has, and the batch size."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import torch

from ..checks import check_choice, check_integer
from ..models.frozen import FrozenModel, NetworkPredictor, network_of

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
BFLOAT16_UNITS = {"avx512_bf16", "amx_bf16"}  # as Linux names them
ISA_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
CPU_PIXELS = 2**17  # per batch: 32 images at 64 x 64; more gains nothing on a few cores
GPU_SHARE = 0.8  # of the free memory that a batch may fill
GPU_PIXELS = 2**22  # per batch: 64 images at 256 x 256, with up to 256 channels below 2**31 elements
_fitting: WeakKeyDictionary[NetworkPredictor, dict] = WeakKeyDictionary()  # a copy that was tuned may go


def network_dtype(model: FrozenModel, precision: str) -> torch.dtype | None:
    """Return the dtype in which the network should run, or None for a closed form, which computes in its input's.

    ``precision`` is "float32", "bfloat16", "float16" or "auto": bfloat16 on a device with units for it
    (`has_bfloat16_units`), else float32. What rounding costs is measured by ``benchmarks/accuracy.py``. On a GPU, torch
    computes float32 convolutions in TF32, with the 10 bits of float16; for references, set
    ``torch.backends.cudnn.conv.fp32_precision = "ieee"`` (``torch.backends.cudnn.allow_tf32 = False`` before 2.9).
    """
    check_choice("precision", precision, ("auto", *PRECISIONS))
    if network_of(model) is None:
        return None
    if precision != "auto":
        return PRECISIONS[precision]
    return torch.bfloat16 if has_bfloat16_units(model.device) else torch.float32


def has_bfloat16_units(device: torch.device) -> bool:
    """Tell whether a device computes in bfloat16 by itself: by its capability, never by a stopwatch.

    A processor needs AVX-512 with bfloat16 or AMX, not held back by ``ATEN_CPU_CAPABILITY`` or ``ONEDNN_MAX_CPU_ISA``,
    an NVIDIA GPU compute capability 8.0. What cannot be told counts as no.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or "AVX512" not in torch.backends.cpu.get_cpu_capability():
        return False
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    return allowed not in ISA_WITHOUT_BFLOAT16 and bool(BFLOAT16_UNITS & processor_flags())


@cache
def processor_flags() -> frozenset[str]:
    """Return the instruction sets of this machine's processor as Linux tells them; elsewhere nothing."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def choose_batch_size(model: FrozenModel, batch_size: int | None, dtype: torch.dtype | None) -> int:
    """Return ``batch_size``, or one that suits the processor's cache or the GPU's free memory."""
    if batch_size is not None:
        return check_integer("batch_size", batch_size, 1)
    if model.device.type == "cuda" and isinstance(model.predictor, NetworkPredictor):
        return _fitting_batch(model.predictor, model.image_shape, model.device, dtype)
    return max(1, CPU_PIXELS // math.prod(model.image_shape[1:]))


def _fitting_batch(predictor: NetworkPredictor, image_shape, device, dtype) -> int:
    """Measure once what an image costs in GPU memory, and divide."""
    known, key = _fitting.setdefault(predictor, {}), (image_shape, device, dtype)
    if key not in known:
        plain = NetworkPredictor(predictor.network, predictor.channels)  # does not wait for the compiler
        image, t = torch.zeros((1, *image_shape), device=device), torch.zeros(1, device=device)
        with torch.no_grad():
            plain(image, t, dtype)  # makes the copy of the weights, which is not the image's
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            plain(image, t, dtype)
        per_image = torch.cuda.max_memory_allocated(device) - before
        free, _ = torch.cuda.mem_get_info(device)
        largest = GPU_PIXELS // math.prod(image_shape[1:])
        known[key] = max(1, min(largest, int(GPU_SHARE * free / max(per_image, 1))))
    return known[key]


def sent(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return ``x`` on the device; a GPU fetches it by itself, from pinned memory, and nobody waits."""
    if device.type != "cuda" or x.is_cuda:
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)
