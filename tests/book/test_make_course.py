"""The course's notebooks, as nbgrader reads them."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbgrader.nbgraderformat import MetadataValidator

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"

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
    assert "`notebooks/04_separability.ipynb`" in cells["title"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("See {numref}`fig-method`.", "See Fig. 1."),
        ("See {numref}`Fig. %s <fig-map>`.", "See Fig. 2."),
        ("Write {eq}`bg-forward`", "Write Eq. 1"),
        ("{ref}`the last one <ex-a>`, {prf:ref}`prop-retrace`", "the last one, Proposition 1"),
        ("Prove {ref}`ex-many`", "Prove Exercise *How many latents did it take?*"),
        ("{term}`latent`, {doc}`../book/how_to_read`, `code`", "latent, the page *how to read*, `code`"),
        ("{doc}`02_gaussian_priors`", "Chapter 2"),
        ("{cite:t}`song2021ddim`", "Song et al. [2021]"),
        ("known {cite}`nichol2021improved`", "known [Nichol and Dhariwal, 2021]"),
    ],
)
def test_a_reference_becomes_words(written, read):
    assert program._plain(written) == read


def test_no_cell_of_either_set_names_a_label_or_a_key_of_the_book(course):
    name = re.compile(r"\{[\w:]+\}`|\b(?:fig|eq|prop|lem|alg)-[a-z]|\b[a-z]+20\d\d[a-z]*\b")
    told = [cell for path in course.rglob("*.ipynb") for cell in nbformat.read(path, 4).cells]
    assert [c.source for c in told if c.cell_type == "markdown" and name.search(c.source)] == []


@pytest.mark.site
@pytest.mark.skipif(not SITE.exists(), reason="the book has not been built")
def test_numbers_are_those_of_the_built_book():
    files = [SITE / f"book/{name}.html" for name in ("index", "background", "architecture", "claims")]
    shown = {}
    for file in (*files, *(SITE / "notebooks").glob("*.html")):
        for tag in BeautifulSoup(file.read_text(), "html.parser").find_all(["figure", "div"], id=True):
            if number := tag.find(class_=["caption-number", "eqno"]):
                shown[tag["id"].removeprefix("equation-")] = re.sub(r"^\((\d+)\).*", r"Eq. \1", number.text.strip())
    names = program.called()
    numbered = {k: name for k, name in names.items() if re.search(r"^(?!Chapter)[A-Z][a-z]+\.? \d+$", name)}
    assert len(numbered) > 80 and {label: shown.get(label) for label in numbered} == numbered


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
