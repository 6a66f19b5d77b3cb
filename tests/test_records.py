"""Records of benchmarks tell which weights made them: those that come with the package."""

import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import ood_helpers as ood
from ood_helpers.models.frozen import fingerprint
from ood_helpers.pages import verdicts

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
WITHOUT_WEIGHTS = {"geometry.json", "speed.json"}  # Gaussian points; random weights, and sizes alone
RECORDS = [
    pytest.param(path, id=path.stem) for path in sorted(RESULTS.rglob("*.json")) if path.name not in WITHOUT_WEIGHTS
]


@pytest.fixture(scope="module")
def shipped():
    return {name: fingerprint(ood.load_model(name)) for name in ood.list_models()}


@pytest.mark.parametrize("path", RECORDS)
def test_a_record_was_made_with_the_shipped_weights(path, shipped):
    weights = json.loads(path.read_text()).get("weights", {})
    assert weights and {name: shipped.get(name) for name in weights} == weights


def test_the_record_of_speed_is_of_a_network_of_the_shipped_size():
    found = json.loads((RESULTS / "speed.json").read_text())["toy-dog"]
    assert found["operations"] == pytest.approx(ood.load_model("toy-dog").operations, rel=0.01)


def test_arcs_are_nearer_than_corrected_lines_in_each_repetition_as_the_claims_page_says():
    repetitions = json.loads((RESULTS / "others.json").read_text())["repetitions"].values()
    between = [ways for repetition in repetitions for ways in repetition["between"].values()]
    assert len(between) == 9
    for ways in between:
        assert ways["arc"]["kernel"] < min(ways["cog"]["kernel"], ways["line"]["kernel"])


@pytest.mark.slow
def test_a_record_is_made_in_small_as_the_book_says(tmp_path):
    """The cheapest of the commands runs as it stands; the others name programs and options that there are."""
    page = (RESULTS.parents[1] / "book" / "how_to_read.md").read_text()
    commands = [shlex.split(text) for text in re.findall(r"`python (benchmarks/\S+ --[^`]+)`", page)]
    assert len(commands) == 6
    for program, *options in commands:
        source = (RESULTS.parents[1] / program).read_text()
        assert all(f'"{option}"' in source for option in options if option.startswith("--")), program
    small = next(command for command in commands if command[0].endswith("bandwidth.py"))
    program, options, output = RESULTS.parents[1] / small[0], small[1:-1], tmp_path / "_build" / "map.json"
    subprocess.run([sys.executable, program, *options, output], cwd=tmp_path, check=True, capture_output=True)
    assert set(json.loads(output.read_text())["domains"]) == {"church"}


def before(repetition: dict, model: str) -> list[str]:
    """Outcomes of one repetition by the rules that were changed, in the order of the table on the claims page."""
    world = repetition["worlds"][model]
    made = [repetition["generation"][name] for name in world["unseen"]]
    clouds = [repetition["clouds"][f"{model} {name}"] for name in world["unseen"]]
    single_pixels = [cloud["control"][0] for cloud in clouds]
    no_sketches = ([cloud["pixels"][key] for cloud in clouds] for key in ("uneven", "origin"))
    turns = [
        verdicts.changes_sides({float(t): rate for t, rate in repetition["mixing"][name]["along"].items()})
        for name in world["mixed"]
    ]
    low, high, *_ = zip(
        *(ood.wilson_interval(m["one variance"]["captured"], m["one variance"]["images"]) for m in made), strict=True
    )
    ends = [(m["arcs"], m["arcs, 0.1"]) for m in made]
    gains = [[a[key] - b[key] for a, b in ends] for key in ("diversity", "ms_ssim")]
    errors = [[np.hypot(a[f"{key}_error"], b[f"{key}_error"]) for a, b in ends] for key in ("diversity", "ms_ssim")]

    def generates(share: float) -> str:
        return verdicts.each(
            verdicts.interpolation_generates(
                *(m["arcs"]["captured"], m["arcs"]["images"], m["arcs"]["kernel"], m["gap"]),
                *(m["arcs"]["kernel_error"], m["arcs"]["copies"] >= share),
            )
            for m in made
        )

    return [
        verdicts.opposite(verdicts.all_below(single_pixels, verdicts.FAITHFUL)),
        verdicts.interval_above(low, high, 0.1),
        verdicts.all_below(turns, 800),
        verdicts.pixels_75(*no_sketches),
        generates(2.0),
        generates(0.5),
        verdicts.middle_of_path(*gains, errors=errors),
        verdicts.middle_of_path(*gains, errors=errors, given=[near["copies"] >= 0.5 for _, near in ends]),
    ]


def rise_by_a_tenth(domains: dict) -> str:
    few, many = ([tuple(rows[f"slerp, {n}"]["ms-ssim"].values()) for rows in domains.values()] for n in (25, 800))
    (less, before), (more, after) = (np.array(x).T for x in (few, many))
    rise, error = more - less, 2 * np.hypot(before, after)
    low = bool((rise < -error).any() or (rise + error < 0.1 * less).all())
    return verdicts.decided(bool((rise > error).all()), low)


def test_the_claims_page_says_what_rules_said_before_they_were_changed():
    page = (RESULTS.parents[1] / "book" / "claims.md").read_text()
    told = re.findall(r"^\| `([a-z0-9-]+)` \|.*\| ([^|]+) \|$", page, re.M)
    names = ("claims", "others", "diversity_again")
    again, others, numbers = (json.loads((RESULTS / f"{name}.json").read_text()) for name in names)
    by_rule = zip(*(before(r, name.rsplit(" ", 1)[0]) for name, r in again["repetitions"].items()), strict=True)
    by_copies = [
        [
            verdicts.nearer(*({**ways[way], "novelty": 0.0} for way in pair))
            for repetition in others["repetitions"].values()
            for ways in repetition["between"].values()
        ]
        for pair in (("line", "cog"), ("arc", "geodesic"))
    ]
    found = [*by_rule, *by_copies, [rise_by_a_tenth(domains) for domains in numbers["repetitions"].values()]]
    words = {"holds": "hold", "fails": "fail", "depends": "depend on the domain"}
    counts = [{f"{n} {words.get(k, k)}" for k, n in Counter(outcomes).items()} for outcomes in found]
    assert [set(last.split(", ")) for _, last in told] == counts
