from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_consortium import Consortium

from comitia.core import codec
from comitia.core.errors import ProtocolError
from comitia.learning import wire
from comitia.learning.local_model import LocalModel
from comitia.learning.prototype import Prototype
from comitia.privacy.mechanisms import gaussian
from comitia.privacy.noise import SeededNoise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms


def read(data: bytes, consortium: Consortium, **options: Any) -> Released[LocalModel]:
    return wire.parse_release(
        data, learner=Prototype(), codebook=consortium.codebook, **{"allow_seeded": True, **options}
    )


def altered(data: bytes, **changes: object) -> bytes:
    return codec.encode({**codec.decode_plain(data), **changes})


def refused(data: bytes, consortium: Consortium, **options: Any) -> str:
    with pytest.raises(ProtocolError) as caught:
        read(data, consortium, **options)
    return caught.value.code


def test_reads_what_was_released(consortium: Consortium) -> None:
    release = consortium.release()
    data = wire.release_bytes(release)
    again = read(data, consortium)
    np.testing.assert_array_equal(again.value.values, release.value.values)
    assert (again.value.rows, again.receipt) == (release.value.rows, release.receipt)
    assert wire.release_bytes(again) == data


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_packing_takes_the_least_width_and_comes_back(numbers: list[int]) -> None:
    values = np.array([numbers], dtype=np.int64)
    width = wire._width(values)
    packed = wire._pack(values, width)
    np.testing.assert_array_equal(wire._unpack(packed, width, (1, len(numbers))), values)
    assert width == 1 or not all(-(1 << 8 * width - 9) <= number < 1 << 8 * width - 9 for number in numbers)


def test_what_does_not_fit_is_refused(lsa: Consortium) -> None:
    data = wire.release_bytes(lsa.release())
    plain = codec.decode_plain(data)
    wider = b"".join(
        int.from_bytes(plain["values"][at : at + plain["width"]], "little", signed=True).to_bytes(
            8, "little", signed=True
        )
        for at in range(0, len(plain["values"]), plain["width"])
    )
    changed = bytes([plain["values"][0] ^ 1]) + plain["values"][1:]
    assert refused(data[:-1], lsa) == "malformed"
    assert refused(altered(data, learner="other"), lsa) == "foreign-release"
    assert refused(altered(data, codebook=bytes(32)), lsa) == "foreign-release"
    assert refused(altered(data, rows=0), lsa) == "bad-rows"
    assert refused(altered(data, rows=1 << 40), lsa) == "bad-rows"
    assert refused(altered(data, values=plain["values"][:-1]), lsa) == "bad-shape"
    assert refused(altered(data, width=9), lsa) == "bad-shape"
    assert refused(altered(data, width=8, values=wider), lsa) == "not-canonical"
    assert refused(altered(data, values=changed), lsa) == "receipt-mismatch"
    assert refused(data, lsa, allow_seeded=False) == "seeded-noise"


def test_a_receipt_for_a_smaller_sensitivity_is_refused(lsa: Consortium) -> None:
    """A peer who claims that its documents matter less would add less noise."""
    honest = lsa.release()
    cheap = gaussian(
        np.asarray(honest.value.values),
        l2_sensitivity_squared=1,
        terms=PrivacyTerms.of("4", "1e-5"),
        noise=SeededNoise(b"cheap"),
        grid_bits=lsa.codebook.grid_bits,
    )
    forged = cheap.map(
        lambda values: LocalModel(
            learner="prototype", codebook=lsa.codebook.digest, rows=honest.value.rows, values=values
        )
    )
    assert refused(wire.release_bytes(forged), lsa) == "receipt-mismatch"


def test_a_blown_up_release_is_refused(lsa: Consortium) -> None:
    honest = lsa.release()
    blown_up = gaussian(
        np.asarray(honest.value.values) * 50,
        l2_sensitivity_squared=Prototype().sensitivity_squared(lsa.codebook),
        terms=PrivacyTerms.of("4", "1e-5"),
        noise=SeededNoise(b"scaled"),
        grid_bits=lsa.codebook.grid_bits,
    )
    forged = blown_up.map(
        lambda values: LocalModel(
            learner="prototype", codebook=lsa.codebook.digest, rows=honest.value.rows, values=values
        )
    )
    assert refused(wire.release_bytes(forged), lsa) == "implausible-release"


@pytest.mark.parametrize("epsilon", ["0.1", "1", "8"])
def test_one_honest_document_is_never_implausible(consortium: Consortium, epsilon: str) -> None:
    for seed in range(10):
        read(wire.release_bytes(consortium.release([seed], epsilon=epsilon, seed=bytes([seed]))), consortium)


def test_the_least_integer_is_not_within_any_length(lsa: Consortium) -> None:
    """It has no absolute value in 64 bits, and its square is 0 there."""
    release = lsa.release()
    values = release.value.values.copy()
    values[0, 0] = -(2**63)
    with pytest.raises(ProtocolError) as caught:
        wire._check_lengths(values, release.value.rows, lsa.codebook.grid_bits, release.receipt.sigma_squared)
    assert caught.value.code == "implausible-release"
