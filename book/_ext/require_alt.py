"""Warn of every image without alternative text, so that a build with warnings as errors fails.

A figure that a notebook cell draws gets its text from the cell's metadata:

    {"mystnb": {"image": {"alt": "what a reader who cannot see the figure should know"}}}
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.util import logging

FILE_NAME = re.compile(r"\S+\.(png|jpe?g|gif|svg|webp|pdf|\*)", re.IGNORECASE)
BARE_TAG = re.compile(r"<img\b(?![^>]*\balt\s*=\s*[\"'][^\"']*\w)[^>]*>", re.IGNORECASE)


def fault(node: nodes.Node) -> str | None:
    """Return what is wrong with the alternative text of an image or of raw HTML, or None."""
    if isinstance(node, nodes.raw):
        tag = BARE_TAG.search(node.astext())
        return f"no alt text: {tag.group()[:80]}" if tag else None
    alt = node.get("alt", "").strip()
    if not alt:
        return f"no alt text: {node['uri']}"
    if alt == node["uri"] or FILE_NAME.fullmatch(alt):
        return f"a file name instead of alt text: {alt}"
    return None


def warn_of_faults(app, doctree: nodes.document) -> None:
    """Warn, with the place in the source, of each image of a page that has no real alternative text."""
    for node in doctree.findall(lambda n: isinstance(n, nodes.image | nodes.raw)):
        if message := fault(node):
            where = (app.env.docname, node.line)
            logging.getLogger(__name__).warning(message, location=where, type="require_alt")


def setup(app):
    app.connect("doctree-read", warn_of_faults)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
