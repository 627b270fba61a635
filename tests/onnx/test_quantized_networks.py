"""Whole networks that ONNX Runtime's tool quantised: every integer tensor on real pictures."""

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

import pimjax as pj
from tests.data import data_path
from tests.onnx.codes import assert_same, chip, last, runtime

MEAN = np.float32([0.485, 0.456, 0.406])
DEVIATION = np.float32([0.229, 0.224, 0.225])


class Pictures(CalibrationDataReader):
    """Batches of one for the calibration."""

    def __init__(self, name: str, pictures: np.ndarray) -> None:
        self.batches = iter([{name: picture[None]} for picture in pictures])

    def get_next(self):
        return next(self.batches, None)


@cache
def cifar(part: str, count: int) -> np.ndarray:
    """The first pictures, normalised, as the file has them: (b, c, h, w)."""
    with np.load(data_path("cifar10/cifar10_part.npz")) as data:
        pictures = data[part][:count].astype(np.float32) / 255
    return np.moveaxis((pictures - MEAN) / DEVIATION, -1, 1).copy()


@pytest.fixture(scope="module")
def folded(tmp_path_factory) -> Path:
    """ResNet-20 with its batch norms folded and its shapes constant."""
    source = data_path("models/resnet20_cifar10.onnx")
    path = tmp_path_factory.mktemp("folded") / "resnet20.onnx"
    quant_pre_process(source, path, skip_symbolic_shape=True)
    return path


def assert_every_integer(path: Path, pictures: np.ndarray, at_least: int) -> None:
    """Each tensor of integers that both sides have is equal; so are the real outputs."""
    program = pj.compile(pj.load_model(path), chip())
    outputs, trace = pj.run(program, last(pictures), trace=True)
    model = onnx.load(path)
    made = {name for node in model.graph.node for name in node.output}
    wanted = runtime(model, pictures, extra=[name for name in trace if name in made])
    compared = [name for name in trace if wanted.get(name, outputs).dtype.kind in "iu"]
    for name in compared:
        assert_same(trace[name].codes, wanted[name])
    assert len(compared) >= at_least
    output = model.graph.output[0].name
    assert (outputs == wanted[output]).all()
    unchanged = runtime(model, pictures)
    assert (outputs == unchanged[output]).all()


SETTINGS = [
    (layout, per_channel, kind)
    for layout in (QuantFormat.QOperator, QuantFormat.QDQ)
    for per_channel in (False, True)
    for kind in (QuantType.QUInt8, QuantType.QInt8)
]


def quantized(source: Path, path: Path, layout, per_channel: bool, kind, **options) -> Path:
    quantize_static(
        source,
        path,
        Pictures("image", cifar("x_train", 32)),
        quant_format=layout,
        per_channel=per_channel,
        activation_type=kind,
        weight_type=QuantType.QInt8,
        **options,
    )
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "per_channel", "kind"), SETTINGS)
def test_resnet20(folded, tmp_path, layout, per_channel, kind):
    path = quantized(folded, tmp_path / "q.onnx", layout, per_channel, kind)
    assert_every_integer(path, cifar("x_test", 16), at_least=33)


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "per_channel", "kind"), SETTINGS)
def test_resnet20_with_its_batch_norms(tmp_path, layout, per_channel, kind):
    """Not folded: batch norms stand between dequantised and quantised tensors."""
    source = data_path("models/resnet20_cifar10.onnx")
    path = quantized(source, tmp_path / "q.onnx", layout, per_channel, kind)
    assert_every_integer(path, cifar("x_test", 16), at_least=52)


@pytest.mark.slow
@pytest.mark.parametrize("layout", [QuantFormat.QOperator, QuantFormat.QDQ])
def test_resnet20_with_symmetric_codes(folded, tmp_path, layout):
    """Then ReLUs stay in the file, as clamps of codes at 0."""
    options = {"extra_options": {"ActivationSymmetric": True, "WeightSymmetric": False}}
    path = quantized(folded, tmp_path / "q.onnx", layout, False, QuantType.QInt8, **options)
    assert_every_integer(path, cifar("x_test", 16), at_least=50)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("per_channel", "kind"), [(False, QuantType.QUInt8), (True, QuantType.QInt8)]
)
def test_resnet20_with_dynamic_scales(folded, tmp_path, per_channel, kind):
    """Picture by picture. From the mean over the image on, float32 sums differ in last bits."""
    path = tmp_path / "q.onnx"
    quantize_dynamic(folded, path, weight_type=kind, per_channel=per_channel)
    program = pj.compile(pj.load_model(path), chip())
    pictures = cifar("x_test", 4)
    outputs, trace = pj.run(program, last(pictures), trace=True)
    model = onnx.load(path)
    sums = [node.output[0] for node in model.graph.node if node.op_type == "ConvInteger"]
    codes = [name for name in trace if name.endswith("_quantized")]
    compared = [*sums, *codes[: codes.index(sums[-1])]]
    assert len(sums) == 19
    for index in range(len(pictures)):
        picture = slice(index, index + 1)
        wanted = runtime(model, pictures[picture], extra=compared)
        for name in compared:
            assert_same(trace[name].codes[picture], wanted[name])
        assert np.abs(outputs[picture] - wanted["logits"]).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("layout", [QuantFormat.QOperator, QuantFormat.QDQ])
def test_efficientnet_lite0(tmp_path, layout):
    io = pytest.importorskip("skimage.io")
    files = sorted(data_path("imagenet224").glob("*.jpg"))[::100]
    pictures = np.stack([(io.imread(file).astype(np.float32) - 127) / 128 for file in files])
    pictures = np.moveaxis(pictures, -1, 1).copy()
    source = data_path("models/efficientnet_lite0.onnx")
    folded, path = tmp_path / "folded.onnx", tmp_path / "q.onnx"
    quant_pre_process(source, folded, skip_symbolic_shape=True)
    name = onnx.load(source).graph.input[0].name
    quantize_static(
        folded,
        path,
        Pictures(name, pictures[:3]),
        quant_format=layout,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
    )
    assert_every_integer(path, pictures[3:], at_least=62)
