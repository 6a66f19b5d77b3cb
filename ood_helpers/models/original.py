"""Checkpoints in the formats of the original codes, converted to a `diffusers` U-Net.

Two families, told apart by their names and measured by their shapes:

    OpenAI   improved / guided diffusion: ``input_blocks``, ``middle_block``, ``output_blocks``
    DDPM     Ho et al. in PyTorch, as in DDIM and SDEdit: ``down``, ``mid``, ``up``

What a state dict does not show is set by hand (`HIDDEN`), since no error would tell.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..checks import check_choice, check_integer

SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors")
PARTS = {
    "openai": {"in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj"}
    | {"out_layers.0": "norm2", "out_layers.3": "conv2", "skip_connection": "conv_shortcut"}
    | {"norm": "group_norm", "proj_out": "to_out.0", "op": "conv", "conv": "conv"},
    "ddpm": {name: name for name in ("norm1", "conv1", "norm2", "conv2", "conv")}
    | {"temb_proj": "time_emb_proj", "nin_shortcut": "conv_shortcut", "norm": "group_norm"}
    | {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"},
}
"""What the parts of a block are called, theirs -> diffusers'."""
ENDS = {
    "openai": {"time_embed.0.": "time_embedding.linear_1.", "time_embed.2.": "time_embedding.linear_2."}
    | {"input_blocks.0.0.": "conv_in.", "out.0.": "conv_norm_out.", "out.2.": "conv_out."}
    | {"middle_block.0.": "mid_block.resnets.0.", "middle_block.1.": "mid_block.attentions.0."}
    | {"middle_block.2.": "mid_block.resnets.1."},
    "ddpm": {"temb.dense.0.": "time_embedding.linear_1.", "temb.dense.1.": "time_embedding.linear_2."}
    | {"conv_in.": "conv_in.", "norm_out.": "conv_norm_out.", "conv_out.": "conv_out."}
    | {"mid.block_1.": "mid_block.resnets.0.", "mid.attn_1.": "mid_block.attentions.0."}
    | {"mid.block_2.": "mid_block.resnets.1."},
}
"""Where the parts are that every model has."""
HIDDEN: dict[str, dict[str, Any]] = {
    "openai": {"norm_eps": 1e-5, "flip_sin_to_cos": True, "freq_shift": 0, "attn_norm_num_groups": 32},
    # diffusers pads right and below alone, as the original does, and attends with one head
    "ddpm": {"norm_eps": 1e-6, "flip_sin_to_cos": False, "freq_shift": 1}
    | {"downsample_padding": 0, "attention_head_dim": None},
}
AVERAGE = re.compile("(^|[^a-z])ema([^a-z]|$)|shadow|average", re.IGNORECASE)  # what a moving average is called
NUMBERS: list[Any] = [np.dtype, np.float64(0).__reduce__()[0], *(type(np.dtype(kind)) for kind in "fdilq?")]
"""Numbers of numpy that may stand beside weights; making them runs no code of the file."""


