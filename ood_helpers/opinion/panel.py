"""Rating images in JupyterLab: a session that survives interruptions, and the panel that shows it."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from time import monotonic
from typing import Any

import ipywidgets as widgets

from ..checks import check_choice
from ..files import write_whole
from .study import CALLS, RAW, SCORES, SIMULATED, Place, check_rater, open_study, order_for, parse, to_csv

PAUSE = 0.2  # seconds after an answer in which a click is taken for the second half of a double click


class Session:
    """The ratings of one rater, kept in ``ratings-<rater>.csv`` after every answer; it goes on where that stops.

    Each image is asked about twice, or once without ``second``: its score, and whether it is real or generated.
    """

    def __init__(self, folder: Place, rater: str, second: bool, output: Place | None) -> None:
        if check_rater(rater).lower().startswith(SIMULATED):
            raise ValueError(f"rater: got {rater!r}, expected a name that does not begin with {SIMULATED!r}")
        self.study, self.rater, self.second = open_study(folder), rater, second
        self.order = order_for(self.study, rater)
        self.path = Path(output or self.study.folder) / f"ratings-{rater}.csv"
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"output: no folder {str(self.path.parent)!r}, expected one that exists")
        self._content = self._on_disk()
        self.rows = parse(self._content, str(self.path), self.study) if self._content else []
        if self.rows and self.rows[0]["rater"] != rater:
            raise ValueError(f"{self.path}, line 2: rater: got {self.rows[0]['rater']!r}, expected {rater!r}")

    @property
    def choices(self) -> tuple:
        """Answers to what is asked now: scores, or "raw" and "generated"; none if all is done."""
        if self.second and self.rows and not self.rows[-1]["called"]:
            return CALLS
        return SCORES if len(self.rows) < len(self.order) else ()

    @property
    def image(self) -> str | None:
        """Name of the image that is asked about, or nothing if all is done."""
        rated = [row["image"] for row in self.rows]
        return rated[-1] if self.choices == CALLS else next((i for i in self.order if i not in rated), None)

    def answer(self, value: int | str) -> None:
        """Answer what is asked by one of `choices`."""
        check_choice("value", value, self.choices)
        if self.choices == CALLS:
            self._keep([*self.rows[:-1], {**self.rows[-1], "called": value}])
        else:
            said = {"study": self.study.identifier, "rater": self.rater, "image": self.image}
            self._keep([*self.rows, {**said, "called": "", "score": int(value)}])

    def back(self) -> None:
        """Take the last answer back, so that its question is asked again."""
        if self.rows:
            *before, last = self.rows
            self._keep([*before, {**last, "called": ""}] if self.second and last["called"] else before)

    def _keep(self, rows: list[dict]) -> None:
        if self._on_disk() != self._content:
            raise RuntimeError(f"{self.path} has been changed by another window or program; open the panel again")
        content = to_csv(rows)
        write_whole(self.path, content)
        self.rows, self._content = rows, content

    def _on_disk(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""


class Panel(widgets.VBox):
    """A view of a session, which JupyterLab shows: the image, buttons for the answers, and how far one has come."""

    def __init__(self, session: Session) -> None:
        self.session, self._answered = session, -PAUSE
        words = {value: "real" if value == RAW else str(value) for value in (*SCORES, *CALLS)}
        self.buttons = {value: widgets.Button(description=words[value], layout={"width": "8em"}) for value in words}
        self.back = widgets.Button(description="Back", tooltip="Take the last answer back")
        self.picture, self.message = widgets.Image(width=320), widgets.HTML()
        for value, button in self.buttons.items():
            button.on_click(partial(self._do, partial(session.answer, value)))
        self.back.on_click(partial(self._do, session.back))
        rows = [widgets.Label(session.study.title), self.picture]
        for question, values in (("Quality, 1 lowest to 5 highest", SCORES), ("Is it real or generated?", CALLS)):
            if values == SCORES or session.second:
                rows.append(widgets.HBox([widgets.Label(question), *(self.buttons[value] for value in values)]))
        super().__init__([*rows, widgets.HBox([self.back, self.message])])
        self._show()

    def _do(self, action: Any, _: Any) -> None:
        """Act, and show what became of it; a callback's exception would otherwise go unseen."""
        if monotonic() - self._answered < PAUSE:
            return
        self._answered = monotonic()
        try:
            action()
            self._show()
        except (OSError, RuntimeError, ValueError) as error:
            self.message.value = f"<b>Not saved, or the next image cannot be read:</b> {escape(str(error))}"

    def _show(self) -> None:
        session, image, total = self.session, self.session.image, len(self.session.order)
        for value, button in self.buttons.items():
            button.disabled = value not in session.choices
        self.back.disabled = not session.rows
        self.picture.value = (session.study.folder / f"{image}.png").read_bytes() if image else b""
        done = f"{len(session.rows) - (session.choices == CALLS)} of {total} images rated"
        self.message.value = done if image else escape(f"All {total} images are rated, thank you: {session.path}")


def rate(folder: Place, rater: str, *, second: bool = True, output: Place | None = None) -> Panel:
    """Show a panel for rating the images of a study; every answer is saved at once, and it can be closed at any time.

    ``folder`` is that of the study, or what the rater was given of it; ``rater`` a name of letters, digits, ``-`` and
    ``_``; ``second`` says whether to ask if an image is real or generated; the rater's file goes to the folder
    ``output``, by default beside the images. Raises FileNotFoundError if there is no such folder, ValueError if the
    name is none or the rater's file is faulty, with its line.
    """
    return Panel(Session(folder, rater, second, output))
