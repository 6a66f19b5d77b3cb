"""The local Sphinx extensions, each on the smallest input that shows what it is for."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from docutils import nodes

import ood_helpers
from ood_helpers.domains.real import REAL
from ood_helpers.pages import worlds

ROOT = Path(__file__).resolve().parents[2]


def extension(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def house(tmp_path):
    """A root folder with a package of one module, weights and a lock."""
    toys = tmp_path / "ood_helpers" / "models" / "shipped"
    toys.mkdir(parents=True)
    (tmp_path / "ood_helpers" / "walk.py").write_text("STEPS = 50\n")
    (toys / "weights.safetensors").write_bytes(b"\0\1")
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\n")
    return tmp_path


@pytest.mark.parametrize(
    "edited", ["ood_helpers/walk.py", "ood_helpers/models/shipped/weights.safetensors", "ood_helpers/new.py"]
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


def test_another_record_of_a_benchmark_changes_the_fingerprint(house):
    fingerprint = extension("package_cache").fingerprint
    before = fingerprint(house)
    (house / "benchmarks" / "results").mkdir(parents=True)
    (house / "benchmarks" / "results" / "samplers.json").write_text("{}\n")
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
    (house / "ood_helpers" / "models" / "shipped" / "training.pt").write_bytes(b"\0")
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


CLAIMS_CONF = """
import sys
sys.path.insert(0, {ext!r})
extensions = ["myst_nb", "claims_table"]
nb_execution_mode = {mode!r}
nb_execution_raise_on_error = True
exclude_patterns = ["_build"]
html_theme = "basic"
"""
CLAIMS_PAGE = """# Claims

```{claims-table}
```

```{toctree}
second
first
```
"""


def test_what_shared_latents_cost_adds_up_until_the_package_changes(tmp_path, monkeypatch):
    """A build that was interrupted goes on, and one that finds all latents there costs nothing more."""
    execution = extension("execution")
    (tmp_path / "ood_helpers" / "pages").mkdir(parents=True)
    (tmp_path / "ood_helpers" / "pages" / "shared.py").touch()
    told, spent = {"latents/a": {"operations": 3.0, "seconds": 1.0}}, {}
    done = SimpleNamespace(returncode=0, stderr="")
    monkeypatch.setattr(execution.subprocess, "run", lambda *a, **k: done)
    for operations, added, total in ((3.0, True, 3.0), (2.0, True, 5.0), (0.0, True, 5.0), (4.0, False, 4.0)):
        told["latents/a"]["operations"] = operations
        done.stdout = f"some words\n{json.dumps(told)}\n"
        execution.share_latents(tmp_path, spent, {}, added)
        assert spent["latents/a"]["operations"] == total


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture
def chapters(tmp_path, monkeypatch):
    """A Sphinx project of a page of claims and notebooks that judge some, and how to write and to build it."""
    import nbformat

    from ood_helpers.pages import claims

    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    (tmp_path / "index.md").write_text(CLAIMS_PAGE)

    def write(name, *verdicts, execute=None):
        """Write a notebook that has displayed these verdicts, or one whose cell is still to run."""
        claims.report(*verdicts)
        bundle, metadata = shown[-1]
        outputs = [] if execute else [nbformat.v4.new_output("display_data", bundle, metadata=metadata)]
        title = nbformat.v4.new_markdown_cell(f"# The {name} chapter", id="title")
        cell = nbformat.v4.new_code_cell(execute or "pass", id="report", outputs=outputs)
        notebook = nbformat.v4.new_notebook(cells=[title, cell], metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")

    def build(mode="off", options=()):
        """Return the exit status of a build with warnings as errors, and the rows of the page's table."""
        from sphinx.cmd.build import build_main

        (tmp_path / "conf.py").write_text(CLAIMS_CONF.format(ext=str(ROOT / "book" / "_ext"), mode=mode))
        html = tmp_path / "_build" / "html"
        status = build_main(["-q", "-n", "-W", "--keep-going", *options, str(tmp_path), str(html)])
        page = BeautifulSoup((html / "index.html").read_text(), "html.parser")
        return status, page.select("table.claims tbody tr")

    return SimpleNamespace(write=write, build=build, claims=claims, html=tmp_path / "_build" / "html")


def texts(rows):
    return [[cell.get_text().replace("\n", "") for cell in row("td")] for row in rows]


def test_the_claims_page_shows_each_verdict_in_the_order_of_the_argument_with_its_chapter(chapters):
    measured, known = chapters.claims.measured, chapters.claims.CLAIMS
    first = measured("svm-separable", "holds", "0.99"), measured("observation-2", "holds", "60° & more")
    chapters.write("first", *first)
    fewer = measured("observation-2", "fails", "52°", when="copies are few")
    chapters.write("second", fewer, measured("observation-2", "undecided", "58°", world="real"))
    status, rows = chapters.build()
    angle, machine = known["observation-2"], known["svm-separable"]
    drawn = "reproduced on small models: 60° & more (The first chapter)"
    drawn += "not reproduced on small models when copies are few: 52° (The second chapter)"
    assert status == 0 and texts(rows) == [
        [angle.text, angle.place, drawn, "undecided on small models: 58° (The second chapter)"],
        [machine.text, machine.place, "reproduced on small models: 0.99 (The first chapter)", "–"],
    ]
    assert [a["href"] for row in rows for a in row("a")] == [
        "first.html",
        "second.html",
        "second.html",
        "first.html",
    ]
    found = [span["class"][-1] for row in rows for span in row.select(".claim-status")]
    assert found == ["claim-holds", "claim-fails", "claim-open", "claim-holds"]


