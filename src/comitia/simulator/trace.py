"""What happened in a run: always as one hash, and as lines where somebody wants to read them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

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
        self._running.update(f"{line}\n".encode())
        if self._keep:
            self.lines.append(line)

    @property
    def hash(self) -> str:
        return self._running.hexdigest()


Names = dict[NodeId, str]


def describe(message: Message, names: Names) -> str:
    """A message in words, without anything that differs from machine to machine."""
    kind = type(message)
    words = _WORDS.get(kind)
    return kind.__name__ if words is None else words(message, names)


def _asked_for(message: AskReveal, names: Names) -> str:
    return f"question for what {', '.join(names.get(a, a) for a in (*message.authors, *message.keepers))} opened"


_WORDS: Final[dict[type, Callable[[Any, Names], str]]] = {
    Submit: lambda message, names: f"submit of {len(message.transaction)} bytes",
    Submitted: lambda message, names: f"refusal ({message.code})" if message.code else "acceptance",
    Follow: lambda message, names: f"follow from block {message.height}",
    Blocks: lambda message, names: f"{len(message.blocks)} blocks, head {message.head}",
    Reveal: lambda message, names: f"reveal of {names.get(message.author, message.author)}'s release",
    References: lambda message, names: f"references of {names.get(message.keeper, message.keeper)}",
    AskReveal: _asked_for,
    Vote: lambda message, names: f"vote for {message.block.hex()[:8]}",
    Deliver: lambda message, names: f"model of session {message.session.hex()[:8]}",
    AskModel: lambda message, names: f"question for the model of {message.session.hex()[:8]}",
    Forked: lambda message, names: f"proof of two blocks {message.proof.height}",
    AskArtefact: lambda message, names: "codebook",
    Artefact: lambda message, names: "codebook",
}
"""How messages are told; others by the name of their kind."""
