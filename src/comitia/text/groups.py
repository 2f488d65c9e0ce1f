"""What an owner's unlabelled documents are about: groups, each with key terms and a picture. III.C step 1.

Everything here is learnt from private text and stays with its owner; nothing of it is noised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.core.telling import Say, silent
from comitia.text.clustering import STARTS, Distance, kmeans
from comitia.text.context_graph import ContextGraph, common_graph
from comitia.text.key_terms import key_terms
from comitia.text.vocabulary import Vocabulary

NO_GROUP = -1
"""Group of a document without a word that counts."""

_MOST_WORDS = 8000
_TERMS_OF_GROUP = 16
_EDGES_OF_GROUP = 24
_DOCUMENTS_DRAWN = 200
"""Documents, the nearest to a group's centre, that its graph is drawn from."""

_NAME_TERMS = 3
_FEWEST, _MOST = 2, 40
_DOCUMENTS_EACH = 25
"""Documents that a group should have on the average before there is a further one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Documents that are about the same.

    Attributes
    ----------
    name : str
        Its strongest key terms; different groups have different names.
    graph : ContextGraph
        Key terms, the strongest first, and how they stand together.
    members : int64 array
        Indices of its documents, the nearest to its centre first.
    """

    name: str
    graph: ContextGraph
    members: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Documents in groups, the largest group first.

    Attributes
    ----------
    groups : tuple of Group
    of_document : int64 array (n,)
        Index of each document's group, or `NO_GROUP`.
    distance : float
        Mean distance of a document from its group's centre, 0 to 1.
    """

    groups: tuple[Group, ...]
    of_document: NDArray[np.int64]
    distance: float


def fitting_count(documents: int) -> int:
    """How many groups to look for where nobody says: the root of the documents over two, within reason."""
    return max(1, min(_MOST, documents // _DOCUMENTS_EACH + 1, max(_FEWEST, isqrt(documents // 2))))


def group_documents(
    texts: Sequence[str],
    count: int,
    *,
    seed: int = 0,
    distance: Distance = Distance.JACCARD,
    starts: int = STARTS,
    say: Say = silent,
) -> Groups:
    """Find groups among documents.

    Parameters
    ----------
    texts : sequence of str
    count : int
        How many groups, at least 1.
    seed : int
        The same seed gives the same groups.
    distance : Distance
    starts : int
        Runs of k-means, of which the best counts.
    say : callable
        Told what is being done, in a few words.

    Raises
    ------
    InputError
        If no word occurs often enough, or fewer documents than groups have such a word.
    """
    say("counting words")
    vocabulary = Vocabulary.of(texts, _MOST_WORDS)
    weights = vocabulary.weighted(texts)
    known = np.flatnonzero(np.diff(weights.starts))
    if not 1 <= count <= len(known):
        raise InputError(
            f"{len(known)} documents with words that count cannot be {count} groups",
            code="bad-clusters",
            hint=f"ask for 1 to {len(known)} groups",
            documents=len(known),
            groups=count,
        )
    weights = weights.select(known)
    clustering = kmeans(
        weights,
        count,
        seed=seed,
        distance=distance,
        starts=starts,
        progress=lambda run: say(f"grouping, start {run} of {starts}"),
    )
    sizes = np.bincount(clustering.labels, minlength=count)
    order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
    of_known = np.argsort(np.argsort(-sizes, kind="stable"))[clustering.labels]
    say("drawing what each group is about")
    terms = key_terms(weights, of_known, len(order), vocabulary.words, most=_TERMS_OF_GROUP)
    nearest = np.argsort(clustering.apart, kind="stable")
    members = [known[nearest[of_known[nearest] == group]] for group in range(len(order))]
    names = _names(terms)
    of_document = np.full(len(texts), NO_GROUP, dtype=np.int64)
    of_document[known] = of_known
    return Groups(
        groups=tuple(
            Group(
                name=name,
                graph=common_graph([texts[row] for row in rows[:_DOCUMENTS_DRAWN]], nodes, most_edges=_EDGES_OF_GROUP),
                members=rows,
            )
            for name, nodes, rows in zip(names, terms, members, strict=True)
        ),
        of_document=of_document,
        distance=clustering.distance,
    )


def _names(terms: Sequence[dict[str, float]]) -> list[str]:
    """The strongest key terms of each group; a number behind what would come twice."""
    names: list[str] = []
    for number, found in enumerate(terms, start=1):
        name = " ".join(list(found)[:_NAME_TERMS]) or "other"
        names.append(name if name not in names else f"{name} {number}")
    return names
