"""Two worlds side by side: the claims of the paper that ``benchmarks/real.py`` measured on drawn and on real images.

Every claim is judged by its rule in `verdicts`, on the numbers of one world: a model, the domain it was trained on, and
unseen domains, all drawn or all real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from .. import Bandwidth, wilson_interval
from ..checks import check_choice
from . import paper, verdicts
from .claims import CLAIMS, Outcome

Judged = tuple[str, Outcome, str]  # a claim's key, what became of it, the number


def outcomes(record: Mapping[str, Any], world: str) -> dict[str, tuple[Outcome, str]]:
    """Judge every claim that a world's numbers can decide: outcome and number by the claim's key.

    ``record`` is what ``benchmarks/results/real.json`` holds, ``world`` "drawn" or "real"; else ValueError.
    """
    check_choice("world", world, record["worlds"])
    known = record["worlds"][world]
    clouds = {name: record["clouds"][f"{known['model']} {name}"] for name in (known["own"], *known["unseen"])}
    made = {name: record["generation"][name] for name in known["unseen"]}
    maps = {name: record["mixing"][name] for name in known["mixed"]}
    start = record["noise"][known["own"]]
    found = [*_of_clouds(clouds, known["own"]), *_of_mixing(record["settings"], maps, made, start), *_of_samples(made)]
    return {key: (outcome, number) for key, outcome, number in found}


def side_by_side(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row a claim: its sentence, status and number in each world, and whether the status changes."""
    found = {world: outcomes(record, world) for world in record["worlds"]}
    rows = {}
    for key in next(iter(found.values())):
        told = {world: found[world][key] for world in found}
        row = {"claim": CLAIMS[key].text}
        for world, (outcome, number) in told.items():
            row |= {world: outcome, f"number, {world}": number}
        rows[key] = row | {"changes": len({outcome for outcome, _ in told.values()}) > 1}
    return pd.DataFrame.from_dict(rows, orient="index")


def repeated(record: Mapping[str, Any]) -> pd.DataFrame:
    """Count how often each claim came out how: a row a claim, a column a model, "3 of 3 hold" or all outcomes.

    ``record`` is what ``benchmarks/results/claims.json`` holds. The last column says on what the outcome depends:
    "" if all repetitions agree, "images" if those of one model differ, else "model".
    """
    found: dict[str, dict[str, list[Outcome]]] = {}
    for name, repetition in record["repetitions"].items():
        model = name.rsplit(" ", 1)[0]
        for key, (outcome, _) in outcomes(repetition, model).items():
            found.setdefault(key, {}).setdefault(model, []).append(outcome)
    rows = {}
    for key, by_model in found.items():
        told = {model: ", ".join(f"{n} {k}" for k, n in Counter(each).items()) for model, each in by_model.items()}
        mixed = any(len(set(each)) > 1 for each in by_model.values())
        alike = len({tuple(sorted(set(each))) for each in by_model.values()}) == 1
        rows[key] = {"claim": CLAIMS[key].text, **told, "depends on": "images" if mixed else "" if alike else "model"}
    return pd.DataFrame.from_dict(rows, orient="index")


def _column(of: Mapping[str, Mapping], *keys: str) -> list:
    """Values of each domain, found by a path of keys."""
    found = []
    for row in of.values():
        value: Any = row
        for key in keys:
            value = value[key]
        found.append(value)
    return found


