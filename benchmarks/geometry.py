"""What Table 3 costs from one Gram matrix, and by the obvious calls of scikit-learn: time and memory.

    python benchmarks/geometry.py

Every contestant reads the same memory-mapped float32 file of random latents, two clouds with slightly different means,
and runs three times in a fresh process of its own, one thread each; the median counts. It has to deliver every row:
radius, pair distance, origin angle and pair angle of both clouds, the distance of their centers, and the held-out
accuracy of a linear classifier at 7 to 3. The contestants:

ours          `gram`, and all rows from it; 19 label permutations are timed on top, outside the total.
scikit-learn  `pairwise_distances` (euclidean and cosine) within each cloud, the law of cosines apex by apex in NumPy,
              `LinearSVC` on the training points. Fed float32, these convert to float64 or copy where they see fit; that
              is what a user gets. `LinearSVC` is another machine than ours, so its accuracy differs.
SVC           `SVC(kernel="linear")` on points divided by sqrt(d), in fewer dimensions; against the classifier alone
              from our Gram matrix ("ours, classifier"). The same machine as ours, so predictions have to agree.

Kept in `benchmarks/results/geometry.json` are, by stage, seconds of the clock and of the processor, in the program
("user") and in the operating system; the latter is long where a virtual machine pays for touching memory first, which
puts "wall" against scikit-learn's copies: "user" leaves that out. Further peak memory: all of it, with the pages of the
file that are mapped (with large pages that may be more than was asked for), and the anonymous part, sampled ten times
a second; both with the libraries imported. And which kernels OpenBLAS took, for it decides the time of the Gram matrix:
a set `OPENBLAS_CORETYPE` overrides its choice. Linux; takes 2 GB of temporary files, 10 GB of memory for scikit-learn
and ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "geometry.json"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROWS = "radius", "pair_distance", "origin_angle", "pair_angle"
CLOCKS = "wall", "user", "system"
SHIFT = 0.02  # of the second cloud's mean, in every dimension


class Stages(dict):
    """Seconds of what was run, by label."""

    def run(self, label, function, *arguments, **settings):
        """Call the function, add its time to the label's, return its result."""
        before = _clocks()
        result = function(*arguments, **settings)
        self[label] = np.add(self.get(label, 0), np.subtract(_clocks(), before)).tolist()
        return result


def _clocks():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), usage.ru_utime, usage.ru_stime


def ours(x, stages):
    """Every row from one Gram matrix."""
    from ood_helpers import center_distance, geometry, gram, separability
    from ood_helpers.latents.geometry import _triangle_angles

    half = len(x) // 2
    g = stages.run("Gram matrix", gram, x[:half], x[half:])
    clouds = [stages.run("angles, distances, radii", geometry, g[part]) for part in _halves(x)]
    centers = stages.run("centers", center_distance, g, half)
    found = stages.run("classifier", separability, g, half, permutations=0)
    stages.run("(with 19 permutations)", separability, g, half, permutations=19)
    for part in _halves(x):
        stages.run("(pair angles alone)", _triangle_angles, g[part].squared_distances)
    subset = _subset(x)
    return {
        "clouds": [{k: [getattr(c, k).mean, getattr(c, k).std] for k in ROWS} for c in clouds],
        "center_distance": centers.plug_in,
        "accuracy": found.accuracy,
        "distances": np.sqrt(g.squared_distances[np.ix_(subset, subset)]).tolist(),
    }


