"""A GPU that is not there: tensors that say they are on ``cuda``, compute on the processor, and refuse to mix.

Inside `pretended_gpu`, ``device="cuda"`` works everywhere on a build of torch for processors alone. What raises on a
real GPU raises here: an operation on tensors of two devices, a generator of the other device, ``numpy()`` of a tensor
on the GPU. The numbers are those of the processor, so results can be compared to the last digit.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only

CUDA = torch.device("cuda", 0)
INDEXED = {"index", "_unsafe_index", "index_put", "index_put_", "_index_put_impl_"}  # by indices of the processor, too
REAL_GENERATOR = torch.Generator


class OnGPU(torch.Tensor):
    """A tensor of the GPU; its numbers are in ``kept``, on the processor. Only `Pretending` tells where it is."""

    @staticmethod
    def __new__(cls, kept: torch.Tensor):
        made = torch.Tensor._make_wrapper_subclass(
            cls, kept.size(), strides=kept.stride(), storage_offset=kept.storage_offset(), dtype=kept.dtype
        )
        made.kept = kept.detach()
        return made

    def __repr__(self) -> str:
        return f"OnGPU({self.kept})"

    def __deepcopy__(self, memo):
        twin = type(self)(self.kept.clone()).requires_grad_(self.requires_grad)
        return torch.nn.Parameter(twin, self.requires_grad) if isinstance(self, torch.nn.Parameter) else twin

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs, schema = dict(kwargs or {}), func._schema
        if schema.name == "aten::copy_":  # alone it may read from one device and write to the other
            target, source = (x.kept if isinstance(x, cls) else x for x in args[:2])
            target.copy_(source)
            return args[0]
        _refuse_to_mix(schema.name, args, kwargs)
        _refuse_stranger(kwargs.get("generator"), CUDA)
        plain_args, plain_kwargs = tree_map_only(cls, lambda x: x.kept, (args, kwargs))
        found = func(*plain_args, **plain_kwargs)
        if schema.is_mutable:  # what was written to is what comes back
            given = [*args, *(kwargs.get(one.name) for one in schema.arguments[len(args) :])]
            pairs = zip(schema.arguments, given, strict=False)
            written = [x for one, x in pairs if one.alias_info is not None and one.alias_info.is_write]
            return written[0] if len(written) == 1 else tuple(written)
        return tree_map(lambda x: cls(x) if isinstance(x, torch.Tensor) and not isinstance(x, cls) else x, found)


def _refuse_to_mix(name: str, args, kwargs) -> None:
    """Raise as a GPU does if a tensor of the processor takes part, but for single numbers and indices."""
    own_indices = name.removeprefix("aten::") in INDEXED and isinstance(args[0], OnGPU)
    parts = (args[0], *args[2:]) if own_indices else (args, kwargs)
    tensors = [x for x in tree_flatten(parts)[0] if isinstance(x, torch.Tensor)]
    if any(isinstance(x, OnGPU) for x in tensors) and any(not isinstance(x, OnGPU) and x.ndim for x in tensors):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu in {name}")


def _refuse_stranger(generator, device: torch.device) -> None:
    if generator is not None and generator.device.type != device.type:
        raise RuntimeError(f"Expected a '{device.type}' device type for generator but found '{generator.device.type}'")


class GPUGenerator(REAL_GENERATOR):
    """A random stream that says it is on ``cuda``."""

    def __new__(cls, device=CUDA):
        return super().__new__(cls, device="cpu")

    @property
    def device(self) -> torch.device:
        return CUDA


class AnyGenerator(type(REAL_GENERATOR)):
    """Lets ``isinstance(x, torch.Generator)`` be what it was while the name makes generators of both kinds."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, REAL_GENERATOR)


class GeneratorOfEither(metaclass=AnyGenerator):
    def __new__(cls, device="cpu"):
        return GPUGenerator() if torch.device(device).type == "cuda" else REAL_GENERATOR(device)


class Pretending(TorchFunctionMode):
    """Says where tensors are, and answers whoever asks for ``cuda``, which a build without CUDA refuses at once."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name, tensor = getattr(func, "__name__", ""), args[0] if args else None
        here = isinstance(tensor, OnGPU)
        if name == "__get__" and here:
            attribute = getattr(func.__self__, "__name__", "")
            if attribute in ("device", "is_cuda", "is_cpu"):
                return {"device": CUDA, "is_cuda": True, "is_cpu": False}[attribute]
        if name in ("numpy", "__array__") and here:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        if name == "pin_memory":
            return tensor
        if name == "is_pinned":
            return False
        kwargs.pop("pin_memory", None)
        if name in ("cuda", "cpu"):
            return _moved(tensor, name)
        if name == "to" and isinstance(tensor, torch.Tensor):
            return _to(func, args, kwargs)
        device, given = kwargs.pop("device", None), any(isinstance(x, OnGPU) for x in tree_flatten((args, kwargs))[0])
        target = torch.device(device).type if device is not None else "cuda" if given else "cpu"
        _refuse_stranger(kwargs.get("generator"), torch.device(target))
        found = func(*args, **kwargs)
        return _moved(found, target) if device is not None and isinstance(found, torch.Tensor) else found


def _to(func, args, kwargs):
    """Answer ``Tensor.to`` in all its forms: device, dtype, both, another tensor."""
    tensor, rest, target = args[0], [], kwargs.pop("device", None)
    for one in args[1:]:
        if isinstance(one, str | torch.device):
            target = one
        elif isinstance(one, torch.Tensor):
            target, kwargs["dtype"] = "cuda" if isinstance(one, OnGPU) else "cpu", one.dtype
        elif isinstance(one, torch.dtype):
            kwargs["dtype"] = one
        elif one is not None:
            rest.append(one)  # non_blocking, copy
    moved = tensor if target is None else _moved(tensor, torch.device(target).type)
    return func(moved, kwargs.pop("dtype", moved.dtype), *rest, **kwargs)


class _Upload(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return OnGPU(x.detach().clone())

    @staticmethod
    def backward(ctx, slope):
        return slope.kept if isinstance(slope, OnGPU) else slope


class _Download(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.kept.clone()

    @staticmethod
    def backward(ctx, slope):
        return OnGPU(slope)


def _moved(tensor: torch.Tensor, target: str) -> torch.Tensor:
    here = isinstance(tensor, OnGPU)
    if here == (target == "cuda"):
        return tensor
    if not tensor.is_leaf or (torch.is_grad_enabled() and tensor.requires_grad):
        return _Download.apply(tensor) if here else _Upload.apply(tensor)
    return tensor.kept.clone() if here else OnGPU(tensor.clone())


@contextmanager
def pretended_gpu():
    """Make ``cuda`` a device for as long as the context lasts."""
    nothing = mock.Mock(return_value=None)
    answers = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "synchronize": nothing,
        "empty_cache": nothing,
        "reset_peak_memory_stats": nothing,
        "memory_allocated": lambda *_: 0,
        "max_memory_allocated": lambda *_: 2**28,
        "mem_get_info": lambda *_: (2**33, 2**34),
        "is_bf16_supported": lambda **_: False,
        "get_device_name": lambda *_: "pretended",
    }
    in_place = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as stack:
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # a parameter that moves is another tensor
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, in_place)
        for name, answer in answers.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, answer))
        stack.enter_context(mock.patch.object(torch, "Generator", GeneratorOfEither))
        stack.enter_context(Pretending())
        yield CUDA
