"""The replicated state: tables of canonical values under a root that depends on nothing but the values.

The root is the SHA-256 of an LtHash: each entry is expanded by SHAKE-256 to 1,024 numbers of 16 bits, and the
entries' numbers are added up. Changing one entry costs one subtraction and one addition, whatever the size
of the state, and neither order nor height shows: an empty block leaves the root as it was. (Bellare and
Micciancio 1997; Lewi, Kim, Maykov and Weis 2019 on LtHash16, about 200 bits of security.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.codec import Written, decode, encode, write_again
from comitia.core.errors import ProtocolError

LANES: Final = 1024
VALUE_LIMIT: Final = 16 << 20
WRITTEN_KEPT: Final = 64
"""Of how many entries the bytes are kept: what has changed, a session above all, will soon change again, in part."""

LONG_BYTES: Final = 1 << 10
"""From how many bytes on it pays to look which parts of an entry are new."""

Key = tuple[str, str]
"""Table and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A changed entry, for whoever keeps the state: `value` is None where it was removed."""

    table: str
    key: str
    value: bytes | None


class State:
    """Tables of frozen dataclasses, with changes that are kept or dropped together.

    Parameters
    ----------
    schema : dict
        Class of the values of each table.
    """

    def __init__(self, schema: dict[str, type]) -> None:
        self._schema = schema
        self._values: dict[str, dict[str, Any]] = {table: {} for table in schema}
        self._before: dict[Key, Any] = {}
        self._savepoint: dict[Key, Any] = {}
        self._written: dict[Key, Written] = {}
        self._sum: NDArray[np.uint16] = np.zeros(LANES, dtype=np.uint16)

    @property
    def root(self) -> bytes:
        """32 bytes; of what is committed."""
        return hashlib.sha256(self._sum.astype("<u2").tobytes()).digest()

    def fork(self) -> State:
        """A copy of what is committed that goes its own way; values are immutable and shared."""
        copy = State(self._schema)
        copy._values = {table: dict(values) for table, values in self._values.items()}
        copy._written = dict(self._written)
        copy._sum = self._sum.copy()
        return copy

    def get(self, table: str, key: str) -> Any:
        """The value, or None."""
        return self._values[table].get(key)

    def items(self, table: str) -> Iterator[tuple[str, Any]]:
        """Keys and values of a table, by key."""
        values = self._values[table]
        for key in sorted(values):
            yield key, values[key]

    def count(self, table: str) -> int:
        """How many entries a table has."""
        return len(self._values[table])

    def put(self, table: str, key: str, value: object) -> None:
        """Set a value; `None` removes it."""
        place = (table, key)
        old = self._values[table].get(key)
        self._savepoint.setdefault(place, old)
        if value is None:
            self._values[table].pop(key, None)
        else:
            self._values[table][key] = value

    def keep(self) -> None:
        """Accept the changes since the last `keep` or `drop` into the block."""
        for place, old in self._savepoint.items():
            self._before.setdefault(place, old)
        self._savepoint.clear()

    def drop(self) -> None:
        """Undo the changes since the last `keep` or `drop`."""
        for (table, key), old in self._savepoint.items():
            if old is None:
                self._values[table].pop(key, None)
            else:
                self._values[table][key] = old
        self._savepoint.clear()

    def commit(self) -> tuple[Write, ...]:
        """Close the block: bring the root up to date, and say what changed, by table and key."""
        self.keep()
        writes = []
        for (table, key), before in sorted(self._before.items(), key=lambda item: item[0]):
            # A value has one form only, so the bytes that were added to the root can be made again.
            kept, value = self._written.pop((table, key), None), self._values[table].get(key)
            old = _encoded(before) if kept is None else kept.data
            new = None
            if value is not None:
                written = _write(value, kept)
                new = written.data
                if old is not None:
                    self._keep_written((table, key), written)
            if old == new:
                continue
            self._change(table, key, old, new)
            writes.append(Write(table=table, key=key, value=new))
        self._before.clear()
        return tuple(writes)

    def load(self, table: str, key: str, value: bytes) -> object:
        """Enter a value that was committed before.

        Raises
        ------
        ProtocolError
            If it does not have the table's form.
        """
        if table not in self._schema:
            raise ProtocolError(f"there is no table {table!r} in the state", code="malformed")
        read: object = decode(self._schema[table], value, limit=VALUE_LIMIT)
        self._values[table][key] = read
        self._change(table, key, None, value)
        return read

    def _keep_written(self, place: Key, written: Written) -> None:
        self._written[place] = written
        if len(self._written) > WRITTEN_KEPT:
            del self._written[next(iter(self._written))]

    def _change(self, table: str, key: str, old: bytes | None, new: bytes | None) -> None:
        if old is not None:
            self._sum -= _expand(table, key, old)
        if new is not None:
            self._sum += _expand(table, key, new)


def _write(value: object, before: Written | None) -> Written:
    """The next version of an entry; of a long one only what is new is written."""
    if before is None or len(before.data) < LONG_BYTES:
        return Written(value, encode(value), {})
    return write_again(value, before)


def _encoded(value: object) -> bytes | None:
    return None if value is None else encode(value)


def _expand(table: str, key: str, value: bytes) -> NDArray[np.uint16]:
    stretched = hashlib.shake_256(encode([table, key, value])).digest(2 * LANES)
    return np.frombuffer(stretched, dtype="<u2").astype(np.uint16)
