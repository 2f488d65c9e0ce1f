"""What a reader of the ledger learns of documents: from a profile, and from what is often used instead.

Two attackers. One has a dictionary, and wants to know the provider's key terms. The other knows every document but
one, and two candidates for that one, and wants to know which it is: the attacker that differential privacy bounds.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.core.telling import Say, silent
from comitia.evaluation.datasets import Corpus
from comitia.privacy.noise import Noise
from comitia.privacy.terms import PrivacyTerms
from comitia.retrieval.profile import RetrievalRecord, make_profile
from comitia.text.build import build_codebook
from comitia.text.codebook import NO_LEAF, Codebook
from comitia.text.terms import TermMatrix

KEY_TERMS = 100
MINHASHES = 128
_REDRAWS = 40
"""Profiles drawn for each of the two candidates; a scheme without noise needs one."""

Terms = NDArray[np.int64]
"""Columns of the codebook's vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What one scheme gives away, means over the providers attacked.

    Attributes
    ----------
    scheme : str
    terms_recovered : float
        Share of the provider's `KEY_TERMS` heaviest terms among the attacker's guesses.
    guesses : float
        How many terms the attacker named.
    certain : bool
        Whether a guess that the scheme confirms is right for sure.
    membership : float
        How often the second attacker names the right one of the two documents; .5 is guessing.
    membership_bound : float
        Most that `membership` can be, whatever the attacker; 1 where nothing bounds it.
    attack_ms : float
        Time to make one provider's publication and to run the first attack on it.
    """

    scheme: str
    terms_recovered: float
    guesses: float
    certain: bool
    membership: float
    membership_bound: float
    attack_ms: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Provider:
    """Term weights and leaves of its documents, and of a document that could stand in place of the first."""

    weights: TermMatrix
    leaves: NDArray[np.int64]
    other_weights: TermMatrix
    other_leaf: int

    @property
    def key_terms(self) -> Terms:
        return _heaviest(self.weights)


class _Scheme(Protocol):
    """A way to be found, and how it is attacked. `certain` and `bound` as in `Leak`."""

    name: str
    certain: bool
    bound: float

    def named_terms(self, provider: _Provider) -> Terms:
        """The terms that an attacker with a dictionary names."""
        ...

    def membership(self, provider: _Provider) -> float:
        """How often the true document is told from the other."""
        ...


def attack_profiles(
    corpus: Corpus,
    *,
    providers: int,
    documents: int,
    epsilons: Sequence[str],
    seed: int,
    noise: Noise,
    say: Say = silent,
) -> Iterator[Leak]:
    """Attack providers with random documents of a corpus, by each scheme.

    Raises
    ------
    InputError
        If there are no providers, or fewer documents than one needs.
    """
    if providers < 1 or not 1 <= documents < len(corpus.private):
        raise InputError(
            f"{len(corpus.private)} documents do not make {providers} providers of {documents}", code="bad-option"
        )
    say("building the codebook")
    book = build_codebook(corpus.pool, corpus.categories)
    attacked = _providers(book, corpus, providers, documents, np.random.default_rng(seed))
    dictionary = [hashlib.sha256(word.encode()).digest() for word in book.vocabulary]
    schemes: list[_Scheme] = [_HashedTerms(dictionary), _MinHash(dictionary), _Nothing(book)]
    schemes += [_Profile(book, epsilon, noise) for epsilon in epsilons]
    for scheme in schemes:
        say(scheme.name)
        yield _attack(scheme, attacked)


def _attack(scheme: _Scheme, attacked: Sequence[_Provider]) -> Leak:
    start = time.perf_counter()
    named = [scheme.named_terms(provider) for provider in attacked]
    attack_ms = 1000 * (time.perf_counter() - start) / len(attacked)
    recovered = [
        len(np.intersect1d(terms, provider.key_terms)) / len(provider.key_terms)
        for terms, provider in zip(named, attacked, strict=True)
    ]
    return Leak(
        scheme=scheme.name,
        terms_recovered=float(np.mean(recovered)),
        guesses=float(np.mean([len(terms) for terms in named])),
        certain=scheme.certain,
        membership=float(np.mean([scheme.membership(provider) for provider in attacked])),
        membership_bound=scheme.bound,
        attack_ms=attack_ms,
    )


class _HashedTerms:
    """The hash of each key term, as the paper's ids are made from; found by hashing a dictionary."""

    name, certain, bound = "hashed terms", True, 1.0

    def __init__(self, dictionary: Sequence[bytes]) -> None:
        self._dictionary = dictionary

    def named_terms(self, provider: _Provider) -> Terms:
        published = self._publish(provider.weights)
        return np.array([column for column, code in enumerate(self._dictionary) if code in published], dtype=np.int64)

    def membership(self, provider: _Provider) -> float:
        return _told_apart(self._publish(provider.weights) != self._publish(provider.other_weights))

    def _publish(self, weights: TermMatrix) -> set[bytes]:
        return {self._dictionary[column] for column in _heaviest(weights).tolist()}


