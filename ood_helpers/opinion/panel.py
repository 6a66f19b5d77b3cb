"""Rating images in JupyterLab: a session that survives interruptions, and the panel that shows it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ..checks import check_choice, check_integer
from .records import CALLS, Rating, parse, replace_file, to_csv
from .study import RAW, SCORES, SIMULATED, check_rater, open_study, order_for

SCORE, CALL = "score", "called"  # the two questions
PAUSE = 0.2  # seconds after an answer in which a click is taken for the second half of a double click
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
        replace_file(self.path, content)
        self.ratings, self._content, self._shown = ratings, content, self._clock()

    def _on_disk(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""


class Panel:
    """A view of a session: the image, buttons for the answers, and how far one has come. JupyterLab shows it.

    Attributes
    ----------
    session : Session
    scores, calls : dict
        Answer -> button.
    back : Button
    picture, progress, message : widget
    box : VBox
        All of it.
    """

    def __init__(self, session: Session):
        import ipywidgets as widgets

        self.session = session
        narrow = {"layout": widgets.Layout(width="4em")}
        self.scores = {score: widgets.Button(description=str(score), **narrow) for score in SCORES}
        self.calls = {call: widgets.Button(description="real" if call == RAW else call) for call in CALLS}
        self.back = widgets.Button(description="Back", tooltip="Take the last answer back", icon="undo")
        self.picture = widgets.Image(format="png")
        self.progress = widgets.IntProgress(max=len(session.order), layout=widgets.Layout(width="12em"))
        self.message = widgets.Label()
        for answers, answer in ((self.scores, session.score), (self.calls, session.call)):
            for value, button in answers.items():
                button.on_click(partial(self._answer, answer, value))
        self.back.on_click(lambda _: self._do(session.back))

        label = widgets.Label
        first = [label("Quality: lowest"), *self.scores.values(), label("highest")]
        second = [label("Is it real or generated?"), *self.calls.values()]
        rows = [self.picture, widgets.HBox(first)]
        if session.second:
            rows.append(widgets.HBox(second))
        foot = widgets.HBox([self.back, self.progress, self.message])
        self.box = widgets.VBox([label(session.study.title), *rows, foot])
        self._show()

    def _repr_mimebundle_(self, **kwargs):
        return self.box._repr_mimebundle_(**kwargs)

    def _answer(self, answer, value, _button) -> None:
        if self.session.seconds >= PAUSE:
            self._do(partial(answer, value))

    def _do(self, action) -> None:
        """Act, and show what became of it; a callback's exception would otherwise go unseen."""
        try:
            action()
        except (OSError, RuntimeError) as error:
            self.message.value = f"Not saved: {error}"
        else:
            self._show()

    def _show(self) -> None:
        session, total = self.session, len(self.session.order)
        self.picture.value = b"" if session.image is None else session.study.png(session.image)
        self.picture.layout.display = "none" if session.image is None else None
        for question, buttons in ((SCORE, self.scores), (CALL, self.calls)):
            for button in buttons.values():
                button.disabled = session.question != question
        self.back.disabled = not session.ratings
        self.progress.value = session.finished
        if session.question is None:
            self.message.value = f"All {total} images are rated, thank you. Your ratings are in {session.path}"
        else:
            self.message.value = f"{session.finished} of {total} images rated"


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
