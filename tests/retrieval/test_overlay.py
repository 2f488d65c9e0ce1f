"""The overlay: verified buckets, tables, lookups among the dead and the lying, joining."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_world import BOOK, CODES, SmallWorld, buckets, members_of, records

from comitia.core.codec import decode, encode
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.retrieval.joining import Joining
from comitia.retrieval.literal import LiteralLookup, record_counts
from comitia.retrieval.lookup import Alive, Ask, HybridLookup, Query, Reply
from comitia.retrieval.overlay import PATIENCE, OverlayLookup, expected_buckets
from comitia.retrieval.profile import RetrievalRecord
from comitia.retrieval.table import CONTACTS, Find, Found
from comitia.retrieval.trie import (
    BUCKET_SIZE,
    MEMBER_BYTES,
    Bucket,
    Member,
    Trie,
    require_bucket,
    shared_bits,
    unpack,
)


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.of(records(900, seed=3))


def overlay(world: SmallWorld, leaf: int, seed: int = 0, start: int = 3) -> OverlayLookup:
    draw = np.random.default_rng(seed)
    contacts = [world.members[i] for i in draw.permutation(len(world.members))[:start]]
    return OverlayLookup(Query(codebook=BOOK, leaf=leaf), world.digest, CODES[leaf], contacts, draw)


# --- the directory ------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 300), st.integers(0, 2**32))
def test_every_id_is_in_one_bucket_that_proves_itself(count: int, seed: int) -> None:
    members = [member for record in records(count, seed) for member in members_of(record)]
    trie = Trie.of(members)
    found: list[Member] = []
    for branch in buckets(trie.root):
        bucket = trie.bucket(branch.prefix)
        assert branch.size <= BUCKET_SIZE
        found += require_bucket(decode(Bucket, encode(bucket)), trie.root.hash)
    assert sorted(found, key=lambda m: m.place) == sorted(members, key=lambda m: m.place)
    assert all(trie.row_of(member.place) is not None for member in members)
    assert trie.row_of(b"\xff" * 32) is None


def test_the_root_does_not_depend_on_the_order_of_registration(world: SmallWorld) -> None:
    assert Trie.of(reversed(world.members)).root.hash == world.trie.root.hash


FORGERIES = {
    "cut short": lambda b: replace(b, members=b.members[:-MEMBER_BYTES]),
    "emptied": lambda b: replace(b, members=b""),
    "half a member": lambda b: replace(b, members=b.members[:-1]),
    "a member twice": lambda b: replace(b, members=b.members[:MEMBER_BYTES] + b.members),
    "too many": lambda b: replace(b, members=b.members[:MEMBER_BYTES] * (BUCKET_SIZE + 1)),
    "a member's share raised": lambda b: replace(b, members=b.members[:-4] + b"\x00\x0f\x42\x40"),
    "another node put in": lambda b: replace(b, members=b.members[:32] + bytes(16) + b.members[48:]),
    "moved to the parent": lambda b: replace(b, prefix=b.prefix[:-1], siblings=b.siblings[:-1]),
    "moved next door": lambda b: replace(b, prefix=b.prefix[:-1] + ("0" if b.prefix[-1] == "1" else "1")),
    "a sibling hidden": lambda b: replace(b, siblings=(bytes(32), *b.siblings[1:])),
    "no prefix": lambda b: replace(b, prefix="x" * len(b.prefix)),
    "proof cut": lambda b: replace(b, siblings=b.siblings[1:]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_or_truncated_bucket_is_refused(world: SmallWorld, forgery: str) -> None:
    honest = world.trie.bucket(world.members[0].path)
    require_bucket(honest, world.digest.root)
    with pytest.raises(ProtocolError) as caught:
        require_bucket(FORGERIES[forgery](honest), world.digest.root)
    assert caught.value.code in {"forged-bucket", "malformed"}


def members_at(*places: bytes) -> list[Member]:
    return [Member(NodeId(f"{number:032x}"), place.ljust(32, b"\x00"), number) for number, place in enumerate(places)]


def test_ids_that_share_many_bits_are_told_apart_further_down() -> None:
    members = members_at(*(b"\xa5\x5a\xc3" + bytes([number]) for number in range(200)))
    trie = Trie.of(members)
    deepest = list(buckets(trie.root))
    assert sum(branch.size for branch in deepest) == 200
    assert max(len(branch.prefix) for branch in deepest) > 24
    for branch in deepest:
        require_bucket(trie.bucket(branch.prefix), trie.root.hash)
    for left, right in ((0, 1), (0, 128), (7, 8), (5, 5)):
        assert trie.shared_bits(left, right) == shared_bits(members[left].path, members[right].path)


def test_a_bucket_is_parted_when_it_is_more_than_full() -> None:
    members = members_at(*(bytes([number * 3]) for number in range(BUCKET_SIZE + 1)))
    full = Trie.of(members[:-1]).root
    assert (full.branches, full.size) == (None, BUCKET_SIZE)
    assert full.hash == hashlib.sha256(bytes(3) + b"".join(member.to_bytes() for member in members[:-1])).digest()
    assert Trie.of(members).root.branches is not None


def test_members_that_belong_elsewhere_are_refused_whatever_they_hash_to() -> None:
    astray = members_at(b"\x80")[0].to_bytes()
    root = hashlib.sha256(b"\x01" + hashlib.sha256(b"\x00\x00\x010" + astray).digest() + bytes(32)).digest()
    with pytest.raises(ProtocolError, match="belong elsewhere"):
        require_bucket(Bucket(prefix="0", members=astray, siblings=(bytes(32),)), root)


def test_parts_of_a_member_are_none() -> None:
    with pytest.raises(ProtocolError) as caught:
        list(unpack(bytes(MEMBER_BYTES + 1)))
    assert caught.value.code == "malformed"


def test_a_bucket_of_another_epoch_is_refused(world: SmallWorld) -> None:
    earlier = SmallWorld.of(records(900, seed=4))
    with pytest.raises(ProtocolError, match="another epoch"):
        require_bucket(earlier.trie.bucket(earlier.members[0].path), world.digest.root)


# --- tables -------------------------------------------------------------------------------------------------


def test_an_answer_is_the_bucket_or_leads_nearer(world: SmallWorld) -> None:
    for member in world.members[::40]:
        table = world.table(member)
        for code in CODES:
            found = table.answer(code)
            shared = shared_bits(member.path, code)
            near = [shared_bits(m.path, code) for m in unpack(found.contacts)]
            assert all(n > shared or n == len(code) for n in near)
            assert (found.bucket is not None) >= (shared == len(code))
        assert table.entries == len(set(unpack(table.contacts))) - 1


# --- lookups ------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(0, 7), st.integers(0, 2**32))
def test_a_third_dead_hides_nobody(leaf: int, seed: int) -> None:
    world = SmallWorld.of(records(400, seed % 3))
    draw = np.random.default_rng(seed)
    world.dead = frozenset(r.provider for r in world.listed if draw.random() < 0.3)
    lookup = overlay(world, leaf, seed, start=8)
    _, refused = world.run(lookup)
    assert lookup.answer == world.index.lookup(BOOK, leaf, None)
    assert lookup.complete
    assert refused == 0


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_fifth_that_forges_buckets_hides_nobody(world: SmallWorld, forgery: str) -> None:
    liars = {record.provider for record in world.listed[::5]}

    def tamper(ask: Ask, reply: Reply) -> Reply:
        if ask.to in liars and isinstance(reply, Found) and reply.bucket is not None:
            return Found(bucket=FORGERIES[forgery](reply.bucket), contacts=b"")
        return reply

    attacked = SmallWorld.of(world.listed)
    attacked.tamper = tamper
    for leaf in range(3):
        lookup = overlay(attacked, leaf, seed=leaf, start=8)
        attacked.run(lookup)
        assert lookup.answer == world.index.lookup(BOOK, leaf, None)


LIES = {
    "contacts that lead away": lambda ask, reply, world: Found(bucket=None, contacts=_far(ask, world)),
    "more contacts than a table has": lambda ask, reply, world: Found(
        bucket=reply.bucket, contacts=world.members[0].to_bytes() * CONTACTS * 300
    ),
    "half a contact": lambda ask, reply, world: Found(bucket=reply.bucket, contacts=reply.contacts + b"x"),
    "an answer to something else": lambda ask, reply, world: Alive(nonce=bytes(16)),
}


def _far(ask: Ask, world: SmallWorld) -> bytes:
    assert isinstance(ask.question, Find)
    return next(m for m in world.members if not m.path.startswith(ask.question.target[:1])).to_bytes()


@pytest.mark.parametrize("lie", LIES)
def test_what_else_a_participant_can_answer_wrong_is_refused(world: SmallWorld, lie: str) -> None:
    liars = {record.provider for record in world.listed[::2]}
    attacked = SmallWorld.of(world.listed)
    attacked.tamper = lambda ask, reply: LIES[lie](ask, reply, world) if ask.to in liars else reply
    lookup = overlay(attacked, 4, seed=1, start=8)
    _, refused = attacked.run(lookup)
    assert refused > 0
    assert lookup.answer == world.index.lookup(BOOK, 4, None)


def test_made_up_participants_are_never_found(world: SmallWorld) -> None:
    """Sybils: whoever is not in the epoch's directory gets at most a question, never a place in the answer."""
    ghost = Member(NodeId("f" * 32), bytes([0b01010101]) + bytes(31), 1_000_000)
    attacked = SmallWorld.of(world.listed)
    attacked.members = [*world.members, ghost]
    attacked.tamper = lambda ask, reply: (
        None
        if ask.to == ghost.node
        else replace(reply, contacts=reply.contacts + ghost.to_bytes())
        if isinstance(reply, Found) and isinstance(ask.question, Find) and ghost.path.startswith(ask.question.target)
        else reply
    )
    leaf = CODES.index("010")
    lookup = overlay(attacked, leaf)
    attacked.run(lookup)
    assert lookup.answer == world.index.lookup(BOOK, leaf, None)


