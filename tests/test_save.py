"""Saved programs: equal when loaded, byte for byte the same, and nothing in them is trusted."""

import io
import json
import pickle
import re
import resource
import zipfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import get_args, get_origin, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pimjax as pj
from pimjax.array.spec import Adc
from pimjax.network.codec import decode, encode
from pimjax.network.container import ProgramError, ProgramFileError
from pimjax.network.graph import Graph, Input, Layer
from pimjax.network.ops import OPS, Op, Unary
from pimjax.network.program import Plan, Program
from tests import test_describe, test_network
from tests.support import examples


def plain(program):
    """{(layer, array): NumPy array} of a program's image."""
    return {
        (layer, name): np.asarray(array)
        for layer, params in program.image.items()
        for name, array in params.items()
    }


def assert_equal(loaded, program):
    assert loaded.plan == program.plan
    assert hash(loaded.plan) == hash(program.plan)
    assert loaded.chip == program.chip
    got, want = plain(loaded), plain(program)
    assert set(got) == set(want)
    for key, array in want.items():
        assert got[key].dtype == array.dtype
        assert got[key].shape == array.shape
        assert (got[key] == array).all()


def with_own_adc():
    return test_describe.program(own=Adc(bits=5, step=Fraction(5, 3), offset=Fraction(-1, 2)))


PROGRAMS = [test_network.program, test_describe.program, with_own_adc]


@pytest.mark.slow
@pytest.mark.parametrize("make", PROGRAMS)
def test_what_is_loaded_equals_what_was_saved(make, tmp_path):
    program = make()
    program.save(tmp_path / "net.pim")
    loaded = pj.load_program(tmp_path / "net.pim")
    assert_equal(loaded, program)
    assert loaded.digest == program.digest
    shape = program.plan.graph.inputs[0].shape
    images = np.random.default_rng(5).uniform(0, 3, (3, *shape)).astype(np.float32)
    before, after = (pj.run(p, images, trace=True)[1] for p in (program, loaded))
    for name, traced in before.items():
        assert (after[name].codes == traced.codes).all()
        assert after[name].stats == traced.stats


def test_equal_programs_give_equal_bytes(tmp_path):
    first, second, third = (tmp_path / name for name in ("a.pim", "b.pim", "c.pim"))
    test_describe.program().save(first)
    test_describe.program().save(second)
    pj.load_program(first).save(third)
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.pim", "b.pim", "c.pim"}


def test_the_digest_is_that_of_the_file_and_sees_every_change(tmp_path):
    program = test_describe.program()
    program.save(tmp_path / "net.pim")
    with zipfile.ZipFile(tmp_path / "net.pim") as archive:
        total = sha256(archive.read("plan.json"))
        for name in sorted(set(archive.namelist()) - {"plan.json"}):
            total.update(np.load(io.BytesIO(archive.read(name)), allow_pickle=False).tobytes())
    assert program.digest == total.hexdigest()

    image = {**program.image, "dense": {**program.image["dense"]}}
    image["dense"]["weights"] = image["dense"]["weights"] ^ jnp.int8(1)
    others = [
        replace(program, image=image),
        replace(program, chip=replace(program.chip, name="other")),
        replace(program, plan=replace(program.plan, engine="popcount")),
    ]
    assert len({p.digest for p in (program, *others)}) == 4


def test_every_kind_of_array_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    kinds = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32")
    params = {kind: jnp.asarray(rng.integers(0, 2, (2, 3))).astype(kind) for kind in kinds}
    params |= {
        "int64": np.array([1 << 62]),
        "float64": np.array([[0.1]]),
        "empty": np.zeros((0, 2)),
    }
    params |= {"scalar": jnp.int32(7), "turned": np.asfortranarray(np.ones((2, 3), np.int8))}
    program = test_network.program()
    program = replace(program, image={**program.image, "flat": params})
    program.save(tmp_path / "net.pim")
    loaded = pj.load_program(tmp_path / "net.pim")
    assert_equal(loaded, program)
    assert isinstance(loaded.image["first"]["weights"], jax.Array)


