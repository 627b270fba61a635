"""Images and labels from files, for the command line: a folder of pictures, or an .npz file.

Pixels become the real numbers that a network takes by a named rule; the command prints which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pimjax.network.graph import Input
from pimjax.network.tensor import TensorSpec

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
IMAGE_KEYS = ("x", "images", "x_test", "test_images", "data")
LABEL_KEYS = ("y", "labels", "y_test", "test_labels", "targets")

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

RULES: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "none": ("as they are", lambda x: x.astype(np.float32)),
    "unit": ("x / 255", lambda x: x.astype(np.float32) / np.float32(255)),
    "signed": ("(x - 127) / 128", lambda x: (x.astype(np.float32) - 127) / np.float32(128)),
    "imagenet": (
        "(x / 255 - mean) / deviation of ImageNet",
        lambda x: (x.astype(np.float32) / np.float32(255) - _IMAGENET_MEAN) / _IMAGENET_DEVIATION,
    ),
}
"""How stored pixels become real numbers, in words and as a function."""


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
    rule: Callable[[np.ndarray], np.ndarray] = RULES["none"][1]

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
    """The pictures in a folder (by name), or the images of an .npz or .npy file.

    Raises ValueError or FileNotFoundError with one sentence.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    found = _folder(path, entry) if path.is_dir() else _array_file(path)
    if found.shape[0] == 0:
        raise ValueError(f"{path}: no images in it")
    count = min(limit or found.shape[0], found.shape[0])
    return replace(found, shape=(count, *found.shape[1:]), names=found.names[:count])


def _folder(path: Path, entry: Input) -> Images:
    from PIL import Image, UnidentifiedImageError

    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
    if not files:
        raise ValueError(f"{path}: no pictures in it; {', '.join(PICTURES)} are read")
    if len(entry.shape) != 3 or entry.shape[2] not in (1, 3):
        raise ValueError(
            f"{path}: the network takes {entry.shape}, not pictures (h, w, 1 or 3); "
            f"give an .npz file"
        )
    height, width, channels = entry.shape
    mode = "RGB" if channels == 3 else "L"

    def read_one(file: Path) -> np.ndarray:
        try:
            with Image.open(file) as picture:
                pixels = np.asarray(picture.convert(mode))
        except (UnidentifiedImageError, OSError) as error:
            raise ValueError(f"{file}: not a picture that can be read ({error})") from None
        if pixels.shape[:2] != (height, width):
            raise ValueError(
                f"{file}: {pixels.shape[0]} x {pixels.shape[1]} (h x w) pixels, but the network "
                f"takes {height} x {width}; resize the pictures"
            )
        return pixels.reshape(height, width, channels)

    def read(part: slice) -> np.ndarray:
        return np.stack([read_one(file) for file in files[part]])

    names = tuple(file.name for file in files)
    shape = (len(files), *entry.shape)
    return Images(str(path), shape, read, np.dtype(np.uint8), len(files), names)


def _array_file(path: Path) -> Images:
    values = load_arrays(path, IMAGE_KEYS, "images")
    if not np.issubdtype(values.dtype, np.number):
        raise ValueError(f"{path}: dtype {values.dtype}; numbers expected")
    if values.ndim == 0:
        raise ValueError(f"{path}: a single number; images (b, ...) expected")
    return Images(str(path), values.shape, lambda part: values[part], values.dtype, len(values))


def load_arrays(path: Path, keys: tuple[str, ...], what: str) -> np.ndarray:
    """The array of an .npy file, or that of an .npz file under the first of `keys` it has.

    Nothing in the file is executed. Raises ValueError.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a readable .npz or .npy file ({error})") from None
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        key = next((key for key in keys if key in loaded.files), None)
        if key is None and len(loaded.files) == 1:
            key = loaded.files[0]
        if key is None:
            raise ValueError(
                f"{path}: holds {sorted(loaded.files)}; {what} are looked for under {list(keys)}"
            )
        try:
            return loaded[key]
        except Exception as error:  # a damaged member: zlib, zipfile and NumPy each have their own
            raise ValueError(f"{path}: {key!r} cannot be read ({error})") from None


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
        if not digits:
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
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path}: whole numbers in text expected ({error})") from None


def normalised(images: Images, rule: str, entry: Input) -> tuple[Images, str]:
    """The images as the network takes them, and the rule in words.

    `rule`: a name of RULES, "MEAN,DEVIATION" in pixel units, or "auto": floats stay as they are;
    integers are the codes themselves where the network takes codes (pixels count from the lowest
    code), and become (x - 127) / 128 where it takes real numbers.
    """
    is_float = np.issubdtype(images.stored, np.floating)
    if rule == "auto":
        if is_float:
            rule = "none"
        elif entry.tensor is not None:
            words, codes_function = _codes_rule(entry.tensor, images.stored)
            return replace(images, rule=codes_function), words
        else:
            rule = "signed"
    if rule in RULES:
        words, named = RULES[rule]
        return replace(images, rule=named), words
    mean, comma, deviation = rule.partition(",")
    try:
        numbers = np.float32(mean), np.float32(deviation)
    except ValueError:
        numbers = (np.float32(0), np.float32(0))
    if not comma or not numbers[1] > 0:
        names = ", ".join(("auto", *RULES))
        raise ValueError(f"--normalize {rule!r}: {names} or MEAN,DEVIATION expected")
    words = f"(x - {mean}) / {deviation}"

    def function(x: np.ndarray) -> np.ndarray:
        return (x.astype(np.float32) - numbers[0]) / numbers[1]

    return replace(images, rule=function), words


def _codes_rule(
    tensor: TensorSpec, stored: np.dtype[Any]
) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    shift = tensor.low if np.issubdtype(stored, np.unsignedinteger) else 0
    words = f"x - {-shift} as input codes" if shift else "x as input codes"

    def function(x: np.ndarray) -> np.ndarray:
        codes = x.astype(np.int64) + shift
        if codes.min() < tensor.low or codes.max() > tensor.high:
            raise ValueError(
                f"images: codes {codes.min()}..{codes.max()}, but the network takes "
                f"{tensor.low}..{tensor.high}; give real numbers or choose --normalize"
            )
        return tensor.values_of(codes)

    return words, function
