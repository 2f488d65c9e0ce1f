"""What changed from one version of a codebook to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.text.codebook import Codebook
from comitia.text.vectors import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafMove:
    """Where a leaf of the old version is in the new one.

    Attributes
    ----------
    leaf, title : int, str
        In the old version.
    new_leaf, new_title : int or None, str
        The leaf of the same category; for a leaf without a name the nearest one without. None where there is none.
    moved : float
        1 minus the cosine of the two directions in the shared vocabulary: 0 stayed, 1 nothing in common.
    """

    leaf: int
    title: str
    new_leaf: int | None
    new_title: str
    moved: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CodebookChange:
    """What is different in the new version.

    Attributes
    ----------
    same : bool
        Whether the two are one and the same.
    added, removed : tuple of str
        Label ids.
    renamed : tuple of (str, str, str)
        Label id, old and new words of a category that kept its id.
    recoded : tuple of (str, str, str)
        Old id, new id, words of a category that kept its name and description under another id.
    terms_shared, terms_added, terms_removed : int
    vocabulary_overlap : float
        Shared terms over all terms of either, 0 to 1; 0 where neither has any.
    moves : tuple of LeafMove
        One for each old leaf.
    """

    same: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str, str], ...]
    recoded: tuple[tuple[str, str, str], ...]
    terms_shared: int
    terms_added: int
    terms_removed: int
    vocabulary_overlap: float
    moves: tuple[LeafMove, ...]


def compare(old: Codebook, new: Codebook) -> CodebookChange:
    """Compare two versions. Bases differ between versions, so leaves are compared by what they say of the terms."""
    before = {category.label: category.words for category in old.categories}
    after = {category.label: category.words for category in new.categories}
    gone = [label for label in before if label not in after]
    come = [label for label in after if label not in before]
    new_id = {after[label]: label for label in come if after[label]}
    recoded = tuple((label, new_id[before[label]], before[label]) for label in gone if before[label] in new_id)
    shared = sorted(set(old.vocabulary) & set(new.vocabulary))
    return CodebookChange(
        same=old == new,
        added=tuple(label for label in come if label not in {other for _, other, _ in recoded}),
        removed=tuple(label for label in gone if label not in {other for other, _, _ in recoded}),
        renamed=tuple(
            (label, words, after[label]) for label, words in before.items() if after.get(label, words) != words
        ),
        recoded=recoded,
        terms_shared=len(shared),
        terms_added=len(new.vocabulary) - len(shared),
        terms_removed=len(old.vocabulary) - len(shared),
        vocabulary_overlap=len(shared) / max(1, len(old.vocabulary) + len(new.vocabulary) - len(shared)),
        moves=_moves(old, new, shared, {label: other for label, other, _ in recoded}),
    )


def _moves(old: Codebook, new: Codebook, shared: list[str], new_ids: dict[str, str]) -> tuple[LeafMove, ...]:
    closeness = _directions(old, shared) @ _directions(new, shared).T
    titles = [leaf.title for leaf in new.leaves]
    moves = []
    for number, leaf in enumerate(old.leaves):
        wanted = new_ids.get(leaf.label, leaf.label)
        fitting = [index for index, other in enumerate(new.leaves) if other.label == wanted]
        nearest = max(fitting, key=lambda index: float(closeness[number, index]), default=None)
        moves.append(
            LeafMove(
                leaf=number,
                title=leaf.title,
                new_leaf=nearest,
                new_title="" if nearest is None else titles[nearest],
                moved=1.0 if nearest is None else float(np.clip(1 - closeness[number, nearest], 0, 1)),
            )
        )
    return tuple(moves)


def _directions(book: Codebook, terms: list[str]) -> NDArray[np.float64]:
    """Each leaf's prototype as weights of some terms, of length 1 or 0; float64 (leaves, terms)."""
    if book.source is Source.POOL:
        columns = np.searchsorted(np.array(book.vocabulary), np.array(terms)) if terms else np.zeros(0, np.int64)
        vectors = book.basis[columns].astype(np.float64)
    else:
        vectors = book.vectorize(terms).astype(np.float64)
    weights = book.leaf_prototypes.astype(np.float64) @ vectors.T
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    return np.asarray(weights / np.where(lengths > 0, lengths, 1.0))
