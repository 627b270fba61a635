"""What the operator tests share: strategies, codes, and the comparison with LiteRT."""

import numpy as np
from hypothesis import strategies as st

import pimjax as pj
from tests.tflite.evaluate import evaluate
from tests.tflite.litert import litert_tensors

kinds = st.sampled_from([np.int8, np.uint8])
seeds = st.integers(0, 2**32 - 1)
scales = st.floats(2.0**-9, 2.0, width=32)
activations = st.sampled_from([0, 1, 2, 3])
paddings = st.sampled_from([0, 1])
small = st.integers(1, 3)


def codes(rng, dtype, shape) -> np.ndarray:
    """Random codes with the ends among them."""
    info = np.iinfo(dtype)
    made = rng.integers(info.min, info.max + 1, shape)
    flat = made.reshape(-1)
    flat[:2] = [info.min, info.max][: flat.size]
    return made.astype(dtype)


def zero_point(rng, dtype) -> int:
    info = np.iinfo(dtype)
    return int(rng.choice([info.min, info.max, 0, *rng.integers(info.min, info.max + 1, 3)]))


def check(folder, net, inputs, outputs=("y",), exact=True) -> None:
    """Every tensor that the library makes is LiteRT's, in value, type and shape."""
    path = net.save(folder / "net.tflite", ["x"], list(outputs))
    right = litert_tensors(path, inputs)
    model = pj.load_model(path)
    assert model.graph.outputs == tuple(outputs)
    found = evaluate(model, inputs)
    for name in outputs:
        assert found[name].dtype == right[name].dtype
        assert found[name].shape == right[name].shape
        if exact:
            wrong = np.argwhere(found[name] != right[name])
            assert not len(wrong), (
                wrong[0],
                found[name][tuple(wrong[0])],
                right[name][tuple(wrong[0])],
            )
        else:
            np.testing.assert_allclose(found[name], right[name], rtol=1e-5, atol=1e-5)


def every_code(dtype) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.arange(info.min, info.max + 1).astype(dtype).reshape(1, 16, 16, 1)
