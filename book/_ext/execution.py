"""Run chapters so that one that fails costs no other, say how far the build is, and account for what each one cost.

* Before a notebook is run, a line says which of how many it is and about how long it will take: its seconds on record
  (`book/costs.json`), times what this machine has needed so far for one second on record.
* An error, a time limit or a kernel that dies ends one notebook. Its page shows where it stopped, all other pages are
  built, and chapter and cell are written to `_build/failures.txt`. The next build runs it again.
* `_build/html/operations.json` has the operations that each notebook asked networks for, as its last cell told
  (`ood_helpers.pages.claims.report`). The directive `costs-table` shows them, with seconds and status; the role `cost`
  tells those on record of its own page.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from docutils import nodes
from jupyter_cache.executors.utils import ExecutionResult
from myst_nb.core.execute import cache
from nbclient.exceptions import DeadKernelError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_refnode

LOGGER = logging.getLogger(__name__)
NOTEBOOKS = "notebooks/"


def costs(root: Path) -> dict:
    """Return what is on record: operations of each notebook, and its seconds on named processors."""
    path = root / "book" / "costs.json"
    return json.loads(path.read_text()) if path.exists() else {"operations": {}, "processors": []}


def minutes(seconds: float) -> str:
    """Return a duration in words."""
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"


class Progress:
    """Which notebook is running, of how many, and how long the rest will take."""

    def __init__(self, recorded: dict[str, float], names: list[str]):
        self.names, self.recorded = names, recorded
        self.spent = self.foreseen = 0.0
        self.cell = 0

    def foresee(self, names: list[str]) -> float | None:
        """Return the seconds that notebooks will take here, or None if one has no record."""
        if not all(name in self.recorded for name in names):
            return None
        pace = self.spent / self.foreseen if self.foreseen else 1.0
        return pace * sum(self.recorded[name] for name in names)

    def begin(self, name: str) -> str:
        """Return the line to show before a notebook is run."""
        position = self.names.index(name) if name in self.names else 0
        this, rest = self.foresee([name]), self.foresee(self.names[position:])
        about = (
            f", about {minutes(this)}; all that is left, if none is cached: {minutes(rest)}" if this and rest else ""
        )
        return f"chapter {position + 1} of {len(self.names)}: running {name}{about}"

    def end(self, name: str, seconds: float) -> None:
        """Learn from how long a notebook took."""
        if name in self.recorded:
            self.spent += seconds
            self.foreseen += self.recorded[name]


def surviving(run, progress: Progress, env):
    """Return a function like ``run``, which executes a notebook, that tells of its progress and outlives its kernel.

    Where an execution stopped is kept in ``env.stopped``, by notebook.
    """

    def execute(notebook, **settings) -> ExecutionResult:
        name, start = env.docname, time.monotonic()
        LOGGER.info(progress.begin(name), color="green")

        def remember(cell, cell_index):
            progress.cell = cell_index

        try:
            result = run(notebook, on_cell_start=remember, **settings)
        except DeadKernelError as error:
            seconds = time.monotonic() - start
            result = ExecutionResult(notebook, settings.get("cwd"), seconds, error, f"the kernel died: {error}")
        progress.end(name, result.time)
        env.stopped.pop(name, None)
        if result.err is not None:
            env.stopped[name] = stopped(notebook, progress.cell, result)
        return result

    return execute


def stopped(notebook, index: int, result: ExecutionResult) -> str:
    """Say in one line at which cell a notebook stopped, and why; put the reason into the cell if it is not there."""
    cell = notebook.cells[index]
    error = result.err
    plain = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    reason = f"{error.ename}: {error.evalue}" if hasattr(error, "ename") else plain
    if not any(output.output_type == "error" for output in cell.outputs):
        told = {"ename": type(error).__name__, "evalue": reason, "traceback": [reason]}
        cell.outputs.append(type(cell)({"output_type": "error", **told}))
    first = next((line for line in cell.source.splitlines() if line.strip()), "")
    return f"cell {index + 1} of {len(notebook.cells)}, which begins with «{first.strip()}»: {reason}"


def watch(app, env, docnames: list[str]) -> None:
    """Let MyST-NB run notebooks by `surviving`."""
    if not hasattr(env, "stopped"):
        env.stopped = {}
    recorded = next((one["seconds"] for one in costs(Path(app.srcdir))["processors"]), {})
    names = sorted(name for name in docnames if name.startswith(NOTEBOOKS))
    run = getattr(cache.single_nb_execution, "inner", cache.single_nb_execution)
    cache.single_nb_execution = surviving(run, Progress(recorded, names), env)
    cache.single_nb_execution.inner = run


def run_again(app, env, added, changed, removed) -> list[str]:
    """Read those notebooks again that an earlier build could not run to their end."""
    known = getattr(env, "nb_metadata", {})  # not at the very first build
    return [name for name, data in known.items() if not data.get("exec_data", {}).get("succeeded", True)]


def accounts(env) -> dict[str, dict]:
    """Return, by notebook, its operations, seconds, status and where it stopped."""
    found = {}
    for name, data in sorted(env.nb_metadata.items()):
        run = data.get("exec_data")
        if not run:
            continue
        file = Path(env.mystnb_config.output_folder, f"{name}.glue.json")
        told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        found[name] = {
            "operations": told.get("claims", {}).get("metadata", {}).get("operations"),
            "seconds": run["runtime"],
            "succeeded": run["succeeded"],
            "stopped": env.stopped.get(name, run["error"] or ""),
        }
    return found


def write_accounts(app, exception) -> None:
    """Write `operations.json` for whoever reads the site, and `failures.txt` for whoever waits at the command line."""
    if exception is not None or app.builder.format != "html":
        return
    found, failures = accounts(app.env), Path(app.outdir).parent / "failures.txt"
    known = {name: one["operations"] for name, one in found.items() if one["operations"] is not None}
    (Path(app.outdir) / "operations.json").write_text(json.dumps(known, indent=1) + "\n")
    seconds = {name: one["seconds"] for name, one in found.items() if one["operations"] is not None}
    (Path(app.outdir) / "seconds.json").write_text(json.dumps(seconds, indent=1) + "\n")
    lines = [f"{name} stopped at {one['stopped']}" for name, one in found.items() if not one["succeeded"]]
    failures.unlink(missing_ok=True)
    if lines:
        failures.write_text("\n".join(["All other pages are built, but:", *lines]) + "\n")


def table(head: tuple[str, ...], rows: list[list[nodes.Node]]) -> nodes.table:
    """Return a table with a head."""

    def row(cells):
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=20) for _ in head), cols=len(head))
    group += nodes.thead("", row(map(nodes.Text, head)))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group, classes=["colwidths-auto"])


class PendingCosts(nodes.General, nodes.Element):
    """Stands where the table of costs will be."""


class CostsTable(SphinxDirective):
    """Leave a `PendingCosts`; the page that holds it is read and written again at every build."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return [PendingCosts()]


