"""The whole study once more on real images: a model of photographs and seven real domains, beside the drawn world.

    python -m ood_helpers data hands apples dust objects galaxies --output sets
    python -m ood_helpers train real-embedding --folder sets --output embedding
    python -m ood_helpers train real-apple --folder sets --output real-apple
    python benchmarks/real.py --folder sets --embedding embedding --apple real-apple

The last one writes results/real.json and sheets in results/real. Two worlds are measured by the same functions, with
the same numbers of images: ``drawn``, the model of drawn dogs with six drawn domains, and ``real``, the model of hands
with seven real ones. Its parts:

clouds        every model with the images of both worlds: round trips by DDIM (24 images), and the latents of 48 images
              at t = 800: Gaussianity, geometry, centers, separability from the model's own domain, also at t = 200, 999
generation    48 images of each way to draw latents
mixing        what becomes of 24 images over heights and amounts of noise, for four domains of each world
tuning        sampling against tuning, on a near and a far real pair, as in `benchmarks/generation.py`
sky           real galaxies and real dust, as chapter 8 measures drawn ones

Images of sets are those that no model was trained on. DiffusionCLIP and Asyrp are led by a scorer of real domains that
is not the judge, the embedding. An interrupted run goes on where it stopped. Some 540 TFLOP: an hour on two
cores with bfloat16.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from generation import (
    SAMPLING,
    SEEDS,
    THUMBNAIL,
    Study,
    chosen_methods,
    machine,
    measured,
    plain,
    with_errors,
    write_rows,
)
from records import keep, read

import ood_helpers as ood
from ood_helpers import astro, theory
from ood_helpers.baselines import scorer_embedding
from ood_helpers.pages.shared import DDIM, DOWN, FINER, WALK

RESULTS = Path(__file__).parent / "results"
N, FEW = 48, 24  # images of a domain whose latents are studied, and for what takes many evaluations
HELD_OUT = 200  # other images of a domain at most
KNOWN = 400  # images of the training domain that make the formulas of the control
WAYS = {
    "lines": ("interpolate", {"kind": "lerp"}),
    "arcs": ("interpolate", {"kind": "slerp"}),
    "arcs, 0.1": ("interpolate", {"kind": "slerp", "weight": 0.1}),
    "one variance": ("gaussian", {}),
    "10 neighbors": ("centered", {"neighbors": 10, "share": 0.5}),
}
ETAS, HEIGHTS, STEPS = (0.0, 0.25, 0.5, 0.75, 1.0), (200, 400, 600, 800), 16
PAIRS = {"near": "objects", "far": "dust"}  # for tuning
SHOWN = ("apples", "dust", "histology", "hubble")  # domains whose new images the book shows
LAST = float(ood.alphas_cumprod("linear")[999])  # share of the image where walks end


@dataclass(frozen=True)
class World:
    """A model, the domain it was trained on, unseen domains, those of them with a map of noise, and who judges."""

    model: str
    own: str
    unseen: tuple[str, ...]
    mixed: tuple[str, ...]
    judge: Path


WORLDS = {
    "drawn": World(
        "toy-dog",
        "dog",
        ("cat", "face", "church", "bedroom", "galaxy", "radiation"),
        ("cat", "church", "galaxy", "radiation"),
        ood.DOMAIN_SCORER,
    ),
    "real": World(
        "real-hand",
        "hands",
        ("apples", "objects", "photographs", "histology", "texture", "hubble", "dust"),
        ("apples", "objects", "hubble", "dust"),
        ood.REAL_SCORER,
    ),
}


class Images:
    """Where images of a domain come from: drawn by seeds, real ones by their numbers in an order of each repetition."""

    def __init__(self, folder: Path, repetition: int = 0):
        self.folder, self.repetition = folder, repetition

    def __call__(self, domain: str, n: int, what: str = "inputs", size: int = 64) -> torch.Tensor:
        """Return ``n`` images, of a real domain fewer if there are fewer; those held out are other than the inputs."""
        if domain in ood.list_domains("drawn"):
            return ood.load_domain(domain, n, size, SEEDS[what] + 100 * self.repetition)
        where = {"folder": self.folder} if domain in ood.list_domains("sets") else {}
        if domain in ("hands", "apples"):  # models were trained on the other part
            where["part"] = "train" if what == "train" else "test"
        start = {"inputs": 0, "translate": 0, "train": 0}.get(what, N)
        there = ood.domain_size(domain, **where) - start
        return ood.load_domain(domain, int(min(n, there)), size, 1 + self.repetition, start, **where)


def share(values: torch.Tensor) -> list[float]:
    """A mean and its standard error."""
    return [float(values.mean()), float(values.std() / len(values) ** 0.5)]


def spreads(found: ood.Geometry) -> dict:
    """Numbers of the three observations."""
    return {
        "uneven": found.pair_distance.std / found.pair_distance.mean,
        "three": found.pair_angle.std,
        "origin": found.origin_angle.mean,
        "distance": found.pair_distance.mean,
        "radius": found.radius.mean,
    }


def cloud(name: str, images: Images, domain: str, own: str, n: int = N, few: int = FEW) -> dict:
    """Round trips and latents of a domain, and what tells them from those of the model's own domain."""
    model = ood.load_model(name)
    x = images(domain, n)
    trip = ood.round_trip(model, x[:few], **DDIM, progress=False)
    z = ood.invert(model, x, **WALK, progress=False)
    tests = ood.gaussianity(theory.standardized(z))
    found = {
        "n": len(x),
        "mae": share(trip.mae),
        "neighbors": tests["neighbors"].effect,
        "coarse": tests["spectrum"].effect,
        "explained": share(theory.share_of_image(z, x)),
        "explained by others": float(theory.share_of_image(z, x.roll(1, 0)).mean()),
        "latents": spreads(ood.geometry(z)),
        "pixels": spreads(ood.geometry(x)),
    }
    if domain == own:
        return found
    found["control"] = control(model, images(own, KNOWN, "train"), x[:3])
    mine = images(own, n)
    latents = ood.invert(model, mine, **WALK, progress=False)
    g = ood.gram(latents, z)
    c = ood.center_distance(g, len(latents))
    found |= {
        "center": [c.unbiased / c.threshold, c.squared_error / (2 * max(c.unbiased, 1e-9) * c.threshold)],
        "machine": theory.held_out_of(g, len(latents), C=100).machine,
        "shuffled": float(ood.separability(g, len(latents), C=100).null.max()),
        "points": len(g),
        "gap": ood.kernel_distance(mine, x, torch.nn.Flatten()).value,
    }
    last = round(ood.timestep_at(model.alphas_cumprod, LAST))
    for t in (200, 999):
        a, b = (ood.invert(model, y[:few], **(FINER | {"t": min(t, last)}), progress=False) for y in (mine, x))
        found[f"machine, t = {t}"] = theory.held_out_of(ood.gram(a, b), few, C=100).machine
    return found


