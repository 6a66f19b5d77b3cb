"""Checks at the door: a public function refuses bad input by naming the argument, what came and what was expected."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Hashable

import numpy as np
import torch


def check_integer(name: str, value, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int within ``[low, high]``, or raise TypeError or ValueError."""
    expected = f"an integer >= {low}" if high is None else f"an integer from {low} to {high}"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        told = f"got {reprlib.repr(value)} of type {type(value).__name__}"  # a tensor's would fill the screen
        raise TypeError(f"{name}: {told}, expected {expected}") from None
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name}: got {number}, expected {expected}")
    return number


def check_number(name: str, value, low: float, high: float = math.inf, *, strict: bool = False) -> float:
    """Return ``value`` as a finite float from ``low`` to ``high``, above ``low`` if ``strict``, or raise an error."""
    bound = f"{'above' if strict else 'of at least'} {low}" + (f" and at most {high}" if high < math.inf else "")
    try:
        if isinstance(value, str | bytes | bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name}: got {value!r} of type {type(value).__name__}, expected a number {bound}") from None
    if not math.isfinite(number) or not low <= number <= high or (strict and number == low):
        raise ValueError(f"{name}: got {value!r}, expected a finite number {bound}")
    return number


def check_choice(name: str, value, choices) -> None:
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if not isinstance(value, Hashable) or value not in choices:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(map(str, choices))}")


def check_device(name: str, value) -> torch.device:
    """Return the device that is named and here; by default the GPU, if there is one."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    try:
        device = torch.device(("cuda" if here["cuda"] else "cpu") if value is None else value)
    except (RuntimeError, TypeError, ValueError):
        raise ValueError(f"{name}: got {value!r}, expected a device such as cpu, cuda or cuda:1") from None
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if not here.get(device.type) or (device.index or 0) >= count:
        raise ValueError(f"{name}: got {value!r}, which is not here; expected {', '.join(k for k in here if here[k])}")
    return device


def check_model(name: str, model) -> None:
    """Raise TypeError unless ``model`` is what a walk needs: a `FrozenModel`, or what stands for one."""
    if not all(hasattr(model, part) for part in ("predict", "alphas_cumprod", "image_shape", "device")):
        raise TypeError(f"{name}: got {type(model).__name__}, expected a FrozenModel, such as load_model returns")


def check_floats(name: str, value) -> torch.Tensor:
    """Return a real number, or an array of them, as a float64 tensor, or raise TypeError."""
    try:
        numbers = value if isinstance(value, torch.Tensor) else np.asarray(value)
        if isinstance(numbers, np.ndarray):
            if numbers.dtype.kind not in "fiub":
                raise TypeError
            numbers = torch.from_numpy(numbers.astype(np.float64, order="C"))  # torch takes no negative strides
        if numbers.is_complex():
            raise TypeError
        return numbers.double()
    except (TypeError, ValueError, RuntimeError):
        told = f"got {reprlib.repr(value)} of type {type(value).__name__}"
        raise TypeError(f"{name}: {told}, expected a number or a tensor of numbers") from None


def check_batch(name: str, x, shape: tuple[int, int, int] | None = None) -> torch.Tensor:
    """Return ``x`` if it is a finite floating batch ``(n, C, H, W)``, of the given ``(C, H, W)`` if there is one."""
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: got {type(x).__name__}, expected a torch.Tensor of shape (n, C, H, W)")
    if x.ndim != 4 or not x.numel():
        raise ValueError(f"{name}: got shape {tuple(x.shape)}, expected a non-empty batch (n, C, H, W)")
    if not x.is_floating_point():
        raise TypeError(f"{name}: got dtype {x.dtype}, expected floating point; map bytes to [-1, 1] by x / 127.5 - 1")
    if shape is not None and tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(f"{name}: got images of shape {tuple(x.shape[1:])}, expected {tuple(shape)}")
    if not torch.isfinite(x).all():
        raise ValueError(f"{name}: holds NaN or infinity, expected finite values")
    return x


def check_images(name: str, x, shape: tuple[int, int, int] | None = None) -> torch.Tensor:
    """Return ``x`` if it is a batch of images with values in ``[-1, 1]``."""
    x = check_batch(name, x, shape)
    low, high = x.aminmax()
    if low < -1.001 or high > 1.001:
        raise ValueError(
            f"{name}: got values from {low:.4g} to {high:.4g}, expected images in [-1, 1]"
            " (map bytes by x / 127.5 - 1; clamp reconstructions)"
        )
    return x


def check_rows(name: str, x, fewest: int = 1) -> np.ndarray:
    """Return ``x`` as a view of at least ``fewest`` rows, ``(n, d)`` float32; a memory map stays on the disk.

    ``x`` is a Tensor, an ndarray, or something with an ``array``, such as a `LatentStore`.
    """
    x = getattr(x, "array", x)
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu()
        x = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name}: got {type(x).__name__}, expected a Tensor, an array or a store of shape (n, ...)")
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: got dtype {x.dtype}, expected floating point")
    if x.ndim < 2 or len(x) < fewest or not x.size:
        raise ValueError(f"{name}: got shape {x.shape}, expected (n, ...) with n >= {fewest}")
    return x.reshape(len(x), -1).astype(np.float32, copy=False)
