"""The files of raters: a CSV line for each image; what is wrong with a file is named with its line."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pandas as pd

from ..checks import check_choice
from .study import RAW, SCORES, SIMULATED, Study, check_rater, open_study, read_key

GENERATED = "generated"
CALLS = (RAW, GENERATED)
COLUMNS = ("study", "rater", "image", "score", "called", "time")  # time last: a line that was cut off lacks it
PATTERN = "ratings-*.csv"
TIME = "%Y-%m-%dT%H:%M:%SZ"


def to_csv(rows: Iterable[dict]) -> bytes:
    """Return ratings as the content of a file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parse(content: bytes, name: str, study: Study) -> list[dict]:
    """Return the lines of one rater's file as dicts of `COLUMNS`, in order.

    Raises
    ------
    ValueError
        Naming file and line: text that is no CSV, missing columns, another study, unknown images, an image rated twice,
        several raters, values that cannot be.
    """
    found: list[dict] = []
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}, expected {', '.join(COLUMNS)}")
        for row in reader:
            _check_row(row, study, found)
            found.append({**{column: row[column] for column in COLUMNS}, "score": int(row["score"])})
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name}, line {line}: is no UTF-8 text, expected a CSV file") from None
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{name}, line {max(reader.line_num, 1)}: {error}") from None
    return found


def _check_row(row: dict, study: Study, before: list[dict]) -> None:
    if None in row or None in row.values():
        raise ValueError("got another number of values, expected one for each column of the first line")
    if row["study"] != study.identifier:
        raise ValueError(f"study: got {row['study']!r}, expected {study.identifier!r}")
    check_rater("rater", row["rater"])
    if before and row["rater"] != before[0]["rater"]:
        raise ValueError(f"rater: got {row['rater']!r}, expected {before[0]['rater']!r} as in the lines before")
    if row["image"] not in study.images:
        raise ValueError(f"image: got {row['image']!r}, expected {study.images[0]!r} to {study.images[-1]!r}")
    if row["image"] in {other["image"] for other in before}:
        raise ValueError(f"image: got {row['image']!r}, which was rated in a line before")
    if row["score"] not in map(str, SCORES):
        raise ValueError(f"score: got {row['score']!r}, expected an integer from {SCORES[0]} to {SCORES[-1]}")
    if row["called"]:
        check_choice("called", row["called"], CALLS)
    try:
        datetime.strptime(row["time"], TIME)
    except ValueError:
        raise ValueError(f"time: got {row['time']!r}, expected one such as '2026-01-31T12:00:00Z'") from None


def read_ratings(
    paths: str | os.PathLike | Iterable[str | os.PathLike], study_folder: str | os.PathLike, *, on_error: str = "raise"
) -> pd.DataFrame:
    """Read raters' files and join the key to them.

    Parameters
    ----------
    paths : str, Path or iterable of them
        Files, or folders with files ``ratings-*.csv`` in them or below.
    study_folder : str or Path
        That `prepare` wrote, with the key.
    on_error : {"raise", "exclude"}
        What to do with a file in which anything is wrong: raise, or leave it out as a whole.

    Returns
    -------
    DataFrame
        One row a rating: ``study``, ``rater``, ``image``, ``score``, ``called`` (missing if not asked), ``time``,
        ``group``. Its ``attrs`` say which files are ``"partial"`` (used; the rater did not finish) and ``"excluded"``.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no study or no key; if something is wrong in a file, naming file and line; if there are no ratings.
    """
    check_choice("on_error", on_error, ("raise", "exclude"))
    study, key = open_study(study_folder), read_key(study_folder)
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files = [sorted(Path(path).rglob(PATTERN)) if Path(path).is_dir() else [Path(path)] for path in given]
    rows, file_of, partial, excluded = [], {}, {}, {}
    for file in (str(file) for found in files for file in found):
        try:
            content = Path(file).read_bytes()
            found = parse(content, file, study)
            if found and found[0]["rater"] in file_of:
                rater = found[0]["rater"]
                raise ValueError(f"{file}, line 2: rater: got {rater!r}, whose ratings are in {file_of[rater]}")
        except (OSError, ValueError) as error:
            told = f"{file}: cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
            if on_error == "raise":
                raise ValueError(told) from None
            excluded[file] = told
            continue
        file_of |= {row["rater"]: file for row in found}
        rows += found
        if len(found) < len(study.images):
            partial[file] = f"{len(found)} of {len(study.images)} images rated"
    if not rows:
        reasons = "; ".join(excluded.values()) or f"no ratings in files {PATTERN}"
        raise ValueError(f"paths: got {reasons}, expected at least one rating")
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["called"] = frame["called"].where(frame["called"] != "")
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    frame["group"] = frame["image"].map(key)
    frame.attrs |= {"partial": partial, "excluded": excluded}
    return frame


def check_ratings(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return ratings with one score from 1 to 5 for each rater and image; raise TypeError or ValueError for others."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{name}: got {type(frame).__name__}, expected a DataFrame such as read_ratings returns")
    missing = {"rater", "image", "group", "score"} - set(frame.columns)
    if missing or frame.empty:
        got = f"no columns {', '.join(sorted(missing))}" if missing else "no rows"
        raise ValueError(f"{name}: got {got}, expected ratings with rater, image, group and score")
    strange = frame.loc[~frame["score"].isin(SCORES), "score"]
    if len(strange):
        raise ValueError(f"{name}: got the score {strange.iloc[0]!r}, expected integers from 1 to {SCORES[-1]}")
    twice = frame.loc[frame.duplicated(["rater", "image"]), ["rater", "image"]]
    if len(twice):
        rater, image = twice.iloc[0]
        raise ValueError(f"{name}: got image {image!r} twice from {rater!r}, expected one score each")
    return frame


def is_simulated(frame: pd.DataFrame) -> bool:
    """Whether any rater is a simulated one: their names say so, and no others begin like that."""
    return bool(frame["rater"].astype(str).str.lower().str.startswith(SIMULATED).any())
