"""Asyrp: the network stays frozen, the block learns, the step is asymmetric, the block reloads."""

from itertools import pairwise

import pytest
import torch

import ood_helpers as ood
from ood_helpers.baselines.asyrp import (
    Asyrp,
    Interval,
    _predictions,
    asymmetric_ddim,
    asyrp_denoise,
    new_block,
    shifted,
    train_asyrp,
)
from ood_helpers.baselines.embedding import direction_loss, image_direction
from ood_helpers.kernels.levels import Level, generation_levels
from ood_helpers.kernels.steps import ddim
from ood_helpers.kernels.walk import walk
from ood_helpers.models.frozen import fingerprint

QUIET = {"precision": "float32", "progress": False}
INTERVAL = Interval(t=500, t_edit=200, t_boost=100)
SHORT = {"interval": INTERVAL, "inversion_steps": 6, "train_steps": 6, **QUIET}


def test_the_loss_falls_and_the_network_stays_bit_by_bit(model, domains, embed):
    sources, targets = domains
    before = fingerprint(model)
    trained = train_asyrp(
        model, sources, targets, embed=embed, learning_rate=0.5, gamma=1.0, batch_size=12, steps=60, **SHORT
    )
    levels = 4  # those above t_edit: each has its own size of loss, so whole passes are compared
    assert sum(trained.losses[-levels:]) < 0.8 * sum(trained.losses[:levels])
    assert trained.model is model and fingerprint(model) == before
    assert not any(p.requires_grad or p.grad is not None for p in model.predictor.network.parameters())
    start = new_block(model.predictor.network, 0).state_dict()
    assert all(not torch.equal(start[key], value) for key, value in trained.block.state_dict().items())


def test_its_first_losses_are_those_of_the_walk_by_hand(model, domains, embed):
    """Two levels, in x as the paper writes the step; a rate of almost 0 leaves the block as it was."""
    sources, targets = domains
    direction = image_direction(embed, sources, targets)
    common = {"direction": direction, "embed": embed, "batch_size": 2, "l1_weight": 0.5, **SHORT}
    trained = train_asyrp(model, sources, steps=2, learning_rate=1e-30, **common)
    block, table = new_block(model.predictor.network, 0), model.alphas_cumprod
    x = plain = ood.invert(model, sources[:2], t=500, steps=6, **QUIET)
    stops = [500, 417, 333]  # the first of the six equal steps from 500 to the image
    for step, (here, there) in enumerate(pairwise(stops)):
        a, b = table[here].float(), table[there].float()
        eps = model.eps(x, here)
        with shifted(model.predictor.network, block):
            edited = model.eps(x, here)
        image = (x - (1 - a).sqrt() * edited) / a.sqrt()
        image_plain = (plain - (1 - a).sqrt() * model.eps(plain, here)) / a.sqrt()
        lead = direction_loss(embed, image, sources[:2], direction)
        expected = 3 * -(1 - lead / 2).log().mean() + 0.5 * (image - image_plain).abs().mean()
        assert trained.losses[step] == pytest.approx(expected.item(), rel=1e-4)
        x = b.sqrt() * image + (1 - b).sqrt() * eps
        plain = b.sqrt() * image_plain + (1 - b).sqrt() * model.eps(plain, here)


