"""Does everything work on this GPU, and how fast: ``make gpu-check`` (minutes), kept in results/gpu_check.json.

Four parts, each reported whether the others pass or not: the tests of devices with the real GPU in place of the
pretended one, the benchmarks of speed and accuracy, and one small chapter, cell by cell. It needs torch, diffusers and
the other packages that `ood_helpers` names; neither Jupyter nor a browser.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from records import keep

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CHAPTER = ROOT / "notebooks" / "02_gaussian_priors.ipynb"
LONGEST = 150  # seconds for each part


def run(*arguments: str) -> dict:
    """Run a Python program in the repository, and tell how it ended."""
    start = time.perf_counter()
    place = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    settings = {"cwd": ROOT, "env": {**os.environ, "PYTHONPATH": place, "MPLBACKEND": "agg"}}
    try:
        ended = subprocess.run(
            [sys.executable, *arguments], timeout=LONGEST, capture_output=True, text=True, **settings
        )
        status, output = ended.returncode, ended.stdout + ended.stderr
    except subprocess.TimeoutExpired as late:
        status, output = 124, str(late)
    last = output.strip().splitlines()[-12:]
    print(*last, sep="\n", flush=True)
    return {"passed": status == 0, "seconds": round(time.perf_counter() - start, 1), "end": last}


def run_chapter() -> None:
    """Execute the code cells of a chapter, one after the other, as a notebook would."""
    os.chdir(CHAPTER.parent)
    cells = json.loads(CHAPTER.read_text())["cells"]
    names = {"__name__": "__main__", "display": print}
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        source = "".join(line for line in cell["source"] if not line.lstrip().startswith("%"))
        exec(compile(source, CHAPTER.name, "exec"), names)


def main() -> None:
    """Run the four parts, and write down what they say."""
    if not torch.cuda.is_available():
        raise SystemExit("gpu-check: torch sees no GPU on this machine")
    speed = ("benchmarks/speed.py", "--networks", "toy-dog", "--rounds", "4")
    accuracy = RESULTS / "gpu_accuracy.json"
    parts = {
        "tests": run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_devices.py"),
        "speed": run(*speed),
        "accuracy": run("benchmarks/accuracy.py", "--models", "toy-dog", "--output", str(accuracy)),
        "chapter": run(__file__, "chapter"),
    }
    found = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "date": time.strftime("%Y-%m-%d"),
        "parts": parts,
    }
    keep(RESULTS / "gpu_check.json", found)
    raise SystemExit(0 if all(part["passed"] for part in parts.values()) else 1)


if __name__ == "__main__":
    run_chapter() if sys.argv[1:] == ["chapter"] else main()
