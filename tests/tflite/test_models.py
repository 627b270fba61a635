"""Every tensor of real files on real inputs, on chips without an ADC and with a lossless one."""

import numpy as np
import pytest

import pimjax as pj
from tests.data import data_path
from tests.tflite.litert import litert_tensors

CHIPS = ("mram-pim-digital", "mram-pim-lossless")


def photographs(count: int, size: int) -> np.ndarray:
    from skimage.io import imread
    from skimage.transform import resize

    files = sorted(data_path("imagenet224").glob("*.jpg"))[:: 500 // count][:count]
    images = [imread(file) for file in files]
    assert all(image.shape == (224, 224, 3) for image in images)
    if size != 224:
        images = [resize(image, (size, size, 3), preserve_range=True) for image in images]
    return np.rint(images).astype(np.uint8)


def inputs(model: str) -> np.ndarray:
    """Codes as the file takes them."""
    if model == "resnet8_cifar10_int8":
        pixels = np.load(data_path("cifar10/cifar10_part.npz"))["x_test"][:4]
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    if model == "dscnn_kws_int8":
        return np.load(data_path("kws01/kws01.npz"))["x"][:4]
    if model == "mobilenet_v1_025_vww96_int8":
        return (photographs(3, 96).astype(np.int16) - 128).astype(np.int8)
    return photographs(2, 224)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("dscnn_kws_int8", 13),
        pytest.param("resnet8_cifar10_int8", 16, marks=pytest.mark.slow),
        pytest.param("mobilenet_v1_025_vww96_int8", 31, marks=pytest.mark.slow),
        pytest.param("mobilenet_v2_224_int8", 68, marks=pytest.mark.slow),
        pytest.param("mobilenet_v2_224_uint8", 66, marks=pytest.mark.slow),
    ],
)
def test_every_tensor_is_that_of_the_reference_kernels(name, layers, chip):
    path = data_path(f"models/{name}.tflite")
    codes = inputs(name)
    right = litert_tensors(path, codes)
    model = pj.load_model(path)
    assert model.is_quantized
    spec = model.graph.inputs[0].tensor
    assert (spec.codes_of(spec.values_of(codes)) == codes).all()
    program = pj.compile(model, pj.load_chip(chip))
    assert len(program.layers) == layers
    found = pj.run(program, spec.values_of(codes), trace=True)[1]
    for layer in program.layers:
        assert found[layer].codes.dtype == right[layer].dtype
        assert found[layer].codes.shape == right[layer].shape
        assert (found[layer].codes == right[layer]).all(), layer
    clipped = sum(
        traced.stats.clipped_low + traced.stats.clipped_high
        for traced in found.values()
        if traced.stats is not None
    )
    assert clipped == 0


def test_float_file():
    """Real numbers agree to the last few bits; sums are taken in another order."""
    path = data_path("models/resnet8_cifar10_float.tflite")
    images = np.load(data_path("cifar10/cifar10_part.npz"))["x_test"][:4].astype(np.float32)
    right = litert_tensors(path, images)
    model = pj.load_model(path)
    assert not model.is_quantized
    found = model.tensors(images)
    names = [layer.name for layer in model.graph.layers if not layer.name.endswith("/linear")]
    assert len(names) == 16
    for name in names:
        np.testing.assert_allclose(found[name], right[name], rtol=1e-4, atol=1e-4)
