"""Figures of the book: they take data and return a matplotlib figure; they compute nothing scientific."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike

from .. import list_domains, to_picture
from ..checks import check_integer
from ..theory import Tail

WIDTH = 8.0  # inches: the text column of the book
PALETTE = "colorblind"
Curves = Mapping[str, tuple[ArrayLike, ArrayLike]]
Samples = Mapping[str, ArrayLike]
Images = torch.Tensor | Sequence[torch.Tensor | np.ndarray]
"""A batch ``(n, C, H, W)``, or any sequence of what `as_picture` takes."""


def use_book_style() -> None:
    """Set the book's look: a color-blind-safe palette, readable type, light axes. Call it once in a notebook.

    The environment variable OOD_HELPERS_DPI gives another resolution than 110 dots per inch, for print.
    """
    looks = {
        "figure.dpi": float(os.environ.get("OOD_HELPERS_DPI", 110)),
        "savefig.bbox": "tight",
        "figure.facecolor": "white",
        "axes.edgecolor": "0.3",
        "axes.titlesize": "medium",
        "lines.linewidth": 1.8,
        "image.interpolation": "nearest",
    }
    sns.set_theme(style="whitegrid", palette=PALETTE, rc=looks)


def latent_picture(latent: torch.Tensor) -> np.ndarray:
    """Show a latent: three standard deviations to either side of zero fill the range from black to white."""
    return to_picture(latent / 3)


def error_picture(image: torch.Tensor, copy: torch.Tensor, gain: float = 10.0) -> np.ndarray:
    """Show the absolute error on ``[0, 1]``, averaged over channels and magnified ``gain`` times, ``(H, W)``."""
    error = (image - copy).abs().mean(0).cpu().float() / 2
    return (gain * error).clamp(0, 1).numpy()


def as_picture(image: torch.Tensor | np.ndarray) -> np.ndarray:
    """Bring an image ``(C, H, W)`` in ``[-1, 1]``, C = 1 or 3, to a picture ``(H, W, 3)`` in ``[0, 1]``.

    An array ``(H, W, 3)`` or ``(H, W)`` is one and passes; any other shape raises ValueError.
    """
    if isinstance(image, torch.Tensor) and image.ndim == 3 and len(image) in (1, 3):
        return to_picture(image.expand(3, -1, -1))
    if isinstance(image, np.ndarray) and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        return image
    expected = "a tensor (C, H, W) with C = 1 or 3, or an array (H, W, 3) or (H, W)"
    raise ValueError(f"picture: got {type(image).__name__} of shape {tuple(np.shape(image))}, expected {expected}")


def picture_grid(rows: Mapping[str, Images], columns: Sequence[str] = (), width: float = WIDTH) -> Figure:
    """Lay pictures out in labeled rows.

    Parameters
    ----------
    rows : mapping of str to Images
        By labels; a picture ``(H, W)`` is drawn as darkness on white.
    columns : sequence of str
        Headings of the columns.
    width : float
        Inches.
    """
    across = max(len(pictures) for pictures in rows.values())
    size = (width, width / (across + 0.9) * len(rows) + 0.25)
    spaces = {"wspace": 0.04, "hspace": 0.04}
    figure, axes = plt.subplots(len(rows), across, figsize=size, squeeze=False, gridspec_kw=spaces)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, map(as_picture, pictures), strict=False):
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
    if check_integer("n", n, 1) % check_integer("rows", rows, 1):
        raise ValueError(f"n: got {n}, expected a multiple of {rows} rows")
    figure, axes = plt.subplots(rows, n // rows, figsize=(WIDTH * 1.15, height), layout="constrained", squeeze=False)
    return figure, axes.ravel()


def curves(
    lines: Curves, *, xlabel: str, ylabel: str, ax: Axes | None = None, log: str = "xy", legend: str | None = "best"
) -> Axes:
    """Draw curves, label -> ``(x, y)``, with markers that tell them apart without color; return the axes.

    ``log`` names the logarithmic axes; ``legend`` says where the legend goes, ``"outside"`` being right of the axes.
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
    if legend:
        beside = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        ax.legend(frameon=False, fontsize=9, **(beside if legend == "outside" else {"loc": legend}))
    sns.despine(ax=ax)
    return ax


def dots(
    values: Mapping[str, Mapping[str, float]], *, xlabel: str, ax: Axes, floor: Mapping[str, float] | None = None
) -> Axes:
    """Draw a row for each name, with a mark for each label, on a logarithmic axis; return the axes.

    ``values`` maps a label to its ``{name: x}``, ``floor`` a name to the ``x`` up to which its row is shaded.
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


def _numbers(labels: Iterable[str]) -> list[int]:
    """Number labels for colors and markers: a domain has the same number in all figures, other labels what is left."""
    labels, known = list(labels), list_domains()[:10]
    if len(labels) > 10:
        raise ValueError(f"labels: got {len(labels)}, expected at most 10")
    taken = {label: known.index(label) for label in labels if label in known}
    left = iter(sorted(set(range(10)) - set(taken.values())))
    return [taken[label] if label in taken else next(left) for label in labels]


def histograms(
    samples: Samples, *, xlabel: str, ax: Axes, bins: ArrayLike = 30, laws: Curves | None = None, legend: bool = True
) -> Axes:
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


def tails(d: ArrayLike, found: Mapping[str, Tail], *, ax: Axes) -> Axes:
    """Draw tails over ``d``: exact (solid), the normal bound (dashed), the stated one (dotted); return the axes."""
    for color, (label, tail) in zip(sns.color_palette(PALETTE), found.items(), strict=False):
        ax.plot(d, tail.exact, "-", color=color, label=label)
        ax.plot(d, tail.normal, "--", color=color, linewidth=1.2)
        ax.plot(d, tail.bound, ":", color=color, linewidth=1.6)
    ax.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="probability", ylim=(1e-6, 5))
    ax.legend(framealpha=0.9, edgecolor="none", fontsize=9)
    sns.despine(ax=ax)
    return ax


def contour_map(
    rate: np.ndarray, error: np.ndarray, etas: Sequence[float], heights: Sequence[float], *, ax: Axes, title: str
) -> ContourSet:
    """Draw interference over noise and height; return the filled contours, for a color bar.

    ``rate`` and ``error`` are ``(heights, etas)``. The solid line is where the rate reaches 0.1, the dashed one where
    the error does; dots mark what was measured, between them is linear interpolation.
    """
    filled = ax.contourf(etas, heights, rate, levels=np.linspace(0, 1, 11), cmap="cividis")
    for values, style in ((rate, "-"), (error, "--")):
        if np.min(values) < 0.1 < np.max(values):
            ax.contour(etas, heights, values, levels=[0.1], colors="black", linewidths=4.0, linestyles="-")
            ax.contour(etas, heights, values, levels=[0.1], colors="white", linewidths=1.8, linestyles=style)
    ax.plot(*(grid.ravel() for grid in np.meshgrid(etas, heights)), ".", color="0.75", markersize=3, clip_on=False)
    ax.set(title=title, xlabel="η", ylabel="t", yticks=heights)
    ax.grid(False)
    return filled


def shared_legend(figure: Figure, ax: Axes) -> Legend:
    """Put one legend under all panels of a figure, with the labels of one of them; return it."""
    labels = ax.get_legend_handles_labels()
    return figure.legend(*labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
