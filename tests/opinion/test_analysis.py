"""The analysis beside independent truth: published examples, scipy, hand-made variances, and known populations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ood_helpers.opinion.analysis import agreement, is_simulated, mean_opinion, told_apart
from ood_helpers.opinion.power import simulate_raters


def ratings(groups, called=None):
    """Ratings from scores, ``(raters, images)`` by group, NaN where there are none."""
    rows, number = [], 0
    for group, scores in groups.items():
        for i, column in enumerate(np.transpose(scores)):
            for rater, score in enumerate(column):
                if np.isfinite(score):
                    call = called[group][rater][i] if called else None
                    rows.append((f"rater-{rater}", f"{number + i:03d}", group, int(score), call))
        number += np.shape(scores)[1]
    return pd.DataFrame(rows, columns=["rater", "image", "group", "score", "called"])


def scores(rng, raters, images, low=1, high=5):
    return rng.integers(low, high + 1, (raters, images)).astype(float)


X = np.nan
PUBLISHED = [  # Krippendorff, Computing Krippendorff's alpha-reliability, 2011, example C: four observers, twelve units
    [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
    [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
]


def test_alpha_is_that_of_krippendorffs_example():
    found = agreement(ratings({"raw": PUBLISHED}))
    assert found == pytest.approx(0.815, abs=5e-4)


def test_alpha_is_one_for_raters_who_agree_and_about_zero_for_raters_who_guess():
    rng = np.random.default_rng(0)
    same = np.tile(scores(rng, 1, 40), (3, 1))
    assert agreement(ratings({"raw": same})) == 1
    assert abs(agreement(ratings({"raw": scores(rng, 5, 200)}))) < 0.1


def test_agreement_within_a_group_leaves_out_that_the_groups_differ():
    rng = np.random.default_rng(0)
    both = ratings({"generated": scores(rng, 4, 50, 1, 2), "raw": scores(rng, 4, 50, 4, 5)})
    assert agreement(both) > 0.6 and abs(agreement(both[both["group"] == "raw"])) < 0.15


def test_agreement_takes_two_raters():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="got no image that two raters scored"):
        agreement(ratings({"raw": scores(rng, 1, 9)}))
    with pytest.raises(ValueError, match="got no image that two raters scored"):
        agreement(ratings({"raw": [[1, 2, X, X], [X, X, 3, 4]]}))
    with pytest.raises(ValueError, match="got equal scores only"):
        agreement(ratings({"raw": [[3, 3], [3, 3]]}))


def test_mean_and_standard_deviation_are_those_of_single_scores():
    rng = np.random.default_rng(0)
    x = scores(rng, 3, 20)
    x[1, 5:] = np.nan
    found = mean_opinion(ratings({"generated": x, "raw": scores(rng, 3, 10)}))
    ours, given = found.loc["generated"], x[np.isfinite(x)]
    assert ours["mean"] == pytest.approx(given.mean()) and ours["std"] == pytest.approx(given.std(ddof=1))
    assert list(ours[["raters", "images", "ratings"]]) == [3, 20, 45] and ours[[1, 2, 3, 4, 5]].sum() == 45
    assert ours[5] == (given == 5).sum() and list(found.index) == ["generated", "raw"]


def test_with_all_scores_there_the_interval_is_that_of_the_analysis_of_variance():
    """Mean squares written out, with effects of raters and images large enough that no variance is cut off at 0."""
    rng = np.random.default_rng(1)
    effects = rng.normal(0, 0.7, (6, 1)) + rng.normal(0, 0.7, 30) + rng.normal(0, 0.5, (6, 30))
    x = np.clip(np.rint(3 + effects), 1, 5)
    by_rater, by_image, mean = x.mean(1), x.mean(0), x.mean()
    squares = (
        30 * np.sum((by_rater - mean) ** 2) / 5,
        6 * np.sum((by_image - mean) ** 2) / 29,
        np.sum((x - by_rater[:, None] - by_image + mean) ** 2) / (5 * 29),
    )
    variance = (squares[0] + squares[1] - squares[2]) / 180
    df = (180 * variance) ** 2 / (squares[0] ** 2 / 5 + squares[1] ** 2 / 29 + squares[2] ** 2 / 145)
    low, high = stats.t.interval(0.9, df, mean, np.sqrt(variance))
    found = mean_opinion(ratings({"raw": x}), 0.9).loc["raw"]
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_of_one_rater_the_interval_is_over_images():
    x = scores(np.random.default_rng(0), 1, 25)
    found = mean_opinion(ratings({"raw": x})).loc["raw"]
    wanted = stats.ttest_1samp(x[0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))
    equal = mean_opinion(ratings({"raw": np.full((2, 5), 3.0)})).loc["raw"]
    assert (equal.low, equal.high) == (pytest.approx(3), pytest.approx(3))


@pytest.mark.parametrize(
    ("raters", "images", "shares", "low", "high"),
    [
        (8, 30, (0.1, 0.4), 0.90, 0.99),
        (3, 30, (0.2, 0.3), 0.86, 0.98),  # three raters tell little of how much raters differ
        (4, 30, (0.0, 0.0), 0.95, 1.00),  # nor that they do not differ at all: too wide
        (1, 40, (0.0, 0.3), 0.90, 0.99),
    ],
)
def test_intervals_of_95_percent_hold_the_mean_in_about_95_percent_of_studies(raters, images, shares, low, high):
    """Raters and images are drawn anew in each of 200 studies: the share is known to 0.015, or 0.02 around 0.92."""
    held = []
    for seed in range(200):
        means, (rater_share, image_share) = {"g": (2.88, 0.93)}, shares
        drawn = simulate_raters(raters, images, means, rater_share=rater_share, image_share=image_share, seed=seed)
        found = mean_opinion(drawn).loc["g"]
        held.append(found.low <= 2.88 <= found.high)
    assert low <= np.mean(held) <= high


def test_an_interval_that_took_ratings_for_independent_would_be_too_narrow():
    """Why raters and images are counted: the plain interval holds the mean far too seldom."""
    held = 0
    for seed in range(100):
        x = simulate_raters(4, 40, {"g": (2.88, 0.93)}, seed=seed)["score"]
        held += abs(x.mean() - 2.88) < 1.96 * x.std() / np.sqrt(len(x))
    assert held / 100 < 0.7


def test_the_comparison_of_means_is_scipys_permutation_test():
    rng = np.random.default_rng(3)
    ours, theirs = scores(rng, 3, 5, 2, 5), scores(rng, 3, 5, 1, 4)
    found = told_apart(ratings({"ours": ours, "theirs": theirs}), "ours", "theirs")
    wanted = stats.permutation_test(
        (ours.mean(0), theirs.mean(0)), lambda a, b, axis: a.mean(axis) - b.mean(axis), vectorized=True, n_resamples=1e5
    )
    assert found.difference == pytest.approx(ours.mean() - theirs.mean())
    assert found.p_value == pytest.approx(wanted.pvalue)
    back = told_apart(ratings({"ours": ours, "theirs": theirs}), "theirs", "ours")
    assert back.difference == pytest.approx(-found.difference) and back.p_value == pytest.approx(found.p_value)


def test_accuracy_counts_what_was_called_rightly_with_the_interval_over_images():
    rng = np.random.default_rng(0)
    made, raw = scores(rng, 3, 12), scores(rng, 3, 8)
    right, wrong = {"generated": "generated", "raw": "raw"}, {"generated": "raw", "raw": "generated"}
    shape = {"generated": 12, "raw": 8}

    def judged(*raters):
        called = {group: [[rater[group]] * n for rater in raters] for group, n in shape.items()}
        groups = {"generated": made[: len(raters)], "raw": raw[: len(raters)]}
        return told_apart(ratings(groups, called), permutations=999)

    always = dict.fromkeys(shape, "raw")
    for rater, accuracy, rightly in ((right, 1, 20), (wrong, 0, 0), (always, 0.4, 8)):
        found, wanted = judged(rater), stats.binomtest(rightly, 20).proportion_ci(0.95, "wilson")
        assert found.accuracy == pytest.approx(accuracy) and (found.low, found.high) == pytest.approx(tuple(wanted))
    assert judged(right, wrong, always).accuracy == pytest.approx(1.4 / 3)
    unasked = told_apart(ratings({"generated": made, "raw": raw}), permutations=99)
    assert unasked.accuracy is unasked.low is unasked.high is None


def test_the_interval_of_accuracy_holds_for_raters_who_all_say_the_same():
    """Five raters who copy each other, right in 70 % of 40 images: the interval holds that in about 95 of 100 studies.

    If it took 200 answers for independent, it would in 60.
    """
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        says = np.where(rng.random(40) < 0.7, [["generated"] * 20 + ["raw"] * 20], [["raw"] * 20 + ["generated"] * 20])
        called = {"generated": np.repeat(says[:, :20], 5, 0), "raw": np.repeat(says[:, 20:], 5, 0)}
        ones = {group: np.ones((5, 20)) for group in called}
        found = told_apart(ratings(ones, called), permutations=99)
        held += found.low <= 0.7 <= found.high
    assert 0.91 <= held / 300 <= 0.99


def test_with_few_images_p_values_are_exact_shares_of_all_labelings():
    """The most extreme of 10 labelings and its mirror image, which five values have not."""
    found = told_apart(ratings({"raw": [[1, 1, 2]], "generated": [[5, 5]]}), permutations=99)
    assert found.difference == pytest.approx(11 / 3) and found.p_value == pytest.approx(0.1)


def test_p_values_are_uniform_if_raters_cannot_tell_though_all_see_the_same():
    """Of 200 studies without a difference in which raters nearly agree, at most a share alpha has p <= alpha.

    Three standard errors: 0.032 to 0.106 above.
    """
    found = []
    for seed in range(200):
        null = simulate_raters(
            4, 12, {"generated": (2.5, 1), "raw": (2.5, 1)}, rater_share=0.1, image_share=0.8, seed=seed
        )
        found.append(told_apart(null, permutations=99, seed=seed))
    p = np.array([f.p_value for f in found])
    for alpha in (0.02, 0.05, 0.1, 0.25, 0.5):
        assert np.mean(p <= alpha) < alpha + 3 * np.sqrt(alpha * (1 - alpha) / 200)
    assert abs(p.mean() - 0.5) < 0.08


def test_images_that_differ_are_told_apart():
    drawn = simulate_raters(3, 50, {"generated": (1.52, 0.80), "raw": (4.2, 0.8)}, seed=0)
    found = told_apart(drawn)
    assert found.difference < -2 and found.p_value == 1e-4


def test_every_result_of_simulated_ratings_says_so():
    drawn = simulate_raters(3, 20, {"generated": (2, 0.9), "raw": (4, 0.8)}, seed=0)
    assert is_simulated(drawn) and told_apart(drawn).simulated
    assert mean_opinion(drawn.iloc[::-1].copy()).index.name == "group (simulated)"
    real = ratings({"generated": scores(np.random.default_rng(0), 3, 9), "raw": scores(np.random.default_rng(1), 3, 9)})
    assert not is_simulated(real) and not told_apart(real).simulated
    assert mean_opinion(real).index.name == "group"


def test_bad_input_is_named():
    real = ratings({"generated": scores(np.random.default_rng(0), 2, 5), "raw": scores(np.random.default_rng(1), 2, 5)})
    for call, message in (
        (lambda: mean_opinion(real.drop(columns="group")), "ratings: got no columns group"),
        (lambda: mean_opinion(real.iloc[:0]), "ratings: got no rows"),
        (
            lambda: mean_opinion(real.assign(score=3.5)),
            r"ratings: got the score .*3\.5.*, expected integers from 1",
        ),
        (lambda: mean_opinion(pd.concat([real] * 2)), "ratings: got image '000' twice from 'rater-0'"),
        (lambda: mean_opinion(real, 1.0), r"level: got 1\.0, expected a number between 0 and 1"),
        (lambda: mean_opinion(ratings({"raw": [[3], [4]]})), "ratings: got one rated image of 'raw'"),
        (lambda: told_apart(real, "fake", "raw"), "a: got 'fake', expected one of generated, raw"),
        (lambda: told_apart(real, "raw", "raw"), "b: got 'raw', expected one of generated"),
        (lambda: told_apart(real, "raw", "generated", permutations=5), "permutations: got 5"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="ratings: got list, expected a DataFrame"):
        mean_opinion([1, 2])