def _span(values, digits: int = 2) -> str:
    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _of_clouds(clouds: dict[str, dict], own: str) -> Iterator[Judged]:
    """Chapters 1 to 4."""
    unseen = {name: row for name, row in clouds.items() if name != own}
    maes, errors = np.array(_column(unseen, "mae")).T
    yield "reconstructs-unseen", verdicts.reconstructs_unseen(maes, errors), f"MAE {_span(maes, 4)}"
    alike = verdicts.reconstructs_equally(clouds[own]["mae"], maes, errors)
    yield "reconstructs-equally", alike, f"{_span(maes / clouds[own]['mae'][0], 1)} times that of {own}"
    neighbors, coarse = _column(unseen, "neighbors"), _column(unseen, "coarse")
    white = verdicts.inverted_gaussian(neighbors, coarse)
    yield "inverted-gaussian", white, f"neighbors correlate by {_span(neighbors)}"
    if all("explained" in row for row in unseen.values()):  # else the record is older than the rule
        own_image, errors = np.array(_column(unseen, "explained")).T
        visible = verdicts.fig_3c(own_image, errors, _column(unseen, "explained by others"))
        yield "fig-3c", visible, f"the image explains {_span(own_image)} of the variance"
    uneven, three = _column(unseen, "latents", "uneven"), _column(unseen, "latents", "three")
    origin = _column(unseen, "latents", "origin")
    yield "observation-1", verdicts.observation_1(uneven), f"distances scatter by {_span(100 * np.array(uneven), 0)} %"
    yield "observation-2", verdicts.observation_2(three), f"angles of three scatter by {_span(three, 1)}°"
    yield "observation-3", verdicts.observation_3(origin), f"{_span(origin, 1)}°"
    pixels = _column(unseen, "pixels", "uneven"), _column(unseen, "pixels", "origin")
    yield "pixels-75", verdicts.pixels_75(*pixels), f"images: {_span(pixels[1], 0)}°"
    ratios, errors = np.array(_column(unseen, "center")).T
    apart = verdicts.center_distances(ratios, errors)
    yield "center-distances", apart, f"{_span(ratios, 1)} times d^(1/4)"
    machine, points = _column(unseen, "machine"), min(_column(unseen, "points"))
    told = verdicts.svm_separable(machine, _column(unseen, "shuffled"), points)
    yield "svm-separable", told, f"accuracy {_span(machine)}"
    early, late = (_column(unseen, f"machine, t = {t}") for t in (200, 999))
    earlier = verdicts.separable_earlier(early, late, points)
    yield "separable-earlier", earlier, f"{_span(np.subtract(early, late))} more at t = 200 than at 999"


def _of_mixing(settings: Mapping, maps: dict[str, dict], made: dict[str, dict], start: Mapping) -> Iterator[Judged]:
    """Chapter 5."""
    heights, etas = settings["heights"], settings["etas"]
    found = {
        name: Bandwidth(heights, etas, np.array(row["errors"]), np.array(row["odds"]), np.empty(0))
        for name, row in maps.items()
    }
    n = settings["few"]
    shares = sum(b.rate[-1] for b in found.values())
    quiet, loud = (round(n * float(shares[k])) for k in (0, -1))
    total = n * len(found)
    lost = verdicts.interference(quiet, loud, total)
    yield "interference", lost, f"{quiet} of {total} captured at η = 0, {loud} at η = 1"
    surely = verdicts.noise_starts(start["own"], start["images"])
    yield "noise-starts", surely, f"{start['own']} of {start['images']} in the training domain"
    caught = _column(made, "one variance", "captured")
    images = _column(made, "one variance", "images")
    low, high = np.array([wilson_interval(k, of) for k, of in zip(caught, images, strict=True)]).T
    rates = np.divide(caught, images)
    yield "captured-draws", verdicts.captured_draws(low, high), f"{_span(rates)} of one-variance draws captured"
    widths = [verdicts.bandwidths(b) for b in found.values()]
    nearer = verdicts.bandwidth_image([(b, errors) for b, errors, _ in widths])
    first, last = ([b[k] for b, *_ in widths] for k in (0, -1))
    yield "bandwidth-image", nearer, f"B {_span(last)} at t = {heights[-1]}, {_span(first)} at {heights[0]}"
    turns = [verdicts.changes_sides({float(t): rate for t, rate in row["along"].items()}) for row in maps.values()]
    yield "t-800", verdicts.t_800(turns), f"predictions change sides at t = {_span(turns, 0)}"


