"""A corpus ready to be shared out: its public basis, all vectors, and the split into references, trained, held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comitia.core.counting import counted
from comitia.core.errors import InputError
from comitia.evaluation.datasets import Corpus
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.encoder import SentenceEncoder
from comitia.text.vectors import Source

HELD_OUT = 0.25
"""Share of the private documents that nobody trains on, where a corpus has no documents for evaluation of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A corpus with what does not depend on how it is shared out.

    Attributes
    ----------
    corpus : Corpus
    bare : Codebook
        Basis and pool, without names, references or leaves.
    private, evaluated : int32 array, shape (n, r)
        Vectors of the corpus' documents.
    private_labels, evaluated_labels : int64 array, shape (n,)
        Index of each document's category.
    """

    corpus: Corpus
    bare: Codebook
    private: NDArray[np.int32]
    private_labels: NDArray[np.int64]
    evaluated: NDArray[np.int32]
    evaluated_labels: NDArray[np.int64]

    @classmethod
    def of(cls, corpus: Corpus, build: BuildSettings | None = None, encoder: SentenceEncoder | None = None) -> Prepared:
        """Build the codebook and make all vectors.

        Raises
        ------
        InputError
            `no-pool`: every document has one of the categories, and the basis is the pool; `too-few-categories`: there
            is nothing to tell apart; others as `build_codebook`.
        """
        if not corpus.pool and (build or BuildSettings()).source == Source.POOL:
            raise InputError(
                f"{corpus.name} leaves no public pool: all of its documents have one of the "
                f"{len(corpus.categories)} categories",
                code="no-pool",
                hint="the pool is what has another label or none: add such rows, or take fewer --categories",
            )
        if len(corpus.categories) < 2:
            raise InputError(
                f"{corpus.name} has {counted(len(corpus.categories), 'category', 'categories')}, fewer than two",
                code="too-few-categories",
                hint="check --label-column and --categories",
            )
        nameless = [opaque(category) for category in corpus.categories]
        codebook = build_codebook(corpus.pool, nameless, settings=build, encoder=encoder)
        # Leaves serve retrieval; without them a codebook's public part can be exchanged freely.
        codebook = replace(codebook, leaves=(), leaf_prototypes=codebook.leaf_prototypes[:0])
        index = {label: number for number, label in enumerate(codebook.labels)}
        return cls(
            corpus=corpus,
            bare=codebook,
            private=codebook.vectorize([document.text for document in corpus.private]),
            private_labels=np.array([index[document.label or ""] for document in corpus.private], dtype=np.int64),
            evaluated=codebook.vectorize([document.text for document in corpus.evaluated]),
            evaluated_labels=np.array([index[document.label or ""] for document in corpus.evaluated], dtype=np.int64),
        )

    def unit(self, vectors: NDArray[np.int32]) -> NDArray[np.float64]:
        """Vectors as floating-point numbers, at most 1 long."""
        return vectors / float(1 << self.bare.grid_bits)

    @property
    def named(self) -> Codebook:
        """The codebook with all names and no reference."""
        categories = self.corpus.categories
        names = self.bare.vectorize([category.words for category in categories])
        return replace(self.bare, categories=categories, name_vectors=names)

    def public(self, new: NDArray[np.int64], references: NDArray[np.int64], *, names: bool) -> Codebook:
        """The codebook of a consortium that knows less.

        Parameters
        ----------
        new : int64 array
            Categories without a name.
        references : int64 array
            Rows of the private documents that are public references.
        names : bool
            False hides the names of the other categories too.
        """
        hidden = set(new.tolist()) if names else set(range(len(self.corpus.categories)))
        categories = tuple(
            opaque(category) if number in hidden else category for number, category in enumerate(self.corpus.categories)
        )
        return replace(
            self.bare,
            categories=categories,
            references=self.private[references],
            reference_labels=self.private_labels[references],
            name_vectors=self.bare.vectorize([category.words for category in categories]),
        )

    def published(self, codebook: Codebook, rows: NDArray[np.int64]) -> Codebook:
        """The codebook if these private documents were public references too."""
        return replace(
            codebook,
            references=np.concatenate([codebook.references, self.private[rows]]),
            reference_labels=np.concatenate([codebook.reference_labels, self.private_labels[rows]]),
        )


def draw_references(
    prepared: Prepared, new: NDArray[np.int64], each: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of the private documents that become public references, `each` of every category that is not new.

    Raises
    ------
    InputError
        Code ``too-few-documents``.
    """
    chosen = [np.empty(0, dtype=np.int64)]
    categories = prepared.corpus.categories
    for label in np.setdiff1d(np.arange(len(categories)), new):
        rows = np.flatnonzero(prepared.private_labels == label)
        if len(rows) < each:
            raise InputError(
                f"category {categories[label].label!r} has {len(rows)} documents, fewer than {each} references",
                code="too-few-documents",
            )
        chosen.append(generator.choice(rows, each, replace=False))
    return np.concatenate(chosen)


def hold_out(
    prepared: Prepared, shares: Sequence[NDArray[np.int64]], generator: np.random.Generator
) -> tuple[list[NDArray[np.int64]], NDArray[np.int32], NDArray[np.int64]]:
    """Rows that each provider trains on, and vectors and labels of the evaluated documents."""
    if len(prepared.evaluated):
        return list(shares), prepared.evaluated, prepared.evaluated_labels
    trained, held_out = [], []
    for share in shares:
        mixed = generator.permutation(share)
        cut = int(len(mixed) * HELD_OUT)
        held_out.append(mixed[:cut])
        trained.append(np.sort(mixed[cut:]))
    rows = np.concatenate(held_out)
    return trained, prepared.private[rows], prepared.private_labels[rows]


def opaque(category: Category) -> Category:
    """A category of which only the label is public."""
    return Category(label=category.label)
