"""The command line: fetch public images; train or export a model; study a domain; make the paper's tables."""

from __future__ import annotations

import argparse
import sys
import textwrap
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

# named here as well as in the package, so that help does not wait for torch
METHODS = {
    "interpolate": "halfway between two latents, along an arc: the paper's Algorithm 1",
    "centered": "a latent and those nearest to it, combined about the mean of all",
    "slerp-gaussian": "on an arc from a latent to a draw of gaussian: the official code",
    "cog": "two latents, half and half, corrected to the mean and spread of all",
    "gaussian": "about the mean, with one variance: the paper's Sec. 3.1",
    "gaussian-diagonal": "about the mean, with a variance for each pixel",
    "spectrum": "about the mean, with the power spectrum of the latents",
}
TUNED = {  # rows of table 1 without new latents
    "vanilla": "5,000 steps of training on the images that are given, then fresh images (Sec. 3.1)",
    "diffusionclip": "the network is tuned to translate images of its own domain",
    "asyrp": "the network stays, a block at its bottleneck is trained to do so",
}
WHICH = """which way? The book has records of arcs (interpolate) and of ten neighbors (centered). In a scorer's features
  arcs are nearer to the domain by two standard errors in eight of 28 pairs of a model and a domain (all of galaxies
  among them), and ten neighbors in none, so arcs are the default. In thumbnails of 16 x 16 pixels ten neighbors are
  nearer in nine pairs, all skies, and arcs in one. In four of six drawn domains most arcs show two pictures at once;
  images of ten neighbors hardly ever do. So take ten neighbors for skies whose colors and brightness count, and where
  one picture in each image is wanted. Chapters 6 and 11 have the numbers.
"""
SOLVERS = ("ddim", "ddim-fixed-point", "ab2", "heun", "dpm2m", "unipc")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
SCHEDULES = ("linear", "cosine")
DRAWN = ("sample", "study")  # commands of one model and one domain that draw new latents; as table 1 does
COMMANDS = {  # what each does, in short and at length; how it is called; an example
    "data": (
        "list public sets of real images, with license and credit, or fetch some of them",
        "Without names it lists the sets: where they are, how large, under which license, and whom to credit. With "
        "names it fetches these, each into a folder of its name, and checks every file; given again, it goes on. Where "
        'there is no network it says what to do. `ood_helpers.load_domain("hands", folder=FOLDER)` reads them.',
        "[NAME ...] --output FOLDER",
        "hands apples --output sets",
    ),
    "train": (
        "train a model or a scorer, or continue an interrupted training",
        "A network as it is shipped, seeded. A model's folder holds a diffusers pipeline in half precision, "
        "training.json with the loss, and samples.png. A scorer's holds its weights and scorer.json with its accuracy. "
        "Those of real images (real-hand, real-apple, real-scorer) need the --folder where `data` has put the sets.",
        "MODEL --output FOLDER",
        "toy-dog --output runs/short --steps 300",
    ),
    "export": (
        "write a model as an ONNX file, for programs without torch",
        "Writes the network with its weights in half precision, and checks with onnxruntime that it computes what "
        "torch does. Inputs are x and t, the output is eps, for one image or --batch of them; `domain-scorer` and "
        "`real-scorer` map images to scores. Needs `pip install 'ood-helpers[onnx]'`.",
        "NAME --output FILE",
        "toy-dog --output toy-dog.onnx",
    ),
    "invert": (
        "invert images of a domain into a store of latents",
        "The store is a folder within --folder, named after model, domain and settings; its name is printed. "
        "Images that it holds already are not inverted again. `ood_helpers.LatentStore(folder)` opens it.",
        "--model MODEL --domain DOMAIN",
        "--model google/ddpm-celebahq-256 --domain ~/galaxies --images 2000 --solver dpm2m",
    ),
    "sample": (
        "draw new latents among inverted ones and denoise them into images",
        "Inverts first what is missing, as `invert` does, then draws by --method and writes numbered PNG files.",
        "--model MODEL --domain DOMAIN --output FOLDER",
        "--model toy-dog --domain church --images 200 --output new-churches",
    ),
    "study": (
        "measure what the chapters measure, for one unseen domain",
        "Inverts what is missing of the unseen domain and of the model's own. Of both it measures the error of the "
        "round trip and the Gaussianity and geometry of the latents; how far apart they lie and how well a plane "
        "separates them; and of images newly drawn by --method diversity and mode interference. Writes a JSON file and "
        "prints a summary. Processes share inversions and round trips; the first one measures.",
        "--model MODEL --domain DOMAIN --own DOMAIN --output FILE",
        "--model toy-dog --domain church --own dog --output church.json",
    ),
    "table": (
        "make a table of the paper, ours beside theirs",
        "Table 2, the error of round trips, and table 3, the geometry and separability of latents, of one model; table "
        "1, the distance of new images to other real ones, by method, averaged over models. Give each --model its "
        "--own domain, in the same order, and --domain as often as wanted. Names such as church say which number of "
        "the paper stands beside; with NAME=FOLDER the images come from a folder. Writes table-N.csv into --output and "
        "prints it. Processes share inversions and images; the first one tunes and measures. The opinions (MOS) that "
        "the paper's table 1 has for galaxy and radiation come from people: `ood_helpers.opinion.prepare` makes a "
        "study for them, of the images in OUTPUT/images/METHOD and of real ones.",
        "{1,2,3} --model MODEL --own DOMAIN --domain DOMAIN --output FOLDER",
        "2 --model google/ddpm-church-256 --own church=~/lsun/church --domain dog=~/afhq/dog --output tables",
    ),
}
MANY = """many processes:
  torchrun --nproc_per_node 8 -m ood_helpers {name} ...
  accelerate launch --multi_gpu --num_processes 8 -m ood_helpers {name} ...   (with --cpu it starts only one)
  srun --ntasks 32 python -m ood_helpers {name} ...
  python -m ood_helpers {name} ... --rank 2 --world 8
  Process 2 of 8 makes every eighth batch from the third on, and then what the others have not made yet; each takes
  the GPU with its number. All they need is a folder that all of them see. None waits for another, so they may come
  and go: what was interrupted, killed, or ran out of disk or memory is made when the command is given again.
"""
EXITS = """exit codes:
  0  done
  1  an error that you can mend, named on stderr; what is done is kept
  2  an option that is missing or wrong
  130  interrupted
"""


