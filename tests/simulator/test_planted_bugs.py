"""Mistakes put into the real code on purpose, one at a time: the simulator must find each within 1,000 seeds.

The mistakes live here only. Each test prints after how many seeds its mistake was found (`pytest -s`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from typing import Any

import pytest
from pytest import MonkeyPatch

from comitia.consensus import committee as seats
from comitia.consensus import quality
from comitia.core.errors import ProtocolError
from comitia.driver import histories, node, workbench
from comitia.driver.histories import Histories
from comitia.driver.provider import Provider
from comitia.engines.embedded import EmbeddedEngine
from comitia.learning.wire import release_bytes
from comitia.ledger import membership, register, session
from comitia.ledger.application import Application
from comitia.ledger.authentication import Authentication
from comitia.ledger.session import Phase
from comitia.ledger.state import State
from comitia.privacy import budget
from comitia.roles import member, super_node
from comitia.roles.messages import Blocks, Received, References, Reveal
from comitia.simulator import founding, surroundings
from comitia.simulator.campaign import run
from comitia.simulator.crash_points import CRASH_POINTS
from comitia.simulator.faults import Fault
from comitia.simulator.learning import RememberingBench, SummedModel
from comitia.simulator.replica import Replica
from comitia.simulator.surroundings import Setting

WITHIN = 1_000


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A mistake: how it is put in, in which worlds it is looked for, and who must find it."""

    name: str
    plant: Callable[[MonkeyPatch], None]
    found_by: str
    faults: frozenset[Fault] = frozenset()
    points: tuple[str, ...] = CRASH_POINTS
    adversary: str = ""
    providers: int = 3


def quorum_one_short(patch: MonkeyPatch) -> None:
    real = seats.quorum
    patch.setattr(seats, "quorum", lambda size, rule: real(size, rule) - 1)


def reveal_before_the_commits_close(patch: MonkeyPatch) -> None:
    real = member._commit

    def early(state: member.MemberState, now_ms: int) -> Any:
        if state.node in state.session.commits and "reveal" not in state.begun:
            return member._reveal(member._hold_own(state), now_ms)
        return real(state, now_ms)

    patch.setattr(member, "_commit", early)


def send_before_sync(patch: MonkeyPatch) -> None:
    def take(self: node.Node, action: Callable[[], None]) -> None:
        self._outgoing.clear()
        try:
            with self.store.transaction():
                action()
                self._fire_timers()
                self.send_out()
        except ProtocolError:
            return

    patch.setattr(node.Node, "take", take)


def debit_after_sending(patch: MonkeyPatch) -> None:
    def train(self: Provider, record: Any, codebook: Any, using: Any, given: Any = None) -> Any:
        held = self._holdings[record.task.codebook]
        released = using.train(codebook, held.vectors, held.labels, self._terms(record), self._noise)
        return release_bytes(released), released.value.rows, record.task.epsilon_micro

    patch.setattr(Provider, "train", train)


def epoch_unchecked(patch: MonkeyPatch) -> None:
    real = Authentication.require_author

    def authenticate(self: Authentication, envelope: Any, *others: Any) -> None:
        try:
            real(self, envelope, *others)
        except ProtocolError as error:
            if error.code != "wrong-epoch":
                raise

    patch.setattr(Authentication, "require_author", authenticate)


def cache_ignores_policy(patch: MonkeyPatch) -> None:
    def lookup(self: Application, key: bytes, requester: Any, purpose: str, time_ms: int) -> Any:
        entry = self.state.get("cache", key.hex())
        return entry.session if entry is not None else None

    patch.setattr(Application, "cache_lookup", lookup)


def deadline_ignored(patch: MonkeyPatch) -> None:
    patch.setattr(session, "_require_in_time", lambda record, time_ms: None)


def tick_at_any_time(patch: MonkeyPatch) -> None:
    patch.setattr(session, "is_overdue", lambda record, time_ms: record.is_open)
    real = member._repeat

    def hasty(state: member.MemberState, now_ms: int) -> Any:
        return real(state, now_ms + 3_000)

    patch.setattr(member, "_repeat", hasty)


def duplicate_session_accepted(patch: MonkeyPatch) -> None:
    real = State.get
    patch.setattr(State, "get", lambda self, table, key: None if table == "seen" else real(self, table, key))


