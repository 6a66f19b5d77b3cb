"""Networks that predict v, the image or a flow's velocity: all are read as eps(x, t), and walk as `diffusers` walks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, FlowMatchEulerDiscreteScheduler, UNet2DModel
from diffusers import UniPCMultistepScheduler as UniPC
from gaussian_flow import gaussian_flow

import ood_helpers as ood
from ood_helpers.baselines.vanilla import fine_tune
from ood_helpers.models.frozen import FrozenModel, NetworkPredictor, fingerprint
from ood_helpers.models.loading import freeze
from ood_helpers.models.schedules import alpha_at, alphas_cumprod, from_scheduler
from ood_helpers.training.losses import variational_bound

SHAPE = (3, 16, 16)
OTHERS = ("v_prediction", "sample", "flow_prediction")
MEAN, VARIANCE = 0.2, 0.09
QUIET = {"progress": False, "precision": "float32"}


def tiny_network():
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
    ).eval()


def saved(folder, scheduler):
    DDPMPipeline(tiny_network(), scheduler).save_pretrained(folder)
    return folder


def scheduler_of(kind):
    return FlowMatchEulerDiscreteScheduler() if kind == "flow_prediction" else DDPMScheduler(prediction_type=kind)


def pictures(n=2, seed=1):
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


class Exact(torch.nn.Module):
    """The best prediction of its kind for data N(MEAN, VARIANCE): E[v | x], E[x_0 | x] or a flow's E[eps - x_0 | x]."""

    def __init__(self, kind, table):
        super().__init__()
        self.kind = kind
        self.register_buffer("table", table)
        self.mean = torch.nn.Parameter(torch.tensor(MEAN, dtype=torch.float64))

    def forward(self, x, t):
        t = t.double()[:, None, None, None]
        if self.kind == "flow_prediction":
            image, noise = 1 - t / 1000, t / 1000
        else:
            a = alpha_at(self.table.double(), t)
            image, noise = a.sqrt(), (1 - a).sqrt()
        whitened = (x - image * self.mean) / (image**2 * VARIANCE + noise**2)
        x_0, eps = self.mean + image * VARIANCE * whitened, noise * whitened
        predicted = {"v_prediction": image * eps - noise * x_0, "sample": x_0, "flow_prediction": eps - x_0}
        return type("Output", (), {"sample": predicted[self.kind]})


def exact_model(kind):
    table = from_scheduler(scheduler_of(kind))
    return FrozenModel("exact", table, SHAPE, NetworkPredictor(Exact(kind, table), 3, False, kind, table))


@pytest.mark.parametrize("kind", OTHERS)
def test_the_best_prediction_of_any_kind_is_read_as_the_best_prediction_of_the_noise(kind):
    model, x = exact_model(kind), pictures(6).double()
    t = torch.tensor([-1, 0, 3.25, 400, 801.5, 998])
    a = alpha_at(model.alphas_cumprod, t.clamp(min=0))[:, None, None, None]
    expected = (1 - a).sqrt() * (x - a.sqrt() * MEAN) / (a * VARIANCE + 1 - a)
    torch.testing.assert_close(model.eps(x, t), expected, rtol=2e-5, atol=1e-7)  # labels are float32


@pytest.mark.parametrize("kind", OTHERS)
def test_inverting_gaussian_data_converges_to_the_exact_flow(kind):
    """At Heun's order, two: doubling the steps leaves about a quarter of the error."""
    model, x, t = exact_model(kind), pictures().double(), 500
    exact = gaussian_flow(MEAN, VARIANCE, 1.0, model.alphas_cumprod[t], x)
    walks = [{"steps": steps, "solver": "heun", "grid": "log-snr", **QUIET} for steps in (40, 80)]
    errors = [float((ood.invert(model, x, t=t, **walk) - exact).abs().max()) for walk in walks]
    assert errors[1] < errors[0] / 2.5 and errors[1] < 5e-3


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
def test_a_loaded_pipeline_walks_step_for_step_as_the_ddim_scheduler(tmp_path, kind):
    model = ood.load_model(saved(tmp_path, DDPMScheduler(prediction_type=kind)), device="cpu")
    peer, network = DDIMScheduler(prediction_type=kind, clip_sample=False), tiny_network()
    peer.set_timesteps(20)
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(2))
    levels = ood.generation_levels(model.alphas_cumprod, grid=[-1, *reversed(peer.timesteps.tolist())])
    ours = [state for _, state in ood.path(model, x, levels, precision="float32")]
    for t, expected in zip(peer.timesteps, ours[1:], strict=True):
        with torch.no_grad():
            x = peer.step(network(x, t).sample, t, x).prev_sample
        torch.testing.assert_close(expected, x, rtol=1e-3, atol=1e-3 * float(x.abs().max()))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_euler_s_rule_for_a_flow_is_ddim_step_for_step(tmp_path, shift):
    """``x' = x + (s' - s) v`` is ``y' = y + (sigma' - sigma) eps``, if ``y = x / (1 - s)``, ``sigma = s / (1 - s)``."""
    model = ood.load_model(saved(tmp_path, FlowMatchEulerDiscreteScheduler(shift=shift)), device="cpu")
    peer, network = FlowMatchEulerDiscreteScheduler(shift=shift), tiny_network()
    timesteps = np.array([899, 699, 499, 299, 99, 9])
    peer.set_timesteps(sigmas=(timesteps + 1) / 1000)  # it shifts them itself
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(2))  # (1 - s) x_0 + s eps
    start = x / float(((1 - peer.sigmas[0]) ** 2 + peer.sigmas[0] ** 2).sqrt())  # of variance 1, if the image's is
    levels = ood.generation_levels(model.alphas_cumprod, grid=[-1, *timesteps[::-1]])
    for level, s in zip(levels, peer.sigmas.tolist(), strict=True):
        assert level.sigma == pytest.approx(s / (1 - s), rel=1e-5)
    ours = ood.denoise(model, start, grid=[-1, *timesteps[::-1]], **QUIET)
    for t in peer.timesteps:
        with torch.no_grad():
            x = peer.step(network(x, t.expand(2)).sample, t, x).prev_sample
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)


