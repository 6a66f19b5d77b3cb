"""The glossary is in order, links to terms lead to entries, and the search of the built book knows its words."""

import json
import re
import unicodedata
from pathlib import Path

import nbformat
import pytest
from sphinx.search.en import SearchEnglish

ROOT = Path(__file__).parents[2]
SEARCH = ROOT / "_build" / "html" / "searchindex.js"
GLOSSARY = (ROOT / "book" / "glossary.md").read_text()
TERMS = re.findall(r"\n\n(\S.*)\n  \S", "\n\n" + GLOSSARY.split("```{glossary}\n")[1])
PAGES = [*ROOT.glob("book/**/*.md"), *ROOT.glob("notebooks/*.ipynb")]


def without_accents(term):
    return "".join(letter for letter in unicodedata.normalize("NFKD", term) if not unicodedata.combining(letter))


def prose(page):
    if page.suffix == ".md":
        return page.read_text()
    return "\n".join(cell.source for cell in nbformat.read(page, 4).cells if cell.cell_type == "markdown")


def test_terms_are_in_alphabetical_order_and_unique():
    assert len(TERMS) > 60
    assert TERMS == sorted(TERMS, key=lambda term: without_accents(term).casefold())
    assert len({term.casefold() for term in TERMS}) == len(TERMS)


def test_every_entry_says_where_its_term_is_explained_or_refers_to_another():
    entries = re.split(r"\n\n(?=\S)", GLOSSARY.split("```{glossary}\n")[1].removesuffix("\n```\n"))
    assert [entry for entry in entries if not re.search(r"\{(doc|term)\}`", entry)] == []
    linked = {ROOT / "book" / target for target in re.findall(r"\{doc\}`(?:[^`<]*<)?([^`>]+)>?`", GLOSSARY)}
    assert [page for page in linked if not any(page.with_suffix(s).exists() for s in (".md", ".ipynb"))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_term_leads_to_an_entry(page):
    linked = re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`", prose(page))
    known = {term.casefold() for term in TERMS}
    assert [term for term in linked if term.casefold() not in known] == []


@pytest.mark.site
@pytest.mark.skipif(not SEARCH.exists(), reason="the book has not been built")
def test_the_search_of_the_built_book_finds_every_word_of_every_term():
    index = json.loads(SEARCH.read_text().removeprefix("Search.setIndex(").removesuffix(")"))
    glossary = index["docnames"].index("book/glossary")
    language = SearchEnglish({})
    words = {word for term in TERMS for word in language.split(term) if language.word_filter(word)}

    def found(word):
        stem = language.stem(word.lower())
        stem = stem if language.word_filter(stem) else word.lower()  # "one" has the stem "on", a word that is left out
        pages = [index[where].get(stem, []) for where in ("terms", "titleterms")]
        return any(glossary in ([hit] if isinstance(hit, int) else hit) for hit in pages)

    assert sorted(word for word in words if not found(word)) == []
