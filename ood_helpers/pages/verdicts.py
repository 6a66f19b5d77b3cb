"""The rules by which the chapters judge claims: functions of measured numbers, with the levels that decide.

A rule says "holds", "fails" or "undecided" (`claims.Outcome`); of domains judged one by one, also "depends". It is
undecided where the measured uncertainty reaches across the level that decides, and where a number is missing. A rule is
named after its claim, and says for what the chapter asks it; "toy" is the model ``toy-dog``, d = 12,288, and latents
are at t = 800 unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from .. import Bandwidth, astro, wilson_interval
from . import paper
from .claims import Outcome

Estimate = tuple[float, float]  # a value and its standard error


# Shapes that rules share; where a rule is a shape with a level of its own, it is written as `partial`


def decided(holds: bool, fails: bool) -> Outcome:
    """Say which of the two is so; neither: undecided."""
    return "holds" if holds else "fails" if fails else "undecided"


def checked(*checks: bool) -> Outcome:
    """Each check beside a proof is true; fails if one is not."""
    return decided(len(checks) > 0 and all(checks), not all(checks))


def interval_above(low: ArrayLike, high: ArrayLike, level: ArrayLike) -> Outcome:
    """Every interval lies above the level; fails if one lies below or ends at it."""
    low, high, level = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (low, high, level)))
    return decided(low.size > 0 and bool((low > level).all()), bool((high <= level).any()))


def all_above(values: ArrayLike, level: ArrayLike, errors: ArrayLike = 0.0) -> Outcome:
    """Every value lies above the level by more than its error; fails if one lies below by its error, or at it."""
    values, errors = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    return interval_above(values - errors, values + errors, level)


def all_below(values: ArrayLike, level: ArrayLike, errors: ArrayLike = 0.0) -> Outcome:
    """Every value lies below the level by more than its error; fails if one lies above by its error, or at it."""
    return all_above(-np.asarray(values, dtype=float), -np.asarray(level, dtype=float), errors)


def larger(a: Estimate, b: Estimate, times: float = 3.0) -> Outcome:
    """One value exceeds another by more than so many standard errors of the difference; fails if it falls short so."""
    gap, error = a[0] - b[0], times * float(np.hypot(a[1], b[1]))
    return decided(gap > error, gap < -error)


def more_than_half(counts: ArrayLike, total: int) -> Outcome:
    """Every count is more than half of the total; fails if one is not."""
    return all_above(np.divide(counts, total), 0.5)


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """All hold; fails if one fails."""
    found = list(outcomes)
    return decided(len(found) > 0 and set(found) == {"holds"}, "fails" in found)


def each(outcomes: Iterable[Outcome]) -> Outcome:
    """All hold, or all fail; some hold and some fail: it depends on the domain."""
    found = set(outcomes)
    return "depends" if {"holds", "fails"} <= found else decided(found == {"holds"}, found == {"fails"})


def any_of(outcomes: Iterable[Outcome]) -> Outcome:
    """One holds; fails if all fail."""
    return opposite(together(map(opposite, outcomes)))


def in_redraws(holds: ArrayLike, fails: ArrayLike) -> Outcome:
    """So in at least 95 of 100 redraws of what was measured; fails if the opposite is."""
    return decided(bool(np.mean(holds) >= 0.95), bool(np.mean(fails) >= 0.95))


def opposite(outcome: Outcome) -> Outcome:
    """What refutes one claim supports its opposite."""
    return decided(outcome == "fails", outcome == "holds")


def share_error(share: ArrayLike, total: int) -> np.ndarray:
    """Return the standard error of a share of so many."""
    return np.sqrt(np.multiply(share, np.subtract(1, share)) / total)


# Chapter 1: reconstruction
FAITHFUL = min(row.mae for row in paper.table_2().values())  # the smallest error that the paper prints for DDIM


def reconstructs_unseen(maes: ArrayLike, errors: ArrayLike) -> Outcome:
    """Every domain's mean error is below `FAITHFUL` by two standard errors (50 images of each of ten; toy, DDIM)."""
    return all_below(maes, FAITHFUL, 2 * np.asarray(errors))


