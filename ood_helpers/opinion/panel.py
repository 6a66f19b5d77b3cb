"""Rating images in JupyterLab: a session that survives interruptions, and the panel that shows it."""

from __future__ import annotations

import os
from base64 import b64encode
from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path
from time import monotonic
from typing import Any

from ..checks import check_choice, check_integer
from ..files import write_whole
from .ratings import CALLS, TIME, parse, to_csv
from .study import RAW, SCORES, SIMULATED, check_rater, open_study, order_for

SCORE, CALL = "score", "called"  # the two questions
WIDE = 320  # pixels of the screen
PAUSE = 0.2  # seconds after an answer in which a click is taken for the second half of a double click


class Session:
    """The ratings of one rater, kept in ``ratings-<rater>.csv`` after every answer; it goes on where that stops.

    Each image is asked about twice, or once without ``second``: its score, and whether it is real or generated. What a
    crash of the disk left of a last line is asked about again. Parameters and errors as for `rate`.
    """

    def __init__(
        self, folder: str | os.PathLike, rater: str, *, second: bool = True, output: str | os.PathLike | None = None
    ) -> None:
        if check_rater("rater", rater).lower().startswith(SIMULATED):
            raise ValueError(f"rater: got {rater!r}, expected a name that does not begin with {SIMULATED!r}")
        self.study, self.rater, self.second = open_study(folder), rater, second
        self.order = order_for(self.study, rater)
        self.path = Path(output or self.study.folder) / f"ratings-{rater}.csv"
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"output: no folder {str(self.path.parent)!r}, expected one that exists")
        self._content = self._on_disk()
        whole = self._content[: self._content.rfind(b"\n") + 1]
        self.rows = parse(whole, str(self.path), self.study) if whole else []
        if self.rows and self.rows[0]["rater"] != rater:
            raise ValueError(f"{self.path}, line 2: rater: got {self.rows[0]['rater']!r}, expected {rater!r}")

    @property
    def question(self) -> str | None:
        """What is asked now: "score", "called", or nothing if all is done."""
        if self.second and self.rows and not self.rows[-1]["called"]:
            return CALL
        return SCORE if len(self.rows) < len(self.order) else None

    @property
    def image(self) -> str | None:
        """Name of the image that is asked about, or nothing if all is done."""
        if self.question == CALL:
            return self.rows[-1]["image"]
        rated = {row["image"] for row in self.rows}
        return next((image for image in self.order if image not in rated), None)

    def score(self, value: int) -> None:
        """Answer the first question: 1, lowest quality, to 5, highest."""
        value = check_integer("value", value, SCORES[0], SCORES[-1])
        self._expect(SCORE)
        said = {"study": self.study.identifier, "rater": self.rater, "image": self.image, "score": value, "called": ""}
        self._keep([*self.rows, {**said, "time": datetime.now(UTC).strftime(TIME)}])

    def call(self, value: str) -> None:
        """Answer the second question: "raw" or "generated"."""
        check_choice("value", value, CALLS)
        self._expect(CALL)
        self._keep([*self.rows[:-1], {**self.rows[-1], "called": value}])

    def back(self) -> None:
        """Take the last answer back, so that its question is asked again."""
        if self.rows:
            *before, last = self.rows
            self._keep([*before, {**last, "called": ""}] if self.second and last["called"] else before)

    def _expect(self, answered: str) -> None:
        if self.question != answered:
            raise RuntimeError(f"answer: got one to {answered!r}, expected one to {self.question!r}")

    def _keep(self, rows: list[dict]) -> None:
        if self._on_disk() != self._content:
            raise RuntimeError(f"{self.path} has been changed by another window or program; open the panel again")
        content = to_csv(rows)
        write_whole(self.path, content)
        self.rows, self._content = rows, content

    def _on_disk(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""


class Panel:
    """A view of a session, which JupyterLab shows: the image, buttons for the answers, and how far one has come."""

    def __init__(self, session: Session) -> None:
        import ipywidgets as widgets

        self.session, self._answered = session, -PAUSE
        narrow, wide = widgets.Layout(width="3em"), widgets.Layout(width="8em")
        self.scores = {score: widgets.Button(description=str(score), layout=narrow) for score in SCORES}
        self.calls = {call: widgets.Button(description="real" if call == RAW else call, layout=wide) for call in CALLS}
        self.back = widgets.Button(description="Back", tooltip="Take the last answer back", layout=wide)
        self.picture, self.message = widgets.HTML(), widgets.HTML()
        for answers, answer in ((self.scores, session.score), (self.calls, session.call)):
            for value, button in answers.items():
                button.on_click(partial(self._do, partial(answer, value)))
        self.back.on_click(partial(self._do, session.back))
        asked = {"Quality, 1 lowest to 5 highest": self.scores, "Is it real or generated?": self.calls}
        rows = [widgets.HBox([widgets.Label(words), *answers.values()]) for words, answers in asked.items()]
        title = widgets.HTML(f"<b>{escape(session.study.title)}</b>")
        foot = widgets.HBox([self.back, self.message])
        self.box = widgets.VBox([title, self.picture, *(rows if session.second else rows[:1]), foot])
        self._show()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)

    def _do(self, action: Any, _: Any) -> None:
        """Act, and show what became of it; a callback's exception would otherwise go unseen."""
        if monotonic() - self._answered < PAUSE:
            return
        self._answered = monotonic()
        try:
            action()
            self._show()
        except (OSError, RuntimeError) as error:
            self.message.value = f"<b>Not saved, or the next image cannot be read:</b> {escape(str(error))}"

    def _show(self) -> None:
        session, total = self.session, len(self.session.order)
        for question, buttons in ((SCORE, self.scores), (CALL, self.calls)):
            for button in buttons.values():
                button.disabled = session.question != question
        self.back.disabled = not session.rows
        done = len(session.rows) - (session.question == CALL)
        self.picture.value = ""
        words = f"All {total} images are rated, thank you. Your ratings are in {session.path}"
        if session.image is not None:
            data = b64encode((session.study.folder / f"{session.image}.png").read_bytes()).decode()
            style = f"width: min(100%, {WIDE}px); image-rendering: pixelated;"
            alt = f"Image {done + 1} of {total}"
            self.picture.value = f'<img alt="{alt}" style="{style}" src="data:image/png;base64,{data}">'
            words = f"{done} of {total} images rated"
        self.message.value = escape(words)


def rate(
    folder: str | os.PathLike, rater: str, *, second: bool = True, output: str | os.PathLike | None = None
) -> Panel:
    """Show a panel for rating the images of a study; every answer is saved at once, and it can be closed at any time.

    Parameters
    ----------
    folder : str or Path
        Of the study, or what the rater was given of it.
    rater : str
        Letters, digits, ``-`` and ``_``; names that begin with "simulated" are kept for simulated raters.
    second : bool
        Whether to ask if an image is real or generated.
    output : str or Path, optional
        Where the rater's file goes; by default beside the images.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no study or no folder ``output``; if the name is none, or the rater's file is wrong (its line is
        named).
    """
    return Panel(Session(folder, rater, second=second, output=output))
