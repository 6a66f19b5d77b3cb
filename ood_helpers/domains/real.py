"""Real images that come with installed packages: crops of their pictures, and handwritten digits.

Each domain has two parts that share no pixel: ``train``, the left 70 % of every picture, and ``test``, the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from ..checks import check_choice

CUBIC, LANCZOS = Image.Resampling.BICUBIC, Image.Resampling.LANCZOS
PARTS = "all", "train", "test"
TRAIN = 0.7  # share of a picture's width, and of the digits

Place = tuple[int, int]  # left and top of a crop in pixels


def draw(available: int, numbers: range, seed: int, what: str) -> np.ndarray:
    """Return the entries with these numbers of a permutation of ``range(available)``: nothing comes twice."""
    if numbers.stop > available:
        raise ValueError(f"n: got {numbers.stop}, expected at most {available}, {what}")
    return np.random.default_rng(seed).permutation(available)[numbers.start : numbers.stop]


def grid(pixels: np.ndarray, side: int, step: int, first: int, end: int) -> Iterator[Place]:
    """Squares in rows and columns between two columns of a picture."""
    for top in range(0, len(pixels) - side + 1, step):
        yield from ((left, top) for left in range(first, end - side + 1, step))


def disc(pixels: np.ndarray, side: int, step: int, first: int, end: int) -> Iterator[Place]:
    """Those squares of a grid that lie within the picture's inscribed circle."""
    center = len(pixels) / 2
    for left, top in grid(pixels, side, step, first, end):
        corners = np.array([[x - center, y - center] for x in (left, left + side) for y in (top, top + side)])
        if np.hypot(*corners.T).max() < 0.97 * center:
            yield left, top


def sources(pixels: np.ndarray, side: int, step: int, first: int, end: int) -> Iterator[Place]:
    """Squares around bright spots, at least a step apart: the galaxies and the few stars of a deep field."""
    from scipy.ndimage import gaussian_filter
    from skimage.feature import peak_local_max

    light = gaussian_filter(pixels.mean(2), 2)
    for y, x in peak_local_max(light, min_distance=step, threshold_abs=40, exclude_border=side // 2):
        if first <= x - side // 2 and x + side // 2 <= end:
            yield int(x) - side // 2, int(y) - side // 2


@cache
def picture(name: str) -> np.ndarray:
    """Read a picture of scikit-image, scikit-learn or matplotlib, uint8 ``(H, W, 3)``."""
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    if name == "portrait":
        from matplotlib.cbook import get_sample_data

        return np.asarray(Image.open(str(get_sample_data("grace_hopper.jpg", asfileobj=False))).convert("RGB"))
    from skimage import data

    found = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
    return found if found.ndim == 3 else np.repeat(found[..., None], 3, axis=2)


@dataclass(frozen=True)
class Crops:
    """Squares of pictures, in an order that a seed draws; none shares more than 22 % of its area with another."""

    names: tuple[str, ...]  # of the pictures
    side: int  # of a square, in pixels of the picture
    step: int  # from one square to the next
    places: Callable[..., Iterator[Place]] = grid
    options = ("part",)

    def all_places(self, part: str) -> np.ndarray:
        """Number of the picture, left and top of each square of a part, ``(n, 3)``."""
        check_choice("part", part, PARTS)
        rows = []
        for which, name in enumerate(self.names):
            width = picture(name).shape[1]
            cut = round(TRAIN * width)
            for label, first, end in (("train", 0, cut), ("test", cut, width)):
                if part in ("all", label):
                    rows += [(which, *at) for at in self.places(picture(name), self.side, self.step, first, end)]
        return np.array(rows)

    def available(self, part: str = "all") -> int:
        """How many squares a part has."""
        return len(self.all_places(part))

    def parameters(self, numbers: range, seed: int, part: str = "all") -> dict[str, np.ndarray]:
        """Tell which ``picture`` (its name), and where in it: ``left`` and ``top``."""
        places = self.all_places(part)
        which, left, top = places[draw(len(places), numbers, seed, f"the number of crops in part {part!r}")].T
        return {"picture": np.array(self.names)[which], "left": left, "top": top}

    def pictures(self, numbers: range, size: int, seed: int, part: str = "all") -> np.ndarray:
        """Cut the squares out and resize them with antialiasing, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
        rows = zip(*self.parameters(numbers, seed, part).values(), strict=True)
        crops = [Image.fromarray(picture(str(p))[y : y + self.side, x : x + self.side]) for p, x, y in rows]
        resized = [np.asarray(crop.resize((size, size), LANCZOS)).transpose(2, 0, 1) for crop in crops]
        return np.stack(resized).astype(np.float32) / 255


@dataclass(frozen=True)
class Digits:
    """The digits of scikit-learn, white on black, enlarged from 8x8 pixels; the part ``test`` is the last 30 %."""

    count = 1797
    options = ("part",)

    def span(self, part: str) -> tuple[int, int]:
        """First digit of a part, and the one after its last."""
        check_choice("part", part, PARTS)
        cut = round(TRAIN * self.count)
        return {"all": (0, self.count), "train": (0, cut), "test": (cut, self.count)}[part]

    def available(self, part: str = "all") -> int:
        """How many digits a part has."""
        first, end = self.span(part)
        return end - first

    def parameters(self, numbers: range, seed: int, part: str = "all") -> dict[str, np.ndarray]:
        """Tell which of the digits (``index``, none of them twice) and what they read (``digit``)."""
        from sklearn.datasets import load_digits

        first, end = self.span(part)
        index = first + draw(end - first, numbers, seed, f"the number of digits in part {part!r}")
        return {"index": index, "digit": load_digits().target[index]}

    def pictures(self, numbers: range, size: int, seed: int, part: str = "all") -> np.ndarray:
        """Enlarge the scans, float32 ``(n, 3, size, size)`` in ``[0, 1]``."""
        from sklearn.datasets import load_digits

        scans = (load_digits().images[self.parameters(numbers, seed, part)["index"]] / 16).astype(np.float32)
        gray = np.stack([np.asarray(Image.fromarray(scan).resize((size, size), CUBIC)) for scan in scans])
        return np.clip(gray, 0, 1)[:, None].repeat(3, 1)


SCENES = "china", "flower", "astronaut", "chelsea", "coffee", "rocket", "motorcycle", "portrait"
REAL = {
    "digits": Digits(),
    "photographs": Crops(SCENES, 128, 128),
    "hubble": Crops(("hubble_deep_field",), 48, 38, sources),
    "histology": Crops(("immunohistochemistry",), 64, 56),
    "retina": Crops(("retina",), 128, 112, disc),
    "texture": Crops(("grass", "gravel", "brick"), 64, 64),
}
