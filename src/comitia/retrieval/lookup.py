"""Who holds documents of a leaf: one question, several ways to find out, the same answers.

A lookup does no I/O. Its driver asks whom `ask` names, all at once, reports to it what each answered or that it was
silent, and goes on until `ask` names nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.retrieval.index import Index
from comitia.retrieval.profile import BANDS_PPM
from comitia.retrieval.table import Find, Found
from comitia.retrieval.trie import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for.

    codebook : digest of the codebook that `leaf` is from.
    leaf : number of the leaf.
    most : how many providers are enough, the best fitting; None for all.
    """

    codebook: bytes
    leaf: int
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Ask a participant whether it is there.

    nonce : 16 bytes that the answer repeats, so that no earlier answer passes for it.
    """

    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The answer to `Probe`.

    nonce : of the probe.
    """

    nonce: bytes


Question = Find | Probe
Reply = Found | Alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Send a question to a node."""

    to: NodeId
    question: Question


class Lookup(Protocol):
    """A lookup under way."""

    def ask(self) -> tuple[Ask, ...]:
        """Whom to ask in the next round; nobody when it has ended."""

    def heard(self, ask: Ask, reply: Reply) -> None:
        """Take in an answer. ProtocolError, if it is forged: it is then counted as no answer."""

    def silent(self, ask: Ask) -> None:
        """Take in that no answer came."""

    @property
    def answer(self) -> tuple[NodeId, ...]:
        """Who was found, the best fitting first."""

    @property
    def complete(self) -> bool:
        """Whether that is everyone the query asks for."""


class IndexLookup:
    """The answer of a super node's index: nobody needs to be asked.

    Parameters
    ----------
    query : Query
    index : Index
        Of the ledger's records.
    """

    def __init__(self, query: Query, index: Index) -> None:
        self._answer = index.lookup(query.codebook, query.leaf, query.most)

    def ask(self) -> tuple[Ask, ...]:
        return ()

    def heard(self, ask: Ask, reply: Reply) -> None:
        raise AssertionError("nobody was asked")

    def silent(self, ask: Ask) -> None:
        raise AssertionError("nobody was asked")

    @property
    def answer(self) -> tuple[NodeId, ...]:
        return self._answer

    @property
    def complete(self) -> bool:
        return True


class HybridLookup:
    """The index finds, the overlay confirms who is there.

    Parameters
    ----------
    query : Query
    index : Index
        Of the ledger's records.
    nonce : callable
        Makes 16 bytes that nobody can foresee.
    """

    def __init__(self, query: Query, index: Index, nonce: Callable[[], bytes]) -> None:
        self._nonce = nonce
        self._most = query.most
        self._waiting = list(reversed(index.lookup(query.codebook, query.leaf, None)))
        self._asked: list[NodeId] = []
        self._alive: set[NodeId] = set()

    def ask(self) -> tuple[Ask, ...]:
        wanted = len(self._waiting) if self._most is None else self._most - len(self._alive)
        now = [self._waiting.pop() for _ in range(min(wanted, len(self._waiting)))]
        self._asked += now
        return tuple(Ask(to=node, question=Probe(nonce=self._nonce())) for node in now)

    def heard(self, ask: Ask, reply: Reply) -> None:
        if not isinstance(ask.question, Probe) or reply != Alive(nonce=ask.question.nonce):
            raise ProtocolError(f"{ask.to} answers another question", code="out-of-place", sender=ask.to)
        self._alive.add(ask.to)

    def silent(self, ask: Ask) -> None:
        pass

    @property
    def answer(self) -> tuple[NodeId, ...]:
        return tuple(node for node in self._asked if node in self._alive)

    @property
    def complete(self) -> bool:
        return not self._waiting or len(self._alive) == self._most


def require_codebook(query: Query, codebook: bytes, leaves: int) -> None:
    """Refuse a query about another codebook, or a leaf that it does not have.

    Raises
    ------
    ProtocolError
        Codes ``unknown-codebook``, ``unknown-leaf``.
    """
    if query.codebook != codebook:
        raise ProtocolError(
            f"the query is about codebook {query.codebook.hex()[:12]}, this epoch's ids follow {codebook.hex()[:12]}",
            code="unknown-codebook",
            hint="ask by the newest codebook on the ledger; its providers have registered again",
            codebook=query.codebook,
        )
    if not 0 <= query.leaf < leaves:
        raise ProtocolError(
            f"the codebook has leaves 0 to {leaves - 1}, not {query.leaf}", code="unknown-leaf", leaf=query.leaf
        )


def best_first(members: Iterable[Member]) -> tuple[NodeId, ...]:
    """Nodes in the order in which the index lists them: by band, share, id."""
    return tuple(member.node for member in sorted(members, key=_order))


def _order(member: Member) -> tuple[int, int, NodeId]:
    band = next((band for band, least in enumerate(BANDS_PPM) if member.share_ppm >= least), len(BANDS_PPM))
    return band, -member.share_ppm, member.node
