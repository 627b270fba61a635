"""Tensors of a file that torch.save wrote in its first format, read without torch.

Such a file is a pickle that names tensors, then the numbers of each storage. Unpickling runs what
a file asks for, so here it may ask for nothing but four names, which only ever make tensors.
*Source:* the layout is that of torch/serialization.py (`_legacy_save`): three pickles (a magic
number, the version 1001, the sizes of the writing machine's types), the pickle of the object with
storages as persistent ids, a pickle with the list of storage keys, and for each key a 64-bit
count and the numbers.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
STORAGES = {
    ("torch", "FloatStorage"): "<f4",
    ("torch", "DoubleStorage"): "<f8",
    ("torch", "LongStorage"): "<i8",
    ("torch", "IntStorage"): "<i4",
}


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name of a saved state dictionary.

    Raises ValueError with one sentence for a file of another kind, or a damaged one, or one that
    asks for anything but tensors.
    """
    try:
        return _read(path.read_bytes())
    except (
        *(pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError),
        *(KeyError, IndexError, OverflowError, RecursionError, ImportError, MemoryError),
    ) as error:
        raise ValueError(f"{path}: not a readable file of torch tensors ({error})") from None


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str
    size: int


@dataclass(frozen=True, slots=True)
class _View:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, numbers: np.ndarray) -> np.ndarray:
        """The view's own copy of its numbers; refused if it is larger than them."""
        shape, strides = self.shape, self.strides
        whole = [isinstance(n, int) and n >= 0 for n in (self.offset, *shape, *strides)]
        last = self.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        count = math.prod(shape)
        if not all(whole) or count > numbers.size or (count and last >= numbers.size):
            raise ValueError(f"a tensor of shape {shape} reaches beyond its {numbers.size} numbers")
        steps = [step * numbers.itemsize for step in strides]
        start = numbers[self.offset :]
        return np.lib.stride_tricks.as_strided(start, shape, steps, writeable=False).copy()


class _Rebuild:
    """Stands for torch._utils._rebuild_tensor_v2; it has no attributes that a file could set."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, shape: Any, strides: Any, *further: Any) -> _View:
        """A tensor that is filled once the numbers are read."""
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without a storage")
        return _View(storage, offset, tuple(shape), tuple(strides))


class _Tensors(pickle.Unpickler):
    """An unpickler that knows the names of tensors and no others."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for one of the four names. Raises UnpicklingError for any other."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Rebuild()
        if (module, name) in STORAGES:
            return STORAGES[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not a tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        """The storage that a persistent id names: ("storage", type, key, device, size, view)."""
        kind, dtype, key, _, size, view = pid
        named = kind == "storage" and dtype in STORAGES.values() and isinstance(key, str)
        if not named or not isinstance(size, int) or view is not None:
            raise pickle.UnpicklingError(f"a storage of another kind: {pid!r}")
        return _Storage(key, dtype, size)


def _read(content: bytes) -> dict[str, np.ndarray]:
    stream = io.BytesIO(content)
    if _Tensors(stream).load() != MAGIC or _Tensors(stream).load() != VERSION:
        raise ValueError("its first numbers are not those of torch.save before version 1.6")
    machine = _Tensors(stream).load()
    if machine["little_endian"] is not True:
        raise ValueError("it was written on a big-endian machine")
    named = _Tensors(stream).load()
    keys = _Tensors(stream).load()
    if not isinstance(named, OrderedDict) or not all(isinstance(name, str) for name in named):
        raise ValueError("it is no dictionary of names")
    views = {name: value for name, value in named.items() if isinstance(value, _View)}
    if len(views) < len(named):
        raise ValueError("it holds other things than tensors")
    storages = {view.storage.key: view.storage for view in views.values()}
    numbers = {}
    for key in keys:
        size = int.from_bytes(stream.read(8), "little", signed=True)
        storage = storages[key]
        if size != storage.size:
            raise ValueError(f"storage {key} has {size} numbers instead of {storage.size}")
        dtype = np.dtype(storage.dtype)
        if size < 0 or len(content) - stream.tell() < size * dtype.itemsize:
            raise ValueError(f"it ends within storage {key}")
        numbers[key] = np.frombuffer(stream.read(size * dtype.itemsize), dtype)
    return {name: view.array(numbers[view.storage.key]) for name, view in views.items()}
