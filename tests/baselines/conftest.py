"""A tiny model and two tiny domains for the baselines: 16 x 16 pixels, two levels."""

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel

from ood_helpers.models.loading import freeze


def tiny_network(out_channels=3):
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=16,
        in_channels=3,
        out_channels=out_channels,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=16,
        norm_num_groups=8,
    )


@pytest.fixture
def model():
    return freeze(tiny_network(), DDPMScheduler(clip_sample=False), "tiny")


@pytest.fixture
def model_with_variances():
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", clip_sample=False)
    return freeze(tiny_network(6), scheduler, "tiny-sigma")


@pytest.fixture(scope="session")
def domains():
    """Dark images with a bright left half, and bright ones with a dark upper half; ``(12, 3, 16, 16)`` each."""
    generator = torch.Generator().manual_seed(1)
    sources, targets = -0.6 * torch.ones(12, 3, 16, 16), 0.6 * torch.ones(12, 3, 16, 16)
    sources[..., :8], targets[..., :8, :] = 0.4, -0.3
    noise = torch.rand((2, 12, 3, 16, 16), generator=generator) * 0.2 - 0.1
    return sources + noise[0], targets + noise[1]


@pytest.fixture(scope="session")
def embed():
    """A random linear embedding of images of any size, with weights whose gradient can be asked for."""
    torch.manual_seed(2)
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 8))
