"""Synthetic participants: which leaves their documents are of, and what their profiles make of it.

Leaves lie in groups of groups, so that some are near each other. A participant has documents of one to three leaves,
popular ones more often, between some tens and a few thousand of them; one in ten documents is taken for another leaf's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comitia.evaluation.retrieval.population import Population, confirmed, profiled, related, unit
from comitia.evaluation.retrieval.published import Ints, Profiles
from comitia.text.leaves import leaf_codes

DIMENSIONS = 64
MISTAKEN = 0.1
"""Share of documents whose nearest leaf is not their own."""

_CHUNK = 20_000


def synthetic(participants: int, leaves: int, epsilon_micro: int, generator: np.random.Generator) -> Population:
    """Draw participants.

    Parameters
    ----------
    participants, leaves : int
        At least 1 and at least 3.
    epsilon_micro : int
        Of each profile, and as much again of each self-check; neighbours replace a document.
    generator : numpy Generator
        Draws everything; its noise measures, it protects nobody.
    """
    prototypes = _prototypes(leaves, generator)
    codes = leaf_codes(prototypes.astype(np.float64))
    popularity = 1 / np.sqrt(1 + generator.permutation(leaves))
    popularity /= popularity.sum()
    published, near, sure, directions = [], [], [], []
    for start in range(0, participants, _CHUNK):
        true, seen = _documents(min(_CHUNK, participants - start), popularity, generator)
        owner, leaf, band, share = profiled(seen, epsilon_micro, generator)
        offset = np.array((start, 0))
        published.append((owner + start, leaf, band, share))
        near.append(related(true) + offset)
        sure.append(confirmed(true, epsilon_micro, generator) + offset)
        directions.append(unit((true @ prototypes).astype(np.float32)))
    owner, leaf, band, share = (np.concatenate(parts) for parts in zip(*published, strict=True))
    return Population(
        profiles=Profiles(participants=participants, owner=owner, leaf=leaf, band=band, share_ppm=share),
        codes=codes,
        asked=leaves,
        related=np.concatenate(near),
        confirmed=np.concatenate(sure),
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


def _prototypes(leaves: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Unit vectors in groups of four groups of four and so on: near leaves have near directions."""
    made = np.zeros((1, DIMENSIONS))
    while len(made) < leaves:
        made = np.repeat(made, 4, axis=0) * 0.8 + generator.normal(size=(len(made) * 4, DIMENSIONS))
    return unit(made[np.sort(generator.choice(len(made), leaves, replace=False))].astype(np.float32))
