"""A frozen network as an ONNX file, for programs without torch: other languages, a phone, a page in a browser."""

from __future__ import annotations

import copy
import logging
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..checks import check_choice, check_device, check_integer
from ..files import write_whole
from .frozen import FrozenModel, network_of

OPSET = 18
TOLERANCE = 1e-4  # of the largest difference to torch
SMALL = 64  # numbers: shorter tensors hold statistics and shapes, and stay as they are


class _Predictor(nn.Module):
    """The noise that a model predicts, as a module: what the exporter asks for."""

    def __init__(self, model: FrozenModel):
        super().__init__()
        self.network, self._predict = network_of(model), model.predictor

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self._predict(x, t)


def export_onnx(
    model: FrozenModel | nn.Module, file: str | os.PathLike, *, weights: str = "float16", batch: int = 1
) -> Path:
    """Write a network as an ONNX file, and check with onnxruntime that it computes what torch does.

    A model's file maps ``x``, float32 ``(batch, C, H, W)``, and ``t``, float32 ``(batch,)``, to ``eps`` in the shape of
    ``x``, whatever its network predicts; a scorer's maps ``images``, float32 ``(batch, 3, 64, 64)``, to ``scores``.

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
    frozen = isinstance(model, FrozenModel)
    if not (isinstance(model, nn.Module) or (isinstance(model, FrozenModel) and network_of(model) is not None)):
        told = model.name if isinstance(model, FrozenModel) else type(model).__name__
        raise TypeError(f"model: got {told!r}, expected a model or a scorer with a network")
    check_choice("weights", weights, ("float16", "float32"))
    shape = (check_integer("batch", batch, 1), *(model.image_shape if isinstance(model, FrozenModel) else (3, 64, 64)))
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (torch writes its graphs by it)
    except ImportError as error:
        raise ImportError(f"model: the export needs {error.name}; pip install 'ood-helpers[onnx]'") from error
    generator = torch.Generator().manual_seed(0)
    inputs = {"x" if frozen else "images": torch.randn(shape, generator=generator)}
    if frozen:
        inputs["t"] = torch.linspace(0, len(model.alphas_cumprod) - 1, batch + 2)[1:-1]
    on_processor = copy.deepcopy(_Predictor(model) if frozen else model).to(check_device("device", "cpu")).eval()
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # it tells which packages are not here, and warns of its own insides
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = on_processor(*inputs.values())
        program: Any = torch.onnx.export(
            on_processor,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=["eps" if frozen else "scores"],
            verbose=False,
        )
    log.setLevel(level)
    graph = program.model_proto
    for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.input, *graph.graph.output):
        del part.metadata_props[:]  # where in whose source each number was computed
    del graph.graph.value_info[:], graph.metadata_props[:]
    if weights == "float16":
        _halve(graph, onnx)
    content = graph.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    off = float((torch.from_numpy(found) - expected).abs().max())
    if not off <= TOLERANCE:
        raise ValueError(f"weights: in {weights} the outputs differ from torch's by {off:.1e}, expected {TOLERANCE:g}")
    path = Path(file)
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
