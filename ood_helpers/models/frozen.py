"""The frozen noise predictor: the only thing about a diffusion model that the walk needs to know."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from ..checks import check_batch


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
    scheduler : DDPMScheduler or None
        What it was trained with, as `diffusers` writes it down; a closed form has none.
    """

    name: str
    alphas_cumprod: torch.Tensor = field(repr=False)
    image_shape: tuple[int, int, int]
    predictor: Callable[[torch.Tensor, torch.Tensor, torch.dtype | None], torch.Tensor] = field(repr=False)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    scheduler: object = field(default=None, repr=False)

    def eps(self, x: torch.Tensor, t) -> torch.Tensor:
        """Predict the noise in ``x``.

        Parameters
        ----------
        x : Tensor
            ``(B, C, H, W)``, floating, on the model's device.
        t : int, float or Tensor ``(B,)``
            Timestep in ``[-1, T - 1]``, fractional ones included. ``-1`` is the clean image: a closed form is exact
            there, a network is asked at ``t = 0``, the lowest noise that it was trained on.

        Returns
        -------
        Tensor
            ``(B, C, H, W)``, in the dtype of ``x``.

        Raises
        ------
        TypeError, ValueError
            If ``x`` is no finite floating batch of ``image_shape``, or ``t`` lies outside the schedule.
        """
        check_batch("x", x, self.image_shape)
        t = torch.as_tensor(t, dtype=torch.float64)
        if t.ndim > 1 or (t.ndim == 1 and len(t) != len(x)):
            raise ValueError(f"t: got shape {tuple(t.shape)}, expected one number or one per image ({len(x)})")
        if t.min() < -1 or t.max() > len(self.alphas_cumprod) - 1:
            raise ValueError(
                f"t: got {t.min():g} to {t.max():g}, expected timesteps from -1 to {len(self.alphas_cumprod) - 1}"
            )
        return self.predict(x, t.expand(len(x)))

    @torch.no_grad()
    def predict(self, x: torch.Tensor, t: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Do what `eps` does, without its checks: ``t`` is ``(B,)``. For inner loops.

        ``dtype`` is the precision in which a network runs, by default its own; a closed form has no use for it.
        """
        return self.predictor(x, t, dtype)


def fingerprint(model: FrozenModel) -> str:
    """Return a hash of a model's weights and schedule: two models with one hash make the same predictions.

    Raises
    ------
    TypeError
        If the predictor does not tell by ``tensors()`` what decides its predictions.
    """
    if not hasattr(model.predictor, "tensors"):
        raise TypeError(
            f"model: got a predictor {type(model.predictor).__name__} without tensors(), expected one with it"
        )
    digest = hashlib.sha256(model.alphas_cumprod.numpy().tobytes())
    for name, tensor in sorted(model.predictor.tensors().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


class CountedModel:
    """A frozen model that counts how often it is asked: the NFE of every solver, measured.

    Examples
    --------
    >>> counted = CountedModel(model)
    >>> latents = invert(counted, images, steps=50)
    >>> counted.evaluations / len(images)
    50.0
    """

    def __init__(self, model: FrozenModel):
        self._model = model
        self.evaluations = 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def predict(self, x: torch.Tensor, t: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Predict the noise, adding the number of images to ``evaluations``."""
        self.evaluations += len(x)
        return self._model.predict(x, t, dtype)


class NetworkPredictor:
    """Calls a network ``(x, t) -> output.sample``, keeping one copy of its weights for each precision asked for.

    Networks with learned variances have ``2 C`` output channels, of which the first ``C`` are eps.
    """

    def __init__(self, network: torch.nn.Module, channels: int):
        self.network = network.eval().requires_grad_(False)
        self.channels = channels
        self._copies = {next(network.parameters()).dtype: self.network}

    def __call__(self, x, t, dtype=None):
        network = self.network if dtype is None else self._in(dtype)
        label = t.clamp(min=0).to(x.device, torch.float32)
        return network(x.to(network.dtype), label).sample[:, : self.channels].to(x.dtype)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What decides the predictions."""
        return self.network.state_dict()

    def _in(self, dtype):
        if dtype not in self._copies:
            # Module.to: that of diffusers logs a warning about modules to be kept in float32, even if there are none
            # channels last: convolutions and normalisations run a fifth to a third faster on a processor
            self._copies[dtype] = torch.nn.Module.to(
                copy.deepcopy(self.network), dtype, memory_format=torch.channels_last
            )
        return self._copies[dtype]
