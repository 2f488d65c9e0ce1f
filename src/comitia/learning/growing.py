"""Grows regression trees in integers alone: the same trees, bit for bit, on every processor.

A tree is complete: at each of its levels every node asks one coordinate of the point whether it exceeds a threshold.
What is asked is the best of a few questions drawn at random, by the squared error that they leave on *public* points.
Private documents take no part: they have decided the targets, through noised sums, and nothing else.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from comitia.learning.trees import Trees

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def grow_forest(points: IntArray, targets: IntArray, *, trees: int, depth: int, tried: int) -> Trees:
    """Trees that each say what `targets` are at `points`, or close; their values add up to the average.

    Parameters
    ----------
    points : int64 array, shape (n, F), n >= 1
    targets : int64 array, shape (n, C)
        Magnitudes up to 2^17, so that squares of sums over 2^12 points fit 64 bits.
    depth : int
        Questions from the root to a leaf.
    tried : int
        Questions drawn for each node, of which the best is kept; one tried is a random split.
    """
    grown = [_grow(points, targets, depth, tried, Draw(f"tree {number}")) for number in range(trees)]
    features, thresholds, sums, counts = (np.array(each) for each in zip(*grown, strict=True))
    # One point more than there are, at zero: a leaf of few points says little.
    return Trees(features=features, thresholds=thresholds, leaves=sums // (trees * (counts[:, :, None] + 1)))


class Draw:
    """Numbers that look random and are the same everywhere: what is tried says nothing of anybody's data."""

    def __init__(self, what: str) -> None:
        self._seed = hashlib.sha256(b"comitia/growing/1 " + what.encode()).digest()
        self._calls = 0

    def below(self, limit: int, size: int) -> IntArray:
        """`size` numbers from 0 to limit - 1."""
        block = hashlib.shake_256(self._seed + self._calls.to_bytes(4, "big")).digest(8 * size)
        self._calls += 1
        words = np.frombuffer(block, dtype="<u8") >> np.uint64(1)
        return np.asarray(words.astype(np.int64) % limit)


def explained(sums: IntArray, counts: IntArray) -> IntArray:
    """Squared length of each sum over its count: what a leaf at its mean takes off the squared error."""
    return np.asarray((sums**2 // np.maximum(counts, 1)[..., None]).sum(axis=-1))


def _grow(
    points: IntArray, targets: IntArray, depth: int, tried: int, draw: Draw
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Features and thresholds of one tree, sums and counts of its leaves."""
    rows, width = points.shape
    # Whole numbers below 2^53 in doubles: exact in whatever order they are added. The last column counts.
    counted = np.hstack([targets, np.ones((rows, 1))])
    nodes = (1 << depth) - 1
    features, thresholds = np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int64)
    place = np.zeros(rows, dtype=np.int64)
    for level in range(depth):
        first, count = (1 << level) - 1, 1 << level
        asked = draw.below(width, tried * count).reshape(tried, count)
        above = points[draw.below(rows, asked.size).reshape(asked.shape), asked]
        best = _gains(points, counted, place, asked, above).argmax(axis=0), np.arange(count)
        features[first : first + count], thresholds[first : first + count] = asked[best], above[best]
        place = 2 * place + (points[np.arange(rows), asked[best][place]] > above[best][place])
    sums = _sums(counted, place, np.ones((1, rows)), 1 << depth)[:, 0]
    return features, thresholds, sums[:, :-1], sums[:, -1]


def _gains(points: IntArray, counted: FloatArray, place: IntArray, asked: IntArray, above: IntArray) -> IntArray:
    """What each question for each node takes off the squared error, up to a constant of the node, (tried, nodes)."""
    yes = points[np.arange(len(points)), asked[:, place]] > above[:, place]
    said = _sums(counted, place, np.vstack([yes, ~yes]).astype(np.float64), asked.shape[1])
    both = explained(said[:, :, :-1], said[:, :, -1]).T
    return both[: len(asked)] + both[len(asked) :]


def _sums(counted: FloatArray, place: IntArray, chosen: FloatArray, places: int) -> IntArray:
    """At each place the sum of those rows of `counted` that each row of `chosen` (q, n) has; (places, q, C + 1)."""
    order = np.argsort(place, kind="stable")
    rows, chosen = counted[order], chosen[:, order]
    ends = np.searchsorted(place[order], np.arange(places + 1))
    parts = [chosen[:, start:stop] @ rows[start:stop] for start, stop in pairwise(ends)]
    return np.array(parts).astype(np.int64)