def rounding_differs_by_machine(patch: MonkeyPatch) -> None:
    number = count()
    real, begin = RememberingBench.combine, RememberingBench.__init__

    def init(self: RememberingBench, node: Any = None, **documents: Any) -> None:
        begin(self, node, **documents)
        self.odd = next(number) % 4 == 1  # type: ignore[attr-defined]

    def combine(self: RememberingBench, name: str, codebook: Any, accepted: Any, given: Any) -> Any:
        exact: Any = real(self, name, codebook, accepted, given)
        summed = isinstance(exact, SummedModel)
        return replace(exact, total=exact.total + 1) if summed and self.odd else exact  # type: ignore[attr-defined]

    patch.setattr(RememberingBench, "__init__", init)
    patch.setattr(RememberingBench, "combine", combine)


def own_row_counted(patch: MonkeyPatch) -> None:
    def lines_about(author: Any, sheets: Any) -> Any:
        found = (
            (judge, next((line for line in sheets[judge] if line.author == author), None)) for judge in sorted(sheets)
        )
        return {judge: line for judge, line in found if line is not None and line.received}

    patch.setattr(quality, "_lines_about", lines_about)


def certificate_unchecked(patch: MonkeyPatch) -> None:
    patch.setattr(session, "require_certificate", lambda *_: None)


def reveal_not_held_against_its_hash(patch: MonkeyPatch) -> None:
    def keep(state: member.MemberState, reveal: Reveal) -> member.MemberState:
        place = reveal.round, reveal.author
        if reveal.author not in state.session.commits or place in state.reveals:
            return state
        return replace(state, reveals={**state.reveals, place: reveal})

    patch.setattr(member, "_keep_reveal", keep)


def references_not_held_against_their_hash(patch: MonkeyPatch) -> None:
    def keep(state: member.MemberState, opened: References) -> Any:
        return replace(state, references={**state.references, opened.keeper: opened}), ()

    patch.setattr(member, "_keep_references", keep)


def references_used_twice(patch: MonkeyPatch) -> None:
    def take(tables: Application, codebook: bytes, keepers: Any) -> Any:
        return {keeper: tables.shelf(codebook, keeper).commitments[0] for keeper in keepers}

    patch.setattr(register, "take_references", take)


def copied_commitment_accepted(patch: MonkeyPatch) -> None:
    real = session._commit

    def commit(record: Any, author: Any, body: Any, time_ms: int) -> Any:
        try:
            return real(record, author, body, time_ms)
        except ProtocolError as error:
            if error.code != "copied-commitment":
                raise
            return replace(record, commits={**record.commits, author: body})

    patch.setattr(session, "_commit", commit)


def cap_ignored(patch: MonkeyPatch) -> None:
    patch.setattr(budget, "_hold", lambda *_: None)


def anybody_can_abort(patch: MonkeyPatch) -> None:
    patch.setattr(
        session, "_give_up", lambda record, author, body, time_ms: session._abort(record, time_ms, "the requester")
    )


def evidence_unchecked(patch: MonkeyPatch) -> None:
    def exclude(tables: Application, body: Any, _: Authentication) -> None:
        accused = tables.require_member(body.accused)
        tables.state.put("member", accused.node, replace(accused, suspended=True))

    patch.setattr(membership, "exclude", exclude)


def block_published_before_it_is_durable(patch: MonkeyPatch) -> None:
    real = EmbeddedEngine._keep

    def keep(self: EmbeddedEngine, block: Any, applied: Any) -> None:
        late = getattr(self, "late", None)
        if late is not None:
            real(self, *late)
        self.late = (block, applied)  # type: ignore[attr-defined]
        self.head, self.last_applied = block.header, applied

    patch.setattr(EmbeddedEngine, "_keep", keep)


def releases_for_anyone_who_asks(patch: MonkeyPatch) -> None:
    def answer(state: member.MemberState, asked: Any) -> Any:
        held = member._hold_own(state).reveals
        return tuple(
            member.Send(to=asked.sender, session=state.session.id, message=held[asked.round, author])
            for author in asked.authors
            if (asked.round, author) in held
        )

    patch.setattr(member, "_answer_reveals", answer)


def epsilon_not_compared_with_the_request(patch: MonkeyPatch) -> None:
    real = session._commit

    def commit(record: Any, author: Any, body: Any, time_ms: int) -> Any:
        asked = replace(record, task=replace(record.task, epsilon_micro=body.epsilon_micro))
        return replace(real(asked, author, body, time_ms), task=record.task)

    patch.setattr(session, "_commit", commit)


