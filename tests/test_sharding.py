"""A batch on four simulated devices leaves the oracle's bits, as on one, and is really spread."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support import totals
from tests.test_run import IMAGES, right

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
import jax, numpy as np
import pimjax as pj
from pimjax.network import run as running
from tests.support import totals
from tests.test_run import IMAGES, program

used = set()
inner = running._run
def watched(*arguments):
    results = inner(*arguments)
    for array in jax.tree.leaves(results):
        if array.size:
            shards = array.addressable_shards
            used.add(tuple(sorted((shard.device.id, shard.data.shape[0]) for shard in shards)))
    return results
running._run = watched

found = {"devices": len(jax.devices())}
for images, batch_size in json.loads(sys.argv[1]):
    used.clear()
    part = np.resize(IMAGES, (images, *IMAGES.shape[1:]))
    outputs, trace = pj.run(program(), part, batch_size=batch_size, trace=True)
    batches = list(running.batches(program(), part, batch_size))
    found[f"{images}/{batch_size}"] = {
        "outputs": outputs.tolist(),
        "codes": np.concatenate([batch.codes for batch in batches]).tolist(),
        "trace": {
            name: [
                None if traced.accumulator is None else traced.accumulator.tolist(),
                traced.codes.tolist(),
                None if traced.stats is None else totals(traced.stats),
            ]
            for name, traced in trace.items()
        },
        "batches": [
            {name: totals(stats) for name, stats in batch.stats.items()} for batch in batches
        ],
        "shares": sorted(used),
    }
print(json.dumps(found))
"""

CASES = {(5, 5): (4, 2), (5, 3): (3, 1), (10, 4): (4, 1)}
"""(images, batch_size): (devices used, images on each). None divides but the last."""


@pytest.fixture(scope="module")
def found() -> dict:
    """What the program above prints on four devices."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(list(CASES))],
        cwd=Path(__file__).parents[1],
        env={
            **os.environ,
            "XLA_FLAGS": "--xla_force_host_platform_device_count=4 "
            "--xla_backend_optimization_level=0",  # compiles faster
            "JAX_PLATFORMS": "cpu",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_four_devices_leave_the_same_bits(case, found):
    """`right` is what tests/test_run.py finds on one device."""
    images, batch_size = case
    rounds = images // len(IMAGES)
    here = found[f"{images}/{batch_size}"]
    dense = np.concatenate([right()["dense"][1]] * rounds)
    assert here["codes"] == dense.tolist()
    assert here["outputs"] == ((dense + 5) * 0.25).tolist()
    for name, (accumulator, codes, stats) in right().items():
        sums, traced, counted = here["trace"][name]
        assert traced == np.concatenate([codes] * rounds).tolist()
        if stats is None:
            assert (sums, counted) == (None, None)
            continue
        assert sums == np.concatenate([accumulator] * rounds).tolist()
        whole = (np.array(totals(stats)) * rounds).tolist()
        assert counted == whole
        assert np.sum([batch[name] for batch in here["batches"]], axis=0).tolist() == whole


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_batch_is_spread(case, found):
    """Every array that comes out lies in equal shares on the devices, traced or not."""
    assert found["devices"] == 4
    images, batch_size = case
    devices, share = CASES[case]
    shares = found[f"{images}/{batch_size}"]["shares"]
    assert shares == [[[device, share] for device in range(devices)]]
