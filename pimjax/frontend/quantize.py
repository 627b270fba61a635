"""A float model as a quantised one: every tensor gets codes, every array layer integers.

A tensor between layers has codes of the chip's activations. Behind the last array layer nothing
drives wordlines any more, so codes of OUTPUT_BITS keep what the accumulators know.

What the array and the integer logic beside it cannot do stays on the host in real numbers, between
a conversion from codes and one back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from pimjax.array.spec import Bitline
from pimjax.frontend.model import Model, ModelError
from pimjax.frontend.quantized import QuantizedConv, QuantizedDense
from pimjax.frontend.weights import weight_codes
from pimjax.network.graph import Graph, Image, Input, Layer, Params
from pimjax.network.ops import (
    Add,
    AveragePool,
    Binary,
    Clamp,
    Concat,
    Dequantize,
    Flatten,
    FloatAveragePool,
    FloatConv,
    FloatDense,
    Identity,
    MaxPool,
    Op,
    Output,
    Pad,
    Quantize,
    Reduce,
    Rescale,
    Reshape,
    Slice,
    Spread,
    Take,
    Transpose,
    Unary,
)
from pimjax.network.requantize import numbers_of
from pimjax.network.tensor import TensorSpec

Range = tuple[float, float]

OUTPUT_BITS = 16

_LARGEST_BIAS = 1 << 26
"""Weight scales are raised until a bias fits so many accumulator units: dead channels have any."""

_KEEPS_CODES = (MaxPool, Reshape, Flatten, Transpose, Slice, Take, Identity)
"""Operations whose result holds codes of their input, unchanged."""

_FUSES_ACTIVATION = (FloatConv, FloatDense, FloatAveragePool)


def quantize(
    model: Model,
    spec: Bitline,
    ranges: dict[str, Range],
    extremes: dict[str, Range],
    shapes: dict[str, tuple[int, ...]],
) -> Model:
    """The quantised model.

    Of each tensor: the real numbers that its codes shall cover, all that it ever was, its shape.

    Raises ModelError for a scale that no requantiser can express.
    """
    return _Pass(model, spec, ranges, extremes, shapes).run()


@dataclass
class _Pass:
    """One walk over the layers, remembering in which forms each tensor exists so far."""

    model: Model
    spec: Bitline
    ranges: dict[str, Range]
    extremes: dict[str, Range]
    shapes: dict[str, tuple[int, ...]]
    layers: list[Layer] = field(default_factory=list)
    params: Image = field(default_factory=dict)
    codes: dict[str, tuple[str, TensorSpec]] = field(default_factory=dict)
    reals: dict[str, str] = field(default_factory=dict)

    def run(self) -> Model:
        graph = self.model.graph
        self.readers = graph.consumers()
        self.drives = _driving_tensors(graph)
        inputs = []
        for item in graph.inputs:
            tensor = self.tensor_spec(item.name)
            self.codes[item.name] = (item.name, tensor)
            inputs.append(Input(item.name, item.shape, tensor))
        fused: set[str] = set()
        for layer in graph.layers:
            if layer.name not in fused:
                fused |= self.lower(layer)
        outputs = tuple(self.as_codes(name)[0] for name in graph.outputs)
        quantized = Graph(tuple(inputs), tuple(self.layers), outputs)
        return replace(self.model, graph=quantized, params=self.params)

    def lower(self, layer: Layer) -> set[str]:
        """Appends the layer in its quantised form; the names of further layers it took in."""
        activation = self.fused_activation(layer)
        out = activation or layer
        origin = layer.origin + (activation.origin if activation else ())
        match layer.op:
            case FloatConv() | FloatDense():
                self.linear(layer, out, origin)
            case Binary("add") if self.adds_two(layer):
                self.add(layer, out, origin)
            case FloatAveragePool() | Reduce() if self.pools(layer):
                self.average(layer, out, origin)
            case Unary("relu" | "clip") if layer.inputs[0] in self.codes:
                self.clamp(layer)
            case Concat() if any(name in self.codes for name in layer.inputs):
                self.concat(layer)
            case Pad() | Spread() if layer.inputs[0] in self.codes and self.pads(layer):
                self.pad(layer)
            case _ if isinstance(layer.op, _KEEPS_CODES) and layer.inputs[0] in self.codes:
                name, tensor = self.codes[layer.inputs[0]]
                self.append(replace(layer, inputs=(name,), tensor=tensor))
            case _:
                inputs = tuple(self.as_real(name) for name in layer.inputs)
                self.params[layer.name] = self.model.params.get(layer.name, {})
                self.layers.append(replace(layer, inputs=inputs))
                self.reals[layer.name] = layer.name
                return set()
        return {activation.name} if activation else set()

    def append(self, layer: Layer, params: Params | None = None) -> None:
        assert layer.tensor is not None
        self.layers.append(layer)
        if params:
            self.params[layer.name] = params
        self.codes[layer.name] = (layer.name, layer.tensor)

    def tensor_spec(self, name: str) -> TensorSpec:
        if name in self.drives:
            return affine_spec(*self.ranges[name], *self.spec.act_range)
        low, high = self.extremes[name]
        largest = (1 << (OUTPUT_BITS - 1)) - 1
        # A quarter more than calibration saw: an output decides, and there are bits to spare.
        scale = 1.25 * max(-low, high) / largest
        return TensorSpec(_float32(scale or 1.0), 0, -largest - 1, largest)

    def as_codes(self, name: str) -> tuple[str, TensorSpec]:
        """The tensor as codes, converted on the host if it is real only."""
        if name not in self.codes:
            tensor = self.tensor_spec(name)
            layer = Layer(f"{name}:codes", Quantize(tensor), (self.reals[name],), tensor)
            self.layers.append(layer)
            self.codes[name] = (layer.name, tensor)
        return self.codes[name]

    def as_real(self, name: str) -> str:
        """The tensor in real numbers, converted if it exists as codes only."""
        if name not in self.reals:
            source, tensor = self.codes[name]
            layer = Layer(f"{name}:real", Dequantize(tensor), (source,))
            self.layers.append(layer)
            self.reals[name] = layer.name
        return self.reals[name]

    def fused_activation(self, layer: Layer) -> Layer | None:
        """The ReLU or cap that this layer's clamp can take over."""
        readers = self.readers[layer.name]
        takes = isinstance(layer.op, _FUSES_ACTIVATION) or (
            isinstance(layer.op, Binary) and layer.op.function == "add"
        )
        if not takes or len(readers) != 1 or layer.name in self.model.graph.outputs:
            return None
        op = readers[0].op
        is_clamp = isinstance(op, Unary) and op.function in ("relu", "clip")
        return readers[0] if is_clamp else None

    def output(self, out: Layer) -> tuple[Output, TensorSpec]:
        """Requantisation to the codes of `out`, clamped as its activation says."""
        tensor = self.tensor_spec(out.name)
        low, high = _clamp_codes(out.op, tensor)
        return Output("fixed_point", tensor.zero_point, low, high), tensor

    def linear(self, layer: Layer, out: Layer, origin: tuple[str, ...]) -> None:
        source, in_tensor = self.as_codes(layer.inputs[0])
        output, tensor = self.output(out)
        params = self.model.params[layer.name]
        bias = np.asarray(params["bias"], np.float64)
        smallest = np.abs(bias) / in_tensor.scale / _LARGEST_BIAS
        weights, scales = weight_codes(np.asarray(params["kernel"]), self.spec, smallest)
        unit = in_tensor.scale * scales
        op: Op = QuantizedDense(output)
        if isinstance(layer.op, FloatConv):
            conv = layer.op
            op = QuantizedConv(output, conv.stride, conv.padding, conv.dilation, conv.groups)
        numbers = {
            "weights": weights,
            "bias": np.rint(bias / unit).astype(np.int64),
            "factor": unit / tensor.scale,
        }
        self.append(Layer(out.name, op, (source,), tensor, origin), numbers)

    def adds_two(self, layer: Layer) -> bool:
        shapes = {self.shapes[name] for name in layer.inputs}
        return len(layer.inputs) == 2 and len(shapes) == 1

    def add(self, layer: Layer, out: Layer, origin: tuple[str, ...]) -> None:
        branches = [self.as_codes(name) for name in layer.inputs]
        output, tensor = self.output(out)
        zeros = (branches[0][1].zero_point, branches[1][1].zero_point)
        rules = ("fixed_point", "fixed_point")
        op = Add(rules, zeros, output.zero_point, output.low, output.high)
        numbers: Params = {}
        for prefix, (_, branch) in zip(("a_", "b_"), branches, strict=True):
            for key, number in _fixed_point(branch.scale / tensor.scale, out.name).items():
                numbers[prefix + key] = number
        names = (branches[0][0], branches[1][0])
        self.append(Layer(out.name, op, names, tensor, origin), numbers)

    def pools(self, layer: Layer) -> bool:
        rank = len(self.shapes[layer.inputs[0]])
        if isinstance(layer.op, Reduce):
            return layer.op.function == "mean" and rank == 4 and sorted(layer.op.axes) == [0, 1]
        op = layer.op
        assert isinstance(op, FloatAveragePool)
        padded = op.padding != "VALID" and (
            isinstance(op.padding, str) or any(any(side) for side in op.padding)
        )
        whole = not padded or (op.count_padding and op.tail == (0, 0))
        return whole and op.dilation == (1, 1)

    def average(self, layer: Layer, out: Layer, origin: tuple[str, ...]) -> None:
        source, in_tensor = self.as_codes(layer.inputs[0])
        output, tensor = self.output(out)
        op = layer.op
        if isinstance(op, FloatAveragePool):
            window, stride, padding = op.window, op.stride, op.padding
        else:
            _, height, width, _ = self.shapes[layer.inputs[0]]
            window, stride, padding = (height, width), (1, 1), "VALID"
        factor = in_tensor.scale / tensor.scale / (window[0] * window[1])
        numbers = _fixed_point(factor, out.name)
        pool = AveragePool(window, stride, output, padding, in_tensor.zero_point)
        flat = isinstance(op, Reduce) and not op.keep
        name = f"{out.name}:mean" if flat else out.name
        self.append(Layer(name, pool, (source,), tensor, origin), numbers)
        if flat:
            self.append(Layer(out.name, Flatten(), (name,), tensor, origin))

    def clamp(self, layer: Layer) -> None:
        name, tensor = self.codes[layer.inputs[0]]
        op = Clamp(*_clamp_codes(layer.op, tensor))
        self.append(replace(layer, op=op, inputs=(name,), tensor=tensor))

    def concat(self, layer: Layer) -> None:
        tensor = self.tensor_spec(layer.name)
        names = []
        for source in layer.inputs:
            name, own = self.as_codes(source)
            if own != tensor:
                rescaled = Layer(
                    f"{source}>{layer.name}",
                    Rescale(
                        Output("fixed_point", tensor.zero_point, tensor.low, tensor.high),
                        own.zero_point,
                    ),
                    (name,),
                    tensor,
                )
                if rescaled.name not in self.params:
                    self.layers.append(rescaled)
                    factor = own.scale / tensor.scale
                    self.params[rescaled.name] = _fixed_point(factor, rescaled.name)
                name = rescaled.name
            names.append(name)
        self.append(replace(layer, inputs=tuple(names), tensor=tensor))

    def pads(self, layer: Layer) -> bool:
        # Real zero has a code; no other number does for certain.
        return isinstance(layer.op, Pad | Spread) and layer.op.value == 0

    def pad(self, layer: Layer) -> None:
        name, tensor = self.codes[layer.inputs[0]]
        assert isinstance(layer.op, Pad | Spread)
        op = replace(layer.op, value=tensor.zero_point)
        self.append(replace(layer, op=op, inputs=(name,), tensor=tensor))


