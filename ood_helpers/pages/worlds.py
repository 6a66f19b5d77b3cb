"""Two worlds side by side: the claims of the paper that ``benchmarks/real.py`` measured on drawn and on real images.

Every claim is judged by its rule in `verdicts`, on the numbers of one world: a model, the domain it was trained on, and
unseen domains, all drawn or all real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from operator import getitem
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .. import Bandwidth, wilson_interval
from ..checks import check_choice
from . import paper, verdicts
from .claims import CLAIMS, KNOWN, Outcome


class Judged(NamedTuple):
    """What became of a claim, by its key: the number for readers, the value to follow, by its name, and when it is so.

    ``when`` has the words of the `Verdict` that is measured again.
    """

    key: str
    outcome: Outcome
    number: str
    effect: str
    value: float
    when: str = ""


def outcomes(record: Mapping[str, Any], world: str) -> dict[str, Judged]:
    """Judge every claim that a world's numbers can decide, by the claim's key.

    ``record`` is what ``benchmarks/results/real.json`` holds, ``world`` "drawn" or "real"; else ValueError.
    """
    check_choice("world", world, record["worlds"])
    known = record["worlds"][world]
    clouds = {name: record["clouds"][f"{known['model']} {name}"] for name in (known["own"], *known["unseen"])}
    made = {name: record["generation"][name] for name in known["unseen"]}
    maps = {name: record["mixing"][name] for name in known["mixed"]}
    start = record["noise"][known["own"]]
    settings = record["settings"]
    latents = _of_clouds(settings, clouds, known["own"], record.get("pixels", {}))
    found = [*latents, *_of_mixing(settings, maps, made, start), *_of_samples(made)]
    return {judged.key: judged for judged in found}


def crossed(record: Mapping[str, Any]) -> pd.DataFrame:
    """Judge what latents decide for each model with the images of each world, and return a row a claim.

    The last column says on what the outcome depends: on the "model", if for either kind of images the models differ
    and the images do not; on the "images", if it is the other way round; on "both"; or on "neither".
    """
    worlds, found = record["worlds"], {}
    for known in worlds.values():
        for world, seen in worlds.items():
            clouds = {k: record["clouds"][f"{known['model']} {k}"] for k in (known["own"], *seen["unseen"])}
            judged = _of_clouds(record["settings"], clouds, known["own"], {})
            found[known["model"], world] = {one.key: one.outcome for one in judged}
    table = pd.DataFrame(found)
    models, images = ((table.T.groupby(level=level).nunique().T == 1).all(axis=1) for level in (1, 0))
    cause = {(True, True): "neither", (True, False): "images", (False, True): "model", (False, False): "both"}
    table["depends on", ""] = [cause[pair] for pair in zip(models, images, strict=True)]
    return table


def side_by_side(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row a claim: its sentence, status and number in each world, and whether the status changes."""
    found = {world: outcomes(record, world) for world in record["worlds"]}
    rows = {}
    for key in next(iter(found.values())):
        told = {world: found[world][key] for world in found}
        row = {"claim": CLAIMS[key].text}
        for world, judged in told.items():
            row |= {world: judged.outcome, f"number, {world}": judged.number}
        rows[key] = row | {"changes": len({judged.outcome for judged in told.values()}) > 1}
    return pd.DataFrame.from_dict(rows, orient="index")


