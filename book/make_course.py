"""Write notebooks of exercises, for students with stubs and for instructors with solutions: `make course`."""

from __future__ import annotations

import argparse
from pathlib import Path

import nbformat

from ood_helpers.pages import course

PROBLEMS = Path(__file__).with_name("problems")  # what the book does not show


def main() -> None:
    """Write both sets, one notebook a chapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "_build" / "course")
    folder = parser.parse_args().output
    for chapter in course.chapters():
        more = PROBLEMS / f"{chapter.name}.md"
        problems = course.read_chapter(more).exercises if more.exists() else ()
        made = {
            "student": course.notebook(chapter),
            "instructor": course.notebook(chapter, problems, solved=True),
        }
        for who, book in made.items():
            (folder / who).mkdir(parents=True, exist_ok=True)
            nbformat.write(book, folder / who / f"{chapter.name}.ipynb")
    print(f"{folder}: student/ and instructor/, {len(course.chapters())} notebooks each")


if __name__ == "__main__":
    main()
