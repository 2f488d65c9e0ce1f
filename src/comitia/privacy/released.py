"""`Released[T]`: the only type that may leave a node with something learnt from private data in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar, final

import numpy as np

from comitia.core import codec
from comitia.core.errors import ProtocolError
from comitia.privacy.receipt import Receipt, check_receipt, digest_of
from comitia.privacy.samplers import IntArray

T = TypeVar("T")
U = TypeVar("U")

RECEIPT_LIMIT = 1024
"""Most bytes a receipt may have on the wire."""

_MINT: Final = object()
"""Held by this package alone: the capability to say that a value has paid for its noise."""


@final
class Released(Generic[T]):
    """A value that has paid for its noise, with the receipt.

    Only the mechanisms of this package make one from private data, and `parse_released` one from a peer's
    bytes.

    Attributes
    ----------
    value : T
        What was released. Arrays are read-only.
    receipt : Receipt
        What it has paid. A peer's receipt is the peer's word: the noise itself cannot be seen from outside.
    """

    __slots__ = ("receipt", "value")
    value: T
    receipt: Receipt

    def __init__(self, value: T, receipt: Receipt, *, mint: object) -> None:
        if mint is not _MINT:
            raise TypeError("only a mechanism of comitia.privacy makes a Released value; see privacy/mechanisms.py")
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "receipt", receipt)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Released value cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Released value cannot be changed")

    def __reduce__(self) -> str:
        raise TypeError("a Released value is not pickled: send its values and receipt, and parse_released them")

    def __repr__(self) -> str:
        return f"Released({type(self.value).__name__}, {self.receipt!r})"

    def map(self, function: Callable[[T], U]) -> Released[U]:
        """Return `function(value)` under the same receipt: computing on a release costs nothing.

        `function` must depend on nothing private but `value`. No code can check that; reviewers do.
        """
        return Released(function(self.value), self.receipt, mint=_MINT)


def frozen(values: IntArray) -> IntArray:
    """Return a read-only C-contiguous copy."""
    copy = np.array(values, dtype=np.int64, order="C")
    copy.flags.writeable = False
    return copy


def parse_released(receipt: bytes, values: IntArray, *, allow_seeded: bool = False) -> Released[IntArray]:
    """Read a peer's release off the wire.

    Checks, in this order:
    1. the receipt is canonical, at most `RECEIPT_LIMIT` bytes, its figures in range;
    2. its noise is at least what its claim asks for;
    3. its noise is from an operating system's generator, by the peer's word;
    4. it is the receipt of these values.

    Parameters
    ----------
    receipt : bytes
        Canonical bytes of a `Receipt`.
    values : int64 array
        The released integers, in the shape they were released in.
    allow_seeded : bool
        For the simulator: let seeded noise pass check 3.

    Raises
    ------
    ProtocolError
        A check failed; its code names which.
    """
    claim = codec.decode(Receipt, receipt, limit=RECEIPT_LIMIT)  # 1
    check_receipt(claim)  # 1, 2
    if not (claim.trusted_noise or allow_seeded):  # 3
        raise ProtocolError("the release was made with seeded noise, which protects nobody", code="seeded-noise")
    if claim.digest != digest_of(values):  # 4
        raise ProtocolError("the receipt belongs to other values than it came with", code="receipt-mismatch")
    return Released(frozen(values), claim, mint=_MINT)
