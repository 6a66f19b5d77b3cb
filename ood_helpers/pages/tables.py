"""Tables of the book: our numbers with the paper's beside them, as pandas frames ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from .. import CenterDistance, FrozenModel, Gaussianity, Geometry, Spread, fingerprint
from ..theory import center_noise, centroid_accuracy, gaussian_geometry, pair_accuracy, spherical_reading
from . import paper

NOTHING = "–"  # where there is no number to show
_frame = partial(pd.DataFrame.from_dict, orient="index")


def generation(
    pairs: Mapping, methods: Sequence[str], columns: Mapping[str, Sequence[str]], key: str = "frechet", digits: int = 1
) -> pd.DataFrame:
    """Show mean and standard deviation of a comparison over base models that did not see the domain, as Table 1 does.

    ``pairs`` maps ``"base target"`` to a record of ``benchmarks/generation.py``, with numbers of
    its ``"methods"``; ``columns`` map a label to domains. ``key`` says which number, to how many ``digits``.
    """
    rows = {}
    for method in methods:
        for label, domains in columns.items():
            found = [record["methods"][method] for pair, record in pairs.items() if pair.split()[1] in domains]
            rows.setdefault(method, {})[label] = _over_models([row[key] for row in found if key in row], digits)
    return _frame(rows)


def budgets(record: Mapping, pair: str, key: str = "kernel", digits: int = 3) -> pd.DataFrame:
    """Show what each method reached with each budget, as mean and range over repetitions.

    ``record`` is what ``benchmarks/tuning_curves.py`` keeps, ``pair`` such as "toy-dog church"; budgets are multiples
    of what the inversion of the same images takes, or the paper's 5,000 steps. Sampling and doing
    nothing, which train nothing, stand at 1.
    """
    found = by_budget(record, pair, key)
    frame = _frame({label: {factor: _range(of[factor], digits) for factor in of} for label, of in found.items()})
    return (
        frame[sorted(frame)].rename(columns=lambda f: f"{f:,.0f} steps" if f > 1000 else f"{f:g} times").fillna(NOTHING)
    )


def by_budget(record: Mapping, pair: str, key: str) -> dict[str, dict[float, list[float]]]:
    """Return the numbers of `budgets`, in the order of the repetitions, by method and budget."""
    found: dict[str, dict[float, list[float]]] = {}
    for name, run in record["runs"].items():
        if name.startswith(f"{pair} "):
            label, _, factor = name.removeprefix(f"{pair} ").partition(" ")[2].rpartition(" ")
            found.setdefault(label, {}).setdefault(float(factor), []).append(run[key])
    return found


def _range(values: Sequence[float], digits: int) -> str:
    spread = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ", once"
    return f"{np.mean(values):.{digits}f}{spread}"


def sampling(
    found: Mapping[tuple[str, str, str], Sequence[Mapping[str, Any]]], floors: Mapping[str, float], features: str
) -> pd.DataFrame:
    """Lay distances of new images beside Table 1: what tunes beside its row, what samples beside "Ours".

    ``found`` maps domain, method and its settings to a row for each base model that did not see the domain: the
    distances ``"frechet"`` and ``"kernel"``, an `Estimate`, in ``features``, and the share of ``"copies"``; ``floors``
    maps the domain to the Frechet distance of two sets of real images. Where there are several models, what follows ±
    is the standard deviation over them.
    """
    keys = [key for name in floors for key in found if key[0] == name]
    rows = []
    for key in keys:
        (name, method, settings), of, theirs = key, found[key], paper.TUNED.get(key[1], "Ours")
        frechet, kernel, copies = ([one[what] for one in of] for what in ("frechet", "kernel", "copies"))
        several = len(of) > 1
        row = {"method": method, "models": len(of)}
        row[f"Fréchet, {features} (ours)"] = _over_models(frechet, 2) if several else f"{frechet[0]:.2f}"
        row |= {"real images": f"{floors[name]:.2f}", "paper": str(paper.TABLE_1[theirs].get(name, NOTHING))}
        row["kernel distance"] = _over_models([one.value for one in kernel], 4) if several else str(kernel[0])
        row["copies"] = _over_models(copies, 2) if several else f"{copies[0]:.2f}"
        rows.append(row | {"row (paper)": theirs, "settings": settings})
    return pd.DataFrame(rows, pd.Index([key[0] for key in keys], name="domain"))


def cited_generation() -> pd.DataFrame:
    """Show Table 1 and the scores of Sec. E.1 as printed in the paper; nothing of them is measured here."""
    frame = _frame({f"{method} (paper)": row for method, row in paper.TABLE_1.items()})
    return frame.map(str, na_action="ignore").fillna(NOTHING)


def provenance(record: Mapping, *models: FrozenModel) -> str:
    """Say when a record of ``benchmarks/results`` was made, and whether with the weights of these models."""
    same = {model.name: record.get("weights", {}).get(model.name) == fingerprint(model) for model in models}
    told = "; ".join(f"{name}, {'these' if known else 'not these'} weights" for name, known in same.items())
    return f"record of {record.get('date', 'an unknown day')}: {told}"


def reconstruction(
    errors: Mapping[str, torch.Tensor], in_domain: str, recorded: Mapping[str, Mapping] | None = None
) -> pd.DataFrame:
    """Lay our reconstruction errors beside the DDIM rows of Table 2.

    ``errors`` map a domain to the `reconstruction_error` of each image, ``(n,)``; ``in_domain`` is that of the model.
    ``recorded`` maps it to a solver to ``"mean"``, ``"std"`` and ``"n"`` of more images, from
    ``benchmarks/reconstruction.py``: all but one column is of them then.
    """
    rows = {}
    for name, mae in errors.items():
        theirs, live = paper.table_2().get(name), {}
        mean, std, n = float(mae.mean()), float(mae.std()), len(mae)
        if recorded is not None:
            live = {f"MAE of {n}, live": f"{mean:.4f}"}
            mean, std, n = (recorded[name]["ddim"][key] for key in ("mean", "std", "n"))
        rows[_label(name, name == in_domain)] = {
            **live,
            "images": n,
            "MAE (ours)": f"{mean:.4f}",
            "std": f"{std:.4f}",
            "std. error": f"{std / n**0.5:.4f}",
            "data set (paper)": theirs.domain if theirs else NOTHING,
            "MAE (paper)": f"{theirs.mae:.3f} ± {theirs.spread:.0e}" if theirs else NOTHING,
        }
    return _frame(rows)


def cited_reconstruction() -> pd.DataFrame:
    """Show the rows of other methods in Table 2 as printed in the paper; nothing of them is measured here."""
    rows = [(r.method, _label(r.domain, r.in_domain), f"{r.mae:.3f}") for r in paper.TABLE_2 if r.method != "DDIM"]
    return pd.DataFrame(rows, columns=["method (paper)", "domain", "MAE (paper)"])


def geometry(found: Mapping[str, Geometry], in_domain: str) -> pd.DataFrame:
    """Lay the geometry of latents, by domain, beside that of a standard normal cloud and the first rows of Table 3.

    Mean and standard deviation are those over points, pairs or triples. Radii and distances are divided by ``sqrt(d)``
    and ``sqrt(2 d)``, which makes dimensions comparable: a standard normal cloud has 1. The paper does not print radii.
    """
    d, rows = next(iter(found.values())).d, {}
    for name, row in {"standard normal": gaussian_geometry(d), **found}.items():
        theirs, distance = paper.table_3().get(name), NOTHING
        if theirs:
            distance = f"{theirs.pair_distance[0] / np.sqrt(2 * paper.DIMENSION):.3f} ({theirs.domain})"
        rows[_label(name, name == in_domain) if name in found else name] = {
            "radius / √d": _spread(row.radius, np.sqrt(d), 3),
            "pair distance / √(2d)": _spread(row.pair_distance, np.sqrt(2 * d), 3),
            "angle of three": _spread(row.pair_angle, 1, 2) + "°",
            "angle at origin": _spread(row.origin_angle, 1, 2) + "°",
            "distance / √(2d) (paper)": distance,
            "at origin (paper)": f"{theirs.origin_angle[0]:.1f}°" if theirs else NOTHING,
        }
    return _frame(rows)


def separation(centers: Mapping[str, CenterDistance], accuracy: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Lay distances of centers and accuracies of the linear classifier, by unseen domain, beside the end of Table 3.

    ``centers`` are by `center_distance` from the training domain; the paper prints plug-in distances. ``accuracy`` is
    that on held-out latents.
    """
    rows = {}
    for name, c in centers.items():
        theirs = paper.table_3().get(name)
        rows[name] = {
            "plug-in": f"{c.plug_in:.1f}",
            "noise floor": f"{c.noise_floor:.1f}",
            "unbiased": f"{c.unbiased:.1f}",
            "squared": f"{c.squared:.0f} ± {c.squared_error:.0f}",
            "unbiased / d^(1/4)": f"{c.unbiased / c.threshold:.1f}",
            "plug-in (paper)": f"{theirs.center_distance:.1f}" if theirs else NOTHING,
            "/ d^(1/4) (paper)": f"{theirs.center_distance / paper.DIMENSION**0.25:.1f}" if theirs else NOTHING,
        }
        if accuracy:
            rows[name]["SVM"] = f"{accuracy[name]:.2f}"
            rows[name]["SVM (paper)"] = f"{theirs.accuracy:.2f}" if theirs else NOTHING
    return _frame(rows)


