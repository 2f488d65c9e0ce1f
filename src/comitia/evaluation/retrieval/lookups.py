"""What finding providers reaches and costs: recall and precision, messages, rounds, tables, load.

Participants and their profiles are made up or cut from documents; every lookup is run by the step functions that a node
runs, against a world in which only what is touched is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import isnan, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.core.telling import Say, silent
from comitia.evaluation.retrieval.churn import churned
from comitia.evaluation.retrieval.literal import LiteralWorld
from comitia.evaluation.retrieval.population import Population
from comitia.evaluation.retrieval.published import Profiles
from comitia.evaluation.retrieval.world import CODEBOOK, Fates, Traffic, World, draw_fates, perform
from comitia.retrieval.index import Index
from comitia.retrieval.joining import Joining
from comitia.retrieval.lookup import HybridLookup, IndexLookup, Lookup, Query
from comitia.retrieval.overlay import OverlayLookup
from comitia.retrieval.table import CONTACTS
from comitia.retrieval.trie import Branch, Member, unpack

JOINS: Final = 30
PAIRS: Final = 20_000
SIZED: Final = 40
"""Lookups whose messages are also encoded, to count bytes."""

TIMED: Final = 2_000
"""Queries of the index that are timed."""


class Way(StrEnum):
    """How providers are looked up."""

    INDEX = "index"
    OVERLAY = "overlay"
    HYBRID = "hybrid"
    LITERAL = "literal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured.

    way : how providers are looked up.
    dead, malicious : shares of participants.
    most : how many providers are enough; None for all.
    lookups : how many are run, each by a random participant for a random leaf...
    same_leaf : ...or all for one: the most that queries can be correlated.
    churn, epochs : share that leaves and that joins in each of some epochs; `dead` is then not used.
    """

    way: Way = Way.OVERLAY
    dead: float = 0.0
    malicious: float = 0.0
    most: int | None = None
    lookups: int = 200
    same_leaf: bool = False
    churn: float = 0.0
    epochs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Means over lookups unless said otherwise.

    related : participants whose true share is enough.
    recall : share of those that are found, over the lookups that have any; NaN where none has, likewise the next.
    precision : share of those found that are related, over the lookups that found anybody.
    recall_checked, precision_checked : the same where of those found only such count as their self-check confirms.
    completeness : share of what the index answers, over the lookups where it answers; of `most`, where that is set.
    messages, messages_max, rounds, bytes : of one lookup; questions and answers both count.
    table_entries_mean, table_entries_max : participants named in a participant's tables.
    join_messages : of one participant's joining under all its ids; None for `literal`, as the next.
    spearman : rank correlation of the longest common prefix of two participants' ids and of their mean vectors' cosine.
    load_max_over_mean : questions to the busiest participant over those to a living one on average, in the last epoch.
    load_mean : questions to a living participant on average; the ratio says little where this is below one.
    index_us : one query of the index for 64 providers, microseconds.
    forged : answers that were refused.
    """

    related: float
    recall: float
    precision: float
    recall_checked: float
    precision_checked: float
    completeness: float
    messages: float
    messages_max: int
    rounds: float
    bytes: float
    table_entries_mean: float
    table_entries_max: int
    join_messages: float | None
    spearman: float | None
    load_max_over_mean: float
    load_mean: float
    index_us: float
    forged: float


def measure(
    population: Population,
    setting: Setting,
    generator: np.random.Generator,
    say: Say = silent,
) -> Figures:
    """Build a world of a population, or one for each epoch that it lives through, and look providers up in it.

    Raises
    ------
    InputError
        Code ``bad-option``: nobody is there to ask.
    """
    answers: list[tuple[float, ...]] = []
    traffic: list[Traffic] = []
    for present, fates in _epochs(population, setting, generator):
        say("building tables and index")
        world = World(present.profiles, present.codes, fates, generator)
        index = index_of(present.profiles)
        literal = None
        if setting.way is Way.LITERAL:
            literal = LiteralWorld(present.directions, present.prototypes, fates.alive, generator)
        quality, cost = _look_up(world, literal, index, present, setting, generator, say)
        answers += quality
        traffic += cost
    say("joining, comparing ids")
    means = [_mean(values) for values in zip(*answers, strict=True)]
    entries = table_entries(world) if literal is None else literal.table_entries()
    load = np.bincount([asked for walk in cost for asked in walk.asked], minlength=present.profiles.participants)
    load_mean = float(load.sum() / max(1, fates.alive.sum()))
    return Figures(
        related=means[0],
        recall=means[1],
        precision=means[2],
        recall_checked=means[3],
        precision_checked=means[4],
        completeness=means[5],
        messages=float(np.mean([walk.messages for walk in traffic])),
        messages_max=max(walk.messages for walk in traffic),
        rounds=float(np.mean([walk.rounds for walk in traffic])),
        bytes=float(np.mean([walk.bytes for walk in traffic if walk.bytes] or [0])),
        table_entries_mean=float(entries.mean()),
        table_entries_max=int(entries.max()),
        join_messages=None if literal else float(np.mean([_join(world, generator) for _ in range(JOINS)])),
        spearman=None if literal else prefix_correlation(present, world, generator),
        load_max_over_mean=float(load.max() / load_mean) if load_mean else 0.0,
        load_mean=load_mean,
        index_us=_time_index(index, len(present.codes), generator),
        forged=float(np.mean([walk.forged for walk in traffic])),
    )


def _epochs(
    population: Population, setting: Setting, generator: np.random.Generator
) -> Iterator[tuple[Population, Fates]]:
    if setting.churn:
        yield from churned(population, setting.churn, setting.epochs, setting.malicious, generator)
    else:
        count = population.profiles.participants
        yield population, draw_fates(count, setting.dead, setting.malicious, generator)


def index_of(profiles: Profiles) -> Index:
    """The index's lists for published profiles, sorted at once; no records stand behind them."""
    order = np.lexsort((profiles.owner, -profiles.share_ppm, profiles.band, profiles.leaf))
    leaf, owner = profiles.leaf[order], profiles.owner[order]
    starts = np.searchsorted(leaf, np.arange(int(leaf.max()) + 2))
    index = Index()
    for number, (start, end) in enumerate(pairwise(starts.tolist())):
        part = order[start:end]
        index.entries[CODEBOOK, number] = list(
            zip(
                profiles.band[part].tolist(),
                (-profiles.share_ppm[part]).tolist(),
                [name(participant) for participant in owner[start:end].tolist()],
                strict=True,
            )
        )
    return index


