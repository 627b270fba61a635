"""Trains vgg-digits and writes what the package ships: `python -m pimjax.demo.train --out DIR`.

The test split is measured once, after the last step, and decides nothing. A first run on 3500 of
the 4000 training images gives the validation accuracy on the other 500; `--validation-only` stops
there. The same seed gives the same bits on the same machine with the same versions; another
processor may round differently.
"""

import argparse
import io
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from pimjax.demo import data
from pimjax.demo.float_reference import forward_float
from pimjax.files import write_whole

VALIDATION_IMAGES = 500
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "mlxtend")


@dataclass(frozen=True)
class Settings:
    """How the network is trained. `batch` divides both 3500 and 4000.

    *Assumption:* the distortions were chosen among three strengths by four-fold cross-validation on
    the training split at 30 epochs: 30 of 4000 images wrong with these, 37 with distortions about
    1.5 times as strong, 52 with twice.
    """

    seed: int = 0
    epochs: int = 60
    batch: int = 50
    peak_learning_rate: float = 3e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    average_decay: float = 0.995
    rotation_degrees: float = 8.0
    zoom: float = 0.08
    shear: float = 0.1
    shift_pixels: float = 1.5
    elastic_pixels: float = 0.6


def augment(key: jax.Array, images: jax.Array, settings: Settings) -> jax.Array:
    """The images float32 (N, 28, 28, 1), each moved, turned, sheared, scaled, bent.

    Output pixel p takes the bilinear value at A (p - c) + c + shift + bend(p), zero outside; the
    bend is a 5x5 grid of normal draws, interpolated cubically.
    """
    batch = images.shape[0]
    affine_key, shift_key, bend_key = jax.random.split(key, 3)
    draws = jax.random.uniform(affine_key, (4, batch), minval=-1.0, maxval=1.0)
    turn, shear, zoom_y, zoom_x = draws
    angle = turn * jnp.deg2rad(settings.rotation_degrees)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    scale_y, scale_x = 1.0 + settings.zoom * zoom_y, 1.0 + settings.zoom * zoom_x
    slant = settings.shear * shear
    rows = jnp.stack([cos * scale_y, (cos * slant - sin) * scale_x], axis=-1)
    columns = jnp.stack([sin * scale_y, (sin * slant + cos) * scale_x], axis=-1)
    affine = jnp.stack([rows, columns], axis=1)

    centre = 13.5
    grid = jnp.stack(jnp.meshgrid(jnp.arange(28.0), jnp.arange(28.0), indexing="ij")) - centre
    shift = jax.random.uniform(shift_key, (batch, 2), minval=-1.0, maxval=1.0)
    bend = jax.image.resize(
        jax.random.normal(bend_key, (batch, 2, 5, 5)), (batch, 2, 28, 28), method="cubic"
    )
    source = (
        jnp.einsum("nij,jyx->niyx", affine, grid, precision="highest")
        + centre
        + settings.shift_pixels * shift[:, :, None, None]
        + settings.elastic_pixels * bend
    )
    sample = partial(map_coordinates, order=1, mode="constant", cval=0.0)
    return jax.vmap(sample)(images[..., 0], source)[..., None]


