"""One Gram matrix holds all that pairwise statistics need, after one pass over the data and ``n^2 d`` products.

It is ``G_ij = <x_i, x_j>``, and gives ``|x_i - x_j|^2 = G_ii + G_jj - 2 G_ij``.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.linalg.blas import ssyrk

from ..checks import check_integer, check_rows
from .store import LatentStore

Cloud = torch.Tensor | np.ndarray | LatentStore  # float (n, ...)
PANEL = 2**24  # numbers held at a time: 64 MB
NEAR = 1e-2  # a squared distance below this share of the offsets' squares has lost digits and is computed anew


@dataclass(frozen=True)
class Gram:
    """Inner products ``<x_i, x_j>`` and ``|x_i - x_j|^2`` of ``n`` points in ``d`` dimensions, float64 ``(n, n)``."""

    products: np.ndarray
    squared_distances: np.ndarray
    dimension: int

    def __len__(self) -> int:
        return len(self.products)

    def __getitem__(self, rows: slice | np.ndarray) -> Gram:
        """The Gram matrix of some of the points: a slice, or indices."""
        block = (rows, rows) if isinstance(rows, slice) else np.ix_(rows, rows)
        return Gram(self.products[block], self.squared_distances[block], self.dimension)


def gram(*clouds: Cloud) -> Gram:
    """Compute the Gram matrix of all points of one or several clouds, in that order.

    Parameters
    ----------
    *clouds : Tensor, ndarray or LatentStore
        ``(n, ...)`` float each, finite, with one ``d``. They are read once, a few columns at a time, and may be larger
        than memory. Products are formed in float32 over short stretches, added up in float64.
    """
    if not clouds:
        raise ValueError("clouds: got none, expected at least one")
    return gram_of({f"clouds[{i}]": check_rows(f"clouds[{i}]", cloud) for i, cloud in enumerate(clouds)})


def gram_of(clouds: dict[str, np.ndarray]) -> Gram:
    """Do what `gram` does for rows that `check_rows` returned, by the names that errors give them."""
    names, rows = list(clouds), list(clouds.values())
    dimension = rows[0].shape[1]
    for name, cloud in clouds.items():
        if cloud.shape[1] != dimension:
            raise ValueError(f"{name}: got d = {cloud.shape[1]}, expected {dimension} as in {names[0]}")
    sizes = [len(cloud) for cloud in rows]
    # each point is its cloud's mean plus an offset; offsets are short, so float32 serves for their products.
    # means are counted from the first, whose share then cancels exactly in distances
    member = np.repeat(np.eye(len(rows)), sizes, axis=0)  # (n, clouds): which means add up to a point's
    member[:, 0] = 1
    n = len(member)
    offsets, along, means, squared_radii = (np.zeros(k) for k in ((n, n), (n, len(rows)), (len(rows),) * 2, n))
    width = max(1, min(dimension, PANEL // n, 8192))
    panel = np.empty((n, width), np.float32)
    # pages of read-only memory maps that were read would count as memory in use to the end
    maps: list[Any] = [k for k in rows if getattr(k, "mode", None) == "r" and hasattr(mmap, "MADV_DONTNEED")]
    for start in range(0, dimension, width):
        columns = panel[:, : min(width, dimension - start)]
        np.concatenate([cloud[:, start : start + width] for cloud in rows], out=columns)
        for cloud in maps:
            cloud._mmap.madvise(mmap.MADV_DONTNEED)
        squared_radii += np.einsum("ij,ij->i", columns, columns, dtype=np.float64)
        parts = np.split(columns, np.cumsum(sizes)[:-1])
        mean = np.stack([part.mean(axis=0) for part in parts])
        for part, center in zip(parts, mean, strict=True):
            part -= center
        mean[1:] -= mean[0]
        # one triangle of columns @ columns.T, the lower one here: half the work of a full product
        offsets += ssyrk(1.0, columns.T, trans=1).T
        along += columns @ mean.T
        mean = mean.astype(np.float64)
        means += mean @ mean.T
    if not np.isfinite(np.trace(offsets) + np.trace(means)):
        lost = ~np.isfinite(np.diag(offsets))
        raise ValueError(f"{np.repeat(names, sizes)[lost.argmax()]}: holds NaN or infinity, expected finite values")
    offsets = np.tril(offsets) + np.tril(offsets, -1).T
    to_other = along @ member.T  # <offset of i, mean of j's cloud>
    between = member @ means @ member.T
    products = offsets + (to_other + to_other.T) + between
    np.fill_diagonal(products, squared_radii)
    lengths = np.diag(offsets)
    own, gaps = np.diag(to_other), np.diag(between)[:, None] + np.diag(between) - 2 * between
    within, across = lengths[:, None] + lengths - 2 * offsets, own[:, None] + own - to_other - to_other.T
    squared_distances = within + 2 * across + gaps
    np.fill_diagonal(squared_distances, 0)
    _recompute_near(squared_distances, lengths, rows)
    return Gram(products, squared_distances, dimension)


def as_gram(name: str, latents: Cloud | Gram, fewest: int) -> Gram:
    """Return the Gram matrix of at least ``fewest`` points, computing it if it is not one already."""
    if not isinstance(latents, Gram):
        return gram_of({name: check_rows(name, latents, fewest)})
    if len(latents) < fewest:
        raise ValueError(f"{name}: got {len(latents)} points, expected at least {fewest}")
    return latents


def joint_gram(a: Cloud | Gram, b: Cloud | int, fewest: int) -> tuple[Gram, int]:
    """The Gram matrix of two clouds, given as such or as just that, and how many of its points are of the first."""
    if isinstance(a, Gram):
        if len(a) < 2 * fewest:
            raise ValueError(f"a: got {len(a)} points, expected at least {2 * fewest}")
        return a, check_integer("b", b, fewest, len(a) - fewest)
    a, b = check_rows("a", a, fewest), check_rows("b", b, fewest)
    return gram_of({"a": a, "b": b}), len(a)


def products_about_means(squared_distances: np.ndarray) -> np.ndarray:
    """Inner products of two clouds' offsets from their own means, by centring their squared distances twice."""
    rows, columns = (squared_distances.mean(axis, keepdims=True) for axis in (1, 0))
    return -(squared_distances - rows - columns + squared_distances.mean()) / 2


def trace_of_square(within: np.ndarray) -> float:
    """Estimate ``tr(S^2)`` of a cloud's covariance from its squared distances ``(n, n)``."""
    # the variance of the products of two points' offsets, which from the sample mean are too short by sqrt(1 - 1 / n)
    n = len(within)
    return float(products_about_means(within)[np.triu_indices(n, 1)].var() * (n / (n - 1)) ** 2)


def trace_of_product(between: np.ndarray) -> float:
    """Estimate ``tr(S_a S_b)`` from the squared distances ``(n, m)`` between the points of two clouds."""
    n, m = between.shape
    return float(products_about_means(between).var() * n / (n - 1) * m / (m - 1))


def _recompute_near(distances, lengths, rows) -> None:
    """Take the difference itself where two points are so close that the formula cancels."""
    places = [(cloud, k) for cloud in rows for k in range(len(cloud))]
    for i, j in np.argwhere(np.tril(distances < NEAR * (lengths[:, None] + lengths), -1)):
        here, there = (cloud[k].astype(np.float64) for cloud, k in (places[i], places[j]))
        difference = here - there
        distances[i, j] = distances[j, i] = difference @ difference