def test_the_form_is_the_documented_one(saved):
    text = (Path(__file__).resolve().parents[1] / "docs" / "formats.md").read_text("utf-8")
    with zipfile.ZipFile(saved) as archive:
        table = json.loads(archive.read("plan.json"))
        assert archive.namelist() == ["plan.json", *(item["member"] for item in table["arrays"])]
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(table)
    assert table["format"] == "pimjax program"
    assert table["version"] == 2
    assert set(table["arrays"][0]) == {"layer", "name", "member", "dtype", "shape"}
    assert set(table["plan"]) == {"spec", "graph", "engine"}


def values(hint):
    """Values of a type hint, as plans hold them."""
    origin, inner = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return objects(hint)
    if origin in (tuple, Sequence) and (origin is Sequence or inner[-1] is Ellipsis):
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    if inner:
        return st.one_of(*map(values, inner))
    return {
        int: st.integers(-(1 << 40), 1 << 40),
        float: st.floats(allow_nan=False) | st.integers(-9, 9),
        bool: st.booleans(),
        str: st.text(max_size=5).filter(lambda text: text not in ("inf", "-inf")),
        NoneType: st.none(),
        Fraction: st.fractions(-99, 99, max_denominator=99),
    }[hint]


def objects(kind):
    if kind is Adc:
        bits, step = st.integers(1, 16), st.fractions(Fraction(1, 99), 99, max_denominator=99)
        return st.builds(Adc, bits=bits, step=step, rounding=st.sampled_from(["floor", "half_up"]))
    hints = get_type_hints(kind)
    return st.builds(kind, **{f.name: values(hints[f.name]) for f in fields(kind)})


@pytest.mark.parametrize("kind", OPS, ids=lambda kind: kind.__name__)
def test_every_operation_has_a_form_in_a_file(kind):
    @given(objects(kind))
    @examples(25)
    def check(op):
        text = json.dumps(encode(op), allow_nan=False)
        again = decode(json.loads(text), Op, "op")
        assert type(again) is kind
        assert again == op
        assert hash(again) == hash(op)

    check()


