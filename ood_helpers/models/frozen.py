"""The frozen noise predictor: the only thing about a diffusion model that the walk needs to know."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import torch

from ..checks import check_batch, check_floats
from .operations import evaluation_operations, spend
from .schedules import alpha_at

PREDICTIONS = ("epsilon", "v_prediction", "sample", "flow_prediction")  # what networks predict, as `diffusers` says it


class Predictor(Protocol):
    """What a noise predictor is: a function ``(x, t, dtype) -> eps`` that never changes.

    ``x`` and ``eps`` are ``(B, C, H, W)`` in one dtype on one device, ``t`` is ``(B,)``, floating, from -1 for the
    clean image to ``T - 1``, and ``dtype`` the precision for a network to run in, by default its own. A predictor may
    have ``tensors()``, by name all that decides its predictions, for `fingerprint`; and ``operations(image_shape)``,
    what an evaluation of one image costs.
    """

    def __call__(self, x: torch.Tensor, t: torch.Tensor, dtype: torch.dtype | None = None, /) -> torch.Tensor: ...


@dataclass(frozen=True, eq=False)
class FrozenModel:
    """A noise predictor ``eps(x, t)`` whose weights never change, with its noise schedule.

    Attributes
    ----------
    name : str
        How figures and tables call it.
    alphas_cumprod : Tensor
        float64 ``(T,)``, strictly decreasing: the paper's ``alpha_t`` (Sec. C.1).
    image_shape : tuple of int
        ``(C, H, W)`` of one image.
    predictor : Predictor
    device : torch.device
    scheduler : DDPMScheduler, FlowMatchEulerDiscreteScheduler or None
        What it was trained with, by `diffusers`; a closed form has none.
    """

    name: str
    alphas_cumprod: torch.Tensor = field(repr=False)
    image_shape: tuple[int, int, int]
    predictor: Predictor = field(repr=False)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    scheduler: Any = field(default=None, repr=False)

    @property
    def operations(self) -> float:
        """Floating-point operations of one evaluation of one image; 0 for a closed form."""
        count = getattr(self.predictor, "operations", None)
        return count(self.image_shape) if count else 0.0

    def eps(self, x: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
        """Predict the noise in ``x``, in its shape and dtype.

        Parameters
        ----------
        x : Tensor
            ``(B, C, H, W)``, floating, finite, on the model's device.
        t : int, float or Tensor ``(B,)``
            Timestep in ``[-1, T - 1]``, fractional ones included. ``-1`` is the clean image: a closed form is exact
            there, a network is asked at ``t = 0``, the lowest noise that it was trained on.
        """
        check_batch("x", x, self.image_shape)
        t = check_floats("t", t)
        if t.ndim > 1 or (t.ndim == 1 and len(t) != len(x)):
            raise ValueError(f"t: got shape {tuple(t.shape)}, expected one number or one per image ({len(x)})")
        last = len(self.alphas_cumprod) - 1
        if not ((t >= -1) & (t <= last)).all():
            raise ValueError(f"t: got {t.min():g} to {t.max():g}, expected timesteps from -1 to {last}")
        return self.predict(x, t.expand(len(x)))

    @torch.no_grad()
    def predict(self, x: torch.Tensor, t: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Do what `eps` does, without its checks and as a `Predictor`: ``t`` is ``(B,)``. For inner loops."""
        return self.predictor(x, t, dtype)


