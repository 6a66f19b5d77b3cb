"""Mend what other extensions write that assistive technology cannot read.

* Sphinx puts the parameters of a long signature into a definition list without terms: they become plain lines.
* sphinxcontrib-bibtex marks its list by roles that do not fit together: the marks go, the list stays.
* sphinx-proof and sphinx-exercise give the contents of all their boxes one id: it goes, for nothing leads to it. So
  does the one id of all proofs, whose place the class ``unnumbered`` takes.
"""

from __future__ import annotations

import re

from bs4 import BeautifulSoup

SAME_ID = re.compile(r'(<section(?: class="[^"]*")?) id="(?:proof|exercise|solution)-content"')
PROOF, UNNUMBERED = '<div class="proof admonition" id="proof"', '<div class="proof unnumbered admonition"'
MARKS = ("<dl>\n<dd>", 'role="list" class="citation-list"', 'role="doc-biblioentry"')


def mended(body: str) -> str:
    """Return the HTML of a page's body without these faults."""
    body = SAME_ID.sub(r"\1", body.replace(PROOF, UNNUMBERED))
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
