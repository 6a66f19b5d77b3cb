"""One panel a chapter: a few controls, and what a small model answers, in about a second.

In JupyterLab a panel has sliders, a *Reset*, and the line of code that makes what it shows. Where nothing listens to
sliders, as in the book's pages, it shows what it shows at first. `panel` makes a panel of any function; the functions
below are those of the chapters.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

import ood_helpers as ood

from .. import astro, theory
from . import figures, tables
from .shared import SEED, record

STATIC = "OOD_HELPERS_STATIC"  # set where nobody can move a slider; the build of the book sets it
STEPS = {"precision": "float32", "progress": False}


def panel(show: Callable[..., Figure], **controls: Sequence[Any]) -> None:
    """Show what a function answers, with a slider for each of its arguments.

    Parameters
    ----------
    show : callable
        Takes the controls' values by name and returns a figure.
    **controls : sequence
        The values that each argument can take; it starts with the first.
    """
    from IPython.display import display

    start = {name: values[0] for name, values in controls.items()}
    if STATIC in os.environ:
        display(show(**start))
        plt.close("all")
        return
    import ipywidgets as widgets

    def control(name: str, values: Sequence[Any]):
        chosen = {"value": values[0], "description": name}
        if all(isinstance(value, int | float) for value in values):
            return widgets.SelectionSlider(options=sorted(values), continuous_update=False, **chosen)
        return widgets.Dropdown(options=list(values), **chosen)

    boxes = {name: control(name, values) for name, values in controls.items()}
    code, picture = widgets.HTML(), widgets.Output()
    reset = widgets.Button(description="Reset", tooltip="Back to what the panel showed at first")

    def update(_=None) -> None:
        chosen = {name: box.value for name, box in boxes.items()}
        code.value = f"<code>{_call(show, chosen)}</code>"
        with picture:
            picture.clear_output(wait=True)
            display(show(**chosen))
            plt.close("all")

    def back(_=None) -> None:
        for name, box in boxes.items():
            box.value = start[name]

    for box in boxes.values():
        box.observe(update, names="value")
    reset.on_click(back)
    update()
    display(widgets.VBox([*boxes.values(), reset, code, picture]))


def _call(show: Callable, chosen: dict[str, Any]) -> str:
    """Return the code of a call, as a reader would write it."""
    given = chosen
    if isinstance(show, partial):
        show, given = show.func, {**show.keywords, **chosen}
    return f"panels.{show.__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


_model = cache(ood.load_model)


@cache
def _images(domain: str, n: int = 8) -> torch.Tensor:
    return ood.load_domain(domain, n, 64, SEED)


@cache
def _latents(name: str, domain: str, t: int = 800, steps: int = 12, n: int = 2) -> torch.Tensor:
    return ood.invert(_model(name), _images(domain)[:n], t=t, steps=steps, solver="unipc", **STEPS)


def _odds(image: torch.Tensor, own: str, other: str) -> str:
    """How many of 100 the judge would call the training domain's."""
    return f"{100 * float(ood.capture_odds(image[None], own, other)[0]):.0f} % {own}"


def walk(model="toy-dog", domain="church", t=800, steps=20, solver="ddim", eta=0.0) -> Figure:
    """Chapters 1 and 12: one image, its latent, its copy, and its error; with fresh noise the walk down is DDIM's."""
    frozen, image = _model(model), _images(domain)[:1]
    latent = ood.invert(frozen, image, t=t, steps=steps, solver=solver, **STEPS)
    noise = torch.Generator().manual_seed(0)
    down = "ddim" if eta else solver  # the other rules are deterministic
    copy = ood.denoise(frozen, latent, t=t, steps=steps, solver=down, eta=eta, generator=noise, **STEPS)
    error = float(ood.reconstruction_error(image, copy.clamp(-1, 1))[0])
    shown = [
        image[0],
        figures.latent_picture(latent[0]),
        copy[0].clamp(-1, 1),
        figures.error_picture(image[0], copy[0]),
    ]
    return figures.picture_grid({domain: shown}, ("image", "latent", f"copy, MAE {error:.4f}", "error × 10"))


