"""Execution of chapters: one that fails costs no other, is run again, and the accounts add up."""

import importlib.util
import json
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from bs4 import BeautifulSoup
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.execute import cache

ROOT = Path(__file__).resolve().parents[2]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

CONF = """
import sys
sys.path.insert(0, {ext!r})
extensions = ["myst_nb", "package_cache", "execution"]
nb_execution_mode = "cache"
nb_execution_raise_on_error = False
nb_execution_show_tb = True
nb_execution_timeout = {timeout}
exclude_patterns = ["_build"]
html_theme = "basic"
"""
PAGE = """# Index

```{costs-table}
```

```{toctree}
notebooks/01_first
notebooks/02_second
```
"""
REPORT = """from IPython.display import display
told = {"verdicts": [], "operations": 2.5e12}
display({"text/plain": "told"}, raw=True, metadata={"scrapbook": {"name": "claims"}, **told})"""
COUNT = "import pathlib\nwith pathlib.Path('runs.txt').open('a') as runs:\n    print('run', file=runs)"


def module_at(*parts):
    path = ROOT.joinpath(*parts)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def execution():
    return module_at("book", "_ext", "execution.py")


@pytest.fixture
def book(tmp_path):
    """A Sphinx project of two notebooks, and how to write and to build it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "ood_helpers").mkdir()
    (tmp_path / "requirements.lock").write_text("\n")
    (tmp_path / "index.md").write_text(PAGE)

    def write(name, *sources):
        cells = [nbformat.v4.new_markdown_cell(f"# The {name} chapter", id="title")]
        cells += [nbformat.v4.new_code_cell(source, id=f"cell-{k}") for k, source in enumerate(sources)]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, tmp_path / "notebooks" / f"{name}.ipynb")

    def build(timeout=60):
        from sphinx.cmd.build import build_main

        (tmp_path / "conf.py").write_text(CONF.format(ext=str(ROOT / "book" / "_ext"), timeout=timeout))
        html = tmp_path / "_build" / "html"
        status = build_main(["-q", "-n", "-W", "--keep-going", str(tmp_path), str(html)])
        pages = {
            path.relative_to(html).as_posix(): BeautifulSoup(path.read_text(), "html.parser").get_text()
            for path in html.rglob("*.html")
        }
        return status, pages

    return SimpleNamespace(root=tmp_path, write=write, build=build, failures=tmp_path / "_build" / "failures.txt")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("print('as far as here')\nno_such_name", "NameError: name 'no_such_name' is not defined"),
        ("print('as far as here', flush=True)\nimport os, time; time.sleep(1); os._exit(3)", "DeadKernelError"),
        ("print('as far as here', flush=True)\nimport time; time.sleep(60)", "A cell timed out"),
    ],
    ids=["error", "dead", "slow"],
)
def test_a_chapter_that_fails_costs_no_other_and_is_run_again(book, trouble, reason):
    book.write("01_first", "1 + 1", trouble, "print('never')")
    book.write("02_second", COUNT, REPORT)
    status, pages = book.build(timeout=10)
    assert status != 0
    assert "as far as here" in pages["notebooks/01_first.html"] and "The 02_second chapter" in pages["index.html"]
    assert "told" in pages["notebooks/02_second.html"]
    text = book.failures.read_text()
    assert "notebooks/01_first stopped at cell 3 of 4, which begins with «print('as far as here'" in text
    assert reason in text or reason in pages["notebooks/01_first.html"]
    assert "stopped at cell 3 of 4" in pages["index.html"]

    book.write("01_first", "1 + 1", "print('mended')")
    status, pages = book.build(timeout=10)
    assert status == 0 and not book.failures.exists()
    assert "mended" in pages["notebooks/01_first.html"]
    assert (book.root / "notebooks" / "runs.txt").read_text() == "run\n"
    assert cache.single_nb_execution is single_nb_execution  # the next build in this process runs its own


def test_notebooks_are_cached_one_at_a_time(execution, monkeypatch):
    inside, together = [], []

    def slow(name):
        inside.append(name)
        together.append(len(inside))
        time.sleep(0.05)
        inside.remove(name)

    monkeypatch.setattr(execution, "cache_bundle", slow)
    with ThreadPool(4) as pool:
        pool.map(execution.cache_alone, range(4))
    assert together == [1, 1, 1, 1]


@pytest.mark.slow
def test_chapters_run_side_by_side(book, execution):
    """Each waits for what the other writes: one after the other, neither would end."""
    if execution.workers() < 2:
        pytest.skip("one kernel at a time fits this machine")
    meet = """import pathlib, time