def reconstructs_equally(own: Estimate, maes: ArrayLike, errors: ArrayLike) -> Outcome:
    """Every unseen domain's error is below twice that of the own one, by two standard errors (50 images of each)."""
    return all_below(np.asarray(maes) - 2 * own[0], 0, 2 * np.hypot(errors, 2 * own[1]))


def deterministic_bijection(maes: ArrayLike) -> Outcome:
    """Check of the proof: the error of copies falls with every doubling of the steps (two images; toy, DDIM)."""
    return all_below(np.diff(maes), 0)


def reconstruction_is_representation(*maes: ArrayLike) -> Outcome:
    """Fails if one of the formulas, which know nothing of the images, copies each faithfully (three of each of ten)."""
    return together(opposite(all_below(formula, FAITHFUL)) for formula in maes)


# Chapter 2: Gaussian priors
def lemma_c1(variance: str, variances: ArrayLike) -> Outcome:
    """Check of the proof: symbolically 1 - a_s, and all drawn variances within 0.016 of 1 (16 images)."""
    return together([checked(variance == "1 - a_s"), all_below(_off(variances, 1), 0.016)])


def inverted_gaussian(correlations: ArrayLike, coarse_power: ArrayLike) -> Outcome:
    """A spherical Gaussian is tenable for each cloud (of 52): neighbors correlate below 0.1, power within 25 %."""
    return together([all_below(_off(correlations, 0), 0.1), all_below(_off(coarse_power, 1), 0.25)])


def fig_3c(own: ArrayLike, errors: ArrayLike, others: ArrayLike) -> Outcome:
    """Each domain's latents are explained by their own images better than by others, and by less than half (52 images).

    Both by two standard errors: perceptible, and slight.
    """
    own, errors = np.asarray(own), 2 * np.asarray(errors)
    return together([all_above(own - np.asarray(others), 0, errors), all_below(own, 0.5, errors)])


def _off(values: ArrayLike, from_what: float) -> np.ndarray:
    return np.abs(np.asarray(values, dtype=float) - from_what)


# Chapters 3 and 4: geometry, separability
FARTHEST_FROM_90 = 2.4  # degrees, of the mean angles that the paper prints in Table 3
observation_1 = partial(all_below, level=0.1)
"""In every domain pair distances scatter by less than 10 % of their mean (52 latents of each of six; toy)."""
observation_2 = partial(all_below, level=6)
"""In every domain angles of three latents scatter by less than 6°, a tenth of 60° (52 latents of each of six; toy)."""


def within_bounds(*pairs: tuple[ArrayLike, ArrayLike]) -> Outcome:
    """Check of a proof (D.1 to D.5, C.2): of each pair the first, a share or an estimate, is at most the second."""
    return checked(*(bool(np.all(np.less_equal(exact, bound))) for exact, bound in pairs))


def observation_3(angles: ArrayLike) -> Outcome:
    """In every domain the mean angle at the origin is within `FARTHEST_FROM_90` of 90° (52 latents of each; toy)."""
    return all_below(_off(angles, 90), FARTHEST_FROM_90)


def pixels_75(scatters: ArrayLike, angles: ArrayLike) -> Outcome:
    """The images of no domain fulfill the first or the third observation (52 images of each of eight domains)."""
    return together([all_above(scatters, 0.1), all_above(_off(angles, 90), FARTHEST_FROM_90)])


def center_distances(ratios: ArrayLike, errors: ArrayLike = 0.0) -> Outcome:
    """Every distance of centers, without noise, exceeds d^(1/4), by two standard errors if known (52 latents; toy)."""
    return all_above(ratios, 1, 2 * np.asarray(errors))


def svm_separable(accuracies: ArrayLike, shuffled: ArrayLike, points: int) -> Outcome:
    """Every held-out accuracy exceeds 0.9 by two standard errors, and the best of shuffled labels (104 latents)."""
    errors = 2 * share_error(accuracies, points)
    return together([all_above(accuracies, 0.9, errors), all_above(accuracies, shuffled)])


