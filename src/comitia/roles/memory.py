"""What a member must still know after a crash: everything that it may have shown to others."""

from __future__ import annotations

from dataclasses import dataclass

from comitia.consensus.quality import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A member's durable part of a session; each field, once set, never changes.

    answer : its consent, None before it was given.
    reason : why not.
    release, nonce, rows : its own release and what it committed to; empty before training.
    epsilon_micro : what the release cost, millionths; 0 for one that was served before.
    revealed : whether it may have opened its commitment to anybody; set before the first bytes leave.
    scores : the scores that it posted, None before that.
    """

    answer: bool | None = None
    reason: str = ""
    release: bytes = b""
    nonce: bytes = b""
    rows: int = 0
    epsilon_micro: int = 0
    revealed: bool = False
    scores: tuple[Score, ...] | None = None
