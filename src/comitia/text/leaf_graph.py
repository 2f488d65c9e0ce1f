"""What a leaf is about, for people: key terms of its public documents and how they stand together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from comitia.text.codebook import Codebook
from comitia.text.context_graph import common_graph
from comitia.text.key_terms import key_terms
from comitia.text.leaf import Leaf
from comitia.text.vectors import DOCUMENT_BITS

MOST_TERMS = 20
MOST_EDGES = 30


def draw_leaf_graphs(book: Codebook, texts: Sequence[str], vectors: NDArray[np.int32]) -> tuple[Leaf, ...]:
    """The leaves of a codebook, each with the graph of the public documents nearest to it. Cf. Definition 1.

    Parameters
    ----------
    vectors : int32 array, shape (len(texts), r)
        As the codebook makes them of the texts.
    """
    nearest = book.leaves_of(vectors)
    weights = book.document_weights(texts)
    scaled = weights.with_values(weights.values.astype(np.float32) / 2**DOCUMENT_BITS)
    found = key_terms(scaled, nearest, len(book.leaves), book.vocabulary, most=MOST_TERMS)
    return tuple(
        _with_graph(leaf, [texts[row] for row in np.flatnonzero(nearest == index).tolist()], terms)
        for index, (leaf, terms) in enumerate(zip(book.leaves, found, strict=True))
    )


def _with_graph(leaf: Leaf, texts: Sequence[str], terms: dict[str, float]) -> Leaf:
    graph = common_graph(texts, terms, most_edges=MOST_EDGES)
    place = {term: index for index, term in enumerate(terms)}
    strongest = max(terms.values(), default=1.0)
    return replace(
        leaf,
        documents=len(texts),
        terms=tuple(terms),
        term_weights=tuple(round(1000 * weight / strongest) for weight in terms.values()),
        edges=tuple((place[a], place[b], round(1000 * weight)) for (a, b), weight in graph.edges.items()),
    )
