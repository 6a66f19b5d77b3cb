"""What ratings say: mean opinions with intervals, whether raters agree, and whether they can tell the groups apart.

A score is modeled as ``mean + rater + image + rest``.  Raters are strict or mild and images good or bad, so scores are
not independent: intervals count raters and images, not ratings, and tests permute images, which all raters share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from scipy import stats

from ..checks import check_choice, check_integer
from .ratings import check_ratings, mark
from .records import GENERATED
from .study import RAW, SCORES


@dataclass(frozen=True)
class MeanOpinion:
    """Scores of one group.

    Attributes
    ----------
    group : str
    mean : float
        From 1 to 5, 5 being best.
    std : float
        Standard deviation of single scores. The number after the plus-minus sign in the paper is most likely that; the
        paper does not say.
    low, high : float
        Confidence interval of the mean for other raters and other images of the group; for one rater, only for other
        images, seen by that same rater.
    raters, images, ratings : int
    counts : tuple of int
        How often each score from 1 to 5 was given.
    """

    group: str
    mean: float
    std: float
    low: float
    high: float
    raters: int
    images: int
    ratings: int
    counts: tuple[int, ...]

    def __str__(self) -> str:
        by = f"{self.raters} raters" if self.raters > 1 else "one rater, interval for other images only"
        return (
            f"{self.group}: {self.mean:.2f} ± {self.std:.2f} (mean ± std), interval {self.low:.2f} to {self.high:.2f};"
            f" {self.ratings} ratings of {self.images} images by {by}"
        )


@dataclass(frozen=True)
class MeanOpinions:
    """Scores of all groups; ``opinions["raw"]`` is the `MeanOpinion` of one.

    Attributes
    ----------
    groups : mapping of str to MeanOpinion
    level : float
        Of the intervals.
    simulated : bool
    """

    groups: Mapping[str, MeanOpinion]
    level: float
    simulated: bool

    def __getitem__(self, group: str) -> MeanOpinion:
        return self.groups[group]

    def table(self) -> pd.DataFrame:
        """Return one row a group, ready to be shown."""
        rows = {
            f"{mark(self.simulated)}{name}": {
                "MOS": f"{found.mean:.2f} ± {found.std:.2f}",
                f"{self.level:.0%} interval": f"{found.low:.2f} to {found.high:.2f}",
                "interval for other": "raters and images" if found.raters > 1 else "images",
                "raters": found.raters,
                "images": found.images,
                "ratings": found.ratings,
            }
            for name, found in self.groups.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def __str__(self) -> str:
        lines = [f"{mark(self.simulated)}mean opinion scores, intervals of {self.level:.0%}"]
        return "\n".join([*lines, *map(str, self.groups.values())])

    def _repr_html_(self) -> str:
        return self.table().to_html()


def mean_opinion(ratings, level: float = 0.95) -> MeanOpinions:
    """Average the scores of each group (Sec. E.1), with an interval that counts both raters and images as draws.

    The variance of a mean is put together of those of raters, images and the rest by the two-way analysis of variance
    with random effects; the degrees of freedom are Satterthwaite's. Of one rater nothing can be said about other
    raters: the interval is Student's, over the images. If all scores are equal, it has no width.

    In simulated studies of 50 images with mean 2.88, intervals of 95 % hold the mean in 94 to 97 % with ten raters, in
    91 to 94 % with three and in 89 to 92 % with two; in more if raters and images do not differ; and with mean 1.35,
    where scores pile up at 1, in 83 to 95 %. The two-way bootstrap (Owen 2007) does worse if raters are few and differ.

    Parameters
    ----------
    ratings : Ratings or DataFrame
    level : float
        Of the intervals, between 0 and 1.

    Returns
    -------
    MeanOpinions

    Raises
    ------
    TypeError, ValueError
        If there are no ratings, fewer than two images of a group were rated, or the level is none.
    """
    ratings, _ = check_ratings("ratings", ratings), _check_level(level)
    found = {}
    for group in ratings.groups:
        scores = _matrix(ratings, (group,)).to_numpy()
        if scores.shape[1] < 2:
            raise ValueError(f"ratings: got one rated image of {group!r}, expected at least two of each group")
        given = scores[np.isfinite(scores)]
        counts = tuple(int((given == score).sum()) for score in SCORES)
        low, high = _interval(scores, level)
        numbers = (float(given.mean()), float(given.std(ddof=1)), low, high)
        found[group] = MeanOpinion(group, *numbers, *scores.shape, len(given), counts)
    return MeanOpinions(found, level, ratings.simulated)


def _check_level(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level: got {level!r}, expected a number between 0 and 1")
    return level


def _matrix(ratings, groups=None, value: str = "score") -> pd.DataFrame:
    """Lay out ratings of some groups, raters by images, NaN where there is none."""
    frame = ratings.frame if groups is None else ratings.frame[ratings.frame["group"].isin(groups)]
    return frame.pivot(index="rater", columns="image", values=value)


def _interval(scores: np.ndarray, level: float) -> tuple[float, float]:
    """Interval of the mean of ``(raters, images)``.

    With all scores there, ``rater``, ``image`` and ``rest`` are the mean squares of the analysis of variance over the
    number of scores, and the variance of the mean is ``rater + image - rest``; with gaps it is a little too large.
    """
    known = np.isfinite(scores)
    n, (raters, images) = known.sum(), scores.shape
    mean = scores[known].mean()
    deviation = np.where(known, scores - mean, 0)
    image = images / (images - 1) * np.sum(deviation.sum(0) ** 2) / n**2
    if raters == 1:
        variance, df = image, images - 1
    else:
        rater = raters / (raters - 1) * np.sum(deviation.sum(1) ** 2) / n**2
        square, df_rest = _rest(scores, known)
        rest = square / n
        # A component of the variance is not negative, though its estimate may be.
        variance = rest + max(rater - rest, 0) + max(image - rest, 0)
        spread = rater**2 / (raters - 1) + image**2 / (images - 1) + (rest**2 / df_rest if df_rest else 0)
        df = variance**2 / spread if spread else np.inf
    half = stats.t.ppf((1 + level) / 2, df) * np.sqrt(variance)
    return float(max(mean - half, SCORES[0])), float(min(mean + half, SCORES[-1]))


def _rest(scores: np.ndarray, known: np.ndarray) -> tuple[float, int]:
    """Mean square, and its degrees of freedom, of what a sum of a rater's and an image's effect leaves of scores."""
    of_rater, of_image = np.nonzero(known)
    design = np.hstack([np.eye(scores.shape[0])[of_rater], np.eye(scores.shape[1])[of_image]])
    effects, _, rank, _ = np.linalg.lstsq(design, scores[known], rcond=None)
    df = len(design) - rank
    return (float(np.sum((scores[known] - design @ effects) ** 2) / df) if df else 0.0), int(df)


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha.

    Attributes
    ----------
    alpha : float
        1: raters agree; 0: they agree as much as if they gave their scores to other images at random. Krippendorff
        calls conclusions tentative below 0.8, and none worth drawing below 0.667.
    low, high : float
        Interval, by the bootstrap over images.
    level : float
    raters, images : int
        Images that at least two raters scored.
    simulated : bool
    """

    alpha: float
    low: float
    high: float
    level: float
    raters: int
    images: int
    simulated: bool

    def __str__(self) -> str:
        return (
            f"{mark(self.simulated)}alpha = {self.alpha:.3f} ({self.level:.0%}: {self.low:.3f} to {self.high:.3f}),"
            f" {self.raters} raters, {self.images} images"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


def agreement(
    ratings,
    *,
    group: str | None = None,
    measurement: str = "ordinal",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Measure how far raters agree, by Krippendorff's alpha.

    Parameters
    ----------
    ratings : Ratings or DataFrame
    group : str, optional
        Compare scores of this group only. Over all groups, raters agree already if all of them tell the groups apart.
    measurement : {"ordinal", "interval", "nominal"}
        What differences of scores mean.
    level : float
        Of the interval.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Agreement

    Raises
    ------
    TypeError, ValueError
        If no two raters scored the same image, all scores are equal, or there is no such group.
    ModuleNotFoundError
        Without the package krippendorff.
    """
    import krippendorff

    ratings, _ = check_ratings("ratings", ratings), _check_level(level)
    check_choice("measurement", measurement, ("ordinal", "interval", "nominal"))
    if group is not None:
        check_choice("group", group, ratings.groups)
    scores = _matrix(ratings, None if group is None else (group,)).to_numpy()
    counts = np.stack([(scores == score).sum(0) for score in SCORES], 1)
    counts = counts[counts.sum(1) > 1]
    if len(scores) < 2 or not len(counts):
        got = "one rater" if len(scores) < 2 else f"no image that two of {len(scores)} raters scored"
        raise ValueError(f"ratings: got {got}, expected at least two raters of the same images to compare")
    if np.count_nonzero(counts.sum(0)) < 2:
        raise ValueError("ratings: got equal scores only, expected at least two different ones")

    def alpha(of: np.ndarray) -> float:
        return krippendorff.alpha(value_counts=of, value_domain=SCORES, level_of_measurement=measurement)

    rng = np.random.default_rng(check_integer("seed", seed, 0))
    drawn = rng.integers(len(counts), size=(check_integer("resamples", resamples, 100), len(counts)))
    with np.errstate(invalid="ignore"):  # a resample with equal scores only has no alpha
        low, high = np.nanquantile([alpha(counts[rows]) for rows in drawn], [(1 - level) / 2, (1 + level) / 2])
    numbers = (float(alpha(counts)), float(low), float(high), level)
    return Agreement(*numbers, len(scores), len(counts), ratings.simulated)


@dataclass(frozen=True)
class ToldApart:
    """Whether raters tell the images of two groups apart.

    Attributes
    ----------
    a, b : str
        The groups.
    auc : float
        Probability that a rater gives a random image of ``b`` a higher score than one of ``a``, ties counting half;
        mean over raters. 0.5: the scores do not tell them apart; 1: every image of ``b`` scores higher.
    p_value : float
        Of an AUC as far from 0.5, over all raters together.
    accuracy : float or None
        Share of images called "raw" or "generated" rightly, mean over raters; None if that was not asked.
    accuracy_p_value : float or None
        Of an accuracy as far from that of chance, over all raters together.
    raters : DataFrame
        One row a rater: ``auc``, ``p_value``, ``accuracy``, ``chance``, the accuracy to be expected of these answers if
        labels are drawn anew, and ``accuracy_p_value``. With many raters some p-values are small by chance.
    left_out : tuple of str
        Raters who have not rated images of both groups.
    labelings : int
        Of the images, with which the true one is compared.
    exact : bool
        Whether these are all that there are.
    simulated : bool
    """

    a: str
    b: str
    auc: float
    p_value: float
    accuracy: float | None
    accuracy_p_value: float | None
    raters: pd.DataFrame
    left_out: tuple[str, ...]
    labelings: int
    exact: bool
    simulated: bool

    @property
    def null(self) -> str:
        """The null hypothesis of all these p-values."""
        which = f"all {self.labelings} labelings" if self.exact else f"{self.labelings} random labelings"
        return (
            f"Null: what raters say does not depend on the group, {self.a!r} or {self.b!r}, that an image is of."
            f" Compared with {which} of the images, the same for all raters; two-sided."
        )

    def __str__(self) -> str:
        lines = [
            f"{mark(self.simulated)}{self.b} scored above {self.a}: AUC = {self.auc:.3f} (0.5: not told apart),"
            f" p = {self.p_value:.2g}, {len(self.raters)} rater{'s' if len(self.raters) > 1 else ''}"
        ]
        if self.accuracy is not None:
            lines.append(f"called rightly: {self.accuracy:.3f}, p = {self.accuracy_p_value:.2g}")
        if self.left_out:
            lines.append(f"left out, as they did not rate both groups: {', '.join(self.left_out)}")
        return "\n".join([*lines, self.null])

    def _repr_html_(self) -> str:
        text = "<br>".join(map(escape, str(self).splitlines()))
        return f"<p>{text}</p>{self.raters.dropna(axis=1, how='all').round(3).to_html()}"


def told_apart(ratings, a: str = GENERATED, b: str = RAW, *, permutations: int = 9999, seed: int = 0) -> ToldApart:
    """Test whether raters tell the images of two groups apart, by their scores and by what they call them.

    Labels are permuted over images, for all raters at once: raters who look at the same images are not independent
    witnesses, and the test keeps its level however alike they are. Answers to "real or generated?" are used if ``b`` is
    "raw".

    Parameters
    ----------
    ratings : Ratings or DataFrame
    a, b : str
        Groups.
    permutations : int
        If there are no more labelings than that, all are used and p-values are exact; otherwise so many are drawn.
    seed : int
        Draws them.

    Returns
    -------
    ToldApart

    Raises
    ------
    TypeError, ValueError
        If there are no such groups, or no rater has rated images of both.
    """
    ratings = _check_pair(check_ratings("ratings", ratings), a, b)
    scores, left_out = _of_both(ratings, a, b)
    is_b = _belongs(ratings, scores, b)
    labelings, exact = draw_labelings(is_b, permutations, seed)
    known, ranks = scores.notna().to_numpy(), np.nan_to_num(stats.rankdata(scores, axis=1, nan_policy="omit"))
    auc, of_each, p_value = _test(lambda labels: _auc(labels, ranks, known), 0.5, is_b, labelings, exact)
    raters = pd.DataFrame({"auc": auc, "p_value": of_each}, index=scores.index)
    raters[["accuracy", "chance", "accuracy_p_value"]] = np.nan
    accuracy = accuracy_p_value = None
    called = _calls(ratings, scores) if b == RAW else None
    if called is not None:
        raw, made = ((called == call).to_numpy(float) for call in (RAW, GENERATED))
        n, share = (raw + made).sum(1), is_b.mean()
        chance = (share * raw.sum(1) + (1 - share) * made.sum(1)) / n
        found, of_each, accuracy_p_value = _test(
            lambda labels: (labels @ raw.T + (1 - labels) @ made.T) / n, chance, is_b, labelings, exact
        )
        columns = {"accuracy": found, "chance": chance, "accuracy_p_value": of_each}
        raters = raters.assign(**pd.DataFrame(columns, index=called.index))
        accuracy = float(found.mean())
    overall = (float(auc.mean()), p_value, accuracy, accuracy_p_value)
    return ToldApart(a, b, *overall, raters, left_out, len(labelings), exact, ratings.simulated)


def _calls(ratings, scores: pd.DataFrame) -> pd.DataFrame | None:
    """Lay out what raters called the images of ``scores``, without raters who were not asked; None if nobody was."""
    if "called" not in ratings.frame:
        return None
    called = _matrix(ratings, value="called").reindex(index=scores.index, columns=scores.columns)
    called = called[called.notna().any(axis=1)]
    return called if len(called) else None


def _check_pair(ratings, a: str, b: str):
    check_choice("a", a, ratings.groups)
    check_choice("b", b, ratings.groups)
    if a == b:
        raise ValueError(f"b: got {b!r} like a, expected another group")
    return ratings


def _of_both(ratings, a: str, b: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Lay out scores of two groups, raters by images, without raters who saw only one of the groups."""
    scores = _matrix(ratings, (a, b))
    is_b = _belongs(ratings, scores, b).astype(bool)
    both = scores.loc[:, is_b].notna().any(axis=1) & scores.loc[:, ~is_b].notna().any(axis=1)
    if not both.any():
        raise ValueError(f"ratings: got no rater of both {a!r} and {b!r}, expected at least one")
    return scores[both], tuple(scores.index[~both])


def _belongs(ratings, scores: pd.DataFrame, group: str) -> np.ndarray:
    """1 for images of a group, 0 for others, in the order of the columns."""
    group_of = ratings.frame.drop_duplicates("image").set_index("image")["group"]
    return (group_of[scores.columns] == group).to_numpy(float)


def draw_labelings(labels: np.ndarray, permutations: int, seed: int) -> tuple[np.ndarray, bool]:
    """Return labels of images dealt anew, float64 ``(m, n)`` of 0 and 1, and whether they are all that there are.

    Parameters
    ----------
    labels : ndarray
        ``(n,)`` of 0 and 1.
    permutations : int
        If there are more different labelings, so many are drawn.
    seed : int
    """
    permutations, seed = check_integer("permutations", permutations, 99), check_integer("seed", seed, 0)
    n, k = len(labels), int(labels.sum())
    if comb(n, k) > permutations:
        return np.random.default_rng(seed).permuted(np.tile(labels, (permutations, 1)), axis=1), False
    chosen = np.array(list(combinations(range(n), k)))
    labelings = np.zeros((len(chosen), n))
    np.put_along_axis(labelings, chosen, 1, axis=1)
    return labelings, True


def p_values(observed: np.ndarray, drawn: np.ndarray, exact: bool) -> np.ndarray:
    """Return the share of labelings as extreme as the true one, which counts among them (Phipson and Smyth 2010).

    Parameters
    ----------
    observed : ndarray
        Statistics of the true labeling, large if extreme, ``(...,)``.
    drawn : ndarray
        Those of the others, ``(m, ...)``.
    exact : bool
        Whether these are all labelings, the true one included.
    """
    as_extreme = (drawn >= observed - 1e-9).sum(0)  # equal but for rounding is equal
    return as_extreme / len(drawn) if exact else (as_extreme + 1) / (len(drawn) + 1)


def _test(statistic, center, labels, labelings, exact) -> tuple[np.ndarray, np.ndarray, float]:
    """Statistic of each rater, its two-sided p-value, and the p-value of the mean over raters."""
    observed, drawn = statistic(labels[None])[0], statistic(labelings)
    away, drawn_away = observed - center, drawn - center
    joint = p_values(np.abs(away.mean()), np.abs(drawn_away.mean(1)), exact)
    return observed, p_values(np.abs(away), np.abs(drawn_away), exact), float(joint)


def _auc(labels: np.ndarray, ranks: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each rater for each labeling, ``(m, raters)``; 0.5 where a group was not rated."""
    marked = labels @ known.T
    pairs = marked * (known.sum(1) - marked)
    above = labels @ ranks.T - marked * (marked + 1) / 2
    return np.where(pairs > 0, above / np.maximum(pairs, 1), 0.5)


@dataclass(frozen=True)
class Comparison:
    """Mean opinions of two groups, compared.

    Attributes
    ----------
    a, b : str
    difference : float
        Mean over images of ``a`` less that of ``b``, an image counting with the mean of its scores.
    p_value : float
        Of a difference as large, of either sign, if labels were dealt to the images at random.
    raters, images : int
    simulated : bool
    """

    a: str
    b: str
    difference: float
    p_value: float
    raters: int
    images: int
    simulated: bool

    def __str__(self) -> str:
        return (
            f"{mark(self.simulated)}{self.a} less {self.b}: {self.difference:+.2f}, p = {self.p_value:.2g}"
            f" ({self.raters} rater{'s' if self.raters > 1 else ''}, {self.images} images)"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


def compare(ratings, a: str, b: str, *, permutations: int = 9999, seed: int = 0) -> Comparison:
    """Test whether two groups have the same mean opinion score, by permuting labels over images.

    The null hypothesis is that images of both groups are draws from one population; raters are taken as they are.
    A t test over raters would not do: all raters see the same images, so that a few good ones make every rater prefer
    the same group.

    Parameters
    ----------
    ratings, a, b, permutations, seed
        As for `told_apart`.

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError, ValueError
        If there are no such groups.
    """
    ratings = _check_pair(check_ratings("ratings", ratings), a, b)
    scores = _matrix(ratings, (a, b))
    is_a = _belongs(ratings, scores, a)
    of_images = scores.mean(axis=0).to_numpy()[None]
    p_value = difference_p_values(of_images, is_a, *draw_labelings(is_a, permutations, seed))
    difference = float(_difference(of_images, is_a[None])[0, 0])
    return Comparison(a, b, difference, float(p_value[0]), *scores.shape, ratings.simulated)


def difference_p_values(values: np.ndarray, labels: np.ndarray, labelings: np.ndarray, exact: bool) -> np.ndarray:
    """Return two-sided p-values ``(s,)`` of the difference of means of marked and other images, in ``s`` studies.

    Parameters
    ----------
    values : ndarray
        Mean scores of the images, ``(s, n)``.
    labels : ndarray
        ``(n,)`` of 0 and 1.
    labelings, exact
        From `draw_labelings`.
    """
    observed, drawn = (np.abs(_difference(values, x)) for x in (labels[None], labelings))
    return p_values(observed[0], drawn, exact)


def _difference(values: np.ndarray, labelings: np.ndarray) -> np.ndarray:
    """Mean of marked images less that of the others, ``(m, s)``."""
    marked = labelings.sum(1, keepdims=True)
    inside = labelings @ values.T
    return inside / marked - (values.sum(1) - inside) / (values.shape[1] - marked)
