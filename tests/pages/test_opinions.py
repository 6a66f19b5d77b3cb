"""Figures of a study: what is drawn is what was found, the paper's value is hollow, simulated ratings are named so."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ood_helpers.opinion.analysis import mean_opinion
from ood_helpers.opinion.power import power_curve, simulate_raters
from ood_helpers.pages.opinions import power_plot, score_bars
from ood_helpers.pages.paper import TABLE_1


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


MEANS = {"CLIP tuning": (1.84, 0.97), "generated": (2.88, 0.93)}


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_bars_are_shares_and_the_papers_value_is_a_hollow_marker():
    ratings = simulate_raters(3, 20, MEANS)
    ax = score_bars(ratings, {"generated": TABLE_1["Ours"]["galaxy"], "CLIP tuning": 1.84})
    found = mean_opinion(ratings)
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(2, 5)
    assert heights.sum(1) == pytest.approx([1, 1])
    assert heights[1] == pytest.approx(found.loc["generated", [1, 2, 3, 4, 5]].to_numpy(float) / 60)
    hollow = [line for line in ax.lines if line.get_marker() == "D" and len(line.get_xdata())]
    assert [float(line.get_xdata()[0]) for line in hollow] == [1.84, 2.88]
    assert all(line.get_markerfacecolor() == "none" for line in hollow)
    assert labels(ax) == ["mean, 95% interval", "paper", "CLIP tuning", "generated"]
    assert ax.get_ylim()[1] > heights.max()


def test_simulated_ratings_are_called_so_and_real_ones_are_not():
    ratings = simulate_raters(2, 10, MEANS)
    ax = score_bars(ratings)
    ax.set_title("set later")
    assert ax.get_title(loc="right") == "simulated"
    named = ratings.assign(rater=ratings["rater"].str.replace("simulated", "rater"))
    _, other = plt.subplots()
    assert score_bars(named, ax=other) is other and other.get_title(loc="right") == ""


def test_who_was_not_rated_cannot_be_cited():
    with pytest.raises(ValueError, match="cited: got 'raw', expected one of"):
        score_bars(simulate_raters(2, 5, MEANS), {"raw": 4.0})


def test_power_is_drawn_with_its_level_and_called_simulated():
    curve = power_curve(MEANS, (1, 3), studies=50, n_images=5)
    ax = power_plot(curve)
    assert ax.lines[0].get_ydata() == pytest.approx(curve.power) and ax.get_title(loc="right") == "simulated"
    assert labels(ax) == ["CLIP tuning and generated", "level of the test, 0.05"]
    ax = power_plot({"galaxy": curve, "radiation": curve}, plt.subplots()[1])
    assert labels(ax)[:2] == ["galaxy", "radiation"] and list(ax.get_xticks()) == [1, 3]
