"""Profiles, the index over them, and routing ids."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.core.codec import decode, encode
from comitia.core.errors import InputError, ProtocolError
from comitia.core.ids import NodeId
from comitia.core.logarithm import ln_pico
from comitia.core.units import PICO
from comitia.privacy.noise import SeededNoise
from comitia.privacy.receipt import Mechanism
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.retrieval.index import Index
from comitia.retrieval.profile import (
    RetrievalRecord,
    least_clear,
    least_standing,
    make_profile,
    require_fitting,
    require_visible,
)
from comitia.retrieval.routing_id import ID_BITS, relevance_distance, routing_ids
from comitia.retrieval.self_check import SelfCheck, make_self_check
from comitia.retrieval.trie import shared_bits
from comitia.retrieval.unmixing import unmix

BOOK = bytes(32)
PURE = PrivacyTerms.of("1")


def record(name: str, *histogram: int) -> RetrievalRecord:
    return RetrievalRecord(provider=NodeId(name * 32), codebook=BOOK, epsilon_micro=10**6, histogram=histogram)


counts = st.lists(st.integers(-50, 500), min_size=2, max_size=12)


@given(counts)
def test_a_record_is_found_somewhere_and_survives_the_wire(histogram: list[int]) -> None:
    made = record("a", *histogram)
    assert 1 <= len(made.published) <= 6
    assert all(0 <= made.band(leaf) <= 3 for leaf in made.published)
    assert decode(RetrievalRecord, encode(made)) == made


def test_only_what_stands_out_of_the_noise_is_published() -> None:
    made = record("a", 300, 70, 4, -3, 2, 1)
    assert made.published == (0, 1)
    assert (made.band(0), made.band(1), made.band(2)) == (0, 3, 3)


@pytest.mark.parametrize(("held", "published"), [(170, (1, 0)), (169, (1,))])
def test_a_provider_is_found_from_17_percent_on(held: int, published: tuple[int, ...]) -> None:
    assert record("a", held, 1000 - held).published == published


def test_what_noise_alone_could_be_is_not_published() -> None:
    assert record("a", 3, 3, 2).published == (0, 1)


@pytest.mark.parametrize(
    ("held", "band"), [(600, 0), (599, 1), (350, 1), (349, 2), (200, 2), (199, 3), (0, 3), (-50, 3)]
)
def test_bands_begin_at_their_shares(held: int, band: int) -> None:
    assert (
        RetrievalRecord(
            provider=NodeId("a" * 32), codebook=BOOK, epsilon_micro=10**8, histogram=(held, 1000 - max(0, held))
        ).band(0)
        == band
    )


@pytest.mark.parametrize(
    ("leaves", "epsilon_micro", "standing", "clear"),
    [(7, 10**6, 2, 5), (2048, 100_000, 84, 159), (3, 1, 243_280, 1_405_466), (1, 10**6, 1, 3)],
)
def test_what_stands_out_of_the_noise_is_the_formula(
    leaves: int, epsilon_micro: int, standing: int, clear: int
) -> None:
    """.6 ln(L/2) and ln(L/2) + 1 over the epsilon of one leaf, half of all, rounded up."""
    assert (least_standing(leaves, epsilon_micro), least_clear(leaves, epsilon_micro)) == (standing, clear)


def test_records_at_their_limits() -> None:
    assert len(record("a", *[1] * 4096).histogram) == 4096
    for change in ({"histogram": (1,) * 4097}, {"epsilon_micro": 0}):
        with pytest.raises(ValueError, match=r"retrieval record|histogram"):
            replace(record("a", 1), **change)  # type: ignore[arg-type]
    assert replace(record("a", 1), epsilon_micro=1).epsilon_micro == 1


@pytest.mark.parametrize("histogram", [(), (1 << 41,)])
def test_records_that_cannot_be(histogram: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"histogram|count"):
        record("a", *histogram)


def test_counts_are_unmixed_by_what_is_known_of_the_leaves() -> None:
    confusion = np.array([[0.8, 0.2, 0], [0.3, 0.7, 0], [0, 0, 1.0]])
    true = np.array([[500, 100, 40], [0, 300, 0], [0, 0, 2]])
    seen = np.rint(true @ confusion).astype(np.int64)
    assert np.abs(unmix(seen, confusion, 9) - [[500, 100, 40], [0, 300, 0], [0, 0, 2]]).max() <= 30
    leaves = np.repeat(np.arange(3), seen[0])
    released = make_profile(NodeId("a" * 32), BOOK, 3, leaves, PURE, SeededNoise(b"test"), confusion=confusion)
    assert abs(released.value.histogram[0] - 500) < 50
    assert released.receipt.sensitivity == 2


@given(st.lists(st.integers(-50, 500), min_size=3, max_size=3), st.integers(1, 60))
def test_leaves_that_are_never_confused_keep_what_stands_out(row: list[int], least: int) -> None:
    counts = np.array([row])
    standing = np.where(counts >= least, counts, 0)
    assert np.array_equal(unmix(counts, np.eye(3), least), standing if standing.any() else counts)


def test_a_profile_is_the_counts_with_pure_noise_and_a_receipt() -> None:
    leaves = [0] * 500 + [2] * 100 + [-1] * 30
    released = make_profile(NodeId("a" * 32), BOOK, 4, leaves, PURE, SeededNoise(b"test"))
    receipt = released.receipt
    assert (receipt.mechanism, receipt.epsilon_micro, receipt.delta_pico) == (Mechanism.LAPLACE, 10**6, 0)
    assert receipt.sensitivity == 2
    assert np.abs(np.array(released.value.histogram) - [500, 0, 100, 0]).max() < 60
    assert released.value.published == (0, 2)


@given(st.lists(st.integers(0, 3), min_size=20, max_size=60), st.integers(0, 59), st.integers(0, 3))
def test_replacing_a_document_moves_the_counts_by_two_at_most(leaves: list[int], place: int, other: int) -> None:
    """Eq. (5) for the profile: s = max |f(D) - f(D')|_1."""
    changed = list(leaves)
    changed[place % len(leaves)] = other
    before, after = (np.bincount(values, minlength=4) for values in (leaves, changed))
    assert np.abs(before - after).sum() <= 2


def test_how_many_documents_fall_into_a_leaf_does_not_show_in_whether_there_is_a_profile() -> None:
    """Replacing a document moves that number; only the number of all documents is public."""
    for inside in (0, 1, 50):
        leaves = [0] * inside + [-1] * (50 - inside)
        made = make_profile(NodeId("a" * 32), BOOK, 4, leaves, PURE, SeededNoise(b"test")).value
        assert len(made.histogram) == 4


def test_noise_that_protects_users_is_not_taken_for_documents() -> None:
    """With five documents a user it is five times as wide, and what stands out of it is told by that."""
    users = PrivacyTerms.of("1", unit=Unit.USER, records_per_user=5)
    noise = SeededNoise(b"users")
    made = [make_profile(NodeId("a" * 32), BOOK, 40, [0] * 200, users, noise).value for _ in range(50)]
    assert {one.epsilon_micro for one in made} == {200_000}
    assert sum(one.published == (0,) for one in made) >= 45
    with pytest.raises(InputError, match="epsilon 1 per user"):
        require_visible(20, 40, users)


def test_a_provider_with_three_documents_is_told_before_it_spends_anything() -> None:
    with pytest.raises(InputError) as caught:
        require_visible(3, 20, PURE)
    assert caught.value.code == "too-few-documents"
    assert "nothing was spent" in caught.value.hint
    with pytest.raises(InputError, match="no leaves"):
        make_profile(NodeId("a" * 32), BOOK, 0, [], PURE, SeededNoise(b""))


def test_a_profile_is_its_authors() -> None:
    with pytest.raises(ProtocolError):
        require_fitting(record("a", 1), NodeId("b" * 32))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | counts.map(tuple)), max_size=20))
