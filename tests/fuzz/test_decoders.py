"""No bytes from outside do anything to a decoder but be taken or be refused. Long runs: `python tools/fuzz.py`."""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Final

import pytest
from decoders import DECODERS
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutate

ROUND: Final = 25
ROUNDS: Final = {"budget-file": 3, "ledger-file": 3, "node-file": 3}
MEMORY_LIMIT: Final = 32 << 20

NAMES: Final = sorted(DECODERS)


@pytest.mark.parametrize("name", NAMES)
def test_good_inputs_are_taken(name: str) -> None:
    decoder = DECODERS[name]
    assert all(decoder.judge(data) for data in decoder.samples())


@pytest.mark.parametrize("name", NAMES)
@given(data=st.binary(max_size=200))
@settings(max_examples=30)
def test_noise_is_refused_or_taken(name: str, data: bytes) -> None:
    DECODERS[name].judge(data)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**64 - 1))
@settings(max_examples=20)
def test_altered_inputs_are_refused_or_taken(name: str, seed: int) -> None:
    """Many alterations an example: what is drawn is only where they begin."""
    decoder, draw = DECODERS[name], Random(seed)
    known = decoder.samples()
    for _ in range(ROUNDS.get(name, ROUND)):
        decoder.judge(mutate(draw.choice(known), draw, known))


BOMBS: Final[dict[str, bytes]] = {
    "a reference to a list of references, ten times, nine deep": b"\x8a\xd8\x1c\x81\x01"
    + b"".join(b"\xd8\x1c\x8a" + (b"\xd8\x1d" + bytes([level])) * 10 for level in range(9)),
    "a text of 64 kB, two thousand times by reference": b"\xd9\x01\x00\x99\x08\x00\x79\xff\xff"
    + b"x" * 65_535
    + b"\xd8\x19\x00" * 2_047,
    "an array that claims 2**31 entries": b"\x9a\x7f\xff\xff\xff",
    "an array that claims 2**63 entries": b"\x9b\x7f" + b"\xff" * 7,
    "bytes that claim 2**63": b"\x5b\x7f" + b"\xff" * 7,
    "a map that claims 2**31 entries": b"\xba\x7f\xff\xff\xff",
    "half a million lists in each other": b"\x81" * 500_000,
    "a decimal with a huge exponent": b"\xc4\x82\x1b\x7f" + b"\xff" * 7 + b"\x03",
    "a long integer": b"\xc2\x59\xff\xff" + b"\xff" * 65_535,
    "a table of tables in TOML": b"a" + b".a" * 20_000 + b" = 1",
    "lists in each other in TOML": b"a = " + b"[" * 20_000,
    "a long integer in TOML": b"a = " + b"9" * 100_000,
}


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("-file") or name == "model-file"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_few_bytes_do_not_become_gigabytes(name: str, bomb: str) -> None:
    decoder = DECODERS[name]
    decoder.samples()
    tracemalloc.start()
    try:
        assert not decoder.judge(BOMBS[bomb])
        assert tracemalloc.get_traced_memory()[1] < MEMORY_LIMIT
    finally:
        tracemalloc.stop()
