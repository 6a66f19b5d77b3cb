"""Write notebooks of exercises: `make course`.

`student` has stubs, `instructor` solutions, explanations and two problems more. `source` is for nbgrader: the same
without the explanations of code, which it could not take out of what it releases to students.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbformat import v4

from ood_helpers.pages.course import KINDS, Chapter, Exercise, chapters, read_chapter

PROBLEMS = Path(__file__).with_name("problems")  # what the book does not show


INSTALL = """try:
    import ood_helpers
except ImportError:
    %pip install --quiet "ood-helpers[book]"
"""


TITLE = """# Exercises: {title}

Fill in every `...`, write each function that raises `NotImplementedError`, and run the cell below it: it says what is
wrong. Other answers are in words, in place of *Your answer.*

A name such as `{label}` is the end of an address in the book: `notebooks/{name}.html#{label}`.
That of an equation begins with `equation-`."""


def notebook(
    chapter: Chapter, problems: Sequence[Exercise] = (), solved: bool = False, explained: bool = True
) -> nbformat.NotebookNode:
    """Return a notebook of exercises that nbgrader can read: for students with stubs, or ``solved`` for instructors.

    ``explained`` adds to each solution in code a cell that explains it; nbgrader would release it to students.

    Each exercise with a stub has a cell to fill in and a locked one that checks it, worth a point for each five
    minutes; each other one has a cell for words, which a person grades, as are ``problems``, which no check knows.
    """
    linked = next(exercise.label for exercise in chapter.exercises if exercise.kind != "question")  # as in the book
    told = TITLE.format(title=chapter.title, name=chapter.name, label=linked)
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


WHAT = {"numref": "the figure", "prf:ref": "the statement", "ref": "the part", "eq": "the equation", "doc": "the page"}


def _plain(text: str) -> str:
    """Return Markdown without roles of the book: a reference becomes its words, or its name in the book."""

    def words(found: re.Match) -> str:
        role, title, target = found[1], found[2], found[3]
        if title and "%s" not in title:
            return title
        name = (target or found[4]).rpartition("/")[2]
        return (
            f"{WHAT[role]} `{name}` of the book" if role in WHAT else f"`{name}`" if role.startswith("cite") else name
        )

    return re.sub(r"\{([\w:]+)\}`(?:([^`<]+?)\s*<([^`>]*)>|([^`]*))`", words, text)


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
