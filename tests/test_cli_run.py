"""`pimjax run`: what it prints and writes is what the library computes; mistakes are one line."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import pimjax as pj
from pimjax import cli
from tests.data import data_path
from tests.run_support import CLASSES, SHAPE, Site, network, pictures, write_pictures

CHIP = "mram-pim-8b"
BITS = {"adc.bits": 3}
SET = ("--set", "adc.bits=3")


@pytest.fixture
def site(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "use_compilation_cache", lambda: None)
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder, capsys)


@pytest.fixture(scope="module")
def reference():
    """The small network compiled by the library for a 3-bit ADC, and its trace on the images."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        onnx.save(network(), path)
        model = pj.load_model(path)
    images = signed(pictures())
    program = pj.compile(model, pj.load_chip(CHIP, BITS), images)
    outputs, trace = pj.run(program, images, trace=True)
    return program, outputs, trace


def signed(pixels):
    return (pixels.astype(np.float32) - 127) / np.float32(128)


def counts(traced):
    return traced.stats.conversions, traced.stats.clipped_low, traced.stats.clipped_high


def table_of(out: str) -> dict[str, tuple[int, ...]]:
    """{layer: (conversions, clipped low, clipped high)} of the printed saturation table."""
    lines = out.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("layer") and "low" in line)
    rows = {}
    for line in lines[start + 1 :]:
        name, *cells = line.split()
        rows[name] = tuple(int(cell.replace(",", "")) for cell in cells[:3])
        if name == "all":
            return rows
    raise AssertionError(out)


# What is printed and written


@pytest.mark.slow
def test_the_whole_command(site, reference):
    program, outputs, trace = reference
    out_path, saved = site.folder / "new" / "a.json", site.folder / "newer" / "a.pim"
    status, out, err = site.run(
        *(None, *SET, "--labels", site.images, "--batch-size", 2, "--report", "--describe"),
        *("--out", out_path, "--save", saved),
    )
    assert status == 0 and err == ""
    decisions = outputs.argmax(axis=1)
    right = int((decisions == site.labels).sum())
    assert len({*decisions}) > 1 and 0 < right < 5
    assert f"top-1 {100 * right / 5:.2f} %" in out and f"{right} of 5" in out
    low, high = wilson(right, 5)
    assert f"(95 % interval {100 * low:.2f} .. {100 * high:.2f}," in out
    assert "top-5" not in out  # of 4 classes
    assert "images.npz, pixels (x - 127) / 128;" in out

    on_array = {name: traced for name, traced in trace.items() if traced.stats is not None}
    rows = table_of(out)
    assert [*rows] == [*on_array, "all"]
    assert rows["all"] == tuple(np.sum([counts(t) for t in on_array.values()], axis=0))
    assert rows["all"][2] > 0
    record = json.loads(out_path.read_text())
    for name, traced in on_array.items():
        assert rows[name] == counts(traced)
        assert tuple(record["layers"][name].values()) == counts(traced)

    assert record["decisions"] == decisions.tolist()
    assert record["labels"] == site.labels
    assert record["top1"] == right / 5
    assert record["count"] == 5
    assert record["program"] == program.digest
    assert str(pj.load_program(saved).digest) == program.digest
    (site.folder / "chip.toml").write_text(record["chip"])
    assert pj.load_chip(site.folder / "chip.toml") == program.chip
    assert sorted(path.name for path in out_path.parent.iterdir()) == ["a.json"]
    assert sorted(path.name for path in saved.parent.iterdir()) == ["a.pim"]
    # The report and the mapping name every layer on the array.
    for title in ("SQNR dB", "layer   kind"):
        block = out[out.index(title) :].split("\n\n")[0]
        assert all(name in block for name in on_array)

    again = site.folder / "again.json"
    arguments = ("--normalize", "signed", "--out", again)
    status, out, err = site.run(saved, *arguments, chip=None)
    assert status == 0 and err == ""
    assert "no labels given; most frequent decisions: " in out
    common = np.bincount(decisions)
    assert f"{common.argmax()} ({common.max()})" in out
    repeated = json.loads(again.read_text())
    assert repeated["decisions"] == record["decisions"]
    assert repeated["layers"] == record["layers"]
    assert repeated["program"] == record["program"]
    assert "labels" not in repeated


