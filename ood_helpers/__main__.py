"""The command line: ``python -m ood_helpers train toy-dog --output runs/toy-dog``."""

from __future__ import annotations

import argparse
import sys


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; `torch` is imported only once a command runs."""
    parser = argparse.ArgumentParser(prog="python -m ood_helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser(
        "train",
        help="train a toy model or the domain scorer, or continue an interrupted training",
        description="Train a network as it is shipped, seeded. A toy model's folder holds a diffusers pipeline in half "
        "precision, training.json with the loss, and samples.png; the same command continues an interrupted run. "
        "The scorer's folder holds its weights and scorer.json with its accuracy.",
    )
    train.add_argument("model", help="a toy model's name, such as toy-dog; or domain-scorer, domain-embedding")
    train.add_argument("--output", required=True, help="folder for the model and its checkpoint")
    train.add_argument("--steps", type=int, help="optimiser steps, if not the recipe's")
    train.add_argument("--images", type=int, help="training pictures (for the scorer: of each domain)")
    train.add_argument("--device", choices=("cpu", "cuda"), help="by default the GPU if there is one")
    train.add_argument("--threads", type=int, help="processor threads, by default torch's choice")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 1 after an error that a user can mend."""
    options = build_parser().parse_args(arguments)
    try:
        return _train(options)
    except (ValueError, TypeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _train(options) -> int:
    import torch

    from .training.scorer import EMBEDDING, train_scorer
    from .training.toys import train

    if options.threads:
        torch.set_num_threads(options.threads)
    changes = {key: value for key in ("steps", "images") if (value := getattr(options, key)) is not None}
    if options.model in ("domain-scorer", "domain-embedding"):
        changes |= EMBEDDING if options.model == "domain-embedding" else {}
        folder = train_scorer(options.output, device=options.device, **changes)
        print(f"saved {folder}; use it by ood.load_scorer({str(folder)!r})")
    else:
        folder = train(options.model, options.output, device=options.device, **changes)
        print(f"saved {folder}; use it by ood.load_model({str(folder)!r})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
