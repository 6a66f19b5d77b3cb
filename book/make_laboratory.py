"""Pack what the panels of the pages load: the runtime, networks, pictures and latents, as scripts.

    python book/make_laboratory.py FOLDER

Each file becomes scripts of a megabyte, gzip in base64: a page may load these from a disk, too, where it may not fetch.
A build of the book calls this, after its chapters have made the latents that they share.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from get_runtime import here

import ood_helpers as ood
from ood_helpers.pages import panels, shared

ROOT = Path(__file__).parents[1]
MODELS = ("toy-dog", "real-hand")
DRAWN = ("church", "cat", "face", "bedroom", "galaxy", "radiation", "sketch", "dog")
REAL = ("hubble", "photographs", "texture")
CLOUDS = ("church", "cat", "galaxy", "sketch")
SHOWN, CLOUD = 8, 12  # pictures of a domain to choose from; latents of a domain
PIECE = 2**20


def pack(name: str, content: bytes, folder: Path) -> dict[str, int]:
    """Write a file's scripts; return how many they are, and how many characters they carry."""
    text = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    for number, piece in enumerate(pieces):
        (folder / f"{name}.{number}.js").write_text(f'Laboratory.part("{name}", {number}, "{piece}");\n')
    return {"parts": len(pieces), "size": len(text)}


def runs(names: tuple[str, ...], parts: list[np.ndarray]) -> dict[str, dict[str, int]]:
    """Say of each domain where it begins and how many it has, in a file of one after another."""
    counts = [len(part) for part in parts]
    starts = np.cumsum([0, *counts])
    return {name: {"first": int(s), "count": n} for name, s, n in zip(names, starts, counts, strict=False)}


def networks(folder: Path) -> dict[str, dict]:
    """Export the networks and pack them."""
    made = {}
    with tempfile.TemporaryDirectory() as place:
        for name in (*MODELS, "domain-scorer"):
            network = ood.load_scorer() if name == "domain-scorer" else ood.load_model(name, device="cpu")
            made[name] = pack(name, ood.export_onnx(network, Path(place) / f"{name}.onnx").read_bytes(), folder)
    return made


def main(folder: Path) -> None:
    """Write all scripts, and `assets.js`, which says what there is."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.js"):
        old.unlink()
    files = {use: pack(use, file.read_bytes(), folder) for use, file in here().items()}
    files |= networks(folder)
    domains = (*DRAWN, *REAL)
    counts = [CLOUD if name in CLOUDS else SHOWN for name in domains]
    pictures = [ood.load_domain(name, n, 64, shared.SEED) for name, n in zip(domains, counts, strict=True)]
    bytes_of = [((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy() for images in pictures]
    files["pictures"] = pack("pictures", np.concatenate(bytes_of).tobytes(), folder)
    toy = ood.load_model("toy-dog", device="cpu")
    latents = [z.half().numpy() for z in shared.clouds(toy, CLOUDS, CLOUD).values()]
    files["latents"] = pack("latents", np.concatenate(latents).tobytes(), folder)
    assets = {
        "files": files,
        "models": {name: {"alphas": ood.load_model(name, device="cpu").alphas_cumprod.tolist()} for name in MODELS},
        "pictures": runs(domains, bytes_of),
        "clouds": runs(CLOUDS, latents),
        "judged": ood.load_scorer().domains,
        "down": {key: shared.DOWN[key] for key in ("t", "steps", "solver")},
    }
    (folder / "assets.js").write_text(f"Object.assign(Laboratory.assets, {json.dumps(assets)});\n")
    (folder / "sizes.json").write_text(json.dumps({name: file["size"] for name, file in files.items()}))


def stills(folder: Path) -> None:
    """Draw what the panels show where no network runs."""
    shows = {"walk": panels.walk, "noise": panels.noisy_return, "between": panels.between}
    settings = {"walk": {"steps": 12, "solver": "dpm2m"}, "noise": {"eta": 0.8}, "between": {}}
    for name, show in shows.items():
        show(**settings[name]).savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight", facecolor="white")


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    if here():
        main(target)
    else:
        target.mkdir(parents=True, exist_ok=True)
    stills(target)
