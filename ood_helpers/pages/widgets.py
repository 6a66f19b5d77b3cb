"""Interactive figures that need no kernel: they work in JupyterLab and in the built page alike, offline."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np

from .figures import Images, as_picture


def slider(frames: Images, labels: Sequence[str], *, alt: str, zoom: int = 2, name: str = "value"):
    """Show one frame at a time, chosen by a slider, as `IPython.display.HTML`; without scripts the first one shows.

    ``frames`` are as in `figures.picture_grid` and travel in the page, as one PNG each. ``labels`` are what the slider,
    which changes ``name``, says at each. ``alt`` is the alternative text of the picture, ``zoom`` the screen pixels for
    a pixel. ValueError: there are no frames, they differ in size, or there is not one label for each.
    """
    from IPython.display import HTML

    frames = [as_picture(frame) for frame in frames]
    if not frames or len(frames) != len(labels):
        raise ValueError(f"labels: got {len(labels)} for {len(frames)} frames, expected one for each of at least one")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError("frames: differ in size, expected pictures of one size")
    sources, words = json.dumps([_data_uri(frame) for frame in frames]), json.dumps(list(labels))
    height, width = frames[0].shape[:2]
    change = (
        "const box = this.closest('.slider-strip');"
        f"box.querySelector('img').src = {sources}[this.value];"
        f"box.querySelector('output').textContent = {words}[this.value];"
    )
    return HTML(
        f'<div class="slider-strip"><img src="{_data_uri(frames[0])}" alt="{escape(alt, quote=True)}" '
        f'style="width: {zoom * width}px; max-width: 100%; height: auto; aspect-ratio: {width} / {height}; '
        f'image-rendering: pixelated">'
        f'<label style="display: block">{escape(name)} <input type="range" min="0" max="{len(frames) - 1}" value="0" '
        f'step="1" style="width: min(60%, 24rem)" oninput="{escape(change, quote=True)}"> '
        f"<output>{escape(labels[0])}</output></label></div>"
    )


def _data_uri(frame: np.ndarray) -> str:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray((np.clip(frame, 0, 1) * 255).round().astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode()
