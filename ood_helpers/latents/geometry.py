"""Where latents lie: the angles and distances of Table 3, and whether proposed latents lie as inverted ones do.

The official code keeps a draw by three magic numbers: a mean distance of 611.4, angles of 88 and 60 degrees. Here the
ranges come from the latents: those that hold most of them, each seen among the others (Sec. C.6).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..checks import check_number, check_rows
from .gram import Cloud, Gram, as_gram, gram_of


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a quantity over all pairs, triples or points."""

    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.mean:.4g} ± {self.std:.2g}"


@dataclass(frozen=True)
class Geometry:
    """The geometry of one cloud of ``n`` points in ``d`` dimensions; angles in degrees.

    ``pair_angle`` is the angle at a point between two others, over all triples. Its mean is 60 for *every* cloud,
    since the angles of a triangle add up to 180: only its spread says something. ``origin_angle``, at the origin, and
    ``pair_distance`` are over all pairs; ``radius`` is the distance from the origin.
    """

    pair_angle: Spread
    origin_angle: Spread
    pair_distance: Spread
    radius: Spread
    n: int
    d: int

    def __str__(self) -> str:
        rows = (field.name for field in fields(self) if field.type == "Spread")
        return f"{self.n} points, d = {self.d}: " + ", ".join(f"{k.replace('_', ' ')} {getattr(self, k)}" for k in rows)


def geometry(latents: Cloud | Gram) -> Geometry:
    """Measure angles, distances and radii of a cloud (Table 3), over all its pairs and triples.

    Raises TypeError or ValueError if two points coincide or one is the origin.

    Parameters
    ----------
    latents : Tensor, ndarray, LatentStore or Gram
        ``(n, ...)`` float, finite, ``n >= 3``.
    """
    g = as_gram("latents", latents, 3)
    pairs = np.triu_indices(len(g), 1)
    squares, radius = g.squared_distances[pairs], np.sqrt(np.diag(g.products))
    if not squares.all():
        i, j = (index[np.argmin(squares)] for index in pairs)
        raise ValueError(f"latents: points {i} and {j} coincide, expected different ones")
    if not radius.all():
        raise ValueError(f"latents: point {int(radius.argmin())} is the origin, where there is no angle")
    cosine = g.products[pairs] / (radius[pairs[0]] * radius[pairs[1]])
    found = np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.sqrt(squares), radius
    angle, distance, length = (Spread(float(values.mean()), float(values.std())) for values in found)
    return Geometry(_triangle_angles(g.squared_distances), angle, distance, length, len(g), g.dimension)


def _triangle_angles(squared: np.ndarray) -> Spread:
    """The angle at k of the triangle i, j, k, over all of them, by cosines: for each i all j < i and all k."""
    n = len(squared)
    inverse = 1 / np.sqrt(squared + np.eye(n))
    total, total_square = 0.0, 0.0
    for i in range(1, n):
        cosine = squared[:i] + squared[i]
        cosine -= squared[:i, i, None]
        cosine *= inverse[:i]
        cosine *= inverse[i] / 2
        deviation = np.arccos(np.clip(cosine, -1, 1, out=cosine), out=cosine)
        deviation -= np.pi / 3  # which keeps digits where all angles are alike
        deviation[:, i] = 0  # no triangles: k = i
        np.fill_diagonal(deviation, 0)  # and k = j
        total += deviation.sum()
        total_square += np.vdot(deviation, deviation)
    count = n * (n - 1) * (n - 2) / 2
    mean = total / count
    return Spread(float(60 + np.degrees(mean)), float(np.degrees(np.sqrt(max(total_square / count - mean**2, 0)))))


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
        g = gram_of({"latents": self.reference, "proposals": rows})
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
    """
    rows = check_rows("latents", latents, 10)
    check_number("coverage", coverage, 0, 1, strict=True)
    g = gram_of({"latents": rows})
    if not np.diag(g.products).all():
        raise ValueError(f"latents: point {int(np.diag(g.products).argmin())} is the origin, where there is no angle")
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
