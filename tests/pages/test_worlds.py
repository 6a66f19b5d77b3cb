"""Two made-up worlds: one in which every claim holds, one in which none does."""

import copy

import numpy as np
import pytest

from ood_helpers.pages import claims, worlds

HEIGHTS, ETAS, FEW = (200, 800), (0.0, 0.25, 0.5, 0.75, 1.0), 24
UNSEEN = tuple("abcdefg")
GOOD_CLOUD = {
    "n": 48,
    "mae": [0.01, 1e-5],
    "control": [0.08, 0.07],
    "explained": [0.1, 0.01],
    "explained by others": 0.01,
    "neighbors": 0.01,
    "coarse": 1.01,
    "latents": {"uneven": 0.02, "three": 1.0, "origin": 89.9},
    "pixels": {"uneven": 0.2, "origin": 70.0},
    "center": [3.0, 0.1],
    "machine": 0.99,
    "shuffled": 0.6,
    "points": 96,
    "machine, t = 200": 1.0,
    "machine, t = 999": 0.8,
}
BAD_CLOUD = GOOD_CLOUD | {
    "mae": [0.2, 1e-5],
    "control": [0.08, 0.01],
    "explained": [0.9, 0.01],
    "neighbors": 0.5,
    "coarse": 3.0,
    "latents": {"uneven": 0.3, "three": 20.0, "origin": 70.0},
    "pixels": {"uneven": 0.05, "origin": 89.0},
    "center": [0.5, 0.01],
    "machine": 0.6,
    "machine, t = 200": 0.5,
    "machine, t = 999": 0.9,
}


def ways(captured: int, kernel: float, gap: float) -> dict:
    row = {
        "captured": captured,
        "images": 48,
        "kernel": kernel,
        "diversity": 3.0,
        "ms_ssim": 0.6,
        "copies": 0.1,
        "novelty": 1.0,
    }
    row |= {"kernel_error": 0.001, "diversity_error": 0.1, "ms_ssim_error": 0.01}
    low = row | {"diversity": 2.0, "ms_ssim": 0.5}
    return {
        "gap": gap,
        "real": row,
        "lines": row | {"spread": 0.99},
        "arcs": row,
        "arcs, 0.1": low,
        "one variance": row | {"captured": 40},
    }


def mixed(falls: bool, turns: float, low: int, high: int) -> dict:
    """Images that the last eta captures or not; they move from one eta on at a low t, from another at a high t."""
    odds = np.zeros((2, 5, FEW))
    odds[:, 4] = falls
    errors = np.full(odds.shape, 0.01)
    errors[0, low:] = errors[1, high:] = 0.4
    along = {"800.0": 0.0, str(turns): 1.0}
    return {"odds": odds.tolist(), "errors": errors.tolist(), "along": along}


@pytest.fixture
def record():
    good = {"model": "m", "own": "own", "unseen": UNSEEN, "mixed": ("a", "b")}
    bad = {"model": "n", "own": "home", "unseen": tuple(map(str.upper, UNSEEN)), "mixed": ("A", "B")}
    found = {
        "settings": {"heights": HEIGHTS, "etas": ETAS, "few": FEW, "n": 48},
        "worlds": {"drawn": good, "real": bad},
        "clouds": {f"m {name}": GOOD_CLOUD for name in (*UNSEEN, "own")},
        "generation": {},
        "mixing": {"a": mixed(True, 700.0, 3, 1), "b": mixed(True, 700.0, 5, 2)},
        "noise": {"own": {"images": 24, "own": 24}, "home": {"images": 24, "own": 3}},
    }
    found["noise, last"] = found["noise"]
    found["mixing"] |= {"A": mixed(False, 900.0, 3, 5), "B": mixed(False, 900.0, 1, 3)}
    found["clouds"] |= {f"n {name.upper()}": BAD_CLOUD for name in UNSEEN} | {"n home": GOOD_CLOUD}
    for k, name in enumerate(UNSEEN):
        found["generation"][name] = ways(0, 0.1 - 0.01 * k, gap=float(k + 1))
        lost = ways(40, 0.9 * (k + 1), gap=float(k + 1))
        lost["lines"]["spread"], lost["arcs, 0.1"]["ms_ssim"], lost["one variance"]["captured"] = 0.7, 0.9, 0
        found["generation"][name.upper()] = lost
    return found


def test_every_claim_holds_in_a_world_that_the_paper_describes(record):
    assert {key for key, judged in worlds.outcomes(record, "drawn").items() if judged.outcome != "holds"} == set()


def test_every_claim_fails_in_the_opposite_one(record):
    assert {key for key, judged in worlds.outcomes(record, "real").items() if judged.outcome != "fails"} == set()


