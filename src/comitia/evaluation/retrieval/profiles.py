"""How well private profiles find the providers that hold a category: many small providers cut from real documents.

The look-up is the index over the profiles that a ledger would hold; noise, thresholds and leaves are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.core.telling import Say, silent
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.retrieval.documents import DOCUMENTS, REFERENCES, Collection, collect, draw_hands
from comitia.evaluation.retrieval.population import related
from comitia.privacy.noise import Noise
from comitia.privacy.terms import PrivacyTerms
from comitia.retrieval.index import Index
from comitia.retrieval.profile import make_profile
from comitia.retrieval.self_check import SelfCheck, make_self_check
from comitia.text.codebook import Codebook
from comitia.text.confusion import leaf_confusion
from comitia.text.documents import Document
from comitia.text.probe import MOST_PROBES, probe

_LEAST_QUERY_WORDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How providers are made and what they pay.

    Attributes
    ----------
    participants : int
    documents : tuple of int
        Fewest and most documents of a provider; their logarithm is uniform in between.
    references : int
        Public labelled documents of each category, at most half of what there is.
    epsilons : tuple of str
        What a profile costs.
    check_epsilon : str
        What the self-check costs besides.
    queries : int
        Text queries; 0 for none.
    """

    participants: int = 2000
    documents: tuple[int, int] = DOCUMENTS
    references: int = REFERENCES
    epsilons: tuple[str, ...] = ("1",)
    check_epsilon: str = "1"
    queries: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Related providers among those found, over all queries together; 0 to 1.

    Attributes
    ----------
    query : str
        ``category``, or ``text`` for documents of the category.
    check : str
        Who of the found confirms: ``none`` (all) or ``noised`` (`retrieval.self_check`).
    epsilon : str
        Of the profile.
    recall, precision : float
    related, found : float
        Providers a query, on the average.
    """

    query: str
    check: str
    epsilon: str
    recall: float
    precision: float
    related: float
    found: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Participants:
    """Providers by row: leaves and labels of each one's documents, and how related it is, bool (n, C)."""

    leaves: list[NDArray[np.int64]]
    labels: list[NDArray[np.int64]]
    related: NDArray[np.bool_]


def measure_profiles(
    corpus: Corpus, setting: Setting, *, seed: int, noise: Noise, say: Say = silent
) -> Iterator[Found]:
    """Build a codebook, make the providers, register them at each epsilon and look them up.

    Providers hold documents as those of `documents` do.

    Raises
    ------
    InputError
        For numbers that cannot be.
    """
    if setting.participants < 1 or not 1 <= setting.documents[0] <= setting.documents[1] or setting.queries < 0:
        raise InputError("there must be participants, with documents", code="bad-option")
    generator = np.random.default_rng(seed)
    collection = collect(corpus, generator, references=setting.references, say=say)
    book = collection.book
    participants = _participants(collection, setting, generator)
    checks = _checks(book, participants, setting, noise)
    queries = _text_queries(book, corpus.evaluated, setting.queries, generator)
    for epsilon in setting.epsilons:
        say(f"{setting.participants} profiles at epsilon {epsilon}")
        index = _register(book, participants, epsilon, noise)
        yield from _look_up(book, index, participants, checks, queries, epsilon)


def _participants(collection: Collection, setting: Setting, generator: np.random.Generator) -> _Participants:
    hands = draw_hands(collection, setting.participants, setting.documents, generator)
    labels = [collection.categories[hand] for hand in hands]
    counts = np.array([np.bincount(held, minlength=len(collection.book.labels)) for held in labels])
    wanted = np.zeros(counts.shape, dtype=np.bool_)
    wanted[tuple(related(counts).T)] = True
    return _Participants(leaves=[collection.leaves[hand] for hand in hands], labels=labels, related=wanted)