def repeated(record: Mapping[str, Any], world: str | None = None, **more: Mapping[str, Any]) -> pd.DataFrame:
    """Judge each repetition, or those of one world, and return a row a verdict: "9 of 9 hold", or on what it depends.

    ``record`` is what ``benchmarks/results/claims.json`` holds; ``more`` are those of `MORE`, by their names. The rows
    have the names that `named` gives. What holds here and fails there depends on the "draw" if it does so for one
    model, else on the "model or its domains". A model's column has its outcomes and the value to follow, with a 95 %
    interval of the mean, by Student's law. Models of real images are named "real-...".
    """
    found: dict[tuple[str, str], dict[str, list[Judged]]] = {}
    for judge, kept in [(_of_repetition, record), *((MORE[name], other) for name, other in more.items())]:
        for name, repetition in kept["repetitions"].items():
            model = name.rsplit(" ", 1)[0]
            if world is None or (world == "real") == model.startswith("real-"):
                for judged in judge(repetition, model):
                    found.setdefault((judged.key, judged.when), {}).setdefault(model, []).append(judged)
    rows = {}
    for (key, when), by_model in found.items():
        told = {model: {judged.outcome for judged in each} for model, each in by_model.items()}
        every_outcome = [judged.outcome for each in by_model.values() for judged in each]
        one = any({"holds", "fails"} <= each for each in told.values())
        mixed = "draw" if one else "model or its domains"
        depends = {"holds", "fails"} <= set(every_outcome)
        status = f"depends on the {mixed}" if depends else _counted(every_outcome)
        text, first = KNOWN[key].text, next(iter(by_model.values()))[0]
        head = {"key": key, "when": when, "claim": f"{text[:-1]} ({when})." if when else text, "repeated": status}
        each = {model: _again(judged) for model, judged in by_model.items()}
        rows[named(key, when)] = head | {"effect": first.effect, **each}
    return pd.DataFrame.from_dict(rows, orient="index").fillna("–")


def named(key: str, when: str = "") -> str:
    """Return the name of a verdict's row in the table of repetitions."""
    return f"{key} when {when}" if when else key


def _of_repetition(repetition: Mapping[str, Any], model: str) -> Iterator[Judged]:
    """Chapters 1 to 6; nothing if the measurement was interrupted."""
    world = repetition["worlds"][model]
    if _has_all(repetition, world):
        yield from outcomes(repetition, model).values()
        yield _of_noise(repetition["noise, last"][world["own"]], "placed at t = 999")


def _of_tunings(runs: Mapping[str, Any], model: str) -> Iterator[Judged]:
    """Chapter 7, by one seed: galaxies by sampling and by tunings of equal budget, near and far, tuning at full length.

    Nothing of what an interrupted measurement lacks.
    """
    rivals = [runs.get(f"galaxy {way}, swept 1") for way in ("vanilla", "DiffusionCLIP", "Asyrp")]
    for way in ("arcs", "one variance", "10 neighbors"):
        if all(rivals) and (ours := runs.get(f"galaxy sampling, {way} 1")):
            ratio = max(ours[judge] / min(rival[judge] for rival in rivals) for judge in verdicts.JUDGES)
            won, told = verdicts.nearer_than_all(ours, rivals), f"{ratio:.3f} of the distance of the nearest tuning"
            effect = "distance / nearest tuning's, by the stricter judge"
            yield Judged("sampling-beats-tuning", won, told, effect, ratio, f"making galaxies by {way}")
    ends, starts = (
        [runs.get(f"{target} {way} 1") for target in ("galaxy", "church")]
        for way in ("DiffusionCLIP, swept", "doing nothing")
    )
    readings = {"distances": [1.0, 1.0]}
    if all(starts):
        readings["distances over those of doing nothing"] = [start["thumbnails"] for start in starts]
    for what, units in readings.items() if all(ends) else ():
        far, near = (
            (run["thumbnails"] / unit, run["thumbnails_error"] / unit) for run, unit in zip(ends, units, strict=True)
        )
        told, when = f"{near[0]:.1f} near, {far[0]:.1f} far", f"{what} count, with the penalty"
        effect = f"DiffusionCLIP, {what} in thumbnails: galaxies less churches"
        yield Judged("tuning-near", verdicts.tuning_near(far, near), told, effect, far[0] - near[0], when)
    if own := [run["own"] for name, run in runs.items() if name.endswith("vanilla, published 5000")]:
        stay, when = float(np.mean(own)), "rate and 5,000 steps are the paper's"
        told = f"{stay:.2f} stay in the training domain"
        yield Judged("vanilla-fails", verdicts.vanilla_fails(own, 48), told, "share that stays", stay, when)


def _of_numbers(domains: Mapping[str, Any], model: str) -> Iterator[Judged]:
    """Chapter 6: diversity of arcs between 25 latents and between 800."""
    few, many = ([tuple(rows[f"slerp, {n}"]["ms-ssim"].values()) for rows in domains.values()] for n in (25, 800))
    grows = 100 * min(more / less - 1 for (less, _), (more, _) in zip(few, many, strict=True))
    told, effect = f"{grows:+.0f} % diversity from N = 25 to 800", "smallest growth from N = 25 to 800, %"
    yield Judged("diversity-n", verdicts.diversity_n(few, many), told, effect, grows)


