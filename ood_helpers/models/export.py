"""A frozen network as an ONNX file, for programs without torch: other languages, a phone, a page in a browser."""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..checks import check_choice, check_integer
from ..files import write_whole
from .frozen import FrozenModel, NetworkPredictor

OPSET = 18
TOLERANCE = 1e-4  # of the largest difference to torch
SMALL = 64  # numbers: shorter tensors hold statistics and shapes, and stay as they are


class _Noise(nn.Module):
    """The noise that a network predicts, as a module on the processor: what the exporter asks for."""

    def __init__(self, predictor: NetworkPredictor, alphas_cumprod: torch.Tensor):
        super().__init__()
        self.network = copy.deepcopy(predictor.network).cpu()
        self._predict = NetworkPredictor(self.network, predictor.channels, False, predictor.kind, alphas_cumprod)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self._predict(x, t)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what torch's exporter warns of: packages that are not here, and its own insides."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def export_onnx(
    model: FrozenModel | nn.Module, file: str | os.PathLike, *, weights: str = "float16", batch: int = 1
) -> Path:
    """Write a network as an ONNX file, and check with onnxruntime that it computes what torch does.

    A model's file maps ``x``, float32 ``(batch, C, H, W)``, and ``t``, float32 ``(batch,)``, to ``eps`` in the shape of
    ``x``, whatever its network predicts, and keeps ``alphas_cumprod`` in its metadata, as JSON. A scorer's file maps
    ``images``, float32 ``(batch, 3, 64, 64)``, to ``scores``.

    Raises TypeError for a closed form, which has no network; ImportError without the packages of
    ``pip install 'ood-helpers[onnx]'``; and ValueError, with no file written, if the outputs of a random input differ
    from torch's by more than 1e-4.

    Parameters
    ----------
    model : FrozenModel or DomainScorer
    file : str or path
        Where to write, such as ``toy-dog.onnx``; its folder is made.
    weights : {"float16", "float32"}
        How the weights are kept; the network computes in float32 either way. Those of the shipped models are exact in
        float16. For others it is a rounding, which the check may refuse.
    batch : int
        Images that one call takes.
    """
    path, network = Path(file), copy.deepcopy(model).cpu() if isinstance(model, nn.Module) else None
    shape: tuple[int, ...] = (3, 64, 64)
    times: dict[str, torch.Tensor] = {}
    if path.is_dir():
        raise ValueError(f"file: got the folder {str(path)!r}, expected a file to write")
    if isinstance(model, FrozenModel):
        if not isinstance(model.predictor, NetworkPredictor):
            raise TypeError(f"model: got {model.name!r}, which has no network, expected one that load_model returned")
        network, shape = _Noise(model.predictor, model.alphas_cumprod), model.image_shape
        times = {"t": torch.linspace(0, len(model.alphas_cumprod) - 1, check_integer("batch", batch, 1) + 2)[1:-1]}
    if network is None:
        raise TypeError(f"model: got {type(model).__name__}, expected a FrozenModel or a scorer")
    check_choice("weights", weights, ("float16", "float32"))
    noise = torch.randn((check_integer("batch", batch, 1), *shape), generator=torch.Generator().manual_seed(0))
    inputs = {"x" if times else "images": noise, **times}
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (torch writes its graphs by it)
    except ImportError as error:
        raise ImportError(f"model: the export needs {error.name}; pip install 'ood-helpers[onnx]'") from error
    names, outputs = list(inputs), ["eps" if times else "scores"]
    with _quiet():
        expected = network.eval()(*inputs.values())
        settings: Any = {"dynamo": True, "opset_version": OPSET, "input_names": names, "output_names": outputs}
        program: Any = torch.onnx.export(network, tuple(inputs.values()), verbose=False, **settings)
    graph = program.model_proto
    for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.input, *graph.graph.output):
        del part.metadata_props[:]  # where in whose source each number was computed
    del graph.graph.value_info[:], graph.metadata_props[:]
    if isinstance(model, FrozenModel):
        onnx.helper.set_model_props(graph, {"alphas_cumprod": json.dumps(model.alphas_cumprod.tolist())})
    if weights == "float16":
        _halve(graph, onnx)
    content = graph.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    off = float((torch.from_numpy(found) - expected).abs().max())
    if not off <= TOLERANCE:
        raise ValueError(f"weights: in {weights} the outputs differ from torch's by {off:.1e}, expected {TOLERANCE:g}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return path


def _halve(graph, onnx) -> None:
    """Keep the weights of a graph in float16, each with a cast to float32 where it is used."""
    casts = []
    for tensor in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if tensor.data_type != onnx.TensorProto.FLOAT or values.size < SMALL:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype("float16"), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for place, cast in enumerate(casts):
        graph.graph.node.insert(place, cast)
