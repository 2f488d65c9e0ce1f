"""What years do to a consortium of real processes: a codebook rots at the super node, a member asks without end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from plants import documents, wait_for

from comitia.app.local import LocalConsortium, await_ready
from comitia.app.node.client import Client
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.driver.quota import QUESTIONS_A_SECOND, QUESTIONS_AT_ONCE
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.retrieval.lookup import Alive, Probe
from comitia.roles.messages import AskLater, Message, Received
from comitia.storage.folder import NodeFolder
from comitia.text.codebook import Codebook

pytestmark = pytest.mark.e2e


def test_a_codebook_that_rots_at_a_running_super_node_comes_back_from_a_member(
    own: LocalConsortium, codebook: Codebook
) -> None:
    file = own.consortium.super_node.path / "node.artefacts" / f"{codebook.digest.hex()}.artefact"
    (own.consortium.path / "codebook.comitia").unlink()  # it could be taken from there
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    newcomer = own.add_provider("plant-4", documents(4))
    own.start_node(newcomer)
    await_ready(newcomer)
    assert file.read_bytes() == codebook.to_bytes()
    log = (own.consortium.super_node.path / "node.log").read_text(encoding="utf-8")
    assert log.count("is damaged or gone here") == 1
    assert "is here again" in log


class Asking:
    """The part of a node that asks too much, and hears what comes back."""

    def __init__(self, client: Client, to: NodeId) -> None:
        self._client = client
        self._to = to
        self.heard: list[Message] = []

    def ask(self, numbers: range) -> None:
        """Put so many questions on the wire at once."""

        def send() -> None:
            for number in numbers:
                self._client.daemon.send(self._to, b"", Probe(nonce=number.to_bytes(16, "big")))

        self._client.daemon.call(send)

    def is_answered(self, number: int) -> bool:
        """Ask once more, and look whether that was answered before."""
        self.ask(range(number, number + 1))
        return Alive(nonce=number.to_bytes(16, "big")) in self.heard

    def count(self, kind: type[Message]) -> int:
        return sum(isinstance(message, kind) for message in self.heard)

    def on_message(self, received: Received) -> None:
        if received.sender == self._to:
            self.heard.append(received.message)

    def on_block(self, block: Block, applied: Applied) -> None: ...

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None: ...

    def on_wake(self, session: SessionId) -> None: ...

    def on_heartbeat(self) -> None: ...

    def on_store_changed(self) -> None: ...


def test_a_member_that_asks_without_end_is_told_to_ask_later_and_answered_then(local: LocalConsortium) -> None:
    provider = NodeFolder(local.providers[0].folder)
    with Client(local.requester) as client:
        asking = Asking(client, provider.load_keys().node)
        client.daemon.call(lambda: client.daemon.add(asking))
        began = time.monotonic()
        many = 8 * QUESTIONS_AT_ONCE
        asking.ask(range(many))
        wait_for(lambda: asking.count(AskLater) > 0 and asking.count(Alive) >= QUESTIONS_AT_ONCE)
        answered = asking.count(Alive)
        gained = (time.monotonic() - began) * QUESTIONS_A_SECOND
        assert answered <= QUESTIONS_AT_ONCE + gained + 1
        assert asking.count(AskLater) <= 1 + time.monotonic() - began
        wait_for(lambda: asking.is_answered(many))
    log = Path(local.providers[0].folder / "node.log").read_text(encoding="utf-8")
    assert log.count("asks more than") == 1