def gaussianity(found: Mapping[str, Gaussianity], level: float = 0.01) -> pd.DataFrame:
    """Show the effects that tests found, by cloud, below those expected of ``N(0, I)``; a star marks a rejection.

    By Bonferroni's rule ``level`` is the probability of a star anywhere in a row for draws from ``N(0, I)``.
    """
    first = next(iter(found.values()))
    rows = {"expected of N(0, I)": {test.name: f"{test.expected:.3f}" for test in first.tests}}
    for label, result in found.items():
        threshold = level / len(result.tests)
        rows[label] = {t.name: f"{t.effect:.3f}{' *' if t.p_value < threshold else ''}" for t in result.tests}
    return _frame(rows)


def by_walk(walks: Mapping[str, Mapping[str, Gaussianity | Geometry]], names: Sequence[str]) -> pd.DataFrame:
    """Show effects of tests, or means of quantities of geometry, side by side for latents of several walks.

    ``walks`` map a walk to domains to what was found of their latents; ``names`` are tests, such as "neighbors", or
    quantities, such as "pair_distance".
    """
    columns = {}
    for name in names:
        for walk, found in walks.items():
            columns[name.replace("_", " "), walk] = {
                k: f"{getattr(x, name).mean:.1f}" if isinstance(x, Geometry) else f"{x[name].effect:.3f}"
                for k, x in found.items()
            }
    return pd.DataFrame(columns)