def wilson(right, n, z=1.96):
    """Both ends solve (p - share)^2 = z^2 p (1 - p) / n."""
    ends = np.roots([1 + z * z / n, -(2 * right / n + z * z / n), (right / n) ** 2])
    return max(0.0, ends.real.min()), min(1.0, ends.real.max())


def test_a_folder_gives_what_an_array_of_the_same_pixels_gives(site):
    folder = write_pictures(site.folder / "pictures", site.pixels, site.labels)
    # A folder is read in order of its names, which begin with the labels.
    order = np.argsort(site.labels, kind="stable")
    np.savez(site.images, x=site.pixels[order])
    records = []
    for images, labels in ((folder, "names"), (site.images, site.folder / "labels.txt")):
        (site.folder / "labels.txt").write_text("\n".join(str(site.labels[i]) for i in order))
        out = site.folder / "x.json"
        arguments = ("--labels", labels, "--limit", 4, "--out", out)
        status, _, err = site.run(None, *arguments, images=images)
        assert status == 0, err
        records.append(json.loads(out.read_text()))
        (site.folder / "labels.txt").unlink(missing_ok=True)
    assert records[0]["decisions"] == records[1]["decisions"]
    assert records[0]["layers"] == records[1]["layers"]
    assert records[0]["labels"] == sorted(site.labels)[:4]


def test_names_with_brackets_and_colons_are_text(site):
    model = network()
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["[/r]:smile:" if name == "r1" else name for name in names]
    folder = site.folder / "[bold]"
    folder.mkdir()
    onnx.save(model, folder / "net.onnx")
    np.save(folder / "x.npy", signed(site.pixels))
    status, out, err = site.run(folder / "net.onnx", images=folder / "x.npy", chip=CHIP)
    assert status == 0, err
    assert "[/r]:smile:" in table_of(out)
    assert "[bold]/x.npy, pixels as they are;" in out


def test_without_an_adc_nothing_is_converted(site):
    status, out, _ = site.run(None, "--report", chip="mram-pim-digital")
    assert status == 0
    assert "no conversions: this chip has no ADC" in out
    assert "(no ADC)" in out and "clipped" in out


def small_model(site, name, nodes, inputs, output, **arrays):
    """A model of vectors in a file."""

    def entry(name, size):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])

    stored = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in arrays.items()]
    ends = [[entry(*item) for item in side.items()] for side in (inputs, output)]
    graph = helper.make_graph(nodes, "vectors", *ends, stored)
    opsets = [helper.make_opsetid("", 17)]
    path = site.folder / name
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_a_network_of_vectors_with_top_5(site):
    weights = np.random.default_rng(0).normal(size=(6, 24))
    gemm = helper.make_node("Gemm", ["x", "w"], ["scores"])
    model = small_model(site, "v.onnx", [gemm], {"x": 6}, {"scores": 24}, w=weights)
    x = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
    np.savez(site.folder / "v.npz", data=x, targets=np.arange(20))
    out = site.folder / "x.json"
    arguments = ("--labels", site.folder / "v.npz", "--batch-size", 8, "--out", out)
    status, printed, err = site.run(model, *arguments, images=site.folder / "v.npz")
    assert status == 0, err
    program = pj.compile(pj.load_model(model), pj.load_chip(CHIP), x)
    order = np.argsort(-pj.run(program, x, codes=True).astype(int), axis=1, kind="stable")
    first, five = (int((order[:, :k] == np.arange(20)[:, None]).sum()) for k in (1, 5))
    assert f"top-1 {5 * first:.2f} %" in printed and f"{first} of 20)" in printed
    assert f"top-5 {5 * five:.2f} %" in printed and f"{five} of 20)" in printed
    record = json.loads(out.read_text())
    assert (record["top1"], record["top5"]) == (first / 20, five / 20)
    assert record["decisions"] == order[:, 0].tolist()


def test_no_layer_on_the_array(site):
    relu = helper.make_node("Relu", ["x"], ["y"])
    model = small_model(site, "v.onnx", [relu], {"x": 4}, {"y": 4})
    np.save(site.folder / "v.npy", np.eye(4))
    status, out, err = site.run(model, images=site.folder / "v.npy")
    assert status == 0, err
    assert "no conversions: no layer is on the array" in out


def test_two_inputs_are_refused(site):
    nodes = [helper.make_node("Add", ["a", "b"], ["y"])]
    model = small_model(site, "two.onnx", nodes, {"a": 4, "b": 4}, {"y": 4})
    site.refused("two.onnx", "2 inputs", model=model)


