"""Draw ``house.svg``, the plan of the package on the page about it: ``python book/draw_house.py``."""

from pathlib import Path

CORE = {
    "models": "a frozen\nnoise predictor",
    "domains": "images: drawn,\nreal, your folder",
    "kernels": "the walk: invert,\ndenoise",
    "latents": "the store, clouds,\nsamplers",
    "evaluation": "errors, distances,\ninterference",
}
SATELLITES = {
    "theory": "exact laws",
    "training": "how the nets\nwere made",
    "baselines": "tuning\ninstead",
    "astro": "maps of\nthe sky",
    "opinion": "a blinded\nstudy",
    "pages": "figures,\ntables, claims",
    "scale": "commands,\nmany GPUs",
}
BLUE, ORANGE, INK, PAPER = "#0173b2", "#a04a00", "#222222", "#ffffff"
WIDTH, HEIGHT = 1000, 372


def words(x: float, y: float, text: str, size: int, color: str = INK, weight: str = "normal") -> str:
    """Centered lines of text, the first on height ``y``."""
    return "".join(
        f'<text x="{x:.0f}" y="{y + k * size * 1.25:.0f}" font-size="{size}" fill="{color}" '
        f'font-weight="{weight}" text-anchor="middle">{line}</text>'
        for k, line in enumerate(text.split("\n"))
    )


def room(x: float, y: float, width: float, height: float, name: str, what: str, color: str, fill: str) -> str:
    """A box with its name and what happens in it."""
    box = f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{height}" rx="10" fill="{fill}" stroke="{color}"/>'
    return box + words(x + width / 2, y + 30, name, 20, color, "bold") + words(x + width / 2, y + 56, what, 16)


def row(rooms: dict[str, str], y: float, height: float, gap: float, color: str, fill: str) -> str:
    """Boxes side by side over the whole width."""
    width = (WIDTH - 40 - gap * (len(rooms) - 1)) / len(rooms)
    places = (20 + k * (width + gap) for k in range(len(rooms)))
    return "".join(
        room(x, y, width, height, name, what, color, fill)
        for x, (name, what) in zip(places, rooms.items(), strict=True)
    )


def draw() -> str:
    """The whole picture as SVG."""
    arrow = (
        f'<path d="M20 118 H975" stroke="{BLUE}" stroke-width="14" opacity="0.25"/>'
        f'<path d="M965 100 L992 118 L965 136 Z" fill="{BLUE}" opacity="0.4"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="{PAPER}"/>'
        + words(WIDTH / 2, 38, "the core: data walks this way", 18, BLUE)
        + arrow
        + row(CORE, 62, 112, 24, BLUE, "#eaf3f9")
        + words(WIDTH / 2, 224, "satellites: they use public names of the core", 18, ORANGE)
        + row(SATELLITES, 244, 106, 12, ORANGE, "#fdf3ea")
        + "</svg>\n"
    )


if __name__ == "__main__":
    Path(__file__).with_name("house.svg").write_text(draw())
