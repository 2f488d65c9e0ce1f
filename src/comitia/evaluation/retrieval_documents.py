"""Participants cut from real labelled documents, for measuring how well their profiles let them be found.

A part of the documents is public: the codebook's pool and some references for each category. From the others each
participant draws documents of one to three categories, so participants share documents, as owners in a field do not;
how many hold a category does not follow from how many documents it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.evaluation import datasets
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.retrieval_profiles import Profiles, publish
from comitia.evaluation.retrieval_synthetic import CHECKED_PPM, RELATED_PPM, Population, discrete_laplace, pairs, unit
from comitia.privacy.terms import PrivacyTerms
from comitia.retrieval.profile import HISTOGRAM_SENSITIVITY, MICRO
from comitia.text.build import build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.documents import Document

REFERENCES: Final = 30
"""Public labelled documents of a category; half of what there is where that is fewer."""

MEDIAN_DOCUMENTS: Final = 200
FEWEST_DOCUMENTS: Final = 40
MOST_DOCUMENTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collection:
    """Labelled documents ready to be dealt.

    codes : of the codebook's leaves; the first are the categories', in order.
    categories : int64 array (n,), category of each document.
    leaves : int64 array (n,), nearest leaf of each, -1 for none.
    directions : float32 array (n, r), vectors of length 1 or 0.
    """

    codes: tuple[str, ...]
    categories: NDArray[np.int64]
    leaves: NDArray[np.int64]
    directions: NDArray[np.float32]


def news() -> Corpus:
    """20 Newsgroups and Reuters' twenty biggest topics as one field of forty categories."""
    posts, stories = datasets.twenty_news(), datasets.reuters(topics=20)
    return Corpus(
        name="20news+reuters",
        categories=posts.categories + stories.categories,
        pool=posts.pool + stories.pool,
        private=posts.private + stories.private,
        evaluated=posts.evaluated + stories.evaluated,
    )


def field_of(documents: Sequence[Document], name: str, categories: int) -> Corpus:
    """A user's own labelled documents: the most frequent labels, every fifth document public."""
    counted = Counter(document.label for document in documents if document.label)
    labels = sorted(label for label, _ in counted.most_common(categories))
    return Corpus(
        name=name,
        categories=tuple(Category(label=label, name=label) for label in labels),
        pool=tuple(document.text for document in documents[::5]),
        private=tuple(d for i, d in enumerate(documents) if i % 5 and d.label in labels),
        evaluated=(),
    )


def collect(corpus: Corpus, generator: np.random.Generator, say: Callable[[str], None] = lambda _: None) -> Collection:
    """Build the codebook of a corpus from its public part, and look at the rest through it.

    Raises
    ------
    InputError
        If a category has fewer than four documents.
    """
    labels = [category.label for category in corpus.categories]
    documents = [document for document in (*corpus.private, *corpus.evaluated) if document.label in labels]
    number = {label: index for index, label in enumerate(labels)}
    categories = np.array([number[document.label or ""] for document in documents], dtype=np.int64)
    public = _references(categories, len(labels), generator)
    references = [(documents[i].text, documents[i].label or "") for i in public]
    book = build_codebook(corpus.pool, corpus.categories, references=references, progress=say)
    private = np.setdiff1d(np.arange(len(documents)), public)
    say("looking at documents through the codebook")
    vectors = book.vectorize([documents[i].text for i in private])
    return Collection(
        codes=_codes_in_order(book, labels),
        categories=categories[private],
        leaves=book.leaves_of(vectors),
        directions=unit(vectors.astype(np.float32)),
    )


def deal(collection: Collection, participants: int, epsilon: str, generator: np.random.Generator) -> Population:
    """Let participants draw documents, and profile them.

    Parameters
    ----------
    epsilon : str
        Of each profile; neighbours replace a document.
    """
    epsilon_micro = PrivacyTerms.of(epsilon).epsilon_micro
    leaves = len(collection.codes)
    true = np.zeros((participants, leaves), dtype=np.int64)
    seen = np.zeros((participants, leaves), dtype=np.int64)
    directions = np.zeros((participants, collection.directions.shape[1]), dtype=np.float32)
    of_category = [np.flatnonzero(collection.categories == c) for c in range(int(collection.categories.max()) + 1)]
    for row in range(participants):
        hand = _draw(of_category, generator)
        true[row] = np.bincount(collection.categories[hand], minlength=leaves)
        there = collection.leaves[hand]
        seen[row] = np.bincount(there[there >= 0], minlength=leaves)
        directions[row] = collection.directions[hand].sum(axis=0)
    scale = HISTOGRAM_SENSITIVITY * MICRO / epsilon_micro
    owner, leaf, band, share = publish(seen + discrete_laplace(seen.shape, scale, generator), epsilon_micro)
    return Population(
        profiles=Profiles(participants=participants, owner=owner, leaf=leaf, band=band, share_ppm=share),
        codes=collection.codes,
        asked=len(of_category),
        related=pairs(true, RELATED_PPM),
        checked=pairs(seen, CHECKED_PPM),
        directions=unit(directions),
        prototypes=unit(np.stack([collection.directions[there].mean(axis=0) for there in of_category])),
    )


def _draw(of_category: Sequence[NDArray[np.int64]], generator: np.random.Generator) -> NDArray[np.int64]:
    """Documents of one participant: of one to three categories, in random parts."""
    size = int(np.clip(generator.lognormal(np.log(MEDIAN_DOCUMENTS), 0.7), FEWEST_DOCUMENTS, MOST_DOCUMENTS))
    held = generator.choice(len(of_category), size=int(generator.integers(1, 4)), replace=False)
    parts = generator.multinomial(size, generator.dirichlet(np.full(len(held), 2.0)))
    return np.concatenate(
        [generator.choice(of_category[category], part) for category, part in zip(held, parts, strict=True)]
    )


def _references(categories: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    chosen = []
    for category in range(count):
        there = np.flatnonzero(categories == category)
        if len(there) < 4:
            raise InputError(
                f"category {category} has {len(there)} documents, too few to measure on",
                code="too-few-documents",
                hint="ask for fewer categories with --categories",
            )
        chosen.append(generator.choice(there, min(REFERENCES, len(there) // 2), replace=False))
    return np.concatenate(chosen)


def _codes_in_order(book: Codebook, labels: Sequence[str]) -> tuple[str, ...]:
    """Codes of the leaves; every category has one, since it has references."""
    named = [leaf.label for leaf in book.leaves[: len(labels)]]
    assert named == list(labels)
    return tuple(leaf.code for leaf in book.leaves)
