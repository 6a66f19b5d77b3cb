"""What ratings say: mean opinions with intervals, whether raters agree, and whether they can tell two groups apart.

A score is modeled as ``mean + rater + image + rest``.  Raters are strict or mild and images good or bad, so scores are
not independent: intervals count raters and images, not ratings, and tests permute images, which all raters share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
from scipy import stats

from .. import wilson_interval
from ..checks import check_choice, check_integer, check_number
from .study import CALLS, COLUMNS, GENERATED, RAW, SCORES, SIMULATED, Place, open_study, parse, read_key


def read_ratings(paths: Place | Iterable[Place], study_folder: Place) -> pd.DataFrame:
    """Read raters' files, or those named ``ratings-*.csv`` in folders and below, and join the key to them.

    Returns a row for each rating, with ``study``, ``rater``, ``image``, ``called`` (missing if not asked), ``score``,
    ``group``; ``attrs["partial"]`` names the files of raters who did not finish, which are used. ``study_folder`` is
    what `prepare` wrote. Raises FileNotFoundError if it has no key, ValueError if there are no ratings, or files are
    faulty: each is named, with line and fault.
    """
    study, key = open_study(study_folder), read_key(study_folder)
    given = [Path(path) for path in ([paths] if isinstance(paths, Place) else paths)]
    files = [file for path in given for file in (sorted(path.rglob("ratings-*.csv")) if path.is_dir() else [path])]
    rows, file_of, partial, faults = [], {}, {}, []
    for file in files:
        try:
            found = parse(file.read_bytes(), str(file), study)
            rater = found[0]["rater"] if found else None
            if rater in file_of:
                raise ValueError(f"{file}, line 2: rater: got {rater!r}, whose ratings are in {file_of[rater]}")
        except (OSError, ValueError) as error:
            faults.append(f"{file}: cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error))
            continue
        rows += found
        file_of |= {rater: file} if found else {}
        if len(found) < len(study.images):
            partial[str(file)] = f"{len(found)} of {len(study.images)} images rated"
    if faults or not rows:
        raise ValueError("\n".join(faults) or "paths: got no ratings in files ratings-*.csv, expected at least one")
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["called"] = frame["called"].where(frame["called"] != "")
    frame["group"] = frame["image"].map(key)
    frame.attrs["partial"] = partial
    return frame


def check_ratings(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ratings with one score from 1 to 5 for each rater and image; raise TypeError or ValueError for others."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"ratings: got {type(frame).__name__}, expected a DataFrame such as read_ratings returns")
    missing = {"rater", "image", "group", "score"} - set(frame.columns)
    if missing or frame.empty:
        got = f"no columns {', '.join(sorted(missing))}" if missing else "no rows"
        raise ValueError(f"ratings: got {got}, expected ratings with rater, image, group and score")
    for column in ("rater", "image", "group"):
        if frame[column].isna().any():
            raise ValueError(f"ratings: got a rating without {column}, expected one for each")
    of_image = frame.groupby("image")["group"].nunique()
    for image in of_image.index[of_image > 1]:
        raise ValueError(f"ratings: got image {image!r} in {of_image[image]} groups, expected it in one")
    for call in set(frame["called"].dropna() if "called" in frame else ()) - set(CALLS):
        raise ValueError(f"ratings: got {call!r} for called, expected one of {', '.join(CALLS)}")
    for score in frame.loc[~frame["score"].isin(SCORES), "score"]:
        raise ValueError(f"ratings: got the score {score!r}, expected integers from 1 to {SCORES[-1]}")
    for row in frame[frame.duplicated(["rater", "image"])].itertuples():
        raise ValueError(f"ratings: got image {row.image!r} twice from {row.rater!r}, expected one score each")
    return frame


def is_simulated(frame: pd.DataFrame) -> bool:
    """Whether any rater is a simulated one: their names say so, and no others begin like that."""
    return bool(frame["rater"].astype(str).str.lower().str.startswith(SIMULATED).any())


def mean_opinion(ratings: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Average the scores of each group (Sec. E.1), with an interval for other raters and other images.

    Two-way analysis of variance with random effects gives the interval; of one rater, it is Student's over the images.
    In simulated studies of 50 images with mean 2.88, intervals of 95 % hold the mean in 94 to 97 % with ten raters, in
    91 to 94 % with three; at mean 1.35, in 83 to 95 %. Raises TypeError or ValueError if there are no ratings, or of
    fewer than two images of a group, or ``level`` is not between 0 and 1.

    Returns
    -------
    DataFrame
        One row a group: ``mean``, ``std`` of single scores, ``low``, ``high``, ``raters``, ``images``, ``ratings``, and
        how often each score was given (columns 1 to 5). Simulated ones are marked in the index's name.
    """
    check_share("level", level)
    rows = {}
    for group, part in check_ratings(ratings).groupby("group"):
        given, scores = part["score"], _matrix(part)
        if scores.shape[1] < 2:
            raise ValueError(f"ratings: got one rated image of {group!r}, expected at least two of each group")
        counts = [(given == score).sum() for score in SCORES]
        rows[group] = (given.mean(), given.std(), *_interval(scores, level), *scores.shape, len(given), *counts)
    columns = ["mean", "std", "low", "high", "raters", "images", "ratings", *SCORES]
    found = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return found.rename_axis(f"group ({SIMULATED})" if is_simulated(ratings) else "group")


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless ``value`` is between 0 and 1."""
    if not 0 < check_number(name, value, 0, 1) < 1:
        raise ValueError(f"{name}: got {value!r}, expected a number between 0 and 1")


def _matrix(ratings: pd.DataFrame) -> np.ndarray:
    """Scores, ``(raters, images)``, NaN where there is none."""
    return ratings.pivot(index="rater", columns="image", values="score").to_numpy(float)


def _interval(scores: np.ndarray, level: float) -> tuple[float, float]:
    """Interval of the mean, whose variance is ``rater + image - rest``: mean squares over the number of scores.

    With gaps it is a little too large. The degrees of freedom are Satterthwaite's.
    """
    (raters, images), known = scores.shape, np.isfinite(scores)
    n, mean = known.sum(), scores[known].mean()
    deviation = np.where(known, scores - mean, 0)
    variance = image = images / (images - 1) * np.sum(deviation.sum(0) ** 2) / n**2
    df = images - 1
    if raters > 1:
        rater = raters / (raters - 1) * np.sum(deviation.sum(1) ** 2) / n**2
        of_rater, of_image = np.nonzero(known)
        design = np.hstack([np.eye(raters)[of_rater], np.eye(images)[of_image]])
        effects, _, rank, _ = np.linalg.lstsq(design, scores[known], rcond=None)
        rest = np.sum((scores[known] - design @ effects) ** 2) / max(n - rank, 1) / n
        # A component of the variance is not negative, though its estimate may be.
        variance = rest + max(rater - rest, 0) + max(image - rest, 0)
        spread = rater**2 / (raters - 1) + image**2 / (images - 1) + rest**2 / max(n - rank, 1)
        df = variance**2 / spread if spread else np.inf
    half = stats.t.ppf((1 + level) / 2, df) * np.sqrt(variance)
    return float(max(mean - half, SCORES[0])), float(min(mean + half, SCORES[-1]))


def agreement(ratings: pd.DataFrame) -> float:
    """Return Krippendorff's alpha for ordinal scores: 1, raters agree; 0, as if scores were given at random.

    He calls conclusions tentative below 0.8, and none worth drawing below 0.667. Give the ratings of one group to ask
    about it alone: over all, raters agree already if they tell the groups apart. Raises TypeError or ValueError if
    there are no ratings, no two raters scored the same image, or all scores are equal.
    """
    scores = _matrix(check_ratings(ratings))
    shared = scores[:, np.isfinite(scores).sum(0) > 1]
    if len(np.unique(shared[np.isfinite(shared)])) < 2:
        got = "equal scores only" if shared.size else "no image that two raters scored"
        raise ValueError(f"ratings: got {got}, expected images with different scores of at least two raters")
    return float(krippendorff.alpha(shared, value_domain=SCORES, level_of_measurement="ordinal"))


@dataclass(frozen=True)
class ToldApart:
    """Whether raters tell the images of two groups apart, by their scores and by what they call them."""

    difference: float  # mean over images of their mean scores, of the first group less that of the second
    p_value: float  # of the difference, two-sided
    accuracy: float | None  # share of images called rightly, mean over raters; None if that was not asked
    low: float | None  # Wilson's 95 % interval of it, which counts images: raters who share them are one witness
    high: float | None
    simulated: bool


def told_apart(
    ratings: pd.DataFrame, a: str = GENERATED, b: str = RAW, *, permutations: int = 9999, seed: int = 0
) -> ToldApart:
    """Test whether raters tell the images of group ``a`` from those of ``b``, and count right calls if ``b`` is "raw".

    Groups are permuted over images, for all raters at once: a t test over raters would find all in favor of the group
    that happens to have the better images. All ways to deal out the groups are tried, or ``permutations`` random ones
    if there are more. Raises TypeError or ValueError if there are no ratings or no two such groups.
    """
    groups = sorted(check_ratings(ratings)["group"].unique())
    check_choice("a", a, groups)
    check_choice("b", b, [group for group in groups if group != a])
    ratings = ratings[ratings["group"].isin((a, b))]
    by_image = ratings.groupby(["group", "image"])["score"].mean()
    means = by_image[a].to_numpy(), by_image[b].to_numpy()
    test = stats.permutation_test(
        means,
        lambda x, y, axis: np.abs(x.mean(axis) - y.mean(axis)),
        vectorized=True,
        n_resamples=check_integer("permutations", permutations, 99),
        alternative="greater",
        random_state=np.random.default_rng(check_integer("seed", seed, 0)),
    )
    accuracy = low = high = None
    called = ratings[ratings["called"].notna()] if b == RAW and "called" in ratings else ()
    if len(called):
        right = (called["called"] == GENERATED) == (called["group"] == a)
        accuracy, n = float(right.groupby(called["rater"]).mean().mean()), called["image"].nunique()
        low, high = wilson_interval(round(accuracy * n), n)
    difference = float(means[0].mean() - means[1].mean())
    return ToldApart(difference, float(test.pvalue), accuracy, low, high, is_simulated(ratings))