def _of_samples(made: dict[str, dict]) -> Iterator[Judged]:
    """Chapter 6."""
    spread = _column(made, "lines", "spread")
    yield "convex-combination", verdicts.convex_combination(spread), f"lines keep {_span(spread)} of the spread"
    arcs = [row["arcs"] for row in made.values()]
    each = [
        verdicts.interpolation_generates(arc["captured"], arc["images"], arc["frechet"], row["apart"])
        for arc, row in zip(arcs, made.values(), strict=True)
    ]
    caught = np.divide(_column(made, "arcs", "captured"), _column(made, "arcs", "images"))
    near = np.divide(_column(made, "arcs", "frechet"), _column(made, "apart"))
    told = f"arcs: {_span(caught)} captured, Fréchet distance {_span(near)} of that between the domains"
    yield "interpolation-generates", verdicts.together(each), told
    gains = [
        np.subtract(_column(made, "arcs", key), _column(made, "arcs, 0.1", key)) for key in ("diversity", "ms_ssim")
    ]
    yield "middle-of-path", verdicts.middle_of_path(*gains), f"MS-SSIM diversity {_span(gains[1])} more in the middle"
    score = np.divide(_column(made, "arcs", "frechet"), _column(made, "real", "frechet"))
    gap = _column(made, "gap")
    order = np.corrcoef(np.argsort(np.argsort(gap)), np.argsort(np.argsort(score)))[0, 1]
    yield "far-domains-easier", verdicts.far_domains_easier(gap, score), f"rank correlation {order:+.2f}"


RESOLVED: dict[str, tuple[str, float, str, float]] = {
    "MAE × 1000": ("mae", 1000.0, "mae", 1000.0),
    "three points": ("angle of three", 1.0, "pair_angle", 1.0),
    "at the origin": ("angle at the origin", 1.0, "origin_angle", 1.0),
    "distance / √(2d)": ("distance", 1.0, "pair_distance", (2 * paper.DIMENSION) ** -0.5),
    "centers / d^(1/4)": ("center", 1.0, "center_distance", paper.DIMENSION**-0.25),
    "machine": ("machine", 1.0, "accuracy", 1.0),
    "neighbors": ("neighbors", 1.0, "", 1.0),
}
"""Rows of `by_resolution`: our name of a number and its factor here, and those of the paper's."""


def by_resolution(record: Mapping[str, Any], world: str) -> pd.DataFrame:
    """Return numbers at each size, as means over unseen domains, and what lines through them say beyond.

    Angles are in degrees. Each domain's numbers are fitted by a line in the logarithm of the size. The column
    "128, expected" is what the lines through the two smaller sizes give there; "256, expected" is where lines through
    all three arrive, with the standard deviation over domains; "paper" is the range over the paper's unseen domains.

    Parameters
    ----------
    record : mapping
        What ``benchmarks/results/resolution.json`` holds.
    world : str
        Which unseen domains, "drawn" or "real"; else ValueError.
    """
    check_choice("world", world, record["unseen"])
    sizes, unseen = record["sizes"], record["unseen"][world]
    place = np.log2(sizes)
    rows = {}
    for label, (key, factor, name, unit) in RESOLVED.items():
        rows_of = [[record["rows"][f"{s} {other}"][key] for other in unseen] for s in sizes]
        values = factor * np.array([[np.atleast_1d(value)[0] for value in row] for row in rows_of])
        beyond = [_line(place[:n], values[:n]) for n in (2, 3)]
        told = [unit * np.atleast_1d(getattr(row, name))[0] for row in _unseen_of(name)]
        rows[label] = {
            **{str(size): f"{row.mean():.3g}" for size, row in zip(sizes, values, strict=True)},
            f"{sizes[-1]}, expected": f"{beyond[0].mean():.3g}",
            "256, expected": f"{beyond[1].mean():.3g} ± {beyond[1].std(ddof=1):.2g}",
            "paper": f"{min(told):.3g} to {max(told):.3g}" if told else "",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where lines through points arrive one step beyond the last; each column of ``y`` has a line."""
    slope, start = np.polyfit(x, y, 1)
    return start + slope * (x[-1] + 1)


def _unseen_of(name: str) -> list:
    """Rows of the paper's tables with a number, of domains that the model does not know."""
    rows = {"mae": paper.TABLE_2, "": ()}.get(name, paper.TABLE_3)
    return [row for row in rows if not row.in_domain]