def _register(book: Codebook, participants: _Participants, epsilon: str, noise: Noise) -> Index:
    terms, confusion = PrivacyTerms.of(epsilon, "0"), leaf_confusion(book)
    index = Index()
    for number, leaves in enumerate(participants.leaves):
        try:
            released = make_profile(
                _node(number), book.digest, len(book.leaves), leaves, terms, noise, confusion=confusion
            )
        except InputError as error:
            if error.code != "too-few-documents":
                raise
            continue
        index.add(released.value)
    return index


def _checks(book: Codebook, participants: _Participants, setting: Setting, noise: Noise) -> list[SelfCheck]:
    terms = PrivacyTerms.of(setting.check_epsilon, "0")
    return [
        make_self_check(len(book.labels), labels, len(labels), terms, noise).value for labels in participants.labels
    ]


def _look_up(
    book: Codebook,
    index: Index,
    participants: _Participants,
    checks: Sequence[SelfCheck],
    queries: Sequence[tuple[int, tuple[int, ...]]],
    epsilon: str,
) -> Iterator[Found]:
    leaf_of = {leaf.label: number for number, leaf in enumerate(book.leaves) if leaf.label}
    asked = [(number, (leaf_of[label],)) for number, label in enumerate(book.labels) if label in leaf_of]
    for kind, wanted in (("category", asked), ("text", queries)):
        if not wanted:
            continue
        found = [(category, _found(index, book.digest, leaves)) for category, leaves in wanted]
        yield _figures(kind, "none", epsilon, found, participants)
        if kind == "category":
            confirmed = [(c, {node for node in nodes if checks[node].confirms([c])}) for c, nodes in found]
            yield _figures(kind, "noised", epsilon, confirmed, participants)


def _figures(
    query: str, check: str, epsilon: str, found: Sequence[tuple[int, set[int]]], participants: _Participants
) -> Found:
    related = [set(np.flatnonzero(participants.related[:, category]).tolist()) for category, _ in found]
    right = sum(len(nodes & wanted) for (_, nodes), wanted in zip(found, related, strict=True))
    all_found, all_related = sum(len(nodes) for _, nodes in found), sum(map(len, related))
    return Found(
        query=query,
        check=check,
        epsilon=epsilon,
        recall=right / max(1, all_related),
        precision=right / max(1, all_found),
        related=all_related / len(found),
        found=all_found / len(found),
    )


def _text_queries(
    book: Codebook, documents: Sequence[Document], count: int, generator: np.random.Generator
) -> list[tuple[int, tuple[int, ...]]]:
    """Category of each text query, as many of each, and the leaves that its words lead to."""
    number = {label: index for index, label in enumerate(book.labels)}
    leaf_of = {leaf.label: index for index, leaf in enumerate(book.leaves)}
    queries: list[tuple[int, tuple[int, ...]]] = []
    for document in _in_turn(documents, generator):
        if len(queries) == count:
            break
        try:
            places = probe(book, [document.text], MOST_PROBES)
        except InputError:
            continue
        leaves = (*places.leaves, *(leaf_of[label] for label in places.categories))
        queries.append((number[document.label or ""], leaves))
    return queries


def _in_turn(documents: Sequence[Document], generator: np.random.Generator) -> Iterator[Document]:
    """Documents long enough to be a query, at random, one of each category in turn."""
    by_label: dict[str, list[Document]] = {}
    for row in generator.permutation(len(documents)).tolist():
        if len(documents[row].text.split()) >= _LEAST_QUERY_WORDS:
            by_label.setdefault(documents[row].label or "", []).append(documents[row])
    for turn in zip_longest(*by_label.values()):
        yield from (document for document in turn if document is not None)


def _found(index: Index, codebook: bytes, leaves: Sequence[int]) -> set[int]:
    return {int(node[1:]) for leaf in leaves for node in index.lookup(codebook, leaf, len(index.records))}


def _node(number: int) -> NodeId:
    return NodeId(f"p{number}")