def test_a_requester_that_knows_only_the_dead_ends_and_says_so(world: SmallWorld) -> None:
    silent = SmallWorld.of(world.listed)
    silent.dead = frozenset(record.provider for record in world.listed)
    lookup = overlay(silent, 2, start=40)
    asked, _ = silent.run(lookup)
    assert lookup.answer == ()
    assert not lookup.complete
    assert asked <= 40


def test_a_bucket_is_tried_twelve_times_at_most(world: SmallWorld) -> None:
    attacked = SmallWorld.of(world.listed)
    attacked.tamper = lambda ask, reply: None
    lookup = overlay(attacked, 2, start=400)
    asked, _ = attacked.run(lookup)
    assert asked <= (PATIENCE + 2) * len(expected_buckets(CODES[2], world.digest.counts[2]))


@given(st.tuples(*[st.integers(0, 5000)] * 4))
def test_the_buckets_that_a_digest_foretells_cover_the_leaf(counts: tuple[int, int, int, int]) -> None:
    foretold = expected_buckets("01", counts)
    assert all(prefix.startswith("01") for prefix in foretold)
    for band, count in enumerate(counts):
        under = "01" + format(band, "02b")
        assert any(p.startswith(under) or under.startswith(p) for p in foretold) == (
            count > 0 or (sum(counts) <= 64 and any(counts))
        )
    assert all(size <= BUCKET_SIZE for size in foretold.values())


