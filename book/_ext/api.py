"""Two directives about the package: `public-names`, the reference of a room, and `house`, a table of all rooms.

Both read the stubs (``__init__.pyi``) that say what is public, so a name that is added there is on the page at the next
build. The reference is made of the docstrings by `sphinx.ext.autodoc`.
"""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import ood_helpers

PACKAGE = Path(ood_helpers.__file__).parent
CORE = ("models", "domains", "kernels", "latents", "evaluation")
SATELLITES = ("theory", "training", "baselines", "astro", "opinion", "pages", "scale")


def stub(file: Path) -> list[tuple[str, list[str]]]:
    """Return the imports of a stub: module, and names that it gives."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [(node.module or "", [alias.name for alias in node.names]) for node in found]


def public_names(room: str) -> list[str]:
    """Return the public names of a room: a core's from the package's stub, a satellite's from its own."""
    own = PACKAGE / room / "__init__.pyi"
    if own.exists():
        return sorted(name for _, names in stub(own) for name in names)
    inside = [names for module, names in stub(PACKAGE / "__init__.pyi") if module.split(".")[0] == room]
    return sorted(name for names in inside for name in names)


def lines(room: str) -> int:
    """Return the number of lines of a room, with docstrings and blank ones."""
    files = [file for suffix in ("*.py", "*.pyi") for file in (PACKAGE / room).rglob(suffix)]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def entry(module: str, name: str) -> list[str]:
    """Return the reStructuredText for one name: a function, a class with its public methods, or a constant."""
    thing = getattr(import_module(module), name)
    if inspect.isclass(thing):
        return [f".. autoclass:: {module}.{name}", "   :members:"]
    if callable(thing):
        return [f".. autofunction:: {module}.{name}"]
    shown = thing.relative_to(PACKAGE.parent).as_posix() if isinstance(thing, Path) else repr(thing)
    return [f".. py:data:: {module}.{name}", f"   :value: {short(shown)}"]


def short(text: str, longest: int = 88) -> str:
    """Return a text, or its beginning if it is long."""
    return text if len(text) <= longest else text[:longest].rsplit(",", 1)[0] + ", ..."


class PublicNames(SphinxDirective):
    """``public-names:: models``: the reference of a room."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        room = self.arguments[0]
        module = f"ood_helpers.{room}" if (PACKAGE / room / "__init__.pyi").exists() else "ood_helpers"
        for file in (PACKAGE / room).rglob("*.py"):
            self.env.note_dependency(str(file))
        text = "\n\n".join("\n".join(entry(module, name)) for name in public_names(room))
        return self.parse_text_to_nodes("```{eval-rst}\n" + text + "\n```\n")


class House(SphinxDirective):
    """``house::``: the rooms in order, with what each is for, its lines and its number of public names."""

    def run(self) -> list[nodes.Node]:
        rows = ["| room | what happens there | public names | lines |", "|---|---|--:|--:|"]
        for title, rooms in (("the core", CORE), ("satellites", SATELLITES)):
            counted = [lines(room) for room in rooms]
            rows.append(f"| *{title}* | | | *{sum(counted):,}* |")
            for room, count in zip(rooms, counted, strict=True):
                what = " ".join((import_module(f"ood_helpers.{room}").__doc__ or "").split("\n\n")[0].split())
                names = len(public_names(room)) or "modules"
                rows.append(f"| `{room}/` | {what} | {names} | {count:,} |")
        for file in PACKAGE.rglob("*.py*"):
            self.env.note_dependency(str(file))
        return self.parse_text_to_nodes("\n".join(rows) + "\n")


def formulas_as_they_stand(app, what, name, obj, options, lines: list[str]) -> None:
    """Show a formula that a docstring sets off by indenting it as it stands, instead of reading it as prose."""
    end = next((i for i, line in enumerate(lines) if line and set(line) == {"-"}), len(lines))
    for i in reversed(range(1, end)):
        if lines[i].startswith("    ") and not lines[i - 1].strip() and not lines[i - 2].startswith(("    ", "..")):
            lines[i:i] = [".. code-block:: text", ""]


def setup(app):
    app.connect("autodoc-process-docstring", formulas_as_they_stand, priority=400)  # before napoleon
    app.add_directive("public-names", PublicNames)
    app.add_directive("house", House)
    return {"version": "1", "parallel_read_safe": True}
