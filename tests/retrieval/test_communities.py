"""Communities and liveness."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from comitia.core.ids import NodeId
from comitia.retrieval.communities import Change, changes, communities
from comitia.retrieval.liveness import SILENCES, Liveness, answered, probe

CODES = ("00", "010", "011", "10", "11")


@given(st.lists(st.integers(0, 9), min_size=5, max_size=5), st.integers(1, 6))
def test_every_leaf_is_in_one_community_and_none_is_too_small(members: list[int], fewest: int) -> None:
    """III.B: "All participants P are partitioned into various communities according to their data categories"."""
    found = communities(CODES, members, fewest)
    assert sorted(leaf for community in found for leaf in community.leaves) == list(range(5))
    assert sum(community.members for community in found) == sum(members)
    assert len(found) == 1 or all(community.members >= fewest for community in found)
    assert all(CODES[leaf].startswith(c.prefix) for c in found for leaf in c.leaves)


def test_communities_split_and_merge_as_members_come_and_go() -> None:
    none = communities(CODES, [0] * 5)
    few = communities(CODES, [2, 0, 1, 1, 0])
    more = communities(CODES, [3, 1, 2, 4, 1])
    assert [c.prefix for c in few] == [""]
    assert [c.prefix for c in more] == ["00", "01", "1"]
    assert changes(none, few) == ((Change.FORMED, few[0]),)
    assert {(change, c.prefix) for change, c in changes(few, more)} == {(Change.SPLIT, p) for p in ("00", "01", "1")}
    assert changes(more, few) == ((Change.MERGED, few[0]),)
    assert changes(more, more) == ()


def test_a_codebook_with_one_leaf_or_none() -> None:
    assert communities((), ()) == ()
    assert [c.leaves for c in communities(("",), (5,))] == [(0,)]


NODES = [NodeId(letter * 32) for letter in "abcde"]


def test_probes_go_round_and_whoever_stays_silent_is_gone() -> None:
    state, draw = Liveness(), np.random.default_rng(0)
    for _ in range(SILENCES + 1):
        turn = set()
        for _ in NODES:
            state, chosen = probe(state, NODES, draw)
            assert chosen is not None
            turn.add(chosen)
            if chosen != NODES[2]:
                state = answered(state, chosen)
        assert turn == set(NODES)
    assert state.gone == {NODES[2]}
    assert answered(state, NODES[2]).gone == frozenset()


def test_whoever_is_not_watched_any_more_is_forgotten() -> None:
    state, draw = Liveness(), np.random.default_rng(0)
    for _ in range(20):
        state, _ = probe(state, NODES, draw)
    assert state.gone == set(NODES)
    state, chosen = probe(state, NODES[:1], draw)
    assert (chosen, state.gone) == (NODES[0], {NODES[0]})
    assert probe(state, [], draw) == (Liveness(), None)