def _of_skies(domains: Mapping[str, Any], model: str) -> Iterator[Judged]:
    """Chapter 8: arcs against DiffusionCLIP, for galaxies and for dust under two stretches."""
    kinds = {"galaxy": "galaxies", "radiation": "dust fields", "radiation-faint": "dust fields, their sky lifted,"}
    for name, row in domains.items():
        better = verdicts.sky_sampling_better(row["shares"], row["without"], row["copies"])
        share, effect = float(np.mean(list(row["nearer"].values()))), "share of statistics in which arcs are nearer"
        yield Judged("sky-sampling-better", better, f"{share:.0%}", effect, share, f"{kinds[name]} are measured")


def _of_others(parts: Mapping[str, Any], model: str) -> Iterator[Judged]:
    """What others have found, in chapters 1, 2, 4, 6 and 9; without the parts that an interrupted measurement lacks."""
    for maes in parts.get("exact", {}).values():
        error = float(np.median(maes))
        told = f"MAE {error:.0e}, N = {len(maes)}"
        yield Judged("exact-reversal", verdicts.exact_reversal(error), told, "MAE of copies", error)
    for by_solver in parts.get("arcs", {}).values():
        ends, middles = (np.array([np.median(arc[k]) for arc in by_solver.values()]) for k in ("1", "0.5"))
        wrong = verdicts.copies_certify_nothing(ends, middles)
        worst = max(middles[ends < verdicts.FAITHFUL / 10], default=np.nan)
        told = f"in the middle an error of {worst:.3f}"
        yield Judged("copies-certify-nothing", wrong, told, "largest MAE in the middle, where the end is good", worst)
    for by_height in parts.get("linear", {}).values():
        shares, errors = np.array(list(by_height.values())).T
        close, told = verdicts.linear_denoisers(shares, errors), f"{_span(shares)} of the predictions"
        yield Judged("linear-denoisers", close, told, "smallest share that a linear filter explains", shares.min())
    for by_domain in parts.get("path", {}).values():
        areas, errors = np.array(list(by_domain.values())).T
        foreign, told = verdicts.told_by_path(areas, errors), f"AUC {_span(areas)}"
        yield Judged("told-by-path", foreign, told, "smallest AUC of a domain", areas.min())
    for by_steps in parts.get("noise", {}).values():
        falls = list(by_steps.values())
        told = "neighbor correlation " + ", ".join(f"{value:.2f}" for value in falls)
        effect = "neighbor correlation, 7 steps replaced, less none"
        yield Judged("noise-first", verdicts.noise_first(falls), told, effect, falls[-1] - falls[0])
    kinds = {"sketch": "sketches", "galaxy": "galaxies", "histology": "tissue", "hubble": "the deep field"}
    for name, row in parts.get("fine", {}).items():
        power, error = row["latents"]
        lacks, when = verdicts.spectral_collapse(power, error), f"images are {kinds[name]}"
        yield Judged("spectral-collapse", lacks, f"fine power {power:.2f}", "fine power of latents", power, when)
    for ways in parts.get("between", {}).values():
        for key, plain, new, judge in (
            ("corrected-combinations", "line", "cog", verdicts.corrected_combinations),
            ("geodesics-better", "arc", "geodesic", verdicts.geodesics_better),
        ):
            gain = ways[plain]["kernel"] - ways[new]["kernel"]
            told, effect = f"kernel distance {gain:+.3f} nearer", f"kernel distance: {plain} less {new}"
            yield Judged(key, judge(ways[plain], ways[new]), told, effect, gain)


def _of_transfers(directions: Mapping[str, Any], model: str) -> Iterator[Judged]:
    """Chapter 9: into the training domain, out of it, and between two unseen ones."""
    found = list(_by_direction(directions).values())
    held = found.count("holds")
    told = f"{held} of {len(found)} directions hold"
    yield Judged("domain-transfer", verdicts.each(found), told, f"directions of {len(found)} that hold", held)


