"""The built book as a reader gets it: every picture described, every link alive, nothing fetched from elsewhere."""

import copy
import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from importlib.resources import files
from inspect import ismodule, isroutine
from multiprocessing.pool import ThreadPool
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup

import ood_helpers

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
PAGES = sorted(
    page.relative_to(SITE).as_posix()
    for page in SITE.rglob("*.html")
    if not {"_static", "slides"} & set(page.relative_to(SITE).parts)
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [pytest.mark.site, pytest.mark.skipif(not PAGES, reason="the book has not been built")]
each_page = pytest.mark.parametrize("page", PAGES)


@functools.cache
def soup(page):
    return BeautifulSoup((SITE / page).read_text(encoding="utf-8"), "html.parser")


@functools.cache
def ids(page):
    return {tag["id"] for tag in soup(page)(id=True)}


def article(page):
    """Return the part of a page that its author wrote; pages of the theme (search, index) may have none."""
    return soup(page).find("article") or BeautifulSoup("", "html.parser")


def is_external(address):
    return bool(urlsplit(address).netloc)


def test_every_page_of_the_table_of_contents_is_built():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    below = [section["file"] for chapter in chapters for section in chapter.get("sections", ())]
    files = [toc["root"], *(chapter["file"] for chapter in chapters), *below]
    assert [name for name in files if f"{name}.html" not in PAGES] == []
    assert "index.html" in PAGES


def test_every_public_name_is_in_the_reference_with_what_it_is_for():
    entries = {
        tag["id"].split(".")[-1]: tag.find_next_sibling("dd")
        for page in ("book/api.html", "book/api_satellites.html")
        for tag in article(page)("dt", id=True)
    }
    assert {name for name in ood_helpers.__all__ if not ismodule(getattr(ood_helpers, name))} <= entries.keys()
    told = {name for name, body in entries.items() if body is not None and body.get_text(strip=True)}
    assert {name for name in ood_helpers.__all__ if isroutine(getattr(ood_helpers, name))} <= told


@each_page
def test_every_picture_is_described_in_words(page):
    bad = [img.get("src") for img in article(page)("img") if not re.search(r"\w+\s+\w+", img.get("alt") or "")]
    bad += [img.get("src") for img in article(page)("img") if re.search(r"_images/|\.(png|jpe?g|svg)$", img["alt"])]
    assert bad == []


@each_page
def test_every_internal_link_picture_and_script_exists(page):
    missing = []
    for tag in soup(page)(["a", "img", "script", "link"]):
        address = tag.get("href") or tag.get("src") or ""
        parts = urlsplit(address)
        if not address or parts.scheme or parts.netloc:
            continue
        target = (SITE / page).parent / unquote(parts.path) if parts.path else SITE / page
        if not target.exists():
            missing.append(address)
        elif parts.fragment and target.suffix == ".html":
            known = ids(target.resolve().relative_to(SITE).as_posix())
            if tag.name == "a" and unquote(parts.fragment) not in known:
                missing.append(address)
    assert missing == []


@each_page
def test_nothing_is_fetched_from_elsewhere(page):
    """Only a page with live widgets may load their scripts from a CDN; without a network it still reads."""
    has_widgets = soup(page).find("script", type="application/vnd.jupyter.widget-state+json")
    tags = [*soup(page)(["script", "img", "iframe"]), *soup(page)("link", rel="stylesheet")]
    fetched = [tag.get("src") or tag.get("href") or "" for tag in tags]
    assert [address for address in fetched if is_external(address) and not has_widgets] == []


@each_page
def test_no_progress_bar_warning_or_traceback_is_left_in_an_output(page):
    outputs = article(page).select(".cell_output")
    text = "\n".join(output.get_text() for output in outputs)
    assert not re.search(r"\d+%\||\dit/s|s/it|Traceback \(most recent|Warning:", text)
    assert article(page).select(".output.stderr, .output.traceback") == []
    assert "FloatProgressModel" not in (SITE / page).read_text(encoding="utf-8")


@each_page
def test_every_widget_on_a_page_has_its_state(page):
    views = soup(page)("script", type="application/vnd.jupyter.widget-view+json")
    states = soup(page)("script", type="application/vnd.jupyter.widget-state+json")
    known = {model for state in states for model in json.loads(state.string)["state"]}
    assert {json.loads(view.string)["model_id"] for view in views} <= known


@each_page
def test_no_markup_is_left_unrendered(page):
    words = copy.copy(article(page))
    for code in words(["pre", "code", "script"]):
        code.extract()
    text = words.get_text()
    assert not re.search(r"\{[a-z:]+\}`|^:::|^```|\[\?\]|<IPython|object at 0x", text, re.MULTILINE)


@each_page
def test_a_page_has_one_title_and_a_language(page):
    if page == "index.html":
        pytest.skip("the root only forwards to the welcome page")
    assert soup(page).html["lang"] == "en"
    assert len(article(page)("h1")) <= 1


def test_no_chapter_asks_its_networks_for_more_than_a_reader_s_machine_can_bear():
    """8 TFLOP a chapter and 50 in all: a quarter of an hour on two cores without AVX-512, as most laptops are."""
    told = json.loads((SITE / "operations.json").read_text())
    notebooks = {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {name for name in told if not name.startswith("latents/")} == notebooks
    assert {name: cost for name, cost in told.items() if cost > 8e12} == {}
    assert 0 < sum(told.values()) <= 50e12


def test_what_chapters_say_that_they_cost_is_what_they_cost():
    told = json.loads((SITE / "operations.json").read_text())
    recorded = json.loads((ROOT / "book" / "costs.json").read_text())["operations"]
    assert told == pytest.approx(recorded, rel=0.02)


def test_the_pages_wear_the_books_own_style():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    links = soup(f"{toc['root']}.html")("link", rel="stylesheet")
    assert any("custom.css" in link["href"] for link in links)


def test_every_measured_verdict_says_of_how_many_it_is():
    """A count of images, latents, networks or the like, beside each status that numbers decided."""
    told = [
        line.get_text(" ", strip=True)
        for line in soup("book/claims.html").select("table.claims td p")
        if line.select(".claim-status:not(.claim-proved)") and "own numbers" not in line.get_text()
    ]
    counted = re.compile(
        r"N = \d|\d of \d+ |(\b\d[\d,]*|two|three|four|five|six|eight) (training )?\w*(images|latents|draws|models)\b"
        r"|(pictures|networks|pairs|churches|statistics)\b"
    )
    assert len(told) > 70 and [line for line in told if not counted.search(line)] == []


def test_what_was_measured_again_names_a_verdict_that_stands_beside_it():
    """Repetitions of drawings under a condition: a chapter judged the claim under the same one."""
    beside = {
        (told, row.get_text(" ", strip=True).split("drawings:")[0])
        for table in soup("book/claims.html").select("table.claims")
        for row in table.select("tbody tr")
        for told in re.findall(r"drawings: .*? (when .*)", "\n".join(p.get_text() for p in row.select("p")))
    }
    assert len(beside) > 10 and [when for when, verdicts in beside if when not in verdicts] == []


# A page that opens pages of the book in a frame, shows each as a phone and a desk do, light and dark, and writes down
# what it finds; axe-core looks for what keeps people out.
PROBE = """<!doctype html><title>probe</title><pre id="found"></pre><script>
const pages = %s, looks = [[390, "light"], [390, "dark"], [1280, "light"]], found = {}, known = new Set();
const rules = {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"]};
function forgetKnownColors(doc) {  // a chapter has thousands of colored words of a few kinds, alike in all styles
  for (const word of doc.querySelectorAll("pre span[class], dt.sig span[class]")) {
    let kind = "";
    for (let part = word; part; part = part.parentElement) kind += ` ${part.tagName}.${part.className}`;
    if (known.has(kind)) word.replaceWith(...word.childNodes); else known.add(kind);
  }
}
async function faults(frame) {
  const told = await frame.contentWindow.axe.run(frame.contentDocument, rules);
  return told.violations.map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 150))]);
}
async function opened(page, width) {
  const frame = document.createElement("iframe");
  frame.width = width; frame.height = 844;
  document.body.append(frame);
  await new Promise(done => { frame.onload = done; frame.src = page; });
  if (frame.contentWindow.MathJax?.startup?.promise) await frame.contentWindow.MathJax.startup.promise;
  const script = frame.contentDocument.createElement("script");
  await new Promise(done => { script.onload = done; script.src = "/axe.min.js";
                              frame.contentDocument.head.append(script); });
  return frame;
}
async function show(frame, width, theme) {
  const turned = Number(frame.width) !== width;
  frame.width = width;
  frame.contentDocument.documentElement.dataset.theme = theme;
  if (turned) frame.contentWindow.dispatchEvent(new Event("resize"));  // the browser's own may be late; 300 ms after
  await new Promise(done => setTimeout(done, turned ? 700 : 100));  // the last one the theme marks what scrolls
}
function look(frame, width) {
  const doc = frame.contentDocument;
  const filters = [...doc.querySelectorAll("article img:not(.only-dark, .dark-light)")]
    .map(img => frame.contentWindow.getComputedStyle(img).filter).filter(f => f !== "none");
  return { filters, errors: frame.contentWindow.probeErrors, axe: [],
    overflow: doc.documentElement.scrollWidth - width,
    broken: [...doc.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
    maths: doc.querySelectorAll(".math").length - doc.querySelectorAll("mjx-container").length };
}
(async () => {
  for (const [k, page] of pages.entries()) {
    const order = k & 1 ? looks.toReversed() : looks, frame = await opened(page, order[0][0]);
    for (const [width, theme] of order) {  // every other page is opened as a desk does
      await show(frame, width, theme);
      found[`${page} ${width} ${theme}`] = look(frame, width);
    }
    forgetKnownColors(frame.contentDocument);
    for (const [width, theme] of looks.slice(1)) {  // once in the dark, once in the light
      await show(frame, width, theme);
      found[`${page} ${width} ${theme}`].axe = await faults(frame);
    }
    frame.remove();
  }
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>"""
BROWSERS = 2  # each has its part of the pages


# Put at the top of each page that is served, so that it also hears of errors in the page's head.
LISTENER = """<head><script>window.probeErrors = [];
addEventListener("error", e => probeErrors.push(e.message || String(e.target.src || e.target.href)), true);</script>"""


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves the site, each page with the listener in it, and under /probe.html?0 the probe of the first part."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        page = urlsplit(self.path).path.lstrip("/")
        if page == "probe.html":
            pages = [page for page in PAGES if page != "index.html"]
            self.answer(PROBE % json.dumps(pages[int(urlsplit(self.path).query) :: BROWSERS]))
        elif page == "axe.min.js":
            self.answer(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"), "text/javascript")
        elif page in PAGES:
            self.answer((SITE / page).read_text(encoding="utf-8").replace("<head>", LISTENER, 1))
        else:
            super().do_GET()

    def answer(self, text, kind="text/html"):
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a browser finds on each page as a phone and a desk show it: {"page width theme": findings}."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    flags += " --disable-component-update --disable-quic --virtual-time-budget=1800000 --dump-dom"

    folders = [tmp_path_factory.mktemp("profile") for _ in range(BROWSERS)]  # not made by two threads at once

    def part(k):
        profile = f"--user-data-dir={folders[k]}"
        address = f"http://127.0.0.1:{server.server_port}/probe.html?{k}"
        command = [CHROMIUM, *flags.split(), profile, address]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=900).stdout
        return json.loads(BeautifulSoup(dom, "html.parser").find(id="found").get_text() or "{}")

    with ThreadPool(BROWSERS) as pool:
        found = pool.map(part, range(BROWSERS))
    server.shutdown()
    return {look: findings for one in found for look, findings in one.items()}


def test_the_browser_saw_every_page_as_a_phone_and_a_desk_show_it(seen):
    assert len(seen) == 3 * (len(PAGES) - 1)


@pytest.mark.parametrize("finding", ["errors", "filters", "broken"])
def test_a_browser_finds_no_script_errors_no_tinted_figures_and_no_broken_pictures(seen, finding):
    assert {page: found[finding] for page, found in seen.items() if found[finding]} == {}


def test_no_page_is_wider_than_its_screen(seen):
    assert {page: found["overflow"] for page, found in seen.items() if found["overflow"] > 0} == {}


def test_all_maths_is_typeset(seen):
    assert {page: found["maths"] for page, found in seen.items() if found["maths"] > 0} == {}


def test_axe_finds_nothing_that_keeps_people_out(seen):
    assert {page: found["axe"] for page, found in seen.items() if found["axe"]} == {}
