"""Padding, strides and dilation resolved as JAX and the oracle resolve them."""

import jax
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pimjax.array.geometry import resolve, resolve_padding
from tests.oracle.window import window_positions
from tests.support import examples

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
kernels = st.tuples(st.integers(1, 7), st.integers(1, 7))
pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))
amounts = st.tuples(st.integers(0, 4), st.integers(0, 4))
paddings = st.one_of(st.sampled_from(("SAME", "VALID")), st.tuples(amounts, amounts))


@examples(300)
@given(sizes, kernels, pairs, pairs)
def test_same_is_jax_same(size, kernel, stride, dilation):
    reach = tuple((taps - 1) * spread + 1 for taps, spread in zip(kernel, dilation, strict=True))
    right = jax.lax.padtype_to_pads(size, reach, stride, "SAME")
    assert resolve_padding("SAME", size, reach, stride) == tuple(map(tuple, right))


@examples(200)
@given(sizes, kernels, pairs, pairs, paddings)
def test_output_shape_is_jax_output_shape(size, kernel, stride, dilation, padding):
    reach = tuple((taps - 1) * spread + 1 for taps, spread in zip(kernel, dilation, strict=True))
    pads = resolve_padding(padding, size, reach, stride)
    assume(all(s + sum(p) >= r for s, p, r in zip(size, pads, reach, strict=True)))
    geometry = resolve((2, *size, 3), (*kernel, 3, 4), stride, padding, dilation, 1)
    shape = jax.eval_shape(
        lambda x, w: jax.lax.conv_general_dilated(
            x,
            w,
            window_strides=stride,
            padding=padding,
            rhs_dilation=dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        ),
        jax.ShapeDtypeStruct((2, *size, 3), np.int32),
        jax.ShapeDtypeStruct((*kernel, 3, 4), np.int32),
    ).shape
    assert (2, *geometry.out, 4) == shape
    assert (geometry.reach, geometry.pad) == (reach, pads)


@examples(100)
@given(sizes, kernels, pairs, pairs, paddings)
def test_windows_lie_where_the_oracle_has_them(size, kernel, stride, dilation, padding):
    reach = tuple((taps - 1) * spread + 1 for taps, spread in zip(kernel, dilation, strict=True))
    pads = resolve_padding(padding, size, reach, stride)
    assume(all(s + sum(p) >= r for s, p, r in zip(size, pads, reach, strict=True)))
    geometry = resolve((1, *size, 1), (*kernel, 1, 1), stride, padding, dilation, 1)
    positions = window_positions(size, kernel, stride, padding, dilation)
    assert geometry.out == (len(positions), len(positions[0]))
    first = [at for line in positions for taps in line[:1] for at in taps[:1]]
    for row, at in enumerate(first):
        top = row * stride[0] - geometry.pad[0][0]
        left = -geometry.pad[1][0]
        inside = 0 <= top < size[0] and 0 <= left < size[1]
        assert at == ((top, left) if inside else None)


def test_shapes_by_hand():
    geometry = resolve((1, 14, 15, 6), (3, 2, 3, 8), (2, 3), "SAME", (1, 2), 2)
    assert geometry.out == (7, 5)
    assert geometry.reach == (3, 3)
    assert geometry.pad == ((0, 1), (0, 0))
    assert (geometry.k, geometry.channels_per_group, geometry.outputs_per_group) == (18, 3, 4)


@pytest.mark.parametrize("stride", [2, (2, 2), [2, 2], np.int64(2), (np.int32(2), 2)])
def test_pairs_may_be_written_in_several_ways(stride):
    geometry = resolve((1, 5, 5, 1), (1, 1, 1, 1), stride, "VALID", 1, 1)
    assert geometry == resolve((1, 5, 5, 1), (1, 1, 1, 1), (2, 2), "VALID", (1, 1), 1)
    assert hash(geometry) == hash(resolve((1, 5, 5, 1), (1, 1, 1, 1), (2, 2), "VALID", 1, 1))