def test_pixels_of_one_more_domain_count_beside_the_others(record):
    more = record | {"pixels": {"sketch": {"uneven": 0.05, "origin": 40.0}}}
    changed = {k for k, one in worlds.outcomes(more, "drawn").items() if one != worlds.outcomes(record, "drawn")[k]}
    assert changed == {"pixels-75"} and worlds.outcomes(more, "drawn")["pixels-75"].outcome == "fails"


def test_side_by_side_tells_numbers_and_what_changes(record):
    table = worlds.side_by_side(record)
    assert set(table.index) <= set(claims.CLAIMS) and len(table) >= 20
    assert table["changes"].all()
    same = copy.deepcopy(record)
    same["worlds"]["real"] = same["worlds"]["drawn"]
    assert not worlds.side_by_side(same)["changes"].any()
    row = table.loc["reconstructs-unseen"]
    assert row["claim"] == claims.CLAIMS["reconstructs-unseen"].text
    assert row["number, drawn"] == "MAE 0.0100 to 0.0100, 7 domains of 24 images"
    assert row["number, real"] == "MAE 0.2000 to 0.2000, 7 domains of 24 images"


def test_copies_are_no_new_images_and_what_differs_depends_on_the_domain(record):
    record["generation"]["a"]["arcs"]["copies"] = 0.5
    assert worlds.outcomes(record, "drawn")["interpolation-generates"].outcome == "holds"  # as new as real ones
    record["generation"]["a"]["arcs"]["novelty"] = 0.4
    assert worlds.outcomes(record, "drawn")["interpolation-generates"].outcome == "depends"


def test_two_by_two_tells_the_model_from_the_images(record):
    """Either model with the images of either world: what follows the model, the images, both, or none of them."""

    def cause(**outcomes):
        for (model, own), domains, good in zip(
            (("m", "own"), ("m", "own"), ("n", "home"), ("n", "home")),
            (UNSEEN, tuple(map(str.upper, UNSEEN))) * 2,
            outcomes["good"],
            strict=True,
        ):
            made = dict.fromkeys((f"{model} {name}" for name in domains), GOOD_CLOUD if good else BAD_CLOUD)
            record["clouds"] |= made | {f"{model} {own}": GOOD_CLOUD}
        table = worlds.crossed(record)
        assert set(table.loc["observation-1"].iloc[:4]) == {"holds" if good else "fails" for good in outcomes["good"]}
        return table.loc["observation-1", "depends on"]

    assert cause(good=(True, True, True, True)) == "neither"
    assert cause(good=(True, True, False, False)) == "model"
    assert cause(good=(False, True, False, True)) == "images"
    assert cause(good=(True, True, True, False)) == "both"


def test_an_unknown_world_is_named(record):
    with pytest.raises(ValueError, match="world: got 'painted', expected one of drawn, real"):
        worlds.outcomes(record, "painted")


def test_lines_over_the_size_are_continued():
    """Numbers that grow by one with each doubling, in each of two domains: the next one is one more."""
    keys = {key for key, *_ in worlds.RESOLVED.values()}
    rows = {
        f"{size} {name}": {key: [start + np.log2(size), 0.1] for key in keys}
        for size in (32, 64, 128)
        for name, start in (("church", 0), ("galaxy", 2))
    }
    record = {"sizes": (32, 64, 128), "unseen": {"drawn": ("church", "galaxy")}}
    table = worlds.by_resolution(record | {"rows": rows}, "drawn")
    same = table.drop(index="MAE × 1000")
    assert set(same["128, expected"]) == {"8"} and set(same["256, expected"]) == {"9 ± 1.4"}
    assert set(same["32"]) == {"6"} and table.loc["MAE × 1000", "32"] == "6e+03"
    assert table.loc["MAE × 1000", "paper"] == "67 to 77"
    assert table.loc["machine", "paper"] == "0.97 to 1"
    assert table.loc["centers / d^(1/4)", "paper"] == "1.23 to 2.89"
    with pytest.raises(ValueError, match="world: got 'dog', expected one of drawn"):
        worlds.by_resolution(record, "dog")


def test_repetitions_are_counted(record):
    good, bad = ({**record, "worlds": {"toy-dog": record["worlds"][world]}} for world in ("drawn", "real"))
    other = {**record, "worlds": {"toy-church": record["worlds"]["real"]}}
    table = worlds.repeated({"repetitions": {"toy-dog 0": good, "toy-dog 1": good, "toy-church 0": other}})
    assert set(table["repeated"]) == {"depends on the model or its domains"}
    assert table.loc["reconstructs-unseen", "toy-dog"] == "2 holds: 0.01 ± 0"
    assert table.loc["reconstructs-unseen", "toy-church"] == "1 fails: 0.2"
    mixed = worlds.repeated({"repetitions": {"toy-dog 0": good, "toy-dog 1": bad}})
    assert set(mixed["repeated"]) == {"depends on the draw"}
    # two values, 0.01 and 0.2: the mean 0.105, its standard error 0.095, Student's 12.7 with one degree of freedom
    assert mixed.loc["reconstructs-unseen", "toy-dog"] == "1 holds, 1 fails: 0.105 ± 1"
    same = worlds.repeated({"repetitions": {"toy-dog 0": good, "toy-dog 1": good}})
    assert set(same["repeated"]) == {"2 of 2 hold"}
    begun = {**good, "noise": {}}
    left_out = worlds.repeated({"repetitions": {"toy-dog 0": good, "toy-dog 1": begun}})
    assert set(left_out["repeated"]) == {"1 of 1 holds"}


