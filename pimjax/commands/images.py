"""Images and labels from files, for the command line: a folder of pictures, or an array file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pimjax.commands.pixels import Rule, as_float32
from pimjax.network.graph import Input
from pimjax.network.run import require_images

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
IMAGE_KEYS = ("x", "images", "x_test", "test_images", "data")
LABEL_KEYS = ("y", "labels", "y_test", "test_labels", "targets")


@dataclass(frozen=True)
class Images:
    """Images that are read as they are needed: a sequence with `shape`, `dtype` and slices.

    `read(slice)` gives stored values; `rule` turns them into real numbers. `total` is how many
    there are where only the first ones are taken.
    """

    source: str
    shape: tuple[int, ...]
    read: Callable[[slice], np.ndarray]
    stored: np.dtype[Any]
    total: int
    names: tuple[str, ...] = ()
    rule: Rule = as_float32

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that slices have."""
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        """Number of axes, the batch included."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> np.ndarray:
        start, stop, step = part.indices(len(self))
        return self.rule(self.read(slice(start, stop, step)))


def open_images(path: Path, entry: Input, limit: int | None = None) -> Images:
    """The pictures in a folder (by name), or the images of an .npz or .npy file, for `entry`.

    Raises ValueError or FileNotFoundError with one sentence.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    found = _folder(path, entry, limit) if path.is_dir() else _array_file(path)
    if found.shape[0] == 0:
        raise ValueError(f"{path}: no images in it")
    count = min(limit or found.shape[0], found.shape[0])
    images = replace(found, shape=(count, *found.shape[1:]), names=found.names[:count])
    try:
        require_images(images, entry)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return images


def _folder(path: Path, entry: Input, limit: int | None) -> Images:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
    if not files:
        raise ValueError(f"{path}: no pictures in it; {', '.join(PICTURES)} are read")
    if len(entry.shape) != 3 or entry.shape[2] not in (1, 3):
        raise ValueError(
            f"{path}: the network takes {entry.shape}, not pictures (h, w, 1 or 3); "
            f"give an .npz file"
        )
    # The heads are read before anything is computed, so that a wrong size is found at once.
    for file in files[:limit]:
        _picture(file, entry.shape, whole=False)

    def read(part: slice) -> np.ndarray:
        return np.stack([_picture(file, entry.shape) for file in files[part]])

    names = tuple(file.name for file in files)
    shape = (len(files), *entry.shape)
    return Images(str(path), shape, read, np.dtype(np.uint8), len(files), names)


def _picture(file: Path, shape: tuple[int, ...], whole: bool = True) -> np.ndarray:
    """Pixels uint8 of `shape`; not `whole`: none, after a look at the head of the file."""
    from PIL import Image

    height, width, channels = shape
    try:
        with Image.open(file) as picture:
            size = picture.size
            if whole and size == (width, height):
                pixels = np.asarray(picture.convert("RGB" if channels == 3 else "L"))
    except Exception as error:  # damage comes up as OSError, SyntaxError, struct.error and others
        raise ValueError(f"{file}: not a picture that can be read ({error})") from None
    if size != (width, height):
        raise ValueError(
            f"{file}: {size[1]} x {size[0]} (h x w) pixels, but the network takes "
            f"{height} x {width}; resize the pictures"
        )
    return pixels.reshape(shape) if whole else np.empty(0, np.uint8)


def _array_file(path: Path) -> Images:
    values = load_arrays(path, IMAGE_KEYS, "images")
    if not any(np.issubdtype(values.dtype, kind) for kind in (np.integer, np.floating)):
        raise ValueError(f"{path}: dtype {values.dtype}; real numbers expected")
    if values.ndim == 0:
        raise ValueError(f"{path}: a single number; images (b, ...) expected")
    return Images(str(path), values.shape, lambda part: values[part], values.dtype, len(values))


def load_arrays(path: Path, keys: tuple[str, ...], what: str) -> np.ndarray:
    """The array of an .npy file, or that of an .npz file under the first of `keys` it has.

    Nothing in the file is executed. Raises ValueError.
    """
    key = None
    try:
        # NumPy leaves a file open that it opened itself and finds damaged.
        with open(path, "rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            key = next((key for key in keys if key in loaded.files), None)
            if key is None and len(loaded.files) == 1:
                key = loaded.files[0]
            if key is not None:
                return loaded[key]
            found = sorted(loaded.files)
    except Exception as error:  # damage: zipfile, zlib and NumPy each have their own
        what = "not a readable .npz or .npy file" if key is None else f"{key!r} cannot be read"
        raise ValueError(f"{path}: {what} ({error})") from None
    raise ValueError(f"{path}: holds {found}; {what} are looked for under {list(keys)}")


def load_labels(text: str, images: Images, offset: int = 0) -> np.ndarray:
    """Class numbers int64 (n,) of the images.

    `text`: an .npz or .npy file, a text file with one number a line, or "names": the number that
    each picture's file name begins with. `offset` is added. Raises ValueError for another length.
    """
    if text == "names":
        labels = _labels_from_names(images)
    else:
        path = Path(text)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: there is no such file")
        if path.suffix.lower() in (".npz", ".npy"):
            labels = load_arrays(path, LABEL_KEYS, "labels").reshape(-1)
        else:
            labels = _labels_from_text(path)
        if not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"{path}: labels of dtype {labels.dtype}; whole numbers expected")
        if len(labels) != images.total:
            raise ValueError(f"{path}: {len(labels)} labels for {images.total} images")
    return labels[: len(images)].astype(np.int64) + offset


def _labels_from_names(images: Images) -> np.ndarray:
    numbers = []
    for name in images.names or ("",):
        digits = name[: len(name) - len(name.lstrip("0123456789"))]
        if not 0 < len(digits) < 19:  # a longer one is no class, and passes 64 bits
            raise ValueError(
                f"{images.source}: --labels names reads the number a file name begins with, but "
                f"{name or 'an array'!r} begins with none"
            )
        numbers.append(int(digits))
    return np.array(numbers, np.int64)


def _labels_from_text(path: Path) -> np.ndarray:
    try:
        words = path.read_text(encoding="utf-8").replace(",", " ").split()
        return np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path}: whole numbers in text expected ({error})") from None