def fingerprint(model: FrozenModel) -> str:
    """Return a hash of a model's weights and schedule: two models with one hash make the same predictions.

    TypeError if the predictor does not tell by ``tensors()`` what decides them.
    """
    tensors = getattr(model.predictor, "tensors", None)
    if tensors is None:
        raise TypeError(f"model: got a {type(model.predictor).__name__} without tensors(), expected one with it")
    digest = hashlib.sha256(model.alphas_cumprod.numpy().tobytes())
    for name, tensor in sorted(tensors().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


class CountedModel(FrozenModel):
    """A frozen model that counts how often it is asked: the NFE of every solver, measured.

    Examples
    --------
    >>> counted = CountedModel(model)
    >>> latents = invert(counted, images, steps=50)
    >>> counted.evaluations / len(images)
    50.0
    """

    def __init__(self, model: FrozenModel):
        super().__init__(**{part.name: getattr(model, part.name) for part in fields(FrozenModel)})
        self._model, self.evaluations = model, 0

    def predict(self, x: torch.Tensor, t: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Predict the noise, adding the number of images to ``evaluations``; `eps` comes here, too."""
        self.evaluations += len(x)
        return self._model.predict(x, t, dtype)


class NetworkPredictor:
    """Calls a network ``(x, t) -> output.sample``, keeping one copy of it for each precision asked for.

    Of the output channels the first ``channels`` are the prediction; learned variances follow. If no precision is asked
    for, the network itself answers. The copies are laid out channels last, and ``compiled`` if that is asked for.

    From a prediction of another ``kind`` than "epsilon" follows, at ``x = sqrt(a) x_0 + sqrt(1 - a) eps``,

        v_prediction     v = sqrt(a) eps - sqrt(1 - a) x_0      eps = sqrt(a) v + sqrt(1 - a) x
        sample           x_0                                    eps = (x - sqrt(a) x_0) / sqrt(1 - a)
        flow_prediction  v = eps - x_0                          eps = (x + sqrt(a) v) / (sqrt(a) + sqrt(1 - a))

    A flow's network expects ``(1 - s) x_0 + s eps``, which is ``x / (sqrt(a) + sqrt(1 - a))``, and ``T s`` for a time;
    ``s = 1``, pure noise, is not in the table ``alphas_cumprod``, which all kinds but "epsilon" need.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        channels: int,
        compiled: bool = False,
        kind: str = "epsilon",
        alphas_cumprod: torch.Tensor | None = None,
    ):
        self.network, self.channels, self.compiled = network.eval().requires_grad_(False), channels, compiled
        device = next(network.parameters()).device
        self.kind, self._table = kind, torch.ones(0) if alphas_cumprod is None else alphas_cumprod
        if device.type == "cuda":  # else each evaluation would wait for its levels
            self._table = self._table.to(device)
        self._copies: dict[torch.dtype, Callable] = {}
        self._operations: dict[tuple[int, ...], float] = {}

    def __call__(self, x: torch.Tensor, t: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        spend(len(x) * self.operations(tuple(x.shape[1:])))
        t = t.clamp(min=0)
        if self.kind == "epsilon":
            return self._predicted(x, t, dtype)
        a = alpha_at(self._table, t)[:, None, None, None]
        both, time = a.sqrt() + (1 - a).sqrt(), (len(self._table) + 1) / (1 + (a / (1 - a)).sqrt()).flatten()
        image, noise, both = a.sqrt().to(x), (1 - a).sqrt().to(x), both.to(x)
        if self.kind == "flow_prediction":
            return (x + image * self._predicted(x / both, time, dtype)) / both
        predicted = self._predicted(x, t, dtype)
        return image * predicted + noise * x if self.kind == "v_prediction" else (x - image * predicted) / noise

    def _predicted(self, x, t, dtype):
        network = self.network if dtype is None else self._in(dtype)
        output = network(x.to(dtype or next(self.network.parameters()).dtype), t.to(x.device, torch.float32)).sample
        # a copy, for a CUDA graph writes its next output over this one
        return output[: len(x), : self.channels].to(x.dtype, copy=True)

    def operations(self, image_shape: tuple[int, ...]) -> float:
        """Floating-point operations of one evaluation of one image."""
        if image_shape not in self._operations:
            image = torch.empty((1, *image_shape), dtype=next(self.network.parameters()).dtype)
            self._operations[image_shape] = evaluation_operations(self.network, image, torch.zeros(1))
        return self._operations[image_shape]

    def tensors(self) -> dict[str, torch.Tensor]:
        """What decides the predictions."""
        return self.network.state_dict() | ({} if self.kind == "epsilon" else {self.kind: torch.empty(0)})

    def _in(self, dtype):
        if dtype not in self._copies:
            # Module.to, since that of diffusers logs a needless warning; channels last is 3 to 12 % faster in bfloat16
            # on a processor (benchmarks/speed.py)
            layout = {"dtype": dtype, "memory_format": torch.channels_last}
            network = torch.nn.Module.to(copy.deepcopy(self.network), **layout)
            self._copies[dtype] = Compiled(network) if self.compiled else network
        return self._copies[dtype]


def network_of(model: FrozenModel) -> torch.nn.Module | None:
    """Return a model's network, or None if it has none, as a closed form."""
    return model.predictor.network if isinstance(model.predictor, NetworkPredictor) else None


BACKEND = "inductor"  # of torch.compile


class Compiled:
    """A network compiled as one graph for each size of batch, on a GPU replayed as a CUDA graph.

    A batch is filled up to the smallest size so far that holds it; only a larger one is compiled for. So a walk waits
    for the compiler once, though its last batch or the images that still move in an iteration are fewer.
    """

    def __init__(self, network: torch.nn.Module):
        mode = "reduce-overhead" if network.device.type == "cuda" else "default"
        self._run = torch.compile(network, fullgraph=True, dynamic=False, backend=BACKEND, mode=mode)
        self._sizes: set[int] = set()

    def __call__(self, x, t):
        size = min((known for known in self._sizes if known >= len(x)), default=len(x))
        self._sizes.add(size)
        try:
            return self._run(_filled(x, size), _filled(t, size))
        except torch._dynamo.exc.TorchDynamoException as error:
            why = str(error).strip().splitlines()[0]
            raise ValueError(f"compile: this machine cannot compile the network ({why}); do without") from error


def _filled(part: torch.Tensor, size: int) -> torch.Tensor:
    """Put zeros behind a batch; a fresh tensor, so that layout and history of the part do not matter."""
    whole = part.new_zeros((size, *part.shape[1:]))
    whole[: len(part)] = part
    return whole
