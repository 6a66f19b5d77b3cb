"""What the walk costs beside the network calls that it must make, beside a `diffusers` loop, and in each precision.

    python benchmarks/walk.py

Every round times all contestants one after the other on the same model and images, so that whatever else the machine
does touches all of them; the shortest round counts. Times are the processor's on a CPU and the clock's on a GPU.
Printed are ratios; the results also go to `benchmarks/results/walk.json`, with the machine they come from.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler

import ood_helpers as ood
from ood_helpers.kernels.runtime import network_dtype

RESULTS = Path(__file__).parent / "results" / "walk.json"


def bare_calls(model, images, steps, dtype=None):
    """Call the network as often as an inversion does, on the images themselves."""
    for t in range(steps):
        model.predict(images, torch.full((len(images),), 10.0 * t, device=images.device), dtype)


def our_walk(model, images, steps, precision):
    """Invert through the uniform grid to t = 999."""
    ood.invert(model, images, t=999, steps=steps, precision=precision, batch_size=len(images), progress=False)


@torch.no_grad()
def diffusers_loop(model, images, steps):
    """Invert as users of `diffusers` do by hand: the network at each timestep, then the inverse scheduler's step."""
    scheduler = DDIMInverseScheduler.from_config(
        DDIMScheduler(clip_sample=False, timestep_spacing="trailing", beta_start=1e-4, beta_end=0.02).config
    )
    scheduler.set_timesteps(steps)
    network, x = model.predictor.network, images
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t).sample, t, x).prev_sample


def interleave(contestants: dict, rounds: int, device: torch.device) -> dict[str, float]:
    """Return the shortest time of each contestant in seconds, after one round to warm up."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    best = dict.fromkeys(contestants, float("inf"))
    for number in range(rounds + 1):
        for label, run in contestants.items():
            start = clock()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number:
                best[label] = min(best[label], clock() - start)
    return best


def main() -> None:
    """Measure, print ratios, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="toy-dog")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    model = ood.load_model(options.model)
    images = ood.load_domain("church", n=options.images, size=model.image_shape[-1], seed=0).to(model.device)
    steps = options.steps
    best = interleave(
        {
            "bare network calls, float32": lambda: bare_calls(model, images, steps),
            "our walk, float32": lambda: our_walk(model, images, steps, "float32"),
            "our walk, automatic precision": lambda: our_walk(model, images, steps, "auto"),
            "diffusers loop, float32": lambda: diffusers_loop(model, images, steps),
        },
        options.rounds,
        model.device,
    )
    bare = best["bare network calls, float32"]
    per_call = 1e3 / (options.images * steps)
    for label, seconds in best.items():
        print(f"{label:32s} {seconds / bare:6.3f} x bare calls   {seconds * per_call:7.2f} ms per image and evaluation")
    record = {
        "settings": vars(options),
        "seconds": best,
        "walk_overhead": best["our walk, float32"] / bare - 1,
        "diffusers_over_ours": best["diffusers loop, float32"] / best["our walk, float32"],
        "float32_over_auto": best["our walk, float32"] / best["our walk, automatic precision"],
        "auto": str(network_dtype(model, "auto")),
        "machine": {"processor": cpu_name(), "device": str(model.device), "threads": options.threads},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
        },
    }
    print(f"overhead of the walk {record['walk_overhead']:+.1%}; automatic precision is {record['auto']}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


def cpu_name() -> str:
    """Return the processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
