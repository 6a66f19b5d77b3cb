"""Chapter 11 runs the whole study once models lie beside the book: here with a tiny random one in the hub's format."""

from pathlib import Path

import nbformat
import pandas as pd
import pytest

import ood_helpers as ood
from ood_helpers.domains import pictures

CHAPTER = Path(__file__).parents[2] / "notebooks" / "11_paper_scale.ipynb"
IMAGES = 24


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
    tiny_pipeline(tmp_path / "models" / "dog")
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
    assert list(found[1].index) == ["church", "galaxy"] and (found[1]["models"] == 1).all()
    assert (found[2]["images"] == IMAGES // 2).all() and found[2].loc["church (OOD)", "data set (paper)"] == "Church"
    assert found[3].loc["galaxy (OOD)", "SVM (paper)"] == "1.00"


def test_without_models_nothing_is_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OOD_PAPER_SCALE", str(tmp_path))
    run("import", "place = ")
    assert "nothing was run" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
