"""What reaches the ADC of non-ideal columns: V of every conversion of a row group."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pimjax.array.columns import PER_COLUMN, Columns, Group, systematic_sums
from pimjax.array.encoding import conversions
from pimjax.array.geometry import Geometry
from pimjax.array.noise import Place, column_deviates, group_key, noise, sigma_of
from pimjax.array.spec import Bitline
from pimjax.numerics.threefry import Words


class Errors(NamedTuple):
    """The errors of a tile: its columns as (t, j, g, n/g), and where its pixels are."""

    columns: Columns
    place: Place | None

    def by_row_group(self, row_groups: int) -> Any:
        """What `at` takes, with the row groups along the first axis."""
        arrays = {
            name: getattr(self.columns, name)
            for name in PER_COLUMN
            if getattr(self.columns, name) is not None
        }
        return arrays, jnp.arange(row_groups, dtype=jnp.uint32)

    def at(self, item: Any) -> GroupErrors:
        """The errors of one row group, by its part of what `by_row_group` gave."""
        arrays, row_group = item
        columns = self.columns._replace(**arrays)
        if not columns.noisy:
            return GroupErrors(columns, None, None)
        assert self.place is not None
        return GroupErrors(columns, group_key(columns.noise_key, self.place, row_group), self.place)


class GroupErrors(NamedTuple):
    """The errors of one row group."""

    columns: Group
    keys: Words | None
    place: Place | None

    @property
    def by_current(self) -> bool:
        """Whether the noise depends on the currents."""
        return self.columns.noise_variance is not None

    def effective(
        self,
        j: int,
        sums: list[jax.Array],
        active: list[jax.Array],
        driven: list[jax.Array],
        spec: Bitline,
        geometry: Geometry,
    ) -> list[jax.Array]:
        """V of conversion j for every input slice, (p, g, n/g) int32 each, from the sums S.

        active: S, or S_P + S_N of a pair; driven (p, g): the sum of the digits on the wordlines,
        slice by slice, looked at only where the noise depends on the currents.
        """
        effective = [systematic_sums(s, j, self.columns, spec) for s in sums]
        if self.keys is None or self.place is None:
            return effective
        drawn = column_deviates(self.keys, self.place, j, spec, geometry)
        conversion = conversions(spec)[j]
        largest = conversion.digit.largest * (1 + conversion.paired)
        noisy = []
        for index, deviate in enumerate(drawn):
            could_flow = driven[index][:, :, None] * largest if self.by_current else None
            sigma = sigma_of(active[index], could_flow, self.columns)
            noisy.append(effective[index] + noise(deviate, sigma))
        return noisy
