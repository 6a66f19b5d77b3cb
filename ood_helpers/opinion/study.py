"""A blinded study: images of several groups shuffled together and numbered, and a key that raters are not given.

A study is a folder: ``key.json``, which image belongs to which group, stays with whoever runs the study; ``raters`` is
what a rater is given, as it stands: images ``001.png`` and on, and ``study.json`` with title, scale and identifier.
The answers of a rater are a CSV file with a line for each image.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from ..checks import check_images, check_integer

Place = str | os.PathLike

KEY, RATERS, STUDY = "key.json", "raters", "study.json"
SCORES = (1, 2, 3, 4, 5)  # of Sec. E.1: 5 is the highest quality
CALLS = RAW, GENERATED = "raw", "generated"  # "raw" is the group of real images; all others count as generated
SIMULATED = "simulated"  # begins the names of simulated raters, and of no others
COLUMNS = ("study", "rater", "image", "called", "score")  # score last: a line that was cut off lacks it


@dataclass(frozen=True)
class Study:
    """What a rater may know of a study."""

    folder: Path  # of the images
    title: str
    identifier: str  # hash of the images in their order; every rating names it
    images: tuple[str, ...]  # their names, "001" and on

    def __str__(self) -> str:
        name = f"{self.title} ({self.identifier})" if self.title else f"Study {self.identifier}"
        return f"{name}: {len(self.images)} images, scores from {SCORES[0]} to {SCORES[-1]}, {SCORES[-1]} being best"


def prepare(folder: Place, groups: Mapping[str, torch.Tensor], *, seed: int, title: str = "", zoom: int = 4) -> Study:
    """Write a study, such as the 50 generated and 50 raw images of Sec. E.1, whole or not at all.

    Give raters the folder ``raters`` in it, and nothing else. The order depends on the images as well as on the seed,
    so that it cannot be drawn again without knowing the groups.

    Parameters
    ----------
    folder : str or Path
        A new folder; FileExistsError if there is something.
    groups : mapping of str to Tensor
        Two labels or more -> images ``(n, 3, H, W)`` in ``[-1, 1]``, of one size; "raw" labels real images. TypeError
        or ValueError for others.
    seed, title, zoom : int, str, int
        Draws the order; what raters see above the images; width of the square that each pixel becomes.
    """
    folder, seed, zoom = Path(folder), check_integer("seed", seed, 0), check_integer("zoom", zoom, 1)
    if folder.exists():
        raise FileExistsError(f"folder: got {str(folder)!r}, which exists, expected a new folder")
    if not isinstance(groups, Mapping) or len(groups) < 2:
        raise ValueError("groups: got fewer than two, expected images by label, such as 'generated' and 'raw'")
    for name, text in (("title", title), *(("groups", label) for label in groups)):
        if not isinstance(text, str):
            raise TypeError(f"{name}: got {text!r}, expected text")
    label, first = next(iter(groups.items()))
    shape = (3, *check_images(f"groups[{label!r}]", first).shape[2:])
    images = [check_images(f"groups[{label!r}]", x, shape).detach().cpu().double() for label, x in groups.items()]
    pictures = ((torch.cat(images).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    order = np.random.default_rng([seed, *sha256(pictures.tobytes()).digest()]).permutation(len(pictures))
    pictures, names = pictures[order].repeat(zoom, 1).repeat(zoom, 2), _names(len(pictures))
    labels = np.repeat(list(groups), [len(x) for x in images])[order].tolist()
    public = {"title": title, "images": len(names), "scale": [SCORES[0], SCORES[-1]], "identifier": _hash(pictures)}
    key = {"study": public["identifier"], "seed": seed, "groups": dict(zip(names, labels, strict=True))}

    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        (unfinished / RATERS).mkdir(parents=True)
        for name, picture in zip(names, pictures, strict=True):
            Image.fromarray(picture).save(unfinished / RATERS / f"{name}.png")
        for path, content in ((unfinished / RATERS / STUDY, public), (unfinished / KEY, key)):
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return open_study(folder)


def open_study(folder: Place) -> Study:
    """Read a study, or the folder ``raters`` of one, wherever it is now.

    Raises FileNotFoundError if it or an image is missing, ValueError if it cannot be read or images have been changed.
    """
    inside = Path(folder) / RATERS if (Path(folder) / RATERS).is_dir() else Path(folder)

    def facts(path: Path) -> Study:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Study(inside, found["title"], found["identifier"], _names(found["images"]))

    study = _read(inside / STUDY, "study", facts)
    found = _hash(_read(inside / f"{name}.png", "image", _picture) for name in study.images)
    if found != study.identifier:
        expected = f"(got {found}, expected {study.identifier})"
        raise ValueError(f"folder: the images in {str(inside)!r} have been changed {expected}")
    return study


def read_key(folder: Place) -> dict[str, str]:
    """Return the group of each image by its name; raise an error if the key is not there, or is of another study."""
    study, path = open_study(folder), Path(folder) / KEY
    key = _read(path, "key", lambda path: dict(json.loads(path.read_text(encoding="utf-8"))))
    if key.get("study") != study.identifier or set(key["groups"]) != set(study.images):
        of = f"the key of study {key.get('study')}, expected that of {study.identifier}"
        raise ValueError(f"folder: {str(path)!r} is {of}")
    return key["groups"]


def order_for(study: Study, rater: str) -> tuple[str, ...]:
    """Return the images in one rater's own order, so that what comes early or late averages out over raters."""
    start = f"{study.identifier} {check_rater(rater)} "
    return tuple(sorted(study.images, key=lambda image: sha256((start + image).encode()).digest()))


