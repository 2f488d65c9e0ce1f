"""Terms of a text and sparse matrices of them. Everything here is a pure function of its arguments.

Tokens depend on the text and on the Unicode tables of the running Python alone, never on locale or
machine. Matrices are row-compressed numpy arrays: the few operations needed do not deserve scipy's 100 MB.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOKEN = re.compile(r"\w\w+")
"""Two word characters or more; a letter alone says too little and is often an initial."""

MAX_TOKEN_LENGTH = 40
"""Longer runs are encoded attachments, not words."""

_DOCUMENTS_AT_ONCE = 1024
_ELEMENTS_AT_ONCE = 1 << 18

Numbers = NDArray[Any]


def tokenize(text: str) -> list[str]:
    """Words of a text in their order, lower case, compatibility forms made one (``ﬁ`` is ``fi``).

    >>> tokenize("L/H BUCKET CYL. leaking, won't open")
    ['bucket', 'cyl', 'leaking', 'won', 'open']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _TOKEN.findall(text.lower())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TermMatrix:
    """A sparse matrix, one row a document, one column a term.

    Attributes
    ----------
    starts : int64 array (rows + 1,)
        Row `i` is the slice ``starts[i]:starts[i + 1]`` of the two arrays below.
    columns : int32 array (entries,)
        Column of each entry, ascending within a row.
    values : array (entries,)
        Value of each entry.
    width : int
        Number of columns.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: Numbers
    width: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.starts) - 1

    @property
    def row_of_entry(self) -> NDArray[np.int64]:
        """int64 array (entries,): the row each entry stands in."""
        return np.repeat(np.arange(self.rows), np.diff(self.starts))

    def with_values(self, values: Numbers) -> TermMatrix:
        """The same places with other values."""
        return TermMatrix(starts=self.starts, columns=self.columns, values=values, width=self.width)

    def select(self, rows: NDArray[np.int64]) -> TermMatrix:
        """The matrix of some rows, in the order given."""
        lengths = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        entries = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], lengths)
        return TermMatrix(starts=starts, columns=self.columns[entries], values=self.values[entries], width=self.width)

    def transposed(self) -> TermMatrix:
        """Rows become columns."""
        order = np.argsort(self.columns, kind="stable")
        counts = np.bincount(self.columns, minlength=self.width)
        return TermMatrix(
            starts=np.concatenate([[0], np.cumsum(counts)]),
            columns=self.row_of_entry[order].astype(np.int32),
            values=self.values[order],
            width=self.rows,
        )

    def row_sums(self, values: Numbers | None = None) -> Numbers:
        """Sums of each row's `values` (its own where none are given), shape (rows,), exact for integers."""
        values = self.values if values is None else values
        sums = np.zeros(self.rows, dtype=values.dtype)
        filled = np.flatnonzero(np.diff(self.starts))
        if filled.size:
            sums[filled] = np.add.reduceat(values, self.starts[filled])
        return sums

    def times(self, right: Numbers) -> Numbers:
        """The product with a dense matrix (width, r), in the type of the values, shape (rows, r)."""
        return self._summed(right, np.multiply)

    def overlaps(self, right: Numbers) -> Numbers:
        """Like `times`, but sums min(a, b) in place of a * b; for matrices without negative entries."""
        return self._summed(right, np.minimum)

    def _summed(self, right: Numbers, operation: np.ufunc) -> Numbers:
        """Sums over each row's entries of operation(entry, row of `right`); absent entries add nothing."""
        result = np.zeros((self.rows, right.shape[1]), dtype=self.values.dtype)
        for rows, entries in self._slices(right.shape[1]):
            filled = np.flatnonzero(np.diff(self.starts[rows.start : rows.stop + 1])) + rows.start
            if not filled.size:
                continue
            terms = right[self.columns[entries]].astype(result.dtype, copy=False)
            terms = operation(terms, self.values[entries, None])
            result[filled] = np.add.reduceat(terms, self.starts[filled] - entries.start, axis=0)
        return result

    def dense(self) -> Numbers:
        """The same as an ordinary matrix (rows, width)."""
        matrix = np.zeros((self.rows, self.width), dtype=self.values.dtype)
        matrix[self.row_of_entry, self.columns] = self.values
        return matrix

    def _slices(self, r: int) -> Iterator[tuple[slice, slice]]:
        """Rows and their entries in portions whose products fit a processor's cache, a row at least."""
        limit = max(1, _ELEMENTS_AT_ONCE // max(1, r))
        row = 0
        while row < self.rows:
            end = int(np.searchsorted(self.starts, self.starts[row] + limit, side="right")) - 1
            end = min(max(end, row + 1), self.rows)
            yield slice(row, end), slice(int(self.starts[row]), int(self.starts[end]))
            row = end


def count_terms(texts: Sequence[str], column_of: Mapping[str, int]) -> TermMatrix:
    """How often each known term occurs in each text.

    Parameters
    ----------
    texts : sequence of str
    column_of : mapping of str to int
        Column of each known term, 0 to its length less 1. Other words are passed over.

    Returns
    -------
    TermMatrix
        Counts as int64; a text without a known word has an empty row.
    """
    width = len(column_of)
    portions = [
        _count_portion(texts[first : first + _DOCUMENTS_AT_ONCE], column_of)
        for first in range(0, len(texts), _DOCUMENTS_AT_ONCE)
    ]
    lengths = [lengths for lengths, _, _ in portions]
    return TermMatrix(
        starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([[], *lengths]))]).astype(np.int64),
        columns=np.concatenate([np.zeros(0, np.int32), *(columns for _, columns, _ in portions)]),
        values=np.concatenate([np.zeros(0, np.int64), *(counts for _, _, counts in portions)]),
        width=width,
    )


def _count_portion(
    texts: Sequence[str], column_of: Mapping[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    width = max(1, len(column_of))
    known = [[column_of[word] for word in tokenize(text) if word in column_of] for text in texts]
    lengths = np.fromiter((len(row) for row in known), np.int64, len(known))
    columns = np.fromiter((column for row in known for column in row), np.int64, int(lengths.sum()))
    places, counts = np.unique(np.repeat(np.arange(len(texts)), lengths) * width + columns, return_counts=True)
    rows = np.bincount(places // width, minlength=len(texts))
    return rows.astype(np.int64), (places % width).astype(np.int32), counts.astype(np.int64)
