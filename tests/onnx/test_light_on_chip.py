"""The networks that the onnx package ships, compiled for a chip and run at their input size."""

from pathlib import Path

import numpy as np
import onnx
import pytest

import pimjax as pj

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("*.onnx"))

pytestmark = pytest.mark.slow


def test_there_are_nine():
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_it_compiles_and_runs(name):
    model = pj.load_model(FOLDER / f"light_{name}.onnx")
    shape = model.graph.inputs[0].shape
    assert shape == (224, 224, 3)
    images = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    program = pj.compile(model, pj.load_chip("mram-pim-digital"), images, chips=4)
    scores = pj.run(program, images)
    assert scores.size == 1000 and np.isfinite(scores).all()
    (float_scores,) = model(images)
    assert scores.shape == float_scores.shape


def test_the_largest_does_not_fit_one_chip():
    model = pj.load_model(FOLDER / "light_vgg19.onnx")
    images = np.ones((1, 224, 224, 3), np.float32)
    with pytest.raises(ValueError, match=r"8770 macros .* has 2560 .* chips = 4"):
        pj.compile(model, pj.load_chip("mram-pim-digital"), images)
