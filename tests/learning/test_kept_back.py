"""Documents kept back, as bytes: what comes back is what was bound, and nothing else is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_consortium import Consortium

from comitia.core.codec import decode_plain, encode
from comitia.core.errors import InputError, ProtocolError
from comitia.learning.kept_back import KEPT_BACK_LIMIT, KeptBack, kept_back_bytes, parse_kept_back


def some(consortium: Consortium) -> KeptBack:
    return KeptBack(vectors=consortium.vectors[:8], labels=consortium.labels[:8])


def test_a_set_comes_back_as_it_was(consortium: Consortium) -> None:
    kept = some(consortium)
    again = parse_kept_back(kept_back_bytes(consortium.codebook, kept), consortium.codebook)
    assert np.array_equal(again.vectors, kept.vectors)
    assert np.array_equal(again.labels, kept.labels)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"codebook": bytes(32)}, "foreign-references"),
        ({"labels": [0, 1, 2, 0, 1, 2, 0, 9]}, "unknown-category"),
        ({"labels": [-1] * 8}, "unknown-category"),
        ({"labels": []}, "unknown-category"),
        ({"labels": [0]}, "bad-shape"),
        ({"labels": ["0"] * 8}, "malformed"),
        ({"vectors": b""}, "bad-shape"),
    ],
)
def test_what_is_no_set_is_refused(consortium: Consortium, changes: dict[str, Any], code: str) -> None:
    record = decode_plain(kept_back_bytes(consortium.codebook, some(consortium)))
    with pytest.raises(ProtocolError) as caught:
        parse_kept_back(encode({**record, **changes}), consortium.codebook)
    assert caught.value.code == code


def test_a_vector_longer_than_a_documents_is_refused(consortium: Consortium) -> None:
    kept = some(consortium)
    long = np.full_like(kept.vectors, 1 << consortium.codebook.grid_bits)
    data = kept_back_bytes(consortium.codebook, replace(kept, vectors=long))
    with pytest.raises(ProtocolError) as caught:
        parse_kept_back(data, consortium.codebook)
    assert caught.value.code == "implausible-references"


def test_a_set_has_a_largest_size(consortium: Consortium) -> None:
    count = KEPT_BACK_LIMIT // (2 * consortium.codebook.rank) + 1
    kept = KeptBack(
        vectors=np.zeros((count, consortium.codebook.rank), dtype=np.int32), labels=np.zeros(count, dtype=np.int64)
    )
    with pytest.raises(InputError) as caught:
        kept_back_bytes(consortium.codebook, kept)
    assert caught.value.code == "too-many-references"
    with pytest.raises(ProtocolError) as refused:
        parse_kept_back(bytes(KEPT_BACK_LIMIT + 1), consortium.codebook)
    assert refused.value.code == "too-large"
