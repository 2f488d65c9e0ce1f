"""The bytes of a codebook: its plain fields and packed arrays, wrapped with format, version and checksum.

Whether what was read makes a codebook, `Codebook` itself decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from comitia.core.codec import decode, decode_plain, digest, encode
from comitia.core.errors import DamagedError, ProtocolError
from comitia.text.categories import Category
from comitia.text.leaf import Leaf
from comitia.text.vectors import Source, VectorKind

FORMAT: Final = "comitia-codebook"
VERSION: Final = 3
SIZE_LIMIT: Final = 1 << 28
"""Most bytes of a codebook, 256 MiB."""

ARRAYS: Final[dict[str, tuple[str, int]]] = {
    "weights": ("<i8", 1),
    "basis": ("<i2", 2),
    "pool_mean": ("<i8", 1),
    "pool_variance": ("<i8", 1),
    "pool_sample": ("<i4", 2),
    "references": ("<i4", 2),
    "reference_labels": ("<i8", 1),
    "name_vectors": ("<i4", 2),
    "leaf_prototypes": ("<i2", 2),
}
"""Type and number of dimensions of each array, in memory and in the bytes."""

_HINT: Final = "Get the codebook again from a member or the administrator, or build it anew."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """An array: its shape, and its entries row by row, little-endian, of the type `ARRAYS` gives."""

    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A codebook as it is written; fields as in `Codebook`."""

    categories: tuple[Category, ...]
    vocabulary: tuple[str, ...]
    kind: VectorKind
    grid_bits: int
    leaves: tuple[Leaf, ...]
    pool_documents: int
    held_out_norm_ppm: int | None
    public_only_auc_ppm: int | None
    edges: tuple[int, ...]
    source: Source
    encoder: bytes
    arrays: dict[str, _Packed]


PLAIN: Final = tuple(field.name for field in fields(_Stored) if field.name != "arrays")
"""Fields of a codebook that are written as they are."""


def to_bytes(parts: Mapping[str, Any]) -> bytes:
    """Canonical bytes of a codebook, given its fields `PLAIN` and `ARRAYS` by name."""
    plain: dict[str, Any] = {name: parts[name] for name in PLAIN}
    packed = {
        name: _Packed(shape=parts[name].shape, data=parts[name].astype(dtype, copy=False).tobytes())
        for name, (dtype, _) in ARRAYS.items()
    }
    content = encode(_Stored(**plain, arrays=packed))
    return encode({"format": FORMAT, "version": VERSION, "content": content, "sha256": digest(content)})


def from_bytes(data: bytes) -> dict[str, Any]:
    """The fields by name that `to_bytes` wrote.

    Raises
    ------
    DamagedError
        If the bytes are not a codebook's ("not-a-codebook"), of another version of the format ("codebook-version"),
        or damaged ("codebook-damaged").
    """
    content = _open(data)
    try:
        stored = decode(_Stored, content, limit=SIZE_LIMIT)
    except ProtocolError as error:
        raise _damage(error.message) from error
    if stored.arrays.keys() != ARRAYS.keys():
        damaged("its arrays are not those of a codebook")
    arrays = {name: _unpack(name, packed) for name, packed in stored.arrays.items()}
    return {name: getattr(stored, name) for name in PLAIN} | arrays


def damaged(reason: str) -> NoReturn:
    """Refuse a codebook: DamagedError "codebook-damaged"."""
    raise _damage(reason)


def _damage(reason: str) -> DamagedError:
    return DamagedError(f"the codebook is damaged: {reason}", code="codebook-damaged", hint=_HINT)


def _open(data: bytes) -> bytes:
    """Check the wrapping and return the content."""
    try:
        outer = decode_plain(data, limit=SIZE_LIMIT)
    except ProtocolError as error:
        raise DamagedError(
            f"this is not a codebook, or it is damaged: {error.message}", code="not-a-codebook", hint=_HINT
        ) from error
    if not isinstance(outer, dict) or outer.get("format") != FORMAT:
        raise DamagedError("this is not a codebook", code="not-a-codebook", hint=_HINT)
    if outer.get("version") != VERSION:
        raise DamagedError(
            f"the codebook has format version {outer.get('version')!r}, this program reads {VERSION}",
            code="codebook-version",
            hint="Use the version of Comitia that the consortium uses.",
            found=outer.get("version"),
            expected=VERSION,
        )
    content = outer.get("content")
    if outer.keys() != {"format", "version", "content", "sha256"} or not isinstance(content, bytes):
        damaged("its outer parts are not those of a codebook")
    if digest(content) != outer["sha256"]:
        damaged("its content does not have the checksum it carries")
    return content


def _unpack(name: str, packed: _Packed) -> NDArray[Any]:
    dtype, dimensions = ARRAYS[name]
    if (
        min(packed.shape, default=0) < 0
        or len(packed.shape) != dimensions
        or prod(packed.shape) * np.dtype(dtype).itemsize != len(packed.data)
    ):
        damaged(f"{name} does not have the size it claims")
    return np.frombuffer(packed.data, dtype=dtype).reshape(packed.shape)