def scikit_learn(x, stages):
    """Every row by the call that comes to mind first."""
    from sklearn.metrics import pairwise_distances
    from sklearn.svm import LinearSVC

    clouds, pairs = [], np.triu_indices(len(x) // 2, 1)
    for cloud in (x[part] for part in _halves(x)):
        radius = stages.run("radii", np.linalg.norm, cloud, axis=1)
        distance = stages.run("distances", pairwise_distances, cloud)
        cosine = 1 - stages.run("cosines", pairwise_distances, cloud, metric="cosine")
        spreads = [_spread(v) for v in (radius, distance[pairs], np.degrees(np.arccos(cosine[pairs])))]
        spreads.append(stages.run("pair angles", pair_angles, distance.astype(np.float64)))
        clouds.append(dict(zip(ROWS, spreads, strict=True)))
    first, second = (stages.run("centers", x[part].mean, axis=0, dtype=np.float64) for part in _halves(x))
    train, test, labels = _split(x)
    points = stages.run("training points", x.__getitem__, train)
    machine = stages.run("LinearSVC", LinearSVC().fit, points, labels[train])
    accuracy = stages.run("held-out points", machine.score, x[test], labels[test])
    return {"clouds": clouds, "center_distance": float(np.linalg.norm(first - second)), "accuracy": accuracy}


def pair_angles(distance):
    """Mean and deviation of the angle at k of i, j, k in degrees; where i = j it is 0 and adds nothing."""
    n = len(distance)
    total = total_square = 0.0
    for k in range(n):
        side = np.delete(distance[k], k)
        opposite = np.delete(np.delete(distance, k, axis=0), k, axis=1)
        cosine = (side[:, None] ** 2 + side**2 - opposite**2) / (2 * side[:, None] * side)
        angle = np.arccos(np.clip(cosine, -1, 1))
        total += angle.sum()
        total_square += (angle**2).sum()
    count = n * (n - 1) * (n - 2)
    mean = total / count
    return [float(np.degrees(mean)), float(np.degrees(np.sqrt(total_square / count - mean**2)))]


def our_classifier(x, stages):
    """The classifier alone, with its predictions."""
    from sklearn.svm import SVC

    from ood_helpers import gram

    train, test, labels = _split(x)
    half = len(x) // 2
    kernel = stages.run("Gram matrix", gram, x[:half], x[half:]).products / x.shape[1]
    machine = stages.run("classifier", SVC(kernel="precomputed").fit, kernel[np.ix_(train, train)], labels[train])
    return {"predictions": stages.run("held-out points", machine.predict, kernel[np.ix_(test, train)]).tolist()}


def svc(x, stages):
    """The same machine from the points themselves."""
    from sklearn.svm import SVC

    train, test, labels = _split(x)
    points = stages.run("division", np.divide, x, np.float32(np.sqrt(x.shape[1])))
    machine = stages.run("classifier", SVC(kernel="linear").fit, points[train], labels[train])
    return {"predictions": stages.run("held-out points", machine.predict, points[test]).tolist()}


CONTESTANTS = {"ours": ours, "scikit-learn": scikit_learn, "ours, classifier": our_classifier, "SVC": svc}


def _spread(values):
    return [float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))]


