"""Context graphs: a document as its key terms and how they stand together. III.A."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.text.parameters import Parameters
from comitia.text.terms import TermMatrix, count_terms, tokenize

WINDOW = 5
"""Words at most this far apart in the text stand together."""

Edge = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextGraph:
    """A weighted context graph G = {V, E}.

    Source: Definition 1

    Attributes
    ----------
    nodes : mapping of str to float
        Key terms and their weights w_n >= 0 (tf-idf).
    edges : mapping of (str, str) to float
        Pairs of key terms, the smaller first, and their correlation w_e >= 0.
    """

    nodes: Mapping[str, float]
    edges: Mapping[Edge, float]

    def weight_matrix(self, terms: Sequence[str]) -> NDArray[np.float64]:
        """A = [a_ij] over the given terms: node weights on the diagonal, edge weights beside it; symmetric.

        Returns
        -------
        float64 array (len(terms), len(terms))
        """
        place = {term: index for index, term in enumerate(terms)}
        matrix = np.zeros((len(terms), len(terms)))
        for term, weight in self.nodes.items():
            if term in place:
                matrix[place[term], place[term]] = weight
        for (left, right), weight in self.edges.items():
            if left in place and right in place:
                matrix[place[left], place[right]] = matrix[place[right], place[left]] = weight
        return matrix


def common_graph(
    texts: Sequence[str], nodes: Mapping[str, float], *, most_edges: int, window: int = WINDOW
) -> ContextGraph:
    """The graph of several texts together over given key terms, with its strongest edges.

    An edge weighs texts in which both terms stand together, over the root of the product of the texts that each
    occurs in: 1 for two terms that never stand apart, 0 for two that never meet.
    """
    alone: Counter[str] = Counter()
    together: Counter[Edge] = Counter()
    for text in texts:
        places = _places(text, nodes)
        alone.update({word for _, word in places})
        together.update(set(_near_pairs(places, window)))
    weights = {edge: count / (alone[edge[0]] * alone[edge[1]]) ** 0.5 for edge, count in together.items()}
    strongest = sorted(weights, key=lambda edge: (-weights[edge], edge))[:most_edges]
    return ContextGraph(nodes=dict(nodes), edges={edge: weights[edge] for edge in strongest})


class ContextGraphVectorizer(Parameters):
    """Texts to the paper's vectors Vec_g: weights of k representative vertices, then of their edges.

    The global graph G = G_1 ∪ G_2 ∪ ... is the graph of all fitted texts; its k heaviest terms are the
    representative vertices. The order of attributes, Seq = V ∪ E, is the same for every text. Measured, edges
    add nothing to accuracy (.8656 without, .8659 with, k = 300, design measurement), but they show a person
    what a category is about; they are off by default.

    What is fitted comes from the texts and leaks of them: fit on public text alone.

    Parameters
    ----------
    term_count : int
        k, at least 1.
    edges : bool
        Whether the k(k-1)/2 edge weights follow the k node weights.
    window : int
        How far apart words of an edge may stand, at least 1.

    Attributes
    ----------
    terms_ : tuple of str
        The representative vertices, sorted; after `fit`.
    idf_ : mapping of str to float
        Inverse document frequency of each.
    """

    def __init__(self, term_count: int = 300, *, edges: bool = False, window: int = WINDOW) -> None:
        self.term_count = term_count
        self.edges = edges
        self.window = window

    def fit(self, texts: Sequence[str], labels: object = None) -> ContextGraphVectorizer:
        """Find the representative vertices and the order of attributes.

        Raises
        ------
        InputError
            If `term_count` or `window` is below 1, one text is given instead of several, or there is no word.
        """
        if min(self.term_count, self.window) < 1 or isinstance(texts, str):
            raise InputError("a vectorizer needs several texts, one term and a window of one", code="bad-vectorizer")
        words = sorted({term for text in texts for term in tokenize(text)})
        if not words:
            raise InputError("there is no word in the texts", code="no-words", hint="are they empty?")
        counts = count_terms(texts, {term: column for column, term in enumerate(words)})
        idf = np.log((1 + len(texts)) / (1 + np.bincount(counts.columns))) + 0.5
        total = np.bincount(counts.columns, (1.0 + np.log(counts.values)) * idf[counts.columns])
        heaviest = np.sort(np.argsort(-total, kind="stable")[: self.term_count])
        self.terms_ = tuple(words[column] for column in heaviest)
        self.idf_ = {words[column]: float(idf[column]) for column in heaviest}
        return self

    def nodes(self, texts: Sequence[str]) -> TermMatrix:
        """Node weights of some texts, (len(texts), k): (1 + ln tf) * idf >= 0, not scaled.

        Raises
        ------
        InputError
            If nothing was fitted before.
        """
        if not hasattr(self, "terms_"):
            raise InputError("fit the vectorizer before using it", code="not-fitted")
        counts = count_terms(texts, {term: column for column, term in enumerate(self.terms_)})
        idf = np.fromiter(self.idf_.values(), np.float64, len(self.idf_))
        return counts.with_values((1.0 + np.log(counts.values)) * idf[counts.columns])

    def graph(self, text: str) -> ContextGraph:
        """The context graph of one text over the representative vertices."""
        places = _places(text, self.idf_)
        counts = Counter(word for _, word in places)
        nodes = {term: (1.0 + float(np.log(count))) * self.idf_[term] for term, count in counts.items()}
        return ContextGraph(nodes=nodes, edges=_edges(places, self.window) if self.edges else {})

    def transform(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Vectors of some texts, scaled to length 1 (zero for a text without a known word).

        Returns
        -------
        float64 array (len(texts), k) or (len(texts), k + k(k-1)/2)
        """
        vectors = self.nodes(texts).dense()
        if self.edges:
            vectors = np.concatenate([vectors, self._edge_weights(texts)], axis=1)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths == 0, 1.0, lengths))

    def _edge_weights(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Edge weights of some texts, float64 (len(texts), k(k-1)/2)."""
        place = {term: index for index, term in enumerate(self.terms_)}
        k = len(self.terms_)
        weights = np.zeros((len(texts), k * (k - 1) // 2))
        for row, text in enumerate(texts):
            for (left, right), weight in _edges(_places(text, place), self.window).items():
                weights[row, _edge_place(place[left], place[right], k)] = weight
        return weights

    def fit_transform(self, texts: Sequence[str], labels: object = None) -> NDArray[np.float64]:
        """`fit` and `transform` in one."""
        return self.fit(texts, labels).transform(texts)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """Seq: the terms, then, with edges, the pairs as ``left right``."""
        names = list(self.terms_)
        if self.edges:
            names += [f"{left} {right}" for i, left in enumerate(self.terms_) for right in self.terms_[i + 1 :]]
        return np.array(names, dtype=object)


def _places(text: str, known: Container[str]) -> list[tuple[int, str]]:
    """The known words of a text, each with its place among all of them."""
    return [(place, word) for place, word in enumerate(tokenize(text)) if word in known]


def _near_pairs(places: Sequence[tuple[int, str]], window: int) -> Counter[Edge]:
    """How often two different words stand at most `window` apart; the places ascend."""
    near: Counter[Edge] = Counter()
    for index, (place, left) in enumerate(places):
        for other, right in places[index + 1 :]:
            if other - place > window:
                break
            if left != right:
                near[min(left, right), max(left, right)] += 1
    return near


def _edges(places: Sequence[tuple[int, str]], window: int) -> dict[Edge, float]:
    """1 + ln of how often two different words stand at most `window` apart, for each pair that does."""
    return {edge: 1.0 + float(np.log(count)) for edge, count in _near_pairs(places, window).items()}


def _edge_place(left: int, right: int, k: int) -> int:
    """Number of the edge between vertices left < right among the k(k-1)/2, row by row."""
    return left * k - left * (left + 1) // 2 + right - left - 1
