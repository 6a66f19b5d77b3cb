"""Are latents draws from a standard normal distribution?  Tests that can fail, each with its null distribution.

Angles and distances of Table 3 look Gaussian for many clouds that are not.  The statistics here use all ``n d``
numbers, and their distribution under ``N(0, I)`` is known, exactly or to high accuracy, at any ``n`` and ``d``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..checks import check_integer, check_rows
from .spectrum import covariance_eigenvalues, largest_eigenvalue_law, marchenko_pastur

BINS = 4096  # of equal probability, for comparing distributions of many numbers
CHUNK = 64  # latents in memory at a time


@dataclass(frozen=True)
class NormalityTest:
    """One statistic of latents beside what draws from ``N(0, I)`` would give.

    Attributes
    ----------
    name : str
    measures : str
        What ``effect`` is.
    effect : float
        How far from normal, in units that do not depend on the number of latents.
    expected : float
        The effect for draws from ``N(0, I)``.
    p_value : float
        Probability of a statistic as extreme under ``N(0, I)``, two-sided.
    """

    name: str
    measures: str
    effect: float
    expected: float
    p_value: float

    def __str__(self) -> str:
        return f"{self.name}: {self.measures} {self.effect:.4g} (normal: {self.expected:.4g}), p = {self.p_value:.2g}"


@dataclass(frozen=True)
class Gaussianity:
    """All tests of one cloud of latents.

    Attributes
    ----------
    tests : tuple of NormalityTest
    n, d : int
    """

    tests: tuple[NormalityTest, ...]
    n: int
    d: int

    def __getitem__(self, name: str) -> NormalityTest:
        return next(test for test in self.tests if test.name == name)

    def rejected(self, level: float = 0.01) -> bool:
        """Whether ``N(0, I)`` is rejected: by Bonferroni's rule, a false alarm is at most as likely as ``level``."""
        return min(test.p_value for test in self.tests) < level / len(self.tests)

    def __str__(self) -> str:
        verdict = "not standard normal" if self.rejected() else "compatible with a standard normal distribution"
        return "\n".join([f"{self.n} latents, d = {self.d}: {verdict} (1 %)", *map(str, self.tests)])


def gaussianity(latents, seed: int = 0) -> Gaussianity:
    """Compare latents with draws from ``N(0, I)`` (Sec. C.3, Lemma C.1).

    Parameters
    ----------
    latents : Tensor, ndarray or LatentStore
        ``(n, C, H, W)`` float, ``n >= 8``, ``H, W >= 8``.
    seed : int
        Draws the directions of the projections.

    Returns
    -------
    Gaussianity
        In this order.  ``marginal``: the distribution of all pixel values; effect: Kolmogorov-Smirnov distance.
        ``projections``: the same for projections on random orthonormal directions, which look normal for almost any
        cloud in many dimensions.  ``radius``: its mean over ``sqrt(d)``.  ``neighbors``: correlation of
        adjacent pixels.  ``spectrum``: power at wavelengths above 8 pixels over the rest.  ``sphericity``: variance of
        the covariance matrix's eigenvalues over their squared mean, less what finite ``n`` brings.  ``eigenvalues``:
        the largest of them over the upper edge of Marchenko and Pastur's law.

    Raises
    ------
    TypeError, ValueError
        If there are too few latents or pixels, or they are not finite.
    """
    rows = check_rows("latents", latents, 8)
    shape = np.shape(getattr(latents, "array", latents))
    if len(shape) != 4 or min(shape[2:]) < 8:
        raise ValueError(f"latents: got shape {tuple(shape)}, expected (n, C, H, W) with H and W of at least 8")
    tests = (
        _marginal(rows),
        _projections(rows, check_integer("seed", seed, 0)),
        _radius(rows),
        _neighbors(rows, shape),
        _spectrum(rows, shape),
        _sphericity(rows),
        _eigenvalues(rows),
    )
    return Gaussianity(tests, *rows.shape)


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), CHUNK):
        chunk = np.asarray(rows[start : start + CHUNK], np.float64)
        if not np.isfinite(chunk).all():
            raise ValueError("latents: hold NaN or infinity, expected finite values")
        yield chunk


def _kolmogorov(counts: np.ndarray) -> tuple[float, float]:
    """Largest gap between an empirical distribution, counted in bins of equal probability, and its law; p-value.

    Looking at the edges of bins alone makes the test a little conservative.
    """
    total = int(counts.sum())
    gap = np.abs(np.cumsum(counts) / total - np.arange(1, len(counts) + 1) / len(counts)).max()
    return float(gap), float(stats.kstwo.sf(gap, total))


def _counts(probabilities: np.ndarray) -> np.ndarray:
    return np.bincount(np.minimum((probabilities * BINS).astype(int), BINS - 1).ravel(), minlength=BINS)


