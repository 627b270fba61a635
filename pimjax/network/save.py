"""Programs as files. Loading runs no code from a file and takes nothing in it on trust.

`plan.json` holds every static setting and lists the arrays; docs/formats.md describes it.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Any, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np

from pimjax.array.spec import SEMANTICS
from pimjax.chip.explain import ChipError
from pimjax.chip.load import build_chip
from pimjax.chip.schema import Chip
from pimjax.network import container
from pimjax.network.codec import decode, encode
from pimjax.network.container import DTYPES, PLAN, ProgramError
from pimjax.network.graph import Image
from pimjax.network.place import placement_of
from pimjax.network.placed import require_placement
from pimjax.network.program import Program
from pimjax.network.whole import require_graph, require_whole

FORMAT = "pimjax program"
VERSION = 2
_WITHOUT_PLACEMENT = 1


@dataclass(frozen=True)
class ArrayEntry:
    """An array of the image: the layer it belongs to, its name there, its member of the zip."""

    layer: str
    name: str
    member: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """What `plan.json` holds beside the program's own static fields; `chip` is TOML text."""

    format: str
    version: int
    semantics: str
    chip: str
    arrays: tuple[ArrayEntry, ...]


_HEADER = tuple(field.name for field in fields(Header))
_STATIC = tuple(field.name for field in fields(Program) if field.name not in ("image", "chip"))


def save_program(program: Program, path: str | os.PathLike[str]) -> None:
    """Writes a file that `load_program` reads; equal programs give equal bytes.

    The file appears whole or not at all. Raises ProgramFileError (an OSError) where it cannot be
    written, ProgramError for a program that a file cannot hold.
    """
    container.write(path, *_contents(program))


def load_program(path: str | os.PathLike[str]) -> Program:
    """The program of a file that `Program.save` wrote.

    Raises ProgramError (a ValueError) with one sentence for a file that is no saved program, is
    damaged, of another version, or does not fit together; ProgramFileError (an OSError too) for
    one that cannot be read.
    """
    text, members = container.read(path)
    try:
        return _program(text, members)
    except ProgramError as error:
        raise ProgramError(f"{path}: {error}") from None


def program_digest(program: Program) -> str:
    """SHA-256, in hex, of `plan.json` and then every array's bytes in the order it lists them."""
    text, arrays = _contents(program)
    total = sha256(text)
    for array in arrays.values():
        total.update(array.tobytes())
    return total.hexdigest()


def _contents(program: Program) -> tuple[bytes, dict[str, np.ndarray]]:
    """`plan.json` and the arrays it lists by member name, C-ordered and little-endian."""
    entries: list[ArrayEntry] = []
    arrays, names = {}, {*program.layers}
    for layer in sorted(program.image):
        for name in sorted(program.image[layer]):
            array = np.asarray(program.image[layer][name], order="C")
            member = f"arrays/{len(entries):05d}.npy"
            entry = ArrayEntry(layer, name, member, array.dtype.name, array.shape)
            _require_entry(entry, names)
            entries.append(entry)
            arrays[member] = array.astype(array.dtype.newbyteorder("<"), copy=False)
    header = Header(FORMAT, VERSION, SEMANTICS, program.chip.to_toml(), tuple(entries))
    try:
        program = replace(program, placement=placement_of(program))
        require_placement(program)
    except ValueError as error:
        raise ProgramError(str(error)) from None
    static = {name: encode(getattr(program, name)) for name in _STATIC}
    # What would not read back as the same plan is refused now, not when it is needed.
    if _static(static) != {name: getattr(program, name) for name in _STATIC}:
        raise ProgramError("the plan does not read back equal; its settings must be plain values")
    text = json.dumps(encode(header) | static, indent=1, sort_keys=True, allow_nan=False)
    return text.encode(), arrays


def _static(table: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(Program)
    return {name: decode(table[name], hints[name], name) for name in _STATIC}


def _program(text: bytes, members: dict[str, np.ndarray]) -> Program:
    table = _table(text)
    if table.get("format") != FORMAT:
        raise ProgramError(f"no saved program: format {table.get('format')!r} in {PLAN}")
    version = table.get("version")
    if type(version) is not int or version not in (_WITHOUT_PLACEMENT, VERSION):
        raise ProgramError(
            f"version {version!r} of the file format; this pimjax reads up to {VERSION}"
        )
    if version == _WITHOUT_PLACEMENT:
        table.setdefault("placement", None)
    for name in sorted({*_HEADER, *_STATIC} ^ set(table)):
        problem = "unknown" if name in table else "missing"
        raise ProgramError(f"{PLAN}: field {name!r} is {problem}")
    header: Header = decode({name: table[name] for name in _HEADER}, Header, PLAN)
    if header.semantics != SEMANTICS:
        raise ProgramError(
            f"compiled for semantics {header.semantics!r}, but this pimjax computes {SEMANTICS!r}; "
            f"compile the model again"
        )
    static = _static(table)
    require_graph(static["plan"].graph)
    program = Program(image={}, chip=_chip(header.chip), **static)
    program = replace(program, image=_image(header.arrays, members, {*program.layers}))
    require_whole(program)
    return program


def _table(text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a key is there twice")
        return table

    try:
        table = json.loads(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"{PLAN}: no JSON text ({error})") from None
    if not isinstance(table, dict):
        raise ProgramError(f"{PLAN}: an object expected")
    return table


def _chip(text: str) -> Chip:
    try:
        return build_chip(tomllib.loads(text), f"{PLAN}: chip")
    except tomllib.TOMLDecodeError as error:
        raise ProgramError(f"{PLAN}: chip: not TOML ({error})") from None
    except ChipError as error:
        raise ProgramError(str(error)) from None


def _image(
    entries: tuple[ArrayEntry, ...], members: dict[str, np.ndarray], layers: Collection[str]
) -> Image:
    listed = {entry.member for entry in entries}
    for name in sorted(listed ^ {*members}):
        problem = f"not listed in {PLAN}" if name in members else "missing"
        raise ProgramError(f"{name}: {problem}")
    image: Image = {}
    for entry in entries:
        _require_entry(entry, layers)
        array = members[entry.member]
        if (array.dtype.name, array.shape) != (entry.dtype, entry.shape):
            raise ProgramError(
                f"{entry.member}: {array.dtype} {array.shape}; {PLAN} says {entry.dtype} "
                f"{entry.shape} for {entry.name!r} of layer {entry.layer!r}"
            )
        params = image.setdefault(entry.layer, {})
        if entry.name in params or len(listed) < len(entries):
            raise ProgramError(f"{PLAN}: {entry.name!r} of layer {entry.layer!r} is there twice")
        # JAX has no 64-bit types here: such an array stays what it is.
        wide = jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype
        params[entry.name] = array if wide else jnp.asarray(array)
    return image


def _require_entry(entry: ArrayEntry, layers: Collection[str]) -> None:
    where = f"array {entry.name!r} of layer {entry.layer!r}"
    if entry.layer not in layers:
        raise ProgramError(f"{where}: the program has no such layer")
    if entry.dtype not in DTYPES:
        raise ProgramError(f"{where}: dtype {entry.dtype}; {', '.join(DTYPES)} can be saved")
