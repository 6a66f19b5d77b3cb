"""The directive `versions-table`: the software and the machine that a build ran with."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PACKAGES = ("torch", "diffusers", "numpy", "scipy", "scikit-learn", "matplotlib", "seaborn", "ipywidgets")
PACKAGES += ("jupyter-book", "ood-helpers")


def cpu_name() -> str:
    """Return the processor's name as Linux tells it, and elsewhere what Python knows."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def rows() -> list[tuple[str, str]]:
    """Return pairs of what and which: Python, the packages, the processor and its cores."""
    versions = [(name, metadata.version(name)) for name in PACKAGES]
    system = [("Processor", cpu_name()), ("Cores", str(os.cpu_count())), ("System", platform.system())]
    return [("Python", platform.python_version()), *versions, *system, ("Precision", precision())]


def precision() -> str:
    """Say in which precision networks run here where a chapter does not ask for one."""
    import torch

    from ood_helpers import has_bfloat16_units

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lower = "bfloat16, for which this device has units" if has_bfloat16_units(device) else "float32"
    return f"float32 where a chapter asks for it; otherwise {lower}"


def table(pairs: list[tuple[str, str]]) -> nodes.table:
    """Return a table of two columns, what and which, with a head."""

    def row(*cells: str) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))

    group = nodes.tgroup("", nodes.colspec(colwidth=50), nodes.colspec(colwidth=50), cols=2)
    group += nodes.thead("", row("What", "Which"))
    group += nodes.tbody("", *(row(*pair) for pair in pairs))
    return nodes.table("", group, classes=["colwidths-auto"])


class VersionsTable(SphinxDirective):
    """Show `rows` as a table; the page that holds it is read again at every build."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return [table(rows())]


def setup(app):
    app.add_directive("versions-table", VersionsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