def test_the_index_depends_on_the_records_alone(changes: list[tuple[str, tuple[int, ...] | None]]) -> None:
    index, direct = Index(), Index()
    for name, histogram in changes:
        if histogram is None:
            index.remove(NodeId(name * 32))
        else:
            index.add(record(name, *histogram))
    for name, histogram in sorted(dict(changes).items()):
        if histogram is not None:
            direct.add(record(name, *histogram))
    for leaf in range(12):
        assert index.lookup(BOOK, leaf, 99) == direct.lookup(BOOK, leaf, 99)
    assert index.rank(BOOK, ()) == direct.rank(BOOK, ())
    assert index.rank(BOOK, (0, 1)) == direct.rank(BOOK, (0, 1))


def test_within_a_band_the_larger_share_comes_first_and_of_all_the_larger_provider() -> None:
    index = Index()
    for made in (record("a", 70, 30), record("b", 90, 10), record("c", 8000, 2000)):
        index.add(made)
    a, b, c = (NodeId(name * 32) for name in "abc")
    assert index.lookup(BOOK, 0, 9) == (b, c, a)
    assert index.rank(BOOK, (0,)) == (b, c, a)
    assert index.rank(BOOK, ()) == (c, a, b)


def test_the_best_fitting_come_first() -> None:
    index = Index()
    for made in (record("a", 90, 10, 0), record("b", 50, 50, 0), record("c", 0, 0, 100)):
        index.add(made)
    a, b, c = (NodeId(name * 32) for name in "abc")
    assert index.lookup(BOOK, 0, 9) == (a, b)
    assert index.rank(BOOK, (0,)) == (a, b)
    assert index.rank(BOOK, (2,)) == (c,)
    assert set(index.rank(BOOK, ())) == {a, b, c}
    assert index.rank(b"1" * 32, ()) == ()


