"""Checkpoints in the formats of the original codes, converted to a `diffusers` U-Net.

Two families, told apart by their names and measured by their shapes:

    OpenAI   improved / guided diffusion: ``input_blocks``, ``middle_block``, ``output_blocks``
    DDPM     Ho et al. in PyTorch, as in DDIM and SDEdit: ``down``, ``mid``, ``up``

Every difference between them that a state dict does not show is set here by hand, since none would raise an error: the
padding of the downsampling, the epsilon of the group norms, order and shift of the time embedding's frequencies, and in
the OpenAI format the order of queries, keys and values, head by head.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..checks import check_choice, check_integer

SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors")
SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
RECORD = "converted_from.json"
ORDERS = ("old", "new")

PARTS = {
    "openai": {
        "in_layers.0": "norm1",
        "in_layers.2": "conv1",
        "emb_layers.1": "time_emb_proj",
        "out_layers.0": "norm2",
        "out_layers.3": "conv2",
        "skip_connection": "conv_shortcut",
        "norm": "group_norm",
        "proj_out": "to_out.0",
        "op": "conv",
        "conv": "conv",
    },
    "ddpm": {
        "norm1": "norm1",
        "conv1": "conv1",
        "temb_proj": "time_emb_proj",
        "norm2": "norm2",
        "conv2": "conv2",
        "nin_shortcut": "conv_shortcut",
        "norm": "group_norm",
        "q": "to_q",
        "k": "to_k",
        "v": "to_v",
        "proj_out": "to_out.0",
        "conv": "conv",
    },
}
"""What the parts of a block are called, theirs -> diffusers'."""

ENDS = {
    "openai": {
        "time_embed.0.": "time_embedding.linear_1.",
        "time_embed.2.": "time_embedding.linear_2.",
        "input_blocks.0.0.": "conv_in.",
        "middle_block.0.": "mid_block.resnets.0.",
        "middle_block.1.": "mid_block.attentions.0.",
        "middle_block.2.": "mid_block.resnets.1.",
        "out.0.": "conv_norm_out.",
        "out.2.": "conv_out.",
    },
    "ddpm": {
        "temb.dense.0.": "time_embedding.linear_1.",
        "temb.dense.1.": "time_embedding.linear_2.",
        "conv_in.": "conv_in.",
        "mid.block_1.": "mid_block.resnets.0.",
        "mid.attn_1.": "mid_block.attentions.0.",
        "mid.block_2.": "mid_block.resnets.1.",
        "norm_out.": "conv_norm_out.",
        "conv_out.": "conv_out.",
    },
}
"""Where the parts are that every model has."""


AVERAGE = re.compile("(^|[^a-z])ema([^a-z]|$)|shadow|average", re.IGNORECASE)
"""What a moving average of the weights is called."""
NUMBERS = [np.dtype, np._core.multiarray.scalar, *(type(np.dtype(kind)) for kind in "fdilq?")]
"""Numbers of numpy that may stand beside weights; making them runs no code of the file."""


def read_state(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint, of the moving average if it holds one; no code in it is run.

    Parameters
    ----------
    path : path
        A PyTorch file with a state dict, alone, under ``state_dict``, or in the list that DDIM's code saves (whose last
        entry is the moving average); or a safetensors file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, holds no state dict, or is a pickle that would run code when opened.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: got {str(path)!r}, expected a checkpoint file")
    try:
        if path.suffix.lower() == ".safetensors":
            found = load_file(path)
        else:
            _check_beginning(path)
            with torch.serialization.safe_globals(NUMBERS):
                found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        why = " ".join(line for line in str(error).splitlines() if "GLOBAL" in line) or str(error).splitlines()[0]
        raise ValueError(
            f"path: {str(path)!r} is refused, since opening it would run code that it brings ({why})"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"path: {str(path)!r} cannot be read as a checkpoint ({error})") from error
    if isinstance(found, list | tuple):
        states = {str(place): part for place, part in enumerate(found) if _is_state(part)}
        chosen = list(states)[-1:]
    else:
        states = dict(_states(found))
        averages = [name for name in states if AVERAGE.search(name)]
        if not averages and isinstance(found, dict) and any(AVERAGE.search(str(key)) for key in found):
            told = ", ".join(map(repr, found))
            raise ValueError(f"path: {str(path)!r} holds {told}: a moving average, but not as names with a tensor each")
        chosen = averages or list(states)[:1]
    if not chosen:
        raise ValueError(f"path: {str(path)!r} holds no state dict, expected names with a tensor each")
    if len(chosen) > 1:
        raise ValueError(f"path: {str(path)!r} holds several moving averages ({', '.join(chosen)}), expected one")
    return {name.removeprefix("module."): value for name, value in states[chosen[0]].items()}


