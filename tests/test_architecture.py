"""The house: rooms import only from rooms before them, and importing the package costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ood_helpers

PACKAGE = Path(ood_helpers.__file__).parent
ROOMS = [
    "checks",
    "files",
    "models",
    "domains",
    "kernels",
    "latents",
    "evaluation",
    "baselines",
    "pages",
    "opinion",
    "training",
    "scale",
    "__main__",
]
FILES = sorted(PACKAGE.rglob("*.py"))


def room(parts):
    return parts[0].removesuffix(".py")


def imported_rooms(path):
    """Rooms of this package that a file imports, anywhere in it."""
    package = list(path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = [*base, *(node.module.split(".") if node.module else [])]
            yield from [module[0]] if module else [alias.name for alias in node.names]


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent != PACKAGE or p.name != "__init__.py"], ids=lambda p: p.name
)
def test_imports_go_one_way(path):
    here = ROOMS.index(room(path.relative_to(PACKAGE).parts))
    assert {name for name in imported_rooms(path) if ROOMS.index(name) > here} == set()


def test_importing_the_package_loads_nothing_heavy_and_changes_nothing():
    program = (
        "import sys, ood_helpers\n"
        "assert ood_helpers.__version__\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'diffusers', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_is_there_and_documented():
    for name in ood_helpers.__all__:
        assert getattr(ood_helpers, name).__doc__, name
    with pytest.raises(AttributeError, match="inverse"):
        _ = ood_helpers.inverse
