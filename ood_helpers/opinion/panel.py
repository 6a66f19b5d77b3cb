"""Rating images in JupyterLab: a session that survives interruptions, and the panel that shows it."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path

from ..checks import check_choice, check_integer
from ..files import write_whole
from .records import CALLS, Rating, parse, to_csv
from .study import RAW, SCORES, SIMULATED, check_rater, open_study, order_for

SCORE, CALL = "score", "called"  # the two questions
PAUSE = 0.2  # seconds after an answer in which a click is taken for the second half of a double click
WIDE = 256  # screen pixels that a smaller image is enlarged to, as far as whole numbers go
NOW = partial(datetime.now, UTC)


class Session:
    """The ratings of one rater, kept in a file after every answer; it continues where the file stops.

    Each image is asked about once or twice: for its score, and whether it is a real or a generated one. If the file's
    last line is not whole, as after a crash of the disk, the image is asked about again.

    Parameters
    ----------
    folder : str or Path
        Of the study, or what the rater was given of it.
    rater : str
        Letters, digits, ``-`` and ``_``; names that begin with "simulated" are kept for simulated raters.
    second : bool
        Whether to ask the second question.
    output : str or Path, optional
        Where the file goes; by default beside the images.
    clock : callable
        Returns the time, with a time zone.

    Attributes
    ----------
    study : Study
    rater : str
    second : bool
    path : Path
        The file, ``ratings-<rater>.csv``.
    order : tuple of str
        The images as this rater sees them.
    ratings : tuple of Rating
        So far, in the order in which they were given.

    Raises
    ------
    ValueError
        If the name is not one, or the file is wrong; the message names its line.
    FileNotFoundError
        If there is no study, or no folder ``output``.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        rater: str,
        *,
        second: bool = True,
        output: str | os.PathLike | None = None,
        clock: Callable[[], datetime] = NOW,
    ):
        if check_rater("rater", rater).lower().startswith(SIMULATED):
            raise ValueError(f"rater: got {rater!r}, expected a name that does not begin with {SIMULATED!r}")
        self.study, self.rater = open_study(folder), rater
        self.order = order_for(self.study, rater)
        self.path = Path(output or self.study.folder) / f"ratings-{rater}.csv"
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"output: no folder {str(self.path.parent)!r}, expected one that exists")
        self.second, self._clock = second, clock
        self._content = self._on_disk()
        whole_lines = self._content[: self._content.rfind(b"\n") + 1]
        self.ratings = tuple(parse(whole_lines, str(self.path), self.study)) if whole_lines else ()
        if self.ratings and self.ratings[0].rater != rater:
            raise ValueError(f"{self.path}, line 2: rater: got {self.ratings[0].rater!r}, expected {rater!r}")
        self._shown = clock()

    @property
    def question(self) -> str | None:
        """What is asked now: "score", "called", or nothing if all is done."""
        if self.second and self.ratings and not self.ratings[-1].called:
            return CALL
        return SCORE if len(self.ratings) < len(self.order) else None

    @property
    def image(self) -> str | None:
        """Name of the image that is asked about, or nothing if all is done."""
        if self.question == CALL:
            return self.ratings[-1].image
        rated = {rating.image for rating in self.ratings}
        return next((image for image in self.order if image not in rated), None)

    @property
    def finished(self) -> int:
        """Number of images that are done with."""
        return len(self.ratings) - (self.question == CALL)

    @property
    def seconds(self) -> float:
        """How long the question has been there."""
        return max(0.0, (self._clock() - self._shown).total_seconds())

    def score(self, value: int) -> None:
        """Answer the first question: 1, lowest quality, to 5, highest."""
        value = check_integer("value", value, SCORES[0], SCORES[-1])
        self._expect(SCORE)
        time = self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        rating = Rating(self.study.identifier, self.rater, self.image, value, "", round(self.seconds, 2), time)
        self._keep((*self.ratings, rating))

    def call(self, value: str) -> None:
        """Answer the second question: "raw" or "generated"."""
        check_choice("value", value, CALLS)
        self._expect(CALL)
        self._keep((*self.ratings[:-1], replace(self.ratings[-1], called=value)))

    def back(self) -> None:
        """Take the last answer back, so that its question is asked again; before the first answer nothing happens."""
        if not self.ratings:
            return
        *before, last = self.ratings
        self._keep((*before, replace(last, called="")) if self.second and last.called else tuple(before))

    def _expect(self, answered: str) -> None:
        if self.question != answered:
            raise RuntimeError(f"answer: got one to {answered!r}, expected one to {self.question!r}")

    def _keep(self, ratings: tuple[Rating, ...]) -> None:
        if self._on_disk() != self._content:
            raise RuntimeError(f"{self.path} has been changed by another window or program; open the panel again")
        content = to_csv(ratings)
        write_whole(self.path, content)
        self.ratings, self._content, self._shown = ratings, content, self._clock()

    def _on_disk(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""


class Panel:
    """A view of a session: the image, buttons for the answers, and how far one has come. JupyterLab shows it.

    The image keeps its pixels square and leaves room for the buttons below it, in narrow windows too. Who prefers keys
    to buttons types into a field: 1 to 5, r or g, and b for back.

    Attributes
    ----------
    session : Session
    scores, calls : dict
        Answer -> button.
    back : Button
    keys : Text
    picture, progress, message : widget
    box : VBox
        All of it.
    """

    def __init__(self, session: Session):
        import ipywidgets as widgets

        self.session = session
        narrow, wide, label = (widgets.Layout(width=width) for width in ("3em", "8em", "17em"))
        ends = {SCORES[0]: "lowest quality", SCORES[-1]: "highest quality"}
        self.scores = {
            score: widgets.Button(description=str(score), tooltip=ends.get(score), layout=narrow) for score in SCORES
        }
        self.calls = {call: widgets.Button(description="real" if call == RAW else call, layout=wide) for call in CALLS}
        self.back = widgets.Button(description="Back", tooltip="Take the last answer back", layout=wide)
        self.picture, self.message = widgets.HTML(), widgets.HTML()
        self.progress = widgets.IntProgress(max=len(session.order), layout=widgets.Layout(width="12em"))
        for answers, answer in ((self.scores, session.score), (self.calls, session.call)):
            for value, button in answers.items():
                button.on_click(partial(self._do, partial(answer, value)))
        self.back.on_click(partial(self._do, session.back))
        asked = {**self.scores, **self.calls} if session.second else self.scores
        self._keyed = {button.description[0].lower(): button for button in (*asked.values(), self.back)}
        self.keys = widgets.Text(
            description="Keys:",
            placeholder="1 to 5, r, g, b" if session.second else "1 to 5, b",
            style={"description_width": "initial"},
            layout=widgets.Layout(width="12em"),
        )
        self.keys.observe(self._type, "value")

        def row(*parts):
            return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap"))

        first = row(widgets.Label("Quality, 1 lowest to 5 highest:", layout=label), row(*self.scores.values()))
        second = row(widgets.Label("Is it real or generated?", layout=label), row(*self.calls.values()))
        title = widgets.HTML(f"<b>{escape(session.study.title)}</b>")
        questions = [first, second] if session.second else [first]
        foot = row(self.back, self.keys, self.progress, self.message)
        self.box = widgets.VBox([title, self.picture, *questions, foot])
        self._show()

    def _repr_mimebundle_(self, **kwargs):
        return self.box._repr_mimebundle_(**kwargs)

    def _type(self, change) -> None:
        """Press the button of the last key, and empty the field for the next."""
        button = self._keyed.get(change["new"][-1:].lower())
        self.keys.value = ""
        if button and not button.disabled:
            button.click()

    def _do(self, action, _button) -> None:
        """Act, and show what became of it; a callback's exception would otherwise go unseen."""
        if self.session.seconds < PAUSE:
            return
        try:
            action()
        except (OSError, RuntimeError) as error:
            self.message.value = f"<b>Not saved:</b> {escape(str(error), quote=False)}"
            return
        try:
            self._show()
        except OSError as error:
            self.message.value = f"<b>Saved, but the next image cannot be read:</b> {escape(str(error), quote=False)}"

    def _show(self) -> None:
        session, total = self.session, len(self.session.order)
        for question, buttons in ((SCORE, self.scores), (CALL, self.calls)):
            for button in buttons.values():
                button.disabled = session.question != question
        for score, button in self.scores.items():  # the answer to the first question shows while the second is asked
            given = session.question == CALL and score == session.ratings[-1].score
            button.button_style = "primary" if given else ""
        self.back.disabled = not session.ratings
        self.progress.value = session.finished
        if session.question is None:
            self.picture.value = ""
            words = f"All {total} images are rated, thank you. Your ratings are in {session.path}"
        else:
            self.picture.value = _picture(session.study.png(session.image), f"Image {session.finished + 1} of {total}")
            words = f"{session.finished} of {total} images rated"
        self.message.value = escape(words, quote=False)


def _picture(png: bytes, words: str) -> str:
    """Return an image as HTML: enlarged if it is small, and within its column and half the height of the window."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))  # where PNG files have them
    times = max(1, WIDE // max(width, height))
    style = f"display: block; width: min(100%, {times * width}px, {50 * width / height:g}vh); height: auto;"
    if times > 1:
        style += " image-rendering: pixelated;"
    data = b64encode(png).decode()
    return f'<img alt="{words}" width="{width}" height="{height}" style="{style}" src="data:image/png;base64,{data}">'


def rate(
    folder: str | os.PathLike, rater: str, *, second: bool = True, output: str | os.PathLike | None = None
) -> Panel:
    """Show a panel for rating the images of a study; every answer is saved at once, and it can be closed at any time.

    Parameters
    ----------
    folder, rater, second, output
        As for `Session`.

    Returns
    -------
    Panel

    Raises
    ------
    ValueError, FileNotFoundError
        As from `Session`.

    Examples
    --------
    >>> rate("galaxies/raters", "anna")
    """
    return Panel(Session(folder, rater, second=second, output=output))
