"""A node among others: what it answers, whom it counts as silent, whom it watches."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.driver.neighbour import PATIENCE_MS, WATCH_MS, Neighbour
from comitia.retrieval.index import Index
from comitia.retrieval.lookup import Alive, Ask, HybridLookup, Probe, Query, Reply
from comitia.retrieval.profile import RetrievalRecord
from comitia.retrieval.table import Find, Found
from comitia.roles.messages import AskLater, Message, Received

BOOK = bytes(32)
A, B, STRANGER = (NodeId(letter * 32) for letter in "abf")


def record(node: NodeId) -> RetrievalRecord:
    return RetrievalRecord(provider=node, codebook=BOOK, epsilon_micro=10**6, histogram=(100, 0, 0))


@dataclass
class Stand:
    """As much of a node as a neighbour needs; A and B are members with profiles, and no codebook is here."""

    sent: list[tuple[NodeId, Message]] = field(default_factory=list)
    clock: int = 0

    node = NodeId("0" * 32)
    application = SimpleNamespace(
        member=lambda node: node if node in (A, B) else None,
        profiles=lambda: (record(A), record(B)),
        profiles_before=lambda _: (),
        epoch=0,
        codebooks=lambda: (),
    )

    def now_ms(self) -> int:
        return self.clock

    def draw(self, count: int) -> bytes:
        return bytes(range(count))

    def send(self, to: NodeId, session: bytes, message: Message) -> None:
        self.sent.append((to, message))


def find(target: str) -> Find:
    return Find(place=b"p" * 32, target=target, nonce=b"n" * 16)


def neighbour(*, watching: bool = False) -> tuple[Neighbour, Stand]:
    stand: Any = Stand()
    return Neighbour(stand, watching=watching), stand


def received(message: Message, sender: NodeId = A, *, registered: bool = True) -> Received:
    return Received(sender=sender, registered=registered, session=b"", message=message)


def test_members_are_answered_and_strangers_are_not() -> None:
    part, stand = neighbour()
    part.on_message(received(Probe(nonce=b"n" * 16)))
    part.on_message(received(Probe(nonce=b"n" * 16), STRANGER, registered=False))
    assert stand.sent == [(A, Alive(nonce=b"n" * 16))]


@pytest.mark.parametrize(
    "message",
    [Probe(nonce=b""), Probe(nonce=b"n" * 500), Find(place=b"p" * 32, target="0"), find("02"), find("0" * 257)],
)
def test_questions_that_cannot_be(message: Message) -> None:
    part, stand = neighbour()
    with pytest.raises(ProtocolError):
        part.on_message(received(message))
    assert stand.sent == []


def test_without_a_codebook_there_is_no_answer_yet() -> None:
    part, stand = neighbour()
    part.on_message(received(find("0")))
    assert stand.sent == []


def test_whoever_does_not_answer_in_time_is_silent_and_a_late_answer_changes_nothing() -> None:
    part, stand = neighbour()
    index = Index()
    for node in (A, B, STRANGER):
        index.add(record(node))
    lookup = HybridLookup(Query(codebook=BOOK, leaf=0), index, lambda: b"n" * 16)
    ended: list[bool] = []
    part.look_up(lookup, lambda: ended.append(lookup.complete))
    assert [to for to, _ in stand.sent] == [A, B]
    part.on_message(received(Alive(nonce=b"n" * 16), A))
    part.on_message(received(Alive(nonce=b"o" * 16), B))
    part.on_heartbeat()
    assert not ended
    stand.clock = PATIENCE_MS
    part.on_heartbeat()
    part.on_message(received(Alive(nonce=b"n" * 16), B))
    assert ended == [True]
    assert lookup.answer == (A,)


class OneQuestion:
    """A lookup that asks A one thing."""

    def __init__(self) -> None:
        self.answers: list[Reply] = []
        self.asked = False

    def ask(self) -> tuple[Ask, ...]:
        if self.asked:
            return ()
        self.asked = True
        return (Ask(to=A, question=Find(place=b"p" * 32, target="0")),)

    def heard(self, ask: Ask, reply: Reply) -> None:
        self.answers.append(reply)

    def silent(self, ask: Ask) -> None:
        raise AssertionError("it was answered")

    answer: tuple[NodeId, ...] = ()
    complete = True


def test_an_answer_is_taken_once_and_only_to_the_question_it_repeats() -> None:
    part, stand = neighbour()
    lookup = OneQuestion()
    ended: list[bool] = []
    part.look_up(lookup, lambda: ended.append(True))
    ((_, question),) = stand.sent
    assert isinstance(question, Find)
    answer = Found(bucket=None, contacts=b"", nonce=question.nonce)
    for stale in (Found(bucket=None, contacts=b""), Found(bucket=None, contacts=b"", nonce=b"o" * 16)):
        part.on_message(received(stale, A))
    part.on_message(received(answer, B))
    assert not ended
    part.on_message(received(answer, A))
    part.on_message(received(answer, A))
    assert (lookup.answers, ended) == ([answer], [True])


def test_one_probe_at_a_time_whatever_happens(caplog: pytest.LogCaptureFixture) -> None:
    part, stand = neighbour(watching=True)
    caplog.set_level(logging.WARNING)
    for step in range(1, 9):
        stand.clock = step * WATCH_MS
        part.on_heartbeat()
        part.on_heartbeat()
        assert len(stand.sent) == step
        to, probe = stand.sent[-1]
        assert isinstance(probe, Probe)
        if to == A:
            part.on_message(received(Alive(nonce=probe.nonce), A))
    assert [r.getMessage() for r in caplog.records] == [f"provider {B} does not answer"]


def test_a_busy_node_is_asked_again_when_it_says_and_once() -> None:
    part, stand = neighbour()
    index = Index()
    for node in (A, B):
        index.add(record(node))
    lookup = HybridLookup(Query(codebook=BOOK, leaf=0), index, lambda: b"n" * 16)
    ended: list[bool] = []
    part.look_up(lookup, lambda: ended.append(lookup.complete))
    part.on_message(received(Alive(nonce=b"n" * 16), B))
    stand.sent.clear()
    for sender in (A, B, STRANGER):
        part.on_message(received(AskLater(wait_ms=1_000), sender))
    stand.clock = 999
    part.on_heartbeat()
    assert stand.sent == []
    stand.clock = 1_000
    part.on_heartbeat()
    assert stand.sent == [(A, Probe(nonce=b"n" * 16))]
    part.on_message(received(AskLater(wait_ms=1_000), A))
    stand.clock = 999 + PATIENCE_MS  # its patience begins anew when it is asked again
    part.on_heartbeat()
    assert len(stand.sent) == 1 and not ended
    stand.clock = 1_000 + PATIENCE_MS
    part.on_heartbeat()
    assert (ended, lookup.answer) == ([True], (B,))
