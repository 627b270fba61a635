"""Which chips may have which code."""

import pytest

import pimjax as pj
from tests.ecc import oracle

DIGITAL = {"array.readout": "digital"}


def mistakes(**overrides: object) -> str:
    with pytest.raises(pj.ChipError) as caught:
        pj.load_chip("mram-pim-8b", {name.replace("__", "."): v for name, v in overrides.items()})
    return str(caught.value)


@pytest.mark.parametrize("name", oracle.NAMES)
def test_words_of_whole_code_words(name):
    _, k = oracle.sizes(name)
    for times in (1, 3):
        check_fits(name, k * times)


def check_fits(name: str, word_bits: int) -> None:
    chip = pj.load_chip("mram-pim-8b", {**DIGITAL, "mram.ecc": name, "mram.word_bits": word_bits})
    assert (chip.mram.ecc, chip.mram.word_bits) == (name, word_bits)


@pytest.mark.parametrize("name", oracle.NAMES)
def test_no_word_that_a_code_does_not_divide(name):
    _, k = oracle.sizes(name)
    for word_bits in (1, k - 1, k + 1, k + k // 2):
        message = mistakes(array__readout="digital", mram__ecc=name, mram__word_bits=word_bits)
        assert (
            f"mram.word_bits = {word_bits}: mram.ecc = {name!r} protects {k} data bits at a time; "
            f"set mram.word_bits to a multiple of {k}"
        ) in message
        assert "\n" not in message


def test_codes_that_fit_are_named():
    message = mistakes(array__readout="digital", mram__ecc="bch-144-128", mram__word_bits=96)
    assert message.endswith(
        "set mram.word_bits to a multiple of 128, or mram.ecc to one of 'secded-39-32', 'bch-44-32'"
    )
    message = mistakes(array__readout="digital", mram__ecc="bch-144-128", mram__word_bits=7)
    assert message.endswith("set mram.word_bits to a multiple of 128")


def test_summed_bitlines_refuse_a_code_first_of_all():
    message = mistakes(mram__ecc="secded-72-64", mram__word_bits=7)
    assert "a word code cannot correct a bitline that sums several cells" in message
    assert "mram.word_bits" not in message


def test_without_a_code_any_word_will_do():
    assert pj.load_chip("mram-pim-8b", {"mram.word_bits": 7}).mram.word_bits == 7
