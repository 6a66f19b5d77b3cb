"""Records of benchmarks tell which weights made them: those that come with the package."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import ood_helpers as ood
from ood_helpers.models.frozen import fingerprint

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
