"""The paper's numbers as data, each with the table it is printed in, to stand beside ours.

Source: *A Sampling-Based Domain Generalization Study with Diffusion Generative Models* (arXiv:2310.09213).
"""

from __future__ import annotations

from dataclasses import dataclass


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

OUR_DOMAIN = {
    "Dog": "dog",
    "CelebA": "face",
    "Church": "church",
    "Bedroom": "bedroom",
    "Galaxy": "galaxy",
    "Radiation": "radiation",
}
"""Which drawn domain stands for which data set."""


def table_2(method: str = "DDIM") -> dict[str, Reconstruction]:
    """Return the rows of Table 2 of one method, by our domain's name."""
    return {OUR_DOMAIN[row.domain]: row for row in TABLE_2 if row.method == method}
