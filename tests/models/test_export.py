"""Networks as ONNX files: what onnxruntime makes of them is what torch makes of them."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler, UNet2DModel

import ood_helpers as ood


def tiny(prediction="epsilon", seed=0, gain=1.0):
    """A network of a few thousand weights that predicts one of the known kinds."""
    torch.manual_seed(seed)
    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    network = UNet2DModel(8, block_out_channels=(8,), layers_per_block=1, norm_num_groups=4, **blocks)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(gain)
    if prediction == "flow_prediction":
        return ood.freeze(network, FlowMatchEulerDiscreteScheduler(), "tiny")
    return ood.freeze(network, DDPMScheduler(prediction_type=prediction), "tiny")


def run(file, **inputs):
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, {name: value.numpy() for name, value in inputs.items()})[0]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample", "flow_prediction"])
def test_a_file_predicts_the_noise_whatever_its_network_predicts(prediction, tmp_path):
    model, file = tiny(prediction), tmp_path / "folder" / "tiny.onnx"
    assert ood.export_onnx(model, file, weights="float32", batch=2) == file
    x, t = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([20.0, 633.5])
    np.testing.assert_allclose(run(file, x=x, t=t), model.eps(x, t), atol=1e-4)


def test_a_file_brings_its_schedule_along_and_says_nothing_of_this_machine(tmp_path):
    model = tiny()
    graph = onnx.load(ood.export_onnx(model, tmp_path / "tiny.onnx", weights="float32"))
    (told,) = graph.metadata_props
    assert json.loads(told.value) == model.alphas_cumprod.tolist() and told.key == "alphas_cumprod"
    assert b"site-packages" not in graph.SerializeToString()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["toy-dog", "real-hand"])
def test_shipped_networks_are_exact_in_half_precision(name, tmp_path):
    """Their files are as small as their weights, 2 bytes each, and compute the same."""
    model = ood.load_model(name, device="cpu")
    file = ood.export_onnx(model, tmp_path / "model.onnx")
    count = sum(weight.numel() for weight in ood.network_of(model).parameters())
    assert file.stat().st_size < 2.1 * count
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    for t in (0.0, 250.5, 999.0):
        np.testing.assert_allclose(run(file, x=x, t=torch.tensor([t])), model.eps(x, t), atol=1e-4)


def test_a_scorer_keeps_its_scores(tmp_path):
    scorer, images = ood.load_scorer(), ood.load_domain("church", 1, 64, 0)
    file = ood.export_onnx(scorer, tmp_path / "scorer.onnx")
    np.testing.assert_allclose(run(file, images=images), scorer(images).detach(), atol=1e-4)


def test_weights_that_half_precision_does_not_hold_are_refused(tmp_path):
    file = tmp_path / "tiny.onnx"
    with pytest.raises(ValueError, match="weights: in float16 the outputs differ"):
        ood.export_onnx(tiny(gain=3.0), file)
    assert not file.exists()


def test_what_has_no_network_no_file_or_no_batch_is_refused_before_the_work(tmp_path):
    for bad in (ood.gaussian_model(torch.zeros(3, 8, 8), torch.ones(3, 8, 8)), "toy-dog", None):
        with pytest.raises(TypeError, match=r"model: got .*expected"):
            ood.export_onnx(bad, tmp_path / "x.onnx")
    with pytest.raises(ValueError, match="file: got the folder"):
        ood.export_onnx(tiny(), tmp_path)
    with pytest.raises(ValueError, match="batch"):
        ood.export_onnx(tiny(), tmp_path / "x.onnx", batch=0)
    with pytest.raises(ValueError, match="weights"):
        ood.export_onnx(tiny(), tmp_path / "x.onnx", weights="int8")
    assert not any(tmp_path.iterdir())


def test_without_its_packages_the_export_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'ood-helpers\[onnx\]'"):
        ood.export_onnx(tiny(), tmp_path / "x.onnx")
