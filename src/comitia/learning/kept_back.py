"""Labelled documents that a witness keeps back until releases are shown: vectors and labels as bytes, never text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.core import codec
from comitia.core.errors import InputError, ProtocolError
from comitia.text.codebook import Codebook

KEPT_BACK_LIMIT = 1 << 18
"""Most bytes of a set on the wire: 20 documents of 20 categories in 128 coordinates take 0.1 MB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptBack:
    """A set of documents to judge releases by, see `signal.gain`.

    Attributes
    ----------
    vectors : int32 array, shape (k, r)
        As `Codebook.vectorize` makes them.
    labels : int64 array, shape (k,)
        Index into the codebook's categories.
    """

    vectors: NDArray[np.int32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """A set on the wire.

    Attributes
    ----------
    codebook
        Digest of the codebook behind vectors and labels.
    labels
        Category of each document.
    vectors
        Row by row, 16 bits each, little-endian two's complement: grids are at most 2^14 fine.
    """

    codebook: bytes
    labels: tuple[int, ...]
    vectors: bytes


def kept_back_bytes(codebook: Codebook, kept: KeptBack) -> bytes:
    """The canonical bytes of a set: what a witness binds itself to.

    Raises
    ------
    InputError
        `too-many-references`: they are more than `KEPT_BACK_LIMIT`.
    """
    record = _Record(
        codebook=codebook.digest, labels=tuple(kept.labels.tolist()), vectors=kept.vectors.astype("<i2").tobytes()
    )
    data = codec.encode(record)
    if len(data) > KEPT_BACK_LIMIT:
        raise InputError(
            f"{len(kept.labels)} documents take {len(data)} bytes, a set may have {KEPT_BACK_LIMIT}",
            code="too-many-references",
            hint="keep fewer documents of each category in a set",
        )
    return data


def parse_kept_back(data: bytes, codebook: Codebook) -> KeptBack:
    """Read a set that was opened.

    Checks, in this order:
    1. the bytes are canonical and within `KEPT_BACK_LIMIT`;
    2. the codebook is the session's and every label one of its categories;
    3. there are as many coordinates as labels ask for;
    4. no vector is longer than a document's can be.

    Raises
    ------
    ProtocolError
        A check failed; its code names which.
    """
    record = codec.decode(_Record, data, limit=KEPT_BACK_LIMIT)  # 1
    if record.codebook != codebook.digest:  # 2
        raise ProtocolError("the documents kept back are of another codebook", code="foreign-references")
    if not record.labels or not all(0 <= label < len(codebook.categories) for label in record.labels):  # 2
        raise ProtocolError("a document kept back has a category that the codebook has not", code="unknown-category")
    if len(record.vectors) != 2 * len(record.labels) * codebook.rank:  # 3
        raise ProtocolError(
            f"{len(record.vectors)} bytes of vectors for {len(record.labels)} documents of {codebook.rank} coordinates",
            code="bad-shape",
        )
    vectors = np.frombuffer(record.vectors, dtype="<i2").astype(np.int32).reshape(-1, codebook.rank)
    if int((vectors.astype(np.int64) ** 2).sum(axis=1).max()) > codebook.norm_bound_squared:  # 4
        raise ProtocolError("a document kept back is longer than a document can be", code="implausible-references")
    return KeptBack(vectors=vectors, labels=np.array(record.labels, dtype=np.int64))