def control(model: ood.FrozenModel, known: torch.Tensor, x: torch.Tensor) -> list[float]:
    """Largest error of copies by each of two formulas: of the training domain's single pixels, and all together."""
    schedule = next(
        k for k in ("linear", "cosine") if torch.allclose(ood.alphas_cumprod(k), model.alphas_cumprod.cpu())
    )
    apart = ood.gaussian_model(known.mean(0), known.var(0), schedule)
    formulas = apart, theory.wiener_model(known, schedule=schedule)
    return [float(ood.round_trip(formula, x, **DDIM, progress=False).mae.max()) for formula in formulas]


def judged(images, real, world: World, domain: str, scorer) -> dict:
    """How far images are from a domain, how new and how different, and whether they fell back into the training one."""
    images = images.clamp(-1, 1)
    features = ood.features_of(images, scorer)
    called = scorer.probabilities(images).argmax(1)
    new = ood.novelty(images, real["inputs"], real["images"], network=torch.nn.Flatten())
    found = {
        "kernel": ood.kernel_distance(features, real["features"]),
        "thumbnails": ood.kernel_distance(THUMBNAIL(images), THUMBNAIL(real["images"])),
        "diversity": ood.diversity(images, network=scorer),
        "ms_ssim": ood.diversity(images, "ms-ssim", max_images=30),
    }
    return {
        "images": len(images),
        "frechet": ood.frechet_distance(features, real["features"]),
        "own": int((called == scorer.domains.index(world.own)).sum()),
        "target": int((called == scorer.domains.index(domain)).sum()),
        "captured": int((ood.capture_odds(images, world.own, domain, scorer) > 0.5).sum()),
        "novelty": new.median,
        "copies": new.copies,
        **with_errors(**found),
    }


def save(shown: dict[str, torch.Tensor], path: Path) -> list[str]:
    """Write the first images of each way as rows of a sheet, and return whose rows they are."""
    write_rows(path, [], {label: x.clamp(-1, 1) for label, x in shown.items()}, list(shown))
    return list(shown)


