"""Routing ids: 256 bits in which related providers share a prefix, and nobody chooses their place. III.C step 1."""

from __future__ import annotations

from comitia.core.codec import digest
from comitia.retrieval.profile import RetrievalRecord

ID_BITS = 256


def routing_ids(
    record: RetrievalRecord, leaf_codes: tuple[str, ...], public_key: bytes, beacon: bytes
) -> tuple[bytes, ...]:
    """One id for each published leaf: leaf code, then two bits of band, then a hash of key and beacon.

    Near leaves have codes with a common start, so providers with related data have ids with a common prefix.
    The rest depends on the epoch's beacon, which nobody knew when the key was made.

    Parameters
    ----------
    record : RetrievalRecord
    leaf_codes : tuple of str
        Path of "0" and "1" of each leaf, in the codebook's order.
    public_key : bytes
        The provider's.
    beacon : bytes
        Of the epoch.

    Returns
    -------
    tuple of bytes
        32 bytes each.

    Source: III.B, "The ID of each participant (device) is generated according to the logic distance"
    """
    suffix = id_suffix(public_key, beacon)
    return tuple(place(leaf_codes[leaf], record.band(leaf), suffix) for leaf in record.published)


def id_suffix(public_key: bytes, beacon: bytes) -> bytes:
    """The part of its ids that a participant cannot choose, 32 bytes: its key is older than the beacon."""
    return digest(b"comitia routing id\x00" + public_key + beacon)


def place(code: str, band: int, suffix: bytes) -> bytes:
    """The id under a leaf's code and a band, 32 bytes."""
    head = code + format(band, "02b")
    number = int(head, 2) << (ID_BITS - len(head))
    return (number | int.from_bytes(suffix, "big") >> len(head)).to_bytes(ID_BITS // 8, "big")


def relevance_distance(left: bytes, right: bytes) -> int:
    """XOR of two ids read as a number: the smaller it is, the longer the prefix that they share.

    Source: Eq. (2)
    """
    return int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
