"""Work in units, shared by any number of processes that see one folder.

A unit is a file that is there or not.  A process claims one by locking a file beside it; the lock ends with the
process, however it ends, so what a killed one had claimed is free for the others.  No process waits for another one
before every unit is done or claimed, and none sends a message.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..files import write_whole

POLL = 0.5  # seconds between looks at units that others have claimed


def rank_and_world() -> tuple[int, int]:
    """Return the number of this process and how many there are, as `accelerate launch` and `torchrun` tell it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def launch_note() -> str | None:
    """Return what to say if a launcher was asked for several processes and started one, else None.

    `accelerate launch --cpu --num_processes 2` does so without a word; it names a meeting point for the processes, but
    no process has a number.
    """
    if {"ACCELERATE_USE_CPU", "MASTER_ADDR"} <= os.environ.keys() and "WORLD_SIZE" not in os.environ:
        return (
            "note: `accelerate launch` started one process only, as it does with --cpu; for more, give the command"
            " under `torchrun --nproc_per_node N` or `accelerate launch --multi_gpu --num_processes N`"
        )
    return None


def local_device():
    """Return the device of this process: the GPU with its number on this machine, if there is one.

    Raises
    ------
    ValueError
        If a machine was given more processes than it has GPUs.
    """
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    number, there = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if number >= there:
        raise ValueError(f"LOCAL_RANK: got {number}, but this machine has {there} GPUs; start as many processes")
    return torch.device("cuda", number)


def work(
    folder: Path,
    names: Sequence[str],
    make: Callable[[str], bytes],
    done: Callable[[str], None] = lambda name: None,
    there: Callable[[str], bool] | None = None,
) -> None:
    """Return when every unit is there, having made those that no other process did.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; on a file system that knows locks, if processes on several machines share it.
    names : sequence of str
        Files in the folder, one a unit; the same for every process.
    make : callable
        Returns the content of a unit. It should not matter which process calls it.
    done : callable
        Called with the name of each unit once it is there, whoever made it.
    there : callable, optional
        Whether a unit is there, for whoever moves units on to another place; by default, whether there is the file.

    Raises
    ------
    OSError
        If a unit cannot be written; what is there is whole, and the next call goes on.
    """
    there = there or (lambda name: (folder / name).exists())
    rank, world = rank_and_world()
    first = rank * len(names) // max(world, 1)  # processes start apart, and meet seldom
    left = [*names[first:], *names[:first]]
    while left:
        claimed_by_others = []
        for name in left:
            if not there(name):
                with claimed(folder / f"{name}.lock") as mine:
                    if not mine:
                        claimed_by_others.append(name)
                        continue
                    if not there(name):
                        write_whole(folder / name, make(name))
            done(name)
        left = claimed_by_others
        if left:
            time.sleep(POLL)


@contextmanager
def claimed(file: Path) -> Iterator[bool]:
    """Whether this process holds the lock, for the length of the context."""
    try:
        import fcntl
    except ImportError:  # Windows: one process at a time
        yield True
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = open(file, "ab")
    except FileNotFoundError:  # another process has just cleared the folder away
        yield False
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Wait for a lock, and hold it for the length of the context."""
    while True:
        with claimed(file) as mine:
            if mine:
                yield
                return
        time.sleep(POLL / 10)
