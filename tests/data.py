"""Real models and labelled data, which lie beside the repository and are not part of it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_path(name: str) -> Path:
    """The path of a file or folder of the data; the test is skipped where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path
