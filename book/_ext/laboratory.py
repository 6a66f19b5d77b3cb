"""The directive `laboratory`: a panel that runs a frozen model in the reader's browser.

    ```{laboratory} walk
    :domain: church
    :still:
    ```

Kinds are `walk`, `noise` and `between` (book/_static/laboratory/laboratory.js). With the option `still` a picture of
what the panel shows stands in its place until a reader presses Start; without, only the button. What the panels load is
packed by `book/make_laboratory.py` once the chapters have run, and again when the package changes; the directive
`laboratory-sizes` shows how much that is. Where onnxruntime-web could not be fetched (`book/get_runtime.py`), the
picture stays, and a sentence says why.
"""

from __future__ import annotations

import json
import posixpath
import subprocess
import sys
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from package_cache import fingerprint
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)
PLACE = "_static/laboratory"
LOADED = {"walk": ["pictures"], "noise": ["pictures", "domain-scorer"], "between": ["pictures", "latents"]}
PROGRAMS = {"wasm": ["ort", "glue", "wasm"], "webgpu": ["ort-gpu", "glue-gpu", "wasm-gpu"]}
ALTS = {
    "walk": "An image, its latent, the copy that came back, and ten times the error, for a church by a model of dogs",
    "noise": "A church, and two pictures that came back with much fresh noise: they look like dogs",
    "between": "Two churches, and between them the picture of the latent in the middle of the arc",
}
WORDS = {
    "wasm": "onnxruntime-web, for the processor",
    "wasm-gpu": "onnxruntime-web, for a graphics card (WebGPU)",
    "toy-dog": "the network of toy-dog",
    "real-hand": "the network of real-hand, if it is chosen",
    "domain-scorer": "the judge, for the second panel",
    "pictures": "pictures to choose from",
    "latents": "their latents, for the third panel",
}
WITHOUT = "To run the model here, a browser needs scripts and WebAssembly."
ABSENT = "This copy of the book was built without onnxruntime-web, so the model cannot run in this page."


class panel(nodes.General, nodes.Element):
    """Where a panel stands: its kind, the domain it begins with, whether a picture holds its place."""


class sizes(nodes.General, nodes.Element):
    """Where the table stands of what panels load."""


class Sizes(SphinxDirective):
    """Leave the table of what panels load."""

    def run(self) -> list[nodes.Node]:
        return [sizes()]


class Laboratory(SphinxDirective):
    """Leave a panel in the page."""

    required_arguments = 1
    option_spec = {"domain": directives.unchanged, "still": directives.flag}  # noqa: RUF012 (Sphinx asks so)

    def run(self) -> list[nodes.Node]:
        kind = directives.choice(self.arguments[0], tuple(LOADED))
        return [panel(kind=kind, domain=self.options.get("domain", "church"), still="still" in self.options)]


def folder(app) -> Path:
    """Where the packed files are until they are copied beside the other static ones."""
    return Path(app.outdir).parent / "laboratory"


def announce(app, config) -> None:
    """Let Sphinx copy what is packed."""
    (folder(app) / "laboratory").mkdir(parents=True, exist_ok=True)
    config.html_static_path.append(str(folder(app)))


def pack(app, env) -> None:
    """Pack what panels load, unless it was packed for this very package."""
    if app.builder.format != "html":
        return
    root = Path(app.srcdir)
    stamp, made = folder(app) / "packed.txt", root / "book" / "make_laboratory.py"
    known = f"{fingerprint(root)} {made.read_text()} {(root / 'book' / 'get_runtime.py').read_text()}"
    if stamp.exists() and stamp.read_text() == known:
        return
    LOGGER.info("packing the models that run in the pages", color="green")
    command = [sys.executable, str(made), str(folder(app) / "laboratory")]
    done = subprocess.run(command, cwd=root / "notebooks", capture_output=True, text=True, check=False)
    if done.returncode:
        LOGGER.warning(f"no models for the pages: {done.stderr[-2000:]}")
        return
    if (folder(app) / "laboratory" / "sizes.json").exists():  # else a later build finds the runtime, perhaps
        stamp.write_text(known)


def html(kind: str, domain: str, still: bool, place: str, sizes: dict[str, int]) -> str:
    """Return the markup of a panel: what is read where no model runs."""
    picture = f'<img src="{place}/{kind}.png" alt="{escape(ALTS[kind])}">' if still else ""
    if not sizes:
        return f'<div class="laboratory">{picture}<p>{ABSENT}</p></div>'
    data = f'data-panel="{kind}" data-domain="{escape(domain)}" data-loads="{" ".join(LOADED[kind])}"'
    for device, programs in PROGRAMS.items():
        megabytes = sum(sizes[name] for name in [*programs, "toy-dog", *LOADED[kind]]) / 1e6
        data += f' data-{device}="{megabytes:.0f}"'
    return f'<div class="laboratory" {data}>{picture}<p class="without">{WITHOUT}</p></div>'


def table(sizes: dict[str, int]) -> str:
    """Return the table of what panels load, in megabytes as they come over the network."""
    together = {programs[-1]: programs for programs in PROGRAMS.values()}
    whole = {name: sum(sizes.get(part, 0) for part in together.get(name, [name])) for name in WORDS}
    lines = [f"<tr><th scope='row'>{WORDS[name]}</th><td>{size / 1e6:.2g}</td></tr>" for name, size in whole.items()]
    heads = "<tr><th scope='col'>what is loaded</th><th scope='col'>MB</th></tr>"
    return f"<table class='table'><thead>{heads}</thead><tbody>{''.join(lines)}</tbody></table>" if sizes else ""


def known(builder) -> dict[str, int]:
    """Return how large each packed file is; nothing where none could be packed."""
    file = Path(builder.outdir).parent / "laboratory" / "laboratory" / "sizes.json"
    return json.loads(file.read_text()) if file.exists() else {}


def visit(self, node: panel) -> None:
    place = posixpath.relpath(PLACE, posixpath.dirname(self.builder.current_docname) or ".")
    self.body.append(html(node["kind"], node["domain"], node["still"], place, known(self.builder)))
    raise nodes.SkipNode


def visit_sizes(self, node: sizes) -> None:
    self.body.append(table(known(self.builder)))
    raise nodes.SkipNode


def skip(self, node: panel) -> None:
    raise nodes.SkipNode


def equip(app, pagename: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Give a page with a panel its scripts, a few kilobytes."""
    if doctree is not None and any(doctree.findall(panel)):
        app.add_css_file("laboratory/laboratory.css")
        app.add_js_file("laboratory/walk.js", loading_method="defer")
        app.add_js_file("laboratory/laboratory.js", loading_method="defer")


def setup(app):
    others = dict.fromkeys(("latex", "text", "man", "texinfo"), (skip, None))
    app.add_node(panel, html=(visit, None), **others)
    app.add_node(sizes, html=(visit_sizes, None), **others)
    app.add_directive("laboratory", Laboratory)
    app.add_directive("laboratory-sizes", Sizes)
    app.connect("config-inited", announce)
    app.connect("env-updated", pack)
    app.connect("html-page-context", equip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
