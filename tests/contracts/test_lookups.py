"""What every lookup promises: the same answers, the best fitting first, however it finds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from overlay_world import BOOK, CODES, SmallWorld, records

from comitia.core.errors import ProtocolError
from comitia.retrieval.lookup import HybridLookup, IndexLookup, Lookup, Query
from comitia.retrieval.overlay import OverlayLookup

Make = Callable[[SmallWorld, Query], Lookup]


def by_index(world: SmallWorld, query: Query) -> Lookup:
    return IndexLookup(query, world.index)


def by_hybrid(world: SmallWorld, query: Query) -> Lookup:
    return HybridLookup(query, world.index, lambda: bytes(16))


def by_overlay(world: SmallWorld, query: Query) -> Lookup:
    generator = np.random.default_rng(5)
    return OverlayLookup(query, world.digest, CODES[query.leaf], world.members[:3], generator)


LOOKUPS = pytest.mark.parametrize("make", [by_index, by_hybrid, by_overlay])


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.of(records(900, seed=3))


@LOOKUPS
@pytest.mark.parametrize("leaf", range(len(CODES)))
def test_everyone_under_a_leaf_is_found_in_the_order_of_the_index(world: SmallWorld, make: Make, leaf: int) -> None:
    lookup = make(world, Query(codebook=BOOK, leaf=leaf))
    world.run(lookup)
    assert lookup.complete
    assert lookup.answer == world.index.lookup(BOOK, leaf, None)


@LOOKUPS
def test_enough_is_enough(world: SmallWorld, make: Make) -> None:
    lookup = make(world, Query(codebook=BOOK, leaf=2, most=20))
    world.run(lookup)
    assert lookup.complete
    assert len(lookup.answer) == 20
    bands = [record.band(2) for node in lookup.answer for record in world.listed if record.provider == node]
    assert bands == sorted(bands)
    assert max(bands) == max(
        record.band(2) for node in world.index.lookup(BOOK, 2, 20) for record in world.listed if record.provider == node
    )


@LOOKUPS
def test_a_leaf_that_nobody_has(make: Make) -> None:
    listed = [record for record in records(300, seed=4) if 6 not in record.published]
    world = SmallWorld.of(listed)
    lookup = make(world, Query(codebook=BOOK, leaf=6))
    asked, _ = world.run(lookup)
    assert (lookup.answer, lookup.complete, asked) == ((), True, 0)


@LOOKUPS
@pytest.mark.parametrize("count", [1, 2, 70])
def test_small_networks(make: Make, count: int) -> None:
    world = SmallWorld.of(records(count, seed=count))
    for leaf in range(len(CODES)):
        lookup = make(world, Query(codebook=BOOK, leaf=leaf))
        world.run(lookup)
        assert lookup.answer == world.index.lookup(BOOK, leaf, None)


def test_hybrid_leaves_out_who_is_not_there_and_goes_on_to_the_next(world: SmallWorld) -> None:
    best = world.index.lookup(BOOK, 1, 30)
    partly = SmallWorld.of(world.listed)
    partly.dead = frozenset(best[:25:2])
    lookup = by_hybrid(partly, Query(codebook=BOOK, leaf=1, most=10))
    partly.run(lookup)
    assert lookup.answer == tuple(node for node in best if node not in partly.dead)[:10]
    assert lookup.complete


def test_hybrid_says_when_too_few_are_there(world: SmallWorld) -> None:
    alone = SmallWorld.of(world.listed)
    alone.dead = frozenset(world.index.lookup(BOOK, 1, None)[1:])
    lookup = by_hybrid(alone, Query(codebook=BOOK, leaf=1, most=10))
    alone.run(lookup)
    assert len(lookup.answer) == 1


def test_a_leaf_or_codebook_that_the_epoch_does_not_have(world: SmallWorld) -> None:
    for query, code in (
        (Query(codebook=b"\x01" * 32, leaf=0), "unknown-codebook"),
        (Query(codebook=BOOK, leaf=len(CODES)), "unknown-leaf"),
        (Query(codebook=BOOK, leaf=-1), "unknown-leaf"),
    ):
        with pytest.raises(ProtocolError) as caught:
            OverlayLookup(query, world.digest, "000", world.members[:1], np.random.default_rng(0))
        assert caught.value.code == code