def generation(
    world: World, images: Images, domain: str, precision: str, pictures: Path | None = None, n: int = N
) -> dict:
    """Measure every way to draw latents, and write the first images of domains that are shown."""
    model, scorer = ood.load_model(world.model), ood.load_scorer(world.judge)
    x, held = images(domain, n), images(domain, HELD_OUT, "held_out")
    real = {"inputs": x, "images": held, "features": ood.features_of(held, scorer)}
    z = ood.invert(model, x, **WALK, progress=False)
    spread = (z - z.mean(0)).flatten(1).norm(dim=1).mean()
    own = images(world.own, HELD_OUT, "held_out")
    rows = {
        "held out": len(held),
        "real": judged(x, real, world, domain, scorer),
        "gap": ood.kernel_distance(ood.features_of(own, scorer), real["features"]).value,
    }
    shown = {"real": x}
    for label, (method, settings) in WAYS.items():
        drawn = ood.sample_latents(z, n, method, generator=torch.Generator().manual_seed(11), **settings)
        made = ood.denoise(model, drawn, **(DOWN | {"precision": precision}), progress=False)
        rows[label] = judged(made, real, world, domain, scorer)
        rows[label]["spread"] = float((drawn - drawn.mean(0)).flatten(1).norm(dim=1).mean() / spread)
        shown[label] = made
    return rows | ({"sheet": save(shown, pictures / f"{domain}.webp")} if pictures and domain in SHOWN else {})


def mixing(world: World, images: Images, domain: str, precision: str, few: int = FEW) -> dict:
    """What becomes of images over heights and noise; and at which t their prediction changes sides, with all noise."""
    model, scorer = ood.load_model(world.model), ood.load_scorer(world.judge)
    x = images(domain, few)
    walk = {"heights": HEIGHTS, "etas": ETAS, "steps": STEPS, "precision": precision, "progress": False}
    found = ood.bandwidth(model, x, world.own, domain, scorer=scorer, **walk)
    return {
        "errors": found.errors.round(5).tolist(),
        "odds": found.odds.round(5).tolist(),
        "along": captured_along(model, x[:6], world.own, domain, scorer),
    }


def captured_along(model: ood.FrozenModel, x: torch.Tensor, own: str, domain: str, scorer) -> dict[str, float]:
    """The share of predicted images that are of the own domain, by t, on a walk down with all the noise."""
    levels = ood.generation_levels(model.alphas_cumprod, t=800, steps=25)
    z, fresh = ood.invert(model, x, **WALK, progress=False), torch.Generator().manual_seed(7)
    step = ood.ddim_eta(1.0, lambda: torch.randn(z.shape, generator=fresh).to(model.device))
    guesses = ood.predicted_images(model, z, levels, step, precision="float32")
    return {str(level.t): ood.interference_rate(y.clamp(-1, 1), own, domain, scorer).rate for level, y in guesses}


def noise(world: World, images: Images, precision: str, last: bool = False) -> dict:
    """What a judge calls images that began as white noise, in each repetition another one; at t = 800 or at the last t.

    The last t of a cosine schedule is the one with the noise that the linear schedule has at its last.
    """
    model, scorer = ood.load_model(world.model), ood.load_scorer(world.judge)
    stream = torch.Generator().manual_seed(images.repetition)
    t = round(ood.timestep_at(model.alphas_cumprod, LAST)) if last else DOWN["t"]
    made = ood.fresh_images(model, FEW, eta=0.0, generator=stream, **(DOWN | {"precision": precision, "t": t}))
    called = scorer.probabilities(made.clamp(-1, 1)).argmax(1)
    return {"images": FEW, "own": int((called == scorer.domains.index(world.own)).sum())}


def tuning(world: World, images: Images, domain: str, options, pictures: Path) -> dict:
    """Sampling and tuning with equal budgets, and a sheet of what each made."""
    options.inputs = options.images = N
    options.real, options.steps, options.down = HELD_OUT, 50, 20
    embed, judge = scorer_embedding(options.embedding), ood.load_scorer(world.judge)
    study = Study(world.model, (world.own, domain), options, images, judge=judge, embed=embed)
    methods = {**SAMPLING, **chosen_methods(RESULTS / "tuning_rates.json")}
    rows, shown = {"inputs": study.judge(study.inputs)}, {"inputs": study.inputs}
    for label, method in methods.items():
        shown[label], rows[label] = study.run(method)
        print(domain, label, {k: round(v, 3) for k, v in rows[label].items() if isinstance(v, float)}, flush=True)
    return {"sheet": save(shown, pictures / f"tuning-{domain}.webp"), "methods": rows}


def galaxies_without_flag(images: torch.Tensor) -> pd.DataFrame:
    """Statistics of galaxies; how doubtful a measurement is, is not one of them."""
    return astro.morphology(astro.brightness(images)).drop(columns="flag")


