"""Which measurable properties of a domain survive generation: one distance for each, beside what chance allows.

For a statistic measured on each made and on each real image the distance is Wasserstein's, in units of the spread of
the real ones,

    W = int |F_made - F_real| dx / std(real),

the mean amount by which values would have to be moved.  Two sets of real images are not at distance 0 either; the
*floor* is what 99 of 100 pairs of such sets, of the same sizes, stay below.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from ..checks import check_integer, check_number

FLOOR = 0.99


def survival(
    made: pd.DataFrame, real: pd.DataFrame, *, lost: float = 1.0, repeats: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Compare statistics of made images with those of real ones.

    Parameters
    ----------
    made : DataFrame
        One row an image, one column a statistic; NaN where an image has nothing to measure.
    real : DataFrame
        The same of held-out images; at least twice as many rows make the floor sharp.
    lost : float
        Distance from which a property is called lost: 1 means that values are off by as much as real ones scatter.
    repeats : int
        Pairs of sets drawn from the real ones, for the floor.
    seed : int

    Returns
    -------
    DataFrame
        For each statistic the medians, the distance W, its floor, the shares of the images in which it could be
        measured, and the verdict: "survives" if distance and share are within what chance allows, "lost" if W reaches
        ``lost`` or fewer than half as many images can be measured, else "shifted". By chance one or two of 100
        statistics of true images exceed their floors.

    Raises
    ------
    ValueError
        If the columns differ, there are fewer than 10 rows, or a statistic of the real images is constant or missing.
    """
    if list(made.columns) != list(real.columns):
        raise ValueError(f"real: got columns {list(real.columns)}, expected those of made, {list(made.columns)}")
    for name, frame in (("made", made), ("real", real)):
        if len(frame) < 10:
            raise ValueError(f"{name}: got {len(frame)} rows, expected at least 10")
    check_number("lost", lost, 0, strict=True)
    check_integer("repeats", repeats, 100)
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    rows = {column: _compare(column, made[column], real[column], lost, repeats, rng) for column in made}
    return pd.DataFrame.from_dict(rows, orient="index")


def _compare(column: str, made, real, lost: float, repeats: int, rng) -> dict:
    made, real = np.asarray(made, float), np.asarray(real, float)
    known, given = (values[np.isfinite(values)] for values in (real, made))
    if len(known) < 10 or known.std() == 0:
        raise ValueError(f"real: {column} has {len(known)} values with spread {known.std() if len(known) else 0:.3g}")
    distance, share, usual = _apart(made, real)
    # what 99 % of the pairs of sets stay below, both drawn with replacement from the real ones
    sizes = (len(made), len(real))
    pairs = ([real[rng.integers(len(real), size=size)] for size in sizes] for _ in range(repeats))
    apart = np.array([_apart(*pair) for pair in pairs])
    floor, least = (float(np.quantile(x, FLOOR)) for x in (apart[:, 0], abs(apart[:, 1] - apart[:, 2])))
    within = distance <= floor and abs(share - usual) <= least
    gone = distance >= lost or share < usual / 2
    return {
        "made": np.median(given) if len(given) else float("nan"),
        "real": np.median(known),
        "distance": distance,
        "floor": floor,
        "measured": share,
        "real measured": usual,
        "verdict": "survives" if within else "lost" if gone else "shifted",
    }


def _apart(made: np.ndarray, real: np.ndarray) -> tuple[float, float, float]:
    """Distance of two sets, and the share of each that could be measured."""
    given, known = (values[np.isfinite(values)] for values in (made, real))
    spread = known.std() if len(known) > 1 else 0
    distance = stats.wasserstein_distance(given, known) / spread if len(given) and spread > 0 else float("inf")
    return distance, len(given) / len(made), len(known) / len(real)