class _MinHash:
    """The smallest of each of many hashes of all terms: the sketch that estimates the Jaccard index."""

    name, certain, bound = "MinHash", True, 1.0

    def __init__(self, dictionary: Sequence[bytes]) -> None:
        first = np.array([int.from_bytes(code[:8], "big") for code in dictionary], dtype=np.uint64)
        second = np.array([int.from_bytes(code[8:16], "big") | 1 for code in dictionary], dtype=np.uint64)
        # Double hashing; arithmetic modulo 2**64 is what is wanted.
        self._hashes = first + second * np.arange(1, MINHASHES + 1, dtype=np.uint64)[:, None]

    def named_terms(self, provider: _Provider) -> Terms:
        published = self._publish(provider.weights)
        return np.unique(np.nonzero(self._hashes == published[:, None])[1])

    def membership(self, provider: _Provider) -> float:
        return _told_apart(not np.array_equal(self._publish(provider.weights), self._publish(provider.other_weights)))

    def _publish(self, weights: TermMatrix) -> NDArray[np.uint64]:
        smallest: NDArray[np.uint64] = self._hashes[:, np.unique(weights.columns)].min(axis=1)
        return smallest


class _Nothing:
    """No publication: the attacker names the terms that are commonest in public."""

    name, certain, bound = "nothing (guessing)", False, 0.5

    def __init__(self, book: Codebook) -> None:
        strongest = sorted(range(len(book.leaves)), key=lambda leaf: -book.leaves[leaf].documents)
        self._guess = _terms_of(book, strongest)[:KEY_TERMS]

    def named_terms(self, provider: _Provider) -> Terms:
        return self._guess

    def membership(self, provider: _Provider) -> float:
        return 0.5


class _Profile:
    """The noised histogram; the attacker names public key terms of the leaves that stand out."""

    certain = False

    def __init__(self, book: Codebook, epsilon: str, noise: Noise) -> None:
        self.name = f"profile, epsilon {epsilon}"
        self._book, self._noise = book, noise
        self._terms = PrivacyTerms.of(epsilon, "0")
        odds = np.exp(self._terms.epsilon_micro / 1e6)
        self.bound = float(odds / (1 + odds))

    def named_terms(self, provider: _Provider) -> Terms:
        record = self._publish(provider.leaves)
        strongest = sorted(range(len(record.histogram)), key=lambda leaf: -record.histogram[leaf])
        return _terms_of(self._book, strongest)[:KEY_TERMS]

    def membership(self, provider: _Provider) -> float:
        """The likelihood ratio test, the strongest there is; a tie is half right."""
        first, other = int(provider.leaves[0]), provider.other_leaf
        counts = np.bincount(provider.leaves[provider.leaves != NO_LEAF], minlength=len(self._book.leaves))
        swapped = provider.leaves.copy()
        swapped[0] = other
        right = 0.0
        for leaves, sign in ((provider.leaves, 1), (swapped, -1)):
            for _ in range(_REDRAWS):
                noisy = self._publish(leaves).histogram
                ratio = sign * (
                    abs(noisy[first] - int(counts[first]) + 1)
                    - abs(noisy[first] - int(counts[first]))
                    + abs(noisy[other] - int(counts[other]) - 1)
                    - abs(noisy[other] - int(counts[other]))
                )
                right += 1.0 if ratio > 0 else 0.5 if ratio == 0 else 0.0
        return right / (2 * _REDRAWS)

    def _publish(self, leaves: NDArray[np.int64]) -> RetrievalRecord:
        book = self._book
        return make_profile(NodeId("p"), book.digest, len(book.leaves), leaves, self._terms, self._noise).value


def _providers(
    book: Codebook, corpus: Corpus, providers: int, documents: int, generator: np.random.Generator
) -> list[_Provider]:
    """Providers whose first document, and the one in its place, are in different leaves: the case that leaks most."""
    weights = book.document_weights([document.text for document in corpus.private])
    leaves = book.leaves_of(book.vectors_of(weights))
    placed = np.flatnonzero(leaves != NO_LEAF)
    found = []
    for _ in range(providers):
        rows = generator.choice(placed, documents, replace=False)
        elsewhere = placed[leaves[placed] != leaves[rows[0]]]
        if not elsewhere.size:
            raise InputError("all documents are in one leaf: there is nothing to attack", code="one-leaf")
        other = int(generator.choice(elsewhere))
        found.append(
            _Provider(
                weights=weights.select(rows),
                leaves=leaves[rows],
                other_weights=weights.select(np.concatenate([[other], rows[1:]])),
                other_leaf=int(leaves[other]),
            )
        )
    return found


def _heaviest(weights: TermMatrix) -> Terms:
    sums = np.bincount(weights.columns, weights.values, minlength=weights.width)
    return np.argsort(-sums, kind="stable")[:KEY_TERMS]


def _terms_of(book: Codebook, leaves: Sequence[int]) -> Terms:
    """Columns of the public key terms of some leaves, the first leaf's first."""
    column_of = {word: column for column, word in enumerate(book.vocabulary)}
    words = dict.fromkeys(word for leaf in leaves for word in book.leaves[leaf].terms)
    return np.array([column_of[word] for word in words], dtype=np.int64)


def _told_apart(differ: bool) -> float:
    return 1.0 if differ else 0.5