def repacked(path, plan=None, arrays=None, compression=zipfile.ZIP_STORED):
    """The file with its plan.json table through `plan`, its members through `arrays`."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    table = json.loads(members["plan.json"])
    if plan is not None:
        table = plan(table) or table
    members["plan.json"] = json.dumps(table).encode()
    if arrays is not None:
        arrays(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.pim"
    with_own_adc().save(path)
    return path


def refused(path, message):
    with pytest.raises(ProgramError, match=message) as caught:
        pj.load_program(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert len(text.splitlines()) == 1


def layer(table, name):
    return next(item for item in table["plan"]["graph"]["layers"] if item["name"] == name)


def setting(name, field, value, op="Conv"):
    def change(table):
        layer(table, name)["op"][op][field] = value

    return change


def entry(table, owner, name):
    return next(a for a in table["arrays"] if (a["layer"], a["name"]) == (owner, name))


def delete(table, *path):
    for key in path[:-1]:
        table = table[key]
    del table[path[-1]]


PLAN_MISTAKES = [
    (lambda t: ["no table"], "plan.json: an object expected"),
    (lambda t: t.update(format="other"), "no saved program: format 'other'"),
    (lambda t: t.update(version=3), "version 3 of the file format; this pimjax reads up to 2"),
    (
        lambda t: t.update(semantics="0.9"),
        "compiled for semantics '0.9', .* compile the model again",
    ),
    (lambda t: t.update(extra=1), "field 'extra' is unknown"),
    (lambda t: delete(t, "plan"), "field 'plan' is missing"),
    (lambda t: t.update(chip="name = "), "chip: not TOML"),
    (lambda t: t.update(chip='name = "a"\n[adc]\nbits = 99'), r"adc\.bits = 99: out of range"),
    (lambda t: delete(t, "plan", "engine"), "plan: field 'engine' is missing"),
    (lambda t: t["plan"].update(engine="magic"), "engine: 'magic' given"),
    (lambda t: t["plan"].update(engine=3), r"plan\.engine = 3: text expected"),
    (lambda t: t["plan"]["spec"].update(act_bits=4), "plan.spec is not the readout of its chip"),
    (lambda t: t["plan"]["spec"].update(act_bits="8"), r"plan\.spec\.act_bits = '8': an integer"),
    (lambda t: t["plan"]["spec"].update(act_signed=0), r"act_signed = 0: true or false expected"),
    (lambda t: t["plan"]["graph"].update(inputs={}), r"inputs = {}: a list expected"),
    (lambda t: t["plan"]["graph"].update(inputs=[]), "reads 'input', which none before it makes"),
    (lambda t: t["plan"]["graph"].update(outputs=["?"]), "the output '\\?' is made by no layer"),
    (lambda t: t["plan"]["graph"].update(outputs=[]), "at least one input and one output"),
    (lambda t: t["plan"]["graph"]["layers"].reverse(), "which none before it makes"),
    (lambda t: layer(t, "pool").update(name="first"), "two layers or inputs are called 'first'"),
    (lambda t: layer(t, "first").update(op="Conv"), r"layers\[1\]\.op = 'Conv': an object with"),
    (lambda t: layer(t, "pool").update(op={"MaxPol": {}}), "unknown operation 'MaxPol'; did you"),
    (lambda t: layer(t, "pool").update(op={"system": {}}), "unknown operation 'system'"),
    (lambda t: layer(t, "pool").update(op={"MaxPool": []}), "MaxPool = \\[\\]: an object expected"),
    (setting("pool", "size", 3, "MaxPool"), "MaxPool: unknown field 'size'; known are window"),
    (setting("pool", "window", [2], "MaxPool"), r"MaxPool\.window = \[2\]: a list of 2 expected"),
    (setting("pool", "window", [2, True], "MaxPool"), r"window\[1\] = True: an integer expected"),
    (setting("pool", "padding", 3, "MaxPool"), r"padding = 3: text expected or .* a list expected"),
    (lambda t: delete(layer(t, "pool"), "op", "MaxPool", "window"), "field 'window' is missing"),
    (setting("depthwise", "groups", 7), "layer 'depthwise' does not suit its inputs and arrays"),
    (setting("depthwise", "adc", 5), r"Conv\.adc = 5: an object expected"),
    (
        lambda t: layer(t, "depthwise")["op"]["Conv"]["adc"].update(bits=1000),
        r"adc: bits = 1000: out of range; allowed 1\.\.16",
    ),
    (
        lambda t: layer(t, "depthwise")["op"]["Conv"]["adc"].update(step="1/0"),
        r"adc\.step = '1/0': text such as '3/2' expected",
    ),
    (
        lambda t: layer(t, "first")["op"]["Conv"]["output"].update(rule="guess"),
        "layer 'first' does not suit its inputs and arrays: KeyError: 'guess'",
    ),
    (setting("sigmoid", "constants", [1e999], "Unary"), "no JSON text|a finite number"),
    (lambda t: entry(t, "dense", "bias").update(layer="none"), "the program has no such layer"),
    (lambda t: entry(t, "dense", "bias").update(name="weights"), "'weights' .* is there twice"),
    (lambda t: entry(t, "dense", "bias").update(name="bios"), "'dense' does not suit .*'bias'"),
    (lambda t: entry(t, "dense", "bias").update(dtype="O"), "dtype O; bool, int8"),
    (lambda t: entry(t, "dense", "bias").update(dtype="int8"), "int32 .*plan.json says int8"),
    (lambda t: entry(t, "dense", "bias").update(shape=[9]), r"\(10,\).*says int32 \(9,\)"),
    (lambda t: entry(t, "dense", "bias").update(shape=[-1]), r"says int32 \(-1,\)"),
    (
        lambda t: entry(t, "dense", "bias").update(member="plan.json"),
        r"arrays/\d+\.npy: not listed",
    ),
    (lambda t: entry(t, "dense", "bias").update(member="../x.npy"), r"\.\./x\.npy: missing"),
    (lambda t: t["placement"].update(policy=3), r"placement\.policy = 3: text expected"),
    (lambda t: t["placement"]["strips"][0].update(macros=[-1]), "there is no macro -1"),
    (lambda t: t["placement"]["strips"][0].update(macros=[0, 0]), "do not suit its shelves"),
    (lambda t: t["placement"]["strips"][1].update(macros=[0]), "share wordlines of macro 0"),
    (lambda t: delete(t, "placement", "strips", 0), "not the array layers"),
    (lambda t: delete(t, "arrays", 0), r"arrays/00000\.npy: not listed in plan\.json"),
]


@pytest.mark.parametrize(("change", "message"), PLAN_MISTAKES)
def test_a_plan_with_a_mistake_is_refused(saved, change, message):
    repacked(saved, plan=change)
    refused(saved, message)


def test_a_file_of_version_1_has_the_default_placement(saved):
    def older(table):
        table["version"] = 1
        del table["placement"]

    before = pj.load_program(saved)
    repacked(saved, plan=older)
    loaded = pj.load_program(saved)
    assert_equal(loaded, before)
    assert loaded.digest == before.digest
    repacked(saved, plan=lambda table: delete(table, "placement") if "placement" in table else None)
    repacked(saved, plan=lambda table: table.update(version=2))
    refused(saved, "field 'placement' is missing")


def first_weights(members):
    """The member with the weights (3, 3, 3, 20) of the layer "first"."""
    table = json.loads(members["plan.json"])
    return entry(table, "first", "weights")["member"]


def weights_become(array, restated=True, **options):
    def change(members):
        name = first_weights(members)
        members[name] = npy(array, **options)
        table = json.loads(members["plan.json"])
        if restated:
            changed = {"dtype": array.dtype.name, "shape": array.shape}
            entry(table, "first", "weights").update(changed)
            members["plan.json"] = json.dumps(table).encode()

    return change


GOOD = np.zeros((3, 3, 3, 20), np.int8)


def cut(members):
    name = first_weights(members)
    members[name] = members[name][:-1]


ARRAY_MISTAKES = [
    (weights_become(GOOD.astype(np.int16), restated=False), "int16 .*plan.json says int8"),
    (weights_become(GOOD[..., :19], restated=False), r"\(3, 3, 3, 19\).*\(3, 3, 3, 20\)"),
    (weights_become(GOOD[:, :, :2]), "layer 'first' does not suit .* channels differ"),
    (weights_become(GOOD.astype(np.float32)), "weights of layer 'first': dtype float32 given"),
    (
        weights_become(GOOD.astype(np.int16) + np.int16(128)),
        r"weights of layer 'first'\[0, 0, 0, 0\] = 128 is out of range: codes -128\.\.127",
    ),
    (weights_become(GOOD.astype("S1"), restated=False), "an array of .S1; plain numbers"),
    (weights_become(np.asfortranarray(GOOD), restated=False), "columns first"),
    (cut, r"539 bytes for shape \(3, 3, 3, 20\) of int8"),
    (lambda m: m.pop(first_weights(m)), "missing"),
    (lambda m: m.update({"notes.txt": b"hello"}), "damaged"),
    (lambda m: m.update({"arrays/99999.npy": npy(GOOD)}), "99999.npy: not listed in plan.json"),
    (lambda m: m.update({first_weights(m): b"\x93NUMPY\x03\x00garbage"}), r"\.npy format \(3, 0\)"),
    (lambda m: m.update({first_weights(m): b"\x93NUMPY\x01\x00\x05\x00((((\n"}), "damaged"),
    (lambda m: m.update({"plan.json": b"\xff\xfe"}), "plan.json: no JSON text"),
    (lambda m: m.update({"plan.json": b"[" * 100_000}), "plan.json: no JSON text"),
    (lambda m: m.update({"plan.json": b'{"a": 1, "a": 1}'}), "a key is there twice"),
    (lambda m: m.pop("plan.json"), "no saved program: a zip without plan.json"),
]


@pytest.mark.parametrize(("change", "message"), ARRAY_MISTAKES)
def test_members_with_a_mistake_are_refused(saved, change, message):
    repacked(saved, arrays=change)
    refused(saved, message)


def test_nothing_in_a_file_is_run(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    trap = np.array([Trap()], object)
    repacked(saved, arrays=weights_become(trap, restated=False, allow_pickle=True))
    refused(saved, "an array of object; plain numbers")
    saved.write_bytes(pickle.dumps(Trap()))
    refused(saved, "no saved program, or a damaged one")
    assert not (tmp_path / "trapped").exists()


def test_compressed_members_are_refused_unread(saved):
    bomb = {"plan.json": b" " * 10_000_000}
    repacked(saved, arrays=lambda m: m.update(bomb), compression=zipfile.ZIP_DEFLATED)
    assert saved.stat().st_size < 50_000
    refused(saved, "plan.json: compressed; members are stored as they are")


def test_a_member_that_is_there_twice_is_refused(saved):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("plan.json", b"{}")
    refused(saved, "a member is there twice")


def test_members_that_share_bytes_are_refused(saved):
    """Every entry of the directory points at the first member: much declared, little there."""
    data = b"x" * 10_000
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("plan.json", data)
        for number in range(10):
            info = zipfile.ZipInfo(f"arrays/{number}")
            info.file_size = info.compress_size = len(data)
            info.header_offset, info.CRC = 0, archive.getinfo("plan.json").CRC
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
    refused(saved, r"declare more than its \d+ bytes")


@pytest.mark.parametrize("content", [b"", b"a text file\n", b"PK\x05\x06", b"PK\x03\x04" * 20])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "net.pim"
    path.write_bytes(content)
    refused(path, "no saved program, or a damaged one")


def test_a_file_cut_short_is_refused_at_every_length(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), 97):
        saved.write_bytes(whole[:length])
        refused(saved, "no saved program")


def test_a_changed_byte_is_seen_or_changes_nothing(tmp_path):
    program = test_network.program()
    path = tmp_path / "net.pim"
    program.save(path)
    whole = path.read_bytes()

    @given(st.integers(0, len(whole) - 1), st.integers(1, 255))
    @examples(150)
    def check(position, change):
        damaged = bytearray(whole)
        damaged[position] ^= change
        path.write_bytes(damaged)
        try:
            loaded = pj.load_program(path)
        except ProgramError:
            return
        assert loaded.digest == program.digest

    check()


def test_no_file_is_one_sentence(tmp_path):
    with pytest.raises(ProgramFileError, match=r"none\.pim: cannot be read \(No such file"):
        pj.load_program(tmp_path / "none.pim")
    with pytest.raises(ProgramFileError, match=r"cannot be read \(Is a directory"):
        pj.load_program(tmp_path)
    assert issubclass(ProgramFileError, OSError)


@contextmanager
def files_of_at_most(size):
    """What a full disk does: writing past `size` bytes of a file fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("size", [0, 50, 3000, 12_000])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, size):
    path = tmp_path / "net.pim"
    test_network.program().save(path)
    before = path.read_bytes()
    other = test_describe.program()
    with files_of_at_most(size), pytest.raises(ProgramFileError) as caught:
        other.save(path)
    assert str(caught.value) == f"{path}: cannot be written (File too large)"
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["net.pim"]
    assert_equal(pj.load_program(path), test_network.program())