def fit(images: np.ndarray, labels: np.ndarray, settings: Settings) -> dict[str, np.ndarray]:
    """The exported weights after training on images uint8 (N, 28, 28, 1) and labels uint8 (N,).

    N is a multiple of `settings.batch`. The weights are the running average over the steps. Prints
    one line an epoch. Raises RuntimeError if the export computes something else than the network.
    """
    import optax

    from pimjax.demo import model

    steps = len(images) // settings.batch
    total = settings.epochs * steps
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, settings.peak_learning_rate, total // 30, total
    )
    optimizer = optax.adamw(
        schedule,
        weight_decay=settings.weight_decay,
        mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree),
    )
    graph, parameters, statistics = model.initialise(settings.seed)

    def loss(parameters: Any, statistics: Any, x: jax.Array, y: jax.Array) -> Any:
        logits, statistics = model.forward_train(graph, parameters, statistics, x)
        targets = optax.smooth_labels(jax.nn.one_hot(y, 10), settings.label_smoothing)
        correct = jnp.sum(jnp.argmax(logits, axis=-1) == y.astype(jnp.int32))
        return jnp.mean(optax.softmax_cross_entropy(logits, targets)), (statistics, correct)

    @jax.jit
    def step(state: Any, index: jax.Array, x: jax.Array, y: jax.Array) -> Any:
        parameters, statistics, moments, average = state
        step_key = jax.random.fold_in(jax.random.key(settings.seed), index)
        x = augment(step_key, x.astype(jnp.float32) / 255.0, settings)
        (value, (statistics, correct)), gradients = jax.value_and_grad(loss, has_aux=True)(
            parameters, statistics, x, y
        )
        with jax.numpy_dtype_promotion("standard"):  # optax multiplies floats by its int32 count
            updates, moments = optimizer.update(gradients, moments, parameters)
        parameters = optax.apply_updates(parameters, updates)
        count = index.astype(jnp.float32)
        decay = jnp.minimum(settings.average_decay, count / (count + 10.0))
        average = optax.incremental_update((parameters, statistics), average, 1.0 - decay)
        return (parameters, statistics, moments, average), value, correct

    state = (parameters, statistics, optimizer.init(parameters), (parameters, statistics))
    order = np.random.Generator(np.random.PCG64(settings.seed))
    started = time.perf_counter()
    for epoch in range(settings.epochs):
        losses, hits = [], []
        batches = order.permutation(len(images)).reshape(steps, -1)
        for index, batch in enumerate(batches, epoch * steps):
            state, value, correct = step(state, np.int32(index), images[batch], labels[batch])
            losses.append(value)
            hits.append(correct)
        print(
            f"epoch {epoch + 1:3d}/{settings.epochs}  loss {np.mean(losses):.4f}  "
            f"accuracy on augmented images {np.sum(hits) / len(images):.4f}  "
            f"{time.perf_counter() - started:.0f} s",
            flush=True,
        )

    parameters, statistics = state[3]
    weights = model.export(graph, parameters, statistics)
    x = to_float(images[:256])
    trained = jax.jit(model.forward_eval, static_argnums=0)(graph, parameters, statistics, x)
    error = float(jnp.max(jnp.abs(trained - forward_float(weights, x))))
    print(f"largest difference of a logit, exported against trained: {error:.1e}")
    if not error < 1e-4:
        raise RuntimeError(f"the exported weights differ from the trained network by {error}")
    return weights


def to_float(images: np.ndarray) -> np.ndarray:
    """Pixels uint8 as float32 in 0..1: pixel / 255."""
    return images.astype(np.float32) / np.float32(255)


def accuracy(weights: Mapping[str, np.ndarray], images: np.ndarray, labels: np.ndarray) -> float:
    """The fraction of images uint8 (N, 28, 28, 1) whose largest logit is at their label."""
    logits = np.asarray(forward_float(weights, to_float(images)))
    return float(np.mean(np.argmax(logits, axis=-1) == labels))


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as a compressed npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict[str, Any](arrays))
    return buffer.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """The exit status of the command."""
    options = _parser().parse_args(arguments)
    settings = Settings(seed=options.seed, epochs=options.epochs)
    try:
        versions = {name: version(name) for name in PACKAGES}
        digits = data.load_full_dataset()
        if not options.validation_only:
            options.out.mkdir(parents=True, exist_ok=True)
    except PackageNotFoundError as error:
        print(f"error: training needs {error.name}: pip install 'pimjax[train]'", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    x, y = digits.train_images, digits.train_labels
    cut = len(x) - VALIDATION_IMAGES

    print(f"validation run: {cut} images to train on, {VALIDATION_IMAGES} to validate")
    validation_accuracy = accuracy(fit(x[:cut], y[:cut], settings), x[cut:], y[cut:])
    print(f"validation accuracy {validation_accuracy:.4f}")
    if options.validation_only:
        return 0

    print(f"final run: {len(x)} images to train on")
    weights = fit(x, y, settings)
    record = {
        "network": "vgg-digits",
        "settings": asdict(settings),
        "train_accuracy": accuracy(weights, x, y),
        "validation_accuracy": validation_accuracy,
        "test_accuracy": accuracy(weights, digits.test_images, digits.test_labels),
        "split_sha256": data.SPLIT_SHA256,
        "versions": {"python": platform.python_version(), **versions},
    }
    files = {
        "weights.npz": npz_bytes(weights),
        "training.json": (json.dumps(record, indent=2) + "\n").encode(),
    }
    if options.write_data:
        first = slice(data.CALIBRATION_IMAGES)
        files |= {
            "digits_test.npz": npz_bytes({"x": digits.test_images, "y": digits.test_labels}),
            "digits_calibration.npz": npz_bytes({"x": x[first], "y": y[first]}),
        }
    for name, content in files.items():
        write_whole(options.out / name, content)
    print(f"test accuracy {record['test_accuracy']:.4f}; written to {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pimjax.demo.train", description="Train the demo network vgg-digits."
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to write to"
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=Settings.seed, help="default %(default)s"
    )
    parser.add_argument(
        "--epochs", type=_at_least(1), default=Settings.epochs, help="default %(default)s"
    )
    parser.add_argument(
        "--validation-only",
        action="store_true",
        help="train on 3500, validate on 500, write nothing",
    )
    parser.add_argument(
        "--write-data", action="store_true", help="also write the test and the calibration images"
    )
    return parser


def _at_least(smallest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least {smallest}")
        return int(text)

    return parse


if __name__ == "__main__":
    sys.exit(main())
