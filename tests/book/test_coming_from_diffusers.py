"""The page for users of `diffusers` does what it says: its blocks run, and its comments are true."""

import re
from pathlib import Path

import pytest
from diffusers import DDPMPipeline, FlowMatchEulerDiscreteScheduler

PAGE = Path(__file__).parents[2] / "book" / "coming_from_diffusers.md"


@pytest.fixture(scope="module")
def after(tiny_pipeline, tmp_path_factory):
    """What the page's blocks leave behind, run one after another where there is a folder with a flow."""
    folder = tmp_path_factory.mktemp("page")
    network = DDPMPipeline.from_pretrained(tiny_pipeline(folder / "tiny")).unet
    DDPMPipeline(network, FlowMatchEulerDiscreteScheduler()).save_pretrained(folder / "my-flow")
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
            found = dict(names)
            exec(compile(block, PAGE.name, "exec"), found)
            names |= {**found, "blocks": [*names.get("blocks", []), found]}
    return names["blocks"]


def test_leading_steps_end_at_980_and_samples_are_clipped(after):
    assert after[0]["scheduler"].timesteps[0] == 980 and after[0]["scheduler"].config.clip_sample


def test_a_flow_is_inverted_and_its_time_is_known(after):
    assert len(after[1]["model"].alphas_cumprod) == 999 and after[1]["latents"].isfinite().all()
    assert after[1]["s"] / (1 + after[1]["s"]) == pytest.approx(0.801)


def test_clipping_makes_most_of_the_error(after):
    errors = after[2]["errors"]
    assert errors[True] > 5 * errors[False]


def test_ten_trips_take_away_what_one_takes_to_the_tenth_power(after):
    left, ood, walk = after[3]["left"], after[3]["ood"], after[3]["walk"]
    start, exact = after[3]["start"], after[3]["exact"]
    once = float((ood.denoise(exact, ood.invert(exact, start, **walk), **walk) / start).mean())
    assert left["ddim"] == pytest.approx(once**10, rel=1e-9) and left["ddim"] < 0.8
    assert left["ddim-fixed-point"] == pytest.approx(1, abs=1e-3)