def spherical_readings(n: int = 1000) -> pd.DataFrame:
    """Read Table 3 of the paper as spherical Gaussian clouds of ``n`` latents: what its angles and distances imply.

    For each data set these are the standard deviation of a coordinate, the norm of the mean (with the interval that
    the rounding of the printed angle allows), the norm that a mean of ``n`` such latents has, and the radius; then the
    printed distance of centers, its noise floor and what `unbiased_distance` leaves of it.
    """
    rows = {}
    for column in paper.TABLE_3:
        reading, *rounded = (_reading(column, by) for by in (0, 0.05, -0.05))
        sample_mean = np.hypot(reading.mean_norm, _noise_floor(column, n, from_origin=True))
        row = rows[column.domain] = {
            "std s": f"{reading.std:.3f}",
            "norm of mean (from, to)": "{:.0f} ({:.0f}, {:.0f})".format(*(r.mean_norm for r in (reading, *rounded))),
            "norm of a sample mean": f"{sample_mean:.0f}",
            "radius": f"{reading.radius:.0f}",
        }
        if column.center_distance:
            row["center distance (printed)"] = f"{column.center_distance:.1f}"
            row["noise floor"] = f"{_noise_floor(column, n):.1f}"
            row["without noise"] = f"{unbiased_distance(column, n):.1f}"
            row["the same, from the origin"] = f"{unbiased_distance(column, n, from_origin=True):.1f}"
    return _frame(rows).fillna(NOTHING)


def unbiased_distance(column: paper.LatentGeometry, n: int = 1000, *, from_origin: bool = False) -> float:
    """Take the noise floor of means of ``n`` out of a printed center distance: ``sqrt(max(distance^2 - floor^2, 0))``.

    With ``from_origin``, as if it had been measured from there and not from the latents of dogs: one mean is noisy.
    """
    return float(np.sqrt(max(column.center_distance**2 - _noise_floor(column, n, from_origin) ** 2, 0)))


def expected_accuracies(n: int = 1000) -> pd.DataFrame:
    """Ask what the center distances of Table 3 would mean for spherical clouds, beside the accuracy printed there.

    For each unseen data set these are the distance without noise, in units of the cloud's standard deviation; the share
    of pairs that the lemma's pair classifier would get right; the accuracy of centroids learned from 70 % of
    ``n`` latents; and the printed accuracy of the support vector machine.
    """
    rows = {}
    for column in paper.TABLE_3[1:]:
        distance = unbiased_distance(column, n) / _reading(column).std
        rows[column.domain] = {
            "distance / s": f"{distance:.1f}",
            "pairs told apart": f"{pair_accuracy(paper.DIMENSION, distance):.3f}",
            "centroids (theory)": f"{centroid_accuracy(paper.DIMENSION, distance, round(0.7 * n)):.4f}",
            "SVM (paper)": f"{column.accuracy:.2f}",
        }
    return _frame(rows)


def _reading(column: paper.LatentGeometry, degrees: float = 0):
    return spherical_reading(column.pair_distance[0], column.origin_angle[0] + degrees, paper.DIMENSION)


def _noise_floor(column: paper.LatentGeometry, n: int, from_origin: bool = False) -> float:
    own = 0 if from_origin else _reading(paper.TABLE_3[0]).std
    return center_noise(paper.DIMENSION, own, _reading(column).std, n, n)


def _label(name: str, in_domain: bool) -> str:
    return f"{name} ({'ID' if in_domain else 'OOD'})"


def _spread(spread: Spread, unit: float, digits: int) -> str:
    return f"{spread.mean / unit:.{digits}f} ± {spread.std / unit:.{digits}f}"


def _over_models(values: Sequence[float], digits: int) -> str:
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else NOTHING
