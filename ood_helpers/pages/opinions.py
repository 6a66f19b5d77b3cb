"""Figures of an opinion study; if the ratings are simulated, the figure says so."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from ..checks import check_choice
from ..opinion import SCORES, SIMULATED, PowerCurve, is_simulated, mean_opinion
from .figures import PALETTE, WIDTH, curves

HATCHES = ("", "//", "..", "\\\\", "xx")
PAPER = {"linestyle": "", "marker": "D", "markersize": 8, "markerfacecolor": "none"}


def score_bars(ratings, cited: Mapping | None = None, ax=None, *, level: float = 0.95):
    """Draw how often each group got each score, and above the bars its mean with the interval.

    Parameters
    ----------
    ratings : DataFrame
    cited : mapping, optional
        Group -> mean opinion score of the paper, a number or a `Generation` of `ood_helpers.pages.paper`; drawn as a
        hollow diamond at the height of our mean.
    ax : Axes, optional
    level : float
        Of the intervals.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        As from `mean_opinion`, or if a group that is cited was not rated.
    """
    found = mean_opinion(ratings, level)
    for group in cited or {}:
        check_choice("cited", group, found.index)
    ax = ax or plt.figure(figsize=(WIDTH * 0.62, 3.6)).gca()
    width = 0.8 / len(found)
    shares = found[list(SCORES)].div(found["ratings"], axis=0)
    top = shares.to_numpy().max()
    for number, (group, opinion) in enumerate(found.iterrows()):
        color, hatch = sns.color_palette(PALETTE)[number % 10], HATCHES[number % len(HATCHES)]
        x = np.array(SCORES) + (number - (len(found) - 1) / 2) * width
        ax.bar(x, shares.loc[group], width, color=(*color, 0.3), edgecolor=color, hatch=hatch, label=group)
        height = top * (1.12 + 0.1 * number)
        interval = [[opinion["mean"] - opinion["low"]], [opinion["high"] - opinion["mean"]]]
        ax.errorbar(opinion["mean"], height, xerr=interval, fmt="o", markersize=5, color=color, capsize=3)
        if group in (cited or {}):
            value = getattr(cited[group], "value", cited[group])
            ax.plot(value, height, color=color, **PAPER)
    ax.plot([], [], "o-", markersize=5, color="0.3", label=f"mean, {level:.0%} interval")
    if cited:
        ax.plot([], [], color="0.3", label="paper", **PAPER)
    ax.set(xlabel="score (5: highest quality)", ylabel="share of ratings", xticks=SCORES, xlim=(0.5, 5.5))
    ax.set_ylim(0, top * (1.12 + 0.1 * len(found)))
    ax.grid(False, axis="x")
    _legend_below(ax)
    sns.despine(ax=ax)
    if is_simulated(ratings):
        _say_simulated(ax)
    return ax


def power_plot(curve: PowerCurve | Mapping[str, PowerCurve], ax=None):
    """Draw the power of simulated studies over the number of raters, with two standard errors of the simulation.

    Parameters
    ----------
    curve : PowerCurve or mapping of str to PowerCurve
        One, or several by their labels.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    by_label = {" and ".join(curve.means): curve} if isinstance(curve, PowerCurve) else dict(curve)
    lines = {label: (found.n_raters, found.power) for label, found in by_label.items()}
    ax = curves(lines, xlabel="raters", ylabel="studies that tell them apart", ax=ax, log="", legend=None)
    for line, found in zip(list(ax.lines)[-len(by_label) :], by_label.values(), strict=True):
        ax.errorbar(found.n_raters, found.power, 2 * found.error, fmt="none", ecolor=line.get_color(), capsize=3)
    for level in {found.level for found in by_label.values()}:
        ax.axhline(level, color="0.3", linestyle=":", linewidth=1.2, label=f"level of the test, {level:g}")
    ax.set_ylim(0, 1.03)
    ax.set_xticks(sorted({n for found in by_label.values() for n in found.n_raters}))
    _legend_below(ax)
    _say_simulated(ax)
    return ax


def _legend_below(ax) -> None:
    """Put the legend where neither bars nor curves are."""
    ax.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def _say_simulated(ax) -> None:
    """Write it where a title set later does not cover it."""
    ax.set_title(SIMULATED, loc="right", fontsize=9, style="italic", color="0.3")