@pytest.mark.slow
def test_an_adc_that_is_calibrated(site):
    out = site.folder / "x.json"
    arguments = (*SET, "--adc", "mse", "--ranges", "minmax", "--describe", "--out", out)
    status, printed, err = site.run(None, *arguments)
    assert status == 0, err
    images = signed(site.pixels)
    program = pj.compile(
        pj.load_model(site.model), pj.load_chip(CHIP, BITS), images, ranges="minmax", adc="mse"
    )
    record = json.loads(out.read_text())
    assert record["program"] == program.digest
    assert record["decisions"] == pj.run(program, images).argmax(axis=1).tolist()
    assert "3 bits, step" in printed


def test_calibration_images_of_their_own(site):
    others = pictures(40, seed=9)
    np.savez(site.folder / "train.npz", images=others)
    arguments = ("--calibration", site.folder / "train.npz", "--calibration-images", 3)
    out = site.folder / "x.json"
    status, _, err = site.run(None, *arguments, "--normalize", "127,128", "--out", out)
    assert status == 0, err
    model, chip = pj.load_model(site.model), pj.load_chip(CHIP)
    program = pj.compile(model, chip, signed(others[[0, 19, 39]]))
    assert json.loads(out.read_text())["program"] == program.digest


def test_what_is_there_stays_when_nothing_new_comes(site):
    out = site.folder / "x.json"
    out.write_text("old")
    np.savez(site.images, x=np.full((5, *SHAPE), np.nan))
    site.refused("finite", arguments=("--out", out, "--save", site.folder / "x.pim"))
    assert out.read_text() == "old"


def test_ties_go_to_the_lower_class():
    from pimjax.commands.outcome import rank_of

    scores = np.array([[3, 5, 5, 1], [3, 5, 5, 1], [0, 0, 0, 0], [-1, -2, -3, -4]], np.int16)
    ranks = rank_of(scores, np.array([1, 2, 3, 0]))
    assert ranks.tolist() == [0, 1, 3, 0]
    assert (ranks == 0).tolist() == (scores.argmax(axis=1) == [1, 2, 3, 0]).tolist()


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        ("none", lambda x: x),
        ("unit", lambda x: x / 255),
        ("signed", lambda x: (x - 127) / 128),
        ("imagenet", lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
        ("10.5,2", lambda x: (x - 10.5) / 2),
        ("auto", lambda x: (x - 127) / 128),
    ],
)
def test_rules_of_pixels(rule, right):
    from pimjax.commands.pixels import pixel_rule
    from pimjax.network.graph import Input

    pixels = pictures()
    _, function = pixel_rule(rule, pixels.dtype, Input("x", SHAPE))
    numbers = function(pixels)
    assert numbers.dtype == np.float32
    np.testing.assert_allclose(numbers, right(pixels.astype(np.float64)), rtol=1e-5, atol=1e-6)
    assert pixel_rule("auto", np.dtype("f8"), Input("x", SHAPE))[0] == "as they are"


@pytest.mark.parametrize("low", [-128, 0])
def test_whole_numbers_are_the_codes_of_a_network_that_takes_codes(low):
    from pimjax.commands.pixels import pixel_rule
    from pimjax.network.graph import Input
    from pimjax.network.tensor import TensorSpec

    tensor = TensorSpec(0.031, low + 7, low, low + 255)
    entry = Input("x", SHAPE, tensor)
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    _, function = pixel_rule("auto", pixels.dtype, entry)
    assert (tensor.codes_of(function(pixels)) == pixels.astype(int) + low).all()
    codes = pixels.astype(np.int32) + low
    _, function = pixel_rule("codes", codes.dtype, entry)
    assert (tensor.codes_of(function(codes)) == codes).all()
    with pytest.raises(ValueError, match="takes"):
        function(codes + 1)


# Refusals


def truncated(site, suffix=".onnx"):
    path = site.folder / "cut.onnx"
    path.write_bytes(site.model.read_bytes()[:900])
    return path


def text_file(site):
    path = site.folder / "text.onnx"
    path.write_text("this is no network\n" * 5)
    return path


def empty_file(site):
    path = site.folder / "empty.onnx"
    path.touch()
    return path


def saved_model(name, **settings):
    def make(site):
        onnx.save(network(**settings), site.folder / name)
        return site.folder / name

    return make


def dynamic(site):
    return saved_model("dynamic.onnx", height="h", width="w")(site)


