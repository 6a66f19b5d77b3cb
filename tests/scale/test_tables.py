"""The paper's tables by one command each, end to end, with a tiny random pipeline in the format of the hub's."""

import json
import re
from importlib.util import find_spec

import pandas as pd
import pytest

import ood_helpers as ood
from ood_helpers.__main__ import main
from ood_helpers.domains import pictures

SIZE, N = 16, 20
WALK = {"t": 400, "steps": 4, "precision": "float32", "progress": False}


@pytest.fixture(scope="module")
def models(tiny_pipeline, tmp_path_factory):
    return [tiny_pipeline(tmp_path_factory.mktemp("models") / f"model-{seed}", seed, SIZE) for seed in (0, 1)]


@pytest.fixture
def run(models, tmp_path):
    settings = ["--images", str(N), "--timestep", "400", "--steps", "4", "--precision", "float32", "--device", "cpu"]

    def call(number, *arguments):
        folders = ["--folder", str(tmp_path / "latents"), "--output", str(tmp_path / "out")]
        status = main(["table", str(number), *arguments, *settings, *folders])
        file = tmp_path / "out" / f"table-{number}.csv"
        return status, pd.read_csv(file, index_col=0) if status == 0 else None

    return call


def test_table_2_has_the_errors_of_a_round_trip_and_the_paper_s(run, models):
    status, found = run(2, "--model", str(models[0]), "--own", "dog", "--domain", "church", "--domain", "sketch")
    assert status == 0 and list(found.index) == ["dog (ID)", "church (OOD)", "sketch (OOD)"]
    model = ood.load_model(models[0], device="cpu")
    images = ood.load_domain("church", N, SIZE, 0)
    errors = ood.reconstruction_error(images, ood.denoise(model, ood.invert(model, images, **WALK), **WALK))
    assert found.loc["church (OOD)", "MAE (ours)"] == pytest.approx(float(errors.mean()), abs=1e-4)
    assert found["MAE (paper)"].tolist() == ["0.073 ± 6e-04", "0.074 ± 8e-04", "–"]
    assert (found["images"] == N).all()


def test_table_3_has_geometry_centers_and_the_classifier(run, models):
    status, found = run(3, "--model", str(models[0]), "--own", "dog", "--domain", "church")
    assert status == 0
    model = ood.load_model(models[0], device="cpu")
    clouds = [ood.invert(model, ood.load_domain(name, N, SIZE, 0), **WALK) for name in ("dog", "church")]
    distance = ood.geometry(clouds[1]).pair_distance.mean / (2 * 3 * SIZE**2) ** 0.5
    row = found.loc["church (OOD)"]
    assert float(row["pair distance / √(2d)"].split(" ± ")[0]) == pytest.approx(distance, abs=1e-3)
    assert float(row["plug-in"]) == pytest.approx(ood.center_distance(*clouds).plug_in, abs=0.1)
    assert float(row["SVM"]) == pytest.approx(ood.separability(*clouds).accuracy, abs=0.01)
    assert row["SVM (paper)"] == "0.99" and found.loc["dog (ID)", "SVM"] == "–"


def test_table_1_is_averaged_over_the_models_that_did_not_see_the_domain(run, models, tmp_path):
    both = ["--model", str(models[0]), "--own", "dog", "--model", str(models[1]), "--own", "face"]
    status, found = run(1, *both, "--domain", "church", "--domain", "face", "--count", "20")
    assert status == 0 and found["models"].to_dict() == {"church": 2, "face": 1}
    others = ood.load_domain("church", 20, SIZE, 0, start=N)
    made = [ood.load_domain(tmp_path / "out" / "images" / f"{folder.name}-church", 20, SIZE) for folder in models]
    mean = sum(ood.frechet_distance(images, others) for images in made) / 2
    assert float(found.loc["church", "Fréchet, scorer (ours)"].split(" ± ")[0]) == pytest.approx(mean, abs=0.01)
    assert found.loc["church", "paper"] == "64.8 ± 2.7 (FID)"
    floor = ood.frechet_distance(ood.load_domain("church", 20, SIZE, 0), others)
    assert float(found.loc["church", "real images"]) == pytest.approx(floor, abs=0.01)


def test_a_folder_stands_for_a_domain(run, models, tmp_path):
    folder = tmp_path / "my churches"
    folder.mkdir()
    for number, image in enumerate(ood.load_domain("church", N, SIZE, 5)):
        pictures.save_sheet(image[None], folder / f"{number:02d}.png", columns=1, zoom=1)
    status, found = run(2, "--model", str(models[0]), "--own", "dog", "--domain", f"church={folder}")
    assert status == 0 and found.loc["church (OOD)", "data set (paper)"] == "Church"


@pytest.mark.parametrize(
    ("number", "arguments", "message"),
    [
        (2, ["--model", "{0}", "--model", "{1}", "--own", "dog", "--own", "face"], "--model: got 2, expected one"),
        (1, ["--model", "{0}", "--model", "{1}", "--own", "dog"], "--own: got 1, expected one for each of 2"),
        (1, ["--model", "{0}", "--own", "dog", "--features", "inception"], "torch-fidelity"),
    ],
)
def test_what_does_not_fit_is_named(run, models, capsys, number, arguments, message):
    if "inception" in arguments and find_spec("torch_fidelity"):
        pytest.skip("torch-fidelity is installed")
    arguments = [text.format(*models) for text in arguments]
    assert run(number, *arguments, "--domain", "church", "--count", "20")[0] == 1
    assert re.search(message, capsys.readouterr().err)


def test_one_option_takes_the_paper_s_settings_of_table_3_but_for_what_others_say(models, tmp_path, capsys):
    folders = ["--folder", str(tmp_path / "latents"), "--output", str(tmp_path / "out")]
    few = ["--model", str(models[0]), "--own", "dog", "--domain", "church", "--images", "8", "--steps", "2", "--paper"]
    assert main(["table", "3", *few, *folders]) == 0
    (settings, *_) = (tmp_path / "latents").glob("*/settings.json")
    found = json.loads(settings.read_text())
    assert (found["t"], found["steps"]) == (999, 2)
    assert main(["table", "2", *few, *folders]) == 1
    assert "--paper: got it for table 2, expected table 3" in capsys.readouterr().err
