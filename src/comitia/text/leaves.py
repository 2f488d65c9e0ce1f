"""Leaves: public prototypes of what documents are about, and codes that keep near ones together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comitia.text.basis import BASIS_BITS
from comitia.text.leaf import Leaf

NAME_COUNTS_AS = 2.0
"""A category's name weighs as much as this many reference documents."""

_RESIDUAL_SHARE = 0.25
"""Share of the pool, the least like any named leaf, that leaves without a name are made from."""

_SMALLEST_LEAF = 8
"""Documents of the pool that a leaf without a name should have."""

_ITERATIONS = 25


def build_leaves(
    labels: Sequence[str],
    names: NDArray[np.float64],
    references: NDArray[np.float64],
    reference_labels: NDArray[np.int64],
    pool: NDArray[np.float64],
    generator: np.random.Generator,
) -> tuple[tuple[Leaf, ...], NDArray[np.int16]]:
    """Leaves of the categories something is public about, and of what they leave of the pool.

    Parameters
    ----------
    labels : sequence of str
        Label ids, in the order of classes.
    names : float64 array (C, r)
        Vectors of names, centred; zero where there is none.
    references : float64 array (R, r)
        Vectors of reference documents, centred.
    reference_labels : int64 array (R,)
    pool : float64 array (m, r)
        Vectors of the pool, centred.
    generator : numpy Generator
        Draws starting points of k-means.

    Returns
    -------
    tuple of Leaf, int16 array (leaves, r)
        Unit prototypes in units of ``2**-BASIS_BITS``. One leaf a category with a name or a reference,
        then leaves without a label: two for each category that has neither, four at least.
    """
    sums = NAME_COUNTS_AS * names
    np.add.at(sums, reference_labels, references)
    named = np.flatnonzero(np.any(sums, axis=1))
    known = _unit(sums[named])
    wanted = max(4, 2 * (len(labels) - len(named)))
    residual = _residual_prototypes(_unit(pool[np.any(pool, axis=1)]), known, wanted, generator)
    prototypes = np.concatenate([known, residual])
    leaves = tuple(
        Leaf(code=code, label=label)
        for code, label in zip(
            leaf_codes(prototypes), [*(labels[int(i)] for i in named), *[""] * len(residual)], strict=True
        )
    )
    return leaves, np.trunc(prototypes * ((1 << BASIS_BITS) - 1)).astype(np.int16)


def leaf_codes(prototypes: NDArray[np.float64]) -> tuple[str, ...]:
    """Prefix-free codes from the dendrogram of unit vectors: average linkage, cosine distance.

    Of two branches the one with the lower first index gets "0". Ties merge the lowest indices first.

    Parameters
    ----------
    prototypes : float64 array (n, r)

    Returns
    -------
    tuple of str
        A code each, "" for a single leaf.
    """
    count = len(prototypes)
    codes = [""] * count
    members = {index: [index] for index in range(count)}
    distances = 1.0 - prototypes @ prototypes.T
    np.fill_diagonal(distances, np.inf)
    for _ in range(count - 1):
        first, second = sorted(divmod(int(distances.argmin()), count))
        for index in members[first]:
            codes[index] = "0" + codes[index]
        for index in members[second]:
            codes[index] = "1" + codes[index]
        n, m = len(members[first]), len(members[second])
        merged = (n * distances[first] + m * distances[second]) / (n + m)
        distances[first] = distances[:, first] = merged
        distances[first, first] = np.inf
        distances[second] = distances[:, second] = np.inf
        members[first] += members.pop(second)
    return tuple(codes)


def _residual_prototypes(
    pool: NDArray[np.float64], known: NDArray[np.float64], wanted: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Spherical k-means of the pool documents that are least like any known prototype."""
    if len(known):
        closeness = (pool @ known.T).max(axis=1)
        few = int(len(pool) * _RESIDUAL_SHARE)
        pool = pool[np.sort(np.argsort(closeness, kind="stable")[:few])]
    wanted = min(wanted, len(pool) // _SMALLEST_LEAF)
    if wanted < 1:
        return np.zeros((0, known.shape[1]))
    centres = pool[generator.choice(len(pool), wanted, replace=False)]
    for _ in range(_ITERATIONS):
        nearest = (pool @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, pool)
        moved = np.where(np.any(sums, axis=1, keepdims=True), _unit(sums), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.where(lengths == 0, 1.0, lengths))
