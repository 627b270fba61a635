"""The mapping table: where each layer of a program is done, and what it takes of the chip."""

from __future__ import annotations

import re
from dataclasses import dataclass

import jax.numpy as jnp

from pimjax.array.spec import Adc
from pimjax.chip.schema import Chip
from pimjax.network.capacity import Capacity, capacity_of
from pimjax.network.graph import Layer, Params
from pimjax.network.ops.base import Place
from pimjax.network.place import chips_of, placement_of
from pimjax.network.placed import LayerMapping, map_program
from pimjax.network.program import Program
from pimjax.network.shapes import results_by_shape
from pimjax.network.table import mapping_table


@dataclass(frozen=True)
class Row:
    """One layer: its kind in words, its place, the shape of one image's output.

    For a layer on the array also its mapping, its conversions for one image, and its own converter
    settings where it has some.
    """

    name: str
    kind: str
    place: Place
    output: tuple[int, ...]
    mapping: LayerMapping | None = None
    conversions: int = 0
    adc: Adc | None = None


@dataclass(frozen=True, repr=False)
class Description:
    """A program layer by layer, and what it takes in all. As text it is the mapping table.

    `policy` is the rule of its placement, `chips` the number of chips that this reaches over.
    """

    chip: Chip
    capacity: Capacity
    rows: tuple[Row, ...]
    policy: str = "layer"
    chips: int = 1

    @property
    def array_rows(self) -> tuple[Row, ...]:
        """The layers on the array."""
        return tuple(row for row in self.rows if row.mapping is not None)

    @property
    def host_rows(self) -> tuple[Row, ...]:
        """The layers that the host computes in float."""
        return tuple(row for row in self.rows if row.place == "host")

    @property
    def macros(self) -> int:
        """Macros taken, those that layers share counted once."""
        return len(frozenset().union(*(mapping.macro_numbers for mapping in self._mappings)))

    @property
    def cells(self) -> int:
        """Cells that hold weights."""
        return sum(mapping.cells for mapping in self._mappings)

    @property
    def utilisation(self) -> float:
        """Cells that hold weights as a share of all cells of the macros taken."""
        return self.cells / max(1, self.macros * self.capacity.cells_per_macro)

    @property
    def mib(self) -> float:
        """Memory of the macros taken, in MiB."""
        return self.capacity.mib(self.macros)

    @property
    def share(self) -> float:
        """Macros taken as a share of those of all `chips`."""
        return self.macros / (self.chips * self.capacity.macros)

    @property
    def conversions(self) -> int:
        """ADC conversions for one image."""
        return sum(row.conversions for row in self.rows)

    @property
    def _mappings(self) -> list[LayerMapping]:
        return [row.mapping for row in self.rows if row.mapping is not None]

    def table(self, width: int = 120) -> str:
        """The mapping table as plain text, for lines of `width` characters."""
        return mapping_table(self, width)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"Description({self.chip.name}: {len(self.rows)} layers, {self.macros} macros)"


def describe(program: Program) -> Description:
    """The mapping of a program, layer by layer. Nothing is computed but shapes."""
    graph, image = program.plan.graph, program.image
    results = results_by_shape(program.plan, image)
    mappings = map_program(program)
    rows = []
    for layer in graph.layers:
        result = results[layer.name]
        in_float = jnp.issubdtype(result.output.dtype, jnp.floating)
        place: Place = "host" if in_float and layer.op.place == "digital" else layer.op.place
        row = Row(
            name=layer.name,
            kind=kind_of(layer, image.get(layer.name, {})),
            place=place,
            output=result.output.shape[1:],
            mapping=mappings.get(layer.name),
            conversions=0 if result.stats is None else result.stats.conversions,
            adc=getattr(layer.op, "adc", None),
        )
        rows.append(row)
    return Description(
        chip=program.chip,
        capacity=capacity_of(program.chip),
        rows=tuple(rows),
        policy=placement_of(program).policy,
        chips=chips_of(program),
    )


def kind_of(layer: Layer, params: Params) -> str:
    """The operation in words, with its window, stride, dilation and groups: "conv 3x3 /2 dw"."""
    op = layer.op
    name = getattr(op, "function", None) or _words(type(op).__name__)
    kernel = next((params[key] for key in ("weights", "kernel") if key in params), None)
    is_conv = kernel is not None and len(kernel.shape) == 4
    window = kernel.shape[:2] if is_conv else getattr(op, "window", None)  # type: ignore[union-attr]
    words = [name]
    if window is not None:
        words.append(f"{window[0]}x{window[1]}")
    stride, dilation = getattr(op, "stride", (1, 1)), getattr(op, "dilation", (1, 1))
    if stride != (1, 1):
        words.append(f"/{_pair(stride)}")
    if dilation != (1, 1):
        words.append(f"d{_pair(dilation)}")
    groups = getattr(op, "groups", 1)
    if groups > 1:
        depthwise = is_conv and kernel.shape[2] == 1  # type: ignore[union-attr]
        words.append("dw" if depthwise else f"g{groups}")
    return " ".join(words)


def _words(class_name: str) -> str:
    """The class's name in words: MaxPool is a max pool, FloatConv a conv on the host."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", class_name.removeprefix("Float")).lower()


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]}" if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
