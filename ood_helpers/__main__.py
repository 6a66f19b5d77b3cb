"""The command line: train a toy model; invert, sample and study a domain on one machine or many; make paper tables."""

from __future__ import annotations

import argparse
import sys
import textwrap


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; `torch` is imported only once a command runs."""
    more = "`python -m ood_helpers COMMAND --help` has examples and all options of a command."
    parser = argparse.ArgumentParser(prog="python -m ood_helpers", description=__doc__, epilog=more)
    commands = parser.add_subparsers(dest="command", required=True)

    train = _command(
        commands,
        "train",
        "train a toy model, the domain scorer or the galaxy classifier, or continue an interrupted training",
        "A network as it is shipped, seeded. A toy model's folder holds a diffusers pipeline in half precision, "
        "training.json with the loss, and samples.png; the same command continues an interrupted run. A scorer's "
        "folder holds its weights and scorer.json with its accuracy.",
    )
    train.add_argument(
        "model", help="a toy model's name, such as toy-dog; or domain-scorer, domain-embedding, galaxy-classifier"
    )
    train.add_argument("--output", required=True, help="folder for the model and its checkpoint")
    train.add_argument("--steps", type=int, help="optimizer steps, if not the recipe's")
    train.add_argument("--images", type=int, help="training pictures (for a scorer: of each class)")
    train.add_argument("--device", choices=("cpu", "cuda"), help="by default the GPU if there is one")
    train.add_argument("--threads", type=int, help="processor threads, by default torch's choice")
    _add_study_commands(commands)
    return parser


METHODS = {
    "centered": "a latent and those nearest to it, combined about the mean of all",
    "interpolate": "halfway between two latents, along an arc: the paper's Algorithm 1",
    "slerp-gaussian": "on an arc from a latent to a draw of gaussian: the official code",
    "gaussian": "about the mean, with one variance: the paper's Sec. 3.1",
    "gaussian-diagonal": "about the mean, with a variance for each pixel",
    "spectrum": "about the mean, with the power spectrum of the latents",
}
SOLVERS = ("ddim", "ddim-fixed-point", "ab2", "heun", "dpm2m", "unipc")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
SCHEDULES = ("linear", "cosine")
FEATURES = ("scorer", "inception")
DRAWING = ("sample", "study", "table")
MANY = """many processes:
  torchrun --nproc_per_node 8 -m ood_helpers {name} ...
  accelerate launch --multi_gpu --num_processes 8 -m ood_helpers {name} ...
  Either starts eight processes, one for each GPU; with --device cpu they share the processor. (But not `accelerate
  launch --cpu`: it starts one, whatever --num_processes says.) Machines that share the folders join by the same
  command. Batches are claimed one by one and no process waits for a message, so processes may come and go: what was
  interrupted, killed, or ran out of disk or memory goes on when the command is given again.
"""
EXITS = """exit codes:
  0  done
  1  an error that you can mend, named on stderr; what is done is kept
  2  an option that is missing or wrong
  130  interrupted
"""
EXAMPLES = {
    "train": """examples:
  python -m ood_helpers train toy-dog --output runs/toy-dog
  python -m ood_helpers train toy-dog --output runs/short --steps 300
""",
    "invert": """examples:
  python -m ood_helpers invert --model toy-dog --domain church --images 200
  python -m ood_helpers invert --model google/ddpm-celebahq-256 --domain ~/galaxies --images 2000 --solver dpm2m
""",
    "sample": """examples:
  python -m ood_helpers sample --model toy-dog --domain church --images 200 --output new-churches
  python -m ood_helpers sample --model toy-dog --domain church --images 200 --output arcs --method interpolate
""",
    "study": """examples:
  python -m ood_helpers study --model toy-dog --domain church --own dog --output church.json
""",
    "table": """examples:
  python -m ood_helpers table 2 --model toy-dog --own dog --domain face --domain church --output tables
  python -m ood_helpers table 1 --model google/ddpm-church-256 --own church=~/lsun/church \\
                                --model google/ddpm-celebahq-256 --own face=~/celebahq \\
                                --domain dog=~/afhq/dog --domain galaxy=~/galaxyzoo --images 1000 --output tables
