"""Table 1's counterpart: four base models, six unseen domains; our sampling and three ways of tuning, equal budget.

    python benchmarks/generation.py --sweep      which learning rate each method needs: results/tuning_rates.json
    python benchmarks/generation.py              the table: results/generation.json, pictures in results/generation

Each method gets the same N images of the unseen domain. A tuning ends after as many operations of networks as their
inversion takes (`ood_helpers.models.operations`), so results depend on no machine's speed. What else a method does is
free of charge and recorded: DiffusionCLIP and Asyrp invert images of the own domain to be trained on (24) and to be
translated (others, never seen).

Where this differs from the publications: embedding and direction are those of a domain scorer and of images instead of
CLIP and texts; N is small; the embedding has seen labeled pictures of every domain, the judge is another scorer. Fresh
samples of frozen and tuned models start with the mean colors of the N images, since these small networks do not see the
mean color of noise, and no tuning would teach them to. The rates come from the sweep, by the mean kernel distance to
held-out pictures over two pairs, with other pictures of the domains than those of the table.

An interrupted run goes on where it stopped; a pair whose model has changed is measured again. The table takes some
180 TFLOP: half an hour on two cores with bfloat16, minutes on a GPU.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from records import keep

import ood_helpers as ood
from ood_helpers import (
    PRECISIONS,
    features_of,
    fingerprint,
    load_scorer,
    network_dtype,
    operations,
    read_sheet,
    save_sheet,
)
from ood_helpers.baselines import Interval, asyrp_denoise, diffusion_clip, fine_tune, train_asyrp, translate

RESULTS = Path(__file__).parent / "results"
BASES = {"toy-dog": "dog", "toy-face": "face", "toy-church": "church", "toy-bedroom": "bedroom"}
DOMAINS = ("dog", "face", "church", "bedroom", "galaxy", "radiation")
NEAR = {("toy-dog", "dog"): "cat"}  # in the column of dogs the model of dogs has cats
SWEPT = (("toy-dog", "church"), ("toy-dog", "galaxy"))
SEEDS = {"inputs": 2, "held_out": 77, "floor": 78, "train": 79, "translate": 80}
SWEEP_SEEDS = {"inputs": 12, "held_out": 87, "floor": 88, "train": 89, "translate": 90}
T, INTERVAL = 800, Interval(t=800, t_edit=400, t_boost=167)
TRAIN_SOURCES = 24
THUMBNAIL = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(16), torch.nn.Flatten())
"""A second judge that learned nothing: colors at 16 x 16. What is led by one network may please another."""
SHOWN = 8  # images of each method on a sheet


@dataclass(frozen=True)
class Method:
    """A way to images of an unseen domain, with its settings; ``longer`` multiplies the budget."""

    kind: str
    settings: dict
    longer: float = 1.0


SAMPLING = {
    "sampling, arcs": Method("sampling", {"method": "interpolate", "kind": "slerp"}),
    "sampling, one variance": Method("sampling", {"method": "gaussian"}),
    "sampling, 10 neighbors": Method("sampling", {"method": "centered", "neighbors": 10, "share": 0.5}),
}
SWEEP = {
    **{f"vanilla {rate:g}": Method("vanilla", {"learning_rate": rate}) for rate in (1e-5, 1e-4, 3e-4, 1e-3)},
    **{
        f"bound {rate:g}": Method("vanilla", {"learning_rate": rate, "loss": "vlb"})
        for rate in (1e-5, 1e-4, 3e-4, 1e-3, 3e-3)
    },
    "DiffusionCLIP 2e-06, t = 400": Method("clip", {"learning_rate": 2e-6, "t": 400}),
    **{
        f"DiffusionCLIP {rate:g}, t = {t}": Method("clip", {"learning_rate": rate, "t": t})
        for rate in (2e-5, 2e-4)
        for t in (500, 800)
    },
    "DiffusionCLIP 0.001, t = 500": Method("clip", {"learning_rate": 1e-3, "t": 500}),
    **{f"Asyrp {rate:g}": Method("asyrp", {"learning_rate": rate}) for rate in (0.2, 2.0, 20.0, 200.0)},
}
FAMILIES = {"vanilla": "vanilla", "variational bound": "bound", "DiffusionCLIP": "DiffusionCLIP", "Asyrp": "Asyrp"}


def chosen_methods(path: Path) -> dict[str, Method]:
    """Of each family the settings with the smallest kernel distance, mean over the pairs of the sweep."""
    if not path.exists():
        raise SystemExit(f"{path} is missing: run with --sweep first")
    pairs = json.loads(path.read_text())["pairs"].values()
    found = {}
    for family, start in FAMILIES.items():
        names = [name for name in SWEEP if name.startswith(start)]
        best = min(names, key=lambda name: sum(pair["methods"][name]["kernel"] for pair in pairs))
        found[family] = SWEEP[best]
    return found


@contextmanager
def measured(device):
    """Yield a dict for operations, and for the peak memory in GB above that at the start, filled at the end."""
    cost, status = {}, Path("/proc/self/status")

    def resident(key):
        line = next(line for line in status.read_text().splitlines() if line.startswith(key))
        return int(line.split()[1]) * 1024

    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    elif status.exists():
        ctypes.CDLL(None).malloc_trim(0)  # else memory that was freed before still counts, and hides what comes now
        Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back
    before = torch.cuda.memory_allocated(device) if cuda else resident("VmRSS") if status.exists() else None
    paid = operations()
    yield cost
    if cuda:
        torch.cuda.synchronize(device)
    cost["operations"] = operations() - paid
    if before is not None:
        cost["gigabytes"] = ((torch.cuda.max_memory_allocated(device) if cuda else resident("VmHWM")) - before) / 1e9


def with_errors(**found) -> dict:
    """Values and standard errors of estimates, by their names and by those with ``_error``."""
    values, errors = ({name: getattr(one, part) for name, one in found.items()} for part in ("value", "error"))
    return values | {f"{name}_error": error for name, error in errors.items()}


def drawn_images(seeds: dict):
    """Return how images are found: ``n`` of a drawn domain, of those that are meant for something."""
    return lambda domain, n, what: ood.load_domain(domain, n, 64, seeds[what])


class Study:
    """A base model and an unseen domain: images to learn from and to judge by, and the budget: their inversion.

    ``images(domain, n, what)`` finds images for one of the purposes in `SEEDS`; ``judge`` tells domains apart.
    """

    def __init__(self, base: str, domains: tuple[str, str], options, images, own: bool = True, judge=None, embed=None):
        self.model, (self.own, self.target) = ood.load_model(base), domains
        self.options, self.code = options, fingerprint(self.model)
        self.scorer, self.embed = judge or load_scorer(), embed
        self.inputs = images(self.target, options.inputs, "inputs")
        self.other = images(self.target, options.images, "floor")
        self.train = images(self.own, TRAIN_SOURCES, "train")
        self.sources = images(self.own, options.images, "translate")
        held_out = images(self.target, options.real, "held_out")
        self.some_real, self.small = held_out[:200], THUMBNAIL(held_out)
        self.real = features_of(held_out, self.scorer)
        self.real_own = features_of(images(self.own, options.real, "held_out"), self.scorer)
        self.quiet = {"precision": options.precision, "progress": False}
        self.up = {"t": T, "steps": options.steps, "solver": "dpm2m", **self.quiet}
        self.down = {"t": T, "steps": options.down, "solver": "dpm2m", **self.quiet}
        with measured(self.model.device) as self.inversion:
            self.latents = ood.invert(self.model, self.inputs, **self.up)
        self.before = self.judge_own(self.model) if own else {}

    def fresh(self, model, like: torch.Tensor) -> torch.Tensor:
        """Fresh samples of a model, the same starts for all, with the mean colors of some images."""
        count = self.options.images
        colors = like[torch.arange(count) % len(like)].mean((2, 3))
        generator = torch.Generator().manual_seed(5)
        return ood.fresh_images(model, count, eta=0.0, colors=colors, generator=generator, **self.down)

    def judge(self, images: torch.Tensor) -> dict:
        """Return how far images are from the target, and what the scorer takes them for."""
        features, scorer = features_of(images, self.scorer), self.scorer
        called = scorer.probabilities(images).argmax(1)
        kernel = ood.kernel_distance(features, self.real)
        seen_small = ood.kernel_distance(THUMBNAIL(images), self.small)
        new = ood.novelty(images, self.inputs, self.some_real, network=torch.nn.Flatten())
        return {
            "frechet": ood.frechet_distance(features, self.real),
            **with_errors(kernel=kernel, thumbnails=seen_small),
            "target": float((called == scorer.domains.index(self.target)).float().mean()),
            "own": float((called == scorer.domains.index(self.own)).float().mean()),
            "interference": ood.interference_rate(images, self.own, self.target, scorer).rate,
            "diversity": ood.diversity(images, network=scorer).value,
            "novelty": new.median,
            "copies": new.copies,
        }

    def judge_own(self, model) -> dict:
        """Return the quality on the model's own domain: distance of fresh samples, and the round trip of images."""
        walk = {"t": T, "steps": 20, "solver": "dpm2m", **self.quiet}
        back = ood.denoise(model, ood.invert(model, self.sources[:16], **walk), **walk)
        return {
            "own_frechet": ood.frechet_distance(
                features_of(self.fresh(model, self.sources), self.scorer), self.real_own
            ),
            "own_round_trip": float(ood.reconstruction_error(self.sources[:16], back).mean()),
        }

    def run(self, method: Method) -> tuple[torch.Tensor, dict]:
        """Return the images that a method makes, and its numbers."""
        with measured(self.model.device) as whole:
            budget = self.inversion["operations"] * method.longer
            make, tuned, losses, spent = getattr(self, method.kind)(budget, **method.settings)
        with measured(self.model.device) as generating:
            images = make().clamp(-1, 1)
        untouched = fingerprint(tuned) == self.code
        row = {
            "method": asdict(method),
            **self.judge(images),
            **(self.before if untouched or not self.before else self.judge_own(tuned)),
            "untouched": untouched,
            # in TFLOP
            "prepare": (self.inversion["operations"] if method.kind == "sampling" else whole["operations"] - spent)
            / 1e12,
            "tune": spent / 1e12,
            "generate": generating["operations"] / 1e12,
            "gigabytes": self.inversion["gigabytes"] if method.kind == "sampling" else whole["gigabytes"],
            "steps": len(losses),
        }
        if losses:
            tenth = max(1, len(losses) // 10)
            row["loss"] = [sum(part) / len(part) for part in (losses[:tenth], losses[-tenth:])]
        return images, row

    def sampling(self, budget, **settings):
        """Ours: draw latents, and denoise them by the frozen model."""
        generator = torch.Generator().manual_seed(11)

        def make():
            drawn = ood.sample_latents(self.latents, self.options.images, generator=generator, **settings)
            return ood.denoise(self.model, drawn, **self.down)

        return make, self.model, (), 0.0

    def untouched(self, budget):
        """Images of the own domain as they are: what doing nothing gives."""
        return lambda: self.sources, self.model, (), 0.0

    def vanilla(self, budget, **settings):
        """Tune on the inputs, and generate anew."""
        tuned = fine_tune(self.model, self.inputs, operations=budget, **self.quiet, **settings)
        return lambda: self.fresh(tuned.model, self.inputs), tuned.model, tuned.losses, tuned.operations

    def clip(self, budget, t, **settings):
        """Tune toward the inputs' direction, and translate images of the own domain."""
        tuned = diffusion_clip(
            self.model, self.train, self.inputs, t=t, embed=self.embed, operations=budget, **self.quiet, **settings
        )

        def make():
            return translate(self.model, tuned.model, self.sources, t=t, steps=40, **self.quiet)

        return make, tuned.model, tuned.losses, tuned.operations

    def asyrp(self, budget, interval=None, **settings):
        """Train a block toward the inputs' direction, and translate images of the own domain."""
        interval = Interval(*interval) if interval else INTERVAL
        trained = train_asyrp(
            self.model,
            self.train,
            self.inputs,
            interval=interval,
            embed=self.embed,
            operations=budget,
            **self.quiet,
            **settings,
        )

        def make():
            latents = ood.invert(self.model, self.sources, t=interval.t, steps=40, **self.quiet)
            return asyrp_denoise(trained, latents, generator=torch.Generator().manual_seed(6), **self.quiet)

        return make, trained.model, trained.losses, trained.operations


def measure(name: str, study: Study, methods: dict[str, Method], known: dict, pictures: Path | None) -> dict:
    """Return every number of one pair, measuring what is not known, and write a sheet of what each method made."""
    rows = known.get("methods", {})
    start = study.fresh(study.model, study.inputs)
    rows = {
        **rows,
        "real": study.judge(study.other),
        "inputs": study.judge(study.inputs),
        "frozen": {**study.judge(start), **study.before},
    }
    shown = {"real": study.other, "frozen": start}
    for label, method in methods.items():
        if rows.get(label, {}).get("method") == plain(asdict(method)):
            continue
        images, rows[label] = study.run(method)
        shown[label] = images
        print(name, label, {k: round(v, 3) for k, v in rows[label].items() if isinstance(v, float)}, flush=True)
    found = {"weights": study.code, "inversion": known.get("inversion", study.inversion), "methods": rows}
    if pictures is None:
        return found
    pictures.mkdir(parents=True, exist_ok=True)
    order = ["real", "frozen", *methods]
    write_rows(pictures / f"{name.replace(' ', '-')}.webp", known.get("sheet", ()), shown, order)
    return {**found, "sheet": order}


def write_rows(path: Path, labels: list[str], shown: dict[str, torch.Tensor], order: list[str]) -> None:
    """Write the first images of each method as a row of a sheet, with those rows that an older sheet has already."""
    rows = dict(zip(labels, torch.from_numpy(read_sheet(path)) * 2 - 1, strict=True)) if labels else {}
    rows = {label: row.permute(0, 3, 1, 2) for label, row in rows.items()}
    rows |= {label: images[:SHOWN].cpu() for label, images in shown.items()}
    save_sheet(torch.cat([rows[label] for label in order]), path, columns=SHOWN, zoom=1)


def plain(settings: dict) -> dict:
    """Settings as they come back from a JSON file."""
    return json.loads(json.dumps(settings))


def complete(pair: dict, weights: str, methods: dict[str, Method]) -> bool:
    """Whether a pair of the record has every method as it is, measured with the very weights."""
    rows = pair.get("methods", {})
    same = all(rows.get(label, {}).get("method") == plain(asdict(method)) for label, method in methods.items())
    return pair.get("weights") == weights and same


def main() -> None:
    """Run what the file of results lacks, pair by pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", action="store_true", help="learning rates, for dogs to churches and to galaxies")
    parser.add_argument("--inputs", type=int, default=48, help="images to learn from, N")
    parser.add_argument("--images", type=int, default=48, help="images of each method")
    parser.add_argument("--real", type=int, default=400, help="held-out images of each domain")
    parser.add_argument("--steps", type=int, default=50, help="of the inversion, which sets the budget")
    parser.add_argument("--down", type=int, default=20, help="of generation")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), help="by default what the device has units for")
    parser.add_argument("--bases", nargs="*", default=list(BASES), choices=tuple(BASES))
    parser.add_argument("--output", default=str(RESULTS), help="folder for the results")
    parser.add_argument("--restart", action="store_true", help="throw away results of other settings")
    options = parser.parse_args()

    path, methods, pairs, seeds = plan(options)
    settings = {key: getattr(options, key) for key in ("inputs", "images", "real", "steps", "down")}
    settings |= {"t": T, "interval": asdict(INTERVAL), "train_sources": TRAIN_SOURCES, "seeds": seeds}
    record = open_record(path, plain(settings), options)
    options.precision = record["precision"]
    pictures = None if options.sweep else path.parent / "generation"
    for base, target in pairs:
        name = f"{base} {target}"
        known, weights = record["pairs"].get(name, {}), fingerprint(ood.load_model(base))
        if complete(known, weights, methods):
            continue
        study = Study(base, (BASES[base], target), options, drawn_images(seeds), own=not options.sweep)
        known = known if known.get("weights") == weights else {}
        record["pairs"][name] = measure(name, study, methods, known, pictures)
        record["weights"][base] = weights
        keep(path, record)


def plan(options):
    """Return the file of results, the methods, the pairs of base model and target, and the seeds of images."""
    output = Path(options.output)
    rates = output / "tuning_rates.json"
    if options.sweep:
        return rates, SWEEP, SWEPT, SWEEP_SEEDS
    chosen = chosen_methods(rates if rates.exists() else RESULTS / rates.name)
    columns = [(base, NEAR.get((base, target), target)) for target in DOMAINS for base in options.bases]
    pairs = [(base, target) for base, target in columns if target != BASES[base]]
    return output / "generation.json", {**SAMPLING, **chosen}, pairs, SEEDS


def open_record(path: Path, settings: dict, options) -> dict:
    """Return the results so far, or a new record with the precision that holds for all of it."""
    if path.exists():
        record = json.loads(path.read_text())
        if record["settings"] == settings:
            return record
        if not options.restart:
            raise SystemExit(f"{path} holds results of other settings; move it away, or pass --restart")
    precision = options.precision or automatic()
    head = {"settings": settings, "machine": machine(), "precision": precision}
    return {**head, "date": time.strftime("%Y-%m-%d"), "weights": {}, "pairs": {}}


def automatic() -> str:
    """The precision that "auto" means here."""
    names = {kind: name for name, kind in PRECISIONS.items()}
    return names[network_dtype(ood.load_model("toy-dog"), "auto")]


def machine() -> dict:
    """What the results were made on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
    return {"device": device, "torch": torch.__version__.split("+")[0], "date": time.strftime("%Y-%m-%d")}


if __name__ == "__main__":
    main()
