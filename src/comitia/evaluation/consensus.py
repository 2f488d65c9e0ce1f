"""What it costs a committee to come to one block, and what becomes of it where a member does not play by the rules.

Proof of Training Quality is the real thing: roles, ledger rules, sealed messages. The baselines of `consensus` run in
rounds. Nobody trains and no model travels in either: what is measured is the agreement. Members run one after the other
in this process; the time that a committee would take is that of the slowest member of each round, added up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Final

from comitia.consensus.committee import quorum
from comitia.consensus.literal import LiteralPoq
from comitia.consensus.mining import ProofOfWork
from comitia.consensus.rounds import Baseline, Entry, Member, Outcome, Seat
from comitia.consensus.two_phase import TwoPhaseVote
from comitia.core.codec import digest
from comitia.core.crypto import SigningKey, forget_signatures, verify
from comitia.core.ids import NodeId, node_id
from comitia.evaluation.poq_session import HONEST_LOSS_PPM, ROWS, PoqSession

LIAR_LOSS_PPM: Final = 300_000
LIE: Final = 100
"""By how much a liar multiplies its rows; where the formula punishes size, it divides."""

ROUNDS_AT_MOST: Final = 1 << 20
TIMED: Final = 200


class Conduct(StrEnum):
    """What one member of the committee does."""

    HONEST = "honest"
    SILENT = "silent"
    ROWS_LIAR = "liar about rows"
    COPIER = "copier"


@dataclass(slots=True)
class Cost:
    """What one block cost, all members together.

    Attributes
    ----------
    protocol, providers, conduct : what was run.
    sealed : whether there is a block.
    reason : why not.
    misled : whether the odd member got what it wanted: the lead by its lie, or credit for what it copied.
    cpu_s : CPU time of all members and the super node.
    wall_s : CPU time of the slowest member of each round, added up: they run side by side, on a network without delay.
    waits : rounds that only end because time is up.
    messages, sent_bytes : from one member to one other.
    hashes : computed in search of a nonce, by all members; how many is luck, 2**bits are to be expected.
    vote_crypto_ms : CPU of signatures on the block: made, and checked by everyone who has to.
    """

    protocol: str
    providers: int
    conduct: Conduct
    sealed: bool = False
    reason: str = ""
    misled: bool = False
    cpu_s: float = 0.0
    wall_s: float = 0.0
    waits: int = 0
    messages: int = 0
    sent_bytes: int = 0
    hashes: int = 0
    vote_crypto_ms: float = 0.0


def baselines(bits: Sequence[int]) -> tuple[Baseline, ...]:
    """Everything that is compared with Proof of Training Quality."""
    return (LiteralPoq(), TwoPhaseVote(), *(ProofOfWork(difficulty=difficulty) for difficulty in bits))


def run_poq(providers: int, conduct: Conduct) -> Cost:
    """One session of our own protocol; a super node orders, and votes as witness."""
    session = PoqSession(providers)
    odd = session.providers[-1]
    if conduct is Conduct.SILENT:
        session.silent.add(odd)
    elif conduct is Conduct.ROWS_LIAR:
        session.rows[odd] = ROWS * LIE
        session.losses_ppm[odd] = LIAR_LOSS_PPM
    elif conduct is Conduct.COPIER:
        session.copiers.add(odd)
    end = session.run()
    judged = end.judgement
    leads = judged is not None and judged.ranking[0] == odd
    credited = end.block is not None and odd in end.block.accepted
    votes = VoteCost.of(members=len(end.members), needed=end.quorum, checking=providers + 2)
    return Cost(
        protocol="PoQ",
        providers=providers,
        conduct=conduct,
        sealed=end.block is not None,
        reason=end.abort_reason,
        misled=(conduct is Conduct.ROWS_LIAR and leads) or (conduct is Conduct.COPIER and credited),
        cpu_s=session.cpu_s,
        wall_s=session.wall_s,
        waits=session.waits,
        messages=session.messages,
        sent_bytes=session.sent_bytes,
        vote_crypto_ms=votes.milliseconds,
    )


def run_baseline(baseline: Baseline, providers: int, conduct: Conduct) -> Cost:
    """One block by a baseline."""
    keys = [SigningKey.from_bytes(digest(b"baseline %d" % number)) for number in range(providers)]
    public = {node_id(key.public): key.public for key in keys}
    ordered = sorted(keys, key=lambda key: node_id(key.public))
    odd, victim = node_id(ordered[-1].public), node_id(ordered[0].public)
    cost = Cost(protocol=baseline.name, providers=providers, conduct=conduct)
    members: dict[NodeId, Member] = {}
    for key in ordered:
        node = node_id(key.public)
        entry = Entry(author=node, rows=ROWS, mae_ppm=HONEST_LOSS_PPM, model=digest(node.encode()))
        if node == odd:
            entry = _odd_entry(entry, conduct, victim, punished=isinstance(baseline, LiteralPoq))
        members[node] = baseline.member(Seat(key=key, keys=public, session=digest(b"session"), entry=entry))
    silent = {odd} if conduct is Conduct.SILENT else set()
    outcomes = _in_rounds(members, silent, cost)
    agreed = {(outcome.leader, outcome.accepted) for node, outcome in outcomes.items() if node not in silent}
    outcome = next(outcome for node, outcome in outcomes.items() if node not in silent)
    cost.sealed = len(agreed) == 1 and outcome.leader is not None
    cost.reason = outcome.reason
    cost.hashes = baseline.hashes if isinstance(baseline, ProofOfWork) else 0
    cost.misled = cost.sealed and (
        (conduct is Conduct.ROWS_LIAR and isinstance(baseline, LiteralPoq) and outcome.leader == odd)
        or (conduct is Conduct.COPIER and odd in outcome.accepted)
    )
    return cost


def _odd_entry(entry: Entry, conduct: Conduct, victim: NodeId, *, punished: bool) -> Entry:
    if conduct is Conduct.ROWS_LIAR:
        return replace(entry, mae_ppm=LIAR_LOSS_PPM, rows=ROWS // LIE if punished else ROWS * LIE)
    if conduct is Conduct.COPIER:
        return replace(entry, model=digest(victim.encode()))
    return entry


def _in_rounds(members: dict[NodeId, Member], silent: set[NodeId], cost: Cost) -> dict[NodeId, Outcome]:
    """Run all members in step; add up what it costs."""
    inboxes: dict[NodeId, tuple[bytes, ...]] = {node: () for node in members}
    outcomes: dict[NodeId, Outcome] = {}
    for number in range(ROUNDS_AT_MOST):
        if len(outcomes) == len(members):
            return outcomes
        posted: list[tuple[NodeId | None, NodeId, bytes]] = []
        slowest, speaking = 0.0, 0
        for node, member in members.items():
            if node in outcomes:
                continue
            forget_signatures()
            start = time.process_time()
            try:
                sendings = member.send(inboxes[node]) if number else next(member)
            except StopIteration as end:
                outcomes[node], sendings = end.value, ()
            took = time.process_time() - start
            if node in silent:
                speaking += bool(sendings)
                continue
            cost.cpu_s += took
            slowest = max(slowest, took)
            posted += [(sending.to, node, sending.data) for sending in sendings]
        cost.wall_s += slowest
        cost.waits += speaking
        inboxes = {node: tuple(_to(node, posted)) for node in members}
        _count(posted, len(members), cost)
    raise AssertionError(f"{cost.protocol} does not end")


def _to(node: NodeId, posted: Sequence[tuple[NodeId | None, NodeId, bytes]]) -> Iterator[bytes]:
    return (data for to, sender, data in posted if sender != node and to in (None, node))


def _count(posted: Sequence[tuple[NodeId | None, NodeId, bytes]], members: int, cost: Cost) -> None:
    for to, _, data in posted:
        copies = 1 if to else members - 1
        cost.messages += copies
        cost.sent_bytes += copies * len(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCost:
    """The signatures on one sealed block, by all who make or check one."""

    made: int
    checked: int

    @classmethod
    def of(cls, *, members: int, checking: int, needed: int = 0) -> VoteCost:
        """Every member signs, the leader checks the others' votes, and `checking` nodes the certificate's quorum."""
        return cls(made=members, checked=members - 1 + checking * (needed or quorum(members)))

    @property
    def milliseconds(self) -> float:
        """CPU time on this machine, from the cost of one signature and of one check measured now."""
        key = SigningKey.generate()
        signature = key.sign(b"")
        make = _timed(key.sign)
        # Answers are remembered, also to what was signed here; to refuse takes as long as to find that it holds.
        check = _timed(lambda block: verify(key.public, block, signature))
        return 1_000 * (self.made * make + self.checked * check)


def _timed(action: Callable[[bytes], object]) -> float:
    times = []
    for number in range(TIMED):
        block = digest(number.to_bytes(4, "big"))
        start = time.perf_counter()
        action(block)
        times.append(time.perf_counter() - start)
    return median(times)
