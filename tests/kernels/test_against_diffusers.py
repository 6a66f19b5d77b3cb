"""Our walk against `diffusers`' schedulers, wherever both can express the same grid."""

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler

import ood_helpers as ood
from ood_helpers.kernels.walk import image_streams
from ood_helpers.models.frozen import FrozenModel
from ood_helpers.models.schedules import alphas_cumprod

SHAPE = (3, 4, 4)
GRIDS = {
    "trailing": {"t": 999, "steps": 50, "grid": "uniform"},
    "leading": {"grid": [-1, *range(0, 1000, 20)]},
}


@pytest.fixture
def model():
    """A nonlinear predictor that depends on the timestep, so that a wrong label shows."""

    def predict(x, t, dtype=None):
        return torch.tanh(x + (t.clamp(min=0) / 500 - 1)[:, None, None, None])

    return FrozenModel("tanh", alphas_cumprod("linear"), SHAPE, predict)


@pytest.fixture
def x():
    return torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64).clamp(-1, 1)


def scheduler(kind, spacing):
    result = kind(
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing=spacing,
    )
    result.set_timesteps(50)
    return result


@pytest.mark.parametrize("spacing", GRIDS)
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_denoise_agrees_with_the_ddim_scheduler(model, x, spacing, eta):
    ours = ood.denoise(
        model,
        x,
        **GRIDS[spacing],
        eta=eta,
        generator=torch.Generator().manual_seed(7),
        progress=False,
    )
    peer = scheduler(DDIMScheduler, spacing)
    streams = image_streams(len(x), torch.Generator().manual_seed(7), x.device)
    theirs = x
    for t in peer.timesteps:
        last = t == peer.timesteps[-1]
        noise = torch.zeros_like(x)
        if eta and not last:
            noise = torch.stack([torch.randn(SHAPE, generator=g, dtype=x.dtype) for g in streams])
        theirs = peer.step(model.eps(theirs, t), t, theirs, eta=eta, variance_noise=noise).prev_sample
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spacing", GRIDS)
def test_invert_agrees_with_the_inverse_scheduler(model, x, spacing):
    """The inverse scheduler's step, given eps at the level that the state is on: it leaves the choice to its caller."""
    ours = ood.invert(model, x, **GRIDS[spacing], progress=False)
    peer = scheduler(DDIMInverseScheduler, spacing)
    theirs, source = x, -1
    for t in peer.timesteps:
        theirs = peer.step(model.eps(theirs, source), t, theirs).prev_sample
        source = t
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
