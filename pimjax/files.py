"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `target` when all went well, and goes away else.

    Raises OSError as writing does.
    """
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with open(draft, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, target)
    finally:
        with suppress(OSError):  # it has its place, or never came to be
            draft.unlink()


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file completely, or leaves what was there. Raises OSError that names `path`."""
    try:
        with replacing(path) as stream:
            stream.write(content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
