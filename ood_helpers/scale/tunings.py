"""The rows of Table 1 that tune first: vanilla tuning, DiffusionCLIP and Asyrp, as they were published.

Sec. 3.1 of the paper and its code say how vanilla tuning goes; the README of DiffusionCLIP and the training script of
Asyrp, both in their releases, give the other numbers. What leads these two is here the way between means of images, in
the space of an embedding; the releases take it from texts. They translate images of the model's own domain, others than
those that they were tuned on; a vanilla-tuned model makes fresh images, of the mean colors of those that it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch.nn import functional

import ood_helpers as ood

from .. import FrozenModel, batch_of_images
from ..baselines import ClipEmbedding, Interval, asyrp_denoise, diffusion_clip, fine_tune, scorer_embedding, train_asyrp
from ..training import stream_of_step
from .study import Domain, Study, write_images

Embedding = Callable[[torch.Tensor], torch.Tensor]
PUBLISHED: dict[str, dict[str, float]] = {
    "vanilla": {"learning_rate": 1e-5, "batch_size": 4, "tuning_steps": 5000},
    "diffusionclip": {"learning_rate": 8e-6, "train_steps": 6, "l1_weight": 1.0, "sources": 50, "passes": 5},
    "asyrp": {"learning_rate": 0.5, "train_steps": 50, "clip_weight": 1.0, "l1_weight": 3.0, "sources": 100}
    | {"passes": 5, "t_edit": 482, "t_boost": 167},
}
WALKS = {
    "diffusionclip": {"t": 500, "steps": 40, "solver": "ddim"},
    "asyrp": {"t": 999, "steps": 50, "solver": "ddim"},
}
LED = tuple(WALKS)  # by an embedding, away from images of the model's own domain


def planned(method: str, plan: Study, tuning_steps: int | None, embedding: str) -> Study:
    """Return the plan of a row of Table 1: of a sampler; or of a tuning, with its settings and its own walk."""
    if method not in PUBLISHED:
        return replace(plan, method=method)
    settings: dict[str, float | str] = dict(PUBLISHED[method])
    if tuning_steps is not None:
        settings = {key: value for key, value in settings.items() if key != "passes"} | {"tuning_steps": tuning_steps}
    led = {"embedding": embedding} if method in LED else {}
    return replace(plan, method=method, tuning=settings | led, **WALKS.get(method, {}))


def embedding_of(name: str, device: torch.device) -> Embedding:
    """Return the embedding called "scorer" or "clip", or of a CLIP by its folder or hub id."""
    if name == "scorer":
        return scorer_embedding(device=device)
    return ClipEmbedding(device=device) if name == "clip" else ClipEmbedding(name, device)


def check_tuned(model: FrozenModel) -> None:
    """Raise now if a network predicts what no tuning here can train."""
    if (kind := getattr(model.predictor, "kind", "epsilon")) != "epsilon":
        raise ValueError(f"--methods: {model.name!r} predicts {kind!r}; only networks that predict noise can be tuned")


def tuned_images(
    model: FrozenModel, home: Domain, domain: Domain, plan: Study, embed: Embedding | None, folder: Path
) -> list[Path]:
    """Tune for a domain and make numbered PNG files, in one process alone; where all are there, nothing is tuned."""

    @cache
    def make() -> Callable[[int, int], torch.Tensor]:
        settings = {key: value for key, value in (plan.tuning or {}).items() if key != "embedding"}
        size = model.image_shape[-1]
        targets = ood.load_domain(domain, plan.images, size, plan.seed)
        if plan.method == "vanilla":
            return _vanilla(model, targets, plan, **settings)
        sources = ood.load_domain(home, min(plan.images, settings.pop("sources")), size, plan.seed)
        translate = {"diffusionclip": _diffusionclip, "asyrp": _asyrp}[plan.method]
        translated = translate(model, sources, targets, plan, embed, **settings)

        def of_others(start: int, stop: int) -> torch.Tensor:
            images = batch_of_images(model, home, plan.images + stop, plan.seed, plan.images + start)
            latents = ood.invert(model, images, **plan.walk, progress=False, batch_size=plan.batch_size)
            return translated(latents, start)

        return of_others

    return write_images(lambda start, stop: make()(start, stop), replace(plan, rank=0, world=1), folder)


def _vanilla(model, targets, plan, tuning_steps, **settings):
    seed = plan.sampling_seed
    tuned = fine_tune(model, targets, steps=tuning_steps, seed=seed, precision=plan.precision, **settings).model

    def fresh(start: int, stop: int) -> torch.Tensor:
        colors = targets[torch.arange(start, stop) % len(targets)].mean((2, 3))
        how = {"generator": stream_of_step(seed, start), "progress": False, "batch_size": plan.batch_size}
        return ood.fresh_images(tuned, stop - start, eta=0.0, colors=colors, **plan.walk, **how)

    return fresh


def _diffusionclip(model, sources, targets, plan, embed, passes=0, tuning_steps=None, **settings):
    walk = {"t": plan.t, "inversion_steps": plan.steps, "steps": tuning_steps or passes * len(sources)}
    tuned = diffusion_clip(model, sources, targets, embed=embed, precision=plan.precision, **walk, **settings).model
    return lambda latents, start: plan.denoise(tuned, latents)


def _asyrp(model, sources, targets, plan, embed, passes=0, tuning_steps=None, **settings):
    interval = Interval(plan.t, settings.pop("t_edit"), settings.pop("t_boost"))
    levels = ood.generation_levels(model.alphas_cumprod, plan.t, settings["train_steps"])[:-1]
    edited = sum(level.t >= interval.t_edit for level in levels)  # each is a step of the descent
    with torch.no_grad():
        alike = functional.cosine_similarity(*(embed(x).mean(0) for x in (sources, targets)), dim=0)
    settings["l1_weight"] *= max(0.0, float(alike))  # as in the release, where texts are never unlike
    steps, seed = tuning_steps or passes * edited * len(sources), plan.sampling_seed
    walk = {"interval": interval, "inversion_steps": plan.steps, "steps": steps, "seed": seed}
    block = train_asyrp(model, sources, targets, embed=embed, precision=plan.precision, **walk, **settings)

    def shifted(latents: torch.Tensor, start: int) -> torch.Tensor:
        how = {"generator": stream_of_step(seed, start), "progress": False, "batch_size": plan.batch_size}
        return asyrp_denoise(block, latents, steps=plan.steps, precision=plan.precision, **how)

    return shifted
