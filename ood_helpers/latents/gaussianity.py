"""Are latents draws from a standard normal distribution?  Tests that can fail, each with its null distribution.

Angles and distances of Table 3 look Gaussian for many clouds that are not.  These statistics use all ``n d`` numbers,
in one pass and one Gram matrix, and their law under ``N(0, I)`` is known, exactly or nearly, at any ``n`` and ``d``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from ..checks import check_integer, check_rows
from .gram import Cloud, gram
from .spectrum import covariance_eigenvalues, largest_eigenvalue_law, marchenko_pastur
from .store import LatentStore

BINS = 4096  # of equal probability, for comparing distributions of many numbers
CHUNK = 64  # latents in memory at a time
DIRECTIONS = 64  # to project on


@dataclass(frozen=True)
class NormalityTest:
    """One statistic of latents beside what draws from ``N(0, I)`` would give.

    ``effect`` says how far from normal it is, in units that do not depend on the number of latents; ``expected`` is the
    effect of normal draws, ``p_value`` the probability of one as extreme among them, two-sided.
    """

    name: str
    effect: float
    expected: float
    p_value: float

    def __str__(self) -> str:
        return f"{self.name}: {self.effect:.4g} (normal: {self.expected:.4g}), p = {self.p_value:.2g}"


@dataclass(frozen=True)
class Gaussianity:
    """All tests of one cloud of ``n`` latents in ``d`` dimensions; ``found[name]`` is one of them."""

    tests: tuple[NormalityTest, ...]
    n: int
    d: int

    def __getitem__(self, name: str) -> NormalityTest:
        return {test.name: test for test in self.tests}[name]

    def rejected(self, level: float = 0.01) -> bool:
        """Whether ``N(0, I)`` is rejected: by Bonferroni's rule, a false alarm is at most as likely as ``level``."""
        return min(test.p_value for test in self.tests) < level / len(self.tests)

    def __str__(self) -> str:
        verdict = "not standard normal" if self.rejected() else "compatible with a standard normal distribution"
        return "\n".join([f"{self.n} latents, d = {self.d}: {verdict} (1 %)", *map(str, self.tests)])


def gaussianity(latents: Cloud, seed: int = 0) -> Gaussianity:
    """Compare latents with draws from ``N(0, I)`` (Sec. C.3, Lemma C.1).

    Parameters
    ----------
    latents : Tensor, ndarray or LatentStore
        ``(n, C, H, W)`` float, finite, ``n >= 8``, ``H, W >= 8``.
    seed : int
        Draws the directions of the projections.

    Returns
    -------
    Gaussianity
        ``marginal``: Kolmogorov-Smirnov distance of all pixel values; ``projections``: that of projections on random
        orthonormal directions, small for almost any cloud in many dimensions; ``radius``: its mean over ``sqrt(d)``;
        ``neighbors``: correlation of adjacent pixels; ``spectrum``: power at wavelengths above 8 pixels over the rest;
        ``sphericity``: variance of the covariance's eigenvalues over their squared mean, less what finite ``n`` brings;
        ``eigenvalues``: the largest of them over the upper edge of Marchenko and Pastur's law.
    """
    rows = check_rows("latents", latents, 8)
    shape = tuple(latents.array.shape if isinstance(latents, LatentStore) else latents.shape)
    if len(shape) != 4 or min(shape[2:]) < 8:
        raise ValueError(f"latents: got shape {shape}, expected (n, C, H, W) with H and W of at least 8")
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    (n, d), (_, channels, height, width) = rows.shape, shape
    # orthonormal directions make the projections of one normal latent independent
    basis, _ = np.linalg.qr(rng.standard_normal((d, min(DIRECTIONS, d))))
    counts, power = np.zeros(BINS, int), np.zeros((height, width // 2 + 1))
    squares, projected, products = [], [], 0.0
    for start in range(0, n, CHUNK):
        chunk = np.asarray(rows[start : start + CHUNK], np.float64)
        if not np.isfinite(chunk).all():
            raise ValueError("latents: hold NaN or infinity, expected finite values")
        bins = np.minimum((special.ndtr(chunk) * BINS).astype(int), BINS - 1)
        counts += np.bincount(bins.ravel(), minlength=BINS)
        squares.append(np.square(chunk).sum(1))
        projected.append(chunk @ basis)
        z = chunk.reshape(-1, channels, height, width)
        products += (z[..., 1:] * z[..., :-1]).sum() + (z[..., 1:, :] * z[..., :-1, :]).sum()
        power += np.square(np.abs(np.fft.rfft2(z))).sum((0, 1))
    # numbers counted in bins of equal probability; looking at edges alone is a little conservative
    gap = np.abs(np.cumsum(counts) / rows.size - np.arange(1, BINS + 1) / BINS).max()
    # |z|^2 is chi-squared with d degrees of freedom
    radii, variance = np.concatenate(squares), sum(part.sum() for part in squares) / rows.size
    spread = stats.kstest(stats.chi2.cdf(radii, d), "uniform")
    # products of independent standard normals have mean 0 and variance 1; neighboring products are uncorrelated
    pairs = n * channels * (height * (width - 1) + (height - 1) * width)
    projections = stats.kstest(np.concatenate(projected).ravel(), "norm")
    g = gram(rows)
    # Ledoit and Wolf (2002), good for d far above n: with second moments S and U = tr((S / (tr(S) / d) - I)^2) / d,
    # n U - d is nearly N(1, 4)
    u = np.square(g.products).sum() * d / np.trace(g.products) ** 2 - 1
    # white noise keeps its eigenvalues below an edge, up to Tracy and Widom's law; structure sticks out
    eigenvalues, law, edge = covariance_eigenvalues(g), largest_eigenvalue_law(n, d), marchenko_pastur(n, d).high
    largest = eigenvalues[0] / (eigenvalues.sum() / d)
    found = {
        "marginal": (gap, 0, stats.kstwo.sf(gap, rows.size)),
        "projections": (projections.statistic, 0, projections.pvalue),
        "radius": (np.sqrt(radii / d).mean(), stats.chi.mean(d) / np.sqrt(d), spread.pvalue),
        "neighbors": (products / pairs / variance, 0, 2 * stats.norm.sf(abs(products) / variance / np.sqrt(pairs))),
        "spectrum": _spectrum(power, n * channels, height, width),
        "sphericity": (u - (d + 1) / n, 0, 2 * stats.norm.sf(abs(n * u - d - 1) / 2)),
        "eigenvalues": (largest / edge, law.mean() / edge, 2 * min(law.cdf(largest), law.sf(largest))),
    }
    return Gaussianity(tuple(NormalityTest(name, *map(float, numbers)) for name, numbers in found.items()), n, d)


def _spectrum(power: np.ndarray, fields: int, height: int, width: int) -> tuple:
    """White noise has independent, exponentially distributed power in all modes: the ratio is F distributed."""
    ky, kx = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    # the columns kx = 0 and kx = 1/2 hold each mode twice, or modes that are real
    once = (kx > 0) & (kx < 0.5)
    limit = max(1 / 8, 1.5 / min(height, width))  # the longest waves of the smallest images are coarse, too
    coarse, fine = once & (np.hypot(kx, ky) < limit), once & (np.hypot(kx, ky) >= limit)
    ratio = power[coarse].mean() / power[fine].mean()
    law = stats.f(2 * fields * coarse.sum(), 2 * fields * fine.sum())
    return ratio, 1, 2 * min(law.cdf(ratio), law.sf(ratio))
