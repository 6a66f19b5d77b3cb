"""The local Sphinx extensions, each on the smallest input that shows what it is for."""

import importlib.util
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes

ROOT = Path(__file__).resolve().parents[2]


def extension(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def house(tmp_path):
    """A root folder with a package of one module, weights and a lock."""
    toys = tmp_path / "ood_helpers" / "models" / "toys"
    toys.mkdir(parents=True)
    (tmp_path / "ood_helpers" / "walk.py").write_text("STEPS = 50\n")
    (toys / "weights.safetensors").write_bytes(b"\0\1")
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\n")
    return tmp_path


@pytest.mark.parametrize(
    "edited", ["ood_helpers/walk.py", "ood_helpers/models/toys/weights.safetensors", "ood_helpers/new.py"]
)
def test_any_edit_of_the_package_changes_the_fingerprint(house, edited):
    fingerprint = extension("package_cache").fingerprint
    before = fingerprint(house)
    (house / edited).write_text("STEPS = 51\n")
    assert fingerprint(house) != before


def test_another_lock_changes_the_fingerprint(house):
    fingerprint = extension("package_cache").fingerprint
    before = fingerprint(house)
    (house / "requirements.lock").write_text("torch==2.14.0\n")
    assert fingerprint(house) != before


def test_renaming_a_module_changes_the_fingerprint(house):
    fingerprint = extension("package_cache").fingerprint
    before = fingerprint(house)
    (house / "ood_helpers" / "walk.py").rename(house / "ood_helpers" / "stroll.py")
    assert fingerprint(house) != before


def test_prose_byte_code_and_checkpoints_leave_the_fingerprint_alone(house):
    fingerprint = extension("package_cache").fingerprint
    before = fingerprint(house)
    (house / "README.md").write_text("other words\n")
    (house / "ood_helpers" / "__pycache__").mkdir()
    (house / "ood_helpers" / "__pycache__" / "walk.pyc").write_bytes(b"\0")
    (house / "ood_helpers" / "models" / "toys" / "training.pt").write_bytes(b"\0")
    assert fingerprint(house) == before


def test_the_cache_moves_with_the_package_and_older_ones_go(house):
    module = extension("package_cache")
    app = SimpleNamespace(outdir=house / "_build" / "html", srcdir=house)
    config = SimpleNamespace()
    module.use_cache_of_this_package(app, config)
    first = Path(config.nb_execution_cache_path)
    first.mkdir(parents=True)
    (house / "ood_helpers" / "walk.py").write_text("STEPS = 51\n")
    module.use_cache_of_this_package(app, config)
    assert Path(config.nb_execution_cache_path) != first
    assert first.parent == house / "_build" and not first.exists()


@pytest.mark.parametrize(
    ("alt", "expected"),
    [
        (None, "no alt text"),
        ("  ", "no alt text"),
        ("../_images/abc.png", "a file name"),
        ("figure_1.PNG", "a file name"),
        ("Two dogs; the left one is named scan.png", None),
        ("Error falls with the number of steps", None),
    ],
)
def test_an_image_needs_words(alt, expected):
    image = nodes.image(uri="../_images/abc.png", **({} if alt is None else {"alt": alt}))
    found = extension("require_alt").fault(image)
    assert found is None if expected is None else found.startswith(expected)


@pytest.mark.parametrize(
    ("html", "good"),
    [
        ('<img src="a.png">', False),
        ('<img src="a.png" alt="">', False),
        ('<p>x</p><img alt="a dog" src="a.png"><img src="b.png">', False),
        ('<img src="a.png" alt="a dog">', True),
        ("<p>no picture</p>", True),
    ],
)
def test_an_image_in_raw_html_needs_words_too(html, good):
    assert (extension("require_alt").fault(nodes.raw("", html, format="html")) is None) == good


def test_only_what_belongs_to_thebe_is_taken_out():
    def handler(module):
        def act():
            pass

        act.__module__ = module
        return SimpleNamespace(handler=act)

    keep, drop = handler("myst_nb.sphinx_ext"), handler("sphinx_thebe")
    listeners = {"doctree-resolved": [keep, drop], "builder-inited": [drop]}
    registry = SimpleNamespace(css_files=[("custom.css", {}), ("sphinx-thebe.css", {})])
    app = SimpleNamespace(events=SimpleNamespace(listeners=listeners), registry=registry)
    extension("no_thebe").disconnect_thebe(app, None)
    assert listeners == {"doctree-resolved": [keep], "builder-inited": []}
    assert registry.css_files == [("custom.css", {})]


def test_the_versions_table_names_python_torch_and_the_processor():
    versions = extension("versions")
    text = versions.table(versions.rows()).astext()
    assert all(word in text for word in ("Python", "torch", "diffusers", "Processor", "Cores"))
    assert all(which for _, which in versions.rows())


CONF = """
import sys
sys.path.insert(0, {ext!r})
extensions = ["myst_nb", "package_cache", "require_alt", "no_thebe", "versions"]
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
exclude_patterns = ["_build"]
html_theme = "basic"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A Sphinx project of one notebook that draws and that prints a value of the package, and how to build it."""
    import nbformat

    root = tmp_path_factory.mktemp("site")
    (root / "ood_helpers").mkdir()
    (root / "ood_helpers" / "value.py").write_text("VALUE = 1\n")
    (root / "requirements.lock").write_text("\n")
    (root / "conf.py").write_text(CONF.format(ext=str(ROOT / "book" / "_ext")))

    def write(alt, prose):
        cells = [
            nbformat.v4.new_markdown_cell(f"# Notebook\n\n{prose}", id="prose"),
            nbformat.v4.new_code_cell(PRINT_VALUE, id="value"),
            nbformat.v4.new_code_cell(DRAW, id="draw", metadata={"mystnb": {"image": {"alt": alt}}} if alt else {}),
        ]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, root / "index.ipynb")

    def build():
        """Return the exit status of a build with warnings as errors, and the page."""
        from sphinx.cmd.build import build_main

        status = build_main(["-q", "-n", "-W", "--keep-going", str(root), str(root / "_build" / "html")])
        return status, (root / "_build" / "html" / "index.html").read_text()

    yield SimpleNamespace(root=root, write=write, build=build, runs=root / "runs.txt")
    shutil.rmtree(root)


# Each run of the notebook leaves one more line in runs.txt.
PRINT_VALUE = """import pathlib
with pathlib.Path("runs.txt").open("a") as runs:
    print("run", file=runs)
scope = {}
exec(pathlib.Path("ood_helpers/value.py").read_text(), scope)
print("VALUE is", scope["VALUE"])"""
DRAW = """from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4" cx="4" cy="4"/></svg>')"""


def runs(site):
    return len(site.runs.read_text().splitlines())


@pytest.mark.slow
def test_a_build_runs_a_notebook_again_when_the_package_changes_and_only_then(site):
    site.write("A disc", "Some words.")
    status, page = site.build()
    assert status == 0 and "VALUE is 1" in page and runs(site) == 1

    site.write("A disc", "Other words.")
    status, page = site.build()
    assert status == 0 and "Other words" in page and runs(site) == 1

    (site.root / "ood_helpers" / "value.py").write_text("VALUE = 2\n")
    status, page = site.build()
    assert status == 0 and "VALUE is 2" in page and runs(site) == 2


@pytest.mark.slow
def test_a_build_fails_on_a_figure_without_alt_text(site):
    site.write(None, "Some words.")
    assert site.build()[0] != 0
    site.write("A disc", "Some words.")
    status, page = site.build()
    assert status == 0 and 'alt="A disc"' in page
