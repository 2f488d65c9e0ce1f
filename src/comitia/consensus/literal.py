"""Proof of Training Quality as the paper prints it, kept as a baseline: what our protocol repairs, to be measured.

Members hand their models on one after the other, each with the MAE that it reports of itself; Eq. (7) is taken
as printed, so the lowest leads although gamma grows with the contribution; and the block needs everybody's approval.

Cf. III.D.2
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from comitia.consensus.ranking import weighted_mae
from comitia.consensus.rounds import Entry, Member, Outcome, Seat, Sending, opened, signed
from comitia.core.codec import digest, encode
from comitia.core.ids import NodeId

PRINTED = -1
"""The exponent of the contribution with which the generalised Eq. (7) is the printed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """B_k: the entries of all members, and who leads."""

    leader: NodeId
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A member's yes to the block with this digest."""

    block: bytes


class LiteralPoq:
    """Unanimous, sequential, self-reported."""

    name = "literal PoQ"

    def member(self, seat: Seat) -> Member:
        """One committee node's part. Cf. III.D.2."""
        entries: dict[NodeId, Entry] = {}
        for turn in seat.members:
            mine = (signed(seat, "model", seat.entry),) if turn == seat.node else ()
            entries |= opened(seat, (yield mine), "model", Entry)
            entries |= {seat.node: seat.entry} if turn == seat.node else {}
            if turn not in entries:
                return Outcome(leader=None, reason=f"{turn} hands no model on")
        block = Block(leader=printed_leader(entries), entries=tuple(entries[node] for node in seat.members))
        proposal = (signed(seat, "block", block),) if block.leader == seat.node else ()
        proposed = opened(seat, (yield proposal), "block", Block)
        if block.leader != seat.node and proposed.get(block.leader) != block:
            return Outcome(leader=None, reason="the leader sends no block")
        approval = Approval(block=digest(encode(block)))
        vote = () if block.leader == seat.node else (signed(seat, "approve", approval, to=block.leader),)
        inbox = yield vote
        final: tuple[Sending, ...] = ()
        if block.leader == seat.node:
            approvals = opened(seat, inbox, "approve", Approval)
            if sum(given == approval for given in approvals.values()) < len(seat.members) - 1:
                yield ()
                return Outcome(leader=None, reason="not every member has approved")
            final = (signed(seat, "final", approval),)
        sealed = opened(seat, (yield final), "final", Approval)
        if block.leader != seat.node and sealed.get(block.leader) != approval:
            return Outcome(leader=None, reason="the leader does not end the vote")
        return Outcome(leader=block.leader, accepted=seat.members)


def printed_leader(entries: dict[NodeId, Entry]) -> NodeId:
    """Who has the lowest MAE^u of Eq. (7) as printed; the smallest id among equals, since the paper names no rule."""
    losses = {node: entry.mae_ppm for node, entry in entries.items()}
    weighted: dict[NodeId, Fraction] = weighted_mae(losses, {n: e.rows for n, e in entries.items()}, PRINTED)
    return min(weighted, key=lambda node: (weighted[node], node))
