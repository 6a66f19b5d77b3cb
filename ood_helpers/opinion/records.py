"""The file of one rater: a CSV line for each image, and faults that are named with their line."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from ..checks import check_choice
from .study import RAW, SCORES, Study, check_rater

GENERATED = "generated"
CALLS = (RAW, GENERATED)


@dataclass(frozen=True)
class Rating:
    """What one rater said of one image; the fields are the columns of the file.

    Attributes
    ----------
    study : str
        Identifier.
    rater, image : str
    score : int
        1 to 5, 5 being best.
    called : {"raw", "generated", ""}
        What the rater took the image for; empty if the question was not asked, or not answered yet.
    seconds : float
        From showing the image to the score.
    time : str
        Of the score; ISO 8601, UTC.
    """

    study: str
    rater: str
    image: str
    score: int
    called: str
    seconds: float
    time: str  # last, so that a line that was cut off anywhere cannot pass for a whole one


COLUMNS = tuple(field.name for field in fields(Rating))


def to_csv(ratings: Iterable[Rating]) -> bytes:
    """Return ratings as the content of a file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(rating) for rating in ratings)
    return text.getvalue().encode()


def parse(content: bytes, name: str, study: Study) -> list[Rating]:
    """Read the content of a rater's file.

    Parameters
    ----------
    content : bytes
    name : str
        Of the file, for messages.
    study : Study

    Returns
    -------
    list of Rating
        In the order of the lines.

    Raises
    ------
    ValueError
        If anything is wrong: the message names file and line. Wrong are text that is no CSV, missing columns, another
        study, unknown images, an image rated twice, several raters, and values that cannot be.
    """
    ratings, first_line = [], {}
    for line, row in _rows(content, name):
        try:
            rating = _rating(row, study)
            if ratings and rating.rater != ratings[0].rater:
                raise ValueError(f"rater: got {rating.rater!r}, expected {ratings[0].rater!r} as in the lines before")
            if rating.image in first_line:
                raise ValueError(f"image: got {rating.image!r}, which was rated in line {first_line[rating.image]}")
        except ValueError as error:
            raise ValueError(f"{name}, line {line}: {error}") from None
        first_line[rating.image] = line
        ratings.append(rating)
    return ratings


def _rows(content: bytes, name: str) -> list[tuple[int, dict]]:
    try:
        text = content.decode("utf-8-sig")  # spreadsheets put a mark before the text
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name}, line {line}: is no UTF-8 text, expected a CSV file") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{name}, line 1: no column {', '.join(missing)}, expected {', '.join(COLUMNS)}")
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: {error}, expected a CSV file") from None


def _rating(row: dict, study: Study) -> Rating:
    if None in row or None in row.values():
        got = sum(value is not None for value in row.values()) if None not in row else "more"
        raise ValueError(f"got {got} values, expected one for each column of the first line")
    if row["study"] != study.identifier:
        raise ValueError(f"study: got {row['study']!r}, expected {study.identifier!r}")
    check_rater("rater", row["rater"])
    if row["image"] not in study.images:
        first, last = study.images[0], study.images[-1]
        raise ValueError(f"image: got {row['image']!r}, expected one of the study's, {first!r} to {last!r}")
    if row["score"] not in map(str, SCORES):
        raise ValueError(f"score: got {row['score']!r}, expected an integer from {SCORES[0]} to {SCORES[-1]}")
    if row["called"]:
        check_choice("called", row["called"], CALLS)
    texts = (row[column] for column in ("study", "rater", "image"))
    return Rating(*texts, int(row["score"]), row["called"], _seconds(row["seconds"]), _utc(row["time"]))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds: got {text!r}, expected a number of at least 0")
    return seconds


def _utc(text: str) -> str:
    try:
        offset = datetime.fromisoformat(text).utcoffset()
    except ValueError:
        offset = None
    if offset != timedelta(0):
        raise ValueError(f"time: got {text!r}, expected a time in UTC such as '2026-01-31T12:00:00Z'")
    return text
