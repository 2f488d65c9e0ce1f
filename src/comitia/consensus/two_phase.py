"""A plain two-phase vote, kept as a baseline: agreement on the order of what came, and nothing on its quality.

A leader by lot proposes what it has received; members vote to prepare, then to commit, each time a quorum is needed.
A leader that is silent costs a round, then the next in line proposes.
"""

from __future__ import annotations

from dataclasses import dataclass

from comitia.consensus.committee import lot, quorum
from comitia.consensus.rounds import Entry, Member, Outcome, Seat, Sending, opened, signed
from comitia.core.codec import digest, encode
from comitia.core.ids import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The entries that the leader has received, by author."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A vote for the proposal with this digest."""

    proposal: bytes


class TwoPhaseVote:
    """Prepare and commit, each by a quorum of `committee.quorum`."""

    name = "two-phase vote"

    def member(self, seat: Seat) -> Member:
        received = opened(seat, (yield (signed(seat, "entry", seat.entry),)), "entry", Entry)
        entries = dict(sorted({**received, seat.node: seat.entry}.items()))
        needed = quorum(len(seat.members))
        for leader in sorted(seat.members, key=lambda node: lot(seat.session, node)):
            own = Proposal(entries=tuple(entries.values())) if leader == seat.node else None
            proposed = opened(seat, (yield _said(seat, "propose", own)), "propose", Proposal)
            proposal = own or proposed.get(leader)
            voice = Voice(proposal=digest(encode(proposal))) if proposal else None
            for phase in ("prepare", "commit"):
                voices = opened(seat, (yield _said(seat, phase, voice)), phase, Voice)
                agreed = sum(heard == voice for heard in voices.values()) + 1
                voice = voice if agreed >= needed else None
            if proposal is not None and voice is not None:
                return Outcome(leader=leader, accepted=_authors(proposal))
        return Outcome(leader=None, reason="no leader has found a quorum")


def _said(seat: Seat, kind: str, body: Proposal | Voice | None) -> tuple[Sending, ...]:
    return () if body is None else (signed(seat, kind, body),)


def _authors(proposal: Proposal) -> tuple[NodeId, ...]:
    return tuple(entry.author for entry in proposal.entries)
