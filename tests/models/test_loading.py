"""Loading models: the shipped toys, folders that `diffusers` wrote, and everything that is not one."""

import json

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

import ood_helpers as ood
from ood_helpers.models.loading import SHIPPED, freeze


def tiny_network(**changes):
    settings = {
        "sample_size": 16,
        "in_channels": 3,
        "out_channels": 3,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "norm_num_groups": 4,
        "attention_head_dim": 8,
    }
    torch.manual_seed(0)
    return UNet2DModel(**{**settings, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline")
    DDPMPipeline(tiny_network(), DDPMScheduler(beta_schedule="squaredcos_cap_v2")).save_pretrained(path)
    return path


def test_a_saved_pipeline_answers_as_the_network_in_it(folder):
    model = ood.load_model(folder)
    assert model.image_shape == (3, 16, 16)
    torch.testing.assert_close(model.alphas_cumprod, ood.gaussian_model(0, 1, "cosine", (1, 1, 1)).alphas_cumprod)
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = tiny_network().eval()(x, 40).sample
    torch.testing.assert_close(model.eps(x, 40), expected)


def test_a_learned_variance_is_cut_off():
    model = freeze(tiny_network(out_channels=6), DDPMScheduler(), "six")
    assert model.eps(torch.zeros(1, 3, 16, 16), 3).shape == (1, 3, 16, 16)


def test_a_network_round_trip_does_not_depend_on_the_batch_size(folder):
    model = ood.load_model(folder)
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    options = {"t": 500, "steps": 6, "precision": "float32", "progress": False}
    one, all_ = (ood.invert(model, images, batch_size=size, **options) for size in (1, 3))
    torch.testing.assert_close(one, all_, rtol=0, atol=1e-5)


def test_a_walk_leaves_every_weight_bit_identical(folder):
    model = ood.load_model(folder)
    before = {key: value.clone() for key, value in model.predictor.network.state_dict().items()}
    latents = ood.invert(model, torch.zeros(1, 3, 16, 16), t=300, steps=4, progress=False)
    ood.denoise(model, latents, t=300, steps=4, eta=0.5, progress=False)
    after = model.predictor.network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_half_precision_weights_are_loaded_into_single(folder, tmp_path):
    pipeline = DDPMPipeline.from_pretrained(folder)
    DDPMPipeline(pipeline.unet.half(), pipeline.scheduler).save_pretrained(tmp_path)
    assert ood.load_model(tmp_path).predictor.network.dtype == torch.float32


def test_what_is_neither_model_nor_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="name_or_path: got 'toy-unicorn', expected a shipped model"):
        ood.load_model("toy-unicorn")
    with pytest.raises(FileNotFoundError, match="missing"):
        ood.load_model(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"has neither unet/config\.json nor config\.json"):
        ood.load_model(tmp_path)


def test_weights_that_do_not_fit_their_configuration_are_refused(folder, tmp_path):
    DDPMPipeline.from_pretrained(folder).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "unet" / "config.json").read_text())
    (tmp_path / "unet" / "config.json").write_text(json.dumps({**config, "block_out_channels": [8, 24]}))
    with pytest.raises(ValueError, match="does not hold a matching UNet2DModel"):
        ood.load_model(tmp_path)


@pytest.mark.parametrize(
    ("network", "scheduler", "message"),
    [
        ({}, {"prediction_type": "score"}, "scheduler: prediction_type: got 'score', expected one of epsilon, v_pred"),
        ({"out_channels": 4}, {}, "maps 3 to 4 channels"),
        ({"num_class_embeds": 10}, {}, "conditions on a class"),
    ],
)
def test_other_kinds_of_model_are_refused(network, scheduler, message):
    with pytest.raises(ValueError, match=message):
        freeze(tiny_network(**network), DDPMScheduler(**scheduler), "other")


@pytest.mark.parametrize("name", ood.list_models())
def test_every_toy_is_small_and_opens_as_a_ddpm_pipeline(name):
    weights = SHIPPED / name / "unet" / "diffusion_pytorch_model.safetensors"
    assert weights.stat().st_size <= 10e6
    pipeline = DDPMPipeline.from_pretrained(SHIPPED / name)
    assert 2e6 <= sum(p.numel() for p in pipeline.unet.parameters()) <= 4e6
    model = ood.load_model(name)
    assert (
        model.operations == pytest.approx(ood.model_record(name)["evaluation_operations"]) and model.operations <= 1.1e9
    )
    x = torch.randn(1, *model.image_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = pipeline.unet.float()(x, 321).sample[:, :3]
    torch.testing.assert_close(model.eps(x, 321), expected)