def whiteness(model="toy-dog", domain="church", t=800) -> Figure:
    """Chapters 2 and 3: a latent beside white noise, with its radius and the correlation of neighbors."""
    latent = _latents(model, domain, t)[0]
    white = torch.randn(latent.shape, generator=torch.Generator().manual_seed(0))
    told = []
    for z in (latent, white):
        z = z - z.mean()
        neighbors = float((z[..., 1:] * z[..., :-1]).mean() / z.square().mean())
        told.append(f"radius {float(z.norm()) / z.numel() ** 0.5:.2f} √d\nneighbors {neighbors:+.2f}")
    return figures.picture_grid({"": [figures.latent_picture(z) for z in (latent, white)]}, told, width=6)


def annulus(d=12_288, c=3.0) -> Figure:
    """Chapter 3: the mass of a Gaussian outside the shell of Lemma D.3, and the bound, against its width c."""
    width = np.linspace(1, 8, 15)
    tail = theory.gaussian_outside_annulus(d, width)
    lines = {"exact": (width, tail.exact), "bound": (width, np.minimum(tail.bound, 1))}
    ax = figures.curves(lines, xlabel="width c", ylabel="share outside", log="y")
    here = theory.gaussian_outside_annulus(d, c)
    ax.axvline(c, color="0.4", linestyle="--", linewidth=1.2)
    ax.set(ylim=(1e-12, 3), yticks=10.0 ** np.arange(-12, 1, 3))
    ax.set_title(f"d = {d:,}: outside {float(here.exact):.2g}, bound {min(float(here.bound), 1):.2g}")
    return ax.figure


def two_clouds(n=52, distance=0.5, d=12_288) -> Figure:
    """Chapter 4: two Gaussian clouds, seen along the line through their sample means; distance in units of d^(1/4)."""
    rng = np.random.default_rng(0)
    a, b, new = (rng.standard_normal((n, d), dtype=np.float32) for _ in range(3))
    b[:, 0] += distance * d**0.25
    axis = a.mean(0) - b.mean(0)
    middle = (a.mean(0) + b.mean(0)) @ axis / 2
    scores = {"training points of a": a @ axis - middle, "new points of a": new @ axis - middle}
    figure, (ax,) = figures.panels(1)
    figures.histograms(scores, ax=ax, xlabel="along the line of the two means; right of 0: called a")
    right, expected = np.mean(scores["new points of a"] > 0), theory.centroid_accuracy(d, distance * d**0.25, n)
    ax.set_title(f"new points called a: {right:.2f}, expected {expected:.2f}")
    return figure


def noisy_return(model="toy-dog", own="dog", domain="church", t=800, eta=0.0) -> Figure:
    """Chapter 5: an image, and what comes back with a share of fresh noise, with the judge's odds."""
    frozen, image = _model(model), _images(domain)[:1]
    levels = {"t": t, "steps": 16, **STEPS}
    latent = ood.invert(frozen, image, **levels)
    fresh = [torch.Generator().manual_seed(seed) for seed in range(2)]
    back = [ood.denoise(frozen, latent, eta=eta, generator=noise, **levels)[0].clamp(-1, 1) for noise in fresh]
    return figures.picture_grid({domain: [image[0], *back]}, ("image", *(_odds(x, own, domain) for x in back)))


def between(model="toy-dog", domain="church", way="arc", weight=0.5) -> Figure:
    """Chapters 6 and 9: two parents, the image between them on an arc or a line, and which parent is nearer."""
    frozen, (a, b) = _model(model), _images(domain)[:2]
    pair = _latents(model, domain)
    new = (ood.slerp if way == "arc" else ood.lerp)(pair[:1], pair[1:], weight)
    image = ood.denoise(frozen, new, t=800, steps=20, solver="dpm2m", **STEPS)[0].clamp(-1, 1)  # see `shared.DOWN`
    off = [float(ood.reconstruction_error(parent[None], image[None])[0]) for parent in (a, b)]
    nearer = f"nearer to the {'left' if off[0] < off[1] else 'right'} one"
    return figures.picture_grid({domain: [a, image, b]}, ("parent", f"{way}, {nearer}", "parent"), width=6)


