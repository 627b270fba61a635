"""The pictures of docs/device.md are drawn from the laws, the same each time."""

from pathlib import Path

import pytest

from pimjax.memory.device.plots import PLOTS, draw_all

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.slow
def test_every_law_is_drawn_and_shown(tmp_path):
    first, second = draw_all(tmp_path / "a"), draw_all(tmp_path / "b")
    assert len(first) == len(PLOTS)
    page = (DOCS / "device.md").read_text(encoding="utf-8")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"<svg" in one.read_bytes()
        assert f"images/{one.name}" in page
        assert (DOCS / "images" / one.name).is_file()


def test_the_page_names_every_value_of_the_device():
    from dataclasses import fields

    from pimjax.chip.schema import Mram

    page = (DOCS / "device.md").read_text(encoding="utf-8")
    for field in fields(Mram):
        if field.name not in ("capacity_mib", "word_bits", "ecc"):
            assert f"`{field.name}`" in page, field.name