def unknown_suffix(site):
    path = site.folder / "net.pt"
    path.write_bytes(b"0")
    return path


def text_tflite(site):
    path = site.folder / "net.tflite"
    path.write_text("TFL3 TFL3 this is no network")
    return path


def text_program(site):
    path = site.folder / "net.pim"
    path.write_text("no program")
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (truncated, ["cut.onnx"]),
        (text_file, ["text.onnx", "not an ONNX file"]),
        (empty_file, ["empty.onnx"]),
        (saved_model("nan.onnx", poison=np.nan), ["nan.onnx", "nan"]),
        (saved_model("inf.onnx", poison=np.inf), ["inf.onnx", "inf"]),
        (dynamic, ["dynamic.onnx", "'h'"]),
        (unknown_suffix, ["net.pt", ".onnx", ".tflite"]),
        (text_tflite, ["net.tflite"]),
        (lambda site: site.folder / "missing.onnx", ["missing.onnx", "no such file"]),
        (lambda site: site.folder / "missing.pim", ["missing.pim"]),
        (lambda site: site.folder, ["site"]),
    ],
)
def test_models_that_are_refused(site, make, words):
    model = make(site)
    arguments = ("--out", site.folder / "x.json", "--save", site.folder / "x.pim")
    site.refused(*words, model=model, arguments=arguments)


def test_a_text_file_for_a_program(site):
    site.refused("net.pim", model=text_program(site), chip=None)


def npz(site, **arrays):
    path = site.folder / "other.npz"
    np.savez(path, **arrays)
    return path


class Burglar:
    def __reduce__(self):
        return os.mkdir, ("burgled",)


def pickled(site):
    return npz(site, x=np.array([Burglar()], dtype=object))


def bare_pickle(site):
    path = site.folder / "other.npy"
    path.write_bytes(pickle.dumps(Burglar()))
    return path


def cut_archive(site):
    path = site.folder / "other.npz"
    path.write_bytes(site.images.read_bytes()[:500])
    return path


def damaged_member(site):
    path = site.folder / "other.npz"
    content = bytearray(site.images.read_bytes())
    content[400] ^= 255
    path.write_bytes(bytes(content))
    return path


def empty_folder(site):
    path = site.folder / "nothing"
    path.mkdir()
    (path / "notes.txt").write_text("no picture")
    return path


def folder_of(shape, spoil=None):
    def make(site):
        folder = write_pictures(site.folder / "pictures", pictures(shape=shape), site.labels)
        if spoil is not None:
            spoil(folder)
        return folder

    return make


def break_jpeg(folder):
    Image.fromarray(pictures(1)[0]).save(folder / "0000z.jpeg")
    content = (folder / "0000z.jpeg").read_bytes()
    (folder / "0000z.jpeg").write_bytes(content[: len(content) // 2])


def break_head(folder):
    (folder / "0000z.jpg").write_bytes(b"\xff\xd8\xff this is no picture")


def break_png(folder):
    path = folder / "0000a.png"
    content = bytearray(path.read_bytes())
    content[60:70] = bytes(10)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: npz(s, x=pictures(shape=(8, 9, 3))), ["other.npz", "(5, 8, 9, 3)", "8, 8, 3"]),
        (lambda s: npz(s, x=pictures()[0]), ["other.npz", "(8, 8, 3)", "images[None]"]),
        (lambda s: npz(s, x=np.moveaxis(pictures(), 3, 1)), ["(5, 3, 8, 8)", "transpose"]),
        (lambda s: npz(s, x=pictures()[:0]), ["other.npz", "no images"]),
        (lambda s: npz(s, x=np.float32(3)), ["other.npz", "single number"]),
        (lambda s: npz(s, a=pictures(), b=pictures()), ["other.npz", "['a', 'b']", "x_test"]),
        (lambda s: npz(s, x=pictures() * 1j), ["other.npz", "complex"]),
        (lambda s: npz(s, x=pictures() > 9), ["other.npz", "bool"]),
        (lambda s: npz(s, x=np.array(["cat", "dog"])), ["other.npz", "<U3"]),
        (lambda s: npz(s, x=np.full((5, *SHAPE), np.nan)), ["nan", "finite"]),
        (lambda s: npz(s, x=np.full((5, *SHAPE), 1e300)), ["inf", "finite"]),
        (lambda s: npz(s, x=np.zeros((5, *SHAPE), np.uint8)), ["other.npz", "zero"]),
        (lambda s: npz(s, x=np.zeros((5, *SHAPE), np.float32)), ["other.npz", "zero"]),
        (pickled, ["other.npz"]),
        (bare_pickle, ["other.npy"]),
        (cut_archive, ["other.npz"]),
        (damaged_member, ["other.npz"]),
        (empty_folder, ["nothing", "no pictures"]),
        (folder_of((8, 9, 3)), ["0000a.png", "8 x 9", "8 x 8"]),
        (folder_of(SHAPE, break_jpeg), ["0000z.jpeg"]),
        (folder_of(SHAPE, break_head), ["0000z.jpg"]),
        (folder_of(SHAPE, break_png), ["0000a.png"]),
        (lambda s: s.folder / "missing", ["missing", "no such file or folder"]),
        (lambda s: s.model, ["net.onnx"]),
    ],
)
def test_images_that_are_refused(site, monkeypatch, make, words):
    monkeypatch.chdir(site.folder)
    site.refused(*words, images=make(site), arguments=("--out", site.folder / "x.json"))


