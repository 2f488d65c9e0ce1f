"""How many values CBOR bytes hold, counted from their heads alone, before any value is made.

One byte can stand for an empty list, which takes sixty in memory: a message of some megabytes that is nothing but
empty lists would cost gigabytes, and seconds, before anyone could look at what it says or who signed it.
"""

from __future__ import annotations

from comitia.core.errors import ProtocolError

_BYTES, _TEXT = 2, 3
_LONGER = {24: 1, 25: 2, 26: 4, 27: 8}
"""Bytes that follow a head, by its lower five bits: its number where that is no smaller one."""


def require_few_items(data: bytes, most: int) -> None:
    """Refuse bytes that hold more values than a reader has use for; lists and maps count, and so does all in them.

    Whether they are CBOR at all is the decoder's to say: from where they are not, nothing is counted.

    Raises
    ------
    ProtocolError
        Code ``too-large``.
    """
    place = count = 0
    while place < len(data):
        count += 1
        if count > most:
            raise ProtocolError(f"more than {most} values where at most so many are accepted", code="too-large")
        kind, number = data[place] >> 5, data[place] & 31
        width = _LONGER.get(number, 0)
        if width:
            number = int.from_bytes(data[place + 1 : place + 1 + width], "big")
        elif number == 31:  # of no stated length: what is in it follows
            number = 0
        place += 1 + width + (number if kind in (_BYTES, _TEXT) else 0)
