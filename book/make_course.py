"""Write notebooks of exercises: `make course`.

`student` has stubs, `instructor` solutions, explanations and two problems more. `source` is for nbgrader: the same
without the explanations of code, which it could not take out of what it releases to students.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import nbformat
import yaml
from nbformat import v4

from ood_helpers.pages.course import KINDS, Chapter, Exercise, chapters, read_chapter

BOOK = Path(__file__).parent
PROBLEMS = BOOK / "problems"  # what the book does not show


INSTALL = """try:
    import ood_helpers
except ImportError:
    %pip install --quiet "ood-helpers[book]"
"""


TITLE = """# Exercises: {title}

Replace every `...`, write each function that raises `NotImplementedError`, and run the cell below it: it says what is
wrong. An `AssertionError` under that only means: not right yet. Other answers are in words, in place of *Your answer.*

Chapters, figures (Fig. 3), equations (Eq. 3) and propositions are those of the book, `_build/html/index.html`. There,
exercises have solutions, too. *The chapter's notebook* is `notebooks/{name}.ipynb`."""


def notebook(
    chapter: Chapter, problems: Sequence[Exercise] = (), solved: bool = False, explained: bool = True
) -> nbformat.NotebookNode:
    """Return a notebook of exercises that nbgrader can read: for students with stubs, or ``solved`` for instructors.

    ``explained`` adds to each solution in code a cell that explains it; nbgrader would release it to students.

    Each exercise with a stub has a cell to fill in and a locked one that checks it, worth a point for each five
    minutes; each other one has a cell for words, which a person grades, as are ``problems``, which no check knows.
    """
    told = TITLE.format(title=chapter.title, name=chapter.name)
    cells = [
        v4.new_markdown_cell(told, id="title"),
        v4.new_code_cell(INSTALL, id="install"),
        v4.new_code_cell(f"from ood_helpers import pages\n\n{chapter.setup}".rstrip(), id="setup"),
    ]
    for exercise in chapter.exercises:
        cells += _cells(exercise, solved, explained)
    for exercise in problems:
        cells += _cells(exercise, solved, explained, checked=False)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _cells(exercise: Exercise, solved: bool, explained: bool, checked: bool = True) -> Iterator[nbformat.NotebookNode]:
    label, points = exercise.label, max(1, round(exercise.minutes / 5))
    length = f"{exercise.minutes} minute" + "s" * (exercise.minutes != 1)
    told = f"## {exercise.title}\n\n*{KINDS[exercise.kind]}, {length}:* `{label}`\n\n{exercise.question}"
    yield v4.new_markdown_cell(_plain(told), id=label)
    if not exercise.stub:
        answer = _plain(exercise.explanation) if solved else "*Your answer.*"
        metadata = _graded(label, grade=True, solution=True, points=points)
        yield v4.new_markdown_cell(answer, id=f"{label}-answer", metadata=metadata)
        return
    answer = f"\n### BEGIN SOLUTION\n{exercise.solution}\n### END SOLUTION" if solved else ""
    metadata = _graded(label, grade=not checked, solution=True, points=points)
    yield v4.new_code_cell(exercise.stub + answer, id=f"{label}-answer", metadata=metadata)
    if checked:
        given = ", ".join(f"{name}={name}" for name in exercise.names)
        metadata = _graded(f"{label}-check", grade=True, points=points, locked=True)
        yield v4.new_code_cell(f'assert pages.check("{label}", {given})', id=f"{label}-check", metadata=metadata)
    if solved and explained:
        yield v4.new_markdown_cell(_plain(exercise.explanation), id=f"{label}-why")


def _graded(name: str, grade=False, solution=False, locked=False, points=None) -> dict:
    told = {
        "grade_id": name,
        "grade": grade,
        "solution": solution,
        "locked": locked,
        "schema_version": 3,
        "task": False,
    }
    return {"nbgrader": told | ({"points": points} if grade else {})}


