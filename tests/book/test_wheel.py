"""The wheel, installed somewhere else: weights, exercises and the command come with it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
PROGRAM = """
import json, pathlib
import ood_helpers as ood
from ood_helpers import pages
model = ood.load_model("toy-dog")
images = ood.load_domain("church", n=1, size=64, seed=0)
latents = ood.invert(model, images, t=100, steps=2, progress=False)
told = {"from": str(pathlib.Path(ood.__file__).parent), "shape": list(latents.shape)}
told["right"] = pages.check("ex-many", smallest=437, with_ten=198)
told["judge"] = sorted(ood.load_scorer().domains)[:1]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package, installed from its wheel; what it needs is that of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build leaves files behind
    shutil.copytree(ROOT / "ood_helpers", source / "ood_helpers", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, source)
    # --no-deps and --no-build-isolation: nothing is fetched
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source], check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*PIP, "install", "--no-deps", "--target", folder / "site", wheel], check=True, cwd=folder)
    return folder, wheel


def run(folder, *command):
    """Run a command outside the repository, with the installed package before all others."""
    env = os.environ | {"PYTHONPATH": str(folder / "site"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_the_package_works_outside_the_repository(installed):
    folder, _ = installed
    told = json.loads(run(folder, sys.executable, "-c", PROGRAM).splitlines()[-1])
    assert told["from"] == str(folder / "site" / "ood_helpers")
    assert told["shape"] == [1, 3, 64, 64] and told["right"] is True and told["judge"]


@pytest.mark.slow
def test_the_command_is_installed(installed):
    folder, _ = installed
    command = folder / "site" / "bin" / "ood-helpers"
    assert "real-hand" in run(folder, sys.executable, command, "train", "--help")


@pytest.mark.slow
def test_no_test_notebook_or_checkpoint_is_in_the_wheel(installed):
    _, wheel = installed
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"ood_helpers"}
    assert not [name for name in names if name.endswith((".pt", ".ipynb"))]
