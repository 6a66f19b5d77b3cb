"""Print the built book: `make print` writes it as one page, and as a PDF where there is a Chromium."""

from __future__ import annotations

import posixpath
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
FOLDER = ROOT / "_build" / "print"
STYLES = ("pygments.css", "proof.css", "exercise.css")
NOT_PRINTED = ["headerlink", "toggle-details", "copybtn", "slider-strip"]
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
{styles}
<style>{style}</style>
<script>window.MathJax = {{options: {{processHtmlClass: "math", ignoreHtmlClass: "mathjax_ignore"}}}}</script>
<script defer src="../html/_static/mathjax/tex-chtml.js"></script>
</head>
<body>
{pages}
</body>
</html>
"""
STYLE = """
@page { size: A4; margin: 18mm 16mm; }
body { font: 10.5pt/1.45 Georgia, serif; color: #111; max-width: 48rem; margin: 0 auto; }
h1, h2, h3, .admonition-title, figcaption, table { font-family: Helvetica, Arial, sans-serif; }
article { break-before: page; }
article:first-of-type { break-before: auto; }
h1, h2, h3, .admonition-title { break-after: avoid; }
figure, table, tr, .admonition-title, .citation { break-inside: avoid; }
figure { margin: 1em 0; }
img { max-width: 100%; height: auto; }
figcaption { font-size: 8.5pt; }
pre { font-size: 7.8pt; line-height: 1.3; white-space: pre-wrap; background: #f5f5f5; padding: 0.5em; }
table { border-collapse: collapse; font-size: 7.8pt; margin: 0.8em 0; max-width: 100%; }
th, td { border-bottom: 0.5pt solid #999; padding: 0.15em 0.5em; text-align: left; vertical-align: top; }
.admonition { border-left: 2pt solid #0173b2; padding: 0.2em 0.8em; margin: 0.8em 0; }
.proof.unnumbered { border-color: #ccc; padding-left: 2em; }
.admonition-title { font-weight: bold; }
.admonition-title::before, .admonition-title::after { content: none !important; }  /* signs of a font of the site */
.eqno, .citation .label { float: left; margin-right: 1em; }
.eqno { float: right; }
.citation p { margin: 0.4em 0; }
a { color: inherit; }
"""


def main() -> None:
    """Write the page, and print it."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    pages = list(map(article_of, documents()))
    styles = "\n".join(f'<link rel="stylesheet" href="../html/_static/{name}">' for name in STYLES)
    FOLDER.mkdir(parents=True, exist_ok=True)
    page = FOLDER / "book.html"
    told = PAGE.format(title=config["title"], styles=styles, style=STYLE, pages="\n".join(map(str, pages)))
    page.write_text(told, encoding="utf-8")
    print(f"{page}: {len(pages)} pages as one")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        print("No Chromium was found: print the page from a browser.")
        return
    pdf = FOLDER / "book.pdf"
    options = ("--headless", "--no-sandbox", "--no-pdf-header-footer", "--virtual-time-budget=60000")
    command = [browser, *options, f"--print-to-pdf={pdf}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    print(f"{pdf}: {pdf.stat().st_size / 1e6:.0f} MB")


def documents() -> list[str]:
    """Return the documents of the table of contents, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    found = [toc["root"]]
    for chapter in (chapter for part in toc["parts"] for chapter in part["chapters"]):
        found += [chapter["file"], *(section["file"] for section in chapter.get("sections", ()))]
    return found


def article_of(document: str) -> Tag:
    """Return what a page says, fit for one page with all others: anchors that are its own, addresses from there."""
    article = BeautifulSoup((SITE / f"{document}.html").read_text(encoding="utf-8"), "html.parser").find("article")
    for tag in article(class_=NOT_PRINTED):
        tag.decompose()
    for tag in article(["script", "button"]):
        tag.decompose()
    for tag in article(id=True):
        tag["id"] = anchor(document, tag["id"])
    for tag in article(["a", "img"]):
        name = "href" if tag.name == "a" else "src"
        tag[name] = moved(document, tag.get(name, ""))
    article["id"] = anchor(document, "")
    return article


def anchor(document: str, fragment: str) -> str:
    """Return an anchor that no other page has."""
    return f"{document.replace('/', '-')}--{fragment}"


def moved(document: str, address: str) -> str:
    """Return an address as seen from the page of all pages."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not address:
        return address
    target = (
        posixpath.normpath(posixpath.join(posixpath.dirname(document), parts.path))
        if parts.path
        else f"{document}.html"
    )
    if target.endswith(".html"):
        return f"#{anchor(target.removesuffix('.html'), parts.fragment)}"
    return f"../html/{target}"


if __name__ == "__main__":
    main()
