"""What happened in a run: always as one hash, and as lines where somebody wants to read them."""

from __future__ import annotations

import hashlib

from comitia.core.ids import NodeId
from comitia.roles.messages import (
    Artefact,
    AskArtefact,
    AskModel,
    AskReveal,
    Blocks,
    Deliver,
    Follow,
    Forked,
    Message,
    References,
    Reveal,
    Submit,
    Submitted,
    Vote,
)


class Trace:
    """Lines of text under one hash; equal runs have equal hashes on every machine.

    Parameters
    ----------
    keep : whether the lines can be read afterwards.
    """

    def __init__(self, *, keep: bool) -> None:
        self._running = hashlib.sha256()
        self._keep = keep
        self.lines: list[str] = []

    def note(self, at_ms: int, text: str) -> None:
        line = f"{at_ms:>7} ms  {text}"
        self._running.update(line.encode() + b"\n")
        if self._keep:
            self.lines.append(line)

    @property
    def hash(self) -> str:
        return self._running.hexdigest()


def describe(message: Message, names: dict[NodeId, str]) -> str:
    """A message in words, without anything that differs from machine to machine."""
    match message:
        case Submit(transaction=data):
            return f"submit of {len(data)} bytes"
        case Submitted(code=code):
            return f"refusal ({code})" if code else "acceptance"
        case Follow(height=height):
            return f"follow from block {height}"
        case Blocks(blocks=blocks, head=head):
            return f"{len(blocks)} blocks, head {head}"
        case Reveal(author=author):
            return f"reveal of {names.get(author, author)}'s release"
        case References(keeper=keeper):
            return f"references of {names.get(keeper, keeper)}"
        case AskReveal(authors=authors, keepers=keepers):
            return f"question for what {', '.join(names.get(a, a) for a in (*authors, *keepers))} opened"
        case Vote(block=block):
            return f"vote for {block.hex()[:8]}"
        case Deliver(session=session):
            return f"model of session {session.hex()[:8]}"
        case AskModel(session=session):
            return f"question for the model of {session.hex()[:8]}"
        case Forked(proof=proof):
            return f"proof of two blocks {proof.height}"
        case AskArtefact() | Artefact():
            return "codebook"
        case _:
            return type(message).__name__
