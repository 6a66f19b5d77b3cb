"""Geometric acceptance: keep a proposed latent if it lies among the inverted ones as they lie among each other.

The official code of the paper keeps a draw by three magic numbers, a mean distance of 611.4 and angles of 88 and 60
degrees. Here the numbers come from the latents: of each the distance to all others, the angle at the origin, and the
angle under which it sees two of them, averaged; a proposal has to fall into the ranges that hold most of the latents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks import check_number, check_rows
from .gram import Cloud, Gram, gram


@dataclass(frozen=True)
class Acceptance:
    """Ranges for the place of a latent among others, of which ``coverage`` is the share that they hold.

    ``distance`` is the mean distance; ``origin_angle`` and ``pair_angle`` are mean angles at the origin and at the
    latent, in degrees, lowest and highest accepted; ``reference`` are the latents, float32 ``(N, d)``.
    """

    distance: tuple[float, float]
    origin_angle: tuple[float, float]
    pair_angle: tuple[float, float]
    coverage: float
    reference: np.ndarray

    def accepts(self, proposals: Cloud) -> np.ndarray:
        """Return which proposals ``(n, ...)`` lie within all three ranges, bool ``(n,)``."""
        n, rows = len(self.reference), check_rows("proposals", proposals)
        if rows.shape[1] != self.reference.shape[1]:
            raise ValueError(f"proposals: got d = {rows.shape[1]}, expected {self.reference.shape[1]}")
        g = gram(self.reference, rows)
        found = np.array([_place(g, n + i, np.arange(n)) for i in range(len(rows))])
        low, high = np.array([self.distance, self.origin_angle, self.pair_angle]).T
        return ((found >= low) & (found <= high)).all(1)


def calibrate_acceptance(latents: Cloud, coverage: float = 0.95) -> Acceptance:
    """Find the ranges that hold a share of the latents, each judged among the others (Sec. C.6).

    Parameters
    ----------
    latents : Tensor, ndarray or LatentStore
        ``(N, ...)`` float, ``N >= 10``.
    coverage : float
        Share to hold, above 0 and at most 1. The ranges are central in each of the three numbers and grow together.

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
    low, high = np.sort(found, axis=0)[[inside, len(found) - 1 - inside]]
    held = ((found >= low) & (found <= high)).all(1).mean()
    distance, origin_angle, pair_angle = zip(low.tolist(), high.tolist(), strict=True)
    return Acceptance(distance, origin_angle, pair_angle, float(held), rows)


def _place(g: Gram, i: int, others: np.ndarray) -> list[float]:
    """Mean distance, angle at the origin and angle at point ``i``, over the others, in the Gram matrix's points."""
    squares, radii = g.squared_distances[i, others], np.sqrt(np.diag(g.products))
    origin = g.products[i, others] / (radii[i] * radii[others])
    between = g.squared_distances[np.ix_(others, others)]
    cosine = (squares[:, None] + squares - between) / (2 * np.sqrt(np.outer(squares, squares)) + 1e-300)
    pairs = np.triu_indices(len(others), 1)
    angles = (np.degrees(np.arccos(np.clip(c, -1, 1)).mean()) for c in (origin, cosine[pairs]))
    return [np.sqrt(squares).mean(), *angles]