def test_pure_noise_is_not_in_a_table_and_a_walk_ends_before(tmp_path):
    """A flow begins with s = 1 and a schedule of zero terminal signal ends with a = 0: there sigma is infinite."""
    flow = from_scheduler(FlowMatchEulerDiscreteScheduler())
    s = torch.arange(1, 1000, dtype=torch.float64) / 1000
    torch.testing.assert_close(((1 - flow) / flow).sqrt(), s / (1 - s))
    for scheduler in (FlowMatchEulerDiscreteScheduler(), DDPMScheduler(rescale_betas_zero_snr=True)):
        model = freeze(tiny_network(), scheduler, "tiny")
        assert len(model.alphas_cumprod) == 999 and model.alphas_cumprod.min() > 0
        with pytest.raises(ValueError, match="t: got 999"):
            ood.invert(model, pictures(), t=999)


def test_a_shift_that_depends_on_the_size_of_images_is_left_to_who_samples():
    plain = from_scheduler(FlowMatchEulerDiscreteScheduler())
    assert torch.equal(from_scheduler(FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0)), plain)


def test_a_flow_under_the_scheduler_of_another_solver_is_the_same_model(tmp_path):
    unipc = UniPC(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    one = ood.load_model(saved(tmp_path / "one", unipc), device="cpu")
    two = ood.load_model(saved(tmp_path / "two", FlowMatchEulerDiscreteScheduler(shift=3.0)), device="cpu")
    assert fingerprint(one) == fingerprint(two) and one.scheduler.shift == 3.0


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_saved_and_loaded_predicts_the_same(tmp_path, kind):
    model, x = freeze(tiny_network(), scheduler_of(kind), "tiny"), pictures()
    ood.save_model(model, tmp_path)
    back = ood.load_model(tmp_path, device="cpu")
    assert torch.equal(model.eps(x, 321.5), back.eps(x, 321.5)) and fingerprint(back) == fingerprint(model)
    assert type(back.scheduler) is type(model.scheduler)


def test_one_network_read_in_two_ways_has_two_fingerprints():
    found = {fingerprint(freeze(tiny_network(), scheduler_of(kind), "tiny")) for kind in ("epsilon", *OTHERS[:2])}
    assert len(found) == 3


@pytest.mark.parametrize("kind", OTHERS)
def test_operations_and_precision_are_the_network_s(kind):
    model, plain = (freeze(tiny_network(), scheduler_of(k), "tiny") for k in (kind, "epsilon"))
    assert model.operations == plain.operations > 0
    x, t = pictures(), torch.full((2,), 500.0)
    exact, rounded = (model.predict(x, t, dtype) for dtype in (torch.float32, torch.bfloat16))
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.05)


def test_a_flow_whose_time_runs_backward_is_refused():
    with pytest.raises(ValueError, match="scheduler: has invert_sigmas"):
        freeze(tiny_network(), FlowMatchEulerDiscreteScheduler(invert_sigmas=True), "mochi")


def test_tuning_takes_networks_that_predict_the_noise_alone():
    model = freeze(tiny_network(), scheduler_of("v_prediction"), "tiny")
    with pytest.raises(ValueError, match="model: got 'tiny', whose network predicts 'v_prediction'"):
        fine_tune(model, pictures(), steps=1)


def test_the_bound_of_a_likelihood_is_that_of_the_noise_that_is_read():
    gray = ((pictures() + 1) * 127.5).round().double() / 127.5 - 1
    closed = replace(ood.gaussian_model(MEAN, VARIANCE, image_shape=SHAPE), alphas_cumprod=alphas_cumprod("linear"))
    one, two = (
        variational_bound(model, gray, first=2, strata=3, last=1, generator=torch.Generator().manual_seed(0))
        for model in (exact_model("v_prediction"), closed)
    )
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