def receipt_not_compared_with_the_request(patch: MonkeyPatch) -> None:
    patch.setattr(workbench, "require_terms", lambda receipt, asked: None)
    patch.setattr(RememberingBench, "read_before", {})  # what is read wrongly must not be remembered after this test


def waiting_requests_forgotten(patch: MonkeyPatch) -> None:
    """For good: a request that is brought again is taken for one that still waits."""
    real = super_node._request

    def request(state: Any, arrived: Any, *rest: Any) -> Any:
        waiting = {each.transaction for others in state.coalesced.values() for each in others}
        return (state, ()) if arrived.transaction in waiting else real(state, arrived, *rest)

    patch.setattr(super_node, "_request", request)
    patch.setattr(super_node, "_release_coalesced", lambda state, *_: (state, ()))


def nobody_moves_an_overdue_session_on(patch: MonkeyPatch) -> None:
    patch.setattr(super_node, "_overdue", lambda *_: iter(()))
    patch.setattr(member, "TICK_GRACE_MS", 10**9)


def ended_session_goes_on(patch: MonkeyPatch) -> None:
    allowed = session._ALLOWED | {(Phase.SEALED, Phase.ABORTED)}
    patch.setattr(session, "_ALLOWED", allowed)
    real = session.step

    def step(record: Any, author: Any, body: Any, time_ms: int, **rest: Any) -> Any:
        if isinstance(body, session.AbortRequest) and author == record.requester:
            return session._abort(record, time_ms, "the requester gave up")
        return real(record, author, body, time_ms, **rest)

    patch.setattr(session, "step", step)


def who_catches_up_begins_anew(patch: MonkeyPatch) -> None:
    """Where answers change with time: each says no with what was left of its budget, after it has paid a profile."""
    patch.setattr(founding, "fact_of", lambda name, version: name)
    patch.setattr(surroundings, "found", cache(founding.found.__wrapped__))
    patch.setattr(node.Node, "is_behind", property(lambda self: False))


def forks_go_unnoticed(patch: MonkeyPatch) -> None:
    patch.setattr(Histories, "hear", lambda *_: None)


def proof_of_a_fork_unchecked(patch: MonkeyPatch) -> None:
    patch.setattr(histories, "verify_fork", lambda *_: None)


def block_of_another_history_accepted(patch: MonkeyPatch) -> None:
    forks_go_unnoticed(patch)
    real = Replica.append

    def append(self: Replica, block: Any) -> Any:
        known = self._history.steps.get(block.header.digest)
        if known is None or block.header.previous == self._kept[-1]:
            return real(self, block)
        self._kept.append(known.digest)
        self.last_applied = known.applied
        return known.applied

    patch.setattr(Replica, "append", append)


def goes_on_after_a_fork(patch: MonkeyPatch) -> None:
    patch.setattr(node.Node, "is_forked", property(lambda self: False))


def answer_to_an_earlier_run_taken(patch: MonkeyPatch) -> None:
    """Where it matters whether blocks are missing: as for who catches up."""
    patch.setattr(founding, "fact_of", lambda name, version: name)
    patch.setattr(surroundings, "found", cache(founding.found.__wrapped__))
    real = node.Node.on_received

    def on_received(self: node.Node, received: Received) -> None:
        message = received.message
        if isinstance(message, Blocks):
            received = replace(received, message=replace(message, nonce=self.run_nonce))
        real(self, received)

    patch.setattr(node.Node, "on_received", on_received)


CRASHES = frozenset({Fault.CRASH, Fault.TORN_WRITE})
SLOW = frozenset({Fault.PAUSE, Fault.DELAY, Fault.CLOCK_SKEW, Fault.CLOCK_JUMP, Fault.LOSS, Fault.ONE_WAY})

