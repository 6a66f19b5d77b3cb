"""Figures of the book: they take data and return a matplotlib figure; they compute nothing scientific."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .. import list_domains, to_picture
from ..theory import Tail

WIDTH = 8.0  # inches: the text column of the book
PALETTE = "colorblind"


def use_book_style() -> None:
    """Set the book's look: a color-blind-safe palette, readable type, light axes. Call it once in a notebook."""
    sns.set_theme(style="whitegrid", palette=PALETTE, font_scale=1.0)
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.bbox": "tight",
            "figure.facecolor": "white",
            "axes.edgecolor": "0.3",
            "axes.titlesize": "medium",
            "lines.linewidth": 1.8,
            "image.interpolation": "nearest",
        }
    )


def latent_picture(latent: torch.Tensor) -> np.ndarray:
    """Show a latent: three standard deviations to either side of zero fill the range from black to white."""
    return to_picture(latent / 3)


def error_picture(image: torch.Tensor, copy: torch.Tensor, gain: float = 10.0) -> np.ndarray:
    """Show the absolute error on ``[0, 1]``, averaged over channels and magnified ``gain`` times, ``(H, W)``."""
    error = (image - copy).abs().mean(0).cpu().float() / 2
    return (gain * error).clamp(0, 1).numpy()


def picture_grid(rows: Mapping[str, Sequence[np.ndarray]], columns: Sequence[str] = (), width: float = WIDTH) -> Figure:
    """Lay pictures out in labeled rows, with a heading over each column if there are any.

    Parameters
    ----------
    rows : mapping
        Label -> pictures, ``(H, W, 3)`` in ``[0, 1]``, or ``(H, W)`` drawn as darkness on white.
    columns : sequence of str
        Headings.
    width : float
        Inches.
    """
    across = max(len(pictures) for pictures in rows.values())
    cell = width / (across + 0.9)
    figure, axes = plt.subplots(
        len(rows),
        across,
        figsize=(width, cell * len(rows) + 0.25),
        squeeze=False,
        gridspec_kw={"wspace": 0.04, "hspace": 0.04},
    )
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, pictures, strict=False):
            axis.imshow(picture, cmap="gray_r" if picture.ndim == 2 else None, vmin=0, vmax=1)
        for axis in line:
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            sns.despine(ax=axis, left=True, bottom=True)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
    for axis, heading in zip(axes[0], columns, strict=False):
        axis.set_title(heading, fontsize=9, pad=3)
    return figure


def panels(n: int, height: float = 3.8, rows: int = 1) -> tuple[Figure, np.ndarray]:
    """Return a figure of the text column's width and its ``n`` axes, side by side in ``rows`` rows of equal length."""
    figure, axes = plt.subplots(rows, n // rows, figsize=(WIDTH * 1.15, height), layout="constrained", squeeze=False)
    return figure, axes.ravel()


def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    ax=None,
    log: str = "xy",
    legend: str | None = "best",
):
    """Draw labeled curves with markers that tell them apart without color; return the axes.

    ``lines`` maps a label to its ``(x, y)``; ``log`` names the logarithmic axes; ``legend`` says where the legend goes,
    ``"outside"`` being to the right of the axes.
    """
    ax = ax or plt.figure(figsize=(WIDTH * 0.62, 3.6)).gca()
    colors, markers = sns.color_palette(PALETTE), "osD^vPX*<>"
    for (label, (x, y)), number in zip(lines.items(), _numbers(lines), strict=True):
        ax.plot(x, y, color=colors[number], marker=markers[number], markersize=5, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    for letter in log:
        ax.set(**{f"{letter}scale": "log"})
        axis = getattr(ax, f"{letter}axis")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    if legend == "outside":
        ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.01, 0.5))
    elif legend:
        ax.legend(frameon=False, fontsize=9, loc=legend)
    sns.despine(ax=ax)
    return ax


