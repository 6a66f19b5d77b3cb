"""The store of latents: whatever moment its writer is killed at, nothing is lost, nothing comes twice."""

import json
import multiprocessing
import threading
import time

import numpy as np
import pytest
import torch

from ood_helpers.latents.store import BATCHES, DATA, LatentStore, _create
from ood_helpers.latents.store import SETTINGS as SETTINGS_FILE

SHAPE = (3, 4, 5)
SETTINGS = {"image_shape": SHAPE, "model": "toy-dog", "t": 800}


def batches(n=6, size=4):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, *SHAPE, generator=generator) for _ in range(n)]


def test_what_is_appended_is_read_back_to_the_bit(tmp_path):
    store = LatentStore(tmp_path / "deep" / "store", SETTINGS)
    assert len(store) == 0 and store.array.shape == (0, *SHAPE)
    for batch in batches():
        store.append(batch)
    again = LatentStore(tmp_path / "deep" / "store")
    assert len(again) == 24 and again.settings["model"] == "toy-dog" and again.image_shape == SHAPE
    assert torch.equal(again.tensor(), torch.cat(batches()))
    assert torch.equal(again.tensor(5, 9), torch.cat(batches())[5:9])


def test_reading_is_through_a_read_only_memory_map(tmp_path):
    store = LatentStore(tmp_path / "store", SETTINGS)
    store.append(batches()[0])
    assert isinstance(store.array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.array[0] = 0


def test_other_settings_are_refused_and_both_are_shown(tmp_path):
    LatentStore(tmp_path / "store", SETTINGS)
    LatentStore(tmp_path / "store", SETTINGS)
    with pytest.raises(ValueError, match=r"made with \{'t': 800\}, expected \{'t': 999\}"):
        LatentStore(tmp_path / "store", SETTINGS | {"t": 999})


def test_bad_input_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no store of latents"):
        LatentStore(tmp_path / "store")
    with pytest.raises(ValueError, match="image_shape"):
        LatentStore(tmp_path / "store", {"t": 800})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"thesis\.tex"):
        LatentStore(tmp_path / "full", SETTINGS)
    store = LatentStore(tmp_path / "store", SETTINGS)
    for bad, error in ((torch.zeros(2, 3, 4, 6), ValueError), (torch.full((1, *SHAPE), np.nan), ValueError)):
        with pytest.raises(error, match="latents"):
            store.append(bad)
    assert len(store) == 0


def test_a_second_writer_waits(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    store = LatentStore(tmp_path / "store", SETTINGS)
    writer = threading.Thread(target=store.append, args=(batches()[0],))
    with open(store.path / BATCHES, "r+b") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.2)
        assert writer.is_alive() and len(store) == 0
    writer.join(10)
    assert len(store) == len(batches()[0])


def test_what_another_has_added_meanwhile_is_not_added_twice(tmp_path):
    first, second = batches()[:2]
    mine, other = (LatentStore(tmp_path / "store", SETTINGS) for _ in range(2))
    other.append(first)
    mine.append(torch.cat([first, second]), start=0)
    mine.append(second, start=len(first))
    assert torch.equal(other.tensor(), torch.cat([first, second]))
    with pytest.raises(ValueError, match="start"):
        mine.append(first, start=len(mine) + 1)


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_torn_end_of_either_file_does_not_count(tmp_path, cut):
    """As after a power cut: the last batch is only partly in the data, or its line only partly in the log."""
    whole, torn = LatentStore(tmp_path / "whole", SETTINGS), LatentStore(tmp_path / "torn", SETTINGS)
    for number, batch in enumerate(batches()):
        whole.append(batch)
        torn.append(batch)
        if number == 2:
            log = (torn.path / BATCHES).read_bytes()
            lines = log.splitlines(keepends=True)
            (torn.path / BATCHES).write_bytes(b"".join(lines[:-1]) + lines[-1][: cut % len(lines[-1])])
            data = (torn.path / DATA).read_bytes()
            (torn.path / DATA).write_bytes(data[: len(data) - cut])
            assert len(torn) == 8
            torn.append(batch)
    for name in (DATA, BATCHES):
        assert (whole.path / name).read_bytes() == (torn.path / name).read_bytes()


def write(path, count=400):
    """Append what is still missing, image after image numbered as in an undisturbed run."""
    store = LatentStore(path, SETTINGS)
    for batch in batches(count)[len(store) // 4 :]:
        store.append(batch)


def test_a_writer_killed_at_random_moments_leaves_what_an_undisturbed_one_does(tmp_path):
    rng = np.random.default_rng(0)
    fork = multiprocessing.get_context("fork")
    reached = []
    for _ in range(60):
        writer = fork.Process(target=write, args=(tmp_path / "killed",))
        writer.start()
        time.sleep(rng.uniform(0, 0.08))
        writer.kill()
        writer.join()
        if (tmp_path / "killed" / "settings.json").exists():
            reached.append(len(LatentStore(tmp_path / "killed")))
    assert reached == sorted(reached)
    assert len({n for n in reached if 0 < n < 1600}) >= 3, "too few kills fell into the writing to show anything"
    write(tmp_path / "killed")
    store = LatentStore(tmp_path / "killed")
    assert torch.equal(store.tensor(), torch.cat(batches(400)))
    stops = [json.loads(line)["stop"] for line in (store.path / BATCHES).read_text().splitlines()]
    assert stops == list(range(4, 1601, 4))
    assert (store.path / DATA).stat().st_size == 1600 * 4 * 60


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (SETTINGS_FILE, ""),
        (SETTINGS_FILE, "{}"),
        (SETTINGS_FILE, "[1]"),
        (BATCHES, "garbage\n"),
        (BATCHES, "{}\n"),
        (DATA, "x"),
    ],
)
def test_a_damaged_store_is_named_with_what_to_do(tmp_path, name, content):
    store = LatentStore(tmp_path / "store", SETTINGS)
    store.append(batches()[0])
    (store.path / name).write_text(content)
    with pytest.raises(OSError, match=r"store.* is damaged .*remove the folder"):
        LatentStore(tmp_path / "store").tensor()


def test_a_store_made_by_two_at_once_is_one(tmp_path):
    first, second = (LatentStore(tmp_path / "store", SETTINGS) for _ in range(2))
    first.append(batches()[0])
    _create(tmp_path / "store", dict(second.settings))  # one that looked before the other had made it
    assert len(second) == len(batches()[0])
