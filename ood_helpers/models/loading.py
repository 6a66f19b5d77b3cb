"""Where frozen models come from: the toys shipped with the package, a folder, a checkpoint file, or the hub."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from ..checks import check_choice
from . import original, schedules
from .frozen import FrozenModel, NetworkPredictor

TOYS = Path(str(files(__package__) / "toys"))


def list_models() -> tuple[str, ...]:
    """Return the names of the models shipped with the package."""
    return tuple(sorted(folder.name for folder in TOYS.iterdir() if (folder / "model_index.json").exists()))


def model_record(name: str) -> dict:
    """Return how a shipped model was trained: its recipe, the loss, and the distance of its samples to held-out images.

    Raises
    ------
    ValueError
        If no such model is shipped.
    """
    check_choice("name", name, list_models())
    return json.loads((TOYS / name / "training.json").read_text())


def load_model(
    name_or_path: str | os.PathLike,
    *,
    attention_head_dim: int | None = None,
    image_size: int = 256,
    schedule: str = "linear",
    device: str | torch.device | None = None,
) -> FrozenModel:
    """Load a diffusion model and freeze it.

    Parameters
    ----------
    name_or_path : str or path
        A shipped model (`list_models`); a folder written by ``DDPMPipeline.save_pretrained``; a checkpoint file of
        OpenAI's improved or guided diffusion or of the DDPM of DDIM and SDEdit, which is converted once; or, from the
        hub, an id such as ``"google/ddpm-church-256"``.
    attention_head_dim, image_size, schedule
        What a checkpoint file does not reveal, see `ood_helpers.models.original.load_original`; otherwise of no effect.
    device : str or torch.device, optional
        By default the GPU if there is one.

    Returns
    -------
    FrozenModel
        In float32. Only the predicted noise is used: learned variances, if the network has them, are ignored.

    Raises
    ------
    FileNotFoundError
        If the name is no shipped model and no folder, and does not look like a hub id.
    ValueError
        If the folder or file holds another kind of model, weights that do not fit its configuration, or code.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    name = str(name_or_path)
    shipped = TOYS / name
    if name in list_models():
        network, scheduler = _read_folder(shipped)
    elif Path(name_or_path).is_dir():
        network, scheduler = _read_folder(Path(name_or_path))
    elif Path(name_or_path).suffix in original.SUFFIXES:
        hidden = {"attention_head_dim": attention_head_dim, "image_size": image_size, "schedule": schedule}
        network, scheduler = original.load_original(name_or_path, **hidden)
    elif name.count("/") == 1 and not Path(name).suffix and not name.startswith((".", "/", "~")):
        pipeline = DDPMPipeline.from_pretrained(name)
        network, scheduler = pipeline.unet, pipeline.scheduler
    else:
        raise FileNotFoundError(
            f"name_or_path: got {name!r}, expected a shipped model ({', '.join(list_models())}),"
            " the folder of a saved DDPMPipeline, a checkpoint file, or a hub id 'owner/name'"
        )
    return freeze(network.to(device), scheduler, Path(name).name)


def freeze(network: UNet2DModel, scheduler, name: str) -> FrozenModel:
    """Make a `FrozenModel` of a `diffusers` network and the scheduler that it was trained with.

    Raises
    ------
    ValueError
        If the network predicts something else than noise, or conditions on more than the timestep.
    """
    kind = scheduler.config.get("prediction_type", "epsilon")
    if kind != "epsilon":
        raise ValueError(f"scheduler: predicts {kind!r}, expected a model that predicts the noise ('epsilon')")
    config = network.config
    if config.out_channels not in (config.in_channels, 2 * config.in_channels):
        raise ValueError(
            f"network: maps {config.in_channels} to {config.out_channels} channels,"
            " expected as many or, with learned variances, twice as many"
        )
    size = config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    return FrozenModel(
        name=name,
        alphas_cumprod=schedules.from_scheduler(scheduler),
        image_shape=(config.in_channels, height, width),
        predictor=NetworkPredictor(network, config.in_channels),
        device=network.device,
        scheduler=scheduler,
    )


def save_model(model: FrozenModel, folder: str | os.PathLike) -> Path:
    """Write a model as a `DDPMPipeline`, for `load_model` and for `diffusers`; weights in float32.

    Raises
    ------
    TypeError
        If the model is a closed form, which has no network.
    """
    if not isinstance(model.predictor, NetworkPredictor):
        raise TypeError(f"model: got {model.name!r}, which has no network, expected one that load_model returned")
    DDPMPipeline(model.predictor.network, model.scheduler).save_pretrained(folder)
    return Path(folder)


def _read_folder(folder: Path):
    if not (folder / "model_index.json").exists():
        raise ValueError(f"name_or_path: {folder} has no model_index.json, expected the folder of a saved DDPMPipeline")
    for part in ("unet", "scheduler"):
        if not (folder / part).is_dir():
            raise ValueError(f"name_or_path: {folder} has no folder {part!r}, expected an unconditional DDPMPipeline")
    try:
        network = UNet2DModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False, torch_dtype=torch.float32)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise ValueError(f"name_or_path: {folder / 'unet'} does not hold a matching UNet2DModel: {error}") from error
    return network, DDPMScheduler.from_pretrained(folder / "scheduler")