def affine_spec(low: float, high: float, code_low: int, code_high: int) -> TensorSpec:
    """Codes for real numbers low..high (0 inside): zero is exact, the ends are nearly met."""
    scale = _float32((high - low) / (code_high - code_low)) or 1.0
    zero_point = int(np.clip(round(code_low - low / scale), code_low, code_high))
    return TensorSpec(scale, zero_point, code_low, code_high)


def _float32(value: float) -> float:
    return float(np.float32(value))


def _clamp_codes(op: Op, tensor: TensorSpec) -> tuple[int, int]:
    """The codes that an activation leaves; all of them for anything else."""
    low, high = tensor.low, tensor.high
    if isinstance(op, Unary) and op.function in ("relu", "clip"):
        ends = (0.0, np.inf) if op.function == "relu" else op.constants
        codes = [tensor.zero_point + np.rint(end / tensor.scale) for end in ends]
        low, high = (int(np.clip(code, tensor.low, tensor.high)) for code in codes)
    return low, high


def _fixed_point(factor: float, name: str) -> Params:
    try:
        return dict(numbers_of("fixed_point", factor))
    except ValueError as error:
        raise ModelError(
            f"{name}: {error}; its calibrated range is far below its inputs'"
        ) from None


def _driving_tensors(graph: Graph) -> set[str]:
    """Tensors from which an array layer can be reached."""
    driving: set[str] = set()
    for layer in reversed(graph.layers):
        if isinstance(layer.op, FloatConv | FloatDense) or layer.name in driving:
            driving |= set(layer.inputs)
    return driving
