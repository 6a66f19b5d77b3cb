"""Draw ``method.png``, the picture on the welcome page: ``python book/draw_method.py`` (a minute on two cores)."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import FancyBboxPatch

import ood_helpers as ood
from ood_helpers.pages import figures

DOMAINS = ("church", "face", "hubble")
LEVEL = {"t": 800, "steps": 20, "solver": "dpm2m"}
BLUE, ORANGE, INK = "#0173b2", "#c25b00", "#222222"


def between(latents: torch.Tensor, pair: torch.Tensor) -> torch.Tensor:
    """A new latent among two: half way between them around the mean of all, as far from it as they are."""
    mean = latents.mean(0)
    offsets = latents[pair] - mean
    middle = offsets.sum(0)
    return mean + middle * (offsets.flatten(1).norm(dim=1).mean() / middle.norm())


def study(model, name: str, n: int = 120):
    """The two images of a domain whose latents are closest, those latents, and what lies between them."""
    images = ood.load_domain(name, n=int(min(n, ood.domain_size(name))), size=64, seed=7)
    if name == "hubble":
        images = images[images.mean((1, 2, 3)).argsort()[-12:]]  # large galaxies, not empty sky
    latents = ood.invert(model, images, progress=False, **LEVEL)
    distances = torch.cdist(latents.flatten(1), latents.flatten(1)).fill_diagonal_(torch.inf)
    pair = torch.tensor(divmod(int(distances.argmin()), len(images)))
    new = between(latents, pair)
    made = ood.denoise(model, new[None], progress=False, **LEVEL)[0]
    (first, second), (here, there) = images[pair], latents[pair]
    return [first, made, second], [here, new, there]


def put(figure, picture, x, y, width, edge=INK, line=0.8):
    """Place a picture with its lower left corner at ``(x, y)``, in units of the figure's width."""
    height = figure.get_figwidth() / figure.get_figheight()
    axis = figure.add_axes((x, y * height, width, width * height))
    axis.imshow(picture)
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(edgecolor=edge, linewidth=line)


def draw(model, path: Path) -> None:
    """Lay out images below, latents above and the frozen model in between."""
    figure = plt.figure(figsize=(12, 5.4), dpi=140)
    page = figure.add_axes((0, 0, 1, 1))
    page.set(xlim=(0, 1), ylim=(0, 0.45))
    page.axis("off")

    band = FancyBboxPatch((0.015, 0.185), 0.97, 0.08, boxstyle="round,pad=0,rounding_size=0.012", fc="#eef3f7", ec=BLUE)
    page.add_patch(band)
    page.text(0.03, 0.236, "One frozen model,", fontsize=14, weight="bold", color=BLUE, va="center")
    page.text(0.03, 0.211, "trained on drawn dogs only", fontsize=12, color=INK, va="center")
    for k, dog in enumerate(ood.fresh_images(model, 3, generator=torch.Generator().manual_seed(4), progress=False)):
        put(figure, ood.to_picture(dog), 0.235 + 0.064 * k, 0.196, 0.058)
    page.text(
        0.45, 0.236, r"up: invert, $\mathrm{d}y/\mathrm{d}\sigma=\varepsilon_\theta(x_t,t)$", fontsize=13, va="center"
    )
    page.text(0.45, 0.211, "down: denoise, the same equation", fontsize=13, va="center")
    page.text(0.965, 0.236, "no weight is changed", fontsize=13, ha="right", va="center", color=INK)

    side, gap, group = 0.092, 0.008, 0.325
    for g, name in enumerate(DOMAINS):
        pictures, latents = study(model, name)
        left = 0.0225 + g * group
        for k, (picture, latent) in enumerate(zip(pictures, latents, strict=True)):
            x, color = left + k * (side + gap), ORANGE if k == 1 else INK
            line = 3 if k == 1 else 0.8
            put(figure, figures.latent_picture(latent), x, 0.31, side, color, line)
            put(figure, ood.to_picture(picture), x, 0.045, side, color, line)
            style = "-|>" if k == 1 else "<|-|>"
            arrow = {"arrowstyle": style, "color": color, "lw": 2.2, "mutation_scale": 18}
            for top, bottom in ((0.307, 0.266), (0.184, 0.14)):
                page.annotate("", (x + side / 2, bottom), (x + side / 2, top), arrowprops=arrow)
            label = ("unseen image", "new image", "unseen image")[k]
            page.text(x + side / 2, 0.03, label, ha="center", va="center", fontsize=11, color=color)
            label = ("latent", "new latent", "latent")[k]
            page.text(x + side / 2, 0.418, label, ha="center", va="center", fontsize=11, color=color)
    figure.savefig(path, facecolor="white")


if __name__ == "__main__":
    import sys

    draw(ood.load_model(sys.argv[1] if len(sys.argv) > 1 else "toy-dog"), Path(__file__).with_name("method.png"))