""",
}


def _add_study_commands(commands) -> None:
    texts = {
        "invert": (
            "invert images of a domain into a store of latents",
            "The store is a folder within --folder, named after model, domain and settings; its name is printed. "
            "Images that it holds already are not inverted again. `ood_helpers.LatentStore(folder)` opens it.",
            "--model MODEL --domain DOMAIN",
        ),
        "sample": (
            "draw new latents among inverted ones and denoise them into images",
            "Inverts first what is missing, as `invert` does, then draws by --method and writes numbered PNG files.",
            "--model MODEL --domain DOMAIN --output FOLDER",
        ),
        "study": (
            "measure what the chapters measure, for one unseen domain",
            "Inverts what is missing of the unseen domain and of the model's own. Of both it measures the error of the "
            "round trip and the Gaussianity and geometry of the latents; how far apart they lie and how well a plane "
            "separates them; and of images newly drawn by --method diversity and mode interference. Writes a JSON file "
            "and prints a summary. Processes share the inversions; the first one measures.",
            "--model MODEL --domain DOMAIN --own DOMAIN --output FILE",
        ),
        "table": (
            "make a table of the paper, ours beside theirs",
            "Table 2, the error of round trips, and table 3, the geometry and separability of latents, of one model; "
            "table 1, the distance of new images to other real ones, averaged over models. Give each --model its --own "
            "domain, in the same order, and --domain as often as wanted. Names such as church say which number of the "
            "paper stands beside; with NAME=FOLDER the images come from a folder. Writes table-N.csv into --output and "
            "prints it. Processes share inversions and images; the first one measures.",
            "{1,2,3} --model MODEL --own DOMAIN --domain DOMAIN --output FOLDER",
        ),
    }
    for name, (short, what, needed) in texts.items():
        command = _command(commands, name, short, what, _ways(name), MANY.format(name=name))
        command.usage = f"%(prog)s {needed} [options]"
        several = {"action": "append"} if name == "table" else {}
        if name == "table":
            command.add_argument("table", type=int, choices=(1, 2, 3), help="which table of the paper")
        _model_options(command, several)
        _walk_options(command)
        if name in DRAWING:
            _drawing_options(command)
        group = command.add_argument_group("results").add_argument if name != "invert" else None
        if name == "sample":
            group("--count", type=int, metavar="N", default=64, help="new images (default: %(default)s)")
            group("--output", required=True, help="folder for the images")
        if name == "study":
            group("--own", required=True, help="the domain that the model was trained on")
            group("--output", required=True, help="JSON file for the results")
        if name == "table":
            group("--own", required=True, action="append", help="a model's training domain, NAME or NAME=FOLDER")
            group("--count", type=int, metavar="N", default=200, help="table 1: new images (default: %(default)s)")
            group("--features", choices=FEATURES, default="scorer", help="table 1: below (default: %(default)s)")
            group("--output", required=True, help="folder for the table, and for the images of table 1")


def _model_options(command, several: dict) -> None:
    of_domain = (
        "a domain: NAME, or NAME=FOLDER" if several else "name, such as church, or folder of images or FITS files"
    )
    group = command.add_argument_group("model and images").add_argument
    group("--model", required=True, **several, help="shipped name, folder, checkpoint file or hub id")
    group("--variant", metavar="NAME", help="which weights of a folder or hub id, such as ema")
    group(
        "--attention-head-dim",
        type=int,
        metavar="N",
        help="channels of a head of an OpenAI checkpoint file, such as 64",
    )
    group("--num-heads", type=int, metavar="N", help="or the number of its heads")
    group("--attention-order", choices=("old", "new"), default="old", help="of its attention (default: %(default)s)")
    group("--image-size", type=int, metavar="N", default=256, help="of a checkpoint file (default: %(default)s)")
    group("--schedule", choices=SCHEDULES, default="linear", help="of a checkpoint file (default: %(default)s)")
    group("--domain", required=True, **several, help=of_domain)
    # names that are no beginning of torchrun's own options, which would take them
    group("--images", type=int, metavar="N", default=200, help="how many to invert (default: %(default)s)")
    group("--seed", type=int, metavar="N", default=0, help="which images (default: %(default)s)")
    group("--folder", default="latents", help="where the stores are (default: %(default)s)")


def _walk_options(command) -> None:
    solvers = "ddim (the paper's, default), unipc and dpm2m (more exact), ab2, heun, ddim-fixed-point"
    precisions = "of the network: float32, bfloat16, float16, or auto (default), the faster one of the first two"
    steps = "evaluations of the network, if of first order (default: 50)"
    group = command.add_argument_group("walk").add_argument
    group("--timestep", type=int, metavar="N", default=800, help="timestep of the latents (default: %(default)s)")
    group("--steps", type=int, metavar="N", default=50, help=steps)
    group("--solver", choices=SOLVERS, metavar="NAME", default="ddim", help=solvers)
    group("--precision", choices=PRECISIONS, metavar="NAME", default="auto", help=precisions)
    group(
        "--compile", action="store_true", help="compile the network first: minutes of waiting, for long runs on a GPU"
    )
    less = "images at a time, 1 to 16 (default); less takes less memory"
    group("--batch-size", type=int, metavar="N", default=16, help=less)
    group("--device", help="cpu, cuda or cuda:1; by default this process's GPU, if there is one")


def _drawing_options(command) -> None:
    neighbors = "of centered: latents to combine (default: %(default)s)"
    weight = "of interpolate, slerp-gaussian (default: %(default)s)"
    group = command.add_argument_group("new latents").add_argument
    group("--method", choices=METHODS, metavar="WAY", default="centered", help="below (default: %(default)s)")
    group("--neighbors", type=int, metavar="N", default=10, help=neighbors)
    group(
        "--share", type=float, metavar="X", default=0.5, help="of centered: weight of the first (default: %(default)s)"
    )
    group("--weight", type=float, metavar="X", default=0.5, help=weight)
    group("--sampling-seed", type=int, metavar="N", default=0, help="of the draws (default: %(default)s)")


def _ways(name: str) -> str:
    lines = "".join(f"  {method:18} {what}\n" for method, what in METHODS.items())
    features = "features of table 1:\n  scorer     of the domain scorer: for drawn images of 64 pixels\n" + (
        "  inception  of Inception-v3, for the FID: needs `pip install torch-fidelity`, which downloads its weights\n"
    )
    ways = f"ways to draw new latents:\n{lines}" if name in DRAWING else ""
    return f"{ways}\n{features}" if name == "table" else ways


def _command(commands, name: str, short: str, what: str, *more: str):
    """Add a command whose help ends with examples and exit codes, laid out as they are written here."""
    text = textwrap.fill(f"{short[0].upper()}{short[1:]}. {what}", 100)
    epilog = "\n".join(part for part in (EXAMPLES[name], *more, EXITS) if part)
    layout = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=short, description=text, epilog=epilog, formatter_class=layout)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 1 after an error that a user can mend, or 130 if interrupted."""
    options = build_parser().parse_args(arguments)
    try:
        if options.command == "train":
            return _train(options)
        from .scale import commands

        getattr(commands, options.command)(options)
        return 0
    except MemoryError as error:
        return _out_of_memory(options, error)
    except OSError as error:
        kept = "; what is done is kept, and the same command goes on" if error.errno else ""
        print(f"error: {error}{kept}", file=sys.stderr)
        return 1
    except (ValueError, TypeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        return _out_of_memory(options, error)
    except KeyboardInterrupt:
        print("interrupted; what is done is kept, and the same command goes on", file=sys.stderr)
        return 130


def _out_of_memory(options, error: Exception) -> int:
    size = getattr(options, "batch_size", 1)
    remedy = f" with --batch-size {size // 2}" if size > 1 else ", or on a machine with more memory"
    print(
        f"error: out of memory; what is done is kept: give the command again{remedy}. {error}".rstrip(), file=sys.stderr
    )
    return 1


def _train(options) -> int:
    import torch

    from . import GALAXIES
    from .training import EMBEDDING, train, train_scorer

    if options.threads:
        torch.set_num_threads(options.threads)
    changes = {key: value for key in ("steps", "images") if (value := getattr(options, key)) is not None}
    scorers = {"domain-scorer": {}, "domain-embedding": EMBEDDING, "galaxy-classifier": GALAXIES}
    if options.model in scorers:
        folder = train_scorer(options.output, device=options.device, **scorers[options.model] | changes)
        print(f"saved {folder}; use it by ood.load_scorer({str(folder)!r})")
    else:
        folder = train(options.model, options.output, device=options.device, **changes)
        print(f"saved {folder}; use it by ood.load_model({str(folder)!r})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