def labels_file(name, content):
    def make(site):
        path = site.folder / name
        if isinstance(content, np.ndarray):
            np.save(path, content, allow_pickle=content.dtype == object)
        else:
            path.write_bytes(content)
        return path

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (labels_file("y.npy", np.arange(4)), ["y.npy", "4 labels for 5 images"]),
        (labels_file("y.txt", b"0 1 2 3"), ["y.txt", "4 labels for 5 images"]),
        (labels_file("y.txt", b""), ["y.txt", "0 labels"]),
        (labels_file("y.txt", b"0\n1\ncat\n3\n0"), ["y.txt", "'cat'"]),
        (labels_file("y.txt", b"\xff\xfe\x00"), ["y.txt"]),
        (labels_file("y.txt", b"0 1 2 3 " + b"9" * 40), ["y.txt"]),
        (labels_file("y.npy", np.ones(5)), ["y.npy", "float64"]),
        (labels_file("y.npy", np.array([Burglar()] * 5)), ["y.npy"]),
        (lambda s: "names", ["--labels names"]),
        (lambda s: s.folder / "missing.npy", ["missing.npy", "no such file"]),
        (lambda s: s.folder, ["no such file"]),
    ],
)
def test_labels_that_are_refused(site, monkeypatch, make, words):
    monkeypatch.chdir(site.folder)
    site.refused(*words, arguments=("--labels", make(site), "--out", site.folder / "x.json"))


@pytest.mark.parametrize(
    ("labels", "offset", "words"),
    [
        ([0, 1, 2, 3, 4], 0, ["0..4", "4 classes", "0..3", "--label-offset"]),
        ([0, 1, 2, 3, -1], 0, ["-1..3"]),
        ([0, 1, 2, 3, 3], -1, ["-1..2"]),
        ([1, 1, 2, 3, 4], -1, []),
    ],
)
def test_classes_out_of_range(site, labels, offset, words):
    np.save(site.folder / "y.npy", np.array(labels))
    arguments = ("--labels", site.folder / "y.npy", "--label-offset", offset)
    if words:
        site.refused(*words, arguments=arguments)
    else:
        assert site.run(None, *arguments)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "chip", "words"),
    [
        ((), "mram-pim-8", ["did you mean 'mram-pim-8b'?"]),
        ((), "no/chip.toml", ["no/chip.toml"]),
        ((), None, ["--chip"]),
        (("--set", "adc.bits=5"), None, ["--set needs --chip"]),
        (("--set", "adc.bit=5"), CHIP, ["did you mean 'adc.bits'?"]),
        (("--normalize", "brightly"), CHIP, ["'brightly'", "imagenet", "MEAN,DEVIATION"]),
        (("--normalize", "127"), CHIP, ["'127'"]),
        (("--normalize", "127,0"), CHIP, ["'127,0'"]),
        (("--normalize", "127,-1"), CHIP, ["'127,-1'"]),
        (("--normalize", "nan,1"), CHIP, ["'nan,1'"]),
        (("--normalize", "0,inf"), CHIP, ["'0,inf'"]),
        (("--normalize", "1,2,3"), CHIP, ["'1,2,3'"]),
        (("--normalize", "codes"), CHIP, ["codes", "real numbers"]),
        (("--adc", "nonsense"), CHIP, ["'nonsense'", "clip:"]),
        (("--adc", "clip:2"), CHIP, ["'clip:2'"]),
        (("--adc", "clip:nan"), CHIP, ["'clip:nan'"]),
        (("--ranges", "nonsense"), CHIP, ["nonsense", "percentile"]),
        (("--engine", "popcont"), CHIP, ["popcont", "did you mean 'popcount'?"]),
        (("--chips", "0"), CHIP, ["--chips"]),
        (("--limit", "0"), CHIP, ["--limit"]),
        (("--batch-size", "0"), CHIP, ["--batch-size"]),
        (("--label-offset", "9" * 30), CHIP, ["--label-offset"]),
        (
            ("--set", "mram.capacity_mib=0.03", "--set", "array.bitlines=1024"),
            CHIP,
            ["capacity_mib"],
        ),
    ],
)
def test_settings_that_are_refused(site, arguments, chip, words):
    site.refused(*words, arguments=(*arguments, "--out", site.folder / "x.json"), chip=chip)


