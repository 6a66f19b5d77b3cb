"""Ranges, lock, conda environment, imports and table of contents tell one story."""

import ast
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
PYTHONPATH = [ROOT / place for place in PYPROJECT["tool"]["pytest"]["ini_options"]["pythonpath"]]
CONDA_NAMES = {"pytorch": "torch"}
IMPORT_NAMES = {"PIL": "pillow", "bs4": "beautifulsoup4", "skimage": "scikit-image", "sklearn": "scikit-learn"}
IMPORT_NAMES |= {"websocket": "websocket-client", "yaml": "pyyaml"}
IMPORT_NAMES |= dict.fromkeys(("jupyter_cache", "myst_nb", "nbclient"), "jupyter-book")
IMPORT_NAMES |= {"IPython": "ipywidgets", "docutils": "sphinx", "huggingface_hub": "diffusers"}  # come with their hosts


def requirements(*groups):
    """Return {name: Requirement} of the core dependencies and of the named extras."""
    found = {}
    for line in (*PROJECT["dependencies"], *(r for g in groups for r in PROJECT["optional-dependencies"][g])):
        requirement = Requirement(line)
        own = requirement.name == PROJECT["name"]  # an extra that takes others along
        found |= requirements(*requirement.extras) if own else {canonicalize_name(requirement.name): requirement}
    return found


def lock():
    """Return {name: version} of requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def conda():
    """Return the conda dependencies as {name: Requirement}, and the list for pip."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    plain = [entry for entry in entries if isinstance(entry, str) and not entry.startswith(("python=", "pip"))]
    found = [Requirement(entry) for entry in plain]
    return {canonicalize_name(CONDA_NAMES.get(r.name, r.name)): r for r in found}, pip


def test_the_lock_holds_exact_versions_without_a_local_part():
    text = (ROOT / "requirements.lock").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) > 100
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


def test_every_range_admits_its_locked_version():
    pins = lock()
    wrong = {n: pins.get(n) for n, r in requirements("book", "test").items() if pins.get(n, "") not in r.specifier}
    assert wrong == {}


def test_conda_users_get_the_same_core_packages_in_the_same_ranges():
    found, _ = conda()
    core, every = requirements(), requirements("book", "test")
    assert set(core) <= set(found) <= set(every)
    assert {n: str(r.specifier) for n, r in found.items()} == {n: str(every[n].specifier) for n in found}


def test_conda_users_get_the_extras_from_the_project_itself():
    assert conda()[1] == ["-e .[book,test]"]


def test_conda_python_is_one_that_the_project_admits():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (python,) = [entry for entry in entries if isinstance(entry, str) and entry.startswith("python=")]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python.partition("=")[2])


def sources(path):
    """Yield the Python code of a module, or of each code cell of a notebook with its magics left out."""
    if path.suffix == ".py":
        yield path.read_text()
        return
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            yield "\n".join("pass" if re.match(r"\s*[%!]", line) else line for line in lines)


def imports(folders):
    """Return {distribution: files} of what is neither the standard library nor found beside the importing file."""
    found = {}
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*") if p.suffix in {".py", ".ipynb"}):
        if ".ipynb_checkpoints" in path.parts:
            continue
        local = {p.stem for place in (path.parent, *PYTHONPATH) for p in place.iterdir()} | {"ood_helpers", "tests"}
        for name in {n for code in sources(path) for n in imported(ast.parse(code))}:
            if name not in sys.stdlib_module_names and name not in local:
                key = canonicalize_name(IMPORT_NAMES.get(name, name))
                found.setdefault(key, []).append(str(path.relative_to(ROOT)))
    return found


def imported(tree):
    """Yield the top-level names that a module imports absolutely, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (["ood_helpers"], ["clip", "onnx"]),
        (["notebooks", "book"], ["book"]),
        (["tests", "benchmarks"], ["book", "test", "benchmarks"]),
    ],
)
def test_every_import_is_declared(folders, extras):
    declared = requirements(*extras)
    assert {name: files for name, files in imports(folders).items() if name not in declared} == {}


def test_the_scan_sees_imports_inside_functions_and_not_relative_ones():
    code = "import numpy.linalg as la\nfrom .x import y\ndef f():\n    from PIL import Image\n"
    assert sorted(imported(ast.parse(code))) == ["PIL", "numpy"]


def test_what_is_installed_is_what_is_locked():
    if not (Path(sys.prefix) / ".installed").exists():
        pytest.skip("not the environment that make installs")
    found = metadata.distributions(path=[sysconfig.get_path("purelib")])  # not what a library carries within itself
    installed = {canonicalize_name(d.metadata["Name"]): d.version.partition("+")[0] for d in found}
    different = {n: (v, installed[n]) for n, v in lock().items() if n in installed and installed[n] != v}
    assert different == {}
    assert not set(requirements("book", "test")) - set(installed)


def test_what_is_locked_runs_on_the_oldest_python_that_the_project_names():
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    needs = {d.metadata["Name"]: d.metadata.get("Requires-Python") or "" for d in metadata.distributions()}
    too_new = {name: need for name, need in needs.items() if oldest not in SpecifierSet(need)}
    assert {name: need for name, need in too_new.items() if canonicalize_name(name) in lock()} == {}


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_a_python_that_is_too_old_gets_a_clear_answer(tmp_path):
    stamp = tmp_path / "venv"
    command = ["make", "PYTHON=false", f"VENV={stamp}", "install"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr
    assert not stamp.exists()


def toc_files():
    """Return the documents of the table of contents, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def test_the_table_of_contents_names_files_that_exist_and_every_notebook_in_order():
    files = toc_files()
    assert [f for f in files if not list(ROOT.glob(f"{f}.*"))] == []
    notebooks = sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
    assert [Path(f).name for f in files if f.startswith("notebooks/")] == notebooks


def test_every_local_extension_is_switched_on():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert sorted(config["sphinx"]["local_extensions"]) == sorted(p.stem for p in (ROOT / "book" / "_ext").glob("*.py"))


def test_the_citation_file_is_what_its_format_asks_for():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0" and str(citation["version"]) == PROJECT["version"]
    assert all(citation[key] for key in ("message", "title", "authors"))
    assert [r["identifiers"][0]["value"] for r in citation["references"]] == ["arXiv:2310.09213"]
    names = [author["family-names"] for author in citation["references"][0]["authors"]]
    assert names == ["Zhu", "Wu", "Xu", "Deng", "Yan", "Russakovsky"]
