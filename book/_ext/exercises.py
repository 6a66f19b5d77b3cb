"""The directive `exercises`: a chapter's exercises or questions, each with its folded answer, from the master file.

    ```{exercises} 04_separability
    ```

shows all but the questions, and with the option ``:kind: question`` these alone.
"""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from ood_helpers.pages.course import FOLDER, KINDS, as_myst, read_chapter


class Exercises(SphinxDirective):
    """Parse the exercises of a master file where the directive stands."""

    required_arguments = 1
    option_spec = {"kind": lambda argument: directives.choice(argument, tuple(KINDS))}  # noqa: RUF012 (Sphinx asks so)

    def run(self) -> list[nodes.Node]:
        file = FOLDER / f"{self.arguments[0]}.md"
        self.env.note_dependency(str(file))
        wanted = {self.options["kind"]} if "kind" in self.options else set(KINDS) - {"question"}
        told = [as_myst(one) for one in read_chapter(file).exercises if one.kind in wanted]
        parsed = nodes.container()
        self.state.nested_parse(StringList("\n".join(told).splitlines(), str(file)), 0, parsed)
        return parsed.children


def setup(app):
    app.add_directive("exercises", Exercises)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