def test_the_walk_down_is_edited_above_t_edit_alone(model, domains):
    """A block that writes down when it is asked."""
    asked = []

    class Spy(torch.nn.Module):
        def forward(self, h, time):
            asked.append(time)
            return 0 * h

    latents = ood.invert(model, domains[0][:2], t=500, steps=10, **QUIET)
    asyrp_denoise(Asyrp(model, Spy(), INTERVAL), latents, steps=10, **QUIET)
    levels = ood.generation_levels(model.alphas_cumprod, 500, 10)
    expected = [level.t for level in levels if level.t >= 200]
    network = model.predictor.network
    embedded = [network.time_embedding(network.time_proj(torch.full((2,), t))) for t in expected]
    assert len(asked) == len(expected) == 6
    for found, wanted in zip(asked, embedded, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_trained_block_leads_the_images_along(model, domains, embed):
    sources, targets = domains
    trained = train_asyrp(
        model, sources, targets, embed=embed, learning_rate=0.5, gamma=1.0, batch_size=12, steps=80, **SHORT
    )
    latents = ood.invert(model, sources, t=500, steps=6, **QUIET)
    direction = image_direction(embed, sources, targets)
    frozen = ood.denoise(model, latents, t=500, steps=6, **QUIET)
    led = asyrp_denoise(trained, latents, steps=6, generator=torch.Generator().manual_seed(0), **QUIET)
    before, after = (direction_loss(embed, x, sources, direction).mean() for x in (frozen, led))
    assert after < before - 0.1


def test_after_the_context_the_network_predicts_as_before(model):
    x, t = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([300.0, 300.0])
    before = model.eps(x, t)
    with shifted(model.predictor.network, new_block(model.predictor.network)):
        assert not torch.equal(model.eps(x, t), before)
    assert torch.equal(model.eps(x, t), before)


def test_a_block_that_shifts_nothing_is_the_plain_walk(model, domains):
    block = new_block(model.predictor.network)
    torch.nn.init.zeros_(block.leave.weight)
    torch.nn.init.zeros_(block.leave.bias)
    interval = Interval(t=500, t_edit=200, t_boost=0)
    latents = ood.invert(model, domains[0], t=500, steps=6, **QUIET)
    levels = generation_levels(model.alphas_cumprod, 500, 6, "uniform")
    # the network as it is: `denoise` asks a copy in another layout, which rounds differently
    states = walk(lambda y, at: model.eps(y * at.scale, at.t), latents / levels[0].scale, levels, ddim)
    *_, plain = states
    torch.testing.assert_close(asyrp_denoise(Asyrp(model, block, interval), latents, steps=6, **QUIET), plain)


def test_the_step_takes_the_image_from_one_noise_and_the_direction_from_the_other():
    """In x, as the paper writes it: sqrt(a') P(eps_edited) + sqrt(1 - a') eps."""
    here, there = Level(400, 1.3), Level(300, 0.8)
    y, eps, edited = torch.tensor([1.0]), torch.tensor([0.3]), torch.tensor([-0.7])
    found, _ = asymmetric_ddim(lambda y, level: edited)(lambda y, level: eps, y, here, there, None)
    a, b = here.scale**2, there.scale**2
    x = y * here.scale
    predicted = (x - (1 - a) ** 0.5 * edited) / a**0.5
    torch.testing.assert_close(found * there.scale, b**0.5 * predicted + (1 - b) ** 0.5 * eps)


def test_noise_comes_below_t_boost_alone_and_by_the_generator(model, domains):
    block = new_block(model.predictor.network)
    latents = ood.invert(model, domains[0][:3], t=500, steps=6, **QUIET)

    def denoised(t_boost, seed):
        asyrp = Asyrp(model, block, Interval(500, 400, t_boost))
        return asyrp_denoise(asyrp, latents, steps=20, generator=torch.Generator().manual_seed(seed), **QUIET)

    assert torch.equal(denoised(0, 0), denoised(0, 1))
    assert torch.equal(denoised(300, 0), denoised(300, 0)) and not torch.equal(denoised(300, 0), denoised(300, 1))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_in_any_precision_the_block_is_all_that_two_predictions_differ_by(model, domains, precision):
    """With one that shifts nothing they are the same to the last digit, at every level."""
    block = new_block(model.predictor.network)
    torch.nn.init.zeros_(block.leave.weight)
    torch.nn.init.zeros_(block.leave.bias)
    eps, edited = _predictions(model, block, precision)
    for level in generation_levels(model.alphas_cumprod, 500, 5):
        y = domains[0][:4] / level.scale
        found = edited(y, level)
        assert torch.equal(found, eps(y, level)) and found.requires_grad and found.dtype == torch.float32


def test_images_do_not_depend_on_the_batch_and_keep_the_latents_dtype(model, domains):
    asyrp = Asyrp(model, new_block(model.predictor.network), Interval(500, 300, 250))
    latents = ood.invert(model, domains[0][:5], t=500, steps=6, **QUIET)

    def denoised(latents, **settings):
        generator = torch.Generator().manual_seed(0)
        return asyrp_denoise(asyrp, latents, steps=8, generator=generator, **settings, **QUIET)

    torch.testing.assert_close(denoised(latents, batch_size=2), denoised(latents), rtol=0, atol=1e-3)
    assert denoised(latents.double()).dtype == torch.float64


def test_bad_input_is_named(model, domains):
    with pytest.raises(ValueError, match=r"interval: got .* expected t > t_edit >= t_boost >= 0"):
        Interval(t=300, t_edit=400, t_boost=0)
    with pytest.raises(ValueError, match="targets, direction: got both or neither"):
        train_asyrp(model, domains[0], steps=1, **SHORT)
    with pytest.raises(TypeError, match="has no network"):
        train_asyrp(ood.gaussian_model(0.0, 1.0, image_shape=(3, 16, 16)), *domains, steps=1, **SHORT)
