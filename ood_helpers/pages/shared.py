"""The latents that several chapters look at: computed by whoever asks first, read from the disk by all others.

A build of the book asks first (`prepare`), and then runs its chapters side by side. All are in float32, so that a
chapter's digits do not depend on whether a processor has units for bfloat16.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from .. import FrozenModel, climbing_latents, inverted_latents, operations

FOLDER = "../_build/latents"
RECORDS = Path("../benchmarks/results")
SEED = 2
DOMAINS = ("dog", "cat", "face", "church", "bedroom", "galaxy", "radiation")
ALONE = ("sketch", "digits", "photographs")  # domains of one chapter each, of few images
HEIGHTS = (200, 400, 600, 800, 900, 999)
WALK = {"t": 800, "steps": 12, "solver": "unipc", "precision": "float32"}
"""The walk of most chapters: 13 evaluations, and latents within two percent of an exact walk's (chapter 1)."""
DOWN = {"t": 800, "steps": 20, "solver": "dpm2m", "precision": "float32"}
"""The walk that makes new images: 21 evaluations. Latents of too little variance, such as the middles of lines, need
them: 12 steps, of UniPC above all, leave a pattern of outlines where finer walks end at clean images."""
FINER = {"steps": 24, "solver": "unipc", "precision": "float32"}
DDIM = {"t": 800, "steps": 50, "solver": "ddim", "precision": "float32"}
"""The paper's walk."""


def record(name: str) -> dict[str, Any]:
    """Return what a benchmark has measured, ``benchmarks/results/{name}.json``, seen from a notebook or the package."""
    checkout = Path(__file__).parents[2] / "notebooks"
    folder = RECORDS if RECORDS.exists() else checkout / RECORDS
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def clouds(model: FrozenModel, domains: Iterable[str], n: int, **walk) -> dict[str, torch.Tensor]:
    """Return the latents of each domain's first ``n`` images, float32 ``(n, C, H, W)``, by the domain's name.

    ``walk`` is `WALK` by default, or such as ``**DDIM``.
    """
    settings = {"folder": FOLDER, "seed": SEED, "progress": False, **(walk or WALK)}
    return {name: inverted_latents(model, name, n, **settings).tensor(0, n) for name in domains}


def climbs(
    model: FrozenModel, domains: Iterable[str], n: int, heights: tuple[int, ...] = HEIGHTS
) -> dict[str, dict[int, torch.Tensor]]:
    """Return latents as `clouds` does, but at several timesteps of one walk finer than `WALK`; by name, then height."""
    settings = {"folder": FOLDER, "seed": SEED, "progress": False, **FINER}
    found = {name: climbing_latents(model, name, n, heights, **settings) for name in domains}
    return {name: {t: store.tensor(0, n) for t, store in stores.items()} for name, stores in found.items()}


def prepare(model: FrozenModel) -> dict[str, dict[str, float]]:
    """Make the latents that chapters look at, as many as the one that looks at most of them.

    Those that one chapter alone looks at are among them: so a chapter costs the same when it is run again.

    Returns, by walk, the ``operations`` that the network was asked for, and the ``seconds``.
    """
    makers = {
        "latents/unipc": lambda: clouds(model, DOMAINS, 52) | clouds(model, ALONE[:1], 48),
        "latents/unipc-finer": lambda: climbs(model, DOMAINS, 24),
        "latents/ddim": lambda: clouds(model, DOMAINS, 12, **DDIM) | clouds(model, ALONE, 3, **DDIM),
    }
    spent = {}
    for name, make in makers.items():
        start, paid = time.monotonic(), operations()
        make()
        spent[name] = {"operations": operations() - paid, "seconds": time.monotonic() - start}
    return spent