def test_tunings_are_repeated_by_seed():
    """Arcs win only where they are nearer than each tuning, for both judges, and are no copies."""
    near = {"kernel": 0.1, "kernel_error": 0.01, "thumbnails": 0.1, "thumbnails_error": 0.01, "copies": 0.0}
    far = near | {"kernel": 1.0, "thumbnails": 1.0}
    rivals = {
        f"galaxy {seed} {name}, swept 1": far for seed in range(2) for name in ("vanilla", "DiffusionCLIP", "Asyrp")
    }
    runs = {**rivals, "galaxy 0 sampling, arcs 1": near, "galaxy 1 sampling, arcs 1": near | {"copies": 0.6}}
    runs |= {
        f"{target} {seed} vanilla, published 5000": {"own": 0.9 * (1 - seed)}
        for target in ("church", "galaxy")
        for seed in (0, 1)
    }
    runs |= {f"church {seed} DiffusionCLIP, swept 1": near | {"thumbnails": 2.0 * seed} for seed in range(2)}
    runs |= {
        f"{target} 0 doing nothing 1": far | {"thumbnails": start} for target, start in (("church", 1), ("galaxy", 4))
    }
    runs |= {"church 0 DiffusionCLIP, swept 1": near | {"thumbnails": 0.5}}
    curves = worlds.by_seed({"runs": {f"toy-dog {name}": run for name, run in runs.items()}})
    table = worlds.repeated({"repetitions": {}}, tunings=curves)
    by_when = table.groupby("key")["when"].agg(list)
    assert by_when["sampling-beats-tuning"] == ["making galaxies by arcs"]  # of other ways there are no runs
    arcs = table.loc["sampling-beats-tuning when making galaxies by arcs"]
    assert arcs["toy-dog"] == "1 holds, 1 fails: 0.1 ± 0" and arcs["claim"].endswith(" (making galaxies by arcs).")
    full = "vanilla-fails when rate and 5,000 steps are the paper's"
    assert table.loc[full, "repeated"] == "depends on the draw"
    near_far = table.loc["tuning-near when distances count, with the penalty", "toy-dog"]
    assert near_far == "1 holds, 1 fails: -0.25 ± 10"  # 1 - 0.5 and 1 - 2
    over = table.loc["tuning-near when distances over those of doing nothing count, with the penalty", "toy-dog"]
    assert over == "1 fails: -0.25"  # 1 / 4 - 0.5 / 1
    assert worlds.repeated({"repetitions": {}}, "real", tunings=curves).empty
    begun = worlds.by_seed({"runs": {"toy-dog galaxy 0 sampling, arcs 1": near}})
    assert worlds.repeated({"repetitions": {}}, tunings=begun).empty


def test_transfer_depends_on_the_direction():
    came = {"arrived": [1.0], "left": [0.1], "fine": [1.0], "kept": [[0.2, 0.21, 0.22, 0.2]]}
    lost = came | {"fine": [4.0]}
    both = {"repetitions": {"toy-dog 0": {"to": came, "back": lost}, "real-hand 0": {"to": came, "back": came}}}
    table = worlds.repeated({"repetitions": {}}, transfers=both)
    assert table.loc["domain-transfer", "toy-dog"] == "1 depends: 1"
    assert table.loc["domain-transfer", "real-hand"] == "1 holds: 2"
    assert table.loc["domain-transfer", "repeated"] == "1 of 2 holds, 1 depends on the domain"
    counts = worlds.transfers_again(
        {"repetitions": {"toy-dog 0": both["repetitions"]["toy-dog 0"], "toy-dog 1": {"to": came}}}
    )
    assert counts.to_dict("index") == {
        ("toy-dog", "to"): {"holds": 2, "fails": 0, "undecided": 0},
        ("toy-dog", "back"): {"holds": 0, "fails": 1, "undecided": 0},
    }


