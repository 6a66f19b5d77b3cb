"""The paper's numbers as data, each with the table it is printed in, to stand beside ours.

Source: *A Sampling-Based Domain Generalization Study with Diffusion Generative Models* (arXiv:2310.09213).
What the number after a plus-minus sign is the spread of, the captions of Tables 1 and 2 do not say; that of Table 3
calls it a standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

DIMENSION = 3 * 256 * 256
"""Of the paper's latents."""

OUR_DOMAIN = {name: name.lower() for name in ("Dog", "Church", "Bedroom", "Galaxy", "Radiation")}
OUR_DOMAIN |= {"CelebA": "face", "Human": "face", "Turbulence": "radiation"}
"""Which drawn domain stands for which data set."""


@dataclass(frozen=True)
class Generation:
    """One number of Table 1, averaged over four base models, as printed.

    Attributes
    ----------
    scale : {"FID", "MOS"}
        Frechet distance in the features of Inception-v3 over 256 x 256 images, lower is better; or mean opinion score
        of astrophysicists, from 1 to 5, higher is better. Neither compares with a distance in other features.
    value, spread : float
    """

    scale: str
    value: float
    spread: float

    def __str__(self) -> str:
        return f"{self.value:g} ± {self.spread:g} ({self.scale})"


def _row(distances, opinions=()) -> dict[str, Generation]:
    """Name distances for four domains of photographs, and opinions of two skies."""
    row = {name: Generation("FID", *d) for name, d in zip(("dog", "face", "church", "bedroom"), distances, strict=True)}
    return row | {name: Generation("MOS", *o) for name, o in zip(("galaxy", "radiation"), opinions, strict=False)}


TABLE_1 = {
    "Vanilla tuning": _row(((213.6, 4.8), (229.7, 4.3), (192.5, 3.7), (191.1, 4.0))),
    "CLIP tuning": _row(((73.6, 2.9), (63.6, 3.0), (66.3, 2.8), (68.1, 2.8)), ((1.84, 0.97), (1.35, 0.74))),
    "Ours": _row(((78.2, 2.8), (64.5, 2.7), (64.8, 2.7), (62.9, 2.6)), ((2.88, 0.93), (1.52, 0.80))),
}
"""By method and our domain's name. The opinions of CLIP tuning are from Sec. E.1; Table 1 leaves them out."""

TUNED = {"vanilla": "Vanilla tuning", "diffusionclip": "CLIP tuning", "asyrp": "CLIP tuning"}
"""Which row of Table 1 stands beside a way to tune; Table 1 does not say which of the two "CLIP tuning" is."""


@dataclass(frozen=True)
class Reconstruction:
    """One row of Table 2, as printed: mean absolute error over 1,000 images, ``in_domain`` if the model knows them."""

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
    """One column of Table 3, as printed: latents of one data set; angles in degrees, each with its standard deviation.

    ``in_domain`` says whether the model was trained on it; ``center_distance`` is that from the center of the training
    domain's latents, ``accuracy`` that of the linear classifier on held-out latents.
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


def table_2() -> dict[str, Reconstruction]:
    """Return the rows of DDIM in Table 2, by our domain's name."""
    return {OUR_DOMAIN[row.domain]: row for row in TABLE_2 if row.method == "DDIM"}


def table_3() -> dict[str, LatentGeometry]:
    """Return the columns of Table 3 by our domain's name."""
    return {OUR_DOMAIN[column.domain]: column for column in TABLE_3}
