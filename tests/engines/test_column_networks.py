"""Networks on non-ideal columns: noise by the image's number, through batches and files."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import pimjax as pj
from pimjax.array.columns import NAMES, Columns, require_columns_in_range
from pimjax.array.encoding import conversions
from tests.models import RELU, conv, dense, model_of
from tests.support import make_chip

IMAGES = np.random.default_rng(3).normal(size=(5, 4, 4, 3)).astype(np.float32)


@cache
def program(**errors) -> pj.Program:
    """A convolution and a matrix product with these errors in every layer, drawn apart."""
    steps = conv(1, 3, 4), RELU, (*flat(),), dense(7, 64, 3)
    chip = make_chip(act_bits=4, weight_bits=3, active_wordlines=16, adc_bits=4)
    ideal = pj.compile(model_of(*steps, shape=(4, 4, 3)), chip, calibration=IMAGES)
    image = {name: dict(arrays) for name, arrays in ideal.image.items()}
    rng = np.random.default_rng(4)
    for number, layer in enumerate(ideal.plan.graph.layers):
        if layer.op.place != "array":
            continue
        weights = image[layer.name]["weights"]
        k, n = int(np.prod(weights.shape[:-1])), weights.shape[-1]
        shape = (ideal.plan.spec.row_groups(k), len(conversions(ideal.plan.spec)), n)
        for name, size in errors.items():
            if name == "noise_sigma":
                image[layer.name][name] = jnp.int32(size)
                image[layer.name]["noise_key"] = jnp.array([number, 5], jnp.uint32)
            else:
                drawn = np.rint(rng.normal(0, size, shape)).astype(np.int32)
                image[layer.name][name] = jnp.asarray(drawn)
    return replace(ideal, image=image)


def flat():
    from pimjax.network.ops import Reshape

    return Reshape((64,)), {}


ALL = {"column_gain": 3000, "column_offset": 150, "column_bow": 100, "noise_sigma": 120}


@pytest.mark.slow
def test_an_image_draws_its_noise_by_its_number():
    noisy = program(**ALL)
    whole = pj.run(noisy, IMAGES, codes=True)
    assert (pj.run(noisy, IMAGES, batch_size=2, codes=True) == whole).all()
    assert (pj.run(noisy, IMAGES[3:], codes=True, first=3) == whole[3:]).all()
    same = pj.run(noisy, np.repeat(IMAGES[:1], 5, axis=0), codes=True)
    assert (same[0] == whole[0]).all()
    assert len(np.unique(same, axis=0)) > 1
    with pytest.raises(ValueError, match="first: -1 given"):
        pj.run(noisy, IMAGES, first=-1)


@pytest.mark.slow
def test_errors_are_saved_and_loaded(tmp_path):
    noisy = program(**ALL)
    noisy.save(tmp_path / "noisy.pim")
    loaded = pj.load_program(tmp_path / "noisy.pim")
    assert loaded.digest == noisy.digest
    assert (pj.run(loaded, IMAGES, codes=True) == pj.run(noisy, IMAGES, codes=True)).all()


def test_a_file_with_errors_of_another_shape_is_refused(tmp_path):
    wrong = program(column_offset=9)
    image = {name: dict(arrays) for name, arrays in wrong.image.items()}
    layer = next(name for name, arrays in image.items() if "column_offset" in arrays)
    image[layer]["column_offset"] = image[layer]["column_offset"][:, :, :1]
    replace(wrong, image=image).save(tmp_path / "wrong.pim")
    with pytest.raises(ValueError, match=r"column_offset: int32 \(\d+, 3, 1\) given"):
        pj.load_program(tmp_path / "wrong.pim")


@pytest.mark.parametrize(
    ("name", "value"),
    [("gain", 1 << 15), ("offset", -(1 << 27) - 1), ("bow", 1 << 18), ("noise_sigma", -1)],
)
def test_errors_out_of_range_are_refused(name, value):
    shape = () if name == "noise_sigma" else (1, 1, 1)
    columns = Columns(**{name: jnp.full(shape, value, jnp.int32)})
    with pytest.raises(ValueError, match=rf"{NAMES[name]}: {value} given"):
        require_columns_in_range(columns)


SHARED = """
import json, jax, pimjax as pj
from tests.engines.test_column_networks import ALL, IMAGES, program
codes = [pj.run(program(**ALL), IMAGES, batch_size=size, codes=True) for size in (4, 64)]
print(json.dumps([len(jax.devices()), *(part.tolist() for part in codes)]))
"""


@pytest.mark.slow
def test_devices_leave_no_trace_in_the_noise():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", SHARED],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    right = pj.run(program(**ALL), IMAGES, codes=True).tolist()
    assert json.loads(done.stdout.splitlines()[-1]) == [4, right, right]
