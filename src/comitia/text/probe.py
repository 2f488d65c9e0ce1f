"""From a request in words, or by example, to the leaves whose providers are asked. III.B, f_x.

The words and examples stay with the requester: only the leaves go on the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comitia.core.errors import InputError
from comitia.text.codebook import Codebook
from comitia.text.terms import tokenize
from comitia.text.vectors import Source

MOST_PROBES = 2

_SECOND_AS_NEAR = 0.7
"""A second leaf is looked in from this part of the nearest one's likeness on; farther are seldom right (ADR 41)."""

LEAST_KNOWN = 0.25
"""Share of the query's words that a codebook must know. Of text in its language it knows half (the commonest and the
rarest words are in no vocabulary) and seldom below .35; of text in another it knows by accident up to .2."""

_TELLING_LENGTH = 3
"""Shorter words are alike in many languages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Where a request looks.

    Attributes
    ----------
    categories : tuple of str
        Labels of the nearest leaves that stand for a category.
    leaves : tuple of int
        The nearest leaves that stand for none.
    """

    categories: tuple[str, ...]
    leaves: tuple[int, ...]


def probe(book: Codebook, texts: Sequence[str], probes: int) -> Probe:
    """The leaves nearest to some texts together.

    Where every category has references, its leaf draws its documents: the other leaves stand for what no category
    covers, and only categories are looked in. A leaf of a name alone draws few, and the others have the rest.

    Parameters
    ----------
    texts : sequence of str
        A description, or examples; each counts alike.
    probes : int
        How many leaves at most, 1 or 2.

    Raises
    ------
    InputError
        Code ``bad-option`` for another number of probes; ``no-leaves`` for a codebook without; ``unknown-language``
        if the codebook knows too few of the words.
    """
    if not 1 <= probes <= MOST_PROBES:
        raise InputError(f"a request looks in 1 or {MOST_PROBES} leaves, not {probes}", code="bad-option")
    if not book.leaves:
        raise InputError("the codebook has no leaves", code="no-leaves", hint="build it with a pool or references")
    require_known_language(book, texts)
    vectors = book.vectorize(texts)
    scores = book.leaf_scores(vectors[np.any(vectors, axis=1)]).sum(axis=0)
    if len(set(book.reference_labels.tolist())) == len(book.labels):
        scores[[not leaf.label for leaf in book.leaves]] = -np.inf
    first, *more = np.argsort(-scores, kind="stable")[:probes].tolist()
    nearest = [first, *(leaf for leaf in more if scores[leaf] >= _SECOND_AS_NEAR * scores[first])]
    return Probe(
        categories=tuple(book.leaves[leaf].label for leaf in nearest if book.leaves[leaf].label),
        leaves=tuple(sorted(leaf for leaf in nearest if not book.leaves[leaf].label)),
    )


def require_known_language(book: Codebook, texts: Sequence[str]) -> None:
    """Refuse texts of whose words the codebook knows too few; one that is not made of words knows all.

    Raises
    ------
    InputError
        Code ``unknown-language``.
    """
    if book.source is not Source.POOL:
        return
    words = {word for text in texts for word in tokenize(text)}
    words = {word for word in words if len(word) >= _TELLING_LENGTH} or words
    known = len(words.intersection(book.vocabulary))
    if known == 0 or known < LEAST_KNOWN * len(words):
        raise InputError(
            f"the codebook knows {known} of the {len(words)} words of the query: too few to say what it is about",
            code="unknown-language",
            hint="use the language and the words of the consortium's documents, or name categories",
            known=known,
            words=len(words),
        )
