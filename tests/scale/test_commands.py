"""The commands, by one process and by two real ones: the same indices, and the same latents within rounding."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import ood_helpers as ood
from ood_helpers.__main__ import build_parser, main

SMALL = ["--model", "toy-dog", "--timestep", "400", "--steps", "4", "--precision", "float32", "--device", "cpu"]


def store_in(folder):
    (path,) = [p for p in folder.iterdir() if (p / "settings.json").is_file()]
    store = ood.LatentStore(path)
    store.verify()
    return store


def launch(arguments, processes):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "-m", "ood_helpers", *arguments], env=environment, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    assert main(["invert", *SMALL, "--domain", "church", "--images", "40", "--folder", str(folder)]) == 0
    return store_in(folder)


def test_the_command_does_what_the_notebook_does(single, tmp_path):
    model = ood.load_model("toy-dog", device="cpu")
    walk = {"t": 400, "steps": 4, "precision": "float32", "progress": False}
    store = ood.inverted_latents(model, "church", 40, folder=tmp_path, **walk)
    assert store.settings == single.settings
    np.testing.assert_array_equal(store.array, single.array)
    assert [p.name for p in single.path.parent.iterdir() if p.name.endswith(".units")] == []


@pytest.mark.slow
def test_two_processes_make_the_latents_of_one(single, tmp_path):
    """The world has two processes indeed, and both work: each says who it is."""
    run = launch(["invert", *SMALL, "--domain", "church", "--images", "40", "--folder", str(tmp_path)], 2)
    said = run.communicate(timeout=240)[1].decode()
    assert run.returncode == 0, said
    assert "process 0 of 2" in said and "process 1 of 2" in said
    store = store_in(tmp_path)
    assert len(store) == 40
    np.testing.assert_allclose(store.array, single.array, atol=2e-5)


@pytest.mark.slow
def test_a_study_whose_workers_are_killed_goes_on(single, tmp_path):
    arguments = ["invert", *SMALL, "--domain", "church", "--images", "40", "--folder", str(tmp_path)]
    run = launch(arguments, 2)
    for _ in range(2400):
        if list(tmp_path.glob("*.units/*.npy")):
            break
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    subprocess.run(["pkill", "-KILL", "-f", str(tmp_path)], check=False)
    run.wait(60)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("*.units/*.npy")}
    assert before
    assert main(arguments) == 0
    np.testing.assert_allclose(store_in(tmp_path).array, single.array, atol=2e-5)
    assert not list(tmp_path.glob("*.units"))


def test_new_images_are_numbered_and_not_made_twice(single, tmp_path):
    arguments = ["sample", *SMALL, "--domain", "church", "--images", "40", "--folder", str(single.path.parent)]
    arguments += ["--count", "5", "--output", str(tmp_path / "new"), "--neighbours", "4"]
    assert main(arguments) == 0
    files = sorted((tmp_path / "new").glob("*.png"))
    assert [f.name for f in files] == [f"{k:08d}.png" for k in range(5)]
    assert Image.open(files[0]).size == (64, 64)
    changed = [f.stat().st_mtime_ns for f in files]
    assert main(arguments) == 0
    assert [f.stat().st_mtime_ns for f in files] == changed


def test_a_study_writes_what_the_chapters_measure(single, tmp_path, capsys):
    output = tmp_path / "results" / "study.json"
    arguments = ["study", *SMALL, "--domain", "church", "--own", "dog", "--images", "24"]
    assert main([*arguments, "--folder", str(single.path.parent), "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert found["unseen"]["domain"] == "church" and len(found["unseen"]["reconstruction_error"]) == 24
    assert {"geometry", "gaussianity"} <= found["own"].keys()
    assert 0 <= found["separability"]["accuracy"] <= 1 and 0 <= found["interference"]["rate"] <= 1
    assert "reconstruction MAE" in capsys.readouterr().out


def test_errors_end_with_one_and_a_name(tmp_path, capsys):
    assert main(["invert", "--model", "toy-cat", "--domain", "church", "--folder", str(tmp_path)]) == 1
    assert "error: name_or_path: got 'toy-cat'" in capsys.readouterr().err
    assert main(["invert", *SMALL, "--domain", "nowhere", "--folder", str(tmp_path)]) == 1
    assert "error: name: got 'nowhere'" in capsys.readouterr().err
    file = tmp_path / "file"
    file.write_text("")
    assert main(["invert", *SMALL, "--domain", "church", "--images", "2", "--folder", str(file)]) == 1
    assert "error: " in capsys.readouterr().err


def test_no_option_begins_one_of_torchrun_s_which_would_take_it():
    from torch.distributed.run import get_args_parser

    theirs = {option for action in get_args_parser()._actions for option in action.option_strings}
    commands = next(action for action in build_parser()._actions if action.dest == "command").choices
    ours = {option for command in commands.values() for action in command._actions for option in action.option_strings}
    ours = {option for option in ours if option.startswith("--") and option != "--help"}
    assert {(a, b) for a in ours for b in theirs if b.startswith(a)} == set()


def test_the_help_of_each_command_says_how_to_use_many_gpus(capsys):
    for command in ("invert", "sample", "study"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0 and "torchrun" in capsys.readouterr().out
