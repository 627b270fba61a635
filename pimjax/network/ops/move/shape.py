"""Other shapes of the same numbers: flatten, reshape, transpose, slice, pad, concatenate, gather.

Axes are counted without the batch axis, which always stays the first: axis 0 is the height of an
image (h, w, c).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pimjax.network.ops.base import Context, Place, Result


@dataclass(frozen=True)
class Reshape:
    """(b, ...) as (b, *shape), in the order of the last axis first; one entry may be -1."""

    place: ClassVar[Place] = "digital"

    shape: tuple[int, ...]

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The same numbers in the new shape."""
        return Result(inputs[0].reshape(inputs[0].shape[0], *self.shape))


@dataclass(frozen=True)
class Flatten:
    """The pixels of an image as one vector: (b, h, w, c) as (b, h w c), in that order."""

    place: ClassVar[Place] = "digital"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """(b, h w c)."""
        return Reshape((-1,)).apply(inputs, params, context)


@dataclass(frozen=True)
class Transpose:
    """Axes reordered: axis i of the result is axis `axes[i]` of the input."""

    place: ClassVar[Place] = "digital"

    axes: tuple[int, ...]

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The transposed numbers."""
        return Result(jnp.transpose(inputs[0], (0, *(axis + 1 for axis in self.axes))))


@dataclass(frozen=True)
class Slice:
    """From `start` to `stop` by `step` along every axis; step may be negative as in Python.

    `stop` None with a negative step means past the first element.
    """

    place: ClassVar[Place] = "digital"

    start: tuple[int, ...]
    stop: tuple[int | None, ...]
    step: tuple[int, ...]

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The chosen part."""
        cuts = [slice(*cut) for cut in zip(self.start, self.stop, self.step, strict=True)]
        return Result(inputs[0][(slice(None), *cuts)])


@dataclass(frozen=True)
class Pad:
    """(before, after) elements of `value` around every axis; negative amounts crop.

    `value` is a code where codes are padded. `mode`: "constant", "reflect" or "edge".
    """

    place: ClassVar[Place] = "digital"

    widths: tuple[tuple[int, int], ...]
    value: float = 0
    mode: str = "constant"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The padded numbers."""
        x = inputs[0]
        if self.mode != "constant":
            return Result(jnp.pad(x, ((0, 0), *self.widths), mode=self.mode))
        sides = [(0, 0, 0), *((before, after, 0) for before, after in self.widths)]
        return Result(jax.lax.pad(x, jnp.array(self.value, x.dtype), sides))


@dataclass(frozen=True)
class Concat:
    """Several tensors one after the other along `axis`; of codes, all of one scale."""

    place: ClassVar[Place] = "digital"

    axis: int

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The joined numbers."""
        return Result(jnp.concatenate(inputs, axis=self.axis + 1))


@dataclass(frozen=True)
class Take:
    """The elements `indices` along `axis`: nearest-neighbour resizing, channel shuffles."""

    place: ClassVar[Place] = "digital"

    axis: int
    indices: tuple[int, ...]

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The chosen elements."""
        return Result(jnp.take(inputs[0], jnp.array(self.indices, jnp.int32), axis=self.axis + 1))


@dataclass(frozen=True)
class Spread:
    """(b, h, w, c) with `gaps` elements of `value` between neighbours along h and w.

    A transposed convolution is a convolution of this.
    """

    place: ClassVar[Place] = "digital"

    gaps: tuple[int, int]
    value: float = 0

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """(b, (h - 1) (gaps + 1) + 1, ..., c)."""
        x = inputs[0]
        sides = [(0, 0, 0), (0, 0, self.gaps[0]), (0, 0, self.gaps[1]), (0, 0, 0)]
        return Result(jax.lax.pad(x, jnp.array(self.value, x.dtype), sides))


@dataclass(frozen=True)
class Identity:
    """The same numbers under another name."""

    place: ClassVar[Place] = "digital"

    def apply(
        self, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array], context: Context
    ) -> Result:
        """The input."""
        return Result(inputs[0])