def _plain(text: str) -> str:
    """Return Markdown without roles of the book: a reference becomes its words, or what the book calls its target."""

    def words(found: re.Match) -> str:
        role, title, target = found[1], found[2], found[3]
        if title and "%s" not in title:
            return title
        name = (target or found[4]).rpartition("/")[2]
        if role.startswith("cite"):
            return _cited(name, in_text=role == "cite:t")
        return name if role == "term" else called()[name]

    return re.sub(r"\{([\w:]+)\}`(?:([^`<]+?)\s*<([^`>]*)>|([^`]*))`", words, text)


DECLARED = re.compile(
    r"^```\{(figure|math|prf:\w+)\}.*\n(?:(?!:name:|:label:|```).*\n)*?:(?:name|label): (\S+)$"
    r"|^(\$\$) \(([\w-]+)\)$",
    re.M,
)


@cache
def called() -> dict[str, str]:
    """Return what the book calls its figures, equations, statements, chapters and pages, by their labels.

    Numbers are counted as Sphinx does: over all pages, in their order.
    """
    toc = yaml.safe_load((BOOK.parent / "_toc.yml").read_text())
    pages = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    names = {one.label: f"Exercise *{one.title}*" for chapter in chapters() for one in chapter.exercises}
    numbers: Counter[str] = Counter()
    for page in pages:
        for kind, label in _declared(BOOK.parent / page):
            numbers[kind] += 1
            names[label] = f"{kind} {numbers[kind]}"
        name = page.rpartition("/")[2]
        names[name] = f"Chapter {int(name[:2])}" if name[:2].isdigit() else f"the page *{name.replace('_', ' ')}*"
    return names


def _declared(page: Path) -> Iterator[tuple[str, str]]:
    """Yield kind and label of all that a page numbers, in order."""
    if page.with_suffix(".md").exists():
        cells = [nbformat.v4.new_markdown_cell(page.with_suffix(".md").read_text())]
    else:
        cells = nbformat.read(page.with_suffix(".ipynb"), as_version=4).cells
    for cell in cells:
        if cell.cell_type == "markdown":
            for found in DECLARED.finditer(cell.source):
                kind = (found[1] or "math").removeprefix("prf:")
                yield {"figure": "Fig.", "math": "Eq."}.get(kind, kind.capitalize()), found[2] or found[4]
        elif "figure" in cell.metadata.get("mystnb", {}):
            yield "Fig.", cell.metadata["mystnb"]["figure"]["name"]


def _cited(key: str, in_text: bool) -> str:
    """Return author and year, as the book has them."""
    entry = (BOOK / "references.bib").read_text().partition(f"{{{key},\n")[2].partition("\n}\n")[0]
    told = dict(re.findall(r"^ *(\w+) *= \{(.*)\},?$", entry, re.M))
    first, *others = (name.partition(",")[0] for name in told["author"].split(" and "))
    who = f"{first} et al." if len(others) > 1 else " and ".join((first, *others))
    return f"{who} [{told['year']}]" if in_text else f"[{who}, {told['year']}]"


def main() -> None:
    """Write the three sets, one notebook a chapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "_build" / "course")
    folder = parser.parse_args().output
    made = chapters()
    for chapter in made:
        more = PROBLEMS / f"{chapter.name}.md"
        problems = read_chapter(more).exercises if more.exists() else ()
        sets = {
            "student": notebook(chapter),
            "instructor": notebook(chapter, problems, solved=True),
            f"source/{chapter.name}": notebook(chapter, problems, solved=True, explained=False),
        }
        for who, book in sets.items():
            (folder / who).mkdir(parents=True, exist_ok=True)
            nbformat.write(book, folder / who / f"{chapter.name}.ipynb")
    print(f"{folder}: student/, instructor/ and source/ (for nbgrader), {len(made)} notebooks each")


if __name__ == "__main__":
    main()
