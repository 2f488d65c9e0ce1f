"""A release as bytes: what a provider commits to and reveals, and how a peer's is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.core import codec
from comitia.core.errors import ProtocolError
from comitia.learning.contract import Learner
from comitia.learning.local_model import MAX_ROWS, LocalModel
from comitia.privacy.receipt import Mechanism, Receipt
from comitia.privacy.released import Released, parse_released
from comitia.text.codebook import Codebook

IntArray = NDArray[np.int64]

RELEASE_LIMIT = 1 << 20
"""Most bytes a release may have on the wire."""
FARTHEST = 16
"""Noise beyond this many standard deviations (probability below 1e-56) is not noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """A release on the wire.

    Attributes
    ----------
    learner, codebook, rows
        As in `LocalModel`.
    width
        Bytes of each value, 1 to 8: the least that hold all.
    values
        The values row by row, little-endian two's complement.
    receipt
        Canonical bytes of the `Receipt`.
    """

    learner: str
    codebook: bytes
    rows: int
    width: int
    values: bytes
    receipt: bytes


def release_bytes(release: Released[LocalModel]) -> bytes:
    """The canonical bytes of a release with its receipt: what a provider commits to and reveals."""
    model = release.value
    width = _width(model.values)
    return codec.encode(
        _Record(
            learner=model.learner,
            codebook=model.codebook,
            rows=model.rows,
            width=width,
            values=_pack(model.values, width),
            receipt=codec.encode(release.receipt),
        )
    )


def parse_release(
    data: bytes, *, learner: Learner, codebook: Codebook, allow_seeded: bool = False
) -> Released[LocalModel]:
    """Read a peer's release.

    Checks, in this order:
    1. the bytes are canonical and within `RELEASE_LIMIT`;
    2. learner and codebook are the session's, the declared rows in range;
    3. as many values as the codebook asks for, in the least width that holds them;
    4. the receipt is that of these values and its noise pays for its claim (`parse_released`);
    5. mechanism, grid and sensitivity are what this learner has on this codebook;
    6. no row of values is longer than the declared documents and the noise can make it.

    Raises
    ------
    ProtocolError
        A check failed; its code names which.
    """
    record = codec.decode(_Record, data, limit=RELEASE_LIMIT)  # 1
    if record.learner != learner.release_name or record.codebook != codebook.digest:  # 2
        raise ProtocolError(
            f"the release is of learner {record.learner!r} and another codebook, or of another learner than "
            f"{learner.release_name!r}",
            code="foreign-release",
            learner=record.learner,
            codebook=record.codebook,
        )
    if not 1 <= record.rows <= MAX_ROWS:  # 2
        raise ProtocolError(
            f"the release declares {record.rows} rows, 1 to {MAX_ROWS} are possible",
            code="bad-rows",
            rows=record.rows,
        )
    values = _unpack(record.values, record.width, learner.shape(codebook))  # 3
    release = parse_released(record.receipt, values, allow_seeded=allow_seeded)  # 4
    receipt = release.receipt
    if receipt.grid_bits != codebook.grid_bits or receipt.sensitivity != _sensitivity(learner, codebook, receipt):  # 5
        raise ProtocolError(
            "the receipt's mechanism, grid or sensitivity is not that of this learner on this codebook",
            code="receipt-mismatch",
        )
    _check_lengths(values, record.rows, codebook.grid_bits, receipt.variance)  # 6
    return release.map(
        lambda accepted: LocalModel(learner=record.learner, codebook=record.codebook, rows=record.rows, values=accepted)
    )


def _sensitivity(learner: Learner, codebook: Codebook, receipt: Receipt) -> int | None:
    """What a receipt of this mechanism has to name; None where the learner makes no such release."""
    if receipt.mechanism == Mechanism.GAUSSIAN:
        return learner.sensitivity_squared(codebook) * receipt.records_per_user**2
    bound = learner.l1_sensitivity(codebook)
    return None if bound is None else bound * receipt.records_per_user


def _check_lengths(values: IntArray, rows: int, grid_bits: int, variance: int) -> None:
    """Refuse a row of values that n documents of length 1, a count and the noise cannot add up to."""
    noise = (isqrt(variance) + 1) * (isqrt(values.shape[1]) + 1 + FARTHEST * (isqrt(len(values)) + 1))
    limit = (rows << grid_bits + 1) + noise
    within = -limit <= int(values.min()) and int(values.max()) <= limit
    # Sums of squares of values up to the limit fit 64 bits only after a shift; a few per mille are no matter here.
    shift = max(0, limit.bit_length() - 24)
    squares = ((np.abs(values) >> shift) ** 2).sum(axis=1)
    # The least 64-bit integer has no absolute value, and squares to 0: its length is only looked at within the limit.
    if not within or int(squares.max()) > (limit >> shift) ** 2:
        raise ProtocolError(
            f"a row of the release is longer than {rows} documents and the noise can make it",
            code="implausible-release",
            rows=rows,
        )


def _width(values: IntArray) -> int:
    """The least number of bytes whose two's complement holds all values."""
    largest = max(int(values.max()), -int(values.min()) - 1, 0)
    return largest.bit_length() // 8 + 1


def _pack(values: IntArray, width: int) -> bytes:
    wide = values.astype("<i8").reshape(-1, 1).view(np.uint8)
    return wide[:, :width].tobytes()


def _unpack(data: bytes, width: int, shape: tuple[int, int]) -> IntArray:
    size = shape[0] * shape[1]
    if not 1 <= width <= 8 or len(data) != size * width:
        raise ProtocolError(
            f"{len(data)} bytes of values in width {width}, but the codebook asks for {shape[0]} x {shape[1]} values",
            code="bad-shape",
        )
    narrow = np.frombuffer(data, dtype=np.uint8).reshape(size, width)
    wide = np.empty((size, 8), dtype=np.uint8)
    wide[:, :width] = narrow
    wide[:, width:] = np.where(narrow[:, -1:] >= 128, 255, 0)
    values = wide.view("<i8").astype(np.int64).reshape(shape)
    if _width(values) != width:
        raise ProtocolError("the values are not in the least width that holds them", code="not-canonical")
    return values
