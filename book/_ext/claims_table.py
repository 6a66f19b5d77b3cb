"""The directive `claims-table`: every claim that a chapter has judged, with its verdicts in a column for each world.

Without an argument these are the paper's claims, with ``others`` those of others, and with ``repeated`` those that
benchmarks have measured again and again; how they came out is a column of the first two tables, too.

`ood_helpers.pages.claims.report` leaves the verdicts in the metadata of an output, from where MyST-NB puts them,
executed or cached, into a file for each notebook. The table is filled in once all notebooks have been read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from ood_helpers.pages.claims import CLAIMS, CSS_CLASS, KNOWN, OTHERS, PROVED, SMALL, WORLDS, Verdict
from ood_helpers.pages.worlds import by_seed, named, repeated

HEAD = ("Claim", "Where")  # and a column for each world of which there is a verdict
NOTHING = "–"
KINDS = {"drawn": "drawings", "real": "real images"}
RECORDS = "benchmarks/results"


class PendingClaims(nodes.General, nodes.Element):
    """Stands where the table will be."""


class ClaimsTable(SphinxDirective):
    """Leave a `PendingClaims`; the page that holds it is read and written again at every build."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return [PendingClaims(which="".join(self.arguments))]


def reported(env) -> Iterator[tuple[str, Verdict]]:
    """Yield the verdicts of all documents, each with the name of its document."""
    for docname in sorted(env.nb_metadata):
        if "claims" in env.nb_metadata[docname].get("glue", ()):
            file = Path(env.mystnb_config.output_folder, f"{docname}.glue.json")
            output = json.loads(file.read_text(encoding="utf-8"))["claims"]
            yield from ((docname, Verdict(**record)) for record in output["metadata"]["verdicts"])


def in_order(found: Iterator[tuple[str, Verdict]]) -> list[tuple[str, Verdict]]:
    """Return verdicts in the order of the claims; warn of those on unknown claims, and leave them out."""
    known = []
    for docname, verdict in found:
        if verdict.key in KNOWN:
            known.append((docname, verdict))
        else:
            message = f"a verdict on an unknown claim: {verdict.key}"
            logging.getLogger(__name__).warning(message, location=docname, type="claims")
    order = [*CLAIMS, *OTHERS]
    return sorted(known, key=lambda pair: order.index(pair[1].key))


def grid(titles: Sequence[str], rows: Iterable[Sequence[list[nodes.Node]]]) -> nodes.table:
    """Return a table of rows, whose cells are lists of paragraphs.

    The classes of a cell are the words of its column's title, which a phone shows above it (custom.css), or "nothing".
    """

    def entry(title: str, cell: list[nodes.Node]) -> nodes.entry:
        empty = [part.astext() for part in cell] == [NOTHING]
        return nodes.entry("", *cell, classes=["nothing"] if empty else title.split())

    group = nodes.tgroup("", *(nodes.colspec(colwidth=20) for _ in titles), cols=len(titles))
    group += nodes.thead("", nodes.row("", *(nodes.entry("", *said(title)) for title in titles)))
    group += nodes.tbody("", *(nodes.row("", *map(entry, titles, row)) for row in rows))
    return nodes.table("", group, classes=["claims", "colwidths-auto"])


def said(text: str) -> list[nodes.Node]:
    """Return a cell with one paragraph."""
    return [nodes.paragraph("", text)]


def table(rows: list[tuple[Verdict, nodes.Node]], again: Mapping[str, pd.DataFrame]) -> nodes.table:
    """Return a row for each claim: in each world's cell the verdicts there, each with a reference to its chapter.

    ``again`` says for each world how verdicts came out when they were measured again; where that depends on something,
    it is the status.
    """
    worlds = [world for world in WORLDS if any(verdict.world == world for verdict, _ in rows)]
    counted = {(world, name): row for world, found in again.items() for name, row in found.iterrows()}

    def judged(verdict: Verdict, chapter: nodes.Node) -> nodes.paragraph:
        words, css = verdict.words, CSS_CLASS[verdict.status]
        found = counted.get((verdict.world, named(verdict.key, verdict.when)), {}).get("repeated", "")
        if found.startswith("depends") and css != CSS_CLASS[PROVED]:
            words, css = f"{found}, {SMALL}; here {words.replace(f' {SMALL}', '')}", "claim-open"
        status = nodes.inline("", f"{words}:", classes=["claim-status", css])
        return nodes.paragraph("", "", status, nodes.Text(f" {verdict.number} ("), chapter, nodes.Text(")"))

    def row(key: str) -> list[list[nodes.Node]]:
        cells = [said(KNOWN[key].text), said(KNOWN[key].place)]
        for world in worlds:
            found = [judged(*pair) for pair in rows if (pair[0].key, pair[0].world) == (key, world)]
            cells.append(found or said(NOTHING))
        same = [(world, one) for (world, _), one in counted.items() if one["key"] == key]
        told = [said(f"{KINDS[world]}: {named(one['repeated'], one['when'])}")[0] for world, one in same]
        return [*cells, told or said(NOTHING)] if again else cells

    titles = (*HEAD, *(WORLDS[world] for world in worlds), *["Repeated"] * bool(again))
    return grid(titles, map(row, dict.fromkeys(verdict.key for verdict, _ in rows)))


def measured_again(again: pd.DataFrame) -> nodes.table:
    """Return a row for each verdict that was measured again: which number is followed, and what came out by model."""
    models = list(again.columns[again.columns.get_loc("effect") + 1 :])
    rows = ([said(row[name]) for name in ("claim", "repeated", "effect", *models)] for _, row in again.iterrows())
    return grid(("Claim", "Repeated", "The number", *models), rows)


def judged_again(app, world: str | None = None) -> pd.DataFrame:
    """Judge what benchmarks have measured again, as `repeated` does; no row without their records."""
    names = ("claims", "tuning_curves", "transfer", "diversity_again", "astrophysics_again", "others")
    paths = {name: Path(app.srcdir, RECORDS, f"{name}.json") for name in names}
    kept = {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}
    claims, tunings, *others = (kept.get(name, {"runs": {}, "repetitions": {}}) for name in paths)
    more = dict(zip(("transfers", "numbers", "skies", "others"), others, strict=True))
    return repeated(claims, world, tunings=by_seed(tunings), **more)


def fill(app, doctree: nodes.document, docname: str) -> None:
    """Put the table where the directive was."""
    for pending in list(doctree.findall(PendingClaims)):
        if pending["which"] == "repeated":
            pending.replace_self(measured_again(judged_again(app)))
            continue
        rows = []
        for chapter, verdict in in_order(reported(app.env)):
            if (verdict.key in OTHERS) != (pending["which"] == "others"):
                continue
            number = chapter.rpartition("/")[2].partition("_")[0]
            title = nodes.Text(f"chapter {int(number)}" if number.isdecimal() else app.env.titles[chapter].astext())
            rows.append((verdict, make_refnode(app.builder, docname, chapter, "", title)))
        again = {world: judged_again(app, world) for world in WORLDS}
        pending.replace_self(table(rows, {world: found for world, found in again.items() if len(found)}))


def setup(app):
    app.add_node(PendingClaims)
    app.add_directive("claims-table", ClaimsTable)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
