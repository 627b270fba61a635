"""An external magnetic field: one state of a cell gains stability, the other loses it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pimjax.memory.device.limits import within


def stability_in_field(
    stability: ArrayLike, field_t: ArrayLike, anisotropy_field_t: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """(Delta_P, Delta_AP) in a field along the easy axis: Delta (1 + h)^2 and Delta (1 - h)^2.

    h = field / anisotropy field, both as mu0 H in tesla; a positive field favours P, so that a
    stored 0 (AP) is lost more easily, a negative one favours AP. |h| < 1 is enforced: beyond it
    the state against the field does not exist. *Source:* the coherent macrospin; *assumption:* a
    film that switches by domain walls is weaker.
    """
    stable = within("stability", stability, 0.0)
    anisotropy = within("anisotropy_field_t", anisotropy_field_t, 0.0, strict=True)
    h = within("field_t", field_t) / anisotropy
    if np.any(np.abs(h) >= 1):
        field = np.broadcast_to(within("field_t", field_t), h.shape)[np.abs(h) >= 1].flat[0]
        raise ValueError(
            f"field_t = {field:g}: less than the anisotropy field anisotropy_field_t expected, "
            f"in both directions; beyond it a cell has one state only"
        )
    return stable * (1 + h) ** 2, stable * (1 - h) ** 2
