"""Work by ranks: each unit is whole or not there, ranks may run at once or in turn, and a killed one costs nothing."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import ood_helpers as ood
from ood_helpers.files import write_whole
from ood_helpers.scale import work
from ood_helpers.scale.work import rank_and_world, share

NAMES = [f"{k:03d}" for k in range(12)]


def into(folder, seconds=0.0, made=None, rank=0, world=1):
    """Share the making of files, and tell which were made."""

    def make(name):
        time.sleep(seconds)
        write_whole(folder / name, name.encode())
        if made is not None:
            made.put((rank, name))

    share(NAMES, lambda name: (folder / name).exists(), make, rank, world, "test")


def start(folder, seconds, ranks, world=3):
    context = multiprocessing.get_context("fork")
    made = context.Queue()
    processes = [context.Process(target=into, args=(folder, seconds, made, rank, world)) for rank in ranks]
    for process in processes:
        process.start()
    return processes, made


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


WHOLE = {name: name.encode() for name in NAMES}


def test_ranks_at_once_make_their_own_shares_first(tmp_path):
    processes, made = start(tmp_path, 0.5, range(3))  # so long that a busy machine starts all of them meanwhile
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    found = [made.get(timeout=5) for _ in NAMES]
    for rank in range(3):
        assert [name for who, name in found if who == rank][:4] == NAMES[rank::3]
    assert contents(tmp_path) == WHOLE


def test_ranks_in_turn_find_what_is_there(tmp_path):
    made = multiprocessing.get_context("fork").Queue()
    for rank in (1, 0, 2):
        into(tmp_path, made=made, rank=rank, world=3)
        assert contents(tmp_path) == WHOLE
    found = [made.get(timeout=5) for _ in NAMES]
    assert {who for who, _ in found} == {1} and [name for _, name in found][:4] == NAMES[1::3]
    assert made.empty()


def test_what_a_killed_rank_leaves_is_made_by_another_that_does_not_wait_for_it(tmp_path):
    (victim,), made = start(tmp_path, 0.05, [0], world=2)
    assert made.get(timeout=30) == (0, NAMES[0])
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(30)
    (other,), _ = start(tmp_path, 0.01, [1], world=2)
    other.join(30)
    assert other.exitcode == 0
    assert {name: content for name, content in contents(tmp_path).items() if name in WHOLE} == WHOLE


def test_a_full_disk_leaves_whole_units_and_the_next_call_goes_on(tmp_path, monkeypatch):
    real, left = os.fsync, [3]

    def full(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        into(tmp_path)
    assert sorted(contents(tmp_path)) == NAMES[:3]
    monkeypatch.setattr(os, "fsync", real)
    into(tmp_path)
    assert contents(tmp_path) == WHOLE


@pytest.fixture
def no_launcher(monkeypatch):
    for names in work.LAUNCHERS:
        for name in names:
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("rank", "world"),
    [
        ("RANK", "WORLD_SIZE"),
        ("SLURM_PROCID", "SLURM_NTASKS"),
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        ("PMI_RANK", "PMI_SIZE"),
    ],
)
def test_rank_and_world_come_from_the_launcher_unless_they_are_given(no_launcher, monkeypatch, rank, world):
    assert rank_and_world() == (0, 1)
    monkeypatch.setenv(rank, "3")
    assert rank_and_world() == (0, 1)
    monkeypatch.setenv(world, "8")
    assert rank_and_world() == (3, 8) and rank_and_world(1, 2) == (1, 2)
    monkeypatch.setenv(world, "3")
    with pytest.raises(ValueError, match="--rank: got 3, expected an integer from 0 to 2"):
        rank_and_world()


def test_torchrun_within_a_slurm_task_has_the_last_word(no_launcher, monkeypatch):
    for name, value in {"SLURM_PROCID": 1, "SLURM_NTASKS": 2, "RANK": 5, "WORLD_SIZE": 16}.items():
        monkeypatch.setenv(name, str(value))
    assert rank_and_world() == (5, 16)


def test_each_process_takes_the_gpu_with_its_number(no_launcher, monkeypatch):
    assert work.local_device().type in ("cpu", "cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert work.local_device(6).index == 2
    monkeypatch.setenv("SLURM_LOCALID", "3")
    assert work.local_device(6).index == 3
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)  # srun --gpus-per-task 1 shows each process its own only
    assert work.local_device(6).index == 0


@pytest.fixture
def command(tiny_pipeline, tmp_path):
    model = tiny_pipeline(tmp_path / "model")
    words = ["sample", "--model", str(model), "--domain", "church", "--images", "100", "--timestep", "400"]
    words += ["--steps", "4", "--precision", "float32", "--device", "cpu", "--count", "36"]

    def launch(folder, rank=0, world=1, *more):
        where = ["--folder", str(tmp_path / folder / "latents"), "--output", str(tmp_path / folder / "new")]
        ranks = ["--rank", str(rank), "--world", str(world)]
        line = [sys.executable, "-m", "ood_helpers", *words, *where, *ranks, *more]
        return subprocess.Popen(line, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)

    return launch


def results(folder):
    """The latents and new images of a run, and that nothing else is left."""
    (path,) = (folder / "latents").iterdir()
    assert sorted(p.name for p in path.iterdir() if not p.name.endswith(".part")) == [
        "batches.jsonl",
        "latents.f32",
        "settings.json",
    ]
    assert sum(path.name.endswith(".png") for path in (folder / "new").iterdir()) == 36
    images = {path.name: path.read_bytes() for path in (folder / "new").glob("0*.png")}
    return np.array(ood.LatentStore(path).array), images


@pytest.mark.slow
def test_one_process_three_at_once_three_in_turn_and_a_killed_one_make_the_same_bytes(command, tmp_path):
    assert command("one").wait(120) == 0
    latents, images = results(tmp_path / "one")
    assert latents.shape == (100, 3, 16, 16) and len(images) == 36

    assert [process.wait(240) for process in [command("at once", rank, 3) for rank in range(3)]] == [0, 0, 0]
    assert [command("in turn", rank, 3).wait(120) for rank in (2, 0, 1)] == [0, 0, 0]

    victim = command("killed", 0, 2)
    for _ in range(6000):
        if list((tmp_path / "killed").glob("latents/*/latents-*.npy")):
            break
        time.sleep(0.005)
    victim.kill()
    assert victim.wait(30) == -signal.SIGKILL
    assert not list((tmp_path / "killed").glob("new/*.png"))
    assert command("killed", 1, 2).wait(120) == 0

    for name in ("at once", "in turn", "killed"):
        found = results(tmp_path / name)
        np.testing.assert_array_equal(found[0], latents)
        assert found[1] == images
