"""The command line: train a toy model; invert, sample and study a domain, on one machine or many."""

from __future__ import annotations

import argparse
import sys


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; `torch` is imported only once a command runs."""
    parser = argparse.ArgumentParser(prog="python -m ood_helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser(
        "train",
        help="train a toy model, the domain scorer or the galaxy classifier, or continue an interrupted training",
        description="Train a network as it is shipped, seeded. A toy model's folder holds a diffusers pipeline in half "
        "precision, training.json with the loss, and samples.png; the same command continues an interrupted run. "
        "A scorer's folder holds its weights and scorer.json with its accuracy.",
    )
    train.add_argument(
        "model", help="a toy model's name, such as toy-dog; or domain-scorer, domain-embedding, galaxy-classifier"
    )
    train.add_argument("--output", required=True, help="folder for the model and its checkpoint")
    train.add_argument("--steps", type=int, help="optimiser steps, if not the recipe's")
    train.add_argument("--images", type=int, help="training pictures (for a scorer: of each class)")
    train.add_argument("--device", choices=("cpu", "cuda"), help="by default the GPU if there is one")
    train.add_argument("--threads", type=int, help="processor threads, by default torch's choice")
    _add_study_commands(commands)
    return parser


SHARED = """Under `torchrun --nproc_per_node 8` or `accelerate launch` the same command spreads over processes, one for
each GPU, and with a shared folder over machines: batches are claimed one by one, so processes may come and go. Whatever
was interrupted, killed or ran out of disk goes on when the command is given again."""


def _add_study_commands(commands) -> None:
    texts = {
        "invert": ("invert images of a domain into a store of latents", "Prints the folder of the store."),
        "sample": ("draw new latents among inverted ones and denoise them", "Inverts first what is missing."),
        "study": ("measure what the chapters measure, for one domain", "Writes a JSON file and prints a summary."),
    }
    for name, (short, what) in texts.items():
        command = commands.add_parser(name, help=short, description=f"{short.capitalize()}. {what}", epilog=SHARED)
        command.add_argument("--model", required=True, help="shipped name, folder, checkpoint file or hub id")
        command.add_argument("--domain", required=True, help="name, such as church, or folder of images or FITS files")
        # names that are no beginning of torchrun's own options, which would take them
        command.add_argument("--images", type=int, default=200, help="how many to invert (default: %(default)s)")
        command.add_argument("--folder", default="latents", help="of the stores (default: %(default)s)")
        command.add_argument("--timestep", type=int, default=800, help="timestep of the latents (default: %(default)s)")
        command.add_argument("--steps", type=int, default=50, help="of the walk (default: %(default)s)")
        command.add_argument("--solver", default="ddim", help="ddim (the paper's, default), dpm2m, ab2, heun ...")
        command.add_argument("--precision", default="auto", help="float32, bfloat16, float16 or auto (default)")
        command.add_argument("--seed", type=int, default=0, help="which images (default: %(default)s)")
        command.add_argument("--device", help="by default this process's GPU, if there is one")
        command.add_argument("--attention-head-dim", type=int, help="of an OpenAI checkpoint: 64 in the published ones")
        command.add_argument("--image-size", type=int, default=256, help="of a checkpoint file (default: %(default)s)")
        command.add_argument("--schedule", default="linear", help="of a checkpoint file: linear (default) or cosine")
        if name != "invert":
            command.add_argument("--method", default="centred", help="way to draw (default: %(default)s)")
            command.add_argument("--neighbours", type=int, default=10, help="of centred (default: %(default)s)")
            command.add_argument("--share", type=float, default=0.5, help="of centred (default: %(default)s)")
            command.add_argument("--sampling-seed", type=int, default=0, help="of the draws (default: %(default)s)")
        if name == "sample":
            command.add_argument("--count", type=int, default=64, help="new images (default: %(default)s)")
            command.add_argument("--output", required=True, help="folder for the images")
        if name == "study":
            command.add_argument("--own", required=True, help="the domain that the model was trained on")
            command.add_argument("--output", required=True, help="JSON file for the results")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 1 after an error that a user can mend."""
    options = build_parser().parse_args(arguments)
    try:
        if options.command == "train":
            return _train(options)
        from .scale import commands

        getattr(commands, options.command)(options)
        return 0
    except (ValueError, TypeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        print(f"error: out of memory; what is done is kept. {error}", file=sys.stderr)
        return 1


def _train(options) -> int:
    import torch

    from .training.scorer import EMBEDDING, GALAXIES, train_scorer
    from .training.toys import train

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
