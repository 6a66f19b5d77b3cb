"""Pictures on their ways between domains: what chapter 9 shows, and ``benchmarks/transfer.py`` repeats."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from .. import (
    DomainScorer,
    blend,
    edge_similarity,
    interference_rate,
    kernel_distance,
    load_scorer,
    power_spectrum,
    transfer,
)

WEIGHTS = (0.25, 0.5, 0.75)
FINE = 0.25  # cycles per pixel from which on detail is fine


def moved(z: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
    """Move latents toward another domain in each way: by a shift, by optimal transport, and along arcs.

    ``z`` are ``(n, C, H, W)``, ``source`` and ``target`` the latents that say where the two domains lie.
    """
    return {
        "shift": transfer(z, source, target),
        "transport": transfer(z, source, target, spread=True),
        **{f"arc {weight}": blend(z, source, target, weight)[0] for weight in WEIGHTS},
    }


def fine_power(images: torch.Tensor) -> float:
    """Return the mean power above `FINE`; white noise of variance 1 has 1."""
    frequency, power = power_spectrum(images)
    return float(power[frequency > FINE].mean())


def kept_of_own(sources: torch.Tensor, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the similarity of each picture's edges to those of its own source, and to those of others, in the mean."""
    own, *others = (edge_similarity(sources.roll(k, 0), images) for k in range(len(sources)))
    return own, np.mean(others, axis=0)


def arrivals(
    ways: Mapping[tuple[str, str], Mapping[str, torch.Tensor]],
    sources: Mapping[str, torch.Tensor],
    real: Mapping[str, torch.Tensor],
    scorer: DomainScorer | None = None,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Measure whether pictures have arrived, and what of their sources is left.

    Parameters
    ----------
    ways : mapping
        By source and target, for each way the ``n`` pictures that it makes of the sources.
    sources, real : mapping
        By domain: the ``n`` pictures that are moved, and other ones of the domain to compare with.
    scorer : DomainScorer, optional
        The judge, by default that of drawn domains.

    Returns
    -------
    table : DataFrame
        A row for each direction, such as "sketch to dog", and way. ``arrived``: the share that the judge takes for the
        target. ``left``: the kernel distance to it, over that between the domains. ``fine``: the fine power over that
        of real pictures. ``edges``, ``others``, ``kept``, ``± s.e.``: the similarity of edges to the own source, to
        other ones, and the difference with its standard error.
    kept : dict
        By direction: the difference for each way and picture, ``(ways, n)``.
    """
    scorer, rows, kept = scorer or load_scorer(), {}, {}
    for (source, target), found in ways.items():
        direction = f"{source} to {target}"
        between = kernel_distance(real[source], real[target], scorer).value
        each = []
        for way, images in found.items():
            own, others = kept_of_own(sources[source], images)
            each.append(own - others)
            rows[direction, way] = {
                "arrived": 1 - interference_rate(images, source, target, scorer).rate,
                "left": kernel_distance(images, real[target], scorer).value / between,
                "fine": fine_power(images) / fine_power(real[target]),
                "edges": own.mean(),
                "others": others.mean(),
                "kept": each[-1].mean(),
                "± s.e.": each[-1].std(ddof=1) / len(own) ** 0.5,
            }
        kept[direction] = np.array(each)
    return pd.DataFrame.from_dict(rows, orient="index"), kept