def dust_of_spitzer(images: torch.Tensor) -> pd.DataFrame:
    """Statistics of pictures whose red, green and blue are 24, 8 and 4.5 micrometers, not 250, 24 and 4.5."""
    found = astro.dust_statistics((images + 1) / 2)
    return found.rename(columns=lambda name: name.replace("24", "8").replace("250", "24"))


def sky(world: World, images: Images, domain: str, precision: str, pictures: Path) -> dict:
    """Which statistics of real galaxies or dust survive: of round trips, of arcs, of neighbors."""
    model, n = ood.load_model(world.model), 96
    measure = {"galaxies": galaxies_without_flag, "dust": dust_of_spitzer}[domain]
    x, rest = images(domain, N), images(domain, n, "held_out")
    z = ood.invert(model, x, **WALK, progress=False)
    down, found = DOWN | {"precision": precision, "progress": False}, {}
    made = {"reconstructed": ood.denoise(model, z, **down)}
    for label in ("arcs", "10 neighbors"):
        method, settings = WAYS[label]
        drawn = ood.sample_latents(z, N, method, generator=torch.Generator().manual_seed(11), **settings)
        made[label] = ood.denoise(model, drawn, **down)
    real = measure(rest)
    steady = [column for column in real if real[column].notna().sum() >= 10 and real[column].std() > 0]
    for label, y in {"inputs": x, **made}.items():
        table = astro.survival(measure(y.clamp(-1, 1))[steady], real[steady])
        found[label] = json.loads(table.to_json(orient="index"))
    result = {"real": len(rest), "made": N, "ways": found}
    if domain == "dust":  # free with credit; of the galaxies' surveys each has its own terms, so none is shown
        result["sheet"] = save({"inputs": x, **made}, pictures / f"sky-{domain}.webp")
    return result


def work(options, images: Images, pictures: Path):
    """Yield what the record is made of: its part, its name there, the model it rests on, and who makes it."""
    own = {world.model: world.own for world in WORLDS.values()}
    if options.apple:  # a second model of real images, for the clouds alone
        own[options.apple] = "apples"
    every = [domain for world in WORLDS.values() for domain in (world.own, *world.unseen)]
    for model, trained_on in own.items():
        for domain in dict.fromkeys((trained_on, *every)):
            yield "clouds", f"{Path(model).name} {domain}", model, partial(cloud, model, images, domain, trained_on)
    for world in WORLDS.values():
        common = {"world": world, "images": images, "precision": options.precision}
        yield "noise", world.own, world.model, partial(noise, **common)
        for domain in world.unseen:
            yield "generation", domain, world.model, partial(generation, domain=domain, pictures=pictures, **common)
        for domain in world.mixed:
            yield "mixing", domain, world.model, partial(mixing, domain=domain, **common)
    # the rest is about the real world alone, the last one
    for domain in ("galaxies", "dust"):
        yield "sky", domain, world.model, partial(sky, domain=domain, pictures=pictures, **common)
    for domain in PAIRS.values() if options.embedding else ():
        yield "tuning", domain, world.model, partial(tuning, world, images, domain, options, pictures)


def main() -> None:
    """Measure what the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the public sets are")
    parser.add_argument("--apple", help="folder of real-apple, a second model; without it there is none")
    parser.add_argument("--embedding", type=Path, help="folder of the real-embedding; without it tuning is left out")
    parser.add_argument("--precision", choices=tuple(ood.PRECISIONS), default="bfloat16", help="of all but latents")
    parser.add_argument("--only", nargs="*", help="parts, such as clouds")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", default=str(RESULTS / "real.json"))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    path, images = Path(options.output), Images(options.folder)
    pictures = path.parent / "real"
    pictures.mkdir(parents=True, exist_ok=True)
    record = read(path) or {"weights": {}}
    record |= {"settings": {"n": N, "few": FEW, "held out": HELD_OUT, "heights": HEIGHTS, "etas": ETAS, "steps": STEPS}}
    record["worlds"] = {name: {**asdict(world), "judge": world.judge.name} for name, world in WORLDS.items()}
    record |= {"precision": options.precision, "machine": machine(), "date": time.strftime("%Y-%m-%d")}
    for part, key, model, make in work(options, images, pictures):
        if options.only and part not in options.only:
            continue
        weights, known = ood.fingerprint(ood.load_model(model)), record.setdefault(part, {})
        if key in known and known[key]["weights"] == weights:
            continue
        start = time.monotonic()
        with measured(torch.device("cpu")) as cost:
            found = make()
        known[key] = {"weights": weights, **plain(found)}
        if model in ood.list_models():
            record["weights"][model] = weights
        keep(path, record)
        print(part, key, f"{cost['operations'] / 1e12:.1f} TFLOP, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