def test_the_claims_page_says_how_often_a_claim_came_out_alike(chapters, tmp_path):
    record = Path("benchmarks", "results", "claims.json")
    (tmp_path / record.parent).mkdir(parents=True)
    shutil.copy(ROOT / record, tmp_path / record)
    (tmp_path / "index.md").write_text(CLAIMS_PAGE + "\n```{claims-table} repeated\n```\n")
    measured = chapters.claims.measured
    chapters.write("first", measured("observation-3", "holds", "89°"), measured("property-d5", "holds", "1"))
    chapters.write("second")
    status, rows = chapters.build()
    again = worlds.repeated(json.loads((ROOT / record).read_text()))
    told = dict(zip(again["claim"], again["repeated"], strict=True))
    (proof, angle), counted = texts(rows)[:2], texts(rows)[2:]
    assert status == 0 and angle[-1] == "drawings: 7 of 7 failreal images: 3 of 3 fail" and proof[-1] == "–"
    assert {row[0]: row[1] for row in counted} == told


def test_a_claim_whose_repetitions_disagree_depends_on_what_they_differ_by(chapters, tmp_path):
    record = Path("benchmarks", "results", "claims.json")
    (tmp_path / record.parent).mkdir(parents=True)
    shutil.copy(ROOT / record, tmp_path / record)
    again = worlds.repeated(json.loads((ROOT / record).read_text()), "drawn")["repeated"]
    key = next(key for key, told in again.items() if told.startswith("depends on the model"))
    measured, proved = chapters.claims.measured, chapters.claims.proved
    same = measured(key, "holds", "0.1, N = 8"), measured(key, "fails", "0.2", "it rains"), proved(key, "holds", "1")
    chapters.write("first", *same)
    chapters.write("second")
    status, (row,) = chapters.build()
    here = f"{again[key]}, on small models; here reproduced: 0.1, N = 8 (The first chapter)"
    here += "not reproduced on small models when it rains: 0.2 (The first chapter)"
    assert status == 0 and texts([row])[0][2] == here + "proved: 1 (The first chapter)"
    found = [span["class"][-1] for span in row.select(".claim-status")]
    assert found == ["claim-open", "claim-fails", "claim-proved"]


def test_what_depends_does_so_only_for_the_verdict_that_was_measured_again(chapters, tmp_path):
    record = Path("benchmarks", "results", "others.json")
    (tmp_path / record.parent).mkdir(parents=True)
    shutil.copy(ROOT / record, tmp_path / record)
    (tmp_path / "index.md").write_text(CLAIMS_PAGE.replace("{claims-table}", "{claims-table} others"))
    measured, lacking = chapters.claims.measured, "images are {}".format
    kinds = "sketches", "churches"
    chapters.write("first", *(measured("spectral-collapse", "fails", "0.98", lacking(kind)) for kind in kinds))
    chapters.write("second")
    status, (row,) = chapters.build()
    *_, judged, again = texts([row])[0]
    assert status == 0
    assert judged.startswith(
        "depends on the model or its domains, on small models; here not reproduced when images are sketches: 0.98"
    )
    assert "not reproduced on small models when images are churches: 0.98" in judged
    assert "drawings: depends on the model or its domains when images are sketches" in again
    assert "real images: 3 of 3 hold when images are tissue" in again


def test_a_chapter_shows_its_table_once_and_a_claim_that_no_chapter_judged_is_left_out(chapters):
    chapters.write("first", chapters.claims.proved("lemma-d3", "holds", "0.01"))
    chapters.write("second")
    status, rows = chapters.build()
    assert status == 0 and len(rows) == 1
    chapter = BeautifulSoup((chapters.html / "first.html").read_text(), "html.parser")
    assert len(chapter.select(".cell_output table.claims")) == 1 and chapter.get_text().count("0.01") == 1


def test_the_claims_page_follows_a_notebook_that_changes(chapters):
    measured = chapters.claims.measured
    chapters.write("first", measured("pixels-75", "holds", "75°"))
    chapters.write("second", measured("pixels-75", "holds", "74°"))
    both = "reproduced on small models: {} (The first chapter)reproduced on small models: 74° (The second chapter)"
    assert [row[2] for row in texts(chapters.build()[1])] == [both.format("75°")]
    chapters.write("first", measured("pixels-75", "fails", "52°"))
    status, rows = chapters.build()
    assert status == 0 and [row[2] for row in texts(rows)] == ["not " + both.format("52°")]
    assert chapters.build()[0] == 0


