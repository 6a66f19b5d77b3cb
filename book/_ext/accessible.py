"""Mend what other extensions write that assistive technology cannot read.

* Sphinx puts the parameters of a long signature into a definition list without terms: they become plain lines.
* sphinxcontrib-bibtex marks its list by roles that do not fit together: the marks go, the list stays.
"""

from __future__ import annotations

from bs4 import BeautifulSoup

MARKS = ("<dl>\n<dd>", 'role="list" class="citation-list"', 'role="doc-biblioentry"')


def mended(body: str) -> str:
    """Return the HTML of a page's body without these faults."""
    if not any(mark in body for mark in MARKS):
        return body
    page = BeautifulSoup(body, "html.parser")
    for terms in page("dl"):
        if not terms.find("dt", recursive=False):
            terms.name, terms["class"] = "div", "sig-lines"
            for line in terms("dd", recursive=False):
                line.name = "div"
    for entry in page(class_=["citation-list", "citation"]):
        del entry["role"]
    return str(page)


def setup(app):
    app.connect("html-page-context", lambda app, name, template, context, doctree: context.update(_body(context)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _body(context: dict) -> dict:
    return {"body": mended(context["body"])} if "body" in context else {}