def check_rater(value: str) -> str:
    """Return ``value`` if it can be a rater's name, or raise ValueError."""
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9_-]{1,60}", value):
        raise ValueError(f"rater: got {value!r}, expected a name of 1 to 60 letters, digits, '-' and '_'")
    return value


def to_csv(rows: Iterable[dict]) -> bytes:
    """Return ratings as the content of a rater's file."""
    return pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False, lineterminator="\n").encode()


def parse(content: bytes, name: str, study: Study) -> list[dict]:
    """Return the lines of a rater's file as dicts of `COLUMNS`; a ValueError names file, line and what is wrong."""
    found: list[dict] = []
    # Bytes that are no text become a character that no value may have.
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""), strict=True)
    try:
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}, expected {', '.join(COLUMNS)}")
        for row in reader:
            _check_row(row, study, found)
            found.append({**{column: row[column] for column in COLUMNS}, "score": int(row["score"])})
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{name}, line {max(reader.line_num, 1)}: {error}") from None
    return found


def _check_row(row: dict, study: Study, before: list[dict]) -> None:
    if None in row or None in row.values():
        raise ValueError("got another number of values, expected one for each column of the first line")
    rater = before[0]["rater"] if before else check_rater(row["rater"])
    for column, fine, expected in (
        ("study", row["study"] == study.identifier, repr(study.identifier)),
        ("rater", row["rater"] == rater, f"{rater!r} as in the lines before"),
        ("image", row["image"] in study.images, f"{study.images[0]!r} to {study.images[-1]!r}"),
        ("image", row["image"] not in {other["image"] for other in before}, "one not rated in a line before"),
        ("called", row["called"] in ("", *CALLS), f"one of {', '.join(CALLS)}"),
        ("score", row["score"] in map(str, SCORES), f"an integer from {SCORES[0]} to {SCORES[-1]}"),
    ):
        if not fine:
            raise ValueError(f"{column}: got {row[column]!r}, expected {expected}")


def _names(n: int) -> tuple[str, ...]:
    return tuple(f"{i:0{max(3, len(str(n)))}d}" for i in range(1, n + 1))


def _hash(pictures: Iterable[np.ndarray]) -> str:
    digest = sha256()
    for picture in pictures:
        digest.update(str(picture.shape).encode() + picture.tobytes())
    return digest.hexdigest()[:16]


def _picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _read(path: Path, what: str, read: Callable[[Path], Any]) -> Any:
    """Read a file of a study; an error names it."""
    try:
        return read(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"folder: no {what} at {str(path)!r}, expected all that prepare wrote") from None
    except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"folder: {str(path)!r} cannot be read ({error!r})") from None
