"""The operations, one file each. To add one: a file, and a line here."""

from pimjax.network.ops.add import Add
from pimjax.network.ops.base import Context, Op, Result
from pimjax.network.ops.conv import Conv, Output
from pimjax.network.ops.dense import Dense
from pimjax.network.ops.flatten import Flatten
from pimjax.network.ops.pool import AveragePool, MaxPool

OPS: tuple[type[Op], ...] = (Conv, Dense, MaxPool, AveragePool, Add, Flatten)

__all__ = [
    "OPS",
    "Add",
    "AveragePool",
    "Context",
    "Conv",
    "Dense",
    "Flatten",
    "MaxPool",
    "Op",
    "Output",
    "Result",
]