pathlib.Path("{mine}.txt").write_text("here")
end = time.monotonic() + 30
while not pathlib.Path("{other}.txt").exists():
    assert time.monotonic() < end
    time.sleep(0.1)"""
    book.write("01_first", meet.format(mine="first", other="second"))
    book.write("02_second", meet.format(mine="second", other="first"), REPORT)
    assert book.build()[0] == 0


@pytest.mark.slow
def test_a_failure_of_a_passing_cause_goes_away_with_the_next_build(book):
    book.write("01_first", "import pathlib\nprint(pathlib.Path('wanted.txt').read_text())")
    book.write("02_second", REPORT)
    assert book.build()[0] != 0
    (book.root / "notebooks" / "wanted.txt").write_text("here it is")
    status, pages = book.build()
    assert status == 0 and "here it is" in pages["notebooks/01_first.html"]


@pytest.mark.slow
def test_operations_reach_the_page_and_the_file_from_a_run_and_from_the_cache(book):
    book.write("01_first", "1 + 1")
    book.write("02_second", REPORT)
    (book.root / "book").mkdir()
    record = {"operations": {"notebooks/01_first": 7e12}, "processors": []}
    (book.root / "book" / "costs.json").write_text(json.dumps(record))
    for _ in range(2):
        status, pages = book.build()
        assert status == 0
        told = json.loads((book.root / "_build" / "html" / "operations.json").read_text())
        assert told == {"notebooks/02_second": 2.5e12}
        assert "2.50" in pages["index.html"] and "complete" in pages["index.html"]
        (book.root / "index.md").write_text(PAGE + "\nOther words.\n")


def test_progress_says_which_chapter_of_how_many_and_learns_how_fast_this_machine_is(execution):
    progress = execution.Progress({"a": 100.0, "b": 200.0}, ["a", "b"])
    assert progress.begin("a").startswith("chapter 1 of 2: running a, about 2 minutes; ")
    assert progress.begin("a").endswith("5 minutes")
    progress.end("a", 300.0)
    assert progress.begin("b").startswith("chapter 2 of 2: running b, about 10 minutes; ")
    two = execution.Progress({"a": 100.0, "b": 200.0}, ["a", "b"], workers=2)
    assert two.begin("a").endswith("about 2 minutes; from here on about 2 minutes")
    unknown = execution.Progress({}, ["a"])
    assert unknown.begin("a") == "chapter 1 of 1: running a"


def test_a_chapter_s_cost_is_told_in_words(execution):
    record = {
        "operations": {"notebooks/01": 7.04e12, "notebooks/02": 0.0},
        "processors": [
            {"name": "one processor", "seconds": {"notebooks/01": 61.0, "notebooks/02": 3.2}},
            {"name": "another", "seconds": {"notebooks/01": 200.0, "notebooks/02": 9.0}},
        ],
    }
    told = execution.sentence("its cells", record, "notebooks/01")
    assert told == (
        "its cells ask their networks for 7.0 TFLOP and run in 61 seconds on one core of one processor, "
        "in 3 minutes on one core of another"
    )
    assert "ask no network for anything that counts" in execution.sentence("its cells", record, "notebooks/02")
    assert execution.sentence("its cells", record, "notebooks/03") == "its cells: not on record yet"


def test_what_a_build_needs_is_told_before_and_kept_after():
    costs = module_at("book", "costs.py")
    empty = {"operations": {}, "processors": []}
    operations = {"latents/ddim": 1e12, "notebooks/a": 2e12, "notebooks/b": 4e12}
    first = costs.kept(empty, operations, {"latents/ddim": 60.0, "notebooks/a": 60.0}, "one processor", 2)
    times = {"latents/ddim": 60.0, "notebooks/a": 60.0, "notebooks/b": 180.0}
    again = costs.kept(first, operations, times, "one processor", 2)
    both = costs.kept(again, operations, {name: 3 * one for name, one in times.items()}, "another", 1)
    assert [one["name"] for one in both["processors"]] == ["one processor", "another"]
    told = costs.announcement(both)
    assert "2 chapters that ask their networks for 7 TFLOP" in told and "2.3 GB" in told
    assert "3 on 2 cores of one processor" in told and "15 on 1 cores of another" in told
