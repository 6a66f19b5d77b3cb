"""Geometric acceptance: keep a proposed latent if it lies among the inverted ones as they lie among each other.

The official code of the paper keeps a draw by three magic numbers, a mean distance of 611.4 and angles of 88 and 60
degrees. Here the numbers come from the latents: of each the distance to all others, the angle at the origin, and the
angle under which it sees two of them, averaged; a proposal has to fall into the ranges that hold most of the latents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks import check_number, check_rows
from .gram import Gram, gram


@dataclass(frozen=True)
class Acceptance:
    """Ranges for the place of a latent among others.

    Attributes
    ----------
    distance, origin_angle, pair_angle : tuple of float
        Lowest and highest accepted mean distance; mean angle at the origin and mean angle at the latent, in degrees.
    coverage : float
        Share of the latents themselves that all three ranges hold.
    reference : ndarray
        The latents, float32 ``(N, d)``.
    """

    distance: tuple[float, float]
    origin_angle: tuple[float, float]
    pair_angle: tuple[float, float]
    coverage: float
    reference: np.ndarray

    def accepts(self, proposals) -> np.ndarray:
        """Return which proposals ``(n, ...)`` lie within all three ranges, bool ``(n,)``."""
        n = len(self.reference)
        rows = check_rows("proposals", proposals)
        if rows.shape[1] != self.reference.shape[1]:
            raise ValueError(f"proposals: got d = {rows.shape[1]}, expected {self.reference.shape[1]}")
        g = gram(self.reference, rows)
        others = np.arange(n)
        found = np.array([_place(g, n + i, others) for i in range(len(rows))])
        ranges = np.array([self.distance, self.origin_angle, self.pair_angle])
        return ((found >= ranges[:, 0]) & (found <= ranges[:, 1])).all(1)


def calibrate(latents, coverage: float = 0.95) -> Acceptance:
    """Find the ranges that hold a share of the latents, each judged among the others (Sec. C.6).

    Parameters
    ----------
    latents : Tensor, ndarray or LatentStore
        ``(N, ...)`` float, ``N >= 10``.
    coverage : float
        Share to hold, above 0 and at most 1. The ranges are central in each of the three numbers and grow together.

    Returns
    -------
    Acceptance
        Its ``coverage`` is the share that was reached.

    Raises
    ------
    TypeError, ValueError
        For too few latents, or a coverage outside ``(0, 1]``.
    """
    rows = check_rows("latents", latents, 10)
    check_number("coverage", coverage, 0, 1, strict=True)
    g = gram(rows)
    found = np.array([_place(g, i, np.delete(np.arange(len(g)), i)) for i in range(len(g))])
    # how far out a latent is: the smaller of its ranks from both ends, in the worst of the three numbers
    ranks = found.argsort(0).argsort(0)
    depth = np.minimum(ranks, len(found) - 1 - ranks).min(1)
    inside = np.sort(depth)[::-1][int(np.ceil(coverage * len(found))) - 1]
    ordered = np.sort(found, axis=0)
    low, high = ordered[inside], ordered[len(found) - 1 - inside]
    held = ((found >= low) & (found <= high)).all(1).mean()
    return Acceptance(*(tuple(map(float, pair)) for pair in zip(low, high, strict=True)), float(held), rows)


def _place(g: Gram, i: int, others: np.ndarray) -> tuple[float, float, float]:
    """Mean distance, angle at the origin and angle at point ``i``, over the others, in the Gram matrix's points."""
    squares, radii = g.squared_distances[i, others], np.sqrt(np.diag(g.products))
    origin = g.products[i, others] / (radii[i] * radii[others])
    between = g.squared_distances[np.ix_(others, others)]
    cosine = (squares[:, None] + squares - between) / (2 * np.sqrt(np.outer(squares, squares)) + 1e-300)
    pairs = np.triu_indices(len(others), 1)
    angles = (np.degrees(np.arccos(np.clip(c, -1, 1)).mean()) for c in (origin, cosine[pairs]))
    return (float(np.sqrt(squares).mean()), *map(float, angles))
