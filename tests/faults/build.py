"""Programs made by hand, and the bits that their weights store, in plain arithmetic."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

import pimjax as pj
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import Conv, Dense, Output
from pimjax.network.program import Plan, Program
from pimjax.network.tensor import TensorSpec

OUT, CODES = Output("shift", 0, 0, 255), TensorSpec(0.1, 0, 0, 255)

CHIP = pj.load_chip("mram-pim-8b")


def program_of(chip, **codes) -> Program:
    """Layers of these weight codes, (k, n) or (kh, kw, c, n), each with an input of its own."""
    layers, image, inputs = [], {}, []
    for name, given in codes.items():
        shape = np.shape(given)
        dense = len(shape) == 2
        entering = (shape[0],) if dense else (3, 3, shape[2])
        inputs.append(Input(f"{name} in", entering, CODES))
        layers.append(Layer(name, Dense(OUT) if dense else Conv(OUT), (f"{name} in",), CODES))
        image[name] = {
            "weights": jnp.asarray(given, jnp.int8 if chip.precision.weight_bits <= 8 else "int16"),
            "bias": jnp.zeros(shape[-1], jnp.int32),
            "shift": jnp.int32(0),
        }
    graph = Graph(tuple(inputs), tuple(layers), tuple(layer.name for layer in layers))
    return Program(Plan(chip.bitline(), graph), image, chip)


def chip_of(**tables):
    """The default chip with other fields: `array={"banks": 2}`, `mram={...}`, `precision={...}`."""
    changed = {table: replace(getattr(CHIP, table), **fields) for table, fields in tables.items()}
    return replace(CHIP, **changed)


def legal_codes(precision) -> np.ndarray:
    if precision.weight_encoding == "binary":
        return np.array([-1, 1])
    half = 1 << (precision.weight_bits - 1)
    both = precision.weight_encoding in ("differential", "ternary")
    return np.arange(-half + both, half)


def random_codes(chip, shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).choice(legal_codes(chip.precision), shape)


def stored(codes, precision) -> np.ndarray:
    """The bits (..., j) bool of codes, lowest first; of pairs the positive side, then the other.

    Of pairs of which both sides may hold something, see `stored_sides`.
    """
    codes = np.asarray(codes, np.int64)
    bits = precision.weight_bits
    if precision.weight_encoding in ("differential", "ternary"):
        return stored_sides(codes, 0, bits)
    if precision.weight_encoding == "offset_binary":
        codes = codes + (1 << (bits - 1))
    elif precision.weight_encoding == "binary":
        codes = (codes + 1) // 2
    return (codes[..., None] >> np.arange(bits)) & 1 == 1


def stored_sides(codes, common, bits) -> np.ndarray:
    """The bits of pairs P - N of which both sides hold `common` more than they need to."""
    positive = np.maximum(codes, 0) + np.asarray(common, np.int64)
    negative = np.maximum(-codes, 0) + np.asarray(common, np.int64)
    sides = [(side[..., None] >> np.arange(bits - 1)) & 1 for side in (positive, negative)]
    return np.concatenate(sides, axis=-1) == 1


def bits_of(program, layer) -> np.ndarray:
    """The bits (..., j) that a layer's weights store now."""
    codes, precision = pj.weights(program)[layer], program.chip.precision
    common = program.image[layer].get("weights_common")
    if common is None:
        return stored(codes, precision)
    return stored_sides(codes, np.asarray(common).astype(np.int64), precision.weight_bits)


def flips(before, after, layer) -> np.ndarray:
    """Which bits (..., j) of a layer differ."""
    return bits_of(before, layer) != bits_of(after, layer)


def same(one, other) -> bool:
    """Whether two programs store the same bits in every layer."""
    return all((bits_of(one, name) == bits_of(other, name)).all() for name in pj.weights(one))