def test_where_nothing_can_be_written_is_one_sentence(tmp_path):
    program = test_network.program()
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    places = {
        "absent/net.pim": "No such file or directory",
        "file/net.pim": "Not a directory",
        "folder": "Is a directory",
        "a" * 300: "File name too long",
    }
    for place, reason in places.items():
        with pytest.raises(ProgramFileError) as caught:
            program.save(tmp_path / place)
        assert str(caught.value) == f"{tmp_path / place}: cannot be written ({reason})"
    with pytest.raises(ProgramFileError, match="the path of a file expected"):
        program.save("")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "folder"]


def clip_by(constants):
    """A network of one operation, a clip with these constants."""
    layers = (Layer("out", Unary("clip", constants), ("input",)),)
    graph = Graph((Input("input", (2,)),), layers, ("out",))
    return Program(Plan(test_describe.CHIP.bitline(), graph), {}, test_describe.CHIP)


def test_infinite_and_numpy_settings_are_kept(tmp_path):
    constants = (-np.inf, np.float32(0.1))
    clip_by(constants).save(tmp_path / "net.pim")
    loaded = pj.load_program(tmp_path / "net.pim")
    assert loaded.plan == clip_by(constants).plan


@pytest.mark.parametrize(
    ("constants", "image", "message"),
    [
        ((np.nan, 1.0), {}, r"constants\[0\] = 'nan': a finite number, 'inf' or '-inf' expected"),
        (("1", 2.0), {}, r"constants\[0\] = '1': a finite number"),
        ([0.0, 1.0], {}, "the plan does not read back equal; its settings must be plain values"),
        ((0.0, 1.0), {"none": {"a": np.zeros(1)}}, "'a' of layer 'none': the program has no such"),
        ((0.0, 1.0), {"out": {"a": np.array(["text"])}}, r"'a' of layer 'out': dtype str.* can be"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path, constants, image, message):
    program = replace(clip_by(constants), image=image)
    with pytest.raises(ProgramError, match=message):
        program.save(tmp_path / "net.pim")
    assert list(tmp_path.iterdir()) == []