def name(participant: int) -> NodeId:
    """Node id of a made-up participant."""
    return NodeId(format(participant, "032x"))


def table_entries(world: World) -> NDArray[np.int64]:
    """How many others each participant's tables name; ids that begin alike share the contacts for those bits."""
    trie = world.trie
    starts, depths, sizes, contacts = [], [], [], []

    def walk(branch: Branch, kept: tuple[int, ...]) -> None:
        if branch.branches is None:
            starts.append(branch.start)
            depths.append(len(branch.prefix))
            sizes.append(branch.size)
            contacts.append(kept)
            return
        zero, one = branch.branches
        walk(zero, (*kept, kept[-1] + min(CONTACTS, one.size)))
        walk(one, (*kept, kept[-1] + min(CONTACTS, zero.size)))

    walk(trie.root, (0,))
    bucket_of = np.searchsorted(np.array(starts), np.arange(len(world.owner)), side="right") - 1
    entries = np.zeros(world.profiles.participants, dtype=np.int64)
    for participant in range(world.profiles.participants):
        before = None
        for row in sorted(world.rows_of(participant).tolist()):
            bucket = bucket_of[row]
            shared = 0 if before is None else min(trie.shared_bits(before, row), depths[bucket])
            entries[participant] += sizes[bucket] - 1 + contacts[bucket][-1] - contacts[bucket][shared]
            before = row
    return entries


def prefix_correlation(population: Population, world: World, generator: np.random.Generator) -> float:
    """Spearman's correlation of common prefix and likeness over pairs of participants drawn at random."""
    left, right = generator.integers(0, population.profiles.participants, (2, PAIRS))
    different = left != right
    left, right = left[different], right[different]
    likeness = np.einsum("ij,ij->i", population.directions[left], population.directions[right])
    prefixes = np.array([_longest_prefix(world, int(a), int(b)) for a, b in zip(left, right, strict=True)])
    return float(np.corrcoef(_ranks(prefixes), _ranks(likeness))[0, 1])


