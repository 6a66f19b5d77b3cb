"""Where latents lie: the angles and distances of Table 3, over all pairs and all triples."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from .gram import Cloud, Gram, as_gram


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
    """Measure angles, distances and radii of a cloud (Table 3 and Sec. C.6), over all its pairs and triples.

    Parameters
    ----------
    latents : Tensor, ndarray, LatentStore or Gram
        ``(n, ...)`` float, ``n >= 3``.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than three points or they are not finite, two of them coincide, or one is the origin.

    Examples
    --------
    >>> geometry(torch.randn(100, 3, 64, 64)).radius.mean  # near sqrt(3 * 64 * 64) = 110.85
    """
    g = as_gram("latents", latents, 3)
    pairs = np.triu_indices(len(g), 1)
    squares = g.squared_distances[pairs]
    if not squares.all():
        i, j = (index[np.argmin(squares)] for index in pairs)
        raise ValueError(f"latents: points {i} and {j} coincide, expected different ones")
    radius = np.sqrt(np.diag(g.products))
    if not radius.all():
        raise ValueError(f"latents: point {int(radius.argmin())} is the origin, where there is no angle")
    cosine = g.products[pairs] / (radius[pairs[0]] * radius[pairs[1]])
    return Geometry(
        pair_angle=_triangle_angles(g.squared_distances),
        origin_angle=_spread(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        pair_distance=_spread(np.sqrt(squares)),
        radius=_spread(radius),
        n=len(g),
        d=g.dimension,
    )


def _spread(values: np.ndarray) -> Spread:
    return Spread(float(values.mean()), float(values.std()))


def _triangle_angles(squared: np.ndarray) -> Spread:
    """The angle at k of the triangle i, j, k, over all of them, by the law of cosines: for each i all j < i and all k.

    Deviations from 60 degrees are summed, which keeps digits where all angles are alike.
    """
    n = len(squared)
    inverse = 1 / np.sqrt(squared + np.eye(n))
    total, total_square = 0.0, 0.0
    for i in range(1, n):
        cosine = squared[:i] + squared[i]
        cosine -= squared[:i, i, None]
        cosine *= inverse[:i]
        cosine *= inverse[i] / 2
        deviation = np.arccos(np.clip(cosine, -1, 1, out=cosine), out=cosine)
        deviation -= np.pi / 3
        deviation[:, i] = 0  # no triangles: k = i
        np.fill_diagonal(deviation, 0)  # and k = j
        total += deviation.sum()
        total_square += np.vdot(deviation, deviation)
    count = n * (n - 1) * (n - 2) / 2
    mean = total / count
    return Spread(float(60 + np.degrees(mean)), float(np.degrees(np.sqrt(max(total_square / count - mean**2, 0)))))