def test_an_answer_to_an_earlier_probe_does_not_count(world: SmallWorld) -> None:
    lookup = HybridLookup(Query(codebook=BOOK, leaf=0, most=1), world.index, lambda: b"n" * 16)
    (ask,) = lookup.ask()
    with pytest.raises(ProtocolError):
        lookup.heard(ask, Alive(nonce=b"o" * 16))
    assert lookup.answer == ()


# --- joining ------------------------------------------------------------------------------------------------


def test_a_newcomer_fills_its_table(world: SmallWorld) -> None:
    partly = SmallWorld.of(world.listed)
    partly.dead = frozenset(record.provider for record in world.listed[::4])
    for member in world.members[1:40:8]:
        joining = Joining(
            member.path,
            world.digest.root,
            world.members[50:56],
            distance=lambda m: float(m.share_ppm),
            generator=np.random.default_rng(1),
        )
        partly.run(joining)  # type: ignore[arg-type]
        table = joining.table
        assert table is not None
        assert table.bucket == world.trie.bucket(member.path)
        for level, (contacts, (_, sibling)) in enumerate(
            zip(table.levels, list(world.trie.descend(member.path))[1:], strict=True)
        ):
            assert sibling is not None
            known = list(unpack(contacts))
            assert all(shared_bits(contact.path, member.path) == level for contact in known)
            assert len(known) >= min(CONTACTS, sibling.size) // 2


# --- the paper's own tables ---------------------------------------------------------------------------------


def test_the_papers_tables_are_of_log_n_communities_and_log_log_n_nodes() -> None:
    """III.B: "a local retrieval table of log(n) records toward log(n) different communities"."""
    assert record_counts(2) == (1, 1)
    assert record_counts(1 << 16) == (16, 4)


def test_a_flood_passes_through_those_nearer_and_answers_with_those_within() -> None:
    def member(bits: str) -> Member:
        return Member(NodeId(format(int(bits, 2), "032x")), (int(bits, 2) << 252).to_bytes(32, "big"), 0)

    start, nearer, within, away = member("0000"), member("1000"), member("1101"), member("0111")
    lookup = LiteralLookup("1100", 2, [start])
    (ask,) = lookup.ask()
    lookup.heard(ask, Found(bucket=None, contacts=nearer.to_bytes() + away.to_bytes()))
    (ask,) = lookup.ask()
    assert ask.to == nearer.node
    lookup.heard(ask, Found(bucket=None, contacts=within.to_bytes()))
    (ask,) = lookup.ask()
    lookup.silent(ask)
    assert lookup.ask() == ()
    assert lookup.answer == (within.node,)
    assert lookup.complete
    with pytest.raises(ProtocolError):
        lookup.heard(ask, Alive(nonce=b""))


def test_equal_ids_do_not_split_for_ever() -> None:
    record = RetrievalRecord(provider=NodeId("a" * 32), codebook=BOOK, epsilon_micro=10**6, histogram=(100, 0, 0))
    member = members_of(record)[0]
    trie = Trie.of([member] * (BUCKET_SIZE + 1))
    assert sum(branch.size for branch in buckets(trie.root)) == BUCKET_SIZE + 1
