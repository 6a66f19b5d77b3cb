"""Records of measurements: opened where they were left, and written whole or not at all."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

from ood_helpers import read_sheet
from ood_helpers.files import write_whole


def read(path: Path) -> dict[str, Any]:
    """Return what a record holds; nothing, if there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def opened(path: Path, head: dict[str, Any], **parts: dict) -> dict[str, Any]:
    """Return the record if its settings and weights are those of ``head``, else a new one of today with these parts."""
    record = read(path)
    if any(record.get(key) != value for key, value in head.items()):
        record = {**head, "date": time.strftime("%Y-%m-%d"), **parts}
    return record


def known_rows(sheet: Path, count: int) -> list[torch.Tensor]:
    """Return the pictures in the first rows of a sheet, as one batch in ``[-1, 1]``: the rows that a record knows."""
    if not count:
        return []
    return [torch.from_numpy(read_sheet(sheet)[:count]).flatten(0, 1).permute(0, 3, 1, 2) * 2 - 1]


def keep(path: Path, record: dict[str, Any], indent: int | None = 1) -> None:
    """Write a record into its folder, which is made if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(record, indent=indent, ensure_ascii=False) + "\n").encode())
