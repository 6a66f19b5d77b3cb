"""Figures of an opinion study; if the ratings are simulated, the figure says so."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ..checks import check_choice
from ..opinion import SCORES, SIMULATED, PowerCurve, is_simulated, mean_opinion
from .figures import PALETTE, WIDTH, curves
from .paper import Generation

HATCHES = ("", "//", "..", "\\\\", "xx")
PAPER = {"linestyle": "", "marker": "D", "markersize": 8, "markerfacecolor": "none"}


def score_bars(
    ratings: pd.DataFrame, cited: Mapping[str, float | Generation] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how often each group got each score, and above the bars its mean with the 95 % interval.

    ``cited`` maps groups to mean opinion scores of the paper, drawn as hollow diamonds at the height of our means.
    Raises TypeError or ValueError as `mean_opinion`, or if a group that is cited was not rated.
    """
    found, cited = mean_opinion(ratings), cited or {}
    for group in cited:
        check_choice("cited", group, found.index)
    ax = ax or plt.figure(figsize=(WIDTH * 0.62, 3.6)).gca()
    width, shares = 0.8 / len(found), found[list(SCORES)].div(found["ratings"], axis=0)
    top = shares.to_numpy().max()
    for number, (group, opinion) in enumerate(found.iterrows()):
        color, hatch = sns.color_palette(PALETTE)[number % 10], HATCHES[number % len(HATCHES)]
        x, height = np.array(SCORES) + (number - (len(found) - 1) / 2) * width, top * (1.12 + 0.1 * number)
        ax.bar(x, shares.loc[group], width, color=(*color, 0.3), edgecolor=color, hatch=hatch, label=group)
        interval = [[opinion["mean"] - opinion["low"]], [opinion["high"] - opinion["mean"]]]
        ax.errorbar(opinion["mean"], height, xerr=interval, fmt="o", markersize=5, color=color, capsize=3)
        if group in cited:
            ax.plot(getattr(cited[group], "value", cited[group]), height, color=color, **PAPER)
    ax.plot([], [], "o-", markersize=5, color="0.3", label="mean, 95% interval")
    if cited:
        ax.plot([], [], color="0.3", label="paper", **PAPER)
    ax.set(xlabel="score (5: highest quality)", ylabel="share of ratings", xticks=SCORES, xlim=(0.5, 5.5))
    ax.set_ylim(0, top * (1.12 + 0.1 * len(found)))
    ax.grid(False, axis="x")
    sns.despine(ax=ax)
    return _finish(ax, is_simulated(ratings))


def power_plot(curve: PowerCurve | Mapping[str, PowerCurve], ax: Axes | None = None) -> Axes:
    """Draw a power curve, or several by label, with two standard errors of the simulation."""
    by_label = {" and ".join(curve.means): curve} if isinstance(curve, PowerCurve) else dict(curve)
    lines = {label: (found.n_raters, found.power) for label, found in by_label.items()}
    ax = curves(lines, xlabel="raters", ylabel="studies that tell them apart", ax=ax, log="", legend=None)
    for line, found in zip(list(ax.lines)[-len(by_label) :], by_label.values(), strict=True):
        ax.errorbar(found.n_raters, found.power, 2 * found.error, fmt="none", ecolor=line.get_color(), capsize=3)
    for level in {found.level for found in by_label.values()}:
        ax.axhline(level, color="0.3", linestyle=":", linewidth=1.2, label=f"level of the test, {level:g}")
    ax.set_ylim(0, 1.03)
    ax.set_xticks(sorted({n for found in by_label.values() for n in found.n_raters}))
    return _finish(ax, True)


def _finish(ax: Axes, simulated: bool) -> Axes:
    """Put the legend where neither bars nor curves are, and say "simulated" where a title set later is not."""
    ax.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    if simulated:
        ax.set_title(SIMULATED, loc="right", fontsize=9, style="italic", color="0.3")
    return ax
