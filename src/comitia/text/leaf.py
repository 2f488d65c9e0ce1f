"""A leaf: one of the public groups of documents that retrieval counts in."""

from __future__ import annotations

from dataclasses import dataclass

from comitia.text.context_graph import ContextGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A public group of documents, by which a provider's profile is counted.

    Attributes
    ----------
    code : str
        Path of "0" and "1" from the root of the leaves' dendrogram. No code is the start of another;
        the longer the start two codes share, the nearer their documents.
    label : str
        Label id of the category it stands for; empty for a leaf without a name.
    documents : int
        How many documents of pool and references are nearest to it.
    terms : tuple of str
        Key terms of those documents that tell them from the others, the strongest first.
    term_weights : tuple of int
        How strong, thousandths of the strongest.
    edges : tuple of (int, int, int)
        Key terms that stand together, by their place in `terms`, and how often of the times that they could,
        in thousandths; the strongest first.
    """

    code: str
    label: str
    documents: int = 0
    terms: tuple[str, ...] = ()
    term_weights: tuple[int, ...] = ()
    edges: tuple[tuple[int, int, int], ...] = ()

    @property
    def title(self) -> str:
        """Its label, or else its three strongest key terms."""
        return self.label or f"({', '.join(self.terms[:3])})"

    @property
    def graph(self) -> ContextGraph:
        """What its documents are about: key terms and how they stand together."""
        return ContextGraph(
            nodes={term: weight / 1000 for term, weight in zip(self.terms, self.term_weights, strict=True)},
            edges={(self.terms[a], self.terms[b]): weight / 1000 for a, b, weight in self.edges},
        )

    @property
    def has_whole_graph(self) -> bool:
        """Whether each term has a weight, no figure is negative, and edges join terms that there are."""
        weighted = len(self.terms) == len(self.term_weights) and min(self.term_weights, default=0) >= 0
        places = range(len(self.terms))
        return weighted and all(a in places and b in places and weight >= 0 for a, b, weight in self.edges)
