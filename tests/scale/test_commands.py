"""The commands, by one process and by two real ones: the same indices, and the same latents within rounding."""

import errno
import json
import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

import ood_helpers as ood
from ood_helpers import __main__ as command_line
from ood_helpers.__main__ import build_parser, main
from ood_helpers.kernels import runtime, walk
from ood_helpers.latents import samplers
from ood_helpers.models import schedules
from ood_helpers.scale import study

TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node=2"]
ACCELERATE = ["accelerate.commands.launch", "--num_machines=1", "--mixed_precision=no", "--num_processes=2"]
SMALL = ["--model", "toy-dog", "--timestep", "400", "--steps", "4", "--precision", "float32", "--device", "cpu"]


def store_in(folder):
    (path,) = [p for p in folder.iterdir() if (p / "settings.json").is_file()]
    return ood.LatentStore(path)


def launch(launcher, arguments):
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE", "MASTER_ADDR")}
    command = [sys.executable, "-m", *launcher, "-m", "ood_helpers", *arguments]
    return subprocess.Popen(command, env=environment | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)


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
    assert not list(single.path.glob("*.npy"))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [TORCHRUN, [*ACCELERATE, "--multi_gpu"]], ids=["torchrun", "accelerate"])
def test_two_processes_make_the_latents_of_one(single, tmp_path, launcher):
    """The world has two processes indeed, and both work: each says who it is."""
    run = launch(launcher, ["invert", *SMALL, "--domain", "church", "--images", "40", "--folder", str(tmp_path)])
    said = run.communicate(timeout=240)[1].decode()
    assert run.returncode == 0, said
    assert "process 0 of 2" in said and "process 1 of 2" in said
    store = store_in(tmp_path)
    assert len(store) == 40
    np.testing.assert_allclose(store.array, single.array, atol=2e-5)


@pytest.mark.slow
def test_a_run_of_which_one_worker_is_killed_goes_on_when_given_again(single, tmp_path):
    arguments = ["invert", *SMALL, "--domain", "church", "--images", "40", "--folder", str(tmp_path)]
    run = launch(TORCHRUN, arguments)
    for _ in range(2400):
        if list(tmp_path.glob("*/latents-*.npy")):
            break
        time.sleep(0.05)
    workers = [child for child in psutil.Process(run.pid).children() if "ood_helpers" in child.cmdline()]
    assert len(workers) == 2
    workers[1].kill()
    assert run.wait(60) != 0
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*/latents-*.npy")}
    assert 1 <= len(kept) < 3
    made = []
    with pytest.MonkeyPatch.context() as patch:
        real = study.batch_of_images
        patch.setattr(study, "batch_of_images", lambda *args: made.append(args[-1]) or real(*args))
        assert main(arguments) == 0
    assert sorted([*made[1:], *(int(name[8:16]) for name in kept)]) == [0, 16, 32]  # the first is a check
    np.testing.assert_allclose(store_in(tmp_path).array, single.array, atol=2e-5)
    assert not list(tmp_path.glob("*/*.npy"))


def test_new_images_are_numbered_and_not_made_twice(single, tmp_path, capsys):
    arguments = ["sample", *SMALL, "--domain", "church", "--images", "40", "--folder", str(single.path.parent)]
    arguments += ["--count", "5", "--output", str(tmp_path / "new")]
    assert main(arguments) == 0
    files = sorted((tmp_path / "new").glob("*.png"))
    assert [f.name for f in files] == [f"{k:08d}.png" for k in range(5)]
    assert Image.open(files[0]).size == (64, 64)
    changed = [f.stat().st_mtime_ns for f in files]
    assert main(arguments) == 0
    assert [f.stat().st_mtime_ns for f in files] == changed
    assert main([*arguments, "--method", "gaussian"]) == 1
    assert "holds images made by other settings, see settings.json there: method" in capsys.readouterr().err
    assert [f.stat().st_mtime_ns for f in files] == changed