def build_parser(usual: dict[str, Any] | None = None) -> argparse.ArgumentParser:
    """Return the parser, with other defaults of `table` if given; `torch` is imported only once a command runs."""
    more = "`python -m ood_helpers COMMAND --help` has examples and all options of a command."
    parser = argparse.ArgumentParser(prog="python -m ood_helpers", description=__doc__, epilog=more)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (short, what, usage, example) in COMMANDS.items():
        ways = "".join(f"  {way:18} {words}\n" for way, words in METHODS.items())
        parts = [f"example:\n  python -m ood_helpers {name} {example}\n", EXITS]
        if name == "table":
            ways += "or, for table 1, to tune a network, with the settings of its publication:\n"
            ways += "".join(f"  {way:18} {words}\n" for way, words in TUNED.items())
        parts[1:1] = [f"ways to draw new latents:\n{ways}", WHICH] if name in (*DRAWN, "table") else []
        parts[-1:-1] = [MANY.format(name=name)] if name not in ALONE else []
        command = commands.add_parser(name, help=short, formatter_class=argparse.RawDescriptionHelpFormatter)
        command.description = textwrap.fill(f"{short[0].upper()}{short[1:]}. {what}", 100)
        command.usage, command.epilog = f"%(prog)s {usage} [options]", "\n".join(parts)
        ALONE.get(name, _study_options)(command, name)
        command.set_defaults(**(usual or {}) if name == "table" else {})
    return parser


def _data_options(command: argparse.ArgumentParser, _: str) -> None:
    command.add_argument("names", nargs="*", metavar="NAME", help="sets to fetch (default: list all)")
    command.add_argument("--output", type=Path, help="folder for their folders")


def _train_options(command: argparse.ArgumentParser, _: str) -> None:
    add = command.add_argument
    scorers = "domain-scorer, real-scorer, domain-embedding, galaxy-classifier"
    add("model", help=f"a model's name, such as toy-dog or real-hand; or {scorers}")
    add("--output", required=True, help="folder for the model and its checkpoint")
    add("--folder", type=Path, help="where the public sets are that a model of real images is trained on")
    add("--steps", type=int, help="optimizer steps, if not the recipe's")
    add("--images", type=int, help="training pictures (for a scorer: of each class)")
    add("--device", choices=("cpu", "cuda"), help="by default the GPU if there is one")
    add("--threads", type=int, help="processor threads, by default torch's choice")