def test_a_chip_that_is_too_small(site):
    small = ("--set", "array.banks=1", "--set", "array.macros_per_bank=1")
    arguments = (*small, "--set", "array.bitlines=64", "--out", site.folder / "x.json")
    line = site.refused("needs 3 macros", "chips = 3", arguments=arguments)
    assert "the chip mram-pim-8b has 1" in line
    assert site.run(None, *arguments, "--chips", 3)[0] == 0


def test_one_channel_is_not_coloured(site):
    onnx.save(network(inputs=1), site.folder / "grey.onnx")
    np.save(site.folder / "grey.npy", pictures(shape=(8, 8, 1)))
    settings = {"model": site.folder / "grey.onnx", "images": site.folder / "grey.npy"}
    site.refused("3 channels", "(8, 8, 1)", arguments=("--normalize", "imagenet"), **settings)


def test_calibration_images_are_checked_like_the_others(site):
    for name, pixels, words in (
        ("zero", np.zeros((3, *SHAPE), np.float32), ["calib.npy", "zero"]),
        ("small", pictures(shape=(4, 4, 3)), ["calib.npy", "(5, 4, 4, 3)"]),
        ("nan", np.full((3, *SHAPE), np.nan), ["nan"]),
    ):
        np.save(site.folder / "calib.npy", pixels)
        site.refused(*words, arguments=("--calibration", site.folder / "calib.npy")), name


@pytest.mark.parametrize("option", ["--out", "--save"])
def test_where_nothing_can_be_written(site, option):
    blocked = site.folder / "file"
    blocked.write_text("")
    (site.folder / "folder.pim").mkdir()
    for path in (blocked / "x.pim", site.folder / "folder.pim", blocked / "deeper" / "x.pim"):
        other = {"--out": "--save", "--save": "--out"}[option]
        arguments = (option, path, other, site.folder / "good.pim")
        site.refused(path, arguments=arguments)
    if option == "--out":  # where even root cannot write
        assert "/proc/x.json: cannot be written" in site.refused(
            arguments=("--out", "/proc/x.json")
        )
    if option == "--save":
        site.refused(".pim", arguments=("--save", site.folder / "x.bin"))


@pytest.mark.slow
def test_a_saved_program_is_settled(site, reference):
    program = reference[0]
    saved = site.folder / "net.pim"
    program.save(saved)
    for arguments in (
        ("--adc", "mse"),
        ("--ranges", "minmax"),
        ("--chips", 2),
        ("--calibration", site.images),
        ("--calibration-images", 3),
    ):
        site.refused(arguments[0], "net.pim", model=saved, chip=None, arguments=arguments)
    site.refused("--chip", "'mram-pim-8b'", model=saved, chip=CHIP)  # it has other ADC bits
    site.refused("--normalize auto", "codes", model=saved, chip=None)
    arguments = (*SET, "--normalize", "signed", "--engine", "reference")
    status, out, _ = site.run(saved, *arguments)
    assert status == 0
    assert table_of(out)["all"] == tuple(
        np.sum([counts(t) for t in reference[2].values() if t.stats is not None], axis=0)
    )


# As a process of its own


def process(folder, *arguments):
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "pimjax.cli", *map(str, arguments)]
    code = "from pimjax.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_mistake_as_a_process(site):
    result = process(site.folder, "run", text_file(site), "--chip", CHIP, "--images", site.images)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("pimjax: ") and result.stderr.count("\n") == 1
    assert "text.onnx" in result.stderr