def _halves(x):
    return slice(0, len(x) // 2), slice(len(x) // 2, len(x))


def _subset(x):
    return np.linspace(0, len(x) - 1, 20).astype(int)


def _split(x):
    """The split that `separability` draws with seed 0."""
    from sklearn.model_selection import train_test_split

    labels = np.repeat([0, 1], len(x) // 2)
    return *train_test_split(np.arange(len(x)), test_size=0.3, stratify=labels, random_state=0), labels


def open_latents(path, n):
    """Map the file into memory."""
    return np.memmap(path, np.float32, "r").reshape(2 * n, -1)


def write_latents(path, n, dimension):
    """Draw two clouds, point by point."""
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        for i in range(2 * n):
            (rng.standard_normal(dimension, dtype=np.float32) + np.float32(SHIFT * (i >= n))).tofile(file)


def take_part(label, path, n):
    """Run one contestant in this process; print what it found and what it took."""
    from threadpoolctl import threadpool_info

    stages = Stages()
    results = CONTESTANTS[label](open_latents(path, n), stages)
    blas = sorted({pool["architecture"] for pool in threadpool_info() if pool["internal_api"] == "openblas"})
    print(json.dumps({"results": results, "stages": stages, "peak": memory("self", "VmHWM"), "openblas": blas}))


def measure(label, path, n):
    """Run one contestant in a fresh process, with the file in the cache, and watch its anonymous memory."""
    with open(path, "rb") as file:
        while file.read(2**24):
            pass
    command = [sys.executable, __file__, "--contestant", label, "--file", str(path), "--n", str(n)]
    anonymous = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD) as process:
        while process.poll() is None:
            anonymous = max(anonymous, memory(process.pid, "RssAnon"))
            time.sleep(0.1)
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{label}: exit status {process.returncode}")
    return json.loads(output) | {"peak_anonymous": anonymous}


def memory(process, field):
    """Return a line of a process's status, in MiB; `VmHWM` is the peak that `getrusage` tells, less the parent's."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 2**10


def summarize(rounds):
    """Return medians over the rounds; the total leaves out what is in brackets."""
    stages = {k: np.median([r["stages"][k] for r in rounds], axis=0) for k in rounds[0]["stages"]}
    totals = [sum(np.array(v) for k, v in r["stages"].items() if k[0] != "(") for r in rounds]
    return {
        "seconds": dict(zip(CLOCKS, np.median(totals, axis=0).tolist(), strict=True)),
        "stages": {k: dict(zip(CLOCKS, v.tolist(), strict=True)) for k, v in stages.items()},
        "MiB": {k: float(np.median([r[k] for r in rounds])) for k in ("peak", "peak_anonymous")},
    }


def without(summary, stage):
    """Return the summary less one stage's time."""
    return summary | {"seconds": {c: s - summary["stages"][stage][c] for c, s in summary["seconds"].items()}}


def ratios(theirs, ours):
    """Return how many times our time and memory theirs are."""
    times = {clock: theirs["seconds"][clock] / ours["seconds"][clock] for clock in ("wall", "user")}
    return times | {k: theirs["MiB"][k] / ours["MiB"][k] for k in ours["MiB"]}


def agreement(results, x):
    """Compare the contestants with each other, and our distances with float64 differences of the points."""
    points = x[_subset(x)].astype(np.float64)
    pairs = np.triu_indices(len(points), 1)
    exact = [np.linalg.norm(points[i] - points[j]) for i, j in zip(*pairs, strict=True)]
    rows, peers = (np.array([list(c.values()) for c in results[k]["clouds"]]) for k in ("ours", "scikit-learn"))
    differ = np.not_equal(results["ours, classifier"]["predictions"], results["SVC"]["predictions"])
    return {
        "distances, relative error": float(np.abs(np.array(results["ours"]["distances"])[pairs] / exact - 1).max()),
        "rows of scikit-learn, largest relative difference": float(np.abs(peers / rows - 1).max()),
        "predictions other than SVC's": f"{differ.sum()} of {len(differ)}",
    }


def main() -> None:
    """Measure, print ratios, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=1000, help="latents in each of the two clouds")
    parser.add_argument("--dimension", type=int, default=196_608)
    parser.add_argument("--dimension-svc", type=int, default=49_152)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        return take_part(options.contestant, options.file, options.n)

    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.f32", Path(folder) / "small.f32"
        write_latents(large, options.n, options.dimension)
        write_latents(small, options.n, options.dimension_svc)
        rounds = {"ours": [], "scikit-learn": [], "ours, classifier": [], "SVC": []}
        for _ in range(options.rounds):
            for label, path in zip(rounds, (large, large, small, small), strict=True):
                rounds[label].append(measure(label, path, options.n))
                print(label, brief(summarize(rounds[label][-1:])["seconds"]), "s", flush=True)
        results = {label: runs[0]["results"] for label, runs in rounds.items()}
        agree = agreement(results, open_latents(large, options.n))

    best = {label: summarize(runs) for label, runs in rounds.items()}
    alone = without(best["scikit-learn"], "pair angles"), without(best["ours"], "(pair angles alone)")
    record = {
        "settings": {k: getattr(options, k) for k in ("n", "dimension", "dimension_svc", "rounds")} | {"shift": SHIFT},
        "contestants": best,
        "ratios": {
            "scikit-learn over ours": ratios(best["scikit-learn"], best["ours"]),
            "the same without pair angles": ratios(*alone),
            "SVC over ours, classifier": ratios(best["SVC"], best["ours, classifier"]),
        },
        "agreement": agree,
        "results": {
            k: {row: results[k][row] for row in ("clouds", "center_distance", "accuracy")}
            for k in ("ours", "scikit-learn")
        },
        "machine": {"processor": cpu_name(), "threads": 1, "openblas": rounds["ours"][0]["openblas"]},
        "versions": {"python": platform.python_version()} | {k: version(k) for k in ("numpy", "scipy", "scikit-learn")},
    }
    for name, values in (record["ratios"] | {"agreement": agree}).items():
        print(f"{name}: {brief(values)}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


def brief(values):
    """Return numbers by name, with three digits."""
    return ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())


def cpu_name() -> str:
    """Return the processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
