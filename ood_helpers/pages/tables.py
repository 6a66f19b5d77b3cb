"""Tables of the book: our numbers with the paper's beside them, as pandas frames ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from .. import CenterDistance, FrozenModel, Gaussianity, Geometry, fingerprint
from ..theory import center_noise, centroid_accuracy, gaussian_geometry, pair_accuracy, spherical_reading
from . import paper


def generation(
    pairs: Mapping[str, Mapping],
    methods: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    key: str = "frechet",
    digits: int = 1,
) -> pd.DataFrame:
    """Average numbers of a comparison over base models, as Table 1 does.

    Parameters
    ----------
    pairs : mapping of str to mapping
        ``"base target"`` -> record with ``"methods"``: method -> numbers, from ``benchmarks/generation.py``.
    methods : sequence of str
        Rows.
    columns : mapping of str to sequence of str
        Label -> domains of a column.
    key : str
        Which number.
    digits : int
        After the point.

    Returns
    -------
    DataFrame
        Mean and standard deviation over the base models that did not see the domain.
    """
    rows = {}
    for method in methods:
        values = {label: over_bases(pairs, domains, method, key) for label, domains in columns.items()}
        rows[method] = {
            label: f"{v.mean():.{digits}f} ± {v.std(ddof=1):.{digits}f}" if len(v) > 1 else "–"
            for label, v in values.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def over_bases(pairs: Mapping[str, Mapping], domains: Sequence[str], method: str, key: str) -> np.ndarray:
    """Return one number of one method for each base model that has it, for pairs whose target is among some domains."""
    found = [record["methods"][method] for pair, record in pairs.items() if pair.split()[1] in domains]
    return np.array([numbers[key] for numbers in found if key in numbers], dtype=float)


def sampling(found: Mapping[str, Sequence[float]], floors: Mapping[str, float], features: str) -> pd.DataFrame:
    """Lay the distances of sampled images beside the row "Ours" of Table 1.

    Parameters
    ----------
    found : mapping of str to sequence of float
        Domain -> Frechet distance, one for each base model that did not see it.
    floors : mapping of str to float
        Domain -> distance of two sets of real images.
    features : str
        What the distances were measured in.

    Returns
    -------
    DataFrame
        One row a domain: mean, and standard deviation if there are several models; the paper's number with its scale.
    """
    printed, rows = paper.table_1()["Ours"], {}
    for name, values in found.items():
        spread, theirs = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "", printed.get(name)
        rows[name] = {
            "models": len(values),
            f"Fréchet, {features} (ours)": f"{np.mean(values):.2f}{spread}",
            "real images": f"{floors[name]:.2f}",
            "paper": f"{theirs.value:g} ± {theirs.spread:g} ({theirs.scale})" if theirs else "–",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def cited_generation() -> pd.DataFrame:
    """Show Table 1 and the scores of Sec. E.1 as printed in the paper; nothing of them is measured here."""
    rows = {
        f"{method} (paper)": {
            domain: f"{number.value:g} ± {number.spread:g} ({number.scale})" for domain, number in numbers.items()
        }
        for method, numbers in paper.table_1().items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").fillna("–")


def provenance(record: Mapping, *models: FrozenModel) -> str:
    """Say when a record was made, and whether with the weights of these models.

    Parameters
    ----------
    record : mapping
        From ``benchmarks/results``: ``"weights"`` maps names of models to their fingerprints, ``"date"`` is a day.
    *models : FrozenModel
    """
    known, told = record.get("weights", {}), []
    for model in models:
        same = known.get(model.name) == fingerprint(model)
        told.append(f"{model.name}, {'these' if same else 'not these'} weights")
    return f"record of {record.get('date', 'an unknown day')}: {'; '.join(told)}"


def reconstruction(
    errors: Mapping[str, torch.Tensor], in_domain: str, recorded: Mapping[str, Mapping] | None = None
) -> pd.DataFrame:
    """Lay our reconstruction errors beside the DDIM rows of Table 2.

    Parameters
    ----------
    errors : mapping of str to Tensor
        Domain -> `reconstruction_error` of each image, ``(n,)``.
    in_domain : str
        The domain that the model was trained on.
    recorded : mapping of str to mapping, optional
        Domain -> solver -> ``"mean"``, ``"std"`` and ``"n"``, from ``benchmarks/reconstruction.py``: of more images.

    Returns
    -------
    DataFrame
        One row a domain: mean, standard deviation over images and standard error of the mean, of the recorded images if
        there are any, beside the mean of the others; then the data set of the paper that the domain stands for, and
        its printed error.
    """
    printed = paper.table_2()
    rows = {}
    for name, mae in errors.items():
        theirs = printed.get(name)
        mean, std, n = float(mae.mean()), float(mae.std()), len(mae)
        live = {}
        if recorded is not None:
            live = {f"MAE of {n}, live": f"{mean:.4f}"}
            mean, std, n = (recorded[name]["ddim"][key] for key in ("mean", "std", "n"))
        rows[f"{name} ({'ID' if name == in_domain else 'OOD'})"] = {
            **live,
            "images": n,
            "MAE (ours)": f"{mean:.4f}",
            "std": f"{std:.4f}",
            "std. error": f"{std / n**0.5:.4f}",
            "data set (paper)": theirs.domain if theirs else "–",
            "MAE (paper)": f"{theirs.mae:.3f} ± {theirs.spread:.0e}" if theirs else "–",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def cited_reconstruction(methods: Iterable[str]) -> pd.DataFrame:
    """Show rows of Table 2 as printed in the paper; nothing of them is measured here."""
    wanted = set(methods)
    rows = [row for row in paper.TABLE_2 if row.method in wanted]
    return pd.DataFrame(
        {
            "method (paper)": [row.method for row in rows],
            "domain": [f"{row.domain} ({'ID' if row.in_domain else 'OOD'})" for row in rows],
            "MAE (paper)": [f"{row.mae:.3f}" for row in rows],
        }
    )


def geometry(found: Mapping[str, Geometry], in_domain: str) -> pd.DataFrame:
    """Lay the geometry of our latents beside that of a standard normal cloud and the first rows of Table 3.

    Parameters
    ----------
    found : mapping of str to Geometry
        Domain -> `geometry` of its latents, all of one dimension.
    in_domain : str
        The domain that the model was trained on.

    Returns
    -------
    DataFrame
        Mean and standard deviation over points, pairs or triples. Radii and distances are divided by ``sqrt(d)`` and
        ``sqrt(2 d)``, which makes dimensions comparable: a standard normal cloud has 1. The paper does not print radii.
    """
    printed = paper.table_3()
    dimension = next(iter(found.values())).d
    rows = {"standard normal": gaussian_geometry(dimension)} | dict(found)
    frame = {}
    for name, row in rows.items():
        theirs = printed.get(name)
        label = name if name not in found else f"{name} ({'ID' if name == in_domain else 'OOD'})"
        frame[label] = {
            "radius / √d": _spread(row.radius, np.sqrt(row.d), 3),
            "pair distance / √(2d)": _spread(row.pair_distance, np.sqrt(2 * row.d), 3),
            "angle of three": _spread(row.pair_angle, 1, 2) + "°",
            "angle at origin": _spread(row.origin_angle, 1, 2) + "°",
            "distance / √(2d) (paper)": _printed(theirs),
            "at origin (paper)": f"{theirs.origin_angle[0]:.1f}°" if theirs else "–",
        }
    return pd.DataFrame.from_dict(frame, orient="index")


def separation(centers: Mapping[str, CenterDistance], accuracy: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Lay distances of centers, and accuracies of the linear classifier, beside the last rows of Table 3.

    Parameters
    ----------
    centers : mapping of str to CenterDistance
        Unseen domain -> `center_distance` from the training domain.
    accuracy : mapping of str to float, optional
        Unseen domain -> accuracy on held-out latents.

    Returns
    -------
    DataFrame
        One row a domain; the paper prints plug-in distances.
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
            "plug-in (paper)": f"{theirs.center_distance:.1f}" if theirs else "–",
            "/ d^(1/4) (paper)": f"{theirs.center_distance / paper.DIMENSION**0.25:.1f}" if theirs else "–",
        }
        if accuracy:
            rows[name] |= {
                "SVM": f"{accuracy[name]:.2f}",
                "SVM (paper)": f"{theirs.accuracy:.2f}" if theirs else "–",
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def gaussianity(found: Mapping[str, Gaussianity], level: float = 0.01) -> pd.DataFrame:
    """Show the effects that tests of normality found; a star marks where ``N(0, I)`` is rejected.

    Parameters
    ----------
    found : mapping of str to Gaussianity
        Label -> `gaussianity` of a cloud.
    level : float
        Probability of a star anywhere in a row for draws from ``N(0, I)``, by Bonferroni's rule.

    Returns
    -------
    DataFrame
        One row a cloud, one column a test; the first row holds the effects expected of ``N(0, I)``.
    """
    first = next(iter(found.values()))
    rows = {"expected of N(0, I)": {test.name: f"{test.expected:.3f}" for test in first.tests}}
    for label, result in found.items():
        threshold = level / len(result.tests)
        rows[label] = {t.name: f"{t.effect:.3f}{' *' if t.p_value < threshold else ''}" for t in result.tests}
    return pd.DataFrame.from_dict(rows, orient="index")


def by_walk(walks: Mapping[str, Mapping[str, Gaussianity]], names: Sequence[str]) -> pd.DataFrame:
    """Show effects of some tests, side by side for latents of several walks.

    Parameters
    ----------
    walks : mapping of str to mapping of str to Gaussianity
        Walk -> domain -> tests of its latents.
    names : sequence of str
        Which tests.

    Returns
    -------
    DataFrame
        One row a domain, one column a test and walk.
    """
    return pd.DataFrame(
        {
            (name, walk): {domain: f"{found[name].effect:.3f}" for domain, found in results.items()}
            for name in names
            for walk, results in walks.items()
        }
    )


def geometry_by_walk(walks: Mapping[str, Mapping[str, Geometry]]) -> pd.DataFrame:
    """Show radius, pair distance and the angle at the origin, side by side for latents of several walks.

    Parameters
    ----------
    walks : mapping of str to mapping of str to Geometry
        Walk -> domain -> geometry of its latents.

    Returns
    -------
    DataFrame
        One row a domain, one column a quantity and walk.
    """
    rows = {"radius": "radius", "pair distance": "pair_distance", "angle at origin": "origin_angle"}
    return pd.DataFrame(
        {
            (label, walk): {domain: f"{getattr(found, row).mean:.1f}" for domain, found in results.items()}
            for label, row in rows.items()
            for walk, results in walks.items()
        }
    )


def _spread(spread, unit: float, digits: int) -> str:
    return f"{spread.mean / unit:.{digits}f} ± {spread.std / unit:.{digits}f}"


def _printed(column: paper.LatentGeometry | None) -> str:
    return f"{column.pair_distance[0] / np.sqrt(2 * paper.DIMENSION):.3f} ({column.domain})" if column else "–"


def spherical_readings(n: int = 1000) -> pd.DataFrame:
    """Read Table 3 of the paper as spherical Gaussian clouds: what its angles and distances imply.

    Parameters
    ----------
    n : int
        Latents of each domain; the paper says 1,000.

    Returns
    -------
    DataFrame
        For each data set the implied standard deviation of a coordinate, norm of the mean (with the interval that the
        rounding of the printed angle allows), norm that a mean of ``n`` such latents has, and radius; then the printed
        distance of centers, its noise floor and what is left without it, if it was measured from the latents of dogs,
        and what is left if it was measured from the origin, where only one of the two means is noisy.
    """
    dog = paper.TABLE_3[0]
    own = spherical_reading(dog.pair_distance[0], dog.origin_angle[0], paper.DIMENSION)
    frame = {}
    for column in paper.TABLE_3:
        reading = spherical_reading(column.pair_distance[0], column.origin_angle[0], paper.DIMENSION)
        floor = center_noise(paper.DIMENSION, own.std, reading.std, n, n)
        floor_of_one = reading.std * np.sqrt(paper.DIMENSION / n)
        frame[column.domain] = {
            "std s": f"{reading.std:.3f}",
            "norm of mean (from, to)": _with_rounding(column),
            "norm of a sample mean": f"{np.hypot(reading.mean_norm, floor_of_one):.0f}",
            "radius": f"{reading.radius:.0f}",
            "center distance (printed)": f"{column.center_distance:.1f}" if column.center_distance else "–",
            "noise floor": f"{floor:.1f}" if column.center_distance else "–",
            "without noise": f"{unbiased_distance(column, n):.1f}" if column.center_distance else "–",
            "the same, from the origin": f"{distance_from_origin(column, n):.1f}" if column.center_distance else "–",
        }
    return pd.DataFrame.from_dict(frame, orient="index")


def _with_rounding(column: paper.LatentGeometry) -> str:
    distance, angle = column.pair_distance[0], column.origin_angle[0]
    mid, low, high = (spherical_reading(distance, angle + by, paper.DIMENSION).mean_norm for by in (0, 0.05, -0.05))
    return f"{mid:.0f} ({low:.0f}, {high:.0f})"


def unbiased_distance(column: paper.LatentGeometry, n: int = 1000) -> float:
    """Take the noise floor out of a printed center distance: ``sqrt(max(distance^2 - floor^2, 0))``."""
    dog = paper.TABLE_3[0]
    stds = (spherical_reading(c.pair_distance[0], c.origin_angle[0], paper.DIMENSION).std for c in (dog, column))
    floor = center_noise(paper.DIMENSION, *stds, n, n)
    return float(np.sqrt(max(column.center_distance**2 - floor**2, 0)))


def distance_from_origin(column: paper.LatentGeometry, n: int = 1000) -> float:
    """Take the noise of one mean out of a printed center distance, as if it had been measured from the origin."""
    noise = spherical_reading(column.pair_distance[0], column.origin_angle[0], paper.DIMENSION).std ** 2 / n
    return float(np.sqrt(max(column.center_distance**2 - noise * paper.DIMENSION, 0)))


def expected_accuracies(n: int = 1000, test_size: float = 0.3) -> pd.DataFrame:
    """Ask what the center distances of Table 3 would mean for spherical clouds, beside the accuracy printed there.

    Returns
    -------
    DataFrame
        For each unseen data set: the distance without noise, in units of the cloud's standard deviation; the share of
        pairs that the lemma's pair classifier would get right; the accuracy of centroids learned from 70 % of the
        latents; the printed accuracy of the support vector machine.
    """
    frame = {}
    for column in paper.TABLE_3[1:]:
        std = spherical_reading(column.pair_distance[0], column.origin_angle[0], paper.DIMENSION).std
        distance = unbiased_distance(column, n) / std
        trained = round(n * (1 - test_size))
        frame[column.domain] = {
            "distance / s": f"{distance:.1f}",
            "pairs told apart": f"{pair_accuracy(paper.DIMENSION, distance):.3f}",
            "centroids (theory)": f"{centroid_accuracy(paper.DIMENSION, distance, trained):.4f}",
            "SVM (paper)": f"{column.accuracy:.2f}",
        }
    return pd.DataFrame.from_dict(frame, orient="index")
