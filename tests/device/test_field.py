"""An external field shifts stability from one state to the other."""

import pytest

from pimjax.memory.device.field import stability_in_field


def test_a_field_favours_one_state():
    parallel, antiparallel = stability_in_field(60.0, 0.03, 0.3)
    assert float(parallel) == pytest.approx(60 * 1.1**2, rel=1e-12)
    assert float(antiparallel) == pytest.approx(60 * 0.9**2, rel=1e-12)
    mirrored = stability_in_field(60.0, -0.03, 0.3)
    assert [float(d) for d in mirrored] == [float(antiparallel), float(parallel)]
    assert [float(d) for d in stability_in_field(60.0, 0.0, 0.3)] == [60, 60]


@pytest.mark.parametrize("field", [0.3, -0.3, 5.0])
def test_fields_that_leave_one_state(field):
    with pytest.raises(ValueError, match=f"field_t = {field:g}: less than the anisotropy field"):
        stability_in_field(60.0, [0.0, field], 0.3)


def test_what_is_refused():
    with pytest.raises(ValueError, match="anisotropy_field_t = 0: above 0 expected"):
        stability_in_field(60.0, 0.01, 0.0)
    with pytest.raises(ValueError, match="field_t = nan: a finite number expected"):
        stability_in_field(60.0, float("nan"), 0.3)
