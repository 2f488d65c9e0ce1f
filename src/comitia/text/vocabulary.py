"""Which words count, and how much: learnt from texts by tf-idf."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.text.terms import MAX_TOKEN_LENGTH, TermMatrix, count_terms, tokenize
from comitia.text.vectors import WEIGHT_BITS, unit_weights

FEW_TEXTS = 20
"""Below this many texts a word need not occur in two of them."""

_COMMONEST = 0.2
"""A word in more than this share of the texts says nothing."""

_SPREAD_ENOUGH = 5
"""...but a word in at most this many texts is never called common."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vocabulary:
    """Words, sorted, and their weights.

    What is learnt from private texts stays with their owner.

    Attributes
    ----------
    words : tuple of str
    weights : int64 array (k,)
        Units of ``2**-WEIGHT_BITS``.
    """

    words: tuple[str, ...]
    weights: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str], most: int) -> Vocabulary:
        """The words with the largest sums of tf-idf, neither too rare nor too common.

        Raises
        ------
        InputError
            Code ``no-usable-word``.
        """
        m = len(texts)
        frequency = Counter(word for text in texts for word in set(tokenize(text)))
        rarest = 2 if m >= FEW_TEXTS else 1
        commonest = max(_COMMONEST * m, _SPREAD_ENOUGH)
        words = sorted(
            word for word, df in frequency.items() if rarest <= df <= commonest and len(word) <= MAX_TOKEN_LENGTH
        )
        if not words:
            raise InputError(
                f"{m} texts have no word that occurs often enough to tell them apart",
                code="no-usable-word",
                hint="Give more text; at least a few dozen documents of the field.",
                texts=m,
            )
        df = np.asarray([frequency[word] for word in words], dtype=np.float64)
        weights = np.square(np.log((1 + m) / (1 + df)) + 0.5)
        counts = count_terms(texts, {word: column for column, word in enumerate(words)})
        sums = np.bincount(counts.columns, unit_weights(counts, weights).values, minlength=len(words))
        kept = np.sort(np.argsort(-sums, kind="stable")[:most])
        return cls(
            words=tuple(words[column] for column in kept),
            weights=np.rint(weights[kept] * 2**WEIGHT_BITS).astype(np.int64),
        )

    def weighted(self, texts: Sequence[str]) -> TermMatrix:
        """Unit rows of the texts, float32."""
        counts = count_terms(texts, {word: column for column, word in enumerate(self.words)})
        rows = unit_weights(counts, self.weights / 2**WEIGHT_BITS)
        return rows.with_values(rows.values.astype(np.float32))