def fill(app, doctree: nodes.document, docname: str) -> None:
    """Put the table where the directive `costs-table` was."""
    for pending in list(doctree.findall(PendingCosts)):
        rows, total = [], 0.0
        for name, one in accounts(app.env).items():
            title = make_refnode(app.builder, docname, name, "", nodes.Text(app.env.titles[name].astext()))
            cost = one["operations"]
            total += cost or 0.0
            shown = "–" if cost is None else f"{cost / 1e12:.2f}"
            seconds = "–" if one["seconds"] is None else f"{one['seconds']:.0f}"
            status = "complete" if one["succeeded"] else f"stopped at {one['stopped']}"
            rows.append([title, *map(nodes.Text, (shown, seconds, status))])
        rows.append([*map(nodes.Text, ("All", f"{total / 1e12:.2f}", "", ""))])
        pending.replace_self(table(("Notebook", "TFLOP", "seconds", "status"), rows))


class Cost(SphinxRole):
    """Say what the cells of the present page cost, by `book/costs.json`; the role's text is the subject."""

    def run(self) -> tuple[list[nodes.Node], list]:
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / "book" / "costs.json"))
        return [nodes.Text(sentence(self.text, costs(root), self.env.docname))], []


def sentence(subject: str, record: dict, name: str) -> str:
    """Return the operations of a notebook and its duration on the processors on record, in words."""
    if name not in record["operations"]:
        return f"{subject}: not on record yet"
    total = record["operations"][name] / 1e12
    asked = f"ask their networks for {total:.1f} TFLOP" if total >= 0.05 else "ask no network for anything that counts"
    took = [f"in {minutes(one['seconds'][name])} on {one['name']}" for one in record["processors"]]
    return f"{subject} {asked} and run {', '.join(took)}"


def setup(app):
    app.add_node(PendingCosts)
    app.add_directive("costs-table", CostsTable)
    app.add_role("cost", Cost())
    app.connect("env-before-read-docs", watch)
    app.connect("env-get-outdated", run_again)
    app.connect("doctree-resolved", fill)
    app.connect("build-finished", write_accounts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
