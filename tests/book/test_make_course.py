"""The course's notebooks, as nbgrader reads them."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator

ROOT = Path(__file__).resolve().parents[2]

spec = importlib.util.spec_from_file_location("make_course", ROOT / "book" / "make_course.py")
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The folder with the three sets."""
    folder = tmp_path_factory.mktemp("course")
    subprocess.run([sys.executable, ROOT / "book" / "make_course.py", "--output", folder], check=True)
    return folder


def nbgrader(folder, *arguments):
    """Run a command of nbgrader in a folder; return what it prints."""
    home = {name: str(folder) for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    home["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # it calls alembic by name
    command = [sys.executable, "-m", "nbgrader", *map(str, arguments)]
    found = subprocess.run(command, cwd=folder, env=os.environ | home, capture_output=True, text=True)
    return found.stdout + found.stderr


def test_there_is_a_notebook_for_each_chapter_in_every_set(course):
    chapters = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    for who in ("student", "instructor", "source"):
        assert {path.name for path in (course / who).rglob("*.ipynb")} == chapters


def test_every_notebook_is_valid_and_students_get_no_solution(course):
    for path in course.rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            if "nbgrader" in cell.metadata:
                MetadataValidator().validate_cell(cell)
        text = path.read_text()
        assert ("BEGIN SOLUTION" in text) == (path.relative_to(course).parts[0] != "student")
    student, instructor = ((course / who / "04_separability.ipynb").read_text() for who in ("student", "instructor"))
    assert "196_608 / 30**2" in instructor and "196_608 / 30**2" not in student


def test_what_nbgrader_releases_explains_no_solution(course):
    """nbgrader takes out solutions of cells that it knows; a cell of plain Markdown would reach the students."""
    for path in (course / "source").rglob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        kept = [cell.id for cell in cells if cell.cell_type == "markdown" and "nbgrader" not in cell.metadata]
        assert [name for name in kept if name.endswith("-why")] == []
    name = "04_separability.ipynb"
    assert "ex-many-why" in [cell.id for cell in nbformat.read(course / "instructor" / name, as_version=4).cells]


def test_every_exercise_shows_its_label_and_how_long_it_takes(course):
    cells = {cell.id: cell.source for cell in nbformat.read(course / "student/04_separability.ipynb", 4).cells}
    assert "*Question, 1 minute:* `ex-q-floor`" in cells["ex-q-floor"]
    assert "*Proof, 15 minutes:* `ex-tilt`" in cells["ex-tilt"]
    assert "`notebooks/04_separability.html#ex-many`" in cells["title"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("See {numref}`fig-nfe`.", "See the figure `fig-nfe` of the book."),
        ("See {numref}`Fig. %s <fig-nfe>`.", "See the figure `fig-nfe` of the book."),
        ("{ref}`the last one <ex-a>`, {prf:ref}`prop-b`", "the last one, the statement `prop-b` of the book"),
        ("{term}`latent`, {doc}`../book/claims`, `code`", "latent, the page `claims` of the book, `code`"),
        ("{cite:t}`song2021ddim`", "`song2021ddim`"),
    ],
)
def test_a_reference_becomes_words(written, read):
    assert program._plain(written) == read


@pytest.mark.slow
def test_nbgrader_makes_a_release_of_its_set_and_judges_it(course, tmp_path):
    """Stubs do not validate; the instructor's own solutions do."""
    name = "04_separability"
    shutil.copytree(course / "source" / name, tmp_path / "source" / name)
    solved = tmp_path / "source" / name / f"{name}.ipynb"
    assert "Writing" in nbgrader(tmp_path, "generate_assignment", name, "--create", "--force")
    release = json.dumps(json.loads((tmp_path / "release" / name / f"{name}.ipynb").read_text()))
    assert "BEGIN SOLUTION" not in release and "NotImplementedError" in release and "ex-p-nearer" in release
    assert "with known centers" not in release.lower()  # from the explanation of a problem that the book does not show
    stubs = nbgrader(course, "validate", course / "student" / f"{name}.ipynb")
    assert "failed" in stubs and "ex-many" in stubs
    assert "Success! Your notebook passes all the tests." in nbgrader(tmp_path, "validate", solved)
