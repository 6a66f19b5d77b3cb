"""A walk neither waits for a device nor compiles twice, and a compiled network predicts what it did before."""

import gc
import os
import shutil
import weakref

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch.utils._python_dispatch import TorchDispatchMode

import ood_helpers as ood
from ood_helpers.__main__ import build_parser
from ood_helpers.kernels import runtime
from ood_helpers.kernels.runtime import sent
from ood_helpers.kernels.walk import EXPLICIT, SOLVERS, _path
from ood_helpers.models import frozen
from ood_helpers.models.loading import freeze, save_model

SHAPE = (3, 8, 8)
WALK = {"t": 500, "steps": 3, "precision": "float32", "progress": False}


def tiny(compile=False, device="cpu"):
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=4,
        attention_head_dim=8,
    )
    return freeze(network.to(device), DDPMScheduler(), "tiny", compile)


def images(n):
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def traced():
    """Compiled for two images, without generating code: graphs, guards and recompilations are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen, "BACKEND", "eager")
        model = tiny(compile=True)
        model.predict(images(2), torch.zeros(2), torch.float32)
        yield model
    torch._dynamo.reset()


def never_again():
    return torch.compiler.set_stance("fail_on_recompile")


@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_is_compiled_after_the_first_evaluation(traced, solver):
    """Not within a walk, not for a smaller last batch, a shrinking one, another input, or the way back."""
    x, walk = images(5), {"solver": solver, "max_iterations": 4, **WALK}
    with never_again():
        latents = ood.invert(traced, x, batch_size=2, **walk)
        ood.invert(traced, x.double()[:1], batch_size=2, **walk)
        ood.invert(traced, x[:2].to(memory_format=torch.channels_last), batch_size=2, **walk)
        del walk["max_iterations"]
        copies = ood.denoise(traced, latents, batch_size=2, **walk)
    # Rounding depends on the size of a batch, and belm multiplies it by thousands: so these are batches of two as well.
    full = [0, 1, 2, 3, 4, 4]
    plain = ood.invert(tiny(), x[full], batch_size=2, max_iterations=4, **walk)[:5]
    torch.testing.assert_close(latents, plain, rtol=0, atol=1e-4)
    again = ood.denoise(tiny(), latents[full], batch_size=2, **walk)[:5]
    torch.testing.assert_close(copies, again, rtol=0, atol=1e-4)


def test_fresh_noise_compiles_nothing(traced):
    walk = {"eta": 0.5, "batch_size": 2, **WALK}
    with never_again():
        made = ood.denoise(traced, images(3), generator=torch.Generator().manual_seed(2), **walk)
    same = ood.denoise(tiny(), images(3), generator=torch.Generator().manual_seed(2), **walk)
    torch.testing.assert_close(made, same, rtol=0, atol=1e-4)


def test_what_was_not_compiled_for_is_noticed(traced):
    with never_again(), pytest.raises(RuntimeError, match="recompil"):
        traced.predict(images(3), torch.zeros(3), torch.float32)
    traced.predictor._in(torch.float32)._sizes.discard(3)


def test_each_larger_batch_and_each_precision_is_compiled_once(monkeypatch):
    graphs = []
    monkeypatch.setattr(frozen, "BACKEND", lambda graph, inputs: graphs.append(graph) or graph.forward)
    model = tiny(compile=True)
    for n, dtype, expected in [
        (2, torch.float32, 1),
        (1, torch.float32, 1),
        (4, torch.float32, 2),
        (3, torch.float32, 2),
        (2, torch.float32, 2),
        (4, torch.bfloat16, 3),
        (3, torch.bfloat16, 3),
    ]:
        model.predict(images(n), torch.full((n,), 7.0), dtype)
        assert len(graphs) == expected, (n, dtype)


def test_measuring_the_machine_compiles_nothing(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("compiled")

    monkeypatch.setattr(torch, "compile", refuse)
    model = tiny(compile=True)
    assert runtime.network_dtype(model, "auto") in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="no C++ compiler")
@pytest.mark.slow
def test_generated_code_predicts_what_the_network_does(dtype, tolerance):
    """Relative to the root mean square of eps. Generated code rounds to bfloat16 less often, so both differ."""
    x, t = images(3), torch.tensor([-1.0, 30.5, 900.0])
    torch._dynamo.reset()
    expected, found = (model.predict(x, t, dtype) for model in (tiny(), tiny(compile=True)))
    torch._dynamo.reset()
    assert ((found - expected).square().mean() / expected.square().mean()).sqrt() < tolerance


def test_a_compiled_model_has_the_same_weights_and_is_saved_like_another(tmp_path):
    model, plain = tiny(compile=True), tiny()
    assert frozen.fingerprint(model) == frozen.fingerprint(plain)
    save_model(model, tmp_path)
    back = ood.load_model(tmp_path, device="cpu", compile=True)
    assert back.predictor.compiled
    torch.testing.assert_close(back.eps(images(2), 1), plain.eps(images(2), 1))


class Transfers(TorchDispatchMode):
    """Note what makes the host wait: values read back, and copies from one device to another."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = [value for value in (*args, result) if isinstance(value, torch.Tensor)]
        if function.overloadpacket._qualified_op_name in ("aten::_local_scalar_dense", "aten::nonzero", "aten::equal"):
            self.seen.append(function)
        elif len({tensor.device for tensor in tensors}) > 1:
            self.seen.append(function)
        return result