@pytest.mark.slow
def test_a_run_as_a_process(site):
    arguments = ("run", site.model, "--chip", CHIP, "--images", site.images, "--out", "x.json")
    first = process(site.folder, *arguments, "--labels", site.images)
    assert first.returncode == 0 and first.stderr == ""
    again = process(site.folder, *arguments, "--labels", site.images)
    assert without_times(again.stdout) == without_times(first.stdout)
    record = json.loads((site.folder / "x.json").read_text())
    assert len(record["decisions"]) == 5 and max(record["decisions"]) < CLASSES
    assert (site.folder / "cache" / "pimjax" / "xla").is_dir()


def without_times(text):
    lines = [line.split("; ready in")[0] for line in text.splitlines()]
    return [line for line in lines if "images/s" not in line]


# Real models

CIFAR = "cifar10/cifar10_part.npz"
IMAGENET = "imagenet224"
KWS = "kws01/kws01.npz"


def real_run(site, model, images, *arguments, limit, labels=True):
    """The record of a run, and what was printed."""
    out = site.folder / "x.json"
    given = ("--labels", "names" if images == IMAGENET else data_path(images)) if labels else ()
    status, printed, err = site.run(
        *(data_path(f"models/{model}"), *given, "--limit", limit, "--batch-size", limit),
        *("--out", out, *arguments),
        images=data_path(images),
        chip="mram-pim-lossless",
    )
    assert status == 0 and err == "", err
    return json.loads(out.read_text()), printed


@pytest.mark.slow
def test_a_real_model_against_the_library(site):
    model = "resnet20_cifar10.onnx"
    record, printed = real_run(site, model, CIFAR, "--normalize", "imagenet", limit=16)
    assert record["top1"] >= 0.75
    assert "top-1" in printed and table_of(printed)["all"][1:] == (0, 0)
    pixels = np.load(data_path(CIFAR))["x_test"][:16].astype(np.float32) / np.float32(255)
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    images = (pixels - np.array(mean, np.float32)) / np.array(deviation, np.float32)
    loaded = pj.load_model(data_path(f"models/{model}"))
    program = pj.compile(loaded, pj.load_chip("mram-pim-lossless"), images)
    assert record["program"] == program.digest
    outputs, trace = pj.run(program, images, trace=True)
    assert record["decisions"] == outputs.argmax(axis=1).tolist()
    for name, traced in trace.items():
        if traced.stats is not None:
            assert tuple(record["layers"][name].values()) == counts(traced)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "images", "arguments", "limit", "least"),
    [
        ("efficientnet_lite0.onnx", IMAGENET, (), 4, 0.5),
        ("mobilenet_v2_224_int8.tflite", IMAGENET, ("--label-offset", 1), 4, 0.5),
        ("mobilenet_v2_224_uint8.tflite", IMAGENET, ("--label-offset", 1), 4, 0.5),
        ("resnet56_cifar10.onnx", CIFAR, ("--normalize", "imagenet"), 16, 0.75),
        ("resnet8_cifar10_int8.tflite", CIFAR, (), 32, 0.7),
        ("resnet8_cifar10_float.tflite", CIFAR, ("--normalize", "none"), 32, 0.7),
        ("dscnn_kws_int8.tflite", KWS, (), 32, 0.75),
    ],
)
def test_real_models(site, model, images, arguments, limit, least):
    record, printed = real_run(site, model, images, *arguments, limit=limit)
    assert record["top1"] >= least
    assert record["count"] == limit
    assert ("top-5" in printed) == (images == IMAGENET)


@pytest.mark.slow
def test_visual_wake_words_on_resized_pictures(site):
    folder = site.folder / "96"
    folder.mkdir()
    for path in sorted(data_path(IMAGENET).iterdir())[:3]:
        with Image.open(path) as picture:
            picture.resize((96, 96)).save(folder / path.name)
    out = site.folder / "x.json"
    model = data_path("models/mobilenet_v1_025_vww96_int8.tflite")
    status, _, err = site.run(model, "--out", out, images=folder)
    assert status == 0 and err == ""
    assert len(json.loads(out.read_text())["decisions"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.03, 0.5, 0.999])
def test_a_tflite_file_that_was_cut_short(site, keep):
    content = data_path("models/resnet8_cifar10_int8.tflite").read_bytes()
    path = site.folder / "cut.tflite"
    path.write_bytes(content[: int(keep * len(content))])
    site.refused("cut.tflite", model=path)
