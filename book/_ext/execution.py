"""Run chapters side by side, so that one that fails costs no other, and account for what each one costs.

* Before any page is read, all notebooks that the cache does not have are given to a few workers, a kernel each, and the
  latents that several chapters share are made. What a worker has run is cached at once: an interrupted build goes on
  where it stopped.
* A line says which of how many is running and about how long it will take: its seconds on record (`book/costs.json`),
  times what this machine has needed so far for one second on record.
* An error, a time limit or a kernel that dies ends one notebook. Its page shows where it stopped, all other pages are
  built, and chapter and cell are written to `_build/failures.txt`. The next build runs it again.
* `_build/html/operations.json` has the operations that each notebook asked networks for, as its last cell told
  (`ood_helpers.pages.claims.report`), and those of the shared latents. The directive `costs-table` shows them, with
  seconds and status; the role `cost` tells those on record of its own page.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from threading import Lock

import nbformat
import psutil
from docutils import nodes
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.execute import cache
from nbclient.exceptions import DeadKernelError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_refnode

LOGGER = logging.getLogger(__name__)
NOTEBOOKS = "notebooks/"
SHARED = "latents/"
PREPARE = """
import json, ood_helpers as ood
from ood_helpers.pages import shared
print(json.dumps(shared.prepare(ood.load_model("toy-dog"))))
"""


def costs(root: Path) -> dict:
    """Return what is on record: operations of each notebook, and its seconds on named processors."""
    path = root / "book" / "costs.json"
    return json.loads(path.read_text()) if path.exists() else {"operations": {}, "processors": []}


def minutes(seconds: float) -> str:
    """Return a duration in words."""
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"


CACHING, cache_bundle = Lock(), JupyterCacheBase.cache_notebook_bundle


class Progress:
    """Which notebook is running, of how many, and how long the rest will take, with so many workers."""

    def __init__(self, recorded: dict[str, float], names: list[str], workers: int = 1):
        self.names, self.recorded, self.workers = names, recorded, workers
        self.spent = self.foreseen = 0.0

    def foresee(self, names: list[str]) -> float | None:
        """Return the seconds that notebooks will take here one after another, or None if one has no record."""
        if not all(name in self.recorded for name in names):
            return None
        pace = self.spent / self.foreseen if self.foreseen else 1.0
        return pace * sum(self.recorded[name] for name in names)

    def begin(self, name: str) -> str:
        """Return the line to show before a notebook is run."""
        position = self.names.index(name)
        this, rest = self.foresee([name]), self.foresee(self.names[position:])
        about = f", about {minutes(this)}; from here on about {minutes(rest / self.workers)}" if this and rest else ""
        return f"chapter {position + 1} of {len(self.names)}: running {name}{about}"

    def end(self, name: str, seconds: float) -> None:
        """Learn from how long a notebook took."""
        if name in self.recorded:
            self.spent += seconds
            self.foreseen += self.recorded[name]


def workers() -> int:
    """Return how many kernels may run at once: one a core, four at most, and 2 GB of memory for each."""
    return max(1, min(os.cpu_count() or 1, 4, psutil.virtual_memory().available // 2**31))


class Ahead:
    """Runs notebooks in kernels side by side; whoever reads a page waits for its own only.

    Parameters
    ----------
    folder : Path
        That of the book's sources.
    settings
        Those of MyST-NB: cache, time limit, and whether errors are allowed.
    progress : Progress
        Of the notebooks to run, in this order.
    """

    def __init__(self, folder: Path, settings, progress: Progress):
        self.folder, self.settings, self.progress = folder, settings, progress
        os.environ["OOD_HELPERS_STATIC"] = "1"  # a page has no kernel: its panels show what they show at first
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // progress.workers)))
        self.pool = ThreadPool(progress.workers)  # of daemons: an interrupt need not wait for them
        self.running = {name: self.pool.apply_async(self.run, (name,)) for name in progress.names}

    def run(self, name: str) -> tuple[ExecutionResult, str]:
        """Run a notebook and cache it if it comes to its end; return what came of it, and where it stopped, if so."""
        LOGGER.info(self.progress.begin(name), color="green")
        path = self.folder / f"{name}.ipynb"
        result, where = survive(
            nbformat.read(path, as_version=4),
            cwd=str(path.parent),
            timeout=self.settings.execution_timeout,
            allow_errors=self.settings.execution_allow_errors,
        )
        self.progress.end(name, result.time)
        if not where:
            bundle = CacheBundleIn(result.nb, str(path), data={"execution_seconds": result.time})
            get_cache(self.settings.execution_cache_path).cache_notebook_bundle(
                bundle, check_validity=False, overwrite=True
            )
        return result, where


def survive(notebook, **settings) -> tuple[ExecutionResult, str]:
    """Run a notebook, outliving its kernel; return what came of it, and where it stopped, "" if nowhere."""
    reached, start = 0, time.monotonic()

    def remember(cell, cell_index):
        nonlocal reached
        reached = cell_index

    try:
        result = single_nb_execution(notebook, on_cell_start=remember, **settings)
    except DeadKernelError as error:
        seconds = time.monotonic() - start
        result = ExecutionResult(notebook, settings.get("cwd"), seconds, error, f"the kernel died: {error}")
    return result, "" if result.err is None else stopped(notebook, reached, result)


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


def cache_alone(*bundle, **settings):
    """Cache one notebook at a time: the cache takes a record that another thread is writing for one too many."""
    with CACHING:
        return cache_bundle(*bundle, **settings)


def missing(folder: Path, names: list[str], settings) -> list[str]:
    """Return those notebooks that the cache does not have."""
    known = get_cache(settings.execution_cache_path)

    def cached(name: str) -> bool:
        try:
            known.match_cache_notebook(nbformat.read(folder / f"{name}.ipynb", as_version=4))
        except KeyError:
            return False
        return True

    return [name for name in names if not cached(name)]


def run_ahead(app, env, docnames: list[str]) -> None:
    """Begin to run what is to be run, and let MyST-NB take it from there."""
    for kept in ("stopped", "shared"):  # with the pages, from build to build
        if not hasattr(env, kept):
            setattr(env, kept, {})
    folder, settings = Path(app.srcdir), env.mystnb_config
    names = missing(folder, sorted(name for name in docnames if name.startswith(NOTEBOOKS)), settings)
    if not names:
        return
    recorded = next((one["seconds"] for one in costs(folder)["processors"]), {})
    package = str(settings.execution_cache_path)  # which is named after the package's contents
    share_latents(folder, env.shared, recorded, added=getattr(env, "package", package) == package)
    env.package = package
    ahead = Ahead(folder, settings, Progress(recorded, names, workers()))
    cache.single_nb_execution = taking(ahead, env)
    JupyterCacheBase.cache_notebook_bundle = cache_alone


def taking(ahead: Ahead, env) -> Callable[..., ExecutionResult]:
    """Return what stands for the function by which MyST-NB runs the notebook of the page that it reads."""

    def execute(notebook, **settings) -> ExecutionResult:
        name = env.docname
        result, where = ahead.running[name].get() if name in ahead.running else survive(notebook, **settings)
        notebook.update(result.nb)
        env.stopped[name] = where
        return result

    return execute


def hand_back(app, exception) -> None:
    """Let MyST-NB run notebooks by itself again, in whatever this process builds next."""
    cache.single_nb_execution = single_nb_execution
    JupyterCacheBase.cache_notebook_bundle = cache_bundle
    os.environ.pop("OOD_HELPERS_STATIC", None)


def share_latents(folder: Path, spent: dict[str, dict], recorded: dict[str, float], added: bool = True) -> None:
    """Make the latents that several chapters share, where there is a package to do it, and keep what they cost.

    What an interrupted build made counts, too, unless the package has changed since (not ``added``).
    """
    if not (folder / "ood_helpers" / "pages" / "shared.py").exists():
        return
    about = sum(seconds for name, seconds in recorded.items() if name.startswith(SHARED))
    known = f", about {minutes(about)}" if about else ""
    LOGGER.info(f"making the latents that several chapters share{known}", color="green")
    told = subprocess.run([sys.executable, "-c", PREPARE], cwd=folder / NOTEBOOKS, capture_output=True, text=True)
    if told.returncode:
        LOGGER.warning(f"no shared latents, each chapter will make its own: {told.stderr[-2000:]}")
        return
    for name, cost in json.loads(told.stdout.splitlines()[-1]).items():
        before = spent.get(name, dict.fromkeys(cost, 0.0))
        anew = {what: before[what] + cost[what] for what in cost} if added else cost
        spent[name] = anew if cost["operations"] else before


def run_again(app, env, added, changed, removed) -> list[str]:
    """Read those notebooks again that an earlier build could not run to their end."""
    known = getattr(env, "nb_metadata", {})  # not at the very first build
    return [name for name, data in known.items() if not data.get("exec_data", {}).get("succeeded", True)]


def accounts(env) -> dict[str, dict]:
    """Return, by notebook and by kind of shared latents, operations, seconds, status and where it stopped."""
    found = {name: {**cost, "succeeded": True, "stopped": ""} for name, cost in env.shared.items()}
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
            "stopped": env.stopped.get(name) or run["error"] or "",
        }
    return found


def write_accounts(app, exception) -> None:
    """Write `operations.json` for whoever reads the site, and `failures.txt` for whoever waits at the command line."""
    if exception is not None or app.builder.format != "html":
        return
    found, failures = accounts(app.env), Path(app.outdir).parent / "failures.txt"
    for what in ("operations", "seconds"):
        known = {name: one[what] for name, one in found.items() if one["operations"] is not None}
        (Path(app.outdir) / f"{what}.json").write_text(json.dumps(known, indent=1) + "\n")
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
            if name.startswith(SHARED):
                title = nodes.Text(f"Latents that chapters share ({name.removeprefix(SHARED)})")
            else:
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
    took = [f"in {minutes(one['seconds'][name])} on one core of {one['name']}" for one in record["processors"]]
    return f"{subject} {asked} and run {', '.join(took)}"


def write_side_by_side(app, env) -> None:
    """Let processes of their own write the pages, where forking is safe; all have been read by now."""
    if sys.platform == "linux":
        app.parallel = 1 + workers()


def setup(app):
    app.add_node(PendingCosts)
    app.add_directive("costs-table", CostsTable)
    app.add_role("cost", Cost())
    app.connect("env-before-read-docs", run_ahead)
    app.connect("env-get-outdated", run_again)
    app.connect("env-updated", write_side_by_side)
    app.connect("doctree-resolved", fill)
    app.connect("build-finished", write_accounts)
    app.connect("build-finished", hand_back)
    # not read in processes that Sphinx forks: the threads that run notebooks would stay behind
    return {"parallel_read_safe": False, "parallel_write_safe": True}