def _states(found, place: str = "") -> Iterator[tuple[str, dict]]:
    """Yield the state dicts within a checkpoint's dict and the dicts in it, with their places."""
    if _is_state(found):
        yield place or "state_dict", found
    elif isinstance(found, dict) and place.count(".") < 2:
        for key in sorted(found, key=lambda key: key not in ("state_dict", "model")):
            yield from _states(found[key], f"{place}.{key}".lstrip("."))


def _check_beginning(path: Path) -> None:
    """Raise ValueError for what is neither an archive nor a pickle, such as a page that says where the file is."""
    with open(path, "rb") as file:
        first = file.read(40)
    if not first.startswith((b"PK", b"\x80")):
        raise ValueError(f"it begins with {first!r}, as no file of PyTorch does")


def _is_state(found) -> bool:
    return (
        isinstance(found, dict) and len(found) > 0 and all(isinstance(value, torch.Tensor) for value in found.values())
    )


def family(state: dict[str, torch.Tensor]) -> str:
    """Return which code wrote a state dict, "openai" or "ddpm", or raise ValueError."""
    if "input_blocks.0.0.weight" in state:
        if "label_emb.weight" in state:
            raise ValueError("path: holds a class-conditional model (label_emb), expected an unconditional one")
        return "openai"
    if "down.0.block.0.norm1.weight" in state:
        return "ddpm"
    if "time_embedding.linear_1.weight" in state:
        raise ValueError("path: holds the weights of a diffusers network, expected the folder with its config.json")
    some = ", ".join(sorted(state)[:3])
    raise ValueError(
        f"path: holds names such as {some}; expected those of OpenAI's improved or guided diffusion"
        " (input_blocks.0.0.weight ...) or of the DDPM of DDIM and SDEdit (down.0.block.0.norm1.weight ...)"
    )


def convert(
    state: dict[str, torch.Tensor],
    *,
    attention_head_dim: int | None = None,
    num_heads: int | None = None,
    attention_order: str = "old",
    image_size: int = 256,
) -> tuple[UNet2DModel, dict[str, torch.Tensor]]:
    """Infer the architecture of a state dict, and rename its tensors.

    Parameters
    ----------
    state : dict of str to Tensor
        By `read_state`.
    attention_head_dim, num_heads : int, optional
        Channels of an attention head, or how many heads there are: one of them is needed for the OpenAI format, which
        reveals neither. Guided diffusion's 256 x 256 models have heads of 64 channels, improved diffusion's LSUN models
        one head. A wrong one gives a network that runs and is wrong.
    attention_order : {"old", "new"}
        Of queries, keys and values: those of a head together (``use_new_attention_order`` was False, the default of
        both codes), or all queries first. A wrong one runs, too.
    image_size : int
        Side of the images in pixels; a convolutional network does not reveal it.

    Returns
    -------
    UNet2DModel
        On the meta device: its architecture alone.
    dict of str to Tensor
        The weights under its names.

    Raises
    ------
    ValueError
        If the state dict is of neither family, or does not match an architecture of it.
    """
    kind = family(state)
    try:
        if kind == "openai":
            check_choice("attention_order", attention_order, ORDERS)
            config, renamed = _openai(state, _head_dim(state, attention_head_dim, num_heads), attention_order)
        else:
            config, renamed = _ddpm(state)
    except KeyError as error:
        raise ValueError(f"path: lacks {error}, which the architecture that its other weights have needs") from error
    with torch.device("meta"):
        network = UNet2DModel(sample_size=check_integer("image_size", image_size, 8), **config)
    _compare(network, renamed)
    return network, renamed


