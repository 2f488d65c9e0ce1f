"""Proof of work in a committee, the paper's first proposal: who finds the nonce first writes the block.

Cf. III.C step 7
"""

from __future__ import annotations

from dataclasses import dataclass, field

from comitia.consensus import pow as work
from comitia.consensus.committee import lot
from comitia.consensus.rounds import Entry, Member, Outcome, Seat, opened, signed
from comitia.core.codec import encode
from comitia.core.ids import NodeId

HASHES_A_ROUND = 1 << 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """A block with its nonce."""

    entries: tuple[Entry, ...]
    nonce: int


@dataclass(slots=True)
class ProofOfWork:
    """All members compete.

    Attributes
    ----------
    difficulty : zero bits that a hash must begin with.
    hashes : how many were computed so far, by all members together.
    """

    difficulty: int
    hashes: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        return f"PoW {self.difficulty} bits"

    def member(self, seat: Seat) -> Member:
        received = opened(seat, (yield (signed(seat, "entry", seat.entry),)), "entry", Entry)
        entries = tuple(dict(sorted({**received, seat.node: seat.entry}.items())).values())
        start, found = 0, None
        while True:
            found = work.search(_content(seat.node, entries), self.difficulty, start=start, limit=HASHES_A_ROUND)
            self.hashes += found.hashes if found else HASHES_A_ROUND
            start += HASHES_A_ROUND
            mined = Mined(entries=entries, nonce=found.nonce) if found else None
            inbox = yield () if mined is None else (signed(seat, "mined", mined),)
            blocks = opened(seat, inbox, "mined", Mined)
            valid = {n: b for n, b in blocks.items() if work.verify(_content(n, b.entries), self.difficulty, b.nonce)}
            valid |= {} if mined is None else {seat.node: mined}
            if valid:
                winner = min(valid, key=lambda node: lot(seat.session, node))
                return Outcome(leader=winner, accepted=tuple(entry.author for entry in valid[winner].entries))


def _content(author: NodeId, entries: tuple[Entry, ...]) -> bytes:
    return encode([author, entries])