def test_the_number_of_images_is_judged_again():
    def rows(few, many):
        return {f"slerp, {n}": {"ms-ssim": {"value": value, "error": 0.01}} for n, value in ((25, few), (800, many))}

    found = {"toy-dog 0": {"cat": rows(0.4, 0.5), "galaxy": rows(0.2, 0.3)}, "toy-dog 1": {"cat": rows(0.5, 0.4)}}
    table = worlds.repeated({"repetitions": {}}, numbers={"repetitions": found})
    # 25 % and -20 %, so Student's interval of two is 12.7 times their standard error, 22.5
    assert table.loc["diversity-n", "toy-dog"] == "1 holds, 1 fails: 2.5 ± 300"
    assert table.loc["diversity-n", "effect"] == "smallest growth from N = 25 to 800, %"


def test_what_others_found_is_judged_again():
    """One repetition in which all of it holds, one in which nothing does, and one that was interrupted."""

    def repetition(error, middle, correlations, powers, kernels, share=0.99):
        solver = {"0.5": [middle], "1": [0.001]}
        rows = {
            way: {"kernel": kernel, "kernel_error": 0.01, "copies": 0.1}
            for way, kernel in zip(("line", "cog", "arc", "geodesic"), kernels, strict=True)
        }
        return {
            "exact": {"church": [error]},
            "arcs": {"dog": {"one": solver, "other": {"0.5": [0.1], "1": [0.09]}}},
            "linear": {"dog": {"200": [0.99, 0.01], "800": [share, 0.01]}},
            "path": {"dog": {"cat": [1.0, 0.0], "church": [share, 0.01]}},
            "noise": {"church": dict(zip("057", correlations, strict=True))},
            "fine": {
                name: {"latents": [power, 0.01]} for name, power in zip(("sketch", "galaxy"), powers, strict=True)
            },
            "between": {"church": rows},
        }

    good = repetition(1e-7, 0.02, (0.3, 0.1, 0.01), (0.5, 0.6), (0.5, 0.1, 0.4, 0.2))
    bad = repetition(0.1, 0.0011, (0.1, 0.2, 0.3), (1.0, 0.99), (0.1, 0.5, 0.2, 0.4), 0.3)
    begun = {"exact": good["exact"], "fine": {"sketch": good["fine"]["sketch"]}}
    kept = {"repetitions": {"toy-dog 0": good, "toy-church 0": bad, "real-hand 0": begun}}
    table = worlds.repeated({"repetitions": {}}, others=kept)
    assert set(table["key"]) == set(claims.OTHERS)
    assert all(told.startswith("1 holds") for told in table["toy-dog"])
    assert all(told.startswith("1 fails") for told in table["toy-church"])
    lacking = "spectral-collapse when images are {}".format
    assert {key for key, told in table["real-hand"].items() if told != "–"} == {"exact-reversal", lacking("sketches")}
    assert table.loc["copies-certify-nothing", "toy-dog"] == "1 holds: 0.02"  # the end of the other, 0.09, is not good
    assert table.loc[lacking("sketches"), "toy-dog"] == "1 holds: 0.5"
    assert table.loc["geodesics-better", "toy-church"] == "1 fails: -0.2"
    half = repetition(1e-7, 0.02, (0.3, 0.1, 0.01), (0.5, 1.0), (0.5, 0.1, 0.4, 0.2))
    mixed = worlds.repeated({"repetitions": {}}, others={"repetitions": {"toy-dog 0": half}})
    assert mixed.loc[lacking("sketches"), "repeated"] == "1 of 1 holds"
    assert mixed.loc[lacking("galaxies"), "repeated"] == "1 of 1 fails"


def test_galaxies_and_dust_are_judged_again():
    def row(share, copies=0.0):
        return {"nearer": {"a": share > 0.5}, "shares": [share] * 100, "without": [share] * 3, "copies": copies}

    won, lost = (dict.fromkeys(("galaxy", "radiation", "radiation-faint"), row(share)) for share in (0.9, 0.1))
    found = {"toy-dog 0": won, "toy-dog 1": won | {"galaxy": row(0.5)}, "toy-church 0": lost}
    table = worlds.repeated({"repetitions": {}}, skies={"repetitions": found})
    galaxies, dust, lifted = table.index
    assert galaxies == "sky-sampling-better when galaxies are measured" and lifted.endswith("lifted, are measured")
    assert table.loc[galaxies, "toy-dog"].startswith("1 holds, 1 undecided: 0.5")
    assert table.loc[galaxies, "repeated"] == table.loc[dust, "repeated"] == "depends on the model or its domains"
    assert table.loc[dust, "toy-church"] == "1 fails: 0"
    copied = {"toy-dog 0": dict.fromkeys(won, row(0.9, copies=0.6))}
    again = worlds.repeated({"repetitions": {}}, skies={"repetitions": copied})
    assert set(again["repeated"]) == {"1 of 1 undecided"}


def test_equal_values_do_not_scatter():
    one = worlds.Judged("sky-sampling-better", "holds", "94%", "share", 16 / 17)
    assert worlds._again([one, one, one]) == "3 holds: 0.941 ± 0"
