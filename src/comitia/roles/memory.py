"""What a member must still know after a crash: everything that it may have shown to others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from comitia.consensus.score_sheet import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A release of a round that is over, and the nonce that opens its commitment."""

    round: int
    release: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A member's durable part of a session; each field, once set, never changes within a round.

    answer : its consent, None before it was given.
    reason : why not.
    round : the round that release, nonce, rows and scores are of.
    shown : releases and nonces of rounds before, by round.
    release, nonce, rows : its own release and what it committed to; empty before training.
    epsilon_micro : what the release cost, millionths; 0 for one that was served before.
    revealed : whether it may have opened its commitment to anybody; set before the first bytes leave.
    scores : the scores that it posted, None before that.
    """

    answer: bool | None = None
    reason: str = ""
    round: int = 1
    shown: tuple[Shown, ...] = ()
    release: bytes = b""
    nonce: bytes = b""
    rows: int = 0
    epsilon_micro: int = 0
    revealed: bool = False
    scores: tuple[Score, ...] | None = None

    def in_round(self, number: int) -> Memory:
        """The memory of a member that has come to a later round; the same for the current one or one before."""
        if number <= self.round:
            return self
        own = (Shown(round=self.round, release=self.release, nonce=self.nonce),) if self.release else ()
        return replace(
            self, round=number, shown=self.shown + own, release=b"", nonce=b"", rows=0, epsilon_micro=0, scores=None
        )

    def own(self, number: int) -> Shown | None:
        """The own release of a round; None where there is none."""
        if number == self.round and self.release:
            return Shown(round=number, release=self.release, nonce=self.nonce)
        return next((shown for shown in self.shown if shown.round == number), None)
