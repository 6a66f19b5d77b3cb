"""Launch buttons: off without an address, on with one; the set-up cell works where nothing is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import os, pathlib, torch
import ood_helpers as ood
from ood_helpers.pages import shared
told = ood.list_models(), pathlib.Path(ood.__file__), torch.__file__, os.getcwd(), len(shared.record("samplers"))
print("TOLD", told)
"""


def launch(root, address, *options):
    command = [sys.executable, ROOT / "book" / "make_launch.py", address, "--root", root, *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path):
    """A copy of settings and two notebooks."""
    root = tmp_path / "checkout"
    (root / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "_config.yml", root)
    for name in ("03_high_dimensional_geometry", "04_separability"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", root / "notebooks")
    return root


def test_there_are_no_buttons_without_an_address():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert "repository" not in config and "launch_buttons" not in config


def test_one_command_switches_them_on_and_may_be_given_again(checkout):
    assert launch(checkout, "https://github.com/me/first").returncode == 0
    assert launch(checkout, "https://github.com/me/second/", "--branch", "v2").returncode == 0
    config = yaml.safe_load((checkout / "_config.yml").read_text())
    assert config["repository"] == {"url": "https://github.com/me/second", "branch": "v2"}
    assert {"binderhub_url", "colab_url"} <= set(config["launch_buttons"])
    for path in (checkout / "notebooks").glob("*.ipynb"):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.id == "set-up"]
        assert len(cells) == 1 and "--branch v2 https://github.com/me/second" in cells[0].source
        assert cells[0].metadata["tags"] == ["remove-cell"]


def test_what_is_no_address_is_refused(checkout):
    before = (checkout / "_config.yml").read_text()
    told = launch(checkout, "me/my-book")
    assert told.returncode == 2 and "address: got 'me/my-book', expected such as" in told.stderr
    assert (checkout / "_config.yml").read_text() == before


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_the_set_up_cell_fetches_the_book_where_it_is_not_installed_and_keeps_torch(checkout, tmp_path):
    """A Python that has torch and all else, but not the package, in a folder without a checkout."""
    published = tmp_path / "published"
    ignore = shutil.ignore_patterns("__pycache__", "*.pt", "shipped")
    shutil.copytree(ROOT / "ood_helpers", published / "ood_helpers", ignore=ignore)
    shutil.copytree(ROOT / "ood_helpers/models/shipped/toy-dog", published / "ood_helpers/models/shipped/toy-dog")
    for name in ("notebooks", "benchmarks/results"):
        shutil.copytree(ROOT / name, published / name)
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, published)
    git = ["git", "-C", published, "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    assert launch(checkout, published.as_uri()).returncode == 0
    notebook = nbformat.read(checkout / "notebooks" / "04_separability.ipynb", as_version=4)
    (cell,) = (cell for cell in notebook.cells if cell.id == "set-up")

    home = tmp_path / "colab"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin" / "python"
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip())
    (site / "theirs.pth").write_text(sysconfig.get_path("purelib") + "\n")  # which does not install the package there
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "cells.ipy").write_text(f"{cell.source}\n{PROBE}")
    env = os.environ | {"PIP_NO_BUILD_ISOLATION": "0", "OMP_NUM_THREADS": "2"}  # pip's "0" means: without isolation
    run = [python, "-m", "IPython", "--colors=NoColor", "cells.ipy"]
    done = subprocess.run(run, cwd=tmp_path / "content", env=env, capture_output=True, text=True)
    assert "TOLD" in done.stdout, done.stdout + done.stderr
    told = done.stdout[done.stdout.index("TOLD") :]
    assert "toy-dog" in told and str(site / "ood_helpers") in told and sysconfig.get_path("purelib") in told
    assert str(tmp_path / "content" / "unseen-domains" / "notebooks") in told
    assert not (site / "torch").exists()
