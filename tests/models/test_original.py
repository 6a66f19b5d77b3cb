"""Checkpoints of the original codes: recorded outputs, every trap sprung on purpose, nothing that does not match."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline
from safetensors.torch import load_file, save_file

import ood_helpers as ood
from ood_helpers.models import original
from ood_helpers.models.frozen import fingerprint

DATA = Path(__file__).parents[1] / "data"
OPENAI, DDPM = DATA / "iddpm_openai_tiny.safetensors", DATA / "ddpm_original_tiny.safetensors"
HEADS = {OPENAI: 16, DDPM: None}


def recorded(file):
    """Return the state dict of a recording, its input, timesteps and output."""
    found = load_file(file)
    state = {name.removeprefix("state."): value for name, value in found.items() if name.startswith("state.")}
    return state, found["x"], found["t"], found["output"]


def checkpoint(folder, file, name="model.pt"):
    torch.save(recorded(file)[0], folder / name)
    return folder / name


@pytest.mark.parametrize("file", [OPENAI, DDPM], ids=["openai", "ddpm"])
def test_outputs_are_those_of_the_original_code(file, tmp_path):
    """Of all channels, and of `eps`, which leaves the learned variances away."""
    _, x, t, output = recorded(file)
    path = checkpoint(tmp_path, file)
    network = original.convert(original.read_state(path), attention_head_dim=HEADS[file], image_size=32)
    with torch.no_grad():
        torch.testing.assert_close(network(x, t).sample, output, rtol=1e-5, atol=1e-5)
    model = ood.load_model(path, attention_head_dim=HEADS[file], image_size=32, device="cpu")
    for k in range(2):
        torch.testing.assert_close(model.eps(x[k : k + 1], int(t[k])), output[k : k + 1, :3], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("file", [OPENAI, DDPM], ids=["openai", "ddpm"])
@pytest.mark.parametrize(
    "trap", [{"flip_sin_to_cos": None}, {"freq_shift": None}, {"norm_eps": 1e-2}, {"downsample_padding": None}]
)
def test_each_silent_difference_would_be_seen(file, trap):
    """The recording tells a wrong architecture from the right one, so the test above can fail."""
    state, x, t, output = recorded(file)
    network = original.convert(state, attention_head_dim=HEADS[file], image_size=32)
    config, (key, value) = dict(network.config), *trap.items()
    if key == "downsample_padding" and file == OPENAI:
        pytest.skip("its downsampling is a residual block, without a convolution of its own")
    config[key] = (1 - int(config[key])) if value is None else value
    other = type(network).from_config(config)
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert (other(x, t).sample - output).abs().max() > 1e-3


def test_a_wrong_head_width_runs_and_is_wrong():
    state, x, t, output = recorded(OPENAI)
    network = original.convert(state, attention_head_dim=32, image_size=32)
    with torch.no_grad():
        assert (network(x, t).sample - output).abs().max() > 1e-3


def test_the_number_of_heads_says_as_much_as_their_width_and_the_newer_order_is_understood():
    state, x, t, output = recorded(OPENAI)
    (width,) = {len(value) // 3 for name, value in state.items() if name.endswith("qkv.weight")}
    network = original.convert(state, num_heads=width // 16, image_size=32)
    newer = {}
    for name, value in state.items():
        if ".qkv." in name:  # all queries, then all keys, then all values, each head by head
            parts = value.reshape(width // 16, 3, 16, *value.shape[1:]).transpose(0, 1)
            value = parts.reshape(3 * width, *value.shape[1:])
        newer[name] = value
    same = original.convert(newer, attention_head_dim=16, attention_order="new", image_size=32).state_dict()
    weights = network.state_dict()
    assert weights.keys() == same.keys() and all(torch.equal(weights[name], same[name]) for name in weights)
    with torch.no_grad():
        torch.testing.assert_close(network(x, t).sample, output, rtol=1e-3, atol=1e-4)
    for heads in ({}, {"num_heads": 2, "attention_head_dim": 16}, {"num_heads": 5}):
        with pytest.raises(ValueError, match="num_heads: got"):
            original.convert(state, image_size=32, **heads)


def test_a_conversion_is_kept_by_saving_the_model(tmp_path):
    model = ood.load_model(checkpoint(tmp_path, OPENAI), attention_head_dim=16, image_size=32, schedule="cosine")
    assert model.alphas_cumprod[-1] < 1e-6
    ood.save_model(model, tmp_path / "kept")
    assert DDPMPipeline.from_pretrained(tmp_path / "kept").unet.config.sample_size == 32
    again = ood.load_model(tmp_path / "kept")
    assert fingerprint(again) == fingerprint(model) and again.image_shape == (3, 32, 32)


def test_the_moving_average_is_taken_and_the_prefix_of_parallel_training_dropped(tmp_path):
    state = recorded(DDPM)[0]
    average = {f"module.{name}": value + 1 for name, value in state.items()}
    torch.save([state, {"state": {}, "param_groups": []}, 3, 1000, average], tmp_path / "ckpt.pth")
    found = original.read_state(tmp_path / "ckpt.pth")
    assert found.keys() == state.keys()
    assert torch.equal(found["conv_in.bias"], state["conv_in.bias"] + 1)
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "wrapped.ckpt")
    assert torch.equal(original.read_state(tmp_path / "wrapped.ckpt")["conv_in.bias"], state["conv_in.bias"])


def test_the_moving_average_is_found_under_its_other_names(tmp_path):
    state = recorded(DDPM)[0]
    average = {name: value + 1 for name, value in state.items()}
    for content in (
        {"model": state, "ema": {"mu": 0.999, "shadow": average}},
        {"model": state, "model_ema": average, "best": np.float64(1)},
        {"step": 3, "state_dict_ema": average, "state_dict": state},
    ):
        torch.save(content, tmp_path / "a.pt")
        assert torch.equal(original.read_state(tmp_path / "a.pt")["conv_in.bias"], state["conv_in.bias"] + 1)
    torch.save({"model": state, "schema": {"semantics": 3}}, tmp_path / "a.pt")
    assert torch.equal(original.read_state(tmp_path / "a.pt")["conv_in.bias"], state["conv_in.bias"])
    for content, complaint in (
        ({"model": state, "ema": [1, 2]}, "a moving average, but not as names"),
        ({"ema_0.999": average, "ema_0.9999": state}, "several moving averages"),
    ):
        torch.save(content, tmp_path / "a.pt")
        with pytest.raises(ValueError, match=complaint):
            original.read_state(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["a.PT", "a.bin", "a.pth.tar", "model-790000", "owner/a.bin"])
def test_a_checkpoint_may_have_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner").mkdir()
    checkpoint(tmp_path, DDPM, name)
    assert ood.load_model(name, image_size=32).image_shape == (3, 32, 32)


class Attack:
    """A pickle that writes a file when opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    victim = tmp_path / "ran"
    torch.save({"conv_in.weight": Attack(victim)}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil\.pt.*is refused, since opening it would run code"):
        ood.load_model(tmp_path / "evil.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Attack(victim)))
    with pytest.raises(ValueError, match=r"raw\.pt"):
        ood.load_model(tmp_path / "raw.pt")
    assert not victim.exists()


def test_what_does_not_match_is_named(tmp_path):
    state = recorded(DDPM)[0]
    for change, complaint in (
        (
            {"down.0.block.0.conv1.weight": torch.zeros(8, 32, 3, 3)},
            r"size mismatch for .*resnets\.0\.conv1\.weight: .*\[8, 32, 3, 3\]",
        ),
        ({"extra.weight": torch.zeros(3)}, r"holds extra\.weight, which has no place"),
        ({"mid.attn_1.q.bias": None}, r"Missing key.*mid_block\.attentions\.0\.to_q\.bias"),
        ({"conv_in.weight": None}, r"lacks 'conv_in\.weight'"),
    ):
        changed = {name: value for name, value in {**state, **change}.items() if value is not None}
        save_file(changed, tmp_path / "bad.safetensors")
        with pytest.raises(ValueError, match=complaint):
            ood.load_model(tmp_path / "bad.safetensors", image_size=32)


def test_other_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a checkpoint file"):
        ood.load_model(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("<html>Virus scan warning")
    with pytest.raises(ValueError, match=r"text\.pt.*begins with b'<html>Virus"):
        ood.load_model(tmp_path / "text.pt")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    with pytest.raises(ValueError, match="holds no state dict"):
        ood.load_model(tmp_path / "empty.pt")
    torch.save({"a.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"names such as a\.weight; expected those of OpenAI"):
        ood.load_model(tmp_path / "other.pt")
    state = recorded(OPENAI)[0]
    torch.save({**state, "label_emb.weight": torch.zeros(10, 128)}, tmp_path / "classes.pt")
    with pytest.raises(ValueError, match="class-conditional"):
        ood.load_model(tmp_path / "classes.pt")
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"attention_head_dim, num_heads: got neither.*heads of 64"):
        ood.load_model(tmp_path / "model.pt", image_size=32)
    with pytest.raises(ValueError, match=r"attention_head_dim: got 48, but .* is for 64 channels"):
        ood.load_model(tmp_path / "model.pt", attention_head_dim=48, image_size=32)


def openai_shapes(width, multipliers, blocks, attention, out=6):
    """Names and shapes of a `UNetModel` with residual resampling and scale-shift norms, from its design."""
    shapes, embed = {}, 4 * width

    def layer(name, *shape):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]

    def resnet(name, a, b):
        layer(f"{name}.in_layers.0", a)
        layer(f"{name}.in_layers.2", b, a, 3, 3)
        layer(f"{name}.emb_layers.1", 2 * b, embed)
        layer(f"{name}.out_layers.0", b)
        layer(f"{name}.out_layers.3", b, b, 3, 3)
        if a != b:
            layer(f"{name}.skip_connection", b, a, 1, 1)

    def attend(name, a):
        layer(f"{name}.norm", a)
        layer(f"{name}.qkv", 3 * a, a, 1)
        layer(f"{name}.proj_out", a, a, 1)

    layer("time_embed.0", embed, width)
    layer("time_embed.2", embed, embed)
    layer("input_blocks.0.0", width, 3, 3, 3)
    here, skips, i = width, [width], 1
    for level, m in enumerate(multipliers):
        for _ in range(blocks):
            resnet(f"input_blocks.{i}.0", here, m * width)
            here = m * width
            if level in attention:
                attend(f"input_blocks.{i}.1", here)
            skips.append(here)
            i += 1
        if level < len(multipliers) - 1:
            resnet(f"input_blocks.{i}.0", here, here)
            skips.append(here)
            i += 1
    resnet("middle_block.0", here, here)
    attend("middle_block.1", here)
    resnet("middle_block.2", here, here)
    i = 0
    for level, m in reversed(list(enumerate(multipliers))):
        for j in range(blocks + 1):
            resnet(f"output_blocks.{i}.0", here + skips.pop(), m * width)
            here = m * width
            if level in attention:
                attend(f"output_blocks.{i}.1", here)
            if level and j == blocks:
                resnet(f"output_blocks.{i}.{2 if level in attention else 1}", here, here)
            i += 1
    layer("out.0", here)
    layer("out.2", out, here, 3, 3)
    return shapes


def ddpm_shapes(width, multipliers, blocks, attention):
    """Names and shapes of the DDPM `Model`, written down from its design."""
    shapes, embed = {}, 4 * width

    def layer(name, *shape):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]

    def resnet(name, a, b):
        layer(f"{name}.norm1", a)
        layer(f"{name}.conv1", b, a, 3, 3)
        layer(f"{name}.temb_proj", b, embed)
        layer(f"{name}.norm2", b)
        layer(f"{name}.conv2", b, b, 3, 3)
        if a != b:
            layer(f"{name}.nin_shortcut", b, a, 1, 1)

    def attend(name, a):
        layer(f"{name}.norm", a)
        for part in ("q", "k", "v", "proj_out"):
            layer(f"{name}.{part}", a, a, 1, 1)

    layer("temb.dense.0", embed, width)
    layer("temb.dense.1", embed, embed)
    layer("conv_in", width, 3, 3, 3)
    here, skips = width, [width]
    for level, m in enumerate(multipliers):
        for j in range(blocks):
            resnet(f"down.{level}.block.{j}", here, m * width)
            here = m * width
            if level in attention:
                attend(f"down.{level}.attn.{j}", here)
            skips.append(here)
        if level < len(multipliers) - 1:
            layer(f"down.{level}.downsample.conv", here, here, 3, 3)
            skips.append(here)
    resnet("mid.block_1", here, here)
    attend("mid.attn_1", here)
    resnet("mid.block_2", here, here)
    for level, m in reversed(list(enumerate(multipliers))):
        for j in range(blocks + 1):
            resnet(f"up.{level}.block.{j}", here + skips.pop(), m * width)
            here = m * width
            if level in attention:
                attend(f"up.{level}.attn.{j}", here)
        if level:
            layer(f"up.{level}.upsample.conv", here, here, 3, 3)
    layer("norm_out", here)
    layer("conv_out", 3, here, 3, 3)
    return shapes


@pytest.mark.parametrize(
    ("shapes", "millions"),
    [
        (openai_shapes(128, (1, 1, 2, 2, 4, 4), 1, {4}), 93.6),
        (ddpm_shapes(128, (1, 1, 2, 2, 4, 4), 2, {4}), 113.7),
    ],
    ids=["afhqdog_p2", "celeba_hq"],
)
def test_the_published_sizes_are_inferred(shapes, millions):
    """On the meta device: 93.6 and 113.7 million parameters, attention at 16 x 16 pixels of 256."""
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    network = original.convert(state, attention_head_dim=64)
    count = sum(value.numel() for value in network.parameters())
    assert round(count / 1e6, 1) == millions
    assert count == sum(value.numel() for value in state.values())
    assert network.config.sample_size == 256


@pytest.mark.parametrize("multipliers", [(1, 2), (1, 2, 3), (1, 1, 2, 2)])
@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("attention", [{1}, {0, 1}])
def test_any_layout_of_either_family_is_inferred(multipliers, blocks, attention):
    for shapes in (
        openai_shapes(32, multipliers, blocks, attention, 3),
        ddpm_shapes(32, multipliers, blocks, attention),
    ):
        state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        network = original.convert(state, attention_head_dim=32, image_size=64)
        assert network.config.layers_per_block == blocks
        assert network.config.block_out_channels == tuple(32 * m for m in multipliers)
