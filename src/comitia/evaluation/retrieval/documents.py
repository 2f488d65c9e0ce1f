"""Participants cut from real labelled documents, for measuring how well their profiles let them be found.

Some documents of each category are public: the codebook's references. From the others each participant draws documents
of one to three categories and a tenth from anywhere. None comes twice with one participant; one may come with several,
there are too few for all. How many hold a category does not follow from how many documents it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.core.telling import Say, silent
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.retrieval.population import Population, confirmed, profiled, related, unit
from comitia.evaluation.retrieval.published import Profiles
from comitia.privacy.terms import PrivacyTerms
from comitia.text.build import build_codebook
from comitia.text.codebook import Codebook
from comitia.text.confusion import leaf_confusion

REFERENCES: Final = 30
"""Public labelled documents of a category; half of what there is where that is fewer."""

DOCUMENTS: Final = (50, 500)
"""Fewest and most documents of a participant."""

_BACKGROUND = 0.1
"""Share of a participant's documents that are drawn from all categories alike."""

_MOST_INTERESTS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collection:
    """Labelled documents ready to be dealt.

    book : the codebook; its first leaves are the categories', in order.
    categories : int64 array (n,), category of each document.
    leaves : int64 array (n,), nearest leaf of each, -1 for none.
    directions : float32 array (n, r), vectors of length 1 or 0.
    """

    book: Codebook
    categories: NDArray[np.int64]
    leaves: NDArray[np.int64]
    directions: NDArray[np.float32]

    @property
    def by_category(self) -> list[NDArray[np.int64]]:
        """Rows of each category's documents."""
        return [np.flatnonzero(self.categories == category) for category in range(len(self.book.labels))]


def collect(
    corpus: Corpus,
    generator: np.random.Generator,
    *,
    references: int = REFERENCES,
    say: Say = silent,
) -> Collection:
    """Build the codebook of a corpus from its public part, and look at the rest through it.

    Raises
    ------
    InputError
        If a category has fewer than four documents.
    """
    number = {category.label: index for index, category in enumerate(corpus.categories)}
    categories = np.array([number[document.label or ""] for document in corpus.private], dtype=np.int64)
    public = _references(corpus, categories, references, generator)
    examples = [(corpus.private[row].text, corpus.private[row].label or "") for row in public.tolist()]
    book = build_codebook(corpus.pool, corpus.categories, references=examples, say=say)
    private = np.setdiff1d(np.arange(len(categories)), public)
    say("looking at documents through the codebook")
    vectors = book.vectorize([corpus.private[row].text for row in private.tolist()])
    return Collection(
        book=book,
        categories=categories[private],
        leaves=book.leaves_of(vectors),
        directions=unit(vectors.astype(np.float32)),
    )


def draw_hands(
    collection: Collection, participants: int, documents: tuple[int, int], generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Rows of each participant's documents.

    Parameters
    ----------
    documents : tuple of int
        Fewest and most of a participant; their logarithm is uniform in between.
    """
    by_category = collection.by_category
    least, most = np.log(documents)
    sizes = np.exp(generator.uniform(least, most, participants)).round().astype(int).tolist()
    return [_draw_hand(by_category, len(collection.categories), size, generator) for size in sizes]


def _draw_hand(
    by_category: Sequence[NDArray[np.int64]], everything: int, size: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    interests = min(len(by_category), int(generator.integers(1, _MOST_INTERESTS + 1)))
    held = generator.choice(len(by_category), interests, replace=False).tolist()
    parts = (generator.dirichlet(np.full(interests, 2.0)) * (1 - _BACKGROUND) * size).round().astype(int).tolist()
    background = generator.choice(everything, min(everything, max(1, round(_BACKGROUND * size))), replace=False)
    chosen = [generator.permutation(by_category[category])[:part] for category, part in zip(held, parts, strict=True)]
    return np.unique(np.concatenate([background, *chosen]))


def deal(collection: Collection, participants: int, epsilon: str, generator: np.random.Generator) -> Population:
    """Let participants draw documents, and profile them.

    Parameters
    ----------
    epsilon : str
        Of each profile, and as much again of each self-check; neighbours replace a document.
    """
    epsilon_micro = PrivacyTerms.of(epsilon).epsilon_micro
    hands = draw_hands(collection, participants, DOCUMENTS, generator)
    categories, leaves = len(collection.book.labels), len(collection.book.leaves)
    placed = collection.leaves + 1
    held = np.array([np.bincount(collection.categories[hand], minlength=categories) for hand in hands])
    seen = np.array([np.bincount(placed[hand], minlength=leaves + 1)[1:] for hand in hands])
    owner, leaf, band, share = profiled(seen, epsilon_micro, generator, leaf_confusion(collection.book))
    return Population(
        profiles=Profiles(participants=participants, owner=owner, leaf=leaf, band=band, share_ppm=share),
        codes=tuple(leaf.code for leaf in collection.book.leaves),
        asked=categories,
        related=related(held),
        confirmed=confirmed(held, epsilon_micro, generator),
        directions=unit(np.stack([collection.directions[hand].sum(axis=0) for hand in hands])),
        prototypes=unit(np.stack([collection.directions[rows].mean(axis=0) for rows in collection.by_category])),
    )


def _references(
    corpus: Corpus, categories: NDArray[np.int64], references: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of public documents: so many of each category, so that every category has a leaf."""
    chosen = []
    for number, category in enumerate(corpus.categories):
        there = np.flatnonzero(categories == number)
        if len(there) < 4:
            raise InputError(
                f"category {category.label!r} has {len(there)} documents, too few to measure on",
                code="too-few-documents",
                hint="ask for fewer categories with --categories",
            )
        chosen.append(generator.choice(there, min(references, len(there) // 2), replace=False))
    return np.sort(np.concatenate(chosen))
