"""Simulated raters have the opinions asked for, and the test that is to tell them apart keeps its level."""

import numpy as np
import pytest
from scipy import stats

from ood_helpers.opinion.analysis import told_apart
from ood_helpers.opinion.power import latent_normal, power_curve, raters_needed, simulate_raters
from ood_helpers.pages.paper import TABLE_1

NUMBERS = [number for row in TABLE_1.values() for number in row.values()]
OPINIONS = [(number.value, number.spread) for number in NUMBERS if number.scale == "MOS"]
GALAXY = {"ours": (2.88, 0.93), "CLIP tuning": (1.84, 0.97)}
RADIATION = {"ours": (1.52, 0.80), "CLIP tuning": (1.35, 0.74)}


@pytest.mark.parametrize(("mean", "std"), [*OPINIONS, (3.0, 1.9), (3.0, 0.1), (4.9, 0.31), (1.01, 0.1)])
def test_a_rounded_normal_variable_has_the_mean_and_spread_asked_for(mean, std):
    """By quadrature of the normal density, to check the sum over cells that the solver uses."""
    mu, sigma = latent_normal(mean, std)
    probabilities = stats.norm.cdf((np.arange(1.5, 5) - mu) / sigma)
    p = np.diff([0, *probabilities, 1])
    assert p @ np.arange(1, 6) == pytest.approx(mean, abs=1e-6)
    assert np.sqrt(p @ np.arange(1, 6) ** 2 - mean**2) == pytest.approx(std, abs=1e-5)


@pytest.mark.parametrize(("mean", "std"), OPINIONS)
def test_simulated_scores_have_the_mean_and_spread_asked_for(mean, std):
    """40,000 independent scores: four standard errors, that of the spread by the delta method."""
    x = simulate_raters(40, 1000, {"g": (mean, std)}, rater_share=0, image_share=0)["score"].to_numpy(float)
    error = np.sqrt((np.mean((x - mean) ** 4) - std**4) / len(x)) / (2 * std)
    assert x.mean() == pytest.approx(mean, abs=4 * std / 200) and x.std() == pytest.approx(std, abs=4 * error)
    assert set(x) <= {1, 2, 3, 4, 5}


def test_over_many_raters_and_images_effects_change_neither():
    """Raters' effects shift the mean of a study: 300 raters leave a standard error of about 0.025."""
    x = simulate_raters(300, 300, {"g": (2.88, 0.93)}, rater_share=0.2, image_share=0.2)["score"]
    assert x.mean() == pytest.approx(2.88, abs=0.14) and x.std() == pytest.approx(0.93, abs=0.06)


def test_shares_say_whose_the_variance_is():
    def scores(**shares):
        frame = simulate_raters(6, 30, {"g": (2.88, 0.93)}, **shares)
        return frame.pivot(index="rater", columns="image", values="score").to_numpy()

    only_raters, only_images = scores(rater_share=1, image_share=0), scores(rater_share=0, image_share=1)
    assert np.ptp(only_raters, axis=1).max() == 0 and np.ptp(only_raters) > 0
    assert np.ptp(only_images, axis=0).max() == 0 and np.ptp(only_images) > 0


def test_simulated_ratings_are_marked_and_repeatable():
    drawn = simulate_raters(2, 3, GALAXY, seed=5)
    assert drawn["rater"].str.startswith("simulated").all() and len(drawn) == 12 and set(drawn["group"]) == set(GALAXY)
    assert drawn["score"].equals(simulate_raters(2, 3, GALAXY, seed=5)["score"])
    assert not drawn["score"].equals(simulate_raters(2, 3, GALAXY, seed=6)["score"])


