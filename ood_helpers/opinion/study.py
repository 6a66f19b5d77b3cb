"""A blinded study: images of several groups shuffled together and numbered, and a key that raters are not given.

A study is a folder.

    key.json          which image belongs to which group; stays with whoever runs the study
    raters/           what a rater is given, as it stands
        study.json    title, number of images, scale and identifier
        001.png ...   the images, numbered in shuffled order
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from ..checks import check_images, check_integer

KEY, RATERS, STUDY = "key.json", "raters", "study.json"
SCORES = (1, 2, 3, 4, 5)  # of Sec. E.1: 5 is the highest quality
RAW = "raw"  # the group of real images; all others count as generated
SIMULATED = "simulated"  # begins the names of simulated raters, and of no others
NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


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


def check_rater(name: str, value) -> str:
    """Return ``value`` if it can be a rater's name: letters, digits, ``-`` and ``_``, 60 at most."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"{name}: got {value!r}, expected a name of 1 to 60 letters, digits, '-' and '_'")
    return value


def prepare(
    folder: str | os.PathLike,
    groups: Mapping[str, torch.Tensor],
    *,
    seed: int,
    title: str = "",
    zoom: int = 4,
) -> Study:
    """Write a study, such as the 50 generated and 50 raw images of Sec. E.1, whole or not at all.

    Give raters the folder ``raters`` in it, and nothing else. Names of files do not tell groups; the order depends on
    the images as well as on ``seed``, so that it cannot be drawn again without knowing the groups.

    Parameters
    ----------
    folder : str or Path
        A new folder.
    groups : mapping of str to Tensor
        Label -> images ``(n, 3, H, W)`` in ``[-1, 1]``, all of one size; "raw" is the label of real images.
    seed : int
        Draws the order.
    title : str
        What raters see above the images.
    zoom : int
        Each pixel becomes a square of so many.

    Raises
    ------
    FileExistsError, TypeError, ValueError
        If there is something at ``folder``, fewer than two groups, or no batch of color images of one size.
    """
    folder, seed, zoom = Path(folder), check_integer("seed", seed, 0), check_integer("zoom", zoom, 1)
    if folder.exists():
        raise FileExistsError(f"folder: got {str(folder)!r}, which exists, expected a new folder")
    checked = _check_groups(groups)
    labels = [label for label, images in checked.items() for _ in images]
    pictures = np.concatenate([_to_bytes(images) for images in checked.values()])
    order = np.random.default_rng([seed, *sha256(pictures.tobytes()).digest()]).permutation(len(pictures))
    pictures = pictures[order].repeat(zoom, 1).repeat(zoom, 2)

    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _write(unfinished, pictures, [labels[i] for i in order], seed, title)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return open_study(folder)


def open_study(folder: str | os.PathLike) -> Study:
    """Read a study, or the folder ``raters`` of one, wherever it is now; its images must be those it was prepared with.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no study or an image is missing; if ``study.json`` cannot be read, or images have been changed.
    """
    folder = Path(folder)
    inside = folder / RATERS if (folder / RATERS).is_dir() else folder
    if not (inside / STUDY).exists():
        raise FileNotFoundError(f"folder: no study at {str(folder)!r}, expected a folder that prepare wrote")
    try:
        facts = json.loads((inside / STUDY).read_text(encoding="utf-8"))
        study = Study(inside, facts["title"], facts["identifier"], _names(facts["images"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"folder: {str(inside / STUDY)!r} cannot be read ({error!r})") from None
    found = _identifier(_read_png(inside / f"{name}.png") for name in study.images)
    if found != study.identifier:
        raise ValueError(
            f"folder: the images in {str(inside)!r} have been changed (got {found}, expected {study.identifier})"
        )
    return study


def read_key(folder: str | os.PathLike) -> dict[str, str]:
    """Return the group of each image by its name, from the whole folder that `prepare` wrote.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no study or no key, as in the folder that raters have; if the key is of another study.
    """
    study, path = open_study(folder), Path(folder) / KEY
    if not path.exists():
        raise FileNotFoundError(f"folder: no key at {str(path)!r}, expected the whole folder that prepare wrote")
    try:
        key = json.loads(path.read_text(encoding="utf-8"))
        of, groups = key["study"], dict(key["groups"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"folder: {str(path)!r} cannot be read ({error!r})") from None
    if of != study.identifier or set(groups) != set(study.images):
        raise ValueError(f"folder: {str(path)!r} is the key of study {of}, expected that of {study.identifier}")
    return groups


def order_for(study: Study, rater: str) -> tuple[str, ...]:
    """Return the images in one rater's own order, so that what comes early or late averages out over raters."""
    start = f"{study.identifier} {check_rater('rater', rater)} "
    return tuple(sorted(study.images, key=lambda image: sha256((start + image).encode()).digest()))


def _check_groups(groups) -> dict[str, torch.Tensor]:
    if not isinstance(groups, Mapping) or len(groups) < 2:
        raise ValueError("groups: got fewer than two, expected images by label, such as 'generated' and 'raw'")
    first = check_images(f"groups[{next(iter(groups))!r}]", next(iter(groups.values())))
    shape = (3, *first.shape[2:])
    return {label: check_images(f"groups[{label!r}]", images, shape) for label, images in groups.items()}


def _to_bytes(images: torch.Tensor) -> np.ndarray:
    """Bring images in ``[-1, 1]`` to uint8 ``(n, H, W, 3)``."""
    scaled = (images.detach().cpu().double().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def _write(folder: Path, pictures: np.ndarray, labels: list[str], seed: int, title: str) -> None:
    from PIL import Image

    (folder / RATERS).mkdir(parents=True)
    names, identifier = _names(len(pictures)), _identifier(pictures)
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(folder / RATERS / f"{name}.png")
    public = {"title": title, "images": len(names), "scale": [SCORES[0], SCORES[-1]], "identifier": identifier}
    key = {"study": identifier, "seed": seed, "groups": dict(zip(names, labels, strict=True))}
    for path, content in ((folder / RATERS / STUDY, public), (folder / KEY, key)):
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _names(n: int) -> tuple[str, ...]:
    return tuple(f"{i:0{max(3, len(str(n)))}d}" for i in range(1, n + 1))


def _identifier(pictures: Iterable[np.ndarray]) -> str:
    digest = sha256()
    for picture in pictures:
        digest.update(str(picture.shape).encode())
        digest.update(np.ascontiguousarray(picture))
    return digest.hexdigest()[:16]


def _read_png(path: Path) -> np.ndarray:
    from PIL import Image

    if not path.exists():
        raise FileNotFoundError(f"folder: no image {str(path)!r}, expected all that the study was prepared with")
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"folder: {str(path)!r} cannot be read as an image ({error})") from None