PLANTED = (
    Planted(name="quorum one short", plant=quorum_one_short, found_by="i1"),
    Planted(name="reveal before the commit set closes", plant=reveal_before_the_commits_close, found_by="i2"),
    Planted(
        name="send before sync",
        plant=send_before_sync,
        found_by="i3",
        faults=CRASHES,
        points=("commit:before",),
    ),
    Planted(name="epsilon debited after sending", plant=debit_after_sending, found_by="i7"),
    Planted(name="epoch unchecked", plant=epoch_unchecked, found_by="i11", adversary="stale-epoch"),
    Planted(name="cache ignores policy", plant=cache_ignores_policy, found_by="i9"),
    Planted(name="deadline ignored", plant=deadline_ignored, found_by="stages", faults=SLOW),
    Planted(name="tick at any time", plant=tick_at_any_time, found_by="stages", faults=SLOW),
    Planted(name="duplicate session accepted", plant=duplicate_session_accepted, found_by="i6", adversary="replay"),
    Planted(name="rounding differs by machine", plant=rounding_differs_by_machine, found_by="i5"),
    Planted(name="own row counted", plant=own_row_counted, found_by="i5", adversary="own-row"),
    Planted(name="certificate unchecked", plant=certificate_unchecked, found_by="i1", adversary="seal-early"),
    Planted(
        name="reveal not held against its hash",
        plant=reveal_not_held_against_its_hash,
        found_by="i5",
        adversary="two-faced",
    ),
    Planted(
        name="references not held against their hash",
        plant=references_not_held_against_their_hash,
        found_by="i5",
        adversary="wrong-references",
    ),
    Planted(name="references used twice", plant=references_used_twice, found_by="i4"),
    Planted(name="copied commitment accepted", plant=copied_commitment_accepted, found_by="i4", adversary="copy"),
    Planted(name="cap ignored", plant=cap_ignored, found_by="i8"),
    Planted(name="anybody can abort", plant=anybody_can_abort, found_by="i6", adversary="give-up"),
    Planted(name="evidence unchecked", plant=evidence_unchecked, found_by="i10", adversary="accuse"),
    Planted(
        name="block published before it is durable",
        plant=block_published_before_it_is_durable,
        found_by="i12",
        faults=CRASHES,
    ),
    Planted(name="releases for anyone who asks", plant=releases_for_anyone_who_asks, found_by="i2", adversary="covet"),
    Planted(
        name="epsilon not compared with the request",
        plant=epsilon_not_compared_with_the_request,
        found_by="i7",
        adversary="overpay",
    ),
    Planted(
        name="receipt not compared with the request",
        plant=receipt_not_compared_with_the_request,
        found_by="i7",
        adversary="underpay",
        providers=4,
    ),
    Planted(name="waiting requests forgotten", plant=waiting_requests_forgotten, found_by="liveness"),
    Planted(
        name="nobody moves an overdue session on",
        plant=nobody_moves_an_overdue_session_on,
        found_by="liveness",
        faults=frozenset({Fault.DEATH, Fault.CUT_OFF}),
    ),
    Planted(name="ended session goes on", plant=ended_session_goes_on, found_by="i6", adversary="give-up"),
    Planted(
        name="who catches up begins anew",
        plant=who_catches_up_begins_anew,
        found_by="i3",
        faults=frozenset({Fault.LOST_WRITES, Fault.CRASH, Fault.LOSS, Fault.DELAY}),
    ),
    Planted(name="forks go unnoticed", plant=forks_go_unnoticed, found_by="a_fork", adversary="fork"),
    Planted(name="proof of a fork unchecked", plant=proof_of_a_fork_unchecked, found_by="a_fork", adversary="frame"),
    Planted(
        name="block of another history accepted",
        plant=block_of_another_history_accepted,
        found_by="i1_no_fork",
        adversary="fork",
    ),
    Planted(name="goes on after a fork", plant=goes_on_after_a_fork, found_by="nothing_rests", adversary="fork"),
    Planted(
        name="answer to an earlier run taken",
        plant=answer_to_an_earlier_run_taken,
        found_by="i3",
        faults=frozenset({Fault.LOST_WRITES, Fault.CRASH, Fault.DELAY}),
    ),
)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_the_planted_bug_is_found(
    planted: Planted,
    monkeypatch: MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    caplog.set_level(logging.CRITICAL, logger="comitia")
    planted.plant(monkeypatch)
    adversaries = (planted.adversary,) if planted.adversary else ()
    setting = Setting(
        providers=planted.providers, faults=planted.faults, points=planted.points, adversaries=adversaries
    )
    for number, outcome in enumerate(run(range(WITHIN), setting), start=1):
        found = [text for text in outcome.violations if text.startswith(planted.found_by)]
        if found:
            record_property("seeds", number)
            sys.stdout.write(f"{planted.name}: found after {number} seeds: {found[0]}\n")
            return
    pytest.fail(f"{planted.name} was not found in {WITHIN} seeds")
