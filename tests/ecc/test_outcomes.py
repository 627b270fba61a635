"""The truth beside the flag, counts, and what is delivered."""

import jax.numpy as jnp
import numpy as np
import pytest

from pimjax.memory import ecc
from pimjax.memory.ecc import Outcome
from tests.ecc.bits import patterns


def test_names_and_numbers():
    assert {o.name.lower(): int(o) for o in Outcome} == {
        "clean": 0,
        "corrected": 1,
        "detected": 2,
        "miscorrected": 3,
    }
    assert tuple(o.name.lower() for o in Outcome) == ecc.OutcomeCounts._fields
    assert ecc.POLICIES == ("raw", "zero", "trap")


@pytest.mark.parametrize(
    ("flag", "same", "want"),
    [
        (Outcome.CLEAN, True, Outcome.CLEAN),
        (Outcome.CORRECTED, True, Outcome.CORRECTED),
        (Outcome.DETECTED, True, Outcome.DETECTED),
        (Outcome.CLEAN, False, Outcome.MISCORRECTED),
        (Outcome.CORRECTED, False, Outcome.MISCORRECTED),
        (Outcome.DETECTED, False, Outcome.DETECTED),
    ],
)
def test_the_truth_beside_the_flag(flag, same, want):
    sent = jnp.zeros((1, 64), jnp.uint8)
    received = sent if same else sent.at[0, 63].set(1)
    outcome = ecc.outcomes(sent, received, jnp.asarray([flag], jnp.int8))
    assert outcome.dtype == jnp.int8
    assert outcome.tolist() == [want]


def test_a_code_word_of_errors_is_miscorrected_though_the_decoder_says_clean():
    code = ecc.CODES["bch-78-64"]
    data = np.zeros((2, 64), np.uint8)
    data[0, 5] = 1
    errors = np.concatenate([data, np.asarray(ecc.encode(code, data))], axis=1)
    back, flag = ecc.decode(code, errors)
    assert flag.tolist() == [Outcome.CLEAN, Outcome.CLEAN]
    outcome = ecc.outcomes(jnp.zeros_like(back), back, flag)
    assert outcome.tolist() == [Outcome.MISCORRECTED, Outcome.CLEAN]


def test_counts():
    outcome = jnp.asarray([[0, 0, 1], [3, 2, 0]], jnp.int8)
    assert [int(n) for n in ecc.count(outcome)] == [3, 1, 1, 1]
    assert [int(n) for n in ecc.count(jnp.zeros((0, 4), jnp.int8))] == [0, 0, 0, 0]
    assert ecc.count(outcome).clean.dtype == jnp.int32


def test_policies_touch_detected_words_alone():
    code = ecc.CODES["secded-72-64"]
    errors = np.zeros((4, 72), np.uint8)
    errors[1, 7] = errors[2, [3, 70]] = 1
    for row, place in enumerate(patterns(72, 3)[:1]):
        errors[3, place] = row + 1
    sent = np.ones((4, 64), np.uint8)
    word = np.concatenate([sent, np.asarray(ecc.encode(code, sent))], axis=1) ^ errors
    data, flag = ecc.decode(code, word)
    raw, zero, trap = (np.asarray(ecc.deliver(data, flag, policy)) for policy in ecc.POLICIES)
    detected = np.asarray(flag) == Outcome.DETECTED
    assert detected[2] and not detected[:2].any()
    assert (raw == data).all() and (trap == data).all()
    assert (raw[2] == word[2, :64]).all()
    assert not zero[detected].any()
    assert (zero[~detected] == raw[~detected]).all()


@pytest.mark.parametrize("policy", ["drop", "", None])
def test_unknown_policies(policy):
    with pytest.raises(ValueError, match=r"policy = .*: 'raw', 'zero', 'trap' allowed"):
        ecc.deliver(jnp.zeros((1, 64), jnp.uint8), jnp.zeros(1, jnp.int8), policy)