def _by_direction(directions: Mapping[str, Any]) -> dict[str, Outcome]:
    return {
        name: verdicts.domain_transfer(verdicts.kept_edges(row["arrived"], row["left"], row["kept"], row["fine"]))
        for name, row in directions.items()
    }


def transfers_again(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return for each model and direction how often transfer holds, fails or stays undecided, in all repetitions.

    ``record`` is what ``benchmarks/results/transfer.json`` holds.
    """
    found = pd.DataFrame(
        {"model": name.rsplit(" ", 1)[0], "direction": direction, "outcome": outcome}
        for name, directions in record["repetitions"].items()
        for direction, outcome in _by_direction(directions).items()
    )
    counts = found.groupby(["model", "direction"], sort=False)["outcome"].value_counts().unstack(fill_value=0)
    return counts.reindex(columns=["holds", "fails", "undecided"], fill_value=0)


def by_seed(curves: Mapping[str, Any]) -> dict[str, Any]:
    """Return the runs of ``benchmarks/tuning_curves.py`` as repetitions: by model and seed, then target and method."""
    found: dict[str, Any] = {}
    for name, run in curves["runs"].items():
        model, target, seed, method = name.split(" ", 3)
        found.setdefault(f"{model} {seed}", {})[f"{target} {method}"] = run
    return {"repetitions": found}


MORE: dict[str, Callable[[Mapping[str, Any], str], Iterator[Judged]]] = {
    "tunings": _of_tunings,
    "transfers": _of_transfers,
    "numbers": _of_numbers,
    "skies": _of_skies,
    "others": _of_others,
}
"""Who judges a repetition of other records: `by_seed` of ``tuning_curves.json``, ``transfer.json``,
``diversity_again.json``, ``astrophysics_again.json`` and ``others.json``."""


def _has_all(record: Mapping[str, Any], world: Mapping[str, Any]) -> bool:
    """Whether a record has every domain of a world."""
    needed = {
        "clouds": [f"{world['model']} {name}" for name in (world["own"], *world["unseen"])],
        "noise": [world["own"]],
        "noise, last": [world["own"]],
        "generation": world["unseen"],
        "mixing": world["mixed"],
    }
    return all(set(names) <= set(record.get(part, ())) for part, names in needed.items())


def _counted(outcomes: list[Outcome]) -> str:
    """Say how many of how many: "9 of 9 hold", "7 of 9 hold, 1 fails, 1 undecided"."""
    words = {"holds": ("holds", "hold"), "fails": ("fails", "fail")}
    words |= {"depends": ("depends on the domain", "depend on the domain"), "undecided": ("undecided",) * 2}
    counts = {k: outcomes.count(k) for k in words if k in outcomes}
    (number, word), *others = ((count, words[k][count > 1]) for k, count in counts.items())
    return ", ".join([f"{number} of {len(outcomes)} {word}", *(f"{count} {other}" for count, other in others)])


def _again(judged: list[Judged]) -> str:
    """Return outcomes, counted, and the mean of the value that decides, where there is one."""
    outcomes = [one.outcome for one in judged]
    counted = ", ".join(f"{outcomes.count(k)} {k}" for k in dict.fromkeys(outcomes))
    values = np.array([one.value for one in judged if np.isfinite(one.value)])
    if len(values) < 2:
        return ": ".join([counted, *(f"{value:.3g}" for value in values)])
    spread = values.std(ddof=1) if np.ptp(values) else 0.0  # of equal values, std leaves what their mean is rounded by
    reach = stats.t.ppf(0.975, len(values) - 1) * spread / len(values) ** 0.5
    return f"{counted}: {values.mean():.3g} ± {float(f'{reach:.1g}'):g}"


def _column(of: Mapping[str, Mapping], *keys: str) -> list:
    """Values of each domain, found by a path of keys."""
    return [reduce(getitem, keys, row) for row in of.values()]


def _span(values, digits: int = 2) -> str:
    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _of_clouds(settings: Mapping, clouds: dict[str, dict], own: str, more: Mapping) -> Iterator[Judged]:
    """Chapters 1 to 4. ``more``: other domains of which the pixels alone were measured."""
    unseen = {name: row for name, row in clouds.items() if name != own}
    of = f", {len(unseen)} domains of {settings['n']} images"
    of_few = f", {len(unseen)} domains of {settings['few']} images"
    maes, errors = np.array(_column(unseen, "mae")).T
    faithful = verdicts.reconstructs_unseen(maes, errors)
    yield Judged("reconstructs-unseen", faithful, f"MAE {_span(maes, 4)}{of_few}", "largest MAE", maes.max())
    alike = verdicts.reconstructs_equally(clouds[own]["mae"], maes, errors)
    times = maes / clouds[own]["mae"][0]
    told = f"{_span(times, 1)} times that of {own}{of_few}"
    yield Judged("reconstructs-equally", alike, told, "largest MAE over the own one", times.max())
    formulas = np.array(_column(unseen, "control")).T
    shown = verdicts.reconstruction_is_representation(*formulas)
    worst = formulas.max(axis=1).min()
    told = f"a formula copies them with MAE of at most {worst:.3f}, {len(unseen)} domains of 3 images"
    yield Judged("reconstruction-is-representation", shown, told, "largest MAE of the better formula", worst)
    neighbors, coarse = _column(unseen, "neighbors"), _column(unseen, "coarse")
    white = verdicts.inverted_gaussian(neighbors, coarse)
    told = f"neighbors correlate by {_span(neighbors)}{of}"
    yield Judged("inverted-gaussian", white, told, "largest correlation of neighbors", max(neighbors))
    own_image, errors = np.array(_column(unseen, "explained")).T
    visible = verdicts.fig_3c(own_image, errors, _column(unseen, "explained by others"))
    told = f"the image explains {_span(own_image)} of the variance{of}"
    yield Judged("fig-3c", visible, told, "smallest share explained", own_image.min())
    uneven, three = _column(unseen, "latents", "uneven"), _column(unseen, "latents", "three")
    origin = _column(unseen, "latents", "origin")
    far = 100 * np.array(uneven)
    told = f"distances scatter by {_span(far, 0)} %{of}"
    yield Judged("observation-1", verdicts.observation_1(uneven), told, "largest scatter of distances, %", far.max())
    told = f"angles of three scatter by {_span(three, 1)}°{of}"
    yield Judged("observation-2", verdicts.observation_2(three), told, "largest scatter of angles, °", max(three))
    away = np.abs(np.subtract(origin, 90)).max()
    told = f"{_span(origin, 1)}°{of}"
    yield Judged("observation-3", verdicts.observation_3(origin), told, "farthest mean from 90°, °", away)
    every = {**{name: row["pixels"] for name, row in unseen.items()}, **more}
    pixels = _column(every, "uneven"), _column(every, "origin")
    told = f"images: {_span(pixels[1], 0)}°{of}"
    yield Judged("pixels-75", verdicts.pixels_75(*pixels), told, "smallest scatter of distances", min(pixels[0]))
    ratios, errors = np.array(_column(unseen, "center")).T
    apart = verdicts.center_distances(ratios, errors)
    told = f"{_span(ratios, 1)} times d^(1/4){of}"
    yield Judged("center-distances", apart, told, "smallest distance / d^(1/4)", ratios.min())
    machine, points = _column(unseen, "machine"), min(_column(unseen, "points"))
    separable = verdicts.svm_separable(machine, _column(unseen, "shuffled"), points)
    told = f"accuracy {_span(machine)}{of}"
    yield Judged("svm-separable", separable, told, "smallest accuracy", min(machine))
    early, late = (_column(unseen, f"machine, t = {t}") for t in (200, 999))
    earlier = verdicts.separable_earlier(early, late, 2 * settings["few"])
    gain = np.subtract(early, late)
    told = f"{_span(gain)} more at t = 200 than at 999{of_few}"
    yield Judged("separable-earlier", earlier, told, "smallest gain of accuracy", gain.min())


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
    told = f"{quiet} of {total} captured at η = 0, {loud} at η = 1"
    yield Judged("interference", lost, told, "captured at η = 1", loud / total)
    yield _of_noise(start, "placed at t = 800")
    caught = _column(made, "one variance", "captured")
    images = _column(made, "one variance", "images")
    low, high = np.array([wilson_interval(k, of) for k, of in zip(caught, images, strict=True)]).T
    rates = np.divide(caught, images)
    told = f"{_span(rates)} of one-variance draws captured, {len(made)} domains of {settings['n']} draws"
    yield Judged("captured-draws", verdicts.captured_draws(low, high), told, "largest share captured", rates.max())
    widths = [verdicts.bandwidths(b) for b in found.values()]
    nearer = verdicts.bandwidth_image([(b, errors) for b, errors, _ in widths])
    near, *_, far = sorted(zip((made[name]["gap"] for name in maps), maps, (mean for *_, mean in widths), strict=True))
    told = f"mean B {far[2][0]:.2f} of {far[1]}, {near[2][0]:.2f} of {near[1]}, {n} images each"
    effect, when = "B, farthest less nearest domain", "judged by error and interference"
    yield Judged("bandwidth-gap", verdicts.bandwidth_gap(far[2], near[2]), told, effect, far[2][0] - near[2][0], when)
    first, last = ([b[k] for b, *_ in widths] for k in (0, -1))
    told = f"B {_span(last)} at t = {heights[-1]}, {_span(first)} at {heights[0]}, {total} images"
    gained = np.subtract(first, last)
    yield Judged("bandwidth-image", nearer, told, "smallest gain of B near the image", np.nanmin(gained))
    turns = [verdicts.changes_sides({float(t): rate for t, rate in row["along"].items()}) for row in maps.values()]
    told = f"predictions change sides at t = {_span(turns, 0)}, {len(turns)} domains of 6 images"
    yield Judged("t-800", verdicts.t_800(turns), told, "latest change of sides, t", np.nanmax(turns))


def _of_noise(start: Mapping[str, int], when: str) -> Judged:
    """Chapter 5: images that began as white noise."""
    own, total = start["own"], start["images"]
    told, what = f"{own} of {total} in the training domain", "in the training domain"
    return Judged("noise-starts", verdicts.noise_starts(own, total), told, what, own / total, when)


def _of_samples(made: dict[str, dict]) -> Iterator[Judged]:
    """Chapter 6."""
    of = f", {len(made)} domains of {next(iter(made.values()))['arcs']['images']} images"
    spread = _column(made, "lines", "spread")
    told = f"lines keep {_span(spread)} of the spread{of}"
    yield Judged("convex-combination", verdicts.convex_combination(spread), told, "smallest share kept", min(spread))
    arcs = [row["arcs"] for row in made.values()]
    outcomes = [
        verdicts.interpolation_generates(
            *(arc["captured"], arc["images"], arc["kernel"], row["gap"], arc["kernel_error"]),
            bool(verdicts.copied(arc["copies"], arc["novelty"])),
        )
        for arc, row in zip(arcs, made.values(), strict=True)
    ]
    caught = np.divide(_column(made, "arcs", "captured"), _column(made, "arcs", "images"))
    near = np.divide(_column(made, "arcs", "kernel"), _column(made, "gap"))
    told = f"arcs: {_span(caught)} captured, novelty {_span(_column(made, 'arcs', 'novelty'))}, "
    told += f"kernel distance {_span(near)} of that between the domains{of}"
    generates, effect = verdicts.each(outcomes), "largest distance, relative"
    yield Judged("interpolation-generates", generates, told, effect, near.max(), "done along arcs")
    ends = ("arcs", "arcs, 0.1")
    gains, errors = [], []
    for key in ("diversity", "ms_ssim"):
        gains.append(np.subtract(*(_column(made, way, key) for way in ends)))
        errors.append(np.hypot(*(_column(made, way, f"{key}_error") for way in ends)))
    given = verdicts.copied(*(_column(made, "arcs, 0.1", key) for key in ("copies", "novelty")))
    least = min(gains[1][~given], default=np.nan)
    told = f"MS-SSIM diversity {_span(gains[1])} more in the middle; {sum(~given)} domains count{of}"
    grows = verdicts.middle_of_path(*gains, errors=errors, given=given)
    yield Judged("middle-of-path", grows, told, "smallest gain by MS-SSIM", least, "diversity alone is judged")
    gap, score = _column(made, "gap"), _column(made, "arcs", "kernel")
    order = stats.spearmanr(gap, score).statistic
    easier = verdicts.far_domains_easier(gap, score)
    yield Judged("far-domains-easier", easier, f"rank correlation {order:+.2f}{of}", "rank correlation", order)


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