def test_a_study_writes_what_the_chapters_measure(single, tmp_path, capsys):
    output = tmp_path / "results" / "study.json"
    arguments = ["study", *SMALL, "--domain", "church", "--own", "dog", "--images", "24"]
    assert main([*arguments, "--folder", str(single.path.parent), "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert found["unseen"]["domain"] == "church" and len(found["unseen"]["reconstruction_error"]) == 24
    assert {"geometry", "gaussianity"} <= found["own"].keys()
    assert 0 <= found["separability"]["accuracy"] <= 1 and 0 <= found["interference"]["rate"] <= 1
    said = capsys.readouterr().out
    assert "reconstruction MAE" in said and "64 new images: diversity" in said and "mode interference" in said


def test_errors_end_with_one_and_a_name(tmp_path, capsys):
    assert main(["invert", "--model", "toy-cat", "--domain", "church", "--folder", str(tmp_path)]) == 1
    assert "error: name_or_path: got 'toy-cat'" in capsys.readouterr().err
    assert main(["invert", *SMALL, "--domain", "nowhere", "--folder", str(tmp_path)]) == 1
    assert "error: name: got 'nowhere'" in capsys.readouterr().err
    assert main(["invert", *SMALL, "--variant", "ema", "--domain", "church", "--folder", str(tmp_path)]) == 1
    assert "error: variant: got 'ema'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ood, "load_model", lambda *args, **options: pytest.fail("has begun to work"))
    (tmp_path / "file").write_text("")
    what = [*SMALL, "--domain", "church", "--images", "8"]
    assert main(["invert", *what, "--folder", str(tmp_path / "file")]) == 1
    assert f"error: --folder: cannot write to '{tmp_path / 'file'}' (" in capsys.readouterr().err
    for end in (["sample", *what], ["study", *what, "--own", "dog"]):
        assert main([*end, "--folder", str(tmp_path), "--output", str(tmp_path / "file" / "new")]) == 1
        assert "error: --output: cannot write to" in capsys.readouterr().err

    def read_only(**options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(study.tempfile, "TemporaryFile", read_only)
    assert main(["invert", *what, "--folder", str(tmp_path)]) == 1
    assert f"error: --folder: cannot write to '{tmp_path}' (Permission denied)" in capsys.readouterr().err


def test_a_way_to_draw_that_cannot_work_is_told_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ood, "load_model", lambda *args, **options: pytest.fail("has begun to work"))
    arguments = ["sample", *SMALL, "--domain", "church", "--images", "20", "--folder", str(tmp_path)]
    arguments += ["--output", str(tmp_path)]
    assert main([*arguments, "--method", "centered", "--neighbors", "21"]) == 1
    assert "error: neighbors: got 21, expected an integer from 2 to 20" in capsys.readouterr().err
    assert main([*arguments, "--weight", "2"]) == 1
    assert "error: weight: got 2.0" in capsys.readouterr().err


def failing_at(monkeypatch, number, error):
    """Let the inversion of a unit fail, the first being number 1."""
    real, calls = ood.invert, []

    def invert(*args, **options):
        calls.append(options["batch_size"])
        if len(calls) == number:
            raise error
        return real(*args, **options)

    monkeypatch.setattr(ood, "invert", invert)
    return calls


def test_out_of_memory_keeps_what_is_done_and_smaller_batches_go_on(single, tmp_path, capsys, monkeypatch):
    arguments = ["invert", *SMALL, "--domain", "church", "--images", "40", "--folder", str(tmp_path)]
    sizes = failing_at(monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "error: out of memory; what is done is kept: give the command again with --batch-size 8. CUDA" in said
    assert [file.name for file in tmp_path.glob("*/latents-*.npy")] == ["latents-00000000-00000016.npy"]
    assert main([*arguments, "--batch-size", "8"]) == 0
    assert sizes == [16, 16, 8, 8]
    found = store_in(tmp_path).array
    np.testing.assert_array_equal(found[:16], single.array[:16])
    # other sizes of batches round otherwise, pixel by pixel; as vectors, latents agree to a hundred roundings
    assert ood.latent_error(*(torch.from_numpy(np.array(a)) for a in (found, single.array))).max() < 1e-5


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error: out of memory; what is done is kept: give the command again with --batch-size 8."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "again with --batch-size 8. DefaultCPUAllocator"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "left on device; what is done is kept, and the same command",
        ),
    ],
    ids=["python", "torch", "disk"],
)
def test_trouble_on_the_way_is_told_with_its_remedy(tmp_path, capsys, monkeypatch, error, said):
    failing_at(monkeypatch, 1, error)
    assert main(["invert", *SMALL, "--domain", "church", "--images", "2", "--folder", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err


def test_an_interruption_is_told_by_the_exit_code(tmp_path, capsys, monkeypatch):
    failing_at(monkeypatch, 1, KeyboardInterrupt())
    assert main(["invert", *SMALL, "--domain", "church", "--images", "2", "--folder", str(tmp_path)]) == 130
    assert "interrupted; what is done is kept" in capsys.readouterr().err


def test_another_error_of_the_network_is_no_lack_of_memory(tmp_path, monkeypatch):
    failing_at(monkeypatch, 1, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        main(["invert", *SMALL, "--domain", "church", "--images", "2", "--folder", str(tmp_path)])


def test_no_option_begins_one_of_torchrun_s_which_would_take_it():
    from torch.distributed.run import get_args_parser

    theirs = {option for action in get_args_parser()._actions for option in action.option_strings}
    commands = next(action for action in build_parser()._actions if action.dest == "command").choices
    ours = {option for command in commands.values() for action in command._actions for option in action.option_strings}
    ours = {option for option in ours if option.startswith("--") and option != "--help"}
    assert {(a, b) for a in ours for b in theirs if b.startswith(a)} == set()


def help_of(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "invert", "sample", "study"])
def test_each_command_s_help_has_examples_that_parse_and_the_exit_codes(command, capsys):
    said = help_of(command, capsys)
    assert "exit codes:" in said and all(f"\n  {code}  " in said for code in (0, 1, 2, 130))
    lines = [line for line in said.splitlines() if line.startswith(f"  python -m ood_helpers {command} ")]
    examples = [line.split() for line in lines if "..." not in line]
    assert examples
    for words in examples:
        assert build_parser().parse_args(words[3:]).command == command
    assert command == "train" or ("torchrun" in said and "accelerate launch --multi_gpu" in said)


def test_the_choices_of_the_command_line_are_those_of_the_package(capsys):
    """It names them itself, so that help does not wait for torch."""
    assert tuple(sorted(command_line.METHODS)) == tuple(sorted(samplers.METHODS))
    assert set(command_line.SOLVERS) == set(walk.SOLVERS) - {"belm"} and command_line.SCHEDULES == schedules.SCHEDULES
    assert command_line.PRECISIONS == ("auto", *runtime.PRECISIONS)
    said = help_of("sample", capsys)
    assert all(f"\n  {method} " in said for method in samplers.METHODS)
    assert all(solver in said for solver in command_line.SOLVERS)


def test_images_of_files_that_have_changed_are_not_taken_for_new_ones(tmp_path, capsys):
    def fill(color):
        for k in range(12):
            Image.new("RGB", (8, 8), (color, 20 * k, 9)).save(tmp_path / f"images/{k}.png")

    def sample(output):
        status = main([*start, "--folder", str(tmp_path / "latents"), "--output", str(tmp_path / output)])
        return status, (tmp_path / output / "00000000.png").read_bytes()

    (tmp_path / "images").mkdir()
    start = ["sample", *SMALL, "--domain", str(tmp_path / "images"), "--images", "12", "--count", "1"]
    fill(0)
    first = sample("kept")
    fill(255)
    assert first[0] == 0 and sample("kept") == (1, first[1])
    assert "kept' holds images made by other settings, see settings.json there: files;" in capsys.readouterr().err
    second = sample("new")
    assert second[0] == 0 and second[1] != first[1]


def test_images_of_another_origin_are_not_taken_for_new_ones_nor_written_over(tmp_path, capsys):
    Image.new("RGB", (8, 8)).save(tmp_path / "00000000.png")
    mine = (tmp_path / "00000000.png").read_bytes()
    arguments = ["sample", *SMALL, "--domain", "church", "--images", "12", "--count", "1", "--output", str(tmp_path)]
    assert main([*arguments, "--folder", str(tmp_path / "latents")]) == 1
    assert "holds images made by something else" in capsys.readouterr().err
    assert (tmp_path / "00000000.png").read_bytes() == mine and not (tmp_path / "settings.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "gpu"], "--device: got 'gpu', expected a device such as"),
        (["--device", "cuda:x"], "--device: got 'cuda:x', expected a device such as"),
        (["--device", "meta"], "--device: got 'meta', which is not here"),
        (["--images", "70"], "n: got 70, expected at most 12"),
        (["--images", "0"], "--images: got 0"),
        (["--count", "0"], "--count: got 0"),
        (["--sampling-seed", "-1"], "--sampling-seed: got -1"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(tmp_path, capsys, options, message):
    (tmp_path / "images").mkdir()
    for k in range(12):
        Image.new("RGB", (8, 8), (9, 20 * k, 9)).save(tmp_path / f"images/{k}.png")
    arguments = ["sample", *SMALL, "--domain", str(tmp_path / "images"), "--images", "12", "--count", "1"]
    arguments += ["--folder", str(tmp_path / "latents"), "--output", str(tmp_path / "new")]
    assert main([*arguments, *options]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("settings.json"))
    assert main(arguments) == 0  # nothing of the refused one is in the way


def test_new_images_are_not_put_among_those_that_they_are_made_of(tmp_path, capsys):
    for k in range(12):
        Image.new("RGB", (8, 8), (9, 20 * k, 9)).save(tmp_path / f"{k}.png")
    for inside in (tmp_path, tmp_path / "below" / "new"):
        arguments = ["sample", *SMALL, "--domain", str(tmp_path), "--images", "12", "--count", "1"]
        assert main([*arguments, "--folder", str(tmp_path / "latents"), "--output", str(inside)]) == 1
        assert "within the domain" in capsys.readouterr().err


@pytest.fixture
def no_walk(monkeypatch):
    """Fail as soon as there is any inversion."""
    monkeypatch.setattr(ood, "invert", lambda *args, **options: pytest.fail("has begun to work"))


def folder_of(path, n, size=16):
    path.mkdir()
    for k in range(n):
        Image.new("RGB", (size, size), (9, 20 * k, 9)).save(path / f"{k}.png")
    return str(path)


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (["table", "1"], ["--images", "8", "--count", "5"], "--images 8 and --count 5: n: got 13, expected at most 12"),
        (
            ["table", "1"],
            ["--images", "3", "--count", "4", "--method", "gaussian"],
            "latents: got 3, expected at least 4",
        ),
        (["table", "2"], ["--images", "13"], "--images 13: n: got 13, expected at most 12"),
        (["table", "3"], ["--images", "3"], "--images: got 3, expected an integer >= 4"),
        (["study"], ["--images", "7"], "--images: got 7, expected an integer >= 8"),
        (["study"], ["--images", "8", "--timestep", "2000"], "t: got 2000"),
        (["sample"], ["--images", "8", "--steps", "500"], "steps: got 500"),
        (
            ["invert"],
            ["--images", "8", "--rank", "2", "--world", "2"],
            "--rank: got 2, expected an integer from 0 to 1",
        ),
        (["invert"], ["--images", "8", "--rank", "2"], "--rank, --world: got 2 and None, expected both or none"),
        (["invert"], ["--images", "8", "--model", "toy-face"], "--model: got 2, expected one"),
        (["sample"], ["--images", "8", "--domain", "face"], "--domain: got 2, expected one"),
    ],
)
def test_what_would_fail_after_hours_is_said_first(tmp_path, capsys, no_walk, command, options, message):
    own = ["--own", "dog"] if command[0] in ("table", "study") else []
    output = [] if command == ["invert"] else ["--output", str(tmp_path / "out")]
    images = folder_of(tmp_path / "images", 12)
    named = f"church={images}" if command[0] == "table" else images
    arguments = [*command, *SMALL, "--domain", named, *own, "--folder", str(tmp_path / "latents"), *output]
    assert main([*arguments, *options]) == 1
    assert message in capsys.readouterr().err


def test_each_folder_of_images_is_checked_before_the_first_inversion(tiny_pipeline, tmp_path, capsys, no_walk):
    """Of two models and two domains the last folder holds images of another run."""
    models = [str(tiny_pipeline(tmp_path / name, seed)) for seed, name in enumerate("ab")]
    taken = tmp_path / "out" / "images" / "interpolate" / "b-face"
    taken.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(taken / "00000000.png")
    arguments = ["table", "1", "--model", models[0], "--own", "dog", "--model", models[1], "--own", "cat", *SMALL[2:]]
    arguments += ["--domain", "church", "--domain", "face", "--images", "10", "--count", "4"]
    assert main([*arguments, "--folder", str(tmp_path / "latents"), "--output", str(tmp_path / "out")]) == 1
    assert "b-face' holds images made by something else" in capsys.readouterr().err


def test_a_domain_whose_images_cannot_be_read_is_named_before_the_first_inversion(tmp_path, capsys, no_walk):
    bad = tmp_path / "bad"
    bad.mkdir()
    for k in range(12):
        (bad / f"{k}.png").write_bytes(b"no picture")
    arguments = ["table", "2", *SMALL, "--own", "dog", "--domain", "face", "--domain", f"church={bad}", "--images", "8"]
    assert main([*arguments, "--folder", str(tmp_path / "latents"), "--output", str(tmp_path / "out")]) == 1
    assert ".png" in capsys.readouterr().err


def test_a_study_of_what_cannot_be_measured_ends_before_the_first_inversion(tiny_pipeline, tmp_path, capsys, no_walk):
    arguments = ["study", *SMALL, "--domain", "dog", "--own", "dog", "--images", "12", "--output", str(tmp_path / "f")]
    assert main([*arguments, "--folder", str(tmp_path / "latents")]) == 1
    assert "target_domain: got 'dog' for both" in capsys.readouterr().err
    small = str(tiny_pipeline(tmp_path / "small", size=4))
    arguments = ["study", "--model", small, *SMALL[2:], "--domain", "church", "--own", "dog", "--images", "12"]
    assert main([*arguments, "--output", str(tmp_path / "f"), "--folder", str(tmp_path / "latents")]) == 1
    assert "expected (n, C, H, W) with H and W of at least 8" in capsys.readouterr().err


def test_a_study_computes_each_geometry_once(tiny_pipeline, tmp_path, monkeypatch):
    clouds, real = [], ood.geometry
    monkeypatch.setattr(ood, "geometry", lambda cloud: clouds.append(len(cloud)) or real(cloud))
    arguments = ["study", "--model", str(tiny_pipeline(tmp_path / "m")), *SMALL[2:], "--domain", "church"]
    arguments += ["--own", "dog", "--images", "12", "--output", str(tmp_path / "found.json")]
    assert main([*arguments, "--folder", str(tmp_path / "latents")]) == 0
    assert clouds == [8, 8, 12, 12]  # eight stand-ins, to see first that all can be measured


def test_a_longer_study_goes_on_with_what_a_shorter_one_left_half_done(tiny_pipeline, tmp_path, monkeypatch):
    """The last batch of the shorter one is no whole batch of the longer one."""
    arguments = ["invert", "--model", str(tiny_pipeline(tmp_path / "m")), *SMALL[2:], "--domain", "church"]
    arguments += ["--folder", str(tmp_path / "some")]
    with monkeypatch.context() as patch:
        patch.setattr(ood.LatentStore, "append", lambda *args: pytest.fail("stopped"))
        with pytest.raises(pytest.fail.Exception):
            main([*arguments, "--images", "24"])
    assert main([*arguments, "--images", "40"]) == 0
    (store,) = (ood.LatentStore(path) for path in (tmp_path / "some").iterdir())
    model = ood.load_model(tmp_path / "m", device="cpu")
    walk = {"t": 400, "steps": 4, "precision": "float32", "progress": False}
    expected = ood.invert(model, ood.load_domain("church", 40, 16), **walk)
    torch.testing.assert_close(store.tensor(), expected, atol=2e-5, rtol=1e-4)
    assert not list(store.path.glob("*.npy"))
