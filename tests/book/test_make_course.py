"""The course's notebooks, as nbgrader reads them."""

import importlib.util
import json
import os
import re
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
    """The folder with both sets."""
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


def test_there_is_a_notebook_for_each_chapter_in_both_sets(course):
    chapters = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    for who in ("student", "instructor"):
        assert {path.name for path in (course / who).glob("*.ipynb")} == chapters


def test_every_notebook_is_valid_and_students_get_no_solution(course):
    for path in course.rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            if "nbgrader" in cell.metadata:
                MetadataValidator().validate_cell(cell)
        text = path.read_text()
        assert ("BEGIN SOLUTION" in text) == (path.parent.name == "instructor")
    student, instructor = ((course / who / "04_separability.ipynb").read_text() for who in ("student", "instructor"))
    assert "196_608 / 30**2" in instructor and "196_608 / 30**2" not in student


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
    files = [SITE / f"book/{name}.html" for name in ("index", "background", "architecture")]
    shown = {}
    for file in (*files, *(SITE / "notebooks").glob("*.html")):
        for tag in BeautifulSoup(file.read_text(), "html.parser").find_all(["figure", "div"], id=True):
            if number := tag.find(class_=["caption-number", "eqno"]):
                shown[tag["id"].removeprefix("equation-")] = re.sub(r"^\((\d+)\).*", r"Eq. \1", number.text.strip())
    names = program.called()
    numbered = {k: name for k, name in names.items() if re.search(r"^(?!Chapter)[A-Z][a-z]+\.? \d+$", name)}
    assert len(numbered) > 80 and {label: shown.get(label) for label in numbered} == numbered


@pytest.mark.slow
def test_nbgrader_makes_a_release_of_the_instructors_set_and_judges_it(course, tmp_path):
    """Stubs do not validate; the instructor's own solutions do."""
    name = "04_separability"
    (tmp_path / "source" / "four").mkdir(parents=True)
    solved = tmp_path / "source" / "four" / f"{name}.ipynb"
    solved.write_text((course / "instructor" / f"{name}.ipynb").read_text())
    assert "Writing" in nbgrader(tmp_path, "generate_assignment", "four", "--create", "--force")
    release = json.loads((tmp_path / "release" / "four" / f"{name}.ipynb").read_text())
    assert "BEGIN SOLUTION" not in json.dumps(release) and "NotImplementedError" in json.dumps(release)
    stubs = nbgrader(course, "validate", course / "student" / f"{name}.ipynb")
    assert "failed" in stubs and "ex-many" in stubs
    assert "Success! Your notebook passes all the tests." in nbgrader(tmp_path, "validate", solved)
