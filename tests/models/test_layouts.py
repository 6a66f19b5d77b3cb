"""Folders and hub repositories as they are found: old and new layouts, old names of weights, variants, no network."""

import fnmatch
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import save_file

import ood_helpers as ood
from ood_helpers.models import loading

OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def google_like(seed=0):
    """A small network with every choice that google/ddpm-*-256 make unlike the defaults of today."""
    torch.manual_seed(seed)
    return UNet2DModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=None,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        norm_num_groups=4,
    ).eval()


def old_names(state):
    """Weights of attention as they were called until 2023, and as they are in the files on the hub."""
    for new, old in OLD_NAMES.items():
        state = {name.replace(f".{new}.", f".{old}."): value for name, value in state.items()}
    assert any(".query.weight" in name for name in state)
    return state


def write_repository(folder, network, *, side_by_side=True, kind="bin", variant=None, names=old_names):
    """Make what google/ddpm-church-256 is: weights in a pickle, all files side by side; or what is like it."""
    places = [folder, folder] if side_by_side else [folder / "unet", folder / "scheduler"]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    index = {"_class_name": "DDPMPipeline", "_diffusers_version": "0.1.1"}
    index |= {"scheduler": ["diffusers", "DDPMScheduler"], "unet": ["diffusers", "UNet2DModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    config = {name: value for name, value in network.config.items() if not name.startswith("_")}
    config |= {"_class_name": "UNet2DModel", "_diffusers_version": "0.1.1"}
    (places[0] / "config.json").write_text(json.dumps(config))
    schedule = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", "trained_betas": None}
    schedule |= {"num_train_timesteps": 1000, "clip_sample": True, "variance_type": "fixed_small"}
    schedule |= {"_class_name": "DDPMScheduler", "_diffusers_version": "0.0.4", "timestep_values": None}
    (places[1] / "scheduler_config.json").write_text(json.dumps(schedule))
    write_weights(places[0], names(network.state_dict()), kind, variant)
    return folder


def write_weights(place, state, kind="bin", variant=None):
    file = place / f"diffusion_pytorch_model{f'.{variant}' if variant else ''}.{kind}"
    if kind == "bin":
        torch.save(state, file)
    else:
        save_file({name: value.contiguous() for name, value in state.items()}, file)


def answers_as(model, network):
    """Bit for bit, at several timesteps."""
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return all(torch.equal(model.eps(x, t), network(x, t).sample) for t in (0, 40, 999))


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
@pytest.mark.parametrize("side_by_side", [True, False], ids=["root", "folders"])
@pytest.mark.parametrize("names", [old_names, dict], ids=["old-names", "new-names"])
def test_every_layout_answers_bit_for_bit_as_the_network_in_it(tmp_path, side_by_side, kind, names):
    write_repository(tmp_path, google_like(), side_by_side=side_by_side, kind=kind, names=names)
    model = ood.load_model(tmp_path, device="cpu")
    assert answers_as(model, google_like()) and not answers_as(model, google_like(seed=1))
    assert torch.equal(model.alphas_cumprod, loading.schedules.alphas_cumprod("linear"))


def test_the_layout_of_the_hub_opens_as_diffusers_opens_it(tmp_path):
    write_repository(tmp_path, google_like())
    assert answers_as(ood.load_model(tmp_path, device="cpu"), DDPMPipeline.from_pretrained(tmp_path).unet)


def test_a_pipeline_of_another_sampler_has_the_same_network_and_schedule(tmp_path):
    write_repository(tmp_path, google_like(), side_by_side=False)
    DDIMScheduler(beta_schedule="linear").save_pretrained(tmp_path / "scheduler")
    model = ood.load_model(tmp_path, device="cpu")
    assert answers_as(model, google_like()) and isinstance(model.scheduler, DDPMScheduler)


def test_a_variant_is_other_weights_in_the_same_place(tmp_path):
    write_repository(tmp_path, google_like())
    write_weights(tmp_path, google_like(seed=1).state_dict(), "safetensors", "ema")
    write_weights(tmp_path, google_like(seed=2).half().state_dict(), "bin", "fp16")
    assert answers_as(ood.load_model(tmp_path, device="cpu"), google_like())
    assert answers_as(ood.load_model(tmp_path, variant="ema", device="cpu"), google_like(seed=1))
    assert answers_as(ood.load_model(tmp_path, variant="fp16", device="cpu"), google_like(seed=2).half().float())
    with pytest.raises(ValueError, match=r"variant: got 'non_ema', .*its weights are: .*bin, .*ema\.safetensors"):
        ood.load_model(tmp_path, variant="non_ema")


def test_a_checkpoint_file_has_no_variants(tmp_path):
    with pytest.raises(ValueError, match="variant: got 'ema' with a checkpoint file"):
        ood.load_model(tmp_path / "model.pt", variant="ema")


def test_the_weights_of_a_pipeline_alone_are_no_checkpoint(tmp_path):
    write_repository(tmp_path, google_like(), kind="safetensors")
    with pytest.raises(ValueError, match=r"expected the folder with its config\.json"):
        ood.load_model(tmp_path / "diffusion_pytorch_model.safetensors")


class Mischief:
    """What runs code as soon as a pickle with it is opened without care."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


def test_code_in_old_weights_is_refused_and_not_run(tmp_path):
    write_repository(tmp_path, google_like())
    write_weights(tmp_path, {"conv_in.weight": Mischief(tmp_path / "harm")})
    with pytest.raises(ValueError, match="is refused, since opening it would run code"):
        ood.load_model(tmp_path)
    assert not (tmp_path / "harm").exists()


def test_gaps_are_not_filled_with_random_numbers(tmp_path):
    write_repository(tmp_path, google_like())
    state = google_like().state_dict()
    state["conv_inn.bias"] = state.pop("conv_in.bias")
    write_weights(tmp_path, state)
    with pytest.raises(ValueError, match=r"lacks conv_in\.bias; has conv_inn\.bias besides"):
        ood.load_model(tmp_path)


def test_a_scheduler_without_betas_is_refused(tmp_path):
    """Of score-based models, say: read as a DDPM's it would get a schedule that the network was not trained with."""
    write_repository(tmp_path, google_like())
    (tmp_path / "scheduler_config.json").write_text(json.dumps({"_class_name": "ScoreSdeVeScheduler"}))
    with pytest.raises(ValueError, match="holds a ScoreSdeVeScheduler, which has no betas"):
        ood.load_model(tmp_path)


def test_a_network_that_works_on_the_codes_of_an_autoencoder_is_refused(tmp_path):
    write_repository(tmp_path, google_like(), side_by_side=False)
    index = json.loads((tmp_path / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps({**index, "vqvae": ["diffusers", "VQModel"]}))
    with pytest.raises(ValueError, match="has vqvae besides a network and its scheduler"):
        ood.load_model(tmp_path)


def test_an_index_is_not_needed(tmp_path):
    (write_repository(tmp_path, google_like()) / "model_index.json").unlink()
    assert answers_as(ood.load_model(tmp_path, device="cpu"), google_like())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache in an empty folder, and no way to the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.mark.parametrize("name", ["google/ddpm-church-256", "google/ddpm-ema-church-256", "someone/ddpm-v1.5"])
def test_what_the_hub_gave_once_is_found_without_a_network(cache, name):
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    write_repository(repository / "snapshots" / ("0" * 40), google_like())
    model = ood.load_model(name, device="cpu")
    assert model.name == name.split("/")[1] and answers_as(model, google_like())


def test_a_hub_out_of_reach_is_told_with_the_way_out(cache):
    with pytest.raises(FileNotFoundError) as caught:
        ood.load_model("google/ddpm-church-256")
    said = str(caught.value)
    assert "name_or_path: 'google/ddpm-church-256' is no folder here" in said
    assert "hf download google/ddpm-church-256 --local-dir FOLDER" in said and "HF_HUB_OFFLINE" in said


@pytest.mark.parametrize("kinds", [["safetensors"], ["bin"], ["bin", "safetensors"]], ids="+".join)
def test_of_a_repository_only_what_is_read_is_fetched(tmp_path, monkeypatch, kinds):
    write_repository(tmp_path / "hub", google_like(), kind=kinds[0])
    write_weights(tmp_path / "hub", google_like().state_dict(), kinds[-1])
    write_weights(tmp_path / "hub", google_like().state_dict(), "bin", "ema")
    (tmp_path / "hub" / "code.py").write_text("raise AssertionError")

    def fetch(name, allow_patterns):
        (tmp_path / "here").mkdir(exist_ok=True)
        for file in (tmp_path / "hub").iterdir():
            if any(fnmatch.fnmatch(file.name, pattern) for pattern in allow_patterns):
                shutil.copy(file, tmp_path / "here")
        return str(tmp_path / "here")

    monkeypatch.setattr(loading, "snapshot_download", fetch)
    assert answers_as(ood.load_model("google/ddpm-church-256", device="cpu"), google_like())
    fetched = sorted(file.name for file in Path(tmp_path / "here").iterdir())
    weights = f"diffusion_pytorch_model.{kinds[-1]}"
    assert fetched == ["config.json", weights, "model_index.json", "scheduler_config.json"]


def test_whatever_goes_wrong_on_the_way_to_the_hub_is_told(monkeypatch):
    class ProxyError(Exception):
        """As HTTP libraries have them: no OSError."""

    def fetch(name, allow_patterns):
        raise ProxyError("403 Forbidden")

    monkeypatch.setattr(loading, "snapshot_download", fetch)
    with pytest.raises(FileNotFoundError, match="ProxyError: 403 Forbidden"):
        ood.load_model("google/ddpm-church-256")
