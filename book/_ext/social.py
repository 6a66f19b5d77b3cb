"""What a search engine and a shared link show of a page: a description, a title, a picture.

The description is the page's own (``html_meta`` in its front matter), or a chapter's question, the paragraph that
starts with "The question." The picture's address is complete where ``html_baseurl`` names the site.
"""

from __future__ import annotations

import posixpath
from html import escape

from docutils import nodes

PICTURE = "_static/preview.png"
OPENING = "The question."


def question(doctree: nodes.document | None) -> str:
    """Return the question that a chapter opens with, "" for other pages."""
    told = (paragraph.astext() for paragraph in (doctree.findall(nodes.paragraph) if doctree else ()))
    return next((" ".join(text.removeprefix(OPENING).split()) for text in told if text.startswith(OPENING)), "")


def describe(app, pagename: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Add the tags to a page's head."""
    own = dict.fromkeys(node["content"] for node in (doctree.findall(nodes.meta) if doctree else ()))
    description = next(iter(own), "") or question(doctree)
    site = app.config.html_baseurl
    picture = posixpath.join(site, PICTURE) if site else context["pathto"](PICTURE, 1)
    tags = {"og:title": context.get("title", ""), "og:type": "article", "og:image": picture}
    tags |= {"og:image:alt": "A church, its latent and new churches, by one frozen model of dogs"}
    if description:
        tags["og:description"] = description
    lines = [f'<meta property="{name}" content="{escape(str(text))}" />' for name, text in tags.items()]
    if description and not own:
        lines.append(f'<meta name="description" content="{escape(description)}" />')
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])


def setup(app):
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
