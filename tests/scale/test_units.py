"""Units of work: each is made once, whole or not at all, and what a killed process had claimed is free."""

import errno
import multiprocessing
import os
import signal
import time

import pytest

from ood_helpers.files import write_whole
from ood_helpers.scale import units
from ood_helpers.scale.units import claimed, rank_and_world, work

NAMES = [f"{k:03d}" for k in range(12)]


def _worker(folder, rank, seconds, made):
    os.environ["RANK"], os.environ["WORLD_SIZE"] = str(rank), "3"

    def make(name):
        time.sleep(seconds)
        made.put((rank, name))
        return name.encode()

    work(folder, NAMES, make)


def start(folder, seconds, ranks):
    context = multiprocessing.get_context("fork")
    made = context.Queue()
    processes = [context.Process(target=_worker, args=(folder, rank, seconds, made)) for rank in ranks]
    for process in processes:
        process.start()
    return processes, made


def contents(folder):
    return {name: (folder / name).read_bytes() for name in NAMES}


def test_every_unit_is_made_once_whoever_makes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "POLL", 0.02)
    processes, made = start(tmp_path, 0.05, range(3))
    found = [made.get(timeout=30) for _ in NAMES]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert sorted(name for _, name in found) == NAMES and made.empty()
    assert len({rank for rank, _ in found}) == 3
    assert contents(tmp_path) == {name: name.encode() for name in NAMES}


def test_what_a_killed_process_had_claimed_is_made_by_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "POLL", 0.02)
    (victim,), _ = start(tmp_path, 60, [0])
    while not list(tmp_path.glob("*.lock")):
        time.sleep(0.01)
    (other,), _ = start(tmp_path, 0.01, [1])
    time.sleep(0.5)
    assert other.is_alive()  # it waits for the unit that is claimed
    os.kill(victim.pid, signal.SIGKILL)
    other.join(30)
    assert other.exitcode == 0
    assert contents(tmp_path) == {name: name.encode() for name in NAMES}
    assert not list(tmp_path.glob(".*.part"))


def test_a_second_call_makes_nothing(tmp_path):
    work(tmp_path, NAMES, str.encode)
    done = []
    work(tmp_path, NAMES, lambda name: pytest.fail("made again"), done.append)
    assert sorted(done) == NAMES


def test_a_full_disk_leaves_whole_units_and_the_next_call_goes_on(tmp_path, monkeypatch):
    real, left = os.fsync, [3]

    def full(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(units.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        work(tmp_path, NAMES, str.encode)
    assert sum((tmp_path / name).exists() for name in NAMES) == 3 and not list(tmp_path.glob(".*.part"))
    monkeypatch.setattr(units.os, "fsync", real)
    work(tmp_path, NAMES, str.encode)
    assert contents(tmp_path) == {name: name.encode() for name in NAMES}


def test_a_lock_is_held_once(tmp_path):
    with claimed(tmp_path / "lock") as first, claimed(tmp_path / "lock") as second:
        assert first and not second
    with claimed(tmp_path / "lock") as again:
        assert again


def test_rank_and_world_come_from_the_launcher(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert rank_and_world() == (0, 1)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert rank_and_world() == (3, 8)


def test_a_file_is_whole_or_not_there(tmp_path):
    write_whole(tmp_path / "a", b"one")
    write_whole(tmp_path / "a", b"two")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"two"
