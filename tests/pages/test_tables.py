"""The book's tables: the paper's numbers as printed, and what is computed from them by hand."""

import math

import pytest
import torch

import ood_helpers as ood
from ood_helpers.evaluation.distances import Estimate
from ood_helpers.latents.gaussianity import gaussianity
from ood_helpers.latents.geometry import geometry
from ood_helpers.models.frozen import fingerprint
from ood_helpers.pages import paper, tables


def normal(seed, shape=(12, 3, 16, 16)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_table_1_is_the_printed_one():
    printed = paper.TABLE_1
    assert [printed["Ours"][name].value for name in ("dog", "face", "church", "bedroom")] == [78.2, 64.5, 64.8, 62.9]
    assert [printed["CLIP tuning"][name].value for name in ("dog", "church")] == [73.6, 66.3]
    assert printed["Vanilla tuning"]["bedroom"].spread == 4.0 and "galaxy" not in printed["Vanilla tuning"]
    scores = printed["Ours"]["galaxy"], printed["CLIP tuning"]["galaxy"]
    assert [(s.scale, s.value, s.spread) for s in scores] == [("MOS", 2.88, 0.93), ("MOS", 1.84, 0.97)]
    frame = tables.cited_generation()
    assert frame.loc["Ours (paper)", "radiation"] == "1.52 ± 0.8 (MOS)"
    assert frame.loc["Vanilla tuning (paper)", "galaxy"] == "–"


def test_generation_is_averaged_over_the_models_that_did_not_see_the_domain():
    record = {
        "toy-a cat": {"methods": {"tune": {"frechet": 1.0}}},
        "toy-b cat": {"methods": {"tune": {"frechet": 3.0}}},
        "toy-a dog": {"methods": {"tune": {"frechet": 9.0}}},
    }
    frame = tables.generation(record, ["tune"], {"cats": ("cat",), "dogs": ("dog",), "both": ("dog", "cat")})
    assert frame.loc["tune", "cats"] == f"2.0 ± {math.sqrt(2):.1f}" and frame.loc["tune", "dogs"] == "–"
    assert frame.loc["tune", "both"] == f"4.3 ± {math.sqrt(52 / 3):.1f}"  # of 1, 3 and 9


def test_the_rows_of_other_methods_in_table_2_are_cited():
    frame = tables.cited_reconstruction()
    assert frame["method (paper)"].tolist() == ["pSp", "e4e", "ReStyle", "HFGI"]
    assert frame["MAE (paper)"].tolist() == ["0.079", "0.092", "0.089", "0.062"]
    assert set(frame["domain"]) == {"CelebA (ID)"}


def test_new_images_stand_beside_the_row_of_their_method_domain_by_domain():
    def rows(*distances):
        return [{"frechet": x, "kernel": Estimate(x / 10, 0.01), "copies": x / 8} for x in distances]

    found = {("church", "gaussian", "t=9"): rows(2.0, 4.0), ("digits", "gaussian", "t=9"): rows(5.0)}
    found |= {("church", "asyrp", "t=8"): rows(3.0), ("church", "vanilla", "t=7"): rows(6.0)}
    frame = tables.sampling(found, {"church": 1.0, "digits": 1.5}, "inception")
    assert frame.index.tolist() == ["church"] * 3 + ["digits"]
    assert frame.iloc[0].tolist() == [
        "gaussian", 2, f"3.00 ± {math.sqrt(2):.2f}", "1.00", "64.8 ± 2.7 (FID)",
        f"0.3000 ± {math.sqrt(0.02):.4f}", f"0.38 ± {math.sqrt(1 / 32):.2f}", "Ours", "t=9",
    ]  # fmt: skip
    assert frame.loc["digits", ["kernel distance", "copies"]].tolist() == [str(Estimate(0.5, 0.01)), "0.62"]
    assert frame["paper"].tolist()[1:] == ["66.3 ± 2.8 (FID)", "192.5 ± 3.7 (FID)", "–"]
    assert frame["row (paper)"].tolist() == ["Ours", "CLIP tuning", "Vanilla tuning", "Ours"]


def test_table_3_is_the_printed_one():
    assert [c.domain for c in paper.TABLE_3] == ["Dog", "Human", "Bedroom", "Church", "Galaxy", "Turbulence"]
    assert [c.center_distance for c in paper.TABLE_3] == [None, 33.3, 26.0, 33.2, 54.7, 60.8]
    assert [c.accuracy for c in paper.TABLE_3] == [None, 0.97, 0.99, 0.99, 1.0, 1.0]
    assert paper.table_3()["radiation"].origin_angle == (87.6, 0.03)
    assert paper.DIMENSION == 196_608


def test_bedrooms_distance_without_noise_is_below_the_fourth_root():
    """s = D / sqrt(2 d), floor^2 = (s_dog^2 + s_bedroom^2) d / n = (607.4^2 + 611.2^2) / 2000 for n = 1000."""
    expected = math.sqrt(26.0**2 - (607.4**2 + 611.2**2) / 2000)
    bedroom = paper.table_3()["bedroom"]
    assert tables.unbiased_distance(bedroom) == pytest.approx(expected)
    assert expected < paper.DIMENSION**0.25 < bedroom.center_distance
    assert tables.unbiased_distance(bedroom, n=100) == 0
    from_origin = tables.unbiased_distance(bedroom, from_origin=True)  # only 611.2^2 / 2000 is noise then
    assert from_origin == pytest.approx(math.sqrt(26.0**2 - 611.2**2 / 2000)) and from_origin > 21.06


def test_the_reading_of_table_3_has_a_row_for_each_data_set():
    readings = tables.spherical_readings()
    assert readings.loc["Dog", "std s"] == "0.969"  # 607.4 / 627.07
    assert readings.loc["Turbulence", "norm of mean (from, to)"].startswith("90 (89, 91)")
    assert readings.loc["Dog", "noise floor"] == "–" and readings.loc["Human", "noise floor"] == "19.3"
    assert list(tables.expected_accuracies().index) == ["Human", "Bedroom", "Church", "Galaxy", "Turbulence"]


def test_stars_mark_what_is_rejected_and_nothing_else():
    shown = tables.gaussianity({"white": gaussianity(normal(0)), "long": gaussianity(1.1 * normal(1))})
    assert shown.loc["expected of N(0, I)", "spectrum"] == "1.000"
    assert not shown.loc["white"].str.contains(r"\*").any()
    assert shown.loc["long", "radius"].endswith("*") and not shown.loc["long", "neighbors"].endswith("*")


def test_geometry_stands_beside_its_null_and_the_paper():
    shown = tables.geometry({"dog": geometry(normal(2)), "cat": geometry(normal(3))}, in_domain="dog")
    assert list(shown.index) == ["standard normal", "dog (ID)", "cat (OOD)"]
    assert shown.loc["dog (ID)", "distance / √(2d) (paper)"] == "0.969 (Dog)"
    assert shown.loc["cat (OOD)", "at origin (paper)"] == "–"


def test_walks_stand_side_by_side():
    coarse, fine = geometry(normal(4)), geometry(normal(5))
    shown = tables.by_walk({"coarse": {"dog": coarse}, "fine": {"dog": fine}}, ("radius", "origin_angle"))
    assert list(shown.columns) == [(name, walk) for name in ("radius", "origin angle") for walk in ("coarse", "fine")]
    assert shown.loc["dog", ("origin angle", "fine")] == f"{fine.origin_angle.mean:.1f}"
    effects = tables.by_walk({"coarse": {"dog": gaussianity(normal(4))}}, ("radius",))
    assert effects.loc["dog", ("radius", "coarse")] == f"{gaussianity(normal(4))['radius'].effect:.3f}"


def test_recorded_images_stand_beside_the_live_ones():
    live = {"church": torch.tensor([0.01, 0.03]), "digits": torch.tensor([0.02, 0.02])}
    record = {name: {"ddim": {"mean": 0.0111, "std": 0.004, "n": 100}} for name in live}
    frame = tables.reconstruction(live, "dog", record)
    assert frame.loc["church (OOD)", "MAE of 2, live"] == "0.0200"
    assert frame.loc["church (OOD)", ["images", "MAE (ours)", "std", "std. error"]].tolist() == [
        100,
        "0.0111",
        "0.0040",
        "0.0004",
    ]
    alone = tables.reconstruction(live, "church")
    assert alone.loc["church (ID)", ["images", "MAE (ours)"]].tolist() == [2, "0.0200"]


def test_a_record_says_whose_weights_made_it():
    model = ood.gaussian_model(torch.zeros(3, 4, 4), torch.ones(3, 4, 4))
    record = {"date": "2026-11-27", "weights": {model.name: fingerprint(model)}}
    assert tables.provenance(record, model) == f"record of 2026-11-27: {model.name}, these weights"
    assert "not these weights" in tables.provenance({"weights": {model.name: "0"}}, model)
    assert tables.provenance({}, model).startswith("record of an unknown day")


def test_budgets_are_averaged_over_repetitions():
    runs = {
        "toy-dog church 0 vanilla, published 0.25": {"kernel": 2.0},
        "toy-dog church 1 vanilla, published 0.25": {"kernel": 3.0},
        "toy-dog church 0 vanilla, published 16": {"kernel": 0.5},
        "toy-dog church 0 sampling, 10 neighbors 1": {"kernel": 0.01},
        "toy-dog galaxy 0 vanilla, published 0.25": {"kernel": 9.0},
    }
    table = tables.budgets({"runs": runs}, "toy-dog church")
    assert list(table) == ["0.25 times", "1 times", "16 times"]
    assert list(table.loc["vanilla, published"]) == ["2.500 (2.000 to 3.000)", "–", "0.500, once"]
    assert list(table.loc["sampling, 10 neighbors"]) == ["–", "0.010, once", "–"]
