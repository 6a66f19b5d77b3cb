"""Noise schedules against `diffusers`, in float64 where it keeps float32."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from ood_helpers.models.schedules import SCHEDULES, alpha_at, alphas_cumprod, from_scheduler, timestep_at


@pytest.mark.parametrize(("name", "theirs"), [("linear", "linear"), ("cosine", "squaredcos_cap_v2")])
def test_schedules_are_those_of_diffusers(name, theirs):
    ours = alphas_cumprod(name)
    assert ours.dtype == torch.float64 and ours.shape == (1000,)
    assert (ours.diff() < 0).all()
    peer = DDPMScheduler(beta_schedule=theirs).alphas_cumprod.double()
    torch.testing.assert_close(ours, peer, rtol=2e-5, atol=1e-12)


@pytest.mark.parametrize("name", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_a_scheduler_is_read_back_in_double_precision(name):
    scheduler = DDIMScheduler(beta_schedule=name, beta_start=5e-4, beta_end=0.015, num_train_timesteps=400)
    table = from_scheduler(scheduler)
    torch.testing.assert_close(table, scheduler.alphas_cumprod.double(), rtol=2e-5, atol=1e-12)
    assert (table != table.float().double()).any()


def test_an_unknown_formula_falls_back_to_the_scheduler_s_own_table():
    scheduler = DDPMScheduler(trained_betas=[0.1, 0.2, 0.3])
    torch.testing.assert_close(from_scheduler(scheduler), torch.tensor([0.9, 0.72, 0.504]).double(), rtol=1e-6, atol=0)


def test_the_linear_schedule_s_first_values_by_hand():
    first = alphas_cumprod("linear")[:2]
    beta_1 = 1e-4 + (0.02 - 1e-4) / 999
    torch.testing.assert_close(first, torch.tensor([1 - 1e-4, (1 - 1e-4) * (1 - beta_1)], dtype=torch.float64))


def test_fractional_timesteps_interpolate_the_log_snr():
    table = alphas_cumprod("linear")
    assert torch.equal(alpha_at(table, torch.arange(1000)), table)
    assert alpha_at(table, -1) == 1.0
    halfway = alpha_at(table, 499.5)
    expected = torch.sigmoid((table[499].logit() + table[500].logit()) / 2)
    torch.testing.assert_close(halfway, expected)


def test_an_unknown_schedule_is_named():
    with pytest.raises(ValueError, match="schedule: got 'sigmoid', expected one of linear, cosine"):
        alphas_cumprod("sigmoid")


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_timestep_of_a_level_is_the_inverse_of_the_level_of_a_timestep(schedule):
    table = alphas_cumprod(schedule)
    for t in (0, 0.25, 17, 500.5, 973.9, 998):
        assert timestep_at(table, float(alpha_at(table, t))) == pytest.approx(t, abs=1e-6)
    with pytest.raises(ValueError, match=r"alpha: got 1\.5, expected a value of the schedule"):
        timestep_at(table, 1.5)


def test_equal_noise_is_found_at_other_timesteps_of_another_schedule():
    linear, cosine = (alphas_cumprod(name) for name in ("linear", "cosine"))
    assert 960 < timestep_at(cosine, float(linear[800])) < 980
