"""What the book costs: tell it before a build, and keep it after one.

    python book/costs.py                     print what a build will need
    python book/costs.py keep "a name" 2     put operations and seconds of the last build into book/costs.json, under
                                             the name of a processor, of which as many cores ran a chapter each

Needs nothing but Python: it is asked before anything is installed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "book" / "costs.json"
DISK = "2.3 GB of disk (5 GB more where pip brings CUDA libraries)"


def seconds_in_all(one: dict) -> float:
    """Return the seconds of a build: shared latents take all cores, chapters one each."""
    alone = [seconds for name, seconds in one["seconds"].items() if name.startswith("latents/")]
    return sum(alone) + (sum(one["seconds"].values()) - sum(alone)) / one["cores"]


def announcement(record: dict) -> str:
    """Say what a build will need, by what is on record."""
    total = sum(record["operations"].values()) / 1e12
    chapters = sum(name.startswith("notebooks/") for name in record["operations"])
    took = [f"{seconds_in_all(one) / 60:.0f} on {one['cores']} cores of {one['name']}" for one in record["processors"]]
    if not took:
        return f"What the chapters cost is not on record yet. The first time, a build takes {DISK} and a network."
    return (
        f"The book: {chapters} chapters that ask their networks for {total:.0f} TFLOP in all. Minutes to run them:\n  "
        + "\n  ".join(took)
        + f"\nThe first time, it also takes {DISK}, a network, and two to five minutes to install.\n"
        "What is interrupted goes on where it stopped when the command is given again."
    )


def kept(record: dict, operations: dict, seconds: dict, name: str, cores: int) -> dict:
    """Return the record with a build's operations, and its seconds on one more processor, or on one known by name."""
    others = [one for one in record["processors"] if one["name"] != name]
    return {"operations": operations, "processors": [*others, {"name": name, "cores": cores, "seconds": seconds}]}


def main(arguments: list[str]) -> None:
    """Print what a build needs, or keep what one took."""
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {"operations": {}, "processors": []}
    if arguments[:1] == ["keep"] and len(arguments) == 3:
        site = ROOT / "_build" / "html"
        operations, seconds = (json.loads((site / f"{what}.json").read_text()) for what in ("operations", "seconds"))
        new = kept(record, operations, seconds, arguments[1], int(arguments[2]))
        RECORD.write_text(json.dumps(new, indent=1) + "\n")
    elif arguments:
        sys.exit(__doc__)
    else:
        print(announcement(record))


if __name__ == "__main__":
    main(sys.argv[1:])
