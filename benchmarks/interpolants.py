"""Ways between two latents of churches: line, arc, corrected line (COG), a geodesic; and draws among ten neighbors.

    python benchmarks/interpolants.py

The geodesic is that of the metric |J v|^2, J the Jacobian of the predicted noise eps(x, t), as in arXiv 2504.20288 and
2510.05509. In steps, its energy is the sum of |eps(x_(k+1), t) - eps(x_k, t)|^2 along the path. The network fixes the
length of eps whatever the length of x, so the lengths along the path are kept at those of the arc, where it starts.

Prints a table and writes `benchmarks/results/interpolants.json`, and a sheet of the middles of the first six pairs,
`results/interpolants.webp`. An interrupted run goes on where it stopped. Some 11 TFLOP: two minutes on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from generation import with_errors
from records import keep, known_rows, opened

import ood_helpers as ood
from ood_helpers import fingerprint, measured_operations, paid, save_sheet

RESULTS = Path(__file__).parent / "results" / "interpolants.json"
HEIGHTS = {800: 20, 400: 12}  # timestep of the latents, and steps of the way down
WEIGHTS = (0.25, 0.5, 0.75)
WAYS = ("line", "arc", "cog", "geodesic", "10 neighbors")
SHOWN = 6  # columns of the sheet; its rows are those of the record, in their order
SHARP = 0.25  # cycles per pixel: finer detail counts as sharpness


def energy(eps: torch.Tensor) -> torch.Tensor:
    """Energies of paths of unit time: eps ``(k, n, C, H, W)`` at ``k`` points of each, ends included; ``(n,)``."""
    return (len(eps) - 1) * eps.diff(dim=0).square().sum((0, 2, 3, 4))


def geodesic(model, z1, z2, t: int, iterations: int, rate: float) -> tuple[torch.Tensor, list[float]]:
    """Lower the energy of arcs by Adam, their lengths kept; return interior points, and mean energy over a line's."""
    network, label = ood.network_of(model), torch.full((len(WEIGHTS) * len(z1),), float(t))
    x = torch.stack([ood.slerp(z1, z2, w) for w in WEIGHTS])
    lengths, ends = x.flatten(2).norm(dim=2)[..., None, None, None], [model.eps(z, t)[None] for z in (z1, z2)]
    straight, found, each = energy(torch.cat(ends)), [], 0.0
    x.requires_grad_(True)
    optimizer = torch.optim.Adam([x], lr=rate)
    for _ in range(iterations + 1):
        with paid(each) if each else measured_operations() as cost:
            eps = network(x.flatten(0, 1), label).sample[:, : z1.shape[1]].reshape(x.shape)
            total = energy(torch.cat([ends[0], eps, ends[1]]))
            (x.grad,) = torch.autograd.grad(total.sum(), x)
        each = cost.total
        found.append(float((total.detach() / straight).mean()))
        if len(found) <= iterations:
            optimizer.step()
            with torch.no_grad():
                x.mul_(lengths / x.flatten(2).norm(dim=2)[..., None, None, None])
    return x.detach(), found


def latents_between(
    way: str, model: ood.FrozenModel, cloud: torch.Tensor, n: int, t: int, iterations: int = 20, rate: float = 0.02
) -> tuple[torch.Tensor, dict]:
    """Latents of one of `WAYS` between the first ``n`` of a cloud and the next ``n``, at all `WEIGHTS`, and more."""
    z1, z2 = cloud[:n], cloud[n : 2 * n]
    if way == "10 neighbors":
        fresh = {"neighbors": 10, "share": 0.5, "generator": torch.Generator().manual_seed(11)}
        return ood.sample_latents(cloud, len(WEIGHTS) * n, "centered", **fresh), {}
    if way == "geodesic":
        points, energies = geodesic(model, z1, z2, t, iterations, rate)
        return points.flatten(0, 1), {"energies": energies}
    if way == "cog":
        weights = torch.zeros(len(WEIGHTS), n, len(cloud))
        for row, w in zip(weights, WEIGHTS, strict=True):
            row[torch.arange(n), torch.arange(n)], row[torch.arange(n), torch.arange(n) + n] = 1 - w, w
        return ood.corrected_combination(cloud, weights.flatten(0, 1)), {}
    along = ood.lerp if way == "line" else ood.slerp
    return torch.cat([along(z1, z2, w) for w in WEIGHTS]), {}


