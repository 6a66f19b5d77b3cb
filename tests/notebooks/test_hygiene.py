"""Every chapter has the same frame, short cells, no stored output, and a caption and alt text on each figure."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def cells(notebook, kind):
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def prose(notebook):
    return "\n".join(cell.source for cell in cells(notebook, "markdown"))


def test_the_table_of_contents_lists_every_chapter_in_order():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
    listed = [entry["file"] for part in parts for entry in part["chapters"] if entry["file"].startswith("notebooks/")]
    assert listed == [f"notebooks/{path.stem}" for path in NOTEBOOKS]
    assert [int(path.stem[:2]) for path in NOTEBOOKS] == sorted(int(path.stem[:2]) for path in NOTEBOOKS)


def test_no_outputs_are_stored(notebook):
    assert not [cell for cell in cells(notebook, "code") if cell.outputs or cell.execution_count]


def test_code_cells_are_short_and_define_nothing(notebook):
    for cell in cells(notebook, "code"):
        assert len(cell.source.splitlines()) <= 24, cell.source
        assert all(len(line) <= 88 for line in cell.source.splitlines()), cell.source
        tree = ast.parse(cell.source)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)], cell.source


def test_every_figure_has_a_caption_that_finds_something_and_alternative_text(notebook):
    drawn = [
        cell for cell in cells(notebook, "code") if re.search(r"figures\.(picture_grid|curves|panels)", cell.source)
    ]
    assert drawn
    for cell in drawn:
        settings = cell.metadata["mystnb"]
        assert len(settings["image"]["alt"].split()) >= 8
        assert len(settings["figure"]["caption"].split()) >= 12
        assert settings["figure"]["name"].startswith("fig-")


@pytest.mark.parametrize(
    "heading", ["In this chapter", "## What holds and what does not", "## Exercises", "## Take away"]
)
def test_every_chapter_has_the_frame(notebook, heading):
    assert heading in prose(notebook)


def test_every_chapter_reports_its_verdicts_once(notebook):
    assert sum(cell.source.count("claims.report(") for cell in cells(notebook, "code")) == 1


def test_verdicts_are_rules_of_the_package_and_no_level_stands_in_their_cells(notebook):
    judging = [cell.source for cell in cells(notebook, "code") if re.search(r"\b(verdicts|claims)\.\w", cell.source)]
    assert any("verdicts." in source for source in judging)
    for source in judging:
        compared = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
        parts = [part for node in compared for part in (node.left, *node.comparators)]
        levels = [part for part in parts if isinstance(part, ast.Constant)]
        assert all(isinstance(part.value, str) for part in levels), source


def test_every_chapter_opens_with_a_question_and_a_picture_and_ends_with_the_answer(notebook, request):
    first, last = notebook.cells[0].source, notebook.cells[-1].source
    number = request.node.callspec.id[:2]
    assert re.search(r"^# .+\n\n\*\*The question\.\*\* .+\?", first)
    picture = ROOT / "book" / "_static" / "openers" / f"{number}.svg"
    assert picture.exists() and f"{{image}} ../book/_static/openers/{number}.svg\n:alt: " in first
    assert "## Take away\n\n**The answer.** " in last


def test_every_chapter_has_a_panel_questions_exercises_and_before_its_numbers_its_rules(notebook, request):
    text, first = prose(notebook), notebook.cells[0].source
    assert sum("panels.panel(" in cell.source for cell in cells(notebook, "code")) == 1
    shown = re.findall(r"\{exercises\} (\S+)\n(:kind: question)?", text)
    stem = request.node.callspec.id
    assert shown == [(stem, ":kind: question"), (stem, "")]
    assert re.search(r"\{admonition\} By which rules this chapter judges\n:class: dropdown\n\n?\|", first)


def test_labels_are_unique(notebook):
    labels = re.findall(r":label: (\S+)", prose(notebook))
    assert len(labels) == len(set(labels))


def test_no_two_figures_or_statements_of_the_book_share_a_name():
    books = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
    names = [name for book in books for name in re.findall(r":label: (\S+)", prose(book))]
    names += [
        cell.metadata["mystnb"]["figure"]["name"]
        for book in books
        for cell in cells(book, "code")
        if "figure" in cell.metadata.get("mystnb", {})
    ]
    assert len(names) > 50 and sorted({name for name in names if names.count(name) > 1}) == []


def test_every_citation_is_in_the_bibliography(notebook):
    keys = {
        key.strip() for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", prose(notebook)) for key in group.split(",")
    }
    known = set(re.findall(r"@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text()))
    assert keys <= known, keys - known