@pytest.mark.parametrize("solver", EXPLICIT)
@pytest.mark.parametrize("levels", [ood.inversion_levels, ood.generation_levels])
def test_no_step_of_a_walk_reads_or_sends_anything(solver, levels):
    """On torch's device without data, where a value cannot be read, and a copy from the host would show."""
    model = tiny(device="meta")
    walk = _path(model, images(2), levels(model.alphas_cumprod, 500, 4), EXPLICIT[solver], torch.bfloat16)
    with Transfers() as transfers:
        next(walk)  # the start: images are sent
        assert len(transfers.seen) == 1
        assert [state.device.type for _, state in walk] == ["meta"] * 4
    assert len(transfers.seen) == 1


def test_the_watch_notices_what_a_walk_must_not_do():
    with Transfers() as transfers:
        images(1).to("meta")
        images(1).sum().item()
        torch.full((2,), 3.0).to("meta", torch.float32)
    assert len(transfers.seen) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("solver", EXPLICIT)
def test_no_step_of_a_walk_waits_for_the_gpu(solver, compile):
    model, x = tiny(compile, "cuda"), images(2).cuda()
    levels = ood.inversion_levels(model.alphas_cumprod, 500, 4)
    expected = [state for _, state in ood.path(model, x, levels, EXPLICIT[solver], precision="float32")]
    walk = ood.path(model, x, levels, EXPLICIT[solver], precision="float32")
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = [state for _, state in walk]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_latents_come_back_from_the_gpu_whole():
    model, x = tiny(device="cuda"), images(5)
    found = ood.invert(model, x, batch_size=2, **WALK)
    assert found.device.type == "cpu"
    torch.testing.assert_close(found, ood.invert(tiny(), x, **WALK), rtol=0, atol=1e-3)  # TF32 convolutions


def test_what_is_sent_arrives():
    x = images(2)
    assert sent(x, torch.device("cpu")) is x
    assert sent(x, torch.device("meta")).device.type == "meta"


@pytest.mark.parametrize("rule", EXPLICIT.values())
def test_an_update_is_one_or_two_operations_on_the_state(rule):
    """Besides the evaluations; more would each read and write the whole state."""

    class Count(TorchDispatchMode):
        operations = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.operations += 1
            return function(*args, **(kwargs or {}))

    levels = ood.inversion_levels(ood.gaussian_model(0, 1, image_shape=SHAPE).alphas_cumprod, 500, 3)
    slope, evaluations = torch.ones(1, *SHAPE), []
    eps = lambda y, level: evaluations.append(level) or slope  # noqa: E731
    y, memory = rule(eps, slope, *levels[:2], None)
    evaluations.clear()
    with Count() as count:
        rule(eps, y, *levels[1:3], memory)
    assert count.operations <= 1 + 2 * (len(evaluations) > 1) + (memory is not None)


def test_copies_lie_channels_last_and_the_network_stays_as_it_was():
    model = tiny()
    for dtype in (torch.float32, torch.bfloat16):
        model.predict(images(1), torch.zeros(1), dtype)
        weight = model.predictor._in(dtype).conv_in.weight
        assert weight.dtype == dtype and weight.is_contiguous(memory_format=torch.channels_last)
    assert model.predictor.network.conv_in.weight.is_contiguous()


@pytest.mark.parametrize(("free", "expected"), [(1000, 80), (5, 1), (10**9, 2**16)])
def test_a_batch_fills_the_free_memory_of_a_gpu_up_to_what_torch_can_count(monkeypatch, free, expected):
    """A GPU of which 8 x 8 images take 10 bytes each: four fifths are filled."""
    answers = {"memory_allocated": 100, "max_memory_allocated": 110, "mem_get_info": (free, 10**10)}
    for name, answer in {"reset_peak_memory_stats": None, **answers}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, answer=answer: answer)
    predictor = tiny(compile=True).predictor
    assert runtime._fitting_batch(predictor, SHAPE, torch.device("cpu"), torch.float32) == expected


def test_no_copy_of_a_model_is_kept_alive(monkeypatch):
    """A tuning makes many; what was measured of one goes when it goes, and is not measured twice while it stays."""
    asked = []
    answers = {"memory_allocated": 100, "max_memory_allocated": 110, "mem_get_info": (1000, 10**10)}
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", asked.append)
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, answer=answer: answer)
    model = tiny()
    for _ in range(2):
        runtime._fitting_batch(model.predictor, SHAPE, torch.device("cpu"), torch.float32)
    gone = weakref.ref(model.predictor.network)
    assert len(asked) == 1 and gone() is not None
    del model
    gc.collect()
    assert gone() is None


def test_the_commands_compile_if_asked(tmp_path):
    given = ["invert", "--model", "toy-dog", "--domain", "church", "--folder", str(tmp_path), "--device", "cpu"]
    for extra, expected in ([], False), (["--compile"], True):
        assert build_parser().parse_args(given + extra).compile is expected
    assert ood.load_model("toy-dog", device="cpu", compile=True).predictor.compiled


def test_a_bad_compile_is_named():
    with pytest.raises(ValueError, match="compile: got 'fast'"):
        ood.load_model("toy-dog", device="cpu", compile="fast")
