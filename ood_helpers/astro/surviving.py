"""Which measurable properties of a domain survive generation: one distance for each, beside what chance allows.

The distance of a statistic is Wasserstein's, ``W = int |F_made - F_real| dx / std(real)``. Two sets of real images are
not at distance 0 either; the *floor* is what 99 of 100 pairs of such sets, of the same sizes, stay below.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ..checks import check_integer, check_number

FLOOR = 0.99


def survival(
    made: pd.DataFrame, real: pd.DataFrame, *, lost: float = 1.0, repeats: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Compare statistics of made images with those of real ones.

    Parameters
    ----------
    made, real : DataFrame
        One row an image, at least 10; one column a statistic, the same in both and varying among the real ones, NaN
        where an image has nothing to measure; ValueError if not so. Twice as many real rows make the floor sharp.
    lost : float
        Distance from which a property is called lost, in units of the scatter of the real ones.
    repeats, seed : int
        Pairs of sets drawn from the real ones, for the floor.

    Returns
    -------
    DataFrame
        For each statistic medians, W, floor, shares of the images in which it could be measured, and verdict:
        "survives" if distance and share are within what chance allows (of true images, 1 or 2 of 100 are not), "lost"
        if W reaches ``lost`` or fewer than half as many images can be measured, else "shifted".
    """
    if list(made.columns) != list(real.columns):
        raise ValueError(f"real: got columns {list(real.columns)}, expected those of made, {list(made.columns)}")
    for name, frame in (("made", made), ("real", real)):
        if len(frame) < 10:
            raise ValueError(f"{name}: got {len(frame)} rows, expected at least 10")
    check_number("lost", lost, 0, strict=True)
    check_integer("repeats", repeats, 100)
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    rows = {}
    for column in made:
        values = [np.asarray(frame[column], float) for frame in (made, real)]
        rows[column] = _compare(f"real: {column}", *values, lost, repeats, rng)
    names = ("made", "real", "distance", "floor", "measured", "real measured", "verdict")
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


def _compare(what: str, made: np.ndarray, real: np.ndarray, lost: float, repeats: int, rng) -> tuple:
    given, known = (values[np.isfinite(values)] for values in (made, real))
    if len(known) < 10 or known.std() == 0:
        raise ValueError(f"{what} has {len(known)} values with spread {known.std() if len(known) else 0:.3g}")
    distance, share, usual = apart(made, real)
    pairs = ([real[rng.integers(len(real), size=len(x))] for x in (made, real)] for _ in range(repeats))
    found = np.array([apart(*pair) for pair in pairs])
    floor, least = (float(np.quantile(x, FLOOR)) for x in (found[:, 0], abs(found[:, 1] - found[:, 2])))
    within = distance <= floor and abs(share - usual) <= least
    verdict = "survives" if within else "lost" if distance >= lost or share < usual / 2 else "shifted"
    middle = np.median(given) if len(given) else float("nan")
    return middle, np.median(known), distance, floor, share, usual, verdict


def apart(made: ArrayLike, real: ArrayLike) -> tuple[float, float, float]:
    """Return Wasserstein's distance of two sets of one statistic, and the share of each that could be measured."""
    made, real = np.asarray(made, float), np.asarray(real, float)
    given, known = (values[np.isfinite(values)] for values in (made, real))
    spread = known.std() if len(known) > 1 else 0
    distance = stats.wasserstein_distance(given, known) / spread if len(given) and spread > 0 else float("inf")
    return distance, len(given) / len(made), len(known) / len(real)
