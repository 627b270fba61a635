"""The file of a saved program: a zip of one JSON text and .npy arrays, nothing compressed.

As nothing is compressed, a file never grows when it is read: what it declares it must hold.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from pimjax.files import replacing

PLAN = "plan.json"

DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)
_LARGE = 1 << 30


class ProgramError(ValueError):
    """A file or data that is no saved program; the message says where and why."""


class ProgramFileError(OSError, ProgramError):
    """A program that cannot be read from, or written to, where it was asked for."""

    def __str__(self) -> str:
        return str(self.args[0])


def write(path: str | os.PathLike[str], plan: bytes, arrays: dict[str, np.ndarray]) -> None:
    """Writes the text `plan` and C-ordered arrays by member name; equal contents, equal bytes.

    The file appears whole or not at all. Raises ProgramFileError.
    """
    with _replacing(Path(path)) as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(_member(PLAN), plan)
        for name, array in arrays.items():
            with archive.open(_member(name), "w", force_zip64=array.nbytes >= _LARGE) as member:
                np.lib.format.write_array(member, array, (1, 0), allow_pickle=False)


def read(path: str | os.PathLike[str]) -> tuple[bytes, dict[str, np.ndarray]]:
    """The text and the arrays by member name.

    Raises ProgramFileError for a file that cannot be opened, ProgramError for one that `write`
    would not have written.
    """
    try:
        with open(Path(path), "rb") as stream:
            return _read(stream)
    except ProgramError as error:
        raise ProgramError(f"{path}: {error}") from None
    except OSError as error:
        raise ProgramFileError(f"{path}: cannot be read ({error.strerror})") from None


def _read(stream: IO[bytes]) -> tuple[bytes, dict[str, np.ndarray]]:
    try:
        with zipfile.ZipFile(stream) as archive:
            return _contents(archive, os.fstat(stream.fileno()).st_size)
    except ProgramError:
        raise
    except Exception as error:  # whatever zipfile and NumPy make of a damaged file
        reason = str(error) or type(error).__name__
        raise ProgramError(f"no saved program, or a damaged one ({reason})") from None


def _member(name: str) -> zipfile.ZipInfo:
    """A member that does not tell when and where it was written."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o644 << 16
    return info


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """`replacing`, with this module's errors."""
    if not target.name:
        raise ProgramFileError(f"{str(target)!r}: the path of a file expected")
    try:
        with replacing(target) as stream:
            yield stream
    except OSError as error:
        raise ProgramFileError(f"{target}: cannot be written ({error.strerror})") from None


def _contents(archive: zipfile.ZipFile, size: int) -> tuple[bytes, dict[str, np.ndarray]]:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names):
        raise ProgramError("a member is there twice")
    if PLAN not in names:
        raise ProgramError(f"no saved program: a zip without {PLAN}")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ProgramError(f"{info.filename}: compressed; members are stored as they are")
    if sum(info.file_size for info in infos) > size:
        raise ProgramError(f"its members declare more than its {size} bytes")
    arrays = {name: _array(archive, name) for name in names if name != PLAN}
    return archive.read(PLAN), arrays


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise ProgramError(f"{name}: .npy format {version}; (1, 0) expected")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        data = member.read()
    if dtype.name not in DTYPES or fortran:
        order = ", columns first" if fortran else ""
        raise ProgramError(f"{name}: an array of {dtype}{order}; plain numbers, C order, expected")
    if len(data) != prod(shape) * dtype.itemsize:
        raise ProgramError(f"{name}: {len(data)} bytes for shape {shape} of {dtype}")
    return np.frombuffer(data, dtype).reshape(shape)
