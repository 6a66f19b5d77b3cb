"""How fast a walk is: beside the loops that one would write with other libraries, and beside what the device can do.

    python benchmarks/speed.py                            on a processor: the toy, and the layout of ddpm-cifar10-32
    python benchmarks/speed.py --networks celebahq-256    on a GPU: the layout of ddpm-celebahq-256

Layouts have random weights, which cost as much as trained ones. Every round times all contestants one after the other,
and matrix products in between, so that whatever else the machine does touches all of them, by the clock ("wall") and by
the processor ("cpu"). Ratios are medians over the rounds, each within its round; seconds are the shortest. They are per
image and evaluation of the network, for the contestants differ in how many they make; what that many are good for is
measured by `benchmarks/accuracy.py`. One thread, unless told otherwise. The contestants:

diffusers     `DDIMInverseScheduler` in a loop, network and state in float32 or bfloat16, weights as loaded or channels
              last; `DPMSolverMultistepInverseScheduler` in float32.
torchdiffeq   `odeint` by dopri5 on the same ODE with log(sigma) for time (`pip install torchdiffeq`; left out without).
one by one    A loop in the manner of published research code: images one at a time, float32, and all latents saved to
              the disk after each.
ours          `ood.invert`, as loaded and compiled, in each precision.

Further the overhead of our walk, which is its time outside of the network over the time within, from the same run; and
which share of the device's limit the walk reaches, by the operations that `torch.utils.flop_counter` counts. The limit
is the faster of a large matrix product and a convolution of 256 channels: on an AMD processor torch's float32 matrices
took twice as long as the convolution. Kept in `benchmarks/results/speed.json`; four minutes on one core.
"""

from __future__ import annotations

import argparse
import copy
import platform
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMInverseScheduler, DDPMScheduler, DPMSolverMultistepInverseScheduler, UNet2DModel
from records import keep, read

import ood_helpers as ood
from ood_helpers import PRECISIONS, freeze, network_dtype, timestep_at

try:
    from torchdiffeq import odeint
except ImportError:
    odeint = None

RESULTS = Path(__file__).parent / "results" / "speed.json"
PLAIN, ATTENTION = ("DownBlock2D", "UpBlock2D"), ("AttnDownBlock2D", "AttnUpBlock2D")
LAYOUTS = {  # sizes as published; blocks from the image down, where 1 has attention
    "cifar10-32": (32, (128, 256, 256, 256), (0, 1, 0, 0)),
    "celebahq-256": (256, (128, 128, 256, 256, 512, 512), (0, 0, 0, 0, 1, 0)),
}
FLOAT32 = "diffusers DDIM, float32"  # what the others are compared with


def network_named(name: str) -> tuple[UNet2DModel, DDPMScheduler]:
    """Return the network of a shipped model, or one of a published layout with random weights."""
    if name not in LAYOUTS:
        model = ood.load_model(name, device="cpu")
        return model.predictor.network, model.scheduler
    size, channels, attention = LAYOUTS[name]
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=size,
        block_out_channels=channels,
        layers_per_block=2,
        down_block_types=[(ATTENTION if here else PLAIN)[0] for here in attention],
        up_block_types=[(ATTENTION if here else PLAIN)[1] for here in reversed(attention)],
        attention_head_dim=None,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
    )
    return network, DDPMScheduler()


@torch.no_grad()
def diffusers_loop(kind, network, images, steps: int) -> int:
    """Invert as users of `diffusers` do by hand: the network at each timestep, then the scheduler's step."""
    settings = {"clip_sample": False} if kind is DDIMInverseScheduler else {}
    scheduler = kind(beta_start=1e-4, beta_end=0.02, **settings)
    scheduler.set_timesteps(steps)
    x = images.to(network.dtype)
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t).sample, t, x).prev_sample
    return steps * len(images)


@torch.no_grad()
def dopri5(network, table, images, first: int, last: int, tolerance: float) -> int:
    """Integrate between two timesteps; the number of evaluations is the solver's choice."""
    asked = 0

    def slope(log_sigma, y):
        nonlocal asked
        asked += len(y)
        sigma = log_sigma.exp()
        share = 1 / (1 + sigma**2)
        t = timestep_at(table, min(max(float(share), float(table[-1])), float(table[0])))
        return sigma * network(share.sqrt() * y, torch.full((len(y),), t, device=y.device)).sample

    span = (-0.5 * table[[first, last]].logit()).to(images)
    odeint(slope, images, span, rtol=tolerance, atol=tolerance, method="dopri5")
    return asked


