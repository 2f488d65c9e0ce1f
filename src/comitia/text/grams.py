"""Vectors without any vocabulary: runs of four characters, each counted in a bucket that its hash names.

For consortia that have no public pool. What two texts share, down to parts of words, their vectors share; that every
member counts alike needs no agreement but this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from comitia.text.terms import TermMatrix, tokenize

BUCKETS = 512

_FUNCTION_WORDS = """
about above after again against all also am an and any are as at be because been before being below between both
but by can cannot could did do does doing done down during each even few for from further get go got had has
have having he her here hers herself him himself his how if in into is it its itself just like make many may me
might more most much must my myself no nor not now of off on once one only or other our ours ourselves out over
own same shall she should since so some such than that the their theirs them themselves then there these they
this those through to too two under until up upon us use used very was we well were what when where which while
who whom why will with without would yes yet you your yours yourself yourselves aren couldn didn doesn don hadn
hasn haven isn shouldn wasn weren won wouldn ll re ve
"""

_LENGTH = 4
_SIGN = 1 << 31

FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English words that are about nothing. Those of other languages count like any other word."""


def gram_weights(texts: Sequence[str]) -> TermMatrix:
    """Grams of some texts by bucket: 1 + ln of each one's number, under the sign that its hash has.

    Returns
    -------
    TermMatrix
        float64 values, `BUCKETS` columns; grams that meet in a bucket add up.
    """
    rows = [_row(text) for text in texts]
    filled = [np.flatnonzero(row) for row in rows]
    return TermMatrix(
        starts=np.concatenate([[0], np.cumsum([len(columns) for columns in filled])]).astype(np.int64),
        columns=np.concatenate([np.zeros(0, np.int64), *filled]).astype(np.int32),
        values=np.concatenate([np.zeros(0), *(row[columns] for row, columns in zip(rows, filled, strict=True))]),
        width=BUCKETS,
    )


def _row(text: str) -> NDArray[np.float64]:
    grams = [gram for word in tokenize(text) if word not in FUNCTION_WORDS for gram in _grams(word)]
    distinct, counts = np.unique(np.array(grams, dtype=np.int64), return_counts=True)
    signs = np.where(distinct & _SIGN, 1.0, -1.0)
    return np.bincount(distinct % BUCKETS, signs * (1 + np.log(counts)), minlength=BUCKETS).astype(np.float64)


@lru_cache(maxsize=1 << 16)
def _grams(word: str) -> tuple[int, ...]:
    """Hashes of a word's grams, its two ends marked."""
    marked = f"^{word}$"
    last = max(1, len(marked) - _LENGTH + 1)
    return tuple(crc32(marked[begin : begin + _LENGTH].encode()) for begin in range(last))