def separable_earlier(early: ArrayLike, late: ArrayLike, points: int) -> Outcome:
    """No domain's accuracy is lower at t = 200 than at 999, one's is higher by two errors; fails if one is lower so."""
    gain = np.subtract(early, late)
    errors = 2 * np.hypot(share_error(early, points), share_error(late, points))
    return decided(bool((gain >= 0).all() and (gain > errors).any()), bool((gain < -errors).any()))


# Chapter 5: mode interference
def interference(quiet: int, loud: int, total: int) -> Outcome:
    """The interval of the rate lies below 0.1 at η = 0 and above 0.5 at η = 1 (24 images of each of six; toy).

    It takes 35 images or more to hold: of 24, none captured leaves an interval up to 0.14, and all is undecided.
    """
    (low, high), above = wilson_interval(quiet, total), interval_above(*wilson_interval(loud, total), 0.5)
    return together([interval_above(-high, -low, -0.1), above])


def noise_starts(called: int, total: int) -> Outcome:
    """All images from N(0, I) at one t are called dogs; undecided if too few to be sure of four in five (24; toy)."""
    return decided(called == total and wilson_interval(called, total).low > 0.8, called < total)


def bandwidths(found: Bandwidth, **tolerances: float) -> tuple[np.ndarray, np.ndarray, Estimate]:
    """Return B at each height, its errors, and its mean with an error: of images, resampled, and of the spaced etas."""
    b, drawn = found.largest_eta(**tolerances), found.bootstrap(**tolerances)
    spacing = (found.etas[1] - found.etas[0]) ** 2 / 12  # the variance of a place between two etas
    mean_error = np.sqrt(drawn.mean(1).var() + spacing / len(b))
    return b, np.sqrt(drawn.var(0) + spacing), (float(np.nan_to_num(b).mean()), float(mean_error))


def counterexamples(gaps: Mapping[str, Estimate], widths: Mapping[str, Estimate]) -> list[str]:
    """Return the pairs of which the first has the larger gap and the smaller bandwidth, each by three errors."""
    pairs = permutations(gaps, 2)
    return [f"{a} and {b}" for a, b in pairs if larger(gaps[a], gaps[b]) == larger(widths[b], widths[a]) == "holds"]


def bandwidth_law(gaps: ArrayLike, widths: ArrayLike, against: Sequence[str]) -> Outcome:
    """Ranks of gap and B correlate beyond chance; fails by one of the `counterexamples` (24 images of six; toy)."""
    rise = far_domains_easier(gaps, -np.asarray(widths))
    return decided(rise == "holds" and not against, len(against) > 0)


def bandwidth_image(domains: Iterable[tuple[np.ndarray, np.ndarray]]) -> Outcome:
    """In each domain B falls by three errors from t = 200 to 800; fails if between two heights it rises by two."""
    found = [(b, errors, np.diff(b) > 2 * np.hypot(errors[1:], errors[:-1])) for b, errors in domains]
    falls = [larger((b[0], errors[0]), (b[-1], errors[-1])) for b, errors, _ in found]
    rises = any(up.any() for _, _, up in found)
    return decided(not rises and together(falls) == "holds", rises)


def changes_sides(rates: Mapping[float, float]) -> float:
    """Return the highest t at which at least half of the predicted images are dogs; NaN if there is none."""
    return max((t for t, rate in rates.items() if rate >= 0.5), default=float("nan"))


def captured_draws(low: ArrayLike, high: ArrayLike) -> Outcome:
    """In a domain the interval of the share captured lies above 0.25; fails if it lies below in all (12 draws; toy).

    The claim is that draws *can* be captured, so one domain is enough. None of 12 leaves an interval up to 0.243.
    """
    return any_of(interval_above(*interval, 0.25) for interval in zip(np.ravel(low), np.ravel(high), strict=True))