def dots(values: Mapping[str, Mapping[str, float]], *, xlabel: str, ax, floor: Mapping[str, float] | None = None):
    """Draw a row for each name, with a mark for each label, on a logarithmic axis.

    ``values`` maps a label to its ``{name: x}``, ``floor`` a name to the ``x`` up to which its row is shaded. Returns
    the axes.
    """
    names = list(next(iter(values.values())).keys())
    for row, name in enumerate(names if floor is not None else ()):
        ax.barh(row, floor[name], height=0.8, color="0.85", zorder=0, label="" if row else "chance")
    offsets = np.linspace(-0.22, 0.22, len(values))
    for mark, offset, (label, found) in zip("osD^vP*X", offsets, values.items(), strict=False):
        places = np.arange(len(names)) + offset
        ax.plot([found[name] for name in names], places, mark, markersize=5.5, label=label, zorder=2)
    ax.set(xscale="log", xlabel=xlabel, yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
    ax.set_yticklabels(names)
    ax.grid(axis="y", visible=False)
    sns.despine(ax=ax)
    return ax


def _numbers(labels) -> list[int]:
    """Number labels for colors and markers: a domain has the same number in all figures, other labels what is left."""
    taken = {label: list_domains().index(label) for label in labels if label in list_domains()}
    left = iter(sorted(set(range(10)) - set(taken.values())))
    return [taken[label] if label in taken else next(left) for label in labels]


def histograms(samples: Mapping[str, Sequence[float]], *, xlabel: str, ax, bins=30, laws=None, legend=True):
    """Draw the distributions of labeled samples as outlines, and laws as dashed black lines; return the axes.

    ``laws`` maps a label to ``(x, density)``; ``legend=False`` leaves the legend to the caller.
    """
    colors, hatches = sns.color_palette(PALETTE), ("", "//", "..", "\\\\", "xx", "++", "oo", "--", "**", "||")
    for (label, values), number in zip(samples.items(), _numbers(samples), strict=True):
        color, hatch = colors[number], hatches[number]
        ax.hist(values, bins=bins, density=True, histtype="stepfilled", alpha=0.25, color=color, hatch=hatch)
        ax.hist(values, bins=bins, density=True, histtype="step", linewidth=1.8, color=color, label=label)
    for style, (label, (x, density)) in zip(("--", ":", "-."), (laws or {}).items(), strict=False):
        ax.plot(x, density, style, color="black", label=label)
    ax.set(xlabel=xlabel, ylabel="density")
    if legend:
        ax.legend(frameon=False, fontsize=9)
    sns.despine(ax=ax)
    return ax


def tails(d: Sequence[int], found: Mapping[str, Tail], *, ax):
    """Draw small probabilities over the dimension: exact (solid), the normal bound (dashed), the stated one (dotted).

    ``found`` maps a label to a `Tail` over ``d``. Returns the axes.
    """
    for color, (label, tail) in zip(sns.color_palette(PALETTE), found.items(), strict=False):
        ax.plot(d, tail.exact, "-", color=color, label=label)
        ax.plot(d, tail.normal, "--", color=color, linewidth=1.2)
        ax.plot(d, tail.bound, ":", color=color, linewidth=1.6)
    ax.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="probability", ylim=(1e-6, 5))
    ax.legend(framealpha=0.9, edgecolor="none", fontsize=9)
    sns.despine(ax=ax)
    return ax


def contour_map(rate, error, etas, heights, *, ax, title: str, tolerance: float = 0.1, max_error: float = 0.1):
    """Draw interference over noise and height as filled contours, and the two borders of the bandwidth.

    ``rate`` and ``error`` are ``(heights, etas)``. The solid line is where the rate reaches ``tolerance``, the dashed
    one where the error reaches ``max_error``; dots mark what was measured, between them is linear interpolation.
    Returns the filled contours, for a color bar.
    """
    filled = ax.contourf(etas, heights, rate, levels=np.linspace(0, 1, 11), cmap="cividis")
    for values, level, style in ((rate, tolerance, "-"), (error, max_error, "--")):
        if np.min(values) < level < np.max(values):
            ax.contour(etas, heights, values, levels=[level], colors="black", linewidths=4.0, linestyles="-")
            ax.contour(etas, heights, values, levels=[level], colors="white", linewidths=1.8, linestyles=style)
    ax.plot(*(grid.ravel() for grid in np.meshgrid(etas, heights)), ".", color="0.75", markersize=3, clip_on=False)
    ax.set(title=title, xlabel="η", ylabel="t", yticks=heights)
    ax.grid(False)
    return filled


def shared_legend(figure: Figure, ax):
    """Put one legend under all panels of a figure, with the labels of one of them; return it."""
    return figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=9
    )
