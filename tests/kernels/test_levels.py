"""The levels of a walk: where they lie, what the official grid is, and what is refused."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ood_helpers.kernels.levels import Level, generation_levels, inversion_levels
from ood_helpers.models.schedules import alphas_cumprod

LINEAR = alphas_cumprod("linear")


def timesteps(levels):
    return [level.t for level in levels]


@settings(deadline=None)
@given(st.integers(0, 999), st.data())
def test_a_uniform_grid_climbs_from_the_clean_image_to_t(t, data):
    steps = data.draw(st.integers(1, t + 1))
    levels = inversion_levels(LINEAR, t, steps, "uniform")
    assert len(levels) == steps + 1
    assert levels[0] == Level(-1, 0.0)
    assert levels[-1].t == t
    gaps = np.diff(timesteps(levels))
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1
    assert all(a.sigma < b.sigma for a, b in pairwise(levels))


@settings(deadline=None)
@given(st.integers(1, 999), st.integers(2, 60))
def test_log_snr_steps_are_even_in_log_sigma(t, steps):
    steps = min(steps, t + 1)
    levels = inversion_levels(LINEAR, t, steps, "log-snr")
    assert levels[0].sigma == 0.0 and levels[-1].t == t and len(levels) == steps + 1
    gaps = np.diff([math.log(level.sigma) for level in levels[1:]])
    np.testing.assert_allclose(gaps, gaps.mean(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("grid", ["uniform", "log-snr", [-1, 3, 40, 700]])
def test_generation_visits_the_same_levels_in_reverse(grid):
    assert generation_levels(LINEAR, 700, 3, grid) == inversion_levels(LINEAR, 700, 3, grid)[::-1]


def test_a_sequence_takes_the_place_of_t_and_steps_and_may_agree_with_them():
    grid = [-1, 3, 40, 700]
    assert timesteps(inversion_levels(LINEAR, grid=grid)) == timesteps(inversion_levels(LINEAR, 700, 3, grid)) == grid
    assert inversion_levels(LINEAR) == inversion_levels(LINEAR, 800, 50, "uniform")


def test_sigma_and_scale_are_those_of_the_schedule():
    level = inversion_levels(LINEAR, 800, 50, "uniform")[-1]
    a = LINEAR[800].item()
    assert level.sigma == pytest.approx(math.sqrt((1 - a) / a), rel=1e-12)
    assert level.scale == pytest.approx(math.sqrt(a), rel=1e-12)


def test_the_official_grid_by_hand():
    # linspace(0, 1, 4) * 10 = 0, 3.33, 6.67, 10; the way down ends with one more step, to the image
    assert timesteps(inversion_levels(LINEAR, 10, 4, "official")) == [0, 3, 6, 10]
    assert timesteps(generation_levels(LINEAR, 10, 4, "official")) == [10, 6, 3, 0, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t": 1000}, "t: got 1000"),
        ({"t": -1}, "t: got -1"),
        ({"t": 9, "steps": 11}, "steps: got 11"),
        ({"steps": 0}, "steps: got 0"),
        ({"grid": "cubic"}, "grid: got 'cubic'"),
        ({"grid": [-1, 5, 5]}, "ascending"),
        ({"grid": [-2, 5]}, "outside"),
        ({"grid": "official", "steps": 1}, "at least 2"),
        ({"grid": [-1, 5, 9], "t": 800}, "t: got 800 beside a grid that has 9"),
        ({"grid": [-1, 5, 9.5], "t": 9}, "t: got 9 beside a grid that has 9.5"),
        ({"grid": [-1, 5, 9], "steps": 50}, "steps: got 50 beside a grid that has 2"),
    ],
)
def test_bad_levels_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        inversion_levels(LINEAR, **arguments)


@pytest.mark.parametrize("value", [800.0, "800", True])
def test_t_has_to_be_an_integer(value):
    with pytest.raises(TypeError, match="t: got"):
        inversion_levels(LINEAR, value)


def test_a_cosine_schedule_is_not_walked_to_its_last_step():
    cosine = alphas_cumprod("cosine")
    with pytest.raises(ValueError, match=r"t <= 9\d\d on this schedule") as error:
        inversion_levels(cosine, 999)
    usable = int(str(error.value).split("t <= ")[1].split()[0])
    assert inversion_levels(cosine, usable)[-1].t == usable
    assert torch.all(cosine[usable + 1 :] < 1e-6)