# --- routing ids ------------------------------------------------------------------------------------------


def common_prefix(left: bytes, right: bytes) -> int:
    return ID_BITS - relevance_distance(left, right).bit_length()


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_eq_2_is_exclusive_or(left: bytes, right: bytes) -> None:
    distance = relevance_distance(left, right)
    assert distance == relevance_distance(right, left)
    assert (distance == 0) == (left == right)
    paths = [format(int.from_bytes(one, "big"), f"0{ID_BITS}b") for one in (left, right)]
    assert common_prefix(left, right) == shared_bits(*paths)


def test_related_providers_share_a_prefix_that_nobody_chooses() -> None:
    """ "The more relative two nodes are, the longer their common ID prefix will be" (III.B)."""
    codes = ("000", "001", "1")
    same = [routing_ids(record("a", 100, 0, 0), codes, key, b"beacon")[0] for key in (b"k1", b"k2")]
    near = routing_ids(record("a", 0, 100, 0), codes, b"k3", b"beacon")[0]
    far = routing_ids(record("a", 0, 0, 100), codes, b"k4", b"beacon")[0]
    assert common_prefix(*same) >= 5
    assert 2 <= common_prefix(same[0], near) < 3
    assert common_prefix(same[0], far) == 0
    again = routing_ids(record("a", 100, 0, 0), codes, b"k1", b"other beacon")[0]
    assert again != same[0]
    assert common_prefix(again, same[0]) >= 5


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_logarithms_are_right_to_a_millionth_of_a_millionth(numerator: int, denominator: int) -> None:
    exact = math.log(numerator / denominator)
    assert ln_pico(numerator, denominator) / PICO == pytest.approx(exact, abs=1e-11)


# --- self-check -----------------------------------------------------------------------------------------------


def test_a_self_check_is_a_pure_release_of_sensitivity_two() -> None:
    released = make_self_check(3, [0] * 900 + [2] * 100, 1000, PURE, SeededNoise(b"check"))
    receipt = released.receipt
    assert (receipt.mechanism, receipt.sensitivity, receipt.epsilon_micro) == (Mechanism.LAPLACE, 2, 10**6)
    assert released.value.documents == 1000
    assert decode(SelfCheck, encode(released.value)) == released.value
    assert released.value.confirms([0])
    assert not released.value.confirms([1])


def test_a_fair_share_is_counted_over_all_that_is_asked_for() -> None:
    check = SelfCheck(documents=100, histogram=(15, 12, -4))
    assert not check.confirms([0])
    assert check.confirms([0, 1])
    assert not check.confirms([0, 1, 2])
