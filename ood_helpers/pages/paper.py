"""The paper's numbers as data, each with the table it is printed in, to stand beside ours.

Source: *A Sampling-Based Domain Generalization Study with Diffusion Generative Models* (arXiv:2310.09213).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Generation:
    """One number of Table 1, averaged over four base models, as printed.

    The table's caption does not say what the number after the plus-minus sign is the spread of.

    Attributes
    ----------
    method, domain : str
        The way of generating, and the data set.
    scale : {"FID", "MOS"}
        Frechet distance in the features of Inception-v3 over 256 x 256 images, lower is better; or mean opinion score
        of astrophysicists, from 1 to 5, higher is better. Neither compares with a distance in other features.
    value, spread : float
    """

    method: str
    domain: str
    scale: str
    value: float
    spread: float


_NATURAL = ("Dog", "CelebA", "Church", "Bedroom")
TABLE_1 = (
    *(
        Generation(method, domain, "FID", *number)
        for method, numbers in {
            "Vanilla tuning": ((213.6, 4.8), (229.7, 4.3), (192.5, 3.7), (191.1, 4.0)),
            "CLIP tuning": ((73.6, 2.9), (63.6, 3.0), (66.3, 2.8), (68.1, 2.8)),
            "Ours": ((78.2, 2.8), (64.5, 2.7), (64.8, 2.7), (62.9, 2.6)),
        }.items()
        for domain, number in zip(_NATURAL, numbers, strict=True)
    ),
    Generation("Ours", "Galaxy", "MOS", 2.88, 0.93),
    Generation("Ours", "Radiation", "MOS", 1.52, 0.80),
)

OPINIONS_OF_CLIP_TUNING = (
    Generation("CLIP tuning", "Galaxy", "MOS", 1.84, 0.97),
    Generation("CLIP tuning", "Radiation", "MOS", 1.35, 0.74),
)
"""From Sec. E.1; Table 1 leaves these two out."""


@dataclass(frozen=True)
class Reconstruction:
    """One row of Table 2: mean absolute error over 1,000 images, as printed.

    Attributes
    ----------
    method, domain : str
        The inversion method and the data set.
    in_domain : bool
        Whether the model was trained on that data set.
    mae : float
        Lower is better.
    spread : float or None
        The number printed after the plus-minus sign; the table does not say of what.
    """

    method: str
    domain: str
    in_domain: bool
    mae: float
    spread: float | None = None


TABLE_2 = (
    Reconstruction("pSp", "CelebA", True, 0.079),
    Reconstruction("e4e", "CelebA", True, 0.092),
    Reconstruction("ReStyle", "CelebA", True, 0.089),
    Reconstruction("HFGI", "CelebA", True, 0.062),
    Reconstruction("DDIM", "Dog", True, 0.073, 6e-4),
    Reconstruction("DDIM", "CelebA", False, 0.073, 8e-4),
    Reconstruction("DDIM", "Church", False, 0.074, 8e-4),
    Reconstruction("DDIM", "Bedroom", False, 0.072, 7e-4),
    Reconstruction("DDIM", "Galaxy", False, 0.067, 1e-3),
    Reconstruction("DDIM", "Radiation", False, 0.077, 9e-4),
)


@dataclass(frozen=True)
class LatentGeometry:
    """One column of Table 3: latents of 256 x 256 images (d = 196,608) of one data set, as printed.

    The number after each plus-minus sign is called a standard deviation in the caption.

    Attributes
    ----------
    domain : str
        The data set.
    in_domain : bool
        Whether the model was trained on it.
    pair_angle, origin_angle : tuple of float
        Degrees, with the number after the plus-minus sign.
    pair_distance : tuple of float
    center_distance : float or None
        From the center of the training domain's latents.
    accuracy : float or None
        Of the linear classifier, on held-out latents.
    """

    domain: str
    in_domain: bool
    pair_angle: tuple[float, float]
    origin_angle: tuple[float, float]
    pair_distance: tuple[float, float]
    center_distance: float | None = None
    accuracy: float | None = None


TABLE_3 = (
    LatentGeometry("Dog", True, (60.0, 0), (89.7, 0.01), (607.4, 0.01)),
    LatentGeometry("Human", False, (60.0, 0), (89.7, 0), (611.4, 0.05), 33.3, 0.97),
    LatentGeometry("Bedroom", False, (60.0, 0.1), (89.8, 0.01), (611.2, 0.07), 26.0, 0.99),
    LatentGeometry("Church", False, (60.0, 0.1), (89.7, 0.01), (609.9, 0.02), 33.2, 0.99),
    LatentGeometry("Galaxy", False, (60.0, 0.1), (89.1, 0.01), (612.37, 0.05), 54.7, 1.0),
    LatentGeometry("Turbulence", False, (60.0, 0), (87.6, 0.03), (609.13, 0.1), 60.8, 1.0),
)

DIMENSION = 3 * 256 * 256
"""Of the paper's latents."""

PIXEL_ANGLE = 75.0
"""Degrees; the angle at the origin between images themselves, Sec. C.6."""

OUR_DOMAIN = {
    "Dog": "dog",
    "CelebA": "face",
    "Human": "face",
    "Turbulence": "radiation",
    "Church": "church",
    "Bedroom": "bedroom",
    "Galaxy": "galaxy",
    "Radiation": "radiation",
}
"""Which drawn domain stands for which data set."""


def table_1() -> dict[str, dict[str, Generation]]:
    """Return the numbers of Table 1 and of Sec. E.1 by method and our domain's name."""
    found: dict[str, dict[str, Generation]] = {}
    for number in (*TABLE_1, *OPINIONS_OF_CLIP_TUNING):
        found.setdefault(number.method, {})[OUR_DOMAIN[number.domain]] = number
    return found


def table_2(method: str = "DDIM") -> dict[str, Reconstruction]:
    """Return the rows of Table 2 of one method, by our domain's name."""
    return {OUR_DOMAIN[row.domain]: row for row in TABLE_2 if row.method == method}


def table_3() -> dict[str, LatentGeometry]:
    """Return the columns of Table 3 by our domain's name."""
    return {OUR_DOMAIN[column.domain]: column for column in TABLE_3}