def main() -> None:
    """Measure the rows that the record lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="toy-dog")
    parser.add_argument("--domain", default="church")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--inputs", type=int, default=48, help="inverted latents; the first ones make the pairs")
    parser.add_argument("--real", type=int, default=400, help="held-out images")
    parser.add_argument("--steps", type=int, default=24, help="of UniPC, on the way up")
    parser.add_argument("--iterations", type=int, default=20, help="of the geodesic")
    parser.add_argument("--rate", type=float, default=0.02, help="of Adam")
    parser.add_argument("--folder", default="_build/latents", help="where inverted latents are kept")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, default=RESULTS, help="file for the results")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    model = ood.load_model(options.model)
    size, name, n = model.image_shape[-1], options.domain, options.pairs
    settings = {k: v for k, v in vars(options).items() if k not in ("folder", "threads", "output")}
    settings |= {"heights": list(HEIGHTS), "weights": list(WEIGHTS), "precision": "float32"}
    head = {"settings": settings, "weights": {model.name: fingerprint(model)}}
    record = opened(options.output, head, rows={})
    stored = {"seed": 2, "folder": options.folder, "steps": options.steps, "solver": "unipc", "progress": False}
    clouds = ood.climbing_latents(model, name, options.inputs, list(HEIGHTS), **stored)
    inputs = ood.load_domain(name, options.inputs, size, 2)
    real = ood.load_domain(name, options.real, size, 77)
    pairs = tuple(inputs[k : k + n].repeat(len(WEIGHTS), 1, 1, 1) for k in (0, n))
    frequency, power = ood.power_spectrum(real)

    def measure(images: torch.Tensor, double: bool, **more) -> dict:
        distance = ood.kernel_distance(images, real)
        new = ood.novelty(images, inputs, real, network=torch.nn.Flatten())
        fine = ood.power_spectrum(images)[1][frequency > SHARP].mean() / power[frequency > SHARP].mean()
        row = {
            "images": len(images),
            "interference": ood.interference_rate(images, "dog", name).rate,
            **with_errors(kernel=distance),
            "sharpness": float(fine),
            "novelty": new.median,
            "copies": new.copies,
        }
        if double:
            row["double"] = float(ood.double_exposures(images, pairs, inputs, real[:100]).mean())
        return row | more

    def note(label: str, images: torch.Tensor, row: dict) -> None:
        sheet = options.output.with_suffix(".webp")
        earlier = known_rows(sheet, len(record["rows"]))
        save_sheet(torch.cat([*earlier, images[n : n + SHOWN]]), sheet, columns=SHOWN, zoom=1)
        record["rows"][label] = row
        keep(options.output, record)
        print(label, {k: round(v, 3) for k, v in row.items() if isinstance(v, float)}, flush=True)

    if "real" not in record["rows"]:
        other = ood.load_domain(name, len(WEIGHTS) * n, size, 78)
        note("real", other, measure(other, False))
    if "cross-fade" not in record["rows"]:
        faded = torch.cat([(1 - w) * pairs[0][:n] + w * pairs[1][:n] for w in WEIGHTS])
        note("cross-fade", faded, measure(faded, True))
    for t, steps in HEIGHTS.items():
        cloud = clouds[t].tensor(0, options.inputs)
        for way in WAYS:
            if (label := f"{way}, {t}") in record["rows"]:
                continue
            before = ood.operations()
            z, more = latents_between(way, model, cloud, n, t, options.iterations, options.rate)
            more["operations_of_path"] = ood.operations() - before
            down = {"t": t, "steps": steps, "solver": "dpm2m", "precision": "float32", "progress": False}
            images = ood.denoise(model, z, **down).clamp(-1, 1)
            more["operations"] = ood.operations() - before
            note(label, images, measure(images, way != "10 neighbors", **more))


if __name__ == "__main__":
    main()
