"""Chapter 11 runs the whole study once models lie beside the book: here with a tiny random one in the hub's format."""

import re
import subprocess
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import ood_helpers as ood
from ood_helpers.__main__ import main
from ood_helpers.domains import pictures
from ood_helpers.pages import course
from ood_helpers.scale import tunings

CHAPTER = Path(__file__).parents[2] / "notebooks" / "11_paper_scale.ipynb"
EXERCISES = course.FOLDER / "11_paper_scale.md"
IMAGES = 24
MODULE = ["-m", "ood_helpers", "table"]
PER_NODE = ("ntasks-per-node", "gpus-per-node")


def run(*beginnings):
    """Execute the cells that begin so, in one namespace."""
    sources = [cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells if cell.cell_type == "code"]
    names = {}
    for beginning in beginnings:
        (source,) = [source for source in sources if source.startswith(beginning)]
        exec(compile(source, beginning, "exec"), names)
    return names


@pytest.fixture
def place(tiny_pipeline, tmp_path, monkeypatch):
    for name in ("church", "dog"):
        tiny_pipeline(tmp_path / "models" / name)
    for name in ("dog", "church", "galaxy"):
        (tmp_path / "domains" / name).mkdir(parents=True)
        for number, image in enumerate(ood.load_domain(name, IMAGES, 16)):
            pictures.save_sheet(image[None], tmp_path / "domains" / name / f"{number:02d}.png", columns=1, zoom=1)
    monkeypatch.setenv("OOD_PAPER_SCALE", str(tmp_path))
    return tmp_path


def test_the_whole_study_runs_where_models_are(place, capsys):
    run("import", "place = ")
    assert capsys.readouterr().out.count("written to") == 3
    found = {number: pd.read_csv(place / f"table-{number}.csv", index_col=0) for number in (1, 2, 3)}
    assert list(found[2].index) == ["dog (ID)", "church (OOD)", "galaxy (OOD)"]
    assert dict(found[1]["models"]) == {"church": 1, "dog": 1, "galaxy": 2}
    assert (found[2]["images"] == IMAGES // 2).all() and found[2].loc["church (OOD)", "data set (paper)"] == "Church"
    assert found[3].loc["galaxy (OOD)", "SVM (paper)"] == "1.00"


def test_without_models_nothing_is_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OOD_PAPER_SCALE", str(tmp_path))
    run("import", "place = ")
    assert "nothing was run" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


SMALLER = {  # what a test cannot have: time, the published weights, and those of Inception
    "--images 1000": "--images 11",
    "--count 1000": "--count 4",
    "--images 100 ": "--images 11 ",
    "--attention-head-dim 64": "--attention-head-dim 16 --image-size 32",
    "--features inception": "",
    "diffusionclip asyrp": "diffusionclip asyrp --tuning-steps 1 --embedding scorer",
    "--paper": "--paper --images 11 --steps 2",
}


def blocks():
    """The shell blocks of the page and of its exercises that call the package: the script for a cluster, the others."""
    page = "\n".join(cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells)
    found = re.findall(r"```bash\n(.*?)```", page + EXERCISES.read_text(), re.DOTALL)
    found = [block for block in found if "python -m" in block]
    (batch,) = [block for block in found if block.startswith("#!/bin/bash")]
    return batch, "\n".join(block for block in found if block != batch)


def commands(script, folder):
    """What a script asks of ``python``, as lists of arguments, with variables and line ends resolved."""
    for said, few in SMALLER.items():
        script = script.replace(said, few)
    recorded = "srun() { \"$@\"; }\npython() { printf '%s\\0' \"$@\"; printf '\\n'; }\n" + script
    found = subprocess.run(["bash", "-euc", recorded], env={"HOME": str(folder)}, capture_output=True, check=True)
    return [line.split("\0")[:-1] for line in found.stdout.decode().splitlines()]


def test_the_script_for_a_cluster_is_complete_as_it_stands(tmp_path):
    batch, others = blocks()
    assert commands(batch, tmp_path) == commands(others, tmp_path)[:1]
    nodes, tasks, gpus = (int(re.search(rf"--{name} (\d+)", batch)[1]) for name in ("nodes", *PER_NODE))
    assert nodes > 1 and tasks == gpus, "one process for each GPU of each node"


@pytest.fixture
def lab(tiny_pipeline, tmp_path, monkeypatch):
    """A folder with everything that the page asks for, small, by the page's own names."""
    (tmp_path / "models").mkdir()
    file = Path(__file__).parents[1] / "data" / "iddpm_openai_tiny.safetensors"
    weights = {k.removeprefix("state."): v for k, v in load_file(file).items() if k.startswith("state.")}
    torch.save(weights, tmp_path / "models" / "afhqdog_p2.pt")
    for number, name in enumerate(("celebahq", "church", "bedroom")):
        tiny_pipeline(tmp_path / "google" / f"ddpm-{name}-256", number, 32)
    domains = {"afhq-dog": "dog", "celebahq": "face", "galaxyzoo": "galaxy"}
    domains = {f"data/{k}": v for k, v in domains.items()}
    domains |= {f"data/{name}": name for name in ("church", "bedroom", "radiation")} | {"pictures": "cat"}
    for folder, name in domains.items():
        (tmp_path / folder).mkdir(parents=True)
        for number, image in enumerate(ood.load_domain(name, 16, 32)):
            pictures.save_sheet(image[None], tmp_path / folder / f"{number:02d}.png", columns=1, zoom=1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_make_the_paper_s_tables_as_they_stand(lab, monkeypatch):
    monkeypatch.setattr(tunings, "WALKS", {method: walk | {"steps": 2} for method, walk in tunings.WALKS.items()})
    script = blocks()[1]
    assert all(said in script for said in SMALLER)
    found = commands(script, lab)
    assert [call[3] for call in found] == ["2", "3", "1", "2"] and all(call[:3] == MODULE for call in found)
    short = ["--timestep", "300", "--steps", "2", "--device", "cpu", "--precision", "float32"]
    for call in found[:-1]:
        assert main(call[2:] + short[4:] if "--paper" in call else call[2:] + short) == 0, call
    tables = {number: pd.read_csv(lab / "tables" / f"table-{number}.csv", index_col=0) for number in (1, 2, 3)}
    printed = {"dog": 3, "face": 3, "church": 3, "bedroom": 3, "galaxy": 4, "radiation": 4}
    methods = found[2][found[2].index("--methods") + 1 : found[2].index("--tuning-steps")]
    for method, rows in tables[1].groupby("method", sort=False):
        unprinted = ["galaxy", "radiation"] if method == "vanilla" else []
        assert rows["models"].to_dict() == printed and list(rows.index[rows["paper"] == "–"]) == unprinted, method
    assert list(tables[1]["method"]) == methods * len(printed) and {*tunings.PUBLISHED} < {*methods}
    assert list(tables[2].index) == ["dog (ID)", *(f"{name} (OOD)" for name in printed if name != "dog")]
    assert list(tables[3].index) == ["standard normal", *tables[2].index]
    assert main(found[-1][2:] + short) == 0
    assert list(pd.read_csv(lab / "tables" / "table-2.csv", index_col=0).index) == ["face (ID)", "mine (OOD)"]
