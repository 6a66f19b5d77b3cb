"""Where frozen models come from: the toys shipped with the package, a folder, a checkpoint file, or the hub."""

from __future__ import annotations

import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.pipelines.ddpm.pipeline_ddpm import DDPMPipeline
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from huggingface_hub import snapshot_download

from ..checks import check_choice, check_device
from . import original, schedules
from .frozen import PREDICTIONS, FrozenModel, NetworkPredictor, network_of

SHIPPED = Path(str(files(__package__) / "shipped"))
CONFIGS = {"unet": "config.json", "scheduler": "scheduler_config.json"}
WEIGHTS = "diffusion_pytorch_model"
Scheduler: TypeAlias = DDPMScheduler | FlowMatchEulerDiscreteScheduler


def list_models() -> tuple[str, ...]:
    """Return the names of the models shipped with the package."""
    return tuple(sorted(folder.name for folder in SHIPPED.iterdir() if (folder / "model_index.json").exists()))


def model_record(name: str) -> dict:
    """Return how a shipped model was trained: recipe, loss, and the distance of its samples to held-out images."""
    check_choice("name", name, list_models())
    return json.loads((SHIPPED / name / "training.json").read_text())


def load_model(
    name_or_path: str | os.PathLike,
    *,
    variant: str | None = None,
    attention_head_dim: int | None = None,
    num_heads: int | None = None,
    attention_order: str = "old",
    image_size: int = 256,
    schedule: str = "linear",
    device: str | torch.device | None = None,
    compile: bool = False,
) -> FrozenModel:
    """Load a diffusion model and freeze it, in float32. Only the predicted noise is used, not learned variances.

    It follows from what the network predicts, as its scheduler's ``prediction_type`` tells: the noise, ``v``, the image
    or, for the schedulers of flow matching, a velocity (`NetworkPredictor` has the formulas).

    Raises FileNotFoundError if the name stands for nothing here or on the hub, or the hub cannot be reached; ValueError
    if what is found is another kind of model, holds weights that do not fit its configuration, or code.

    Parameters
    ----------
    name_or_path : str or path
        A shipped model (`list_models`); a folder with a `UNet2DModel` and its scheduler, as ``DDPMPipeline`` saves
        them or a copy of a hub repository has them; a checkpoint file of OpenAI's improved or guided diffusion or of
        the DDPM of DDIM and SDEdit, which is converted (`save_model` keeps the result); or, from the hub or its cache,
        an id such as ``"google/ddpm-church-256"`` (moving average: ``"google/ddpm-ema-church-256"``).
    variant : str, optional
        Which weights, where a folder or repository holds several: ``"ema"`` for ``diffusion_pytorch_model.ema.*``.
    attention_head_dim, num_heads, attention_order, image_size, schedule
        What a checkpoint file does not reveal, see `ood_helpers.models.original.convert`; otherwise of no effect.
    device : str or torch.device, optional
        By default the GPU if there is one.
    compile : bool
        Let `torch.compile` make faster code, on a GPU replayed as CUDA graphs: for long runs, since the first
        evaluation in each precision and with each larger batch takes up to minutes. Results differ by rounding.
    """
    device = check_device("device", device)
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(f"name_or_path: got {type(name_or_path).__name__}, expected a name or a path")
    name = os.fspath(name_or_path)
    if name in list_models() or os.path.isdir(name):
        network, scheduler = _read_folder(SHIPPED / name if name in list_models() else Path(name_or_path), variant)
    elif os.path.isfile(name) or Path(name_or_path).suffix.lower() in original.SUFFIXES:
        if variant is not None:
            raise ValueError(f"variant: got {variant!r} with a checkpoint file, of which the moving average is taken")
        check_choice("schedule", schedule, schedules.SCHEDULES)
        network = original.convert(
            original.read_state(name_or_path),
            attention_head_dim=attention_head_dim,
            num_heads=num_heads,
            attention_order=attention_order,
            image_size=image_size,
        )
        config: Any = network.config
        variance = "learned_range" if config.out_channels == 2 * config.in_channels else "fixed_small"
        scheduler = DDPMScheduler(beta_schedule=schedules.IN_DIFFUSERS[schedule], variance_type=variance)
    elif re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        network, scheduler = _read_folder(_download(name, variant), variant)
    else:
        raise FileNotFoundError(
            f"name_or_path: got {name!r}, expected a shipped model ({', '.join(list_models())}),"
            " the folder of a saved DDPMPipeline, a checkpoint file, or a hub id 'owner/name'"
        )
    return freeze(torch.nn.Module.to(network, device), scheduler, Path(name).name, compile)


def freeze(network: UNet2DModel, scheduler: Scheduler, name: str, compile: bool = False) -> FrozenModel:
    """Make a `FrozenModel` of a `diffusers` network and its scheduler; ValueError unless both are of a known kind."""
    check_choice("compile", compile, (False, True))
    kind = scheduler.config.get("prediction_type", "flow_prediction")  # which schedulers of flow matching do not say
    check_choice("scheduler: prediction_type", kind, PREDICTIONS)
    if scheduler.config.get("invert_sigmas"):
        raise ValueError("scheduler: has invert_sigmas, expected a flow whose time runs from the image to the noise")
    config: Any = network.config
    if config.class_embed_type is not None or config.num_class_embeds is not None:
        raise ValueError("network: conditions on a class, expected an unconditional one")
    if config.out_channels not in (config.in_channels, 2 * config.in_channels):
        told = f"maps {config.in_channels} to {config.out_channels} channels"
        raise ValueError(f"network: {told}, expected as many or, with learned variances, twice as many")
    size = config.sample_size
    if size is None:
        raise ValueError("network: its configuration has no sample_size, expected the side of its images in pixels")
    height, width = (size, size) if isinstance(size, int) else size
    shape, table = (config.in_channels, height, width), schedules.from_scheduler(scheduler)
    predictor = NetworkPredictor(network, config.in_channels, compile, kind, table)
    return FrozenModel(name, table, shape, predictor, network.device, scheduler)