def read_state(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint, of the moving average if it holds one.

    ``path`` is a safetensors file, or one of PyTorch with a state dict, alone, in dicts, or in the list that DDIM's
    code saves (the last entry is the moving average). ValueError if it is damaged, or would run code when opened.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: got {str(path)!r}, expected a checkpoint file")
    try:
        if path.suffix.lower() == ".safetensors":
            found = load_file(path)
        else:
            with open(path, "rb") as file:
                first = file.read(40)
            if not first.startswith((b"PK", b"\x80")):  # a page that says where the file is, say
                raise ValueError(f"it begins with {first!r}, as no file of PyTorch does")
            with torch.serialization.safe_globals(NUMBERS):
                found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        why = " ".join(line for line in str(error).splitlines() if "GLOBAL" in line) or str(error).splitlines()[0]
        why = f"opening it would run code that it brings ({why})"
        raise ValueError(f"path: {str(path)!r} is refused, since {why}") from error
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


def _is_state(found) -> bool:
    return isinstance(found, dict) and bool(found) and all(isinstance(value, torch.Tensor) for value in found.values())


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
    known = "OpenAI's improved or guided diffusion (input_blocks.0.0.weight ...) or of the DDPM of DDIM and SDEdit"
    raise ValueError(f"path: holds names such as {some}; expected those of {known} (down.0.block.0.norm1.weight ...)")


def convert(
    state: dict[str, torch.Tensor],
    *,
    attention_head_dim: int | None = None,
    num_heads: int | None = None,
    attention_order: str = "old",
    image_size: int = 256,
) -> UNet2DModel:
    """Make the network that a state dict, by `read_state`, is of: its architecture inferred, its weights in float32.

    Parameters
    ----------
    attention_head_dim, num_heads : int, optional
        Channels of an attention head, or how many heads: the OpenAI format, which reveals neither, needs one of them.
        Guided diffusion's 256 x 256 models have heads of 64 channels, improved diffusion's LSUN models one head.
    attention_order : {"old", "new"}
        Of queries, keys and values: those of a head together (``use_new_attention_order`` was False, the default), or
        all queries first. A wrong one, or a wrong head, gives a network that runs and is wrong.
    image_size : int
        Side of the images in pixels; a convolutional network does not reveal it.
    """
    kind = family(state)
    try:
        if kind == "openai":
            check_choice("attention_order", attention_order, ("old", "new"))
            config, weights = _openai(state, _head_dim(state, attention_head_dim, num_heads), attention_order)
        else:
            config, weights = _ddpm(state)
    except KeyError as error:
        raise ValueError(f"path: lacks {error}, which the architecture that its other weights have needs") from error
    with torch.device("meta"):
        network = UNet2DModel(sample_size=check_integer("image_size", image_size, 8), **config)
    try:
        network.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    except RuntimeError as error:
        why = "; ".join(str(error).split("\n\t")[1:4])
        raise ValueError(f"path: does not match the architecture inferred from it: {why:.500}") from error
    return network.eval()


def _head_dim(state: dict, head_dim: int | None, num_heads: int | None) -> int:
    """Return the channels of an attention head, which the OpenAI format does not reveal."""
    if (head_dim is None) == (num_heads is None):
        told = f"got {'neither' if head_dim is None else 'both'}, expected one of them, that of the training"
        some = "such as heads of 64 channels in guided diffusion's 256 x 256 models, one head in improved diffusion's"
        raise ValueError(f"attention_head_dim, num_heads: {told}, {some} LSUN models")
    if num_heads is None:
        return check_integer("attention_head_dim", head_dim, 1)
    check_integer("num_heads", num_heads, 1)
    widths = sorted({len(value) // 3 for name, value in state.items() if name.endswith("qkv.weight")})
    if len(widths) > 1 or widths[0] % num_heads:
        told = f"got {num_heads} for attention over {' and '.join(map(str, widths))} channels"
        raise ValueError(f"num_heads: {told}, expected heads of one width, which is all that a UNet2DModel can have")
    return widths[0] // num_heads


def _openai(state: dict, head_dim: int, order: str) -> tuple[dict, dict]:
    """Architecture and renamed weights of an improved or guided diffusion `UNetModel`."""
    blocks = _count(state, "output_blocks.")
    upsamplers = [i for i in range(blocks) if any(name.startswith(_upsampler(state, i)) for name in state)]
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
        **dict.fromkeys(("downsample_type", "upsample_type"), "resnet" if residual else "conv"),
        "resnet_time_scale_shift": "scale_shift" if shifted else "default",
        "attention_head_dim": head_dim,
        **HIDDEN["openai"],
    }
    places = dict(ENDS["openai"])
    for level in range(levels):
        start, after = level * per_level, (level + 1) * per_level
        places[f"input_blocks.{after}.0."] = f"down_blocks.{level}.downsamplers.0."
        places[_upsampler(state, after - 1)] = f"up_blocks.{level}.upsamplers.0."
        ways = [(f"input_blocks.{start + 1 + j}", f"down_blocks.{level}", j) for j in range(per_level - 1)]
        ways += [(f"output_blocks.{start + j}", f"up_blocks.{level}", j) for j in range(per_level)]
        for here, there, j in ways:
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
        **HIDDEN["ddpm"],
    }
    places = dict(ENDS["ddpm"])
    for level in range(levels):
        ways = (f"down.{level}", f"down_blocks.{level}"), (f"up.{level}", f"up_blocks.{levels - 1 - level}")
        for here, there in ways:
            for j in range(per_level + 1):
                places[f"{here}.block.{j}."] = f"{there}.resnets.{j}."
                places[f"{here}.attn.{j}."] = f"{there}.attentions.{j}."
            places |= {f"{here}.downsample.": f"{there}.downsamplers.0.", f"{here}.upsample.": f"{there}.upsamplers.0."}
    return config, _renamed(state, places, "ddpm")


def _count(state: dict, prefix: str) -> int:
    """One more than the largest number after a prefix."""
    numbers = [int(name[len(prefix) :].split(".")[0]) for name in state if name.startswith(prefix)]
    if not numbers:
        raise KeyError(prefix + "0")
    return 1 + max(numbers)


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