bandwidth_gap = partial(larger, times=3.0)
"""The far domain's mean bandwidth exceeds the near one's by three errors (church and cat, 24 images of each; toy).

Where etas are 0.25 apart, a difference below 0.15 is undecided, however many images there are; 0.08 where 0.125.
"""


def t_800(turns: ArrayLike) -> Outcome:
    """With all the noise every prediction changes sides below t = 800 and above 600; fails if one does not.

    So no t but those near 800 would pass: t - 200 has to lie below the turns (6 images of each of four domains; toy).
    """
    return together([all_below(turns, 800), all_above(turns, 600)])


# Chapter 6: latent sampling
convex_combination = partial(all_above, level=0.95)
"""The middle of a line keeps more than 0.95 of the spread in every domain (200 of 52 latents, six domains; toy)."""


def copied(copies: ArrayLike, novelty: ArrayLike = 0.0) -> np.ndarray:
    """Whether a set was given, and not made: half of its images are copies, and its median `novelty` is below a half.

    Nearer than most real images is not near where all are about as far: dogs count as copies of radiation fields.
    """
    return (np.asarray(copies) >= 0.5) & (np.asarray(novelty) < 0.5)


def interpolation_generates(
    captured: int, total: int, distance: float, apart: float, error: float = 0.0, given: bool = False
) -> Outcome:
    """In a domain at most one image in ten is captured, and the set is new, and a quarter as far from it as dogs are.

    Fails if it is farther, if it is `copied`, thus ``given``, or if the interval of the rate lies above one in ten; the
    distance by two standard errors, if known. 64 images of each of six domains; toy.
    """
    near, few = all_below([distance], apart / 4, 2 * error), wilson_interval(captured, total).low <= 0.1
    return decided(near == "holds" and captured <= 0.1 * total and not given, near == "fails" or given or not few)


def middle_of_path(*gains: ArrayLike, errors: ArrayLike = 0.0, given: ArrayLike = False) -> Outcome:
    """From a weight of 0.1 to the middle diversity grows by each measure in every domain, by two standard errors.

    Fails if by one of them it falls so in one domain; ``errors`` in the order of the gains (64 images of six; toy).
    A domain does not count if at 0.1 its images are `copied`, thus ``given``: they are as diverse as the inputs.
    """
    gains, errors, given = np.broadcast_arrays(gains, errors, given)
    return all_above(gains[~given], 0, 2 * errors[~given])


RISE = 1 / np.sqrt(1 - 2 / 25) - 1  # of diversity from N = 25 to many, by the parents that two images have in common


def diversity_n(few: Sequence[Estimate], many: Sequence[Estimate]) -> Outcome:
    """In every domain diversity at N = 800 exceeds that at 25 by two standard errors (64 images of two; toy).

    Fails if it falls short by as much in one, or if in none it can be larger by `RISE`, 4 %.
    """
    (less, before), (more, after) = (np.asarray(x, dtype=float).T for x in (few, many))
    rise, error = more - less, 2 * np.hypot(before, after)
    level = bool((rise + error < RISE * less).all())
    return decided(bool((rise > error).all()), bool((rise < -error).any()) or level)


def far_domains_easier(gaps: ArrayLike, scores: ArrayLike) -> Outcome:
    """Scores fall with the gap: ranks correlate negatively beyond chance, p < 0.025; fails if positively (six; toy)."""
    gap, score = stats.rankdata(gaps), stats.rankdata(scores)
    found, chance = gap @ score, np.array([gap @ order for order in permutations(score)])
    below, above = np.mean(chance <= found + 1e-9), np.mean(chance >= found - 1e-9)
    return decided(bool(below < 0.025), bool(above < 0.025))


