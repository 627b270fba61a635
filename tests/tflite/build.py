"""Small .tflite files made by hand, with LiteRT's schema; the library reads with another."""

from dataclasses import dataclass, field
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
}


@dataclass
class Net:
    """A network under construction; tensors are known by name."""

    tensors: list = field(default_factory=list)
    buffers: list = field(default_factory=lambda: [schema.BufferT()])
    codes: list = field(default_factory=list)
    operators: list = field(default_factory=list)
    names: list = field(default_factory=list)

    def tensor(self, name, shape, dtype, scale=None, zero=0, axis=0, signature=None) -> str:
        """A tensor that is computed, or an input."""
        item = schema.TensorT()
        item.name, item.shape, item.type = name, list(shape), TYPES[np.dtype(dtype)]
        item.shapeSignature = signature
        if scale is not None:
            item.quantization = schema.QuantizationParametersT()
            item.quantization.scale = np.atleast_1d(scale).astype(np.float32).tolist()
            zeros = np.broadcast_to(zero, np.shape(np.atleast_1d(scale)))
            item.quantization.zeroPoint = zeros.astype(np.int64).tolist()
            item.quantization.quantizedDimension = axis
        self.tensors.append(item)
        self.names.append(name)
        return name

    def constant(self, name, data, scale=None, zero=0, axis=0) -> str:
        """A tensor with numbers in the file."""
        data = np.ascontiguousarray(data)
        self.tensor(name, data.shape, data.dtype, scale, zero, axis)
        self.tensors[-1].buffer = len(self.buffers)
        self.buffers.append(schema.BufferT())
        self.buffers[-1].data = np.frombuffer(data.tobytes(), np.uint8)
        return name

    def packed(self, name, data, scale, axis=0) -> str:
        """A constant of 4-bit codes, two to a byte."""
        self.constant(name, data.astype(np.int8), scale, 0, axis)
        flat = np.append(data.ravel(), [0] * (data.size % 2)).astype(np.int64) & 15
        self.tensors[-1].type = schema.TensorType.INT4
        self.buffers[-1].data = (flat[::2] | flat[1::2] << 4).astype(np.uint8)
        return name

    def operator(self, kind, inputs, outputs, table=None, **settings) -> None:
        """An operator; `table` is the schema's name of its settings."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        item = schema.OperatorT()
        item.opcodeIndex = len(self.codes)
        item.inputs = [-1 if name is None else self.names.index(name) for name in inputs]
        item.outputs = [self.names.index(name) for name in outputs]
        if table is not None:
            options = getattr(schema, f"{table}T")()
            for name, value in settings.items():
                assert hasattr(options, name), name
                setattr(options, name, value)
            item.builtinOptions = options
            item.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        self.codes.append(code)
        self.operators.append(item)

    def save(self, path: Path, inputs, outputs) -> Path:
        """Writes the file."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs = [self.names.index(name) for name in inputs]
        graph.outputs = [self.names.index(name) for name in outputs]
        model = schema.ModelT()
        model.version, model.subgraphs = 3, [graph]
        model.operatorCodes, model.buffers = self.codes, self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path
