"""Synthetic participants: which leaves their documents are of, and what their profiles make of it.

Leaves lie in groups of groups, so that some are near each other. A participant has documents of one to three leaves,
popular ones more often, between some tens and a few thousand of them; one in ten documents is taken for another leaf's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comitia.evaluation.retrieval_profiles import Ints, Profiles, publish
from comitia.retrieval.profile import HISTOGRAM_SENSITIVITY, MICRO
from comitia.text.leaves import leaf_codes

DIMENSIONS = 64
MISTAKEN = 0.1
"""Share of documents whose nearest leaf is not their own."""

RELATED_PPM = 250_000
"""A participant is related to a leaf that holds at least a quarter of its documents.

A third of real documents falls into another leaf than its own, so that a quarter shows as the 15 % which are published.
"""

CHECKED_PPM = 200_000
"""...and takes itself for related from this share of the leaf that its documents fall into."""

_CHUNK = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """Participants, what they publish and what they really hold.

    profiles : what is published, noise and all.
    codes : codes of the leaves.
    asked : queries are about the first so many leaves.
    related : (owner, leaf) pairs whose true share of documents is at least `RELATED_PPM`, int64 (m, 2), sorted.
    checked : pairs that the owner itself takes for related, by the leaves its documents fall into, without noise.
    directions : mean vector of each participant's documents, of length 1, float32 (n, d).
    prototypes : mean vector of the documents of each leaf that is asked for, float32 (asked, d).
    """

    profiles: Profiles
    codes: tuple[str, ...]
    asked: int
    related: Ints
    checked: Ints
    directions: NDArray[np.float32]
    prototypes: NDArray[np.float32]

    def subset(self, participants: Ints) -> Population:
        """Some participants, numbered anew in the order given."""
        number = np.full(self.profiles.participants, -1, dtype=np.int64)
        number[participants] = np.arange(len(participants))
        published = number[self.profiles.owner] >= 0
        return replace(
            self,
            profiles=Profiles(
                participants=len(participants),
                owner=number[self.profiles.owner[published]],
                leaf=self.profiles.leaf[published],
                band=self.profiles.band[published],
                share_ppm=self.profiles.share_ppm[published],
            ),
            related=_renumbered(self.related, number),
            checked=_renumbered(self.checked, number),
            directions=self.directions[participants],
        )


def _renumbered(found: Ints, number: Ints) -> Ints:
    kept = found[number[found[:, 0]] >= 0]
    return np.stack([number[kept[:, 0]], kept[:, 1]], axis=1)


def synthetic(participants: int, leaves: int, epsilon_micro: int, generator: np.random.Generator) -> Population:
    """Draw participants.

    Parameters
    ----------
    participants, leaves : int
        At least 1 and at least 3.
    epsilon_micro : int
        Of each profile; neighbours replace a document.
    generator : numpy Generator
        Draws everything; its noise measures, it protects nobody.
    """
    prototypes = _prototypes(leaves, generator)
    codes = leaf_codes(prototypes.astype(np.float64))
    popularity = 1 / np.sqrt(1 + generator.permutation(leaves))
    popularity /= popularity.sum()
    published, related, checked, directions = [], [], [], []
    for start in range(0, participants, _CHUNK):
        true, seen = _documents(min(_CHUNK, participants - start), popularity, generator)
        noisy = seen + discrete_laplace(seen.shape, HISTOGRAM_SENSITIVITY * MICRO / epsilon_micro, generator)
        owner, leaf, band, share = publish(noisy, epsilon_micro)
        offset = np.array((start, 0))
        published.append((owner + start, leaf, band, share))
        related.append(pairs(true, RELATED_PPM) + offset)
        checked.append(pairs(seen, CHECKED_PPM) + offset)
        directions.append(unit((true @ prototypes).astype(np.float32)))
    owner, leaf, band, share = (np.concatenate(parts) for parts in zip(*published, strict=True))
    return Population(
        profiles=Profiles(participants=participants, owner=owner, leaf=leaf, band=band, share_ppm=share),
        codes=codes,
        asked=leaves,
        related=np.concatenate(related),
        checked=np.concatenate(checked),
        directions=np.concatenate(directions),
        prototypes=prototypes,
    )


def _documents(count: int, popularity: NDArray[np.float64], generator: np.random.Generator) -> tuple[Ints, Ints]:
    """Documents by their own leaf, and by the leaf they are taken for; int64 (count, L) each."""
    leaves = len(popularity)
    sizes = np.clip(generator.lognormal(np.log(200), 0.7, count), 30, 5000).astype(np.int64)
    held = generator.choice(leaves, size=(count, 3), p=popularity)
    interests = generator.integers(1, 4, count)
    weights = generator.gamma(2.0, size=(count, 3)) * (np.arange(3) < interests[:, None])
    parts = (weights / weights.sum(axis=1, keepdims=True) * sizes[:, None]).round().astype(np.int64)
    true = np.zeros((count, leaves), dtype=np.int64)
    np.add.at(true, (np.arange(count)[:, None], held), parts)
    seen = true.copy()
    mistaken = generator.binomial(parts, MISTAKEN)
    np.subtract.at(seen, (np.arange(count)[:, None], held), mistaken)
    strays = np.repeat(np.arange(count), mistaken.sum(axis=1))
    np.add.at(seen, (strays, generator.integers(0, leaves, len(strays))), 1)
    return true, seen


def pairs(histograms: Ints, least_ppm: int) -> Ints:
    """(row, leaf) of every leaf with at least such a share of the row."""
    totals = np.maximum(1, histograms.sum(axis=1, keepdims=True))
    return np.argwhere(histograms * MICRO >= totals * least_ppm).astype(np.int64)


def _prototypes(leaves: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Unit vectors in groups of four groups of four and so on: near leaves have near directions."""
    made = np.zeros((1, DIMENSIONS))
    while len(made) < leaves:
        made = np.repeat(made, 4, axis=0) * 0.8 + generator.normal(size=(len(made) * 4, DIMENSIONS))
    return unit(made[np.sort(generator.choice(len(made), leaves, replace=False))].astype(np.float32))


def discrete_laplace(shape: tuple[int, ...], scale: float, generator: np.random.Generator) -> Ints:
    """Noise of the right distribution for measuring; what protects somebody comes from `privacy`."""
    odds = 1 - np.exp(-1 / scale)
    return np.asarray(generator.geometric(odds, shape) - generator.geometric(odds, shape), dtype=np.int64)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows at length 1; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths == 0, 1.0, lengths), dtype=np.float32)