def save_model(model: FrozenModel, folder: str | os.PathLike) -> Path:
    """Write a model as a `DDPMPipeline`, for `load_model` and for `diffusers`; TypeError for a closed form."""
    network: Any = network_of(model)
    if network is None:
        raise TypeError(f"model: got {model.name!r}, which has no network, expected one that load_model returned")
    DDPMPipeline(network, model.scheduler).save_pretrained(folder)
    return Path(folder)


def _download(name: str, variant: str | None) -> Path:
    """Return the hub's local copy of what is read of a repository; weights in safetensors if there are any."""
    configs = [place for part, config in CONFIGS.items() for place in (config, f"{part}/{config}")]
    try:
        for weights in _weight_files(variant):
            patterns = ["model_index.json", *configs, weights, f"unet/{weights}"]
            folder = Path(snapshot_download(name, allow_patterns=patterns))
            if any((folder / place).is_file() for place in patterns[-2:]):
                break
    except Exception as error:  # of the hub, of HTTP or of the disk: the classes differ from version to version
        raise FileNotFoundError(
            f"name_or_path: {name!r} is no folder here, and the hub did not give it; without a network, give the folder"
            f" of a copy, such as `hf download {name} --local-dir FOLDER` makes ({type(error).__name__}: {error})"
        ) from error
    return folder


def _weight_files(variant: str | None) -> list[str]:
    stem = f"{WEIGHTS}.{variant}" if variant else WEIGHTS
    return [f"{stem}.safetensors", f"{stem}.bin"]


def _read_folder(folder: Path, variant: str | None) -> tuple[UNet2DModel, Scheduler]:
    """Read network and scheduler, from folders of their own or, as the first repositories had them, side by side."""
    index = folder / "model_index.json"
    parts = json.loads(index.read_text()) if index.is_file() else {}
    others = [part for part, kind in parts.items() if part not in CONFIGS and isinstance(kind, list) and any(kind)]
    if others:  # an autoencoder, say: the network then works on codes, not on images
        raise ValueError(f"name_or_path: {folder} has {', '.join(others)} besides a network and its scheduler")
    places: dict[str, Path] = {}
    for part, config in CONFIGS.items():
        places.update((part, place) for place in (folder, folder / part) if (place / config).is_file())
        if part not in places:
            told = f"{folder} has neither {part}/{config} nor {config}, expected an unconditional DDPMPipeline"
            raise ValueError(f"name_or_path: {told}: a UNet2DModel and its scheduler")
    config = json.loads((places["scheduler"] / CONFIGS["scheduler"]).read_text())
    flow = config.get("_class_name", "").startswith("FlowMatch") or config.get("prediction_type") == "flow_prediction"
    if not flow and not config.get("beta_schedule") and config.get("trained_betas") is None:
        told = f"{folder} holds a {config.get('_class_name')}, which has no betas"
        raise ValueError(f"name_or_path: {told}; expected the scheduler of a DDPM or of a flow, such as DDPMScheduler")
    kind, shift = (FlowMatchEulerDiscreteScheduler if flow else DDPMScheduler), config.get("flow_shift")
    scheduler = kind.from_pretrained(places["scheduler"], **({"shift": shift} if flow and shift else {}))
    return _read_network(places["unet"], variant), scheduler


def _read_network(place: Path, variant: str | None) -> UNet2DModel:
    weights = next((place / name for name in _weight_files(variant) if (place / name).is_file()), None)
    if weights is None:
        there = ", ".join(sorted(file.name for file in place.glob(f"{WEIGHTS}.*"))) or "none"
        none = " and no ".join(_weight_files(variant))
        raise ValueError(f"variant: got {variant!r}, but {place} has no {none}; its weights are: {there}")
    safe = weights.suffix == ".safetensors"
    how = {"variant": variant, "use_safetensors": safe, "low_cpu_mem_usage": False, "torch_dtype": torch.float32}
    try:
        network, found = UNet2DModel.from_pretrained(place, output_loading_info=True, **how)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        if not safe:
            original.read_state(weights)  # says what is wrong with a pickle: code, or damage
        raise ValueError(f"name_or_path: {place} does not hold a matching UNet2DModel: {error}") from error
    wrong = [f"lacks {name}" for name in sorted(found["missing_keys"])]
    wrong += [f"has {name} besides" for name in sorted(found["unexpected_keys"])]
    if wrong:  # diffusers warns, and fills the gaps with random numbers
        told = f"{weights.name} {'; '.join(wrong[:3])}{'; and more' * (len(wrong) > 3)}"
        raise ValueError(f"name_or_path: {place} does not hold a matching UNet2DModel: {told}")
    return network