def schedule(kind="linear", t=800) -> Figure:
    """Chapter 10: how much noise a timestep means, for one schedule, and an image with that much."""
    table = ood.alphas_cumprod(kind)
    sigma, at = ((1 - table) / table).sqrt().numpy(), torch.arange(len(table)).numpy()
    figure, (left, right) = figures.panels(2)
    figures.curves({kind: (at[1::50], sigma[1::50])}, xlabel="timestep t", ylabel="σ", ax=left, log="y", legend=None)
    left.axvline(t, color="0.4", linestyle="--", linewidth=1.2)
    noise = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    noisy = table[t].sqrt().float() * _images("church")[0] + (1 - table[t]).sqrt().float() * noise
    right.imshow(figures.as_picture(noisy.clamp(-1, 1)))
    right.set(xticks=[], yticks=[], title=f"t = {t}: σ = {sigma[t]:.3g}")
    return figure


def workload(images=1_000, size=256, steps=50, network=500e9, device=40e12) -> Figure:
    """Chapter 11: hours to invert images and to come back, and the room that latents take.

    ``network`` is the operations of one evaluation, ``device`` those that a machine really does in a second.
    """
    counts, sides = np.array([20, 50, 100, 250, 1000]), np.array([64, 128, 256, 512])
    cost, room = 2 * images * network / device / 3600, images * 3 * 4 / 1e9  # hours a step, GB a pixel
    figure, (left, right) = figures.panels(2)
    for ax, x, y, here, unit in (
        (left, counts, cost * counts, steps, "hours"),
        (right, sides, room * sides**2, size, "GB of latents"),
    ):
        xlabel = "steps" if ax is left else "pixels on a side"
        figures.curves({unit: (x, y)}, xlabel=xlabel, ylabel=unit, ax=ax, legend=None)
        ax.axvline(here, color="0.4", linestyle="--", linewidth=1.2)
    left.set_title(f"{steps} steps: {cost * steps:.3g} hours")
    right.set_title(f"{size} pixels: {room * size**2:.3g} GB")
    return figure


def budget(target="church", judge="kernel") -> Figure:
    """Chapter 7: distance to the unseen domain against the budget, from the record of learning curves."""
    points = tables.by_budget(record("tuning_curves"), f"toy-dog {target}", judge)
    means = {label: {k: np.mean(of[k]) for k in sorted(of) if k < 1000} for label, of in points.items()}
    curves = {label: (list(of), list(of.values())) for label, of in means.items()}
    ylabel = f"{judge} distance to {target}"
    return figures.curves(curves, xlabel="budget / inversion", ylabel=ylabel, legend="outside").figure


def dark_sky(softening=0.05, darker=5) -> Figure:
    """Chapter 8: a field whose picture comes out some gray levels too dark, and the median light then measured."""
    flux = torch.from_numpy(ood.dust_maps(range(1), 64, 2))
    stretch = astro.fit_stretch(flux, kind="per-band", softening=softening)
    picture = astro.to_images(flux, stretch)
    dark = (picture - darker / 127.5).clamp(-1, 1)
    light = [x[0].flatten(1).median(1).values for x in (astro.to_flux(dark, stretch), flux)]
    columns = [f"{b:g} µm: {s:.0%}" for b, s in zip(astro.BANDS, light[0] / light[1], strict=True)]
    others = torch.arange(3)[:, None] != torch.arange(3)
    rows = {"true": picture, f"{darker} levels darker": dark}
    rows = {label: x.repeat(3, 1, 1, 1).masked_fill(others[..., None, None], -1) for label, x in rows.items()}
    return figures.picture_grid(rows, columns, width=6)
