"""The demo: its data and weights, its integers against NumPy's and the oracle's, its files."""

import csv
import json
from importlib import resources

import numpy as np
import pytest

from pimjax.demo import run
from pimjax.demo.command import run_demo
from pimjax.demo.data import load_calibration_images, load_test_images
from pimjax.demo.network import ARRAY_LAYERS
from pimjax.demo.report import wilson_interval
from pimjax.network.run import batches, quantize_input
from tests import oracle


@pytest.fixture(scope="module")
def baseline():
    return run.prepare(60)


def test_the_split_is_balanced_and_disjoint():
    images, labels = load_test_images()
    assert images.shape == (1000, 28, 28, 1) and images.dtype == np.uint8
    assert (np.bincount(labels, minlength=10) == 100).all()
    calibration, _ = load_calibration_images()
    test = {image.tobytes() for image in images}
    assert not any(image.tobytes() in test for image in calibration)


@pytest.mark.slow
def test_the_float_network_is_as_accurate_as_recorded():
    record = json.loads((resources.files("pimjax.demo") / "training.json").read_text())
    assert record["test_accuracy"] >= 0.985
    # A decision on the edge may fall the other way on another processor.
    assert run.prepare(1000).accuracy == pytest.approx(record["test_accuracy"], abs=0.001)


def integer_layers(codes, program):
    """The 8-bit network in NumPy integers, requantised by the oracle, one value at a time."""
    x = codes.astype(np.int64)
    for name in ARRAY_LAYERS:
        params = {key: np.asarray(value) for key, value in program.image[name].items()}
        w = params["weights"].astype(np.int64)
        output = next(layer.op.output for layer in program.plan.graph.layers if layer.name == name)
        if w.ndim == 4:
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
            y = np.einsum("bhwcij,ijcn->bhwn", windows, w)
        else:
            y = x.reshape(len(x), -1) @ w
        value = y + params["bias"]
        x = np.empty_like(value)
        for index, v in np.ndenumerate(value):
            m, e = int(params["multiplier"][index[-1]]), int(params["exponent"][index[-1]])
            x[index] = max(output.low, min(output.high, oracle.fixed_point(int(v), m, e)))
        if name in ("conv2", "conv4", "conv6"):
            h = x.shape[1] // 2 * 2
            x = x[:, :h, :h].reshape(len(x), h // 2, 2, h // 2, 2, -1).max(axis=(2, 4))
    return x


def test_without_an_adc_the_chip_is_the_integer_network(baseline):
    program = run.program_for(run.settings()[0], baseline.program)
    images = baseline.images[:2]
    (batch,) = batches(program, images, 2)
    wanted = integer_layers(quantize_input(images, program.plan), program)
    assert (batch.codes == wanted).all()


@pytest.mark.slow
def test_rows_of_the_table(baseline):
    run.compile_all(baseline, lambda done: None)
    none, lossless, six, _, four, *flipped = (
        run.run_setting(setting, baseline, lambda done: None) for setting in run.settings()
    )
    assert run.differing_images(none, lossless) == 0
    assert lossless.setting.engine == "popcount"
    assert all(stat.conversions > 0 for stat in lossless.stats.values())
    assert all(share == 0 for share in lossless.clipped_shares.values())
    assert none.accuracy == pytest.approx(baseline.accuracy, abs=0.02)
    assert six.accuracy >= 0.95
    assert four.accuracy < none.accuracy
    assert max(four.clipped_shares.values()) > 0.2
    assert [row.setting.bit_error_rate for row in flipped] == list(run.RATES)
    assert all((row.codes != six.codes).any() for row in flipped)


@pytest.mark.slow
def test_files_and_words(baseline, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pimjax.demo.command.prepare", lambda images: baseline)
    assert run_demo(60, tmp_path / "out")
    out = capsys.readouterr().out
    assert "checked: the lossless ADC" in out
    assert "of all 60 images" in out
    with (tmp_path / "out" / "demo.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["setting"] for row in rows[1:]] == [setting.label for setting in run.settings()]
    assert float(rows[1]["accuracy"]) == float(rows[2]["accuracy"])
    png = (tmp_path / "out" / "demo.png").read_bytes()
    assert png.startswith(b"\x89PNG") and len(png) > 10_000
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["demo.csv", "demo.png"]


def test_wilson_interval_of_the_textbook():
    # 90 % of 10 000, the figures of the project's fact sheet.
    low, high = wilson_interval(9000, 10_000)
    assert (round(100 * low, 2), round(100 * high, 2)) == (89.40, 90.57)
    assert wilson_interval(0, 10)[0] == 0 and wilson_interval(10, 10)[1] == 1