@torch.no_grad()
def one_by_one(network, table, images, steps: int, folder: str) -> int:
    """Invert image after image by DDIM, and save all latents after each."""
    latents = torch.zeros_like(images)
    grid = torch.linspace(0, len(table) - 1, steps + 1).long().tolist()
    for number in range(len(images)):
        x = images[number : number + 1]
        for here, there in pairwise(grid):
            a, b = table[here], table[there]
            eps = network(x, torch.tensor([here], device=x.device)).sample
            x = b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
        latents[number] = x[0]
        torch.save(latents, Path(folder) / "latents.pt")
    return steps * len(images)


def our_walk(model, images, steps: int, precision: str) -> int:
    """Invert through the uniform grid to the last timestep."""
    t = len(model.alphas_cumprod) - 1
    ood.invert(model, images, t=t, steps=steps, precision=precision, batch_size=len(images), progress=False)
    return steps * len(images)


def contestants_for(model, compiled, images, steps: int, folder: str) -> dict:
    """Return what runs in every round, by label: callables that return how many evaluations they made."""
    network = model.predictor.network
    low = torch.nn.Module.to(copy.deepcopy(network), torch.bfloat16)
    low_last = torch.nn.Module.to(copy.deepcopy(low), memory_format=torch.channels_last)
    table, ddim = model.alphas_cumprod, DDIMInverseScheduler
    middle = len(table) // 2
    few = images[: max(1, len(images) // 8)]
    found = {
        FLOAT32: lambda: diffusers_loop(ddim, network, images, steps),
        "diffusers DDIM, bfloat16": lambda: diffusers_loop(ddim, low, images, steps),
        "diffusers DDIM, bfloat16 channels last": lambda: diffusers_loop(
            ddim, low_last, images.to(memory_format=torch.channels_last), steps
        ),
        "diffusers DPM-Solver, float32": lambda: diffusers_loop(
            DPMSolverMultistepInverseScheduler, network, images, steps
        ),
        "one by one, float32": lambda: one_by_one(network, table.float(), few, steps, folder),
        "torchdiffeq dopri5, float32": lambda: dopri5(network, table, images, middle, middle + 10, 1.0),
        "ours, float32": lambda: our_walk(model, images, steps, "float32"),
        "ours, bfloat16": lambda: our_walk(model, images, steps, "bfloat16"),
        "ours, float32 compiled": lambda: our_walk(compiled, images, steps, "float32"),
        "ours, bfloat16 compiled": lambda: our_walk(compiled, images, steps, "bfloat16"),
    }
    if odeint is None:
        print("torchdiffeq is not installed: left out (pip install torchdiffeq)")
        del found["torchdiffeq dopri5, float32"]
    return found


def timed(run, device) -> tuple[int, float, float]:
    """Return what the call returned, and its seconds by the clock and by the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - wall, time.process_time() - cpu


def matrix_products(device) -> dict:
    """Return large products of matrices, plain and as a convolution; a call returns its operations."""
    n, batch = (8192, 128) if device.type == "cuda" else (2048, 8)
    found = {}
    for kind in ("float32", "bfloat16"):
        a, b = torch.randn(2, n, n, device=device).to(PRECISIONS[kind])
        x, w = (
            torch.randn(shape, device=device).to(PRECISIONS[kind], memory_format=torch.channels_last)
            for shape in ((batch, 256, 32, 32), (256, 256, 3, 3))
        )
        found[f"{kind} matrices"] = lambda a=a, b=b: (a @ b, 2 * n**3)[1]
        found[f"{kind} convolution"] = lambda x=x, w=w: (torch.conv2d(x, w, padding=1), 2 * x.numel() * 9 * 256)[1]
    return found


def interleave(contestants: dict, rounds: int, device) -> tuple[dict, dict]:
    """Return seconds per unit of work, ``(rounds, 2)`` by clock and processor, and the clock of one more round before.

    A contestant returns how much work it did.
    """
    first = {label: timed(run, device)[1] for label, run in contestants.items()}
    seconds = {label: [] for label in contestants}
    for _ in range(rounds):
        for label, run in contestants.items():
            amount, *both = timed(run, device)
            seconds[label].append(np.divide(both, amount))
    return {label: np.array(rows) for label, rows in seconds.items()}, first


def overhead(model, images, steps: int, precision: str, rounds: int) -> float:
    """Return the time of a walk outside of its network calls over the time within, the median of some rounds."""
    network, marks = model.predictor._in(PRECISIONS[precision]), []
    hooks = [network.register_forward_pre_hook(lambda *_: marks.append(mark(model.device)))]
    hooks += [network.register_forward_hook(lambda *_: marks.append(mark(model.device)))]
    shares = []
    for _ in range(rounds):
        marks.clear()
        start = mark(model.device)
        our_walk(model, images, steps, precision)
        whole = between(start, mark(model.device))
        within = sum(between(a, b) for a, b in zip(marks[::2], marks[1::2], strict=True))
        shares.append(whole / within - 1)
    for hook in hooks:
        hook.remove()
    return float(np.median(shares))


def mark(device):
    """Return a moment: of the processor's time, or in the work of a GPU."""
    if device.type != "cuda":
        return time.process_time()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def between(start, end) -> float:
    """Return the seconds between two moments."""
    if isinstance(start, float):
        return end - start
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def measure(name: str, images: int, steps: int, rounds: int, device: torch.device) -> dict:
    """Return every number about one network."""
    network, scheduler = network_named(name)
    model = freeze(network.to(device), scheduler, name)
    compiled = freeze(model.predictor.network, scheduler, name, compile=True)
    x = ood.load_domain("church", n=images, size=model.image_shape[-1], seed=0).to(device)
    with tempfile.TemporaryDirectory() as folder:
        contestants = contestants_for(model, compiled, x, steps, folder)
        seconds, first = interleave(contestants | matrix_products(device), rounds, device)
    clock = 0 if device.type == "cuda" else 1
    peaks = {
        kind: 1 / np.minimum(seconds[f"{kind} matrices"], seconds[f"{kind} convolution"])[:, clock]
        for kind in ("float32", "bfloat16")
    }
    work = model.operations
    rows = {}
    for label in contestants:
        faster = np.median(seconds[FLOAT32] / seconds[label], axis=0)
        peak = peaks["bfloat16" if "bfloat16" in label else "float32"]
        rows[label] = {
            **dict(zip(("wall", "cpu"), seconds[label].min(axis=0).tolist(), strict=True)),
            **dict(zip(("times_faster_wall", "times_faster_cpu"), faster.tolist(), strict=True)),
            "share_of_peak": float(np.median(work / seconds[label][:, clock] / peak)),
        }
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "operations": work,
        "images": images,
        "steps": steps,
        "peaks": {kind: float(values.max()) for kind, values in peaks.items()},
        "contestants": rows,
        "first_walk_seconds": {label: first[label] for label in rows if "compiled" in label},
        "overhead": {kind: overhead(model, x, steps, kind, rounds) for kind in ("float32", "bfloat16")},
        "auto": str(network_dtype(model, "auto")),
    }


def show(name: str, found: dict) -> None:
    """Print one network's table."""
    print(f"{name}: {found['parameters'] / 1e6:.1f} M parameters, {found['operations'] / 1e9:.2f} GFLOP", end="; ")
    print(", ".join(f"{kind} products {peak / 1e9:.0f} GFLOP/s" for kind, peak in found["peaks"].items()))
    for label, row in found["contestants"].items():
        print(
            f"  {label:38s} {1e3 * row['cpu']:8.2f} ms cpu {1e3 * row['wall']:8.2f} ms wall "
            f"{row['times_faster_cpu']:6.2f} x (wall {row['times_faster_wall']:.2f}) "
            f"{row['share_of_peak']:6.1%} of peak"
        )
    print(f"  overhead of the walk {found['overhead']}, automatic precision {found['auto']}")
    print(f"  first walks {found['first_walk_seconds']}", flush=True)


def machine(device: torch.device, threads: int) -> dict:
    """Return what the numbers come from."""
    return {
        "processor": cpu_name(),
        "instructions": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in cpu_info("flags")],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": threads,
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "diffusers")},
    }


def cpu_name() -> str:
    """Return the processor's name where Linux tells it."""
    return cpu_info("model name") or platform.processor()


def cpu_info(key: str) -> str:
    """Return an entry of the first processor in ``/proc/cpuinfo``, empty where there is none."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")


def main() -> None:
    """Measure network by network; the file is rewritten after each, and keeps the networks of earlier runs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="+", default=["toy-dog", "cifar10-32"], help="shipped models or layouts")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS, help="file for the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    record = read(options.output)
    for name in options.networks:
        found = measure(name, options.images, options.steps, options.rounds, device)
        show(name, found)
        key = name if device.type == "cpu" else f"{name} on {torch.cuda.get_device_name(device)}"
        record[key] = {"machine": machine(device, options.threads), "rounds": options.rounds, **found}
        keep(options.output, record)


if __name__ == "__main__":
    main()
