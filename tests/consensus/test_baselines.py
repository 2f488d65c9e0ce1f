"""The baselines do what the paper, or their name, says: nothing here is ever used on a ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from comitia.consensus.literal import LiteralPoq, printed_leader
from comitia.consensus.mining import ProofOfWork
from comitia.consensus.rounds import Baseline, Entry, Seat, opened, signed
from comitia.consensus.two_phase import TwoPhaseVote
from comitia.core import crypto
from comitia.core.codec import digest
from comitia.core.crypto import SigningKey
from comitia.core.ids import NodeId, node_id
from comitia.evaluation.consensus import TIMED, Conduct, Cost, VoteCost, run_baseline, run_poq

BASELINES = (LiteralPoq(), TwoPhaseVote(), ProofOfWork(difficulty=6))


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
@pytest.mark.parametrize("providers", [3, 4, 7])
def test_honest_members_agree(baseline: Baseline, providers: int) -> None:
    cost = run_baseline(baseline, providers, Conduct.HONEST)
    assert (cost.sealed, cost.misled, cost.waits) == (True, False, 0)
    assert cost.messages >= providers * (providers - 1)


def test_one_silent_member_stops_the_printed_protocol_and_nobody_else() -> None:
    """III.D.2: "If the block containing all transactions is approved by every committee node"."""
    assert not run_baseline(LiteralPoq(), 7, Conduct.SILENT).sealed
    for baseline in BASELINES[1:]:
        assert run_baseline(baseline, 7, Conduct.SILENT).sealed
    assert run_poq(4, Conduct.SILENT).sealed


def test_a_copy_earns_credit_wherever_nothing_is_committed_first() -> None:
    for baseline in BASELINES:
        assert run_baseline(baseline, 4, Conduct.COPIER).misled
    assert not run_poq(4, Conduct.COPIER).misled


def test_claimed_rows_bring_the_lead_in_a_small_committee_and_no_more_than_that() -> None:
    """The share of rows is capped at 2/n; the leader's block is one that everybody recomputes."""
    assert run_poq(4, Conduct.ROWS_LIAR).misled
    assert not run_poq(9, Conduct.ROWS_LIAR).misled


def test_eq_7_as_printed_punishes_the_bigger_contributor() -> None:
    big, small = NodeId("a" * 32), NodeId("b" * 32)
    entries = {
        big: Entry(author=big, rows=900, mae_ppm=200_000, model=bytes(32)),
        small: Entry(author=small, rows=1, mae_ppm=200_000, model=bytes(32)),
    }
    assert printed_leader(entries) == small


def test_two_bits_more_take_about_four_times_the_hashes() -> None:
    spent = []
    for difficulty in (8, 12):
        baseline = ProofOfWork(difficulty=difficulty)
        run_baseline(baseline, 3, Conduct.HONEST)
        spent.append(baseline.hashes)
    assert spent[1] >= spent[0]


def test_only_signed_messages_of_members_in_this_session_count() -> None:
    keys = [SigningKey.from_bytes(digest(bytes([number]))) for number in range(3)]
    public = {node_id(key.public): key.public for key in keys[:2]}

    def seat(key: SigningKey, session: bytes = b"here") -> Seat:
        entry = Entry(author=node_id(key.public), rows=1, mae_ppm=1, model=bytes(32))
        return Seat(key=key, keys=public, session=session, entry=entry)

    good = signed(seat(keys[1]), "entry", seat(keys[1]).entry).data
    elsewhere = signed(seat(keys[1], b"there"), "entry", seat(keys[1]).entry).data
    stranger = signed(seat(keys[2]), "entry", seat(keys[2]).entry).data
    altered = good[:-1] + bytes([good[-1] ^ 1])
    reader = seat(keys[0])
    assert list(opened(reader, (good, good), "entry", Entry)) == [node_id(keys[1].public)]
    assert opened(reader, (elsewhere, stranger, altered, b"noise"), "entry", Entry) == {}
    assert opened(reader, (good,), "vote", Entry) == {}


def test_the_leader_checks_votes_and_everybody_the_certificate() -> None:
    vote = VoteCost.of(members=10, checking=11)
    assert (vote.made, vote.checked) == (10, 9 + 11 * 7)


def test_what_a_check_costs_is_not_taken_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []
    real = crypto._verify

    def verify(public: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(message)
        return real(public, message, signature)

    monkeypatch.setattr(crypto, "_verify", verify)
    for _ in range(2):
        assert VoteCost.of(members=3, checking=4).milliseconds > 0
    assert len(checked) == 2 * TIMED


@pytest.mark.parametrize(
    "bench", [lambda: run_poq(3, Conduct.HONEST), lambda: run_baseline(TwoPhaseVote(), 3, Conduct.HONEST)]
)
def test_members_in_one_process_do_not_spare_each_other_a_check(
    bench: Callable[[], Cost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each member of a committee is a process of its own: what another has signed it has not checked."""
    checked: list[bytes] = []
    real = crypto._verify

    def verify(public: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(message)
        return real(public, message, signature)

    monkeypatch.setattr(crypto, "_verify", verify)
    bench()
    assert len(checked) > len(set(checked)) > 0
