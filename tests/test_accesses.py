"""How often cells are read, counted image by image."""

import numpy as np
import pytest

import pimjax as pj
from pimjax.die.accesses import measured_reads, reads_per_image
from tests.models import RELU, conv, dense, model_of, numbers

IMAGES = numbers(9, 3, 6, 6, 4)


def program(**overrides) -> pj.Program:
    model = model_of(
        conv(0, 4, 6, groups=2, stride=(2, 2)), RELU, conv(2, 6, 5), RELU, shape=(6, 6, 4)
    )
    chip = pj.load_chip("mram-pim-8b", overrides)
    return pj.compile(model, chip, calibration=IMAGES)


def counted_by_hand(x, size, stride, groups, out, slice_bits):
    """Drives of each wordline, one by one: kernel row, column, channel of every output position.

    x: the array's codes (b, h, w, c), padded as "SAME" with code 0 outside.
    """
    b, h, w, c = x.shape
    total = max((out - 1) * stride + size - h, 0)
    top = total // 2
    drives = np.zeros((size, size, c))
    for image in x:
        for i in range(out):
            for j in range(out):
                for di in range(size):
                    for dj in range(size):
                        row, column = i * stride + di - top, j * stride + dj - top
                        if 0 <= row < h and 0 <= column < w:
                            for shift in range(0, 8, slice_bits):
                                digit = image[row, column] >> shift & (2**slice_bits - 1)
                                drives[di, dj] += digit != 0
    return drives.mean() / b


@pytest.mark.parametrize("slice_bits", [1, 4])
def test_real_accesses_are_those_counted_one_by_one(slice_bits):
    compiled = program(**{"precision.input_slice_bits": slice_bits, "adc.bits": 12})
    first, second = compiled.layers
    layers = {layer.name: layer for layer in compiled.plan.graph.layers}
    codes = compiled.plan.graph.inputs[0].tensor.codes_of(IMAGES).astype(int)
    _, trace = pj.run(compiled, IMAGES, trace=True)
    measured = measured_reads(compiled, IMAGES)
    bound = reads_per_image(compiled)
    for name, x, size, stride, groups, out in (
        (first, codes, 3, 2, 2, 3),
        (second, trace[first].codes.astype(int), 3, 1, 1, 3),
    ):
        op = layers[name].op
        assert op.in_shift == 0
        inside = counted_by_hand(x, size, stride, groups, out, slice_bits)
        if op.pad_code == 0:
            assert measured[name] == pytest.approx(inside, rel=1e-12)
        else:  # padding with the zero point drives wordlines too
            assert measured[name] > inside
        assert measured[name] <= bound[name]
    assert bound[first] == 9 * 8 // slice_bits


def test_reads_that_are_given_take_the_place_of_the_bound():
    compiled = program()
    die = pj.Die(compiled.chip, 3)
    settings = {"thermal_stability": 60.0, "temperature_k": 358.15}
    bound = {name: float(count) for name, count in reads_per_image(compiled).items()}
    counted = pj.faults.ReadDisturb(1e7, **settings)
    given = pj.faults.ReadDisturb(1e7, reads=bound, **settings)
    real = pj.faults.ReadDisturb(1e7, reads=measured_reads(compiled, IMAGES), **settings)
    changed = [
        pj.inject(compiled, [fault], die, report=True)[1].changed[0][1]
        for fault in (counted, given, real)
    ]
    assert changed[0] == changed[1] > changed[2] > 0


def test_a_dense_layer_is_read_once_a_slice():
    compiled = pj.compile(
        model_of(dense(0, 8, 5), shape=(8,)), pj.load_chip("mram-pim-8b"), numbers(1, 4, 8)
    )
    [name] = compiled.layers
    x = compiled.plan.graph.inputs[0].tensor.codes_of(numbers(1, 4, 8)).astype(int)
    ones = np.bitwise_count(x.astype(np.uint8)).sum() / x.size
    assert measured_reads(compiled, numbers(1, 4, 8))[name] == pytest.approx(ones, rel=1e-12)
    assert reads_per_image(compiled)[name] == 8


def test_reads_of_words_and_wrong_ones():
    compiled = program(**{"array.readout": "digital"})
    assert set(measured_reads(compiled, IMAGES).values()) == {1.0}
    with pytest.raises(ValueError, match=r"ReadDisturb\.reads: none given for layer"):
        pj.inject(compiled, [pj.faults.ReadDisturb(1, reads={"x": 1})], pj.Die(compiled.chip))
    with pytest.raises(ValueError, match=r"reads\['x'\] = -1"):
        pj.faults.ReadDisturb(1, reads={"x": -1})
