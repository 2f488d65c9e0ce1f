"""Participants, what they publish and what they hold: the same for made-up ones and for those cut from documents."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comitia.core.units import MICRO
from comitia.evaluation.retrieval.published import Ints, Profiles, publish
from comitia.retrieval.profile import HISTOGRAM_SENSITIVITY, least_standing
from comitia.retrieval.self_check import RELATED_PPM
from comitia.retrieval.unmixing import unmix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """Participants, what they publish and what they really hold.

    profiles : what is published, noise and all.
    codes : codes of the leaves.
    asked : queries are about the first so many leaves, each of which stands for a category.
    related : (owner, leaf) pairs whose true share of documents is at least `RELATED_PPM`, int64 (m, 2), sorted.
    confirmed : pairs that the owner takes for related by its self-check, noise and all.
    directions : mean vector of each participant's documents, of length 1, float32 (n, d).
    prototypes : mean vector of the documents of each leaf that is asked for, float32 (asked, d).
    """

    profiles: Profiles
    codes: tuple[str, ...]
    asked: int
    related: Ints
    confirmed: Ints
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
            confirmed=_renumbered(self.confirmed, number),
            directions=self.directions[participants],
        )


def profiled(
    seen: Ints, epsilon_micro: int, generator: np.random.Generator, confusion: NDArray[np.float64] | None = None
) -> tuple[Ints, Ints, Ints, Ints]:
    """What participants publish of their documents by nearest leaf, int64 (n, L); as `publish`. Cf. `make_profile`."""
    noisy = seen + _noise(seen.shape, epsilon_micro, generator)
    if confusion is not None:
        noisy = unmix(noisy, confusion, least_standing(seen.shape[1], epsilon_micro))
    return publish(noisy, epsilon_micro)


def related(held: Ints) -> Ints:
    """(owner, category) pairs of documents by category, int64 (n, C), that are related."""
    return _pairs(held, held.sum(axis=1))


def confirmed(held: Ints, epsilon_micro: int, generator: np.random.Generator) -> Ints:
    """(owner, category) pairs that self-checks confirm; cf. `SelfCheck`."""
    return _pairs(held + _noise(held.shape, epsilon_micro, generator), held.sum(axis=1))


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows at length 1; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths == 0, 1.0, lengths), dtype=np.float32)


def _pairs(counts: Ints, documents: Ints) -> Ints:
    return np.argwhere(counts * MICRO >= documents[:, None] * RELATED_PPM).astype(np.int64)


def _noise(shape: tuple[int, ...], epsilon_micro: int, generator: np.random.Generator) -> Ints:
    """Discrete Laplace noise for measuring; what protects somebody comes from `privacy`."""
    odds = 1 - np.exp(-epsilon_micro / (HISTOGRAM_SENSITIVITY * MICRO))
    return np.asarray(generator.geometric(odds, shape) - generator.geometric(odds, shape), dtype=np.int64)


def _renumbered(found: Ints, number: Ints) -> Ints:
    kept = found[number[found[:, 0]] >= 0]
    return np.stack([number[kept[:, 0]], kept[:, 1]], axis=1)
