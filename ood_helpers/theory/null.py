"""What Table 3 would read for a spherical Gaussian cloud ``N(mu, s^2 I)``: its null, in closed form, and the way back.

With ``R = |mu|^2 + s^2 d`` and ``c = |mu|^2 / R``, to leading order in ``1 / d`` (delta method):

    radius           sqrt(R)                std  s sqrt(s^2 d + 2 |mu|^2) / sqrt(2 R)
    pair distance    s sqrt(2 d)            std  s
    origin angle     arccos(c)              std  sqrt(2 (1 - c)^2 s^2 |mu|^2 + (1 + c^2) s^4 d) / (R sqrt(1 - c^2))
    pair angle       60 degrees, exactly    std  sqrt(3) / (2 sqrt(d))
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import Geometry, Spread
from ..checks import check_integer, check_number


def gaussian_geometry(d: int, std: float = 1.0, mean_norm: float = 0.0) -> Geometry:
    """Return the geometry of ``N(mu, std^2 I)`` in ``d`` dimensions: each row of Table 3, mean and std.

    ``d >= 2``, and the error of the formulas is of relative order ``1 / d``; ``s > 0`` is that of each coordinate, and
    ``mean_norm = |mu| >= 0``. It has ``n = 0``: the law itself, no sample.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> gaussian_geometry(196_608).radius.mean  # 443.4, the paper's models
    """
    check_integer("d", d, 2)
    s, mu = check_number("std", std, 0, strict=True), check_number("mean_norm", mean_norm, 0)
    square = mu**2 + s**2 * d
    c, rest = mu**2 / square, s**2 * d / square  # the cosine of the mean origin angle, and 1 less it to all digits
    radius_variance = s**2 * (s**2 * d + 2 * mu**2) / (2 * square)
    radius_mean = np.sqrt(square) - radius_variance / (2 * np.sqrt(square))
    cosine_variance = (2 * rest**2 * s**2 * mu**2 + (1 + c**2) * s**4 * d) / square**2
    return Geometry(
        pair_angle=Spread(60.0, float(np.degrees(np.sqrt(3 / d) / 2))),
        origin_angle=Spread(
            float(np.degrees(np.arctan2(np.sqrt(rest * (1 + c)), c))),
            float(np.degrees(np.sqrt(cosine_variance / (rest * (1 + c))))),
        ),
        pair_distance=Spread(float(s * (np.sqrt(2 * d) - np.sqrt(1 / (8 * d)))), s),
        radius=Spread(float(radius_mean), float(np.sqrt(radius_variance))),
        n=0,
        d=d,
    )


@dataclass(frozen=True)
class SphericalReading:
    """The spherical Gaussian that a pair distance and an angle at the origin imply: ``s``, ``|mu|``, ``sqrt(R)``."""

    std: float
    mean_norm: float
    radius: float


def spherical_reading(pair_distance: float, origin_angle: float, d: int) -> SphericalReading:
    """Read a spherical Gaussian out of two rows of Table 3, the inverse of `gaussian_geometry`.

    ``s = D / sqrt(2 d)``; ``|mu|^2 = s^2 d cos / (1 - cos)``, for a distance ``D > 0`` and an angle, in degrees,
    above 0 and at most 90.
    """
    check_integer("d", d, 2)
    s = check_number("pair_distance", pair_distance, 0, strict=True) / np.sqrt(2 * d)
    check_number("origin_angle", origin_angle, 0, 90, strict=True)
    angle = np.radians(float(origin_angle))
    mean_square = s**2 * d * max(np.cos(angle), 0) / (2 * np.sin(angle / 2) ** 2)
    return SphericalReading(float(s), float(np.sqrt(mean_square)), float(np.sqrt(mean_square + s**2 * d)))


def center_noise(d: int, std_a: float, std_b: float, n_a: int, n_b: int) -> float:
    """Noise floor of the distance of two sample means with one true center: ``sqrt(d (s_a^2 / n_a + s_b^2 / n_b))``."""
    for name, value in (("d", d), ("n_a", n_a), ("n_b", n_b)):
        check_integer(name, value, 1)
    return float(np.sqrt(d * (check_number("std_a", std_a, 0) ** 2 / n_a + check_number("std_b", std_b, 0) ** 2 / n_b)))