def _marginal(rows) -> NormalityTest:
    gap, p = _kolmogorov(sum(_counts(stats.norm.cdf(chunk)) for chunk in _chunks(rows)))
    return NormalityTest("marginal", "largest gap between distribution functions", gap, 0.0, p)


def _projections(rows, seed: int, directions: int = 64) -> NormalityTest:
    """Orthonormal directions make the projections of one normal latent independent."""
    d = rows.shape[1]
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.standard_normal((d, min(directions, d))))
    values = np.concatenate([chunk @ basis for chunk in _chunks(rows)])
    result = stats.kstest(values.ravel(), "norm")
    measures = "largest gap between distribution functions"
    return NormalityTest("projections", measures, float(result.statistic), 0.0, float(result.pvalue))


def _radius(rows) -> NormalityTest:
    """``|z|^2`` is chi-squared with ``d`` degrees of freedom."""
    d = rows.shape[1]
    squares = np.concatenate([np.square(chunk).sum(1) for chunk in _chunks(rows)])
    p = stats.kstest(stats.chi2.cdf(squares, d), "uniform").pvalue
    expected = stats.chi.mean(d) / np.sqrt(d)
    return NormalityTest("radius", "mean over sqrt(d)", float(np.sqrt(squares / d).mean()), float(expected), float(p))


def _neighbors(rows, shape) -> NormalityTest:
    """Products of independent standard normals have mean 0 and variance 1; neighboring products are uncorrelated."""
    total, pairs = 0.0, 0
    for chunk in _chunks(rows):
        z = chunk.reshape(-1, *shape[1:])
        for products in (z[..., 1:] * z[..., :-1], z[..., 1:, :] * z[..., :-1, :]):
            total += products.sum()
            pairs += products.size
    variance = sum(np.square(chunk).sum() for chunk in _chunks(rows)) / rows.size
    p = 2 * stats.norm.sf(abs(total) / variance / np.sqrt(pairs))
    return NormalityTest("neighbors", "correlation", float(total / pairs / variance), 0.0, float(p))


def _spectrum(rows, shape) -> NormalityTest:
    """White noise has independent, exponentially distributed power in all modes: the ratio is F distributed."""
    height, width = shape[2:]
    ky, kx = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    # the columns kx = 0 and kx = 1/2 hold each mode twice, or modes that are real
    once = (kx > 0) & (kx < 0.5)
    limit = max(1 / 8, 1.5 / min(height, width))  # the longest waves of the smallest images are coarse, too
    coarse, fine = once & (np.hypot(kx, ky) < limit), once & (np.hypot(kx, ky) >= limit)
    power = sum(np.square(np.abs(np.fft.rfft2(chunk.reshape(-1, *shape[1:])))).sum((0, 1)) for chunk in _chunks(rows))
    fields = len(rows) * shape[1]
    ratio = power[coarse].mean() / power[fine].mean()
    law = stats.f(2 * fields * coarse.sum(), 2 * fields * fine.sum())
    p = 2 * min(law.cdf(ratio), law.sf(ratio))
    return NormalityTest("spectrum", "coarse over fine power", float(ratio), 1.0, float(p))


def _sphericity(rows) -> NormalityTest:
    """Ledoit and Wolf's (2002) test of equal eigenvalues, good for ``d`` far above ``n``.

    With ``S`` the second moments of the latents, ``U = tr((S / (tr(S) / d) - I)^2) / d`` and ``n U - d`` is close to a
    normal variable of mean 1 and variance 4.
    """
    n, d = rows.shape
    products = np.zeros((n, n))
    for start in range(0, d, BINS):
        panel = np.asarray(rows[:, start : start + BINS], np.float64)
        products += panel @ panel.T
    mean_eigenvalue = np.trace(products) / (n * d)
    u = np.square(products).sum() / (n * n * d * mean_eigenvalue**2) - 1
    p = 2 * stats.norm.sf(abs(n * u - d - 1) / 2)
    return NormalityTest("sphericity", "spread of eigenvalues", float(u - (d + 1) / n), 0.0, float(p))


def _eigenvalues(rows) -> NormalityTest:
    """White noise keeps its eigenvalues below an edge, up to Tracy and Widom's law; structure sticks out."""
    n, d = rows.shape
    found = covariance_eigenvalues(rows)
    largest = found[0] / (found.sum() / d)
    law, edge = largest_eigenvalue_law(n, d), marchenko_pastur(n, d).high
    p = 2 * min(law.cdf(largest), law.sf(largest))
    return NormalityTest(
        "eigenvalues", "largest over the edge", float(largest / edge), float(law.mean() / edge), float(p)
    )