def test_what_no_scores_can_have_is_refused():
    with pytest.raises(ValueError, match=r"means\['g'\], std: got 0.2, expected a number between 0.325 and 1.996"):
        simulate_raters(2, 3, {"g": (2.88, 0.2)})
    with pytest.raises(ValueError, match=r"means\['g'\], std: got 1.5, expected a number between 0.477 and 1.130"):
        simulate_raters(2, 3, {"g": (1.35, 1.5)})
    with pytest.raises(ValueError, match=r"means\['g'\], mean: got 5, expected a number between 1 and 5"):
        simulate_raters(2, 3, {"g": (5, 0.5)})
    with pytest.raises(ValueError, match=r"image_share: got 0.6, expected at most 0.5 beside rater_share"):
        simulate_raters(2, 3, GALAXY, rater_share=0.5, image_share=0.6)
    with pytest.raises(ValueError, match=r"rater_share: got -0.1"):
        power_curve(GALAXY, rater_share=-0.1)
    with pytest.raises(ValueError, match="means: got ours, expected those of two groups"):
        power_curve({"ours": (2, 1)})
    with pytest.raises(ValueError, match="n_raters: got no number, expected"):
        power_curve(GALAXY, ())
    with pytest.raises(ValueError, match="level: got 0"):
        power_curve(GALAXY, level=0)
    with pytest.raises(ValueError, match="power: got 1, expected a number between 0 and 1"):
        raters_needed(GALAXY, power=1)


@pytest.mark.parametrize("shares", [(0.2, 0.3), (0.1, 0.8)])
def test_without_a_difference_studies_find_one_no_oftener_than_the_level(shares):
    """2000 studies each: three standard errors of 0.05 are 0.0146."""
    alike = {"ours": (1.52, 0.80), "others": (1.52, 0.80)}
    curve = power_curve(
        alike, (1, 5, 12), n_images=25, studies=2000, rater_share=shares[0], image_share=shares[1], permutations=399
    )
    assert np.all(curve.power < 0.05 + 0.0146) and np.all(curve.power > 0.05 - 0.02)


def test_a_t_test_over_raters_would_not_keep_the_level():
    """Why images are permuted: raters share them, so that differences by chance look alike to all raters."""
    rejected = []
    for seed in range(100):
        frame = simulate_raters(8, 25, {"a": (2.5, 1), "b": (2.5, 1)}, seed=seed)
        means = frame.groupby(["rater", "group"])["score"].mean().unstack()
        rejected.append(stats.ttest_rel(means["a"], means["b"]).pvalue < 0.05)
    assert np.mean(rejected) > 0.2


def test_a_simulated_study_is_judged_as_a_real_one_is():
    """By scipy's test: a level just above its p-value rejects, one just below does not; 0.03 are three errors."""
    for seed in range(12):
        study = simulate_raters(3, 20, RADIATION, seed=seed)
        p_value = told_apart(study, "ours", "CLIP tuning", permutations=4999, seed=seed).p_value
        for level, rejected in ((p_value + 0.03, 1), (p_value - 0.03, 0)):
            if 0 < level < 1:
                settings = {"level": level, "n_images": 20, "studies": 1, "permutations": 4999, "seed": seed}
                assert power_curve(RADIATION, (3,), **settings).power[0] == rejected


def test_with_independent_scores_power_is_that_of_the_normal_approximation():
    """Difference 0.17, variance of a score 0.594 on average: one standard error of power is at most 0.016."""
    curve = power_curve(RADIATION, (1, 4, 8), rater_share=0, image_share=0, studies=1000)
    for n, power in zip(curve.n_raters, curve.power, strict=True):
        shift = 0.17 / np.sqrt((0.80**2 + 0.74**2) / (50 * n))
        assert power == pytest.approx(stats.norm.cdf(shift - 1.96) + stats.norm.cdf(-shift - 1.96), abs=0.05)


def test_galaxies_take_one_rater_and_radiation_fields_more_images():
    assert raters_needed(GALAXY, most=3, studies=300) == 1
    assert raters_needed(RADIATION, most=12, studies=300) is None
    many = raters_needed(RADIATION, most=12, studies=300, n_images=200)
    curve = power_curve(RADIATION, range(1, 13), studies=300, n_images=200)
    assert 1 <= many <= 4 and curve.power[many - 1] >= 0.8 > max([0, *curve.power[: many - 1]])


def test_the_error_of_a_curve_is_not_0_where_all_studies_agree():
    curve = power_curve(GALAXY, (1, 2), studies=100)
    assert curve.n_raters == (1, 2) and curve.power[1] == 1 and 0 < curve.error[1] < 0.03
