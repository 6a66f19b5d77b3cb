"""Slides, the print version and the figure pack, made of the built book."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
built = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="the book has not been built")


def program(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = """<article><h1>A chapter<a class="headerlink">#</a></h1><p><b>The question.</b> Why?</p>
<section><h2>A lemma</h2>
<div class="proof lemma admonition" id="lem"><p class="admonition-title">Lemma 1</p><p>So it is.</p></div>
<div class="proof unnumbered admonition"><p>A long proof.</p></div>
<figure id="fig-a"><img alt="A disc" src="../_images/a.png"/>
<figcaption><p><span class="caption-number">Fig. 1</span><span class="caption-text">A disc (Fig. 2 of others) is round.
It rolls.</span></p></figcaption></figure>
<p>So we have</p><div class="math notranslate" id="equation-eq-a">1 = 1</div>
<p>Each row is a disc.</p><div class="cell"><div class="cell_input">code</div>
<table class="dataframe"><tbody><tr><td>3</td></tr></tbody></table></div>
</section><section><h2>Questions</h2>
<div class="question admonition"><p class="admonition-title">Really?</p><p>a. Yes</p></div>
<div class="dropdown admonition"><p class="admonition-title">Answer</p><p>It is.</p></div>
</section><section><h2>Take away<a class="headerlink">#</a></h2><p>That.</p><ul><li>One</li></ul></section></article>"""


def test_slides_are_the_lemmas_figures_questions_and_take_away_of_a_page():
    slides = list(program("make_slides").slides_of(BeautifulSoup(PAGE, "html.parser").article))
    words = [BeautifulSoup(slide, "html.parser").get_text(" ", strip=True) for slide in slides]
    assert words == [
        "A chapter The question. Why?",
        "A lemma Lemma 1 So it is.",
        "A lemma A disc (Fig. 2 of others) is round It rolls.",
        "A lemma So we have 1 = 1",
        "A lemma 3 Each row is a disc.",
        "Really? a. Yes It is.",
        "Take away That. One",
    ]
    assert 'alt="A disc"' in slides[2] and 'class="fragment"' in slides[5]


def test_addresses_on_the_page_of_all_pages_lead_within_it_or_to_the_site():
    moved = program("make_print").moved
    assert moved("notebooks/04_x", "03_y.html#fig-a") == "#notebooks-03_y--fig-a"
    assert moved("notebooks/04_x", "../book/claims.html") == "#book-claims--"
    assert moved("notebooks/04_x", "#fig-b") == "#notebooks-04_x--fig-b"
    assert moved("notebooks/04_x", "../_images/a.png") == "../html/_images/a.png"
    assert moved("notebooks/04_x", "https://arxiv.org/abs/1") == "https://arxiv.org/abs/1"


def test_a_figure_of_the_pack_has_its_name_caption_and_alternative_text():
    words = {"figure": {"name": "fig-a", "caption": "A disc is round."}, "image": {"alt": "A disc"}}
    picture = nbformat.v4.new_output("display_data", {"image/png": "iVBORw=="})
    drawn = nbformat.v4.new_code_cell("draw()", metadata={"mystnb": words}, outputs=[picture])
    book = nbformat.v4.new_notebook(cells=[drawn, nbformat.v4.new_code_cell("1", outputs=[picture])])
    assert list(program("make_figures").figures_of(book)) == [("fig-a", b"\x89PNG", "A disc is round.", "A disc")]


@built
@pytest.mark.site
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_has_slides_with_its_figures_and_nothing_from_elsewhere(chapter, slides):
    page = BeautifulSoup((slides / f"{chapter}.html").read_text(encoding="utf-8"), "html.parser")
    shown = [figure.img["src"] for figure in page("figure")]
    drawn = BeautifulSoup((SITE / "notebooks" / f"{chapter}.html").read_text(encoding="utf-8"), "html.parser")
    assert len(page("section")) >= 8 and len(shown) >= len(drawn.select("article figure img")) - 1
    addresses = [tag.get("src") or tag.get("href") for tag in page(["img", "script", "link"])]
    assert [address for address in addresses if address and re.match(r"https?:", address)] == []
    assert [address for address in filter(None, addresses) if not (slides / address).exists()] == []
    assert all(len(image.get("alt", "").split()) > 1 for image in page("img"))


@pytest.fixture(scope="module")
def slides():
    program("make_slides").main()
    return SITE / "slides"


@built
@pytest.mark.site
def test_the_print_version_has_every_page_and_links_that_lead_somewhere():
    make_print = program("make_print")
    pages = {document: make_print.article_of(document) for document in make_print.documents()}
    anchors = {tag["id"] for page in pages.values() for tag in page(id=True)} | {page["id"] for page in pages.values()}
    links = [link["href"] for page in pages.values() for link in page("a", href=True)]
    assert set(CHAPTERS) <= {Path(document).name for document in pages}
    assert [link for link in links if link.startswith("#") and link[1:] not in anchors] == []
