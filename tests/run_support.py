"""What tests of `pimjax run` need: a small network as a file, images, and the command itself."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from pimjax import cli

SHAPE = (8, 8, 3)
CLASSES = 4


def network(seed=8, height=8, width=8, inputs=3, classes=CLASSES, poison=None):
    """conv 3x3, ReLU, conv 3x3 /2, ReLU, global average, dense; `poison` goes into a kernel."""
    rng = np.random.default_rng(seed)
    arrays = {
        "k1": rng.normal(size=(6, inputs, 3, 3)) / 4,
        "b1": rng.normal(size=6) / 4,
        "k2": rng.normal(size=(8, 6, 3, 3)) / 6,
        "b2": rng.normal(size=8) / 4,
        "k3": rng.normal(size=(8, classes)),
        "b3": rng.normal(size=classes) / 4,
    }
    if poison is not None:
        arrays["k2"][3, 2, 1, 1] = poison
    nodes = [
        helper.make_node("Conv", ["x", "k1", "b1"], ["c1"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node(
            "Conv", ["r1", "k2", "b2"], ["c2"], name="conv2", pads=[1, 1, 1, 1], strides=[2, 2]
        ),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["m"], name="mean"),
        helper.make_node("Flatten", ["m"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "k3", "b3"], ["scores"], name="dense"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", inputs, height, width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def pictures(count=5, shape=SHAPE, seed=1) -> np.ndarray:
    """Pixels uint8 (count, h, w, c), each picture of another brightness and contrast."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, *shape))
    means, spreads = rng.uniform(60, 200, (2, count, 1, 1, shape[-1]))
    return np.clip(means + spreads * noise / 2, 0, 255).astype(np.uint8)


def write_pictures(folder: Path, pixels: np.ndarray, labels) -> Path:
    """The pictures as PNG files whose names begin with the label, in the order of `pixels`."""
    folder.mkdir()
    for pixel, label, letter in zip(pixels, labels, "abcdefgh", strict=False):
        Image.fromarray(pixel.squeeze()).save(folder / f"{label:04d}{letter}.png")
    return folder


@dataclass
class Site:
    """A folder with a small network, images with labels, and the command run on them."""

    folder: Path
    capsys: pytest.CaptureFixture
    pixels: np.ndarray = field(default_factory=pictures)

    def __post_init__(self):
        self.model, self.images = self.folder / "net.onnx", self.folder / "images.npz"
        onnx.save(network(), self.model)
        self.labels = [0, 3, 2, 1, 3]
        np.savez(self.images, x=self.pixels, y=np.array(self.labels))

    def command(self, *arguments) -> tuple[int, str, str]:
        """Status, stdout and stderr of `pimjax` with these arguments."""
        with pytest.raises(SystemExit) as end:
            cli.main([str(argument) for argument in arguments])
        captured = self.capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    def run(self, model=None, *arguments, images=None, chip="mram-pim-8b"):
        """`pimjax run` on the network and images of the site where no others are given."""
        chosen = () if chip is None else ("--chip", chip)
        given = ("--images", images or self.images)
        return self.command("run", model or self.model, *chosen, *given, *arguments)

    def refused(self, *words, model=None, arguments=(), images=None, chip="mram-pim-8b") -> str:
        """The one line of a refused run: status 2, each word in it, and nothing written."""
        before = snapshot(self.folder)
        status, _, err = self.run(model, *arguments, images=images, chip=chip)
        assert status == 2, err
        assert err.startswith("pimjax: ") and err.count("\n") == 1, err
        assert "Traceback" not in err
        for word in words:
            assert str(word) in err, err
        assert snapshot(self.folder) == before
        return err


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """What a folder holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