# Chapter 7: generation against tuning
def vanilla_fails(shares: ArrayLike, images: int) -> Outcome:
    """The mean share that stays in the training domain lies above one half, by both of two 95 % intervals.

    One is Wilson's, for all images together (48 of each tuned network); the other is Student's, for the networks, since
    the images of one network are not independent. Two networks decide little by it, one alone is left to the first.
    """
    counts = np.rint(np.asarray(shares) * images)
    low, high = wilson_interval(int(counts.sum()), images * counts.size)
    if counts.size > 1:
        reach = stats.t.ppf(0.975, counts.size - 1) * stats.sem(counts / images)
        low, high = min(low, np.mean(shares) - reach), max(high, np.mean(shares) + reach)
    return interval_above(low, high, 0.5)


JUDGES = ("kernel", "thumbnails")  # distances in a scorer's features, and between 16 x 16 thumbnails


def nearer_than_all(
    ours: Mapping[str, float], others: Iterable[Mapping[str, float]], judges: Sequence[str] = JUDGES
) -> Outcome:
    """One method is nearer to the domain than each other, for all judges, by two standard errors, and no copier.

    It fails if another one is nearer for one judge by as much, or if its images are `copied`: the inputs themselves
    must not win.
    """
    found = [_nearer_by(judge, other, ours) for other in others for judge in judges]
    return together([*found, checked(not copied(ours["copies"], ours.get("novelty", 0.0)))])


def nearer(other: Mapping[str, float], ours: Mapping[str, float], judge: str = "kernel") -> Outcome:
    """The distance of one way exceeds ours by two standard errors (32 to 64 images each).

    Undecided if the images of the nearer one are `copied`: so the inputs would win, too. The rows are those of a
    record, such as ``{"kernel": 0.1, "kernel_error": 0.01, "copies": 0.2, "novelty": 0.9}``.
    """
    outcome = _nearer_by(judge, other, ours)
    winner = ours if outcome == "holds" else other
    return "undecided" if copied(winner.get("copies", 0.0), winner.get("novelty", 0.0)) else outcome


def _nearer_by(judge: str, other: Mapping[str, float], ours: Mapping[str, float]) -> Outcome:
    return larger(*((row[judge], row[f"{judge}_error"]) for row in (other, ours)), times=2.0)


tuning_near = partial(larger, times=2.0)
"""The mean distance of far pairs exceeds that of near ones by two standard errors (8 and 13 pairs, 48 images)."""


def sampling_beats_tuning(outcomes: Sequence[Outcome]) -> Outcome:
    """Sampling is `nearer_than_all` tunings for more than half of the base models; fails if not for half (four)."""
    won, lost = (outcomes.count(what) for what in ("holds", "fails"))
    return decided(won > len(outcomes) / 2, lost > 0 and lost >= len(outcomes) / 2)


no_weight_touched = checked
"""Weights and samples are the same bits before and after (eight samples; toy)."""

# Chapters 8 to 11: astrophysics, domain transfer, model design, scale
CONFIDENT = 0.9  # the probability from which on a class counts
cosine_better = nearer
"""By a sampler the linear model's images are farther away than the other's (mean of four domains, 32 images each)."""
sampling_negligible = partial(all_below, level=0.01)
"""Drawing takes less than a hundredth of the time of the inversion (8 latents; toy, this machine)."""


def nearer_or_lost(ours: pd.DataFrame, tuned: pd.DataFrame, real: pd.DataFrame) -> pd.Series:
    """Return in which statistics ours is nearer to real images, or half as many tuned images as real ones have none."""
    pairs = {name: (astro.apart(ours[name], real[name]), astro.apart(tuned[name], real[name])) for name in real}
    return pd.Series({k: near < far or share < usual / 2 for k, ((near, *_), (far, share, usual)) in pairs.items()})


def redrawn_shares(
    ours: pd.DataFrame, tuned: pd.DataFrame, real: pd.DataFrame, stream: np.random.Generator, times: int = 100
) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """Return `nearer_or_lost`, its share in redraws of all images, and its share without each band of dust."""
    nearer = nearer_or_lost(ours, tuned, real)
    shares = []
    for _ in range(times):
        drawn = (table.sample(frac=1, replace=True, random_state=stream) for table in (ours, tuned, real))
        shares.append(nearer_or_lost(*drawn).mean())
    without = [nearer[[band not in name for name in nearer.index]].mean() for band in ("250", "24", "4.5")]
    return nearer, np.array(shares), np.array(without)