def _look_up(
    world: World,
    literal: LiteralWorld | None,
    index: Index,
    population: Population,
    setting: Setting,
    generator: np.random.Generator,
    say: Say,
) -> tuple[list[tuple[float, ...]], list[Traffic]]:
    related, confirmed = _by_leaf(population.related), _by_leaf(population.confirmed)
    living = np.flatnonzero(world.fates.alive)
    if not living.size:
        raise InputError("all participants are dead: nobody is left to ask", code="bad-option")
    answers, traffic = [], []
    asked = generator.integers(population.asked, size=1 if setting.same_leaf else setting.lookups).tolist()
    for number in range(setting.lookups):
        if number % 20 == 0:
            say(f"lookup {number + 1} of {setting.lookups}")
        leaf = asked[number % len(asked)]
        query = Query(codebook=CODEBOOK, leaf=leaf, most=setting.most)
        requester = int(generator.choice(living))
        if literal is not None:
            lookup: Lookup = literal.lookup(requester, leaf, setting.most)
        else:
            lookup = _lookup(world, index, query, requester, setting.way, generator)
        traffic.append(perform(lookup, literal or world, size=number < SIZED))
        found = np.array([int(node, 16) for node in lookup.answer], dtype=np.int64)
        listed = np.array([int(node, 16) for node in index.lookup(CODEBOOK, leaf, None)], dtype=np.int64)
        expected = len(listed) if setting.most is None else min(setting.most, len(listed))
        whole = _share(int(np.isin(found, listed).sum()), expected)
        answers.append((*_quality(found, related.get(leaf, _NOBODY), confirmed.get(leaf, _NOBODY)), whole))
    return answers, traffic


def _lookup(
    world: World, index: Index, query: Query, requester: int, way: Way, generator: np.random.Generator
) -> Lookup:
    if way is Way.INDEX:
        return IndexLookup(query, index)
    if way is Way.HYBRID:
        return HybridLookup(query, index, lambda: generator.bytes(16))
    contacts = [member for row in world.rows_of(requester) for member in unpack(world.table(int(row)).contacts)]
    return OverlayLookup(query, world.digest, world.codes[query.leaf], contacts, generator)


_NOBODY: Final = np.zeros(0, dtype=np.int64)


def _quality(found: NDArray[np.int64], related: NDArray[np.int64], checked: NDArray[np.int64]) -> tuple[float, ...]:
    """Number related, recall, precision, and both after the candidates' own check."""
    kept = found[np.isin(found, checked)]
    return len(related), *_recall_precision(found, related), *_recall_precision(kept, related)


def _recall_precision(found: NDArray[np.int64], related: NDArray[np.int64]) -> tuple[float, float]:
    right = int(np.isin(found, related).sum())
    return _share(right, len(related)), _share(right, len(found))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else nan


def _mean(values: Sequence[float]) -> float:
    """The mean of the values that there are; NaN without any."""
    known = [value for value in values if not isnan(value)]
    return sum(known) / len(known) if known else nan


def _by_leaf(pairs: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    order = np.argsort(pairs[:, 1], kind="stable")
    leaves, starts = np.unique(pairs[order, 1], return_index=True)
    return dict(zip(leaves.tolist(), np.split(pairs[order, 0], starts[1:]), strict=True))


def _join(world: World, generator: np.random.Generator) -> int:
    """Messages that one participant's joining takes, under all its ids, through one living contact each."""
    newcomer = int(generator.choice(np.flatnonzero(world.fates.alive)))

    def distance(member: Member) -> float:
        apart = world.position[int(member.node, 16)] - world.position[newcomer]
        return float(np.square(apart).sum())

    messages = 0
    for row in world.rows_of(newcomer):
        path = format(int.from_bytes(world.trie.rows[row, :32].tobytes(), "big"), "0256b")
        start = int(generator.integers(len(world.owner) - CONTACTS))
        contacts = unpack(world.trie.packed(start, start + CONTACTS))
        joining = Joining(path, world.digest.root, contacts, distance=distance, generator=generator)
        messages += perform(joining, world).messages
    return messages


def _longest_prefix(world: World, left: int, right: int) -> int:
    return max(world.trie.shared_bits(a, b) for a in world.rows_of(left) for b in world.rows_of(right))


def _ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Ranks, equal values sharing their mean rank."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    return np.asarray((ends - (sizes - 1) / 2)[inverse], dtype=np.float64)


def _time_index(index: Index, leaves: int, generator: np.random.Generator) -> float:
    asked = generator.integers(0, leaves, TIMED).tolist()
    start = time.perf_counter()
    for leaf in asked:
        index.lookup(CODEBOOK, leaf, 64)
    return (time.perf_counter() - start) / TIMED * 1e6