def test_a_verdict_on_an_unknown_claim_fails_the_build(chapters, monkeypatch):
    chapters.write("second")
    monkeypatch.setitem(chapters.claims.CLAIMS, "lemma-z9", chapters.claims.Claim("lemma-z9", "All is well.", "Sec. Z"))
    chapters.write("first", chapters.claims.proved("lemma-z9", "holds", "1"))
    monkeypatch.undo()
    status, rows = chapters.build()
    assert status != 0 and rows == []


@pytest.mark.slow
def test_verdicts_reach_the_claims_page_from_a_run_and_from_the_cache(chapters):
    program = "from ood_helpers.pages import claims\nclaims.report(claims.proved('lemma-d3', 'holds', '0.01'))"
    chapters.write("first", execute=program)
    chapters.write("second")
    for options in ([], ["-E"]):
        status, rows = chapters.build(mode="cache", options=options)
        assert status == 0 and [row[2:] for row in texts(rows)] == [["proved: 0.01 (The first chapter)"]]


def test_the_reference_lists_the_names_of_the_stubs_and_no_others():
    api = extension("api")
    core = [name for room in api.CORE for name in api.public_names(room)]
    assert sorted([*core, *api.SATELLITES]) == sorted(ood_helpers.__all__)
    assert api.public_names("theory") == sorted(ood_helpers.theory.__all__)
    assert api.entry("ood_helpers", "invert") == [".. autofunction:: ood_helpers.invert"]
    assert api.entry("ood_helpers", "FrozenModel")[0] == ".. autoclass:: ood_helpers.FrozenModel"


def test_the_plan_of_the_house_has_every_room_and_is_drawn_anew_when_it_changes():
    spec = importlib.util.spec_from_file_location("draw_house", ROOT / "book" / "draw_house.py")
    plan = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plan)
    api = extension("api")
    assert (tuple(plan.CORE), set(plan.SATELLITES)) == (api.CORE, set(api.SATELLITES))
    rooms = {path.parent.name for path in (ROOT / "ood_helpers").glob("*/__init__.py")}
    assert rooms == {*plan.CORE, *plan.SATELLITES}
    assert (ROOT / "book" / "house.svg").read_text() == plan.draw()


def test_the_page_of_credits_names_every_real_domain_and_every_set():
    page = (ROOT / "book" / "credits.md").read_text()
    for name in ood_helpers.list_domains("real"):
        assert f"| `{name}` | {ood_helpers.domain_size(name):,} |" in page
        assert all(f"`{picture}`" in page for picture in getattr(REAL[name], "names", ()))
    for name in ood_helpers.list_domains("sets"):
        known = ood_helpers.public_set(name)
        told = f"`{name}`, {known.files:,} images", known.address, known.license, known.credit
        assert all(text in page for text in told), name


def test_faults_of_other_extensions_are_mended():
    mended = extension("accessible").mended
    long = '<dl class="py">\n<dt>f(<dl>\n<dd>x,</dd>\n<dd>y,</dd>\n</dl>)</dt><dd>It is.</dd></dl>'
    page = BeautifulSoup(mended(long), "html.parser")
    assert [line.get_text() for line in page.select(".sig-lines > div")] == ["x,", "y,"]
    assert len(page("dl")) == 1 and len(page("dd")) == 1
    assert "role" not in mended('<div role="list" class="citation-list"><div class="citation" role="doc-biblioentry">')
    assert mended("<p>As it is.</p>") == "<p>As it is.</p>"
    box = '<div class="proof admonition" id="proof"><section class="a" id="proof-content"><p id="proof">.</p>'
    assert mended(box) == '<div class="proof unnumbered admonition"><section class="a"><p id="proof">.</p>'
    assert mended('<section id="exercise-content">') == "<section>"


PAGE_CONF = """
import sys
sys.path.insert(0, {ext!r})
extensions = ["myst_nb", "social"]
nb_execution_mode = "off"
exclude_patterns = ["html"]
html_theme = "basic"
html_static_path = []
"""


def test_a_page_tells_its_question_to_who_shares_it(tmp_path):
    from sphinx.cmd.build import build_main

    (tmp_path / "conf.py").write_text(PAGE_CONF.format(ext=str(ROOT / "book" / "_ext")))
    own = '---\nmyst:\n  html_meta:\n    "description lang=en": Our own words.\n---\n'
    (tmp_path / "index.md").write_text(f"{own}# Welcome\n\nA book.\n\n```{{toctree}}\none\n```\n")
    (tmp_path / "one.md").write_text("# One\n\n**The question.** Is it *so*?\n\nMore.\n")
    assert build_main(["-q", "-W", str(tmp_path), str(tmp_path / "html")]) == 0
    told = {}
    for name in ("index", "one"):
        head = BeautifulSoup((tmp_path / "html" / f"{name}.html").read_text(), "html.parser").head
        told[name] = {tag.get("property") or tag.get("name"): tag["content"] for tag in head("meta", content=True)}
        assert len(head("meta", attrs={"name": "description"})) == 1
    assert told["one"]["description"] == told["one"]["og:description"] == "Is it so?"
    assert told["index"]["description"] == told["index"]["og:description"] == "Our own words."
    assert told["one"]["og:title"] == "One" and told["one"]["og:image"].endswith("_static/preview.png")
