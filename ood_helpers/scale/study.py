"""The study of unseen domains in batches that processes share: latents, errors of round trips, new images."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import ood_helpers as ood

from .. import BATCH, FrozenModel, LatentStore, batch_of_images, sampler_settings
from ..checks import check_integer
from ..files import write_whole
from .work import share

Domain = str | Path


@dataclass(frozen=True)
class Study:
    """What is inverted, how, and into which folder of stores; how new images are made; which process of how many.

    ``tuning`` has the settings of a ``method`` that tunes in place of drawing latents.

    With ``precision="auto"`` machines of different kinds may disagree, and would fill two stores: name it.
    A ``batch_size`` below 16 takes less memory, and changes latents by no more than rounding.
    """

    images: int = 200
    seed: int = 0
    folder: Path = Path("latents")
    t: int = 800
    steps: int = 50
    solver: str = "ddim"
    precision: str = "auto"
    batch_size: int = BATCH
    count: int = 64
    method: str = "interpolate"
    neighbors: int = 10
    share: float = 0.5
    weight: float = 0.5
    sampling_seed: int = 0
    tuning: Mapping[str, float | str] | None = None
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (("images", 1, None), ("seed", 0, None), ("batch_size", 1, BATCH), ("count", 1, None)):
            check_integer("--" + name.replace("_", "-"), getattr(self, name), low, high)
        check_integer("--sampling-seed", self.sampling_seed, 0)

    @property
    def walk(self) -> dict[str, int | str]:
        """What `invert` and `denoise` take, and what stands in a record."""
        return {"t": self.t, "steps": self.steps, "solver": self.solver, "precision": self.precision}

    @property
    def drawing(self) -> dict[str, float | str]:
        """The settings that the method has."""
        if self.tuning is not None:
            return dict(self.tuning)
        return {name: getattr(self, name) for name in sampler_settings(self.method) if hasattr(self, name)}

    def draw(self, cloud: torch.Tensor, count: int) -> torch.Tensor:
        """Return new latents ``(count, C, H, W)``, the same in every process."""
        generator = torch.Generator().manual_seed(self.sampling_seed)
        return ood.sample_latents(cloud, count, self.method, generator=generator, **self.drawing)

    def denoise(self, model: FrozenModel, latents: torch.Tensor) -> torch.Tensor:
        """Return images of latents."""
        return ood.denoise(model, latents, **self.walk, progress=False, batch_size=self.batch_size)


def writable(option: str, folder: Path) -> Path:
    """Return a folder, made if need be, that can be written; otherwise say so before there is any work to lose."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OSError(f"{option}: cannot write to {str(folder)!r} ({error.strerror})") from error


def check_domain(domain: Domain, plan: Study, more: int = 0) -> None:
    """Raise now if a domain has fewer images than are to be inverted, and ``more`` to compare new ones with."""
    try:
        ood.domain_parameters(domain, 1, plan.seed, plan.images + more - 1)
    except ValueError as error:
        raise ValueError(f"--images {plan.images}{f' and --count {more}' if more else ''}: {error}") from None


def check_drawing(plan: Study) -> None:
    """Raise now what drawing among the latents would raise after they have been inverted."""
    fewer = min(plan.images, max(plan.neighbors, 16))
    plan.draw(torch.randn(fewer, 3, 8, 8, generator=torch.Generator().manual_seed(0)), 1)


def check_walk(model: FrozenModel, domains: Sequence[Domain], plan: Study) -> None:
    """Raise now if a model cannot walk so, or the first image of a domain cannot be read in its size."""
    ood.inversion_levels(model.alphas_cumprod, plan.t, plan.steps)
    ood.network_dtype(model, plan.precision)
    for domain in domains:
        batch_of_images(model, domain, 1, plan.seed, 0)


def check_output(folder: Path, model: FrozenModel, domain: Domain, plan: Study, home: Domain | None = None) -> None:
    """Write down in a folder by what its images are made, or raise if it holds others, or lies within the domain.

    ``home`` is the model's own domain, where images of it are translated.
    """
    if domain not in ood.list_domains() and Path(domain).resolve() in (folder.resolve(), *folder.resolve().parents):
        raise ValueError(f"--output: got {str(folder)!r}, within the domain {str(domain)!r}; expected another folder")
    made_by = {"model": model.name, "weights": ood.fingerprint(model), "method": plan.method, **plan.drawing}
    made_by |= {name: getattr(plan, name) for name in ("images", "seed", "count", "sampling_seed")}
    made_by |= {**plan.walk, "domain": str(domain), "files": ood.domain_fingerprint(domain)}
    if home is not None:
        made_by |= {"own": str(home), "own files": ood.domain_fingerprint(home)}
    full = any(writable("--output", folder).glob("*.png"))  # asked first: another process may begin at this moment
    file = folder / "settings.json"
    before = json.loads(file.read_bytes()) if file.exists() else {} if full else made_by
    if changed := ", ".join(name for name in {**before, **made_by} if before.get(name) != made_by.get(name)):
        why = f"by other settings, see settings.json there: {changed}" if before else "by something else"
        raise ValueError(f"--output: {str(folder)!r} holds images made {why}; remove it, or give another folder")
    write_whole(file, (json.dumps(made_by, indent=1, sort_keys=True) + "\n").encode())