def _export_options(command: argparse.ArgumentParser, _: str) -> None:
    add = command.add_argument
    add("model", metavar="NAME", help="shipped name, folder or hub id of a model; or domain-scorer, real-scorer")
    add("--output", type=Path, required=True, help="file to write")
    add("--weights", choices=("float16", "float32"), default="float16", help="how they are kept (default: %(default)s)")
    add("--batch", type=int, default=1, help="images that one call takes (default: %(default)s)")


# latents at T and N of the paper, and the steps of its released code; bfloat16 is too coarse for distances of centers
PAPER = {"t": 999, "steps": 80, "images": 1000, "precision": "float32"}
ALONE = {
    "data": _data_options,
    "train": _train_options,
    "export": _export_options,
}  # commands that are no work for many processes


def _study_options(command: argparse.ArgumentParser, name: str) -> None:
    """Add options, of which none is a beginning of one of torchrun's own, which would take it."""
    several, whole, real = {"action": "append", "required": True}, {"type": int, "metavar": "N"}, {"type": float}
    domain = "NAME or NAME=FOLDER" if name == "table" else "name, such as church, or folder of images or FITS files"
    if name == "table":
        command.add_argument("table", type=int, choices=(1, 2, 3), help="which table of the paper")
    add = command.add_argument_group("model and images").add_argument
    add("--model", **several, help="shipped name, folder, checkpoint file or hub id")
    add("--variant", metavar="NAME", help="which weights of a folder or hub id, such as ema")
    add("--attention-head-dim", **whole, help="channels of a head of an OpenAI checkpoint file, such as 64")
    add("--num-heads", **whole, help="or the number of its heads")
    add("--attention-order", choices=("old", "new"), default="old", help="of its attention (default: %(default)s)")
    add("--image-size", **whole, default=256, help="of a checkpoint file (default: %(default)s)")
    add("--schedule", choices=SCHEDULES, default="linear", help="of a checkpoint file (default: %(default)s)")
    add("--domain", **several, help=f"unseen images: {domain}")
    if name in ("study", "table"):
        add("--own", **several, help=f"images that the model was trained on: {domain}")
    add("--images", **whole, default=200, help="how many to invert (default: %(default)s)")
    add("--seed", **whole, default=0, help="which images (default: %(default)s)")
    add("--folder", type=Path, default="latents", help="where the stores are (default: %(default)s)")

    add = command.add_argument_group("walk").add_argument
    solvers = "ddim (the paper's, default), unipc and dpm2m (more exact), ab2, heun, ddim-fixed-point"
    precisions = "float32, bfloat16, float16, or auto (default): bfloat16 on a device that has units for it"
    add("--timestep", dest="t", **whole, default=800, help="timestep of the latents (default: %(default)s)")
    add("--steps", **whole, default=50, help="evaluations of the network, if of first order (default: %(default)s)")
    add("--solver", choices=SOLVERS, metavar="NAME", default="ddim", help=solvers)
    add("--precision", choices=PRECISIONS, metavar="NAME", default="auto", help=f"of the network: {precisions}")
    add("--compile", action="store_true", help="compile the network first: minutes of waiting, for long runs on a GPU")
    add("--batch-size", **whole, default=16, help="images at a time, 1 to 16 (default); less takes less memory")
    add("--device", help="cpu, cuda or cuda:1; by default this process's GPU, if there is one")
    add("--rank", **whole, help="number of this process, from 0 (default: as the launcher says)")
    add("--world", **whole, help="how many processes there are (default: as the launcher says)")
    if name == "invert":
        return

    add = command.add_argument_group("new latents").add_argument
    usual = next(iter(METHODS))
    if name == "table":
        told = f"rows of table 1, each a way below (default: {usual})"
        add("--methods", nargs="+", choices=(*METHODS, *TUNED), metavar="WAY", default=[usual], help=told)
        add("--tuning-steps", **whole, help="of vanilla, diffusionclip, asyrp (default: as published)")
        leads = "what leads diffusionclip and asyrp: scorer, which knows drawn domains; clip, which needs the package "
        leads += "transformers; or a CLIP's folder or hub id (default: scorer if all domains are drawn, else clip)"
        add("--embedding", metavar="NAME", help=leads)
    else:
        add("--method", choices=METHODS, metavar="WAY", default=usual, help="below (default: %(default)s)")
    add("--neighbors", **whole, default=10, help="of centered: latents to combine (default: %(default)s)")
    add("--share", **real, default=0.5, help="of centered: weight of the first (default: %(default)s)")
    add("--weight", **real, default=0.5, help="of interpolate, slerp-gaussian (default: %(default)s)")
    add("--sampling-seed", **whole, default=0, help="of the draws (default: %(default)s)")
    add("--count", **whole, default=200 if name == "table" else 64, help="new images (default: %(default)s)")
    add = command.add_argument_group("results").add_argument
    if name == "table":
        features = "table 1: scorer (default), of the domain scorer; or inception, for the FID: needs torch-fidelity"
        add("--features", choices=("scorer", "inception"), default="scorer", help=features)
        paper = "table 3: 1,000 images, latents at the last timestep, 80 steps, float32, but for what other options say"
        add("--paper", action="store_true", help=paper)
    add("--output", type=Path, required=True, help="JSON file" if name == "study" else "folder")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 1 after an error that a user can mend, or 130 if interrupted."""
    options = build_parser().parse_args(arguments)
    if getattr(options, "paper", False):
        options = build_parser(PAPER).parse_args(arguments)
    kept = "what is done is kept, and the same command goes on"
    try:
        {"data": _data, "train": _train, "export": _export}.get(options.command, _study)(options)
        return 0
    except KeyboardInterrupt:
        print(f"interrupted; {kept}", file=sys.stderr)
        return 130
    except OSError as error:
        told = f"{error}; {kept}" if error.errno else str(error)
    except (ValueError, TypeError, ImportError) as error:
        told = str(error)
    except (MemoryError, RuntimeError) as error:
        memory = ("out of memory", "can't allocate memory")
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in memory):
            raise
        size = getattr(options, "batch_size", 1)
        remedy = f" with --batch-size {size // 2}" if size > 1 else ", or on a machine with more memory"
        told = f"out of memory; what is done is kept: give the command again{remedy}. {error}".rstrip()
    print(f"error: {told}", file=sys.stderr)
    return 1


def _data(options: argparse.Namespace) -> None:
    from . import fetch_set, list_domains, public_set
    from .checks import check_choice

    names = options.names or list_domains("sets")
    for name in names:
        check_choice("NAME", name, list_domains("sets"))
    if options.names and options.output is None:
        raise ValueError("--output: expected a folder for the sets")
    for name in names:
        known = public_set(name)
        print(f"{name}: {known.what}\n  {known.files:,} images, {known.megabytes:g} MB from {known.address}")
        print(f"  license: {known.license}\n  credit:  {known.credit}", flush=True)
        if options.names:
            print(f"  fetched into {fetch_set(name, options.output)}", flush=True)


def _train(options: argparse.Namespace) -> None:
    import torch

    from .training import CLASSIFIERS, train, train_scorer

    if options.threads:
        torch.set_num_threads(options.threads)
    changes = {key: value for key in ("folder", "steps", "images") if (value := getattr(options, key)) is not None}
    if options.model in CLASSIFIERS:
        folder = train_scorer(options.model, options.output, device=options.device, **changes)
        print(f"saved {folder}; use it by ood.load_scorer({str(folder)!r})")
    else:
        folder = train(options.model, options.output, device=options.device, **changes)
        print(f"saved {folder}; use it by ood.load_model({str(folder)!r})")


def _export(options: argparse.Namespace) -> None:
    from . import DOMAIN_SCORER, REAL_SCORER, export_onnx, load_model, load_scorer

    scorers = {folder.name: folder for folder in (DOMAIN_SCORER, REAL_SCORER)}
    scorer = scorers.get(options.model)
    network = load_model(options.model, device="cpu") if scorer is None else load_scorer(scorer)
    file = export_onnx(network, options.output, weights=options.weights, batch=options.batch)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, computes what torch does to within 1e-4")


def _study(options: argparse.Namespace) -> None:
    """Run a command after all that can be checked has been: first what needs no model, then what does."""
    from . import list_domains, load_model
    from .checks import check_device, check_integer
    from .scale import report, study, tunings, work

    name = options.command
    number, output = getattr(options, "table", None), getattr(options, "output", None)
    options.rank, options.world = work.rank_and_world(options.rank, options.world)
    if getattr(options, "paper", False):
        if number != 3:
            raise ValueError(f"--paper: got it for table {number}, expected table 3")
    plan = study.Study(**{f.name: getattr(options, f.name) for f in fields(study.Study) if f.name in options})
    named = _named if number else lambda text: (text, text)
    own, domains = [named(text) for text in getattr(options, "own", [])], dict(map(named, options.domain))
    for label, place in own:
        if domains.get(label, place) != place:
            raise ValueError(
                f"--domain: got {label}={domains[label]}, but --own has {label}={place}, expected one folder"
            )
    for option, given, single in (("--model", options.model, number != 1), ("--domain", domains, name in DRAWN)):
        if single and len(given) != 1:
            raise ValueError(f"{option}: got {len(given)}, expected one (only table 1 takes several models)")
    if own and len(own) != len(options.model):
        raise ValueError(f"--own: got {len(own)}, expected one for each of {len(options.model)} --model")
    check_integer("--images", plan.images, {"study": 8, 3: 4}.get(number or name, 1))
    plans, embed, homes = [plan], None, [home for _, home in own]
    if number == 1:
        check_integer("--count", plan.count, 4)
        if options.tuning_steps is not None:
            check_integer("--tuning-steps", options.tuning_steps, 1)
        drawn = {*domains.values(), *homes} <= {*list_domains("drawn")}
        embedding = options.embedding or ("scorer" if drawn else "clip")
        ways = dict.fromkeys(options.methods)
        plans = [tunings.planned(way, plan, options.tuning_steps, embedding) for way in ways]
    led = any(each.method in tunings.LED for each in plans)
    read = [*domains.values(), *(homes if led or number != 1 else ())]
    for domain in read:
        study.check_domain(domain, plan, plan.count if number == 1 else 0)
    study.writable("--folder", plan.folder)
    if name == "study" and output.is_dir():
        raise ValueError(f"--output: got the folder {str(output)!r}, expected a file for the results")
    if output:
        study.writable("--output", output.parent if name == "study" else output)
    for each in plans:
        if each.tuning is None and (name in DRAWN or number == 1):
            study.check_drawing(each)
    device = check_device("--device", options.device) if options.device else work.local_device(plan.rank)
    if led:
        embed = tunings.embedding_of(embedding, device)
    models = [
        load_model(
            model,
            variant=options.variant,
            attention_head_dim=options.attention_head_dim,
            num_heads=options.num_heads,
            attention_order=options.attention_order,
            image_size=options.image_size,
            schedule=options.schedule,
            device=device,
            compile=options.compile,
        )
        for model in options.model
    ]
    for model, each in product(models, plans):
        study.check_walk(model, read, each)
        if each.tuning is not None:
            tunings.check_tuned(model)
    if number:
        domains = domains if number == 1 else dict(own) | domains
        said = report.table(number, models, own, domains, plans, options.features, embed, output)
    elif name == "study":
        said = report.study(models[0], options.domain[0], options.own[0], plan, output)
    elif name == "sample":
        said = report.sample(models[0], options.domain[0], plan, output)
    else:
        stores = study.inverted(models[0], options.domain, plan)
        said = "\n".join(f"{store.path}: {len(store)} latents of shape {store.image_shape}" for store in stores)
    if plan.rank == 0:
        print(said, flush=True)


def _named(text: str) -> tuple[str, str | Path]:
    """Read ``NAME`` or ``NAME=FOLDER``."""
    name, _, folder = text.partition("=")
    return (name, Path(folder).expanduser()) if folder else (name, name)


def command() -> None:
    """Run a command for the shell, which is told how it ended."""
    if sys.stdout is not None:  # which it is where the caller has closed it
        sys.stdout.reconfigure(errors="replace")  # for terminals that cannot show all signs
    sys.exit(main())


if __name__ == "__main__":
    command()
