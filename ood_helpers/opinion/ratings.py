"""The ratings of all raters, with the key joined to them: what is wrong with a file is said, and nothing is dropped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path

import pandas as pd

from ..checks import check_choice
from .records import COLUMNS, Rating, parse
from .study import SCORES, SIMULATED, open_study, read_key

PATTERN = "ratings-*.csv"


@dataclass(frozen=True)
class Ratings:
    """Ratings of a study, one row each.

    Attributes
    ----------
    frame : DataFrame
        Columns ``study``, ``rater``, ``image``, ``score``, ``called`` (missing if not asked), ``seconds``, ``time`` and
        ``group``.
    partial : mapping of str to (int, int)
        File -> number of images rated, of how many: those whose rater did not finish. Their ratings are in ``frame``.
    excluded : mapping of str to str
        File -> what is wrong with it. Its ratings are not in ``frame``.
    """

    frame: pd.DataFrame
    partial: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    excluded: Mapping[str, str] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether any rater is a simulated one."""
        marked = self.frame["rater"].astype(str).str.lower().str.startswith(SIMULATED).any()
        return bool(self.frame.attrs.get(SIMULATED, False) or marked)

    @property
    def groups(self) -> tuple[str, ...]:
        """Labels of the groups that were rated, sorted."""
        return tuple(sorted(self.frame["group"].unique()))

    @property
    def complaints(self) -> tuple[str, ...]:
        """What is to be known of the files before their ratings are used, one sentence each."""
        unfinished = [f"partial: {file} ({rated} of {n} images rated)" for file, (rated, n) in self.partial.items()]
        return (*unfinished, *(f"excluded: {reason}" for reason in self.excluded.values()))

    def __str__(self) -> str:
        return "\n".join([self._summary(), *self.complaints])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(complaint)}</li>" for complaint in self.complaints)
        return f"<p>{escape(self._summary())}</p>" + (f"<ul>{items}</ul>" if items else "")

    def _summary(self) -> str:
        frame = self.frame
        counts = ", ".join(f"{group}: {frame.image[frame.group == group].nunique()}" for group in self.groups)
        raters = frame["rater"].nunique()
        by = f"{len(frame)} ratings by {raters} rater{'s' if raters > 1 else ''}"
        return f"{mark(self.simulated)}{by} of {frame['image'].nunique()} images ({counts})"


def mark(simulated: bool) -> str:
    """Return what the text of a result begins with: "simulated: " if no people gave the ratings."""
    return f"{SIMULATED}: " if simulated else ""


def check_ratings(name: str, value) -> Ratings:
    """Return ratings, or a frame with their columns, as non-empty `Ratings`; raise TypeError or ValueError."""
    if isinstance(value, pd.DataFrame):
        value = Ratings(value)
    if not isinstance(value, Ratings):
        raise TypeError(f"{name}: got {type(value).__name__}, expected Ratings or a DataFrame with their columns")
    missing = {"rater", "image", "group", "score"} - set(value.frame.columns)
    if missing or value.frame.empty:
        got = f"no columns {', '.join(sorted(missing))}" if missing else "no rows"
        raise ValueError(f"{name}: got {got}, expected ratings with rater, image, group and score")
    strange = value.frame.loc[~value.frame["score"].isin(SCORES), "score"]
    if len(strange):
        raise ValueError(
            f"{name}: got the score {strange.iloc[0]!r}, expected integers from {SCORES[0]} to {SCORES[-1]}"
        )
    twice = value.frame.loc[value.frame.duplicated(["rater", "image"]), ["rater", "image"]]
    if len(twice):
        rater, image = twice.iloc[0]
        raise ValueError(f"{name}: got image {image!r} twice from {rater!r}, expected one score each")
    return value


def read_ratings(
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    study_folder: str | os.PathLike,
    *,
    on_error: str = "raise",
) -> Ratings:
    """Read raters' files and join the key to them.

    Parameters
    ----------
    paths : str, Path or iterable of them
        Files, or folders with files ``ratings-*.csv`` in them or below.
    study_folder : str or Path
        That `prepare` wrote, with the key.
    on_error : {"raise", "exclude"}
        What to do with a file in which anything is wrong: raise, or leave it out as a whole and say so in
        ``excluded``. A file in which images are missing is not wrong: it is used and named in ``partial``.

    Returns
    -------
    Ratings

    Raises
    ------
    ValueError
        If something is wrong in a file, naming file and line; or if there are no ratings at all.
    FileNotFoundError
        If there is no study or no key.
    """
    check_choice("on_error", on_error, ("raise", "exclude"))
    study, key = open_study(study_folder), read_key(study_folder)
    ratings: list[Rating] = []
    file_of, partial, excluded = {}, {}, {}
    for file in map(str, _files(paths)):
        try:
            found = _read(file, study)
            if found and found[0].rater in file_of:
                other = file_of[found[0].rater]
                raise ValueError(f"{file}, line 2: rater: got {found[0].rater!r}, whose ratings are in {other}")
        except ValueError as error:
            if on_error == "raise":
                raise
            excluded[file] = str(error)
            continue
        file_of |= {rating.rater: file for rating in found}
        ratings += found
        if len(found) < len(study.images):
            partial[file] = (len(found), len(study.images))
    if not ratings:
        reasons = "; ".join(excluded.values()) or f"no ratings in files {PATTERN}"
        raise ValueError(f"paths: got {reasons}, expected at least one rating")
    return Ratings(_frame(ratings, key), partial, excluded)


def _files(paths) -> list[Path]:
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found = [sorted(Path(path).rglob(PATTERN)) if Path(path).is_dir() else [Path(path)] for path in given]
    return [file for files in found for file in files]


def _read(file: str, study) -> list[Rating]:
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None
    return parse(content, file, study)


def _frame(ratings: list[Rating], key: Mapping[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame([asdict(rating) for rating in ratings], columns=list(COLUMNS))
    frame["called"] = frame["called"].where(frame["called"] != "")
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    frame["group"] = frame["image"].map(key)
    return frame