def sky_sampling_better(redrawn: ArrayLike, without: ArrayLike = (), copies: float = 0.0) -> Outcome:
    """Arcs are `nearer_or_lost` in three quarters of the statistics, also without any band; fails if in a quarter.

    The shares are those of redraws of all images (100 maps of each way, N = 50; toy). It does not hold if half of the
    maps by arcs are copies.
    """
    shares, without = np.asarray(redrawn), np.asarray(without)
    most = (shares >= 0.75) & (without >= 0.75).all() & (not copied(copies))
    least = (shares <= 0.25) & (without <= 0.25).all()
    return in_redraws(most, least)


def kept_edges(arrived: ArrayLike, left: ArrayLike, kept: ArrayLike, fine: ArrayLike = 1.0) -> Estimate:
    """Return the mean of the edges that a way keeps beyond those of others, with its error; zero if no way arrives.

    A way arrives if it brings three quarters over, to a quarter of the distance, with half to twice the fine power of
    real images: a drawing in new colors has more. Which of these ways counts for a picture is chosen by the other
    pictures, so that the best of six does not win by luck: kept is (ways, pictures).
    """
    there = (np.asarray(arrived) >= 0.75) & (np.asarray(left) <= 0.25) & (abs(np.log2(fine)) <= 1)
    edges = np.asarray(kept)[there]
    if not len(edges):
        return 0.0, 0.0
    best = (edges.sum(1, keepdims=True) - edges).argmax(0)
    chosen = edges[best, np.arange(edges.shape[1])]
    return float(chosen.mean()), float(chosen.std(ddof=1) / np.sqrt(len(chosen)))


def domain_transfer(edges: Estimate) -> Outcome:
    """`kept_edges` are above zero by three errors; fails if not by two (8 pictures of each domain; toy)."""
    mean, error = edges
    return decided(mean > 3 * error, mean <= 2 * error)


def base_quality_inherited(ranks: ArrayLike) -> Outcome:
    """All rank correlations are 1; fails if they are not positive on average (three trainings of three models).

    Distances of new images are redrawn with their scatter, and each row is a redraw: `in_redraws`.
    """
    ranks = np.atleast_2d(np.asarray(ranks, dtype=float))
    return in_redraws((ranks > 0.99).all(1), ranks.mean(1) <= 0)


# What others have found since


exact_reversal = partial(all_below, level=0.5 / 255)
"""Copies are off by less than half a gray level of 256 (median of eight images, 20 steps; toy)."""


def copies_certify_nothing(ends: ArrayLike, middles: ArrayLike) -> Outcome:
    """Of some rule the copies are good, below `FAITHFUL` / 10, and middles of the arc three times as far off (toy)."""
    ends, middles = np.asarray(ends, dtype=float), np.asarray(middles, dtype=float)
    good = ends < FAITHFUL / 10
    return any_of([all_above(middle, 3 * end) for end, middle in zip(ends[good], middles[good], strict=True)])


noise_first = deterministic_bijection
"""The correlation of neighbors falls with every larger number of replaced steps (eight churches; toy)."""

corrected_combinations = geodesics_better = nearer
"""Images by the other way are farther away than those by this one (36 images each; toy)."""


def linear_denoisers(shares: ArrayLike, errors: ArrayLike) -> Outcome:
    """At every height the filter predicts 0.9 of what the network predicts, by two standard errors (24 images; toy)."""
    return all_above(shares, 0.9, 2 * np.asarray(errors))


told_by_path = linear_denoisers
"""In every domain the area under the curve is above 0.9, by two standard errors (24 images of each; toy)."""


def spectral_collapse(power: float, error: float) -> Outcome:
    """The latents' power at high frequencies is below 0.9 of white noise, by two standard errors (48 sketches; toy)."""
    return all_below([power], 0.9, 2 * error)
