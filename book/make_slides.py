"""Make slides of the built book: `make slides` writes `_build/html/slides`, for reveal.js, which needs no network.

A chapter's slides are its question, its lemmas, numbered equations, figures and tables under their headings, its
questions with answers, its verdicts and its take-away. Figures keep their captions and alternative texts; a table or an
equation has the paragraph that stands before it, if that is short.
"""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Iterator
from html import escape
from importlib.resources import as_file, files
from pathlib import Path

from bs4 import BeautifulSoup, Tag

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
LEFT_OUT = {"Try it", "Questions", "Exercises", "What holds and what does not", "Take away"}
ROWS = 4  # of claims on a slide
SHORT = 450  # letters of a paragraph that still fits below a table
LONG = 90  # letters of a heading that takes more than two lines at full size

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: slides</title>
<link rel="stylesheet" href="reveal/reset.css">
<link rel="stylesheet" href="reveal/reveal.css">
<link rel="stylesheet" href="reveal/theme/white.css">
<link rel="stylesheet" href="slides.css">
<script>window.MathJax = {{options: {{processHtmlClass: "math", ignoreHtmlClass: "reveal"}}}}</script>
<script defer src="../_static/mathjax/tex-chtml.js"></script>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/reveal.js"></script>
<script>Reveal.initialize({{hash: true, slideNumber: "c/t", width: 1280, height: 720, center: false}});</script>
</body>
</html>
"""

STYLE = """.reveal { font-size: 26px; }
.reveal .slides section { text-align: left; padding: 24px 40px; box-sizing: border-box; }
.reveal h1, .reveal h2 { text-transform: none; font-size: 1.4em; line-height: 1.2; margin: 0 0 0.5em; }
.reveal h2.long { font-size: 1.1em; }
.reveal figure { margin: 0; text-align: center; }
.reveal figure img { width: 100%; max-width: 100%; height: 430px; max-height: none; object-fit: contain; margin: 0; }
.reveal figcaption { font-size: 0.72em; text-align: left; margin-top: 0.6em; color: #333; }
.reveal table { font-size: 0.75em; margin: 0 auto; }
.reveal table.claims { font-size: 0.8em; }
.reveal table.claims td { vertical-align: top; }
.reveal .told { font-size: 0.8em; color: #333; margin: 0.8em 0 0; }
.reveal .eqno { float: right; }
.reveal li { margin-bottom: 0.5em; }
.reveal .part { font-size: 0.6em; color: #555; margin: 0 0 0.6em; }
.reveal .slides a { color: inherit; text-decoration: none; }
"""


def main() -> None:
    """Write the slides of every chapter, and a page that lists them."""
    folder = SITE / "slides"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with as_file(files("sphinx_revealjs") / "_static" / "revealjs" / "dist") as reveal:
        shutil.copytree(reveal / "theme", folder / "reveal" / "theme")
        for name in ("reset.css", "reveal.css", "reveal.js"):
            shutil.copy(reveal / name, folder / "reveal")
    (folder / "slides.css").write_text(STYLE)
    titles = {}
    for page in sorted((SITE / "notebooks").glob("*.html")):
        article = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find("article")
        titles[page.name] = _text(article.find("h1"))
        slides = "\n".join(f"<section>\n{slide}\n</section>" for slide in slides_of(article))
        (folder / page.name).write_text(PAGE.format(title=escape(titles[page.name]), slides=slides), encoding="utf-8")
    listed = "\n".join(f'<li><a href="{name}">{escape(title)}</a></li>' for name, title in titles.items())
    index = f"<section>\n<h1>Slides</h1>\n<ul>\n{listed}\n</ul>\n</section>"
    (folder / "index.html").write_text(PAGE.format(title="All chapters", slides=index), encoding="utf-8")
    print(f"{folder / 'index.html'}: slides of {len(titles)} chapters")


def slides_of(article: Tag) -> Iterator[str]:
    """Yield the slides of a chapter's page, as HTML."""
    article = copy.copy(article)
    for tag in article(class_=["headerlink", "toggle-details", "cell_input"]):
        tag.decompose()
    title = article.find("h1")
    opening = [str(tag) for tag in title.find_next_siblings(["p", "img", "a"])[:2]]
    yield f"<h1>{_text(title)}</h1>\n" + "\n".join(opening)
    heading = ""
    for tag in article.find_all(["h2", "figure", "table", "div"]):
        if tag.name == "h2":
            heading = _text(tag)
        elif heading and heading not in LEFT_OUT and not tag.find_parent(class_="dropdown"):
            yield from _slide(tag, heading)
    yield from map(_question, article.select("div.admonition.question"))
    for claims in article.select("table.claims"):
        yield from _verdicts(claims)
    last = next((tag for tag in article("h2") if _text(tag) == "Take away"), None)
    if last is not None:
        told = [str(tag) for tag in last.find_next_siblings(["p", "ul"])]
        yield "<h2>Take away</h2>\n" + "\n".join(told)


def _text(tag: Tag) -> str:
    return tag.get_text(" ", strip=True).rstrip("#").strip()


def _slide(tag: Tag, heading: str) -> Iterator[str]:
    """Yield a slide for a figure, a statement or a table of numbers, none for other elements."""
    part = f'<p class="part">{escape(heading)}</p>\n'
    classes = set(tag.get("class", ()))
    if tag.name == "figure" and tag.find("img"):
        first, rest = _sentence(_text(tag.find(class_="caption-text")))
        picture = copy.copy(tag.img)
        long = ' class="long"' if len(first) > LONG else ""
        yield f"{part}<h2{long}>{escape(first)}</h2>\n<figure>{picture}<figcaption>{escape(rest)}</figcaption></figure>"
    elif "proof" in classes and "admonition" in classes and "unnumbered" not in classes:
        title = tag.find(class_="admonition-title")
        body = "".join(str(child) for child in tag.children if child is not title)
        yield f"{part}<h2>{title.decode_contents()}</h2>\n{body}"
    elif tag.name == "table" and "dataframe" in classes and len(tag.select("tbody tr")) <= 12:
        yield f"<h2>{escape(heading)}</h2>\n{tag}\n{_before(tag.find_parent(class_='cell') or tag)}"
    elif "math" in classes and tag.get("id") and not tag.find_parent(class_="proof"):
        yield f"<h2>{escape(heading)}</h2>\n{_before(tag)}\n{tag}"


def _sentence(text: str) -> tuple[str, str]:
    """Return the first sentence of a caption, without its full stop, and the rest; "Fig. 8" is one word."""
    first, *rest = re.split(r"(?<!\bFig)(?<!\bSec)(?<!\bEq)\.\s", text, maxsplit=1)
    return first.rstrip("."), "".join(rest)


def _before(tag: Tag) -> str:
    """Return the paragraph before a table or an equation, if there is one and it is short."""
    above = tag.find_previous_sibling()
    if above is None or above.name != "p" or len(_text(above)) > SHORT:
        return ""
    return f'<p class="told">{above.decode_contents()}</p>'


def _question(tag: Tag) -> str:
    """A question, and its answer at the next click."""
    title, answer = tag.find(class_="admonition-title"), tag.find_next_sibling(class_="dropdown")
    asked = "".join(str(child) for child in tag.children if child is not title)
    heading = answer.find(class_="admonition-title")
    told = "".join(str(child) for child in answer.children if child is not heading)
    return f'<h2>{title.decode_contents()}</h2>\n{asked}\n<div class="fragment">{told}</div>'


def _verdicts(table: Tag) -> Iterator[str]:
    """The verdicts of a chapter, a few rows on a slide."""
    head, rows = table.find("thead"), table.select("tbody tr")
    for start in range(0, len(rows), ROWS):
        body = "".join(map(str, rows[start : start + ROWS]))
        yield f'<h2>What holds and what does not</h2>\n<table class="claims">{head}<tbody>{body}</tbody></table>'


if __name__ == "__main__":
    main()
