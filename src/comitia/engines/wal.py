"""SQLite's write-ahead log, looked at before SQLite opens it.

SQLite reads the log up to the first frame whose checksum fails and silently drops the rest. After a power cut that
is right: the tail was never acknowledged. If a byte has flipped further up, it throws acknowledged blocks away
without a word. The difference can be seen: behind damage there are further whole transactions.

A flipped byte in the very last transaction cannot be told from a torn tail; its blocks are cut off, and said so.
A copy is not flushed block by block, so there a power cut leaves holes anywhere in the log. What is lost behind one
can be had again from the original: it is cut off, and said so.
Format: https://www.sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import DamagedError

HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
_MAGIC: Final = 0x377F0682
_WORD: Final = 0xFFFFFFFF


def cut_torn_tail(database: Path, *, original: bool = True) -> str | None:
    """Look at the write-ahead log beside `database`; say what SQLite will cut off its end, if anything.

    Parameters
    ----------
    database : Path
    original : bool
        Whether every commit in the log was flushed and acknowledged.

    Raises
    ------
    DamagedError
        Code ``ledger-damaged`` with file and offset: in an original, a frame is damaged and whole transactions
        follow it; in either, the header is damaged and frames follow it.
    """
    path = database.with_name(database.name + "-wal")
    data = path.read_bytes() if path.exists() else b""
    if len(data) < HEADER_BYTES + FRAME_HEADER_BYTES:
        return None
    header = struct.unpack(">8I", data[:HEADER_BYTES])
    big_endian = bool(header[0] & 1)
    checksum = _checksum(_words(data, 0, 6, big_endian), 0, 0)
    if header[0] & ~1 != _MAGIC or checksum != header[6:]:
        raise _damaged(path, 0)
    torn_at = _Frames(path, data, header[2], big_endian).torn_at(checksum, original)
    if torn_at is None:
        return None
    return (
        f"{path} had a torn tail: {len(data) - torn_at} bytes from byte {torn_at} on belong to no whole block "
        "and were cut off"
    )


class _Frames:
    """The frames behind a log's header: 24 bytes and a page each.

    Only frames that carry the header's salts belong to the log's present round; what earlier rounds have left behind
    them has others.
    """

    def __init__(self, path: Path, data: bytes, page_bytes: int, big_endian: bool) -> None:
        self._path, self._data, self._big_endian = path, data, big_endian
        self._salts = data[16:24]
        self._step = FRAME_HEADER_BYTES + page_bytes

    def torn_at(self, checksum: tuple[int, int], original: bool) -> int | None:
        """Where the last whole transaction ends, if anything of this round follows it; else None."""
        start = end = HEADER_BYTES
        while start + self._step <= len(self._data):
            checksum = self._chained(start, checksum)
            _, is_commit, _, _, *stored = struct.unpack_from(">6I", self._data, start)
            if not self._is_current(start) or tuple(stored) != checksum:
                break
            start += self._step
            if is_commit:
                end = start
        if original and self._commits_after(start):
            raise _damaged(self._path, start)
        return end if start > end or self._is_current(start) else None

    def _chained(self, start: int, checksum: tuple[int, int]) -> tuple[int, int]:
        checksum = _checksum(_words(self._data, start, 2, self._big_endian), *checksum)
        page = _words(self._data, start + FRAME_HEADER_BYTES, (self._step - 24) // 4, self._big_endian)
        return _checksum(page, *checksum)

    def _is_current(self, start: int) -> bool:
        """Whether a frame of this round, or the beginning of one, lies here."""
        salts = self._data[start + 8 : start + 16]
        return bool(salts) and self._salts.startswith(salts)

    def _commits_after(self, start: int) -> bool:
        """Whether a transaction of this round ends behind the frame at `start`."""
        behind = range(start + self._step, len(self._data) - self._step + 1, self._step)
        return any(self._is_current(at) and self._data[at + 4 : at + 8] != bytes(4) for at in behind)


def _words(data: bytes, start: int, count: int, big_endian: bool) -> NDArray[np.uint64]:
    return np.frombuffer(data, ">u4" if big_endian else "<u4", count, start).astype(np.uint64)


def _checksum(words: NDArray[np.uint64], first: int, second: int) -> tuple[int, int]:
    """SQLite's checksum over pairs of words: s0 += x0 + s1; s1 += x1 + s0, modulo 2**32.

    That is t[k] = t[k-1] + t[k-2] + x[k], so word j of n reaches the two results with the Fibonacci numbers
    F(n-1-j) and F(n-j): two inner products instead of a loop over a million words.
    """
    n = len(words)
    fibonacci = _fibonacci(n + 2)
    s0 = int(np.sum((words * fibonacci[n - 1 :: -1]) & _WORD))
    s1 = int(np.sum((words * fibonacci[n:0:-1]) & _WORD))
    before, here, after = (int(fibonacci[k]) for k in (n - 1, n, n + 1))
    return (s0 + before * first + here * second) & _WORD, (s1 + here * first + after * second) & _WORD


@cache
def _fibonacci(count: int) -> NDArray[np.uint64]:
    """F(0) ... F(count - 1) modulo 2**32."""
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append((numbers[-1] + numbers[-2]) & _WORD)
    return np.array(numbers, dtype=np.uint64)


def _damaged(path: Path, offset: int) -> DamagedError:
    return DamagedError(
        f"{path} is damaged at byte {offset}, and acknowledged blocks lie behind it",
        code="ledger-damaged",
        hint="restore it from a backup; a provider or requester may also delete it and fetch the ledger anew",
        path=str(path),
        offset=offset,
    )