def inverted(model: FrozenModel, domains: Sequence[Domain], plan: Study) -> list[LatentStore]:
    """Return the stores of domains with ``plan.images`` latents at least, in every process that calls it alike.

    Batches are those of `inverted_latents`. Each is a file in the store's folder, ``latents-*.npy``, until all are
    there; then each process appends what the store still lacks.
    """
    walk = {"t": plan.t, "steps": plan.steps, "solver": plan.solver, "grid": None}
    stores = [ood.open_store(plan.folder, model, domain, plan.seed, plan.precision, walk) for domain in domains]

    def make(k: int, start: int, stop: int) -> torch.Tensor:
        images = batch_of_images(model, domains[k], stop, plan.seed, start)
        return ood.invert(model, images, **plan.walk, progress=False, batch_size=plan.batch_size)

    for k, start, stop, file in _arrays("latents", stores, plan.images, plan, make):
        try:
            if len(stores[k]) < stop:
                stores[k].append(torch.from_numpy(np.load(file)), start)
        except FileNotFoundError:
            if len(stores[k]) < stop:  # else another process has just appended it, and removed the file
                raise
    for store in stores:
        for file in store.path.glob("latents-*.npy"):
            if int(file.stem[-8:]) <= len(store):
                file.unlink(missing_ok=True)
    return stores


def round_trip_errors(
    model: FrozenModel, domains: Sequence[Domain], stores: Sequence[LatentStore], n: int, plan: Study
) -> list[torch.Tensor]:
    """Return the error of the first ``n`` images of each domain, ``(n,)``, kept with its store as ``errors-*.npy``."""

    def make(k: int, start: int, stop: int) -> torch.Tensor:
        images = batch_of_images(model, domains[k], stop, plan.seed, start)
        return ood.reconstruction_error(images, plan.denoise(model, stores[k].tensor(start, stop).to(images.device)))

    units = _arrays("errors", stores, n, plan, make)
    return [torch.from_numpy(np.concatenate([np.load(u[3]) for u in units if u[0] == k])) for k in range(len(stores))]


def _arrays(
    what: str, stores: Sequence[LatentStore], n: int, plan: Study, make: Callable[[int, int, int], torch.Tensor]
) -> list[tuple[int, int, int, Path]]:
    """Share the making of arrays; return for each which store it belongs to, start, stop, and its file."""
    units = [
        (k, start, min(start + BATCH, n), store.path / f"{what}-{start:08d}-{min(start + BATCH, n):08d}.npy")
        for k, store in enumerate(stores)
        for start in range(0, n, BATCH)
    ]

    def there(unit: tuple[int, int, int, Path]) -> bool:
        return unit[3].exists() or (what == "latents" and len(stores[unit[0]]) >= unit[2])

    def write(unit: tuple[int, int, int, Path]) -> None:
        content = io.BytesIO()
        np.save(content, make(*unit[:3]).cpu().numpy().astype("<f4"))
        write_whole(unit[3], content.getvalue())

    share(units, there, write, plan.rank, plan.world, what)
    return units


def write_images(make: Callable[[int, int], torch.Tensor], plan: Study, folder: Path) -> list[Path]:
    """Share the making of images, from one number to another, and write them as numbered PNG files."""
    files = [folder / f"{number:08d}.png" for number in range(plan.count)]

    def there(start: int) -> bool:
        return all(file.exists() for file in files[start : start + BATCH])

    def write(start: int) -> None:
        some = files[start : start + BATCH]
        for file, image in zip(some, make(start, start + len(some)), strict=True):
            content, pixels = io.BytesIO(), ((image.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
            Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy().squeeze()).save(content, "PNG")
            write_whole(file, content.getvalue())

    share(range(0, plan.count, BATCH), there, write, plan.rank, plan.world, "images")
    return files