def load_original(
    path: str | os.PathLike,
    *,
    schedule: str = "linear",
    **layout,
) -> tuple[UNet2DModel, DDPMScheduler]:
    """Load a checkpoint, from its conversion if that was saved before.

    The conversion is saved once as a `DDPMPipeline` in safetensors beside the file, under its name with ``-diffusers``;
    a folder that cannot be written is no error.

    Parameters
    ----------
    path : path
    **layout
        What `convert` has to be told: ``attention_head_dim`` or ``num_heads``, ``attention_order``, ``image_size``.
    schedule : {"linear", "cosine"}
        Which noise schedule the model was trained with, over 1,000 steps; the file does not tell.

    Returns
    -------
    UNet2DModel, DDPMScheduler

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_state` and `convert`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: got {str(path)!r}, expected a checkpoint file")
    check_choice("schedule", schedule, SCHEDULES)
    record = {
        "file": path.name,
        "bytes": path.stat().st_size,
        "changed": path.stat().st_mtime_ns,
        "schedule": schedule,
        **layout,
    }
    folder = path.with_name(f"{path.stem}-diffusers")
    if (saved := _saved(folder, record)) is not None:
        return saved
    network, weights = convert(read_state(path), **layout)
    network.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    learned = network.config.out_channels == 2 * network.config.in_channels
    scheduler = DDPMScheduler(
        num_train_timesteps=1000,
        beta_schedule=SCHEDULES[schedule],
        variance_type="learned_range" if learned else "fixed_small",
        clip_sample=True,
    )
    _save(DDPMPipeline(network, scheduler), folder, record)
    return network.eval(), scheduler


def _saved(folder: Path, record: dict) -> tuple[UNet2DModel, DDPMScheduler] | None:
    """Return what an earlier conversion saved, if it is of this very file and whole."""
    try:
        if json.loads((folder / RECORD).read_text()) != record:
            return None
        network = UNet2DModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
        return network, DDPMScheduler.from_pretrained(folder / "scheduler")
    except (OSError, ValueError, RuntimeError, SafetensorError):
        return None


def _save(pipeline: DDPMPipeline, folder: Path, record: dict) -> None:
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        pipeline.save_pretrained(part)
        (part / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        if (folder / RECORD).is_file():  # of another version of the file, and written by us
            shutil.rmtree(folder)
        if not folder.exists():
            part.rename(folder)
    except (OSError, SafetensorError):
        pass  # a shared folder of checkpoints is often read-only; next time it is converted again
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _head_dim(state: dict, head_dim: int | None, num_heads: int | None) -> int:
    """Return the channels of an attention head, which the OpenAI format does not reveal."""
    if (head_dim is None) == (num_heads is None):
        told = "neither" if head_dim is None else "both"
        raise ValueError(
            f"attention_head_dim, num_heads: got {told}, expected one of them, since the OpenAI format does not reveal"
            " it: `num_head_channels` or `num_heads` of the training, such as heads of 64 channels in guided"
            " diffusion's 256 x 256 models, and one head in improved diffusion's LSUN models"
        )
    if num_heads is None:
        return check_integer("attention_head_dim", head_dim, 1)
    check_integer("num_heads", num_heads, 1)
    widths = sorted({len(value) // 3 for name, value in state.items() if name.endswith("qkv.weight")})
    if len(widths) > 1 or widths[0] % num_heads:
        raise ValueError(
            f"num_heads: got {num_heads} for attention over {' and '.join(map(str, widths))} channels, expected heads"
            " of one width everywhere, which is all that a UNet2DModel can have"
        )
    return widths[0] // num_heads


def _openai(state: dict, head_dim: int, order: str) -> tuple[dict, dict]:
    """Architecture and renamed weights of an improved or guided diffusion `UNetModel`."""
    blocks = _count(state, "output_blocks.")
    upsamplers = [i for i in range(blocks) if _has(state, _upsampler(state, i))]
    levels = len(upsamplers) + 1
    per_level, left_over = divmod(blocks, levels)  # residual blocks on the way up; one less on the way down
    if left_over or per_level < 2:
        raise ValueError(f"path: has {blocks} output blocks on {levels} levels, expected as many, and two, on each")
    first = [f"input_blocks.{1 + level * per_level}" for level in range(levels)]
    channels = tuple(len(state[f"{name}.0.out_layers.3.weight"]) for name in first)
    attention = [f"{name}.1.qkv.weight" in state for name in first]
    residual = bool(upsamplers) and f"{_upsampler(state, upsamplers[0])}in_layers.0.weight" in state
    down, up = ("ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D") if residual else ("DownBlock2D", "UpBlock2D")
    shifted = len(state["input_blocks.1.0.emb_layers.1.weight"]) == 2 * channels[0]
    config = {
        "in_channels": state["input_blocks.0.0.weight"].shape[1],
        "out_channels": len(state["out.2.weight"]),
        "layers_per_block": per_level - 1,
        "block_out_channels": channels,
        "down_block_types": tuple("AttnDownBlock2D" if has else down for has in attention),
        "up_block_types": tuple("AttnUpBlock2D" if has else up for has in reversed(attention)),
        "downsample_type": "resnet" if residual else "conv",
        "upsample_type": "resnet" if residual else "conv",
        "resnet_time_scale_shift": "scale_shift" if shifted else "default",
        "attention_head_dim": head_dim,
        "attn_norm_num_groups": 32,
        "norm_eps": 1e-5,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
    }
    places = dict(ENDS["openai"])
    for level in range(levels):
        for j in range(per_level - 1):
            here, there = f"input_blocks.{1 + level * per_level + j}", f"down_blocks.{level}"
            places |= {f"{here}.0.": f"{there}.resnets.{j}.", f"{here}.1.": f"{there}.attentions.{j}."}
        places[f"input_blocks.{(level + 1) * per_level}.0."] = f"down_blocks.{level}.downsamplers.0."
        last = (level + 1) * per_level - 1
        places[_upsampler(state, last)] = f"up_blocks.{level}.upsamplers.0."
        for j in range(per_level):
            here, there = f"output_blocks.{level * per_level + j}", f"up_blocks.{level}"
            places[f"{here}.0."] = f"{there}.resnets.{j}."
            if f"{here}.1.qkv.weight" in state:
                places[f"{here}.1."] = f"{there}.attentions.{j}."
    return config, _renamed(state, places, "openai", head_dim, order)


def _ddpm(state: dict) -> tuple[dict, dict]:
    """Architecture and renamed weights of the DDPM `Model` of the codes of DDIM and SDEdit."""
    levels, per_level = _count(state, "down."), _count(state, "down.0.block.")
    channels = tuple(len(state[f"down.{level}.block.0.conv2.weight"]) for level in range(levels))
    attention = [f"down.{level}.attn.0.q.weight" in state for level in range(levels)]
    config = {
        "in_channels": state["conv_in.weight"].shape[1],
        "out_channels": len(state["conv_out.weight"]),
        "layers_per_block": per_level,
        "block_out_channels": channels,
        "down_block_types": tuple("AttnDownBlock2D" if has else "DownBlock2D" for has in attention),
        "up_block_types": tuple("AttnUpBlock2D" if has else "UpBlock2D" for has in reversed(attention)),
        "downsample_padding": 0,  # diffusers then pads right and below alone, as the original does
        "attention_head_dim": None,  # one head
        "norm_eps": 1e-6,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
    }
    places = dict(ENDS["ddpm"])
    for level in range(levels):
        ways = (f"down.{level}", f"down_blocks.{level}"), (f"up.{level}", f"up_blocks.{levels - 1 - level}")
        for here, there in ways:
            for j in range(per_level + 1):
                places |= {
                    f"{here}.block.{j}.": f"{there}.resnets.{j}.",
                    f"{here}.attn.{j}.": f"{there}.attentions.{j}.",
                }
            places |= {f"{here}.downsample.": f"{there}.downsamplers.0.", f"{here}.upsample.": f"{there}.upsamplers.0."}
    return config, _renamed(state, places, "ddpm")


def _count(state: dict, prefix: str) -> int:
    """One more than the largest number after a prefix."""
    numbers = [int(name[len(prefix) :].split(".")[0]) for name in state if name.startswith(prefix)]
    if not numbers:
        raise KeyError(prefix + "0")
    return 1 + max(numbers)


def _has(state: dict, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in state)


def _upsampler(state: dict, i: int) -> str:
    """Where an output block has its upsampling, if it has one: after the residual block and the attention."""
    return f"output_blocks.{i}.{2 if f'output_blocks.{i}.1.qkv.weight' in state else 1}."


def _renamed(state: dict, places: dict[str, str], kind: str, head_dim: int = 0, order: str = "old") -> dict:
    """Give every tensor its place in a `UNet2DModel`."""
    renamed = {}
    for name, value in state.items():
        prefix = next((prefix for prefix in places if name.startswith(prefix)), None)
        part, _, what = name[len(prefix or "") :].rpartition(".")
        if prefix is None or (part and part not in PARTS[kind] and part != "qkv"):
            raise ValueError(f"path: holds {name}, which has no place in the architecture that its other names have")
        if part == "qkv":
            for letter, rows in zip("qkv", _split(name, value, head_dim, order), strict=True):
                renamed[f"{places[prefix]}to_{letter}.{what}"] = rows
        else:
            new = f"{PARTS[kind][part]}." if part else ""
            linear = new.startswith("to_") and value.ndim > 2  # a convolution of one pixel
            renamed[f"{places[prefix]}{new}{what}"] = value.flatten(1) if linear else value
    return renamed


def _split(name: str, value: torch.Tensor, head_dim: int, order: str) -> tuple[torch.Tensor, ...]:
    """Take queries, keys and values apart; OpenAI's older order has all three of a head before the next head."""
    width = len(value) // 3
    if len(value) != 3 * width or width % head_dim:
        raise ValueError(f"attention_head_dim: got {head_dim}, but {name} is for {width} channels, no multiple of it")
    if order == "new":
        return tuple(part.contiguous() for part in value.reshape(3, width, *value.shape[1:2]))
    heads = value.reshape(width // head_dim, 3, head_dim, *value.shape[1:2])
    return tuple(heads[:, k].reshape(width, *value.shape[1:2]).contiguous() for k in range(3))


def _compare(network: UNet2DModel, weights: dict) -> None:
    """Raise ValueError unless the weights are those of a network, name by name and shape by shape."""
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    complaints = [f"lacks {name}" for name in sorted(expected.keys() - found.keys())]
    complaints += [f"has {name} besides" for name in sorted(found.keys() - expected.keys())]
    both = sorted(expected.keys() & found.keys())
    complaints += [f"{name} is {found[name]}, not {expected[name]}" for name in both if expected[name] != found[name]]
    if complaints:
        more = f" and {len(complaints) - 3} more" if len(complaints) > 3 else ""
        raise ValueError(f"path: does not match the architecture inferred from it: {'; '.join(complaints[:3])}{more}")
