"""Table 1's counterpart: four base models, six unseen domains; our sampling and three ways of tuning, equal budget.

    python benchmarks/generation.py                      the table: results/generation.json and generation/*.webp
    python benchmarks/generation.py --sweep              learning rates of every method: results/tuning_rates.json

For each base model and each domain that it did not see: the same N images are inverted (timed), or tuned on for just as
long.  An interrupted run goes on where it stopped.  Some two hours on two cores, minutes on a GPU.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

import ood_helpers as ood
from ood_helpers.baselines.asyrp import Interval, asyrp_denoise, train_asyrp
from ood_helpers.baselines.diffusionclip import diffusion_clip, translate
from ood_helpers.baselines.vanilla import fine_tune
from ood_helpers.evaluation.distances import features_of
from ood_helpers.evaluation.scorer import load_scorer
from ood_helpers.models.frozen import fingerprint
from ood_helpers.pages.figures import save_sheet

RESULTS = Path(__file__).parent / "results"
BASES = {"toy-dog": "dog", "toy-face": "face", "toy-church": "church", "toy-bedroom": "bedroom"}
DOMAINS = ("dog", "face", "church", "bedroom", "galaxy", "radiation")
NEAR = {("toy-dog", "dog"): "cat"}  # in the column of dogs the model of dogs has cats
INPUTS, HELD_OUT, OTHER, SOURCES = 2, 77, 78, 79  # seeds of images: to learn from, to judge by, floor, to translate
T = 800
SHOWN = 8  # images of each method on a sheet


@dataclass(frozen=True)
class Method:
    """A way to images of an unseen domain: what it is called and its settings, for `run`."""

    kind: str
    settings: dict


TABLE = {
    "sampling, one variance": Method("sampling", {"method": "gaussian"}),
    "sampling, 10 neighbors": Method("sampling", {"method": "centred", "neighbours": 10, "share": 0.5}),
    "vanilla, the paper's rate": Method("vanilla", {"learning_rate": 1e-5}),
    "vanilla, variational bound": Method("vanilla", {"learning_rate": 3e-4, "loss": "vlb"}),
    "vanilla": Method("vanilla", {"learning_rate": 3e-4}),
    "DiffusionCLIP": Method("clip", {"learning_rate": 2e-5, "t": 500}),
    "Asyrp": Method("asyrp", {"learning_rate": 0.2}),
}
SWEEP = {
    **{f"vanilla {rate:g}": Method("vanilla", {"learning_rate": rate}) for rate in (1e-5, 1e-4, 3e-4, 1e-3)},
    **{f"vanilla vlb {rate:g}": Method("vanilla", {"learning_rate": rate, "loss": "vlb"}) for rate in (1e-5, 1e-4)},
    **{
        f"clip {rate:g} t={t}": Method("clip", {"learning_rate": rate, "t": t})
        for rate in (2e-6, 2e-5, 2e-4)
        for t in (400, 800)
    },
    **{f"asyrp {rate:g}": Method("asyrp", {"learning_rate": rate, "gamma": 1.0}) for rate in (0.2, 2.0, 20.0)},
}


@contextmanager
def measured(device):
    """Yield a dict that holds, after the context, the seconds and the peak memory in GB above that at its start."""
    cost, status = {}, Path("/proc/self/status")

    def resident(key):
        line = next(line for line in status.read_text().splitlines() if line.startswith(key))
        return int(line.split()[1]) * 1024

    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    elif status.exists():
        Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back
    before = torch.cuda.memory_allocated(device) if cuda else resident("VmRSS") if status.exists() else None
    start = time.perf_counter()
    yield cost
    if cuda:
        torch.cuda.synchronize(device)
    cost["seconds"] = time.perf_counter() - start
    if before is not None:
        cost["gigabytes"] = ((torch.cuda.max_memory_allocated(device) if cuda else resident("VmHWM")) - before) / 1e9


class Study:
    """A base model and an unseen domain: images to learn from and to judge by, and the budget."""

    def __init__(self, base: str, target: str, options):
        self.model, self.own, self.target, self.options = ood.load_model(base), BASES[base], target, options
        size = self.model.image_shape[-1]
        self.inputs = ood.load_domain(target, options.inputs, size, INPUTS)
        self.sources = ood.load_domain(self.own, options.inputs, size, SOURCES)
        self.real = features_of(ood.load_domain(target, options.real, size, HELD_OUT))
        self.real_own = features_of(ood.load_domain(self.own, options.real, size, HELD_OUT))
        self.other = ood.load_domain(target, options.images, size, OTHER)
        self.walk = {"t": T, "steps": options.steps, "solver": "dpm2m", "progress": False}
        self.down = {"t": T, "steps": options.down, "solver": "dpm2m", "progress": False}
        self.code, self.before = fingerprint(self.model), None
        ood.invert(self.model, self.inputs[:4], **self.walk)  # warm up
        with measured(self.model.device) as self.inversion:
            self.latents = ood.invert(self.model, self.inputs, **self.walk)
        self.budget = self.inversion["seconds"]

    def fresh(self, model) -> torch.Tensor:
        """Fresh samples of a model, the same starts for all."""
        generator = torch.Generator().manual_seed(5)
        return ood.fresh_images(model, self.options.images, eta=0.0, generator=generator, **self.down)

    def judge(self, images: torch.Tensor) -> dict:
        """Return how far images are from the target, and what the scorer takes them for."""
        features, scorer = features_of(images), load_scorer()
        called = scorer.probabilities(images).argmax(1)
        kernel = ood.kernel_distance(features, self.real)
        return {
            "frechet": ood.frechet_distance(features, self.real),
            "kernel": kernel.value,
            "kernel_error": kernel.error,
            "target": float((called == scorer.domains.index(self.target)).float().mean()),
            "own": float((called == scorer.domains.index(self.own)).float().mean()),
            "interference": ood.interference_rate(images, self.own, self.target).rate,
            "diversity": ood.diversity(images).value,
            "novelty": ood.novelty(images, self.inputs, ood.load_domain(self.target, 200, images.shape[-1], 77)).median,
        }

    def judge_own(self, model, images: torch.Tensor | None = None) -> dict:
        """Return a model's quality on its own domain: distance of fresh samples, and the round trip of images."""
        images = self.fresh(model) if images is None else images
        few = {"t": T, "steps": 20, "solver": "dpm2m", "progress": False}
        back = ood.denoise(model, ood.invert(model, self.sources[:16], **few), **few)
        return {
            "own_frechet": ood.frechet_distance(features_of(images), self.real_own),
            "own_round_trip": float(ood.reconstruction_error(self.sources[:16], back).mean()),
        }

    def frozen(self) -> tuple[torch.Tensor, dict]:
        """Return fresh samples of the frozen model and its numbers: what every method starts from."""
        images = self.fresh(self.model)
        self.before = self.judge_own(self.model, images)
        return images, {**self.judge(images), **self.before}

    def run(self, method: Method) -> tuple[torch.Tensor, dict]:
        """Return the images that a method makes, and its numbers."""
        device, count = self.model.device, self.options.images
        with measured(device) as cost:
            make, tuned, losses = getattr(self, method.kind)(**method.settings)
        with measured(device) as generating:
            images = make(count).clamp(-1, 1)
        untouched = fingerprint(tuned) == self.code
        own = self.before if untouched else self.judge_own(tuned, images if method.kind == "vanilla" else None)
        row = {**self.judge(images), **cost, "generating_seconds": generating["seconds"], "steps": len(losses)}
        if losses:
            tenth = max(1, len(losses) // 10)
            row["loss"] = [sum(part) / len(part) for part in (losses[:tenth], losses[-tenth:])]
        return images, {**row, **own, "untouched": untouched}

    def sampling(self, **settings):
        """Ours: draw latents, and denoise them by the frozen model."""
        generator = torch.Generator().manual_seed(11)

        def make(count):
            drawn = ood.sample_latents(self.latents, count, generator=generator, **settings)
            return ood.denoise(self.model, drawn, **self.down)

        return make, self.model, ()

    def vanilla(self, **settings):
        """Tune on the inputs, and generate anew."""
        tuned = fine_tune(self.model, self.inputs, seconds=self.budget, progress=False, **settings)
        return lambda count: self.fresh(tuned.model), tuned.model, tuned.losses

    def clip(self, t, **settings):
        """Tune toward the inputs' direction, and translate images of the own domain."""
        few = {"t": t, "steps": self.options.down, "progress": False}
        budget = {"seconds": self.budget, "inversion_steps": self.options.down, "progress": False}
        tuned = diffusion_clip(self.model, self.sources, self.inputs, t=t, **budget, **settings)
        return (
            lambda count: translate(self.model, tuned.model, self.sources[:count], **few),
            tuned.model,
            tuned.losses,
        )

    def asyrp(self, **settings):
        """Train a block toward the inputs' direction, and translate images of the own domain."""
        few = {"steps": self.options.down, "progress": False}
        budget = {"seconds": self.budget, "train_steps": self.options.down, "inversion_steps": self.options.down}
        interval = Interval(t=T, t_edit=400, t_boost=167)
        trained = train_asyrp(
            self.model, self.sources, self.inputs, interval=interval, progress=False, **budget, **settings
        )

        def make(count):
            latents = ood.invert(self.model, self.sources[:count], t=T, **few)
            return asyrp_denoise(trained, latents, generator=torch.Generator().manual_seed(6), **few)

        return make, trained.model, trained.losses


def main() -> None:
    """Run what the file of results lacks, pair by pair."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sweep", action="store_true", help="learning rates, for toy-dog to church and galaxy alone")
    parser.add_argument("--inputs", type=int, default=48, help="images to learn from, N")
    parser.add_argument("--images", type=int, default=48, help="images of each method")
    parser.add_argument("--real", type=int, default=400, help="held-out images of each domain")
    parser.add_argument("--steps", type=int, default=50, help="of the inversion, which sets the budget")
    parser.add_argument("--down", type=int, default=20, help="of generation")
    parser.add_argument("--output", default=str(RESULTS), help="folder for the results")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.images > options.inputs:
        parser.error(f"--images: got {options.images}, expected at most --inputs, {options.inputs}")

    methods = SWEEP if options.sweep else TABLE
    columns = [(base, NEAR.get((base, target), target)) for target in DOMAINS for base in BASES]
    pairs = [(base, target) for base, target in columns if target != BASES[base]]
    if options.sweep:
        pairs = [("toy-dog", "church"), ("toy-dog", "galaxy")]
    output = Path(options.output)
    path = output / ("tuning_rates.json" if options.sweep else "generation.json")
    settings = {key: getattr(options, key) for key in ("inputs", "images", "real", "steps", "down")}
    settings["methods"] = {name: asdict(method) for name, method in methods.items()}
    record = json.loads(path.read_text()) if path.exists() else {}
    if record.get("settings") != json.loads(json.dumps(settings)):
        record = {"settings": settings, "machine": machine(), "pairs": {}}
    for base, target in pairs:
        name = f"{base} {target}"
        if name in record["pairs"]:
            continue
        study = Study(base, target, options)
        floor = study.judge(study.other)
        fresh, start = study.frozen()
        rows, shown = {"real": floor, "frozen": start}, [study.other, fresh]
        for label, method in methods.items():
            images, rows[label] = study.run(method)
            shown.append(images)
            print(name, label, {k: round(v, 3) for k, v in rows[label].items() if isinstance(v, float)}, flush=True)
        record["pairs"][name] = {"weights": study.code, "inversion": study.inversion, "methods": rows}
        output.mkdir(exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n")
        if not options.sweep:
            (output / "generation").mkdir(exist_ok=True)
            rows = torch.cat([images[:SHOWN] for images in shown])
            save_sheet(rows, output / "generation" / f"{base}-{target}.webp", columns=SHOWN, zoom=1)


def machine() -> dict:
    """What the results were made on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
    return {"device": device, "torch": torch.__version__.split("+")[0], "date": time.strftime("%Y-%m-%d")}


if __name__ == "__main__":
    main()
