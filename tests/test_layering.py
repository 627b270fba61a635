"""Imports point down the layers: an arrow the wrong way fails, also inside a function."""

import ast
from pathlib import Path

import pytest

import pimjax

# A layer may import itself and those before it; memory and array stand side by side. "pimjax" is
# the public surface, pimjax/__init__.py.
LAYERS = [
    "extras",
    "files",
    "numerics",
    "memory",
    "array",
    "chip",
    "network",
    "die",
    "frontend",
    "study",
    "estimate",
    "pimjax",
    "demo",
    "commands",
    "cli",
]
APART = {("memory", "array"), ("array", "memory")}
ROOT = Path(pimjax.__file__).parent


def imported_modules(source: str, package: str) -> list[str]:
    """Full names of what a module of that package imports anywhere in its text."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            names += [f"{module}.{alias.name}" for alias in node.names]
    return names


def layer_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else "pimjax"


def wrong_arrows(source: str, package: str) -> list[str]:
    here = layer_of(package)
    layers = [layer_of(m) for m in imported_modules(source, package) if m.split(".")[0] == "pimjax"]
    allowed = LAYERS[: LAYERS.index(here) + 1]
    return [there for there in layers if there not in allowed or (here, there) in APART]


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_point_down(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    assert parts[0] in (*LAYERS, "__init__"), f"{parts[0]} has no place in LAYERS"
    package = parts if len(parts) == 1 and parts[0] != "__init__" else parts[:-1]
    source = path.read_text(encoding="utf-8")
    assert wrong_arrows(source, ".".join(("pimjax", *package))) == []


@pytest.mark.parametrize(
    ("source", "package", "wrong"),
    [
        ("from pimjax.chip.load import load_chip", "pimjax.array", ["chip"]),
        ("def f():\n    import pimjax.chip.load", "pimjax.array.engines", ["chip"]),
        ("from pimjax import network", "pimjax.chip", ["network"]),
        ("from ..chip import load", "pimjax.array", ["chip"]),
        ("from ...chip import load", "pimjax.array.engines", ["chip"]),
        ("from .. import chip", "pimjax.array", ["chip"]),
        ("from pimjax.memory import faults", "pimjax.array", ["memory"]),
        ("import pimjax as pj\nimport pimjax.array", "pimjax.network", ["pimjax"]),
        ("from pimjax import matmul", "pimjax.network", ["pimjax"]),
        ("import pimjax as pj\nfrom pimjax.array import rows", "pimjax.cli", []),
        ("from .adc import affine\nimport jax.numpy", "pimjax.array", []),
    ],
)
def test_an_arrow_the_wrong_way_is_seen(source, package, wrong):
    assert wrong_arrows(source, package) == wrong
