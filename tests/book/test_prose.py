"""The prose pages: what search engines read of them, how to cite the book, and the exercises that plans name."""

import re
from pathlib import Path

import nbformat
import pytest
import yaml

from ood_helpers.pages import course

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
DESCRIBED = [page for page in sorted(BOOK.glob("*.md")) if page.read_text().startswith("---\n")]


@pytest.fixture(scope="module")
def toc():
    return yaml.safe_load((ROOT / "_toc.yml").read_text())


def test_most_pages_have_a_description_of_their_own_that_a_list_of_results_shows_whole():
    told = [
        yaml.safe_load(page.read_text().split("---\n")[1])["myst"]["html_meta"]["description lang=en"]
        for page in DESCRIBED
    ]
    assert len(told) > 10 and len(set(told)) == len(told)
    assert [text for text in told if not 60 <= len(text) <= 170] == []


def test_every_chapter_has_a_page_for_lecturers(toc):
    files = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    sections = next(chapter["sections"] for chapter in files if chapter["file"] == "book/lecturers")
    chapters = [chapter["file"] for chapter in files if chapter["file"].startswith("notebooks/")]
    assert [one["file"].removeprefix("book/lecturers/") for one in sections] == [Path(one).name for one in chapters]
    assert [one["file"] for one in sections if not (ROOT / f"{one['file']}.md").exists()] == []


def test_the_welcome_page_says_how_to_cite_as_the_citation_file_does():
    cited, page = yaml.safe_load((ROOT / "CITATION.cff").read_text()), (BOOK / "index.md").read_text()
    assert f"{{{cited['title']}}}" in page and f"{{{cited['version']}}}" in page
    assert f"{{{{{cited['authors'][0]['name']}}}}}" in page.replace("\\_", "_")
    paper = cited["references"][0]
    assert paper["identifiers"][0]["value"].removeprefix("arXiv:") in (BOOK / "references.bib").read_text()


@pytest.mark.parametrize("page", [BOOK / "lecturers.md", *sorted(BOOK.glob("lecturers/*.md"))], ids=lambda p: p.stem)
def test_every_exercise_that_a_plan_names_exists(page):
    books = [nbformat.read(path, 4) for path in ROOT.glob("notebooks/*.ipynb")]
    text = "\n".join(cell.source for book in books for cell in book.cells)
    known = {exercise.label for chapter in course.chapters() for exercise in chapter.exercises}
    known |= set(re.findall(r":label: (ex-\S+)", text))
    assert set(re.findall(r"\bex-[\w-]+", page.read_text())) - known == set()
