"""Work shared by any number of processes that see one folder, without a message, a lock or a wait between them.

Work is a list of units, and a unit is done when its files are there, whole.  Process ``rank`` of ``world`` makes
``units[rank::world]``, then whatever the others have not made yet: what a killed one leaves, or a slow one.
Two that make one unit at the same time write the same bytes.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from tqdm import tqdm

from ..checks import check_integer

Unit = TypeVar("Unit")
LAUNCHERS = (  # what they tell each process: its number, how many there are, its number on its machine
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),  # torchrun, accelerate launch
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),  # MPICH, Intel MPI
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),  # srun
)


def rank_and_world(rank: int | None = None, world: int | None = None) -> tuple[int, int]:
    """Return the number of this process, from 0, and how many there are: as given, as a launcher tells, or (0, 1)."""
    if (rank is None) != (world is None):
        raise ValueError(f"--rank, --world: got {rank} and {world}, expected both or none")
    if rank is None:
        told = next(((one, all_) for one, all_, _ in LAUNCHERS if {one, all_} <= os.environ.keys()), None)
        rank, world = (int(os.environ[name]) for name in told) if told else (0, 1)
    world = check_integer("--world", world, 1)
    return check_integer("--rank", rank, 0, world - 1), world


def local_device(rank: int = 0) -> torch.device:
    """Return the GPU of this process: the one with its number on this machine, or else with its rank; or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number = next((int(os.environ[local]) for _, _, local in LAUNCHERS if local in os.environ), rank)
    return torch.device("cuda", number % torch.cuda.device_count())


def share(
    units: Sequence[Unit], there: Callable[[Unit], bool], make: Callable[[Unit], None], rank: int, world: int, what: str
) -> None:
    """Return when every unit is there: make this process's own share first, then what the others have not made.

    ``units`` are the same in every process, in the same order; ``there`` says whether one is done, ``make`` makes it.
    """
    own = range(rank, len(units), world)
    others = [i for i in range(len(units)) if i not in own]
    random.Random(rank).shuffle(others)  # so that two that are ready early help with different ones
    label = f"{what}, process {rank} of {world}"
    for i in tqdm([*own, *others], label, unit="batch", leave=False, file=sys.stderr):
        if not there(units[i]):
            make(units[i])
