"""What a member, or anyone with a certificate, can send: it costs its sender more than who gets it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_world import EngineWorld
from world import CODEBOOK, LIBERAL, MODEL_SIZE, key, node

from comitia.app.node.daemon import INBOX_BYTES, Daemon
from comitia.core import crypto
from comitia.core.codec import digest, encode
from comitia.core.crypto import SealingKey
from comitia.core.envelope import VERSION, Envelope, Header
from comitia.core.errors import DamagedError, InputError, ProtocolError, RefusedError, UnavailableError
from comitia.core.ids import NodeId, key_id
from comitia.driver import quota
from comitia.driver.desk import BYTES_AT_ONCE, Desk
from comitia.driver.library import RETRY_MS, Library
from comitia.driver.node import COMPLAINTS, Node
from comitia.driver.quota import QUESTIONS_A_SECOND, QUESTIONS_AT_ONCE
from comitia.driver.requesting import Requesting
from comitia.engines import embedded
from comitia.ledger import authentication
from comitia.ledger.block import Block
from comitia.ledger.genesis import DAY_MS, Role
from comitia.ledger.transactions import (
    Consent,
    OpenRequest,
    Policy,
    PostScores,
    RegisterCodebook,
    SetPolicy,
    sign_transaction,
)
from comitia.retrieval.lookup import Probe
from comitia.roles.effects import Finish
from comitia.roles.messages import (
    MOST_ITEMS,
    PART_BYTES,
    Artefact,
    AskArtefact,
    AskLater,
    AskReveal,
    Blocks,
    Deliver,
    Follow,
    Message,
    Packet,
    PublicKeys,
    Received,
    Submit,
    Submitted,
    pack,
    unpack,
)
from comitia.storage.node import NodeStore
from comitia.text.codebook import Codebook
from comitia.transport.contract import MAX_PAYLOAD


class Wire:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[NodeId, bytes]] = []

    def send(self, to: NodeId, data: bytes) -> None:
        self.sent.append((to, data))

    def publish(self, topic: str, data: bytes) -> None:
        """Nobody follows."""


def keys(name: str) -> Any:
    sealing = SealingKey.from_bytes(digest(b"sealing" + name.encode()))
    return SimpleNamespace(node=node(name), signing=key(name), sealing=sealing)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    made = EngineWorld(tmp_path / "ledger.db")
    made.settle_in()
    yield made
    made.engine.close()


class Place:
    """A node that a test sends messages to, as they come off the wire."""

    def __init__(self, world: EngineWorld, name: str, path: Path) -> None:
        self.world, self.name, self.wire = world, name, Wire()
        self.node = Node(
            genesis=world.genesis,
            membership=world.membership(name, (Role.PROVIDER.value,)),
            keys=keys(name),
            engine=world.engine,
            store=NodeStore(path),
            wire=self.wire,
            clock=lambda: world.now_ms,
            draw=bytes,
        )

    def hear(self, sender: str, message: Message, session: bytes = b"") -> None:
        """Take a packet that `sender` signed, and sealed where it has to be."""
        mine = PublicKeys(signing=key(self.name).public, sealing=keys(self.name).sealing.public)
        data = pack(
            message,
            chain=self.world.genesis.chain,
            epoch=0,
            session=session,
            sender=node(sender),
            recipient=node(self.name),
            key=key(sender),
            recipient_keys=mine,
        )
        self.node.take(lambda: self.node.on_packet(data))

    def answers(self, name: str) -> list[Message]:
        """What it has sent to a node, and how; the wire forgets it all."""
        opened = self.told(name)
        self.wire.sent.clear()
        return opened

    def told(self, name: str) -> list[Message]:
        return [
            unpack(
                data,
                chain=self.world.genesis.chain,
                me=node(name),
                sealing=keys(name).sealing,
                keys_of=lambda _: None,
            ).message
            for to, data in self.wire.sent
            if to == node(name)
        ]


@pytest.fixture
def super_node(world: EngineWorld, tmp_path: Path) -> Iterator[Place]:
    place = Place(world, "super", tmp_path / "super.db")
    desk = Desk(place.node, None)  # type: ignore[arg-type]
    place.node.ordering = desk
    place.node.add(desk)
    yield place
    place.node.store.close()


@pytest.fixture
def asker(world: EngineWorld, tmp_path: Path) -> Iterator[Place]:
    place = Place(world, "asker", tmp_path / "asker.db")
    yield place
    place.node.store.close()


@pytest.mark.parametrize("height", [-1, -(2**63), -(2**1000), 2**1000])
def test_a_question_for_blocks_that_cannot_be_ends_nobody(height: int) -> None:
    """Below the first block the store has none: the super node ended with "there is no block 0"."""
    with pytest.raises(ValueError, match="no block has height"):
        Follow(height=height, nonce=bytes(16))


def test_a_forged_question_for_blocks_is_dropped(world: EngineWorld, super_node: Place) -> None:
    sound = encode(Follow(height=1, nonce=bytes(16)))
    forged = sound.replace(b"fheight\x01", b"fheight\x20")  # -1
    assert forged != sound
    with pytest.raises(ProtocolError):
        _unpacked(world, forged)


def _unpacked(world: EngineWorld, payload: bytes) -> Received:
    """A message whose payload its sender wrote by hand, and signed."""
    header = Header(
        version=VERSION,
        chain=world.genesis.chain,
        epoch=0,
        session=b"",
        stage="follow",
        sender=node("a"),
        key_id=key_id(key("a").public),
        type="follow",
        audience=node("super"),
    )
    body = Envelope.sign(header, payload, key("a")).to_bytes()
    packet = Packet(
        sender=node("a"),
        recipient=node("super"),
        key=key("a").public,
        session=b"",
        stage="follow",
        sealed=False,
        body=body,
    )
    return unpack(
        encode(packet),
        chain=world.genesis.chain,
        me=node("super"),
        sealing=keys("super").sealing,
        keys_of=lambda _: None,
    )


def test_blocks_are_sent_as_many_as_one_message_carries(world: EngineWorld, super_node: Place) -> None:
    """256 blocks of a busy hour are more than the transport takes, and the super node ended."""
    for _ in range(12):
        world.block(*(_large_policy(world, number) for number in range(20)))
    super_node.hear("a", Follow(height=world.height - 12, nonce=bytes(16)))
    (answer,) = super_node.answers("a")
    assert isinstance(answer, Blocks)
    size = sum(map(len, answer.blocks))
    assert BYTES_AT_ONCE <= size < MAX_PAYLOAD / 2
    assert len(answer.blocks) < 12
    assert answer.head == world.height


def _large_policy(world: EngineWorld, number: int) -> bytes:
    names = tuple(f"{number}-{position}-".ljust(200, "x") for position in range(140))
    policy = Policy(version=world.height * 100 + number, rules=(replace(LIBERAL, requesters=names),))
    return world.signed("a", SetPolicy(policy=policy))


def test_what_no_transport_takes_is_lost_and_no_more(super_node: Place, caplog: pytest.LogCaptureFixture) -> None:
    def too_large(to: NodeId, payload: bytes) -> None:
        raise InputError("A message is larger than nodes accept.", code="payload-too-large")

    super_node.wire.send = too_large  # type: ignore[method-assign]
    super_node.hear("a", Follow(height=0, nonce=bytes(16)))
    assert "payload-too-large" in caplog.text


def test_a_release_asked_for_twice_would_be_sent_twice() -> None:
    """3 MB of one member's name made a member seal its release a hundred thousand times, in memory."""
    with pytest.raises(ValueError, match="different members"):
        AskReveal(authors=(node("a"), node("a")))
    with pytest.raises(ValueError, match="different members"):
        AskReveal(authors=tuple(NodeId(f"{number:032x}") for number in range(129)))


def test_a_packet_of_nothing_but_empty_lists_is_refused_unread(world: EngineWorld) -> None:
    """Each byte of it would take sixty in memory, before anybody has looked at a signature."""
    bomb = b"\x9a" + (1 << 20).to_bytes(4, "big") + b"\x80" * (1 << 20)
    for data in (bomb, encode([bomb])):
        with pytest.raises(ProtocolError):
            unpack(data, chain=world.genesis.chain, me=node("a"), sealing=keys("a").sealing, keys_of=lambda _: None)
    for payload in (bomb, encode({"message": bomb, "head": None})):
        with pytest.raises(ProtocolError, match=f"more than {MOST_ITEMS} values"):
            _unpacked(world, payload)


def test_long_messages_are_not_kept_for_their_signatures() -> None:
    """Four thousand packets of some megabytes each, whatever stood under them, stayed in memory."""
    crypto._remembered.clear()
    crypto.verify(key("a").public, bytes(crypto.LONGEST_REMEMBERED + 1), bytes(64))
    assert not crypto._remembered
    assert not crypto.verify(key("a").public, b"short", bytes(1 << 20))


def test_what_waits_is_bounded_in_bytes(world: EngineWorld, tmp_path: Path) -> None:
    """Four thousand packets may wait, and each may have 32 MB."""
    daemon = Daemon(
        genesis=world.genesis,
        membership=world.membership("super", (Role.SUPER_NODE.value,)),
        keys=keys("super"),
        engine=world.engine,
        store=NodeStore(tmp_path / "super.db"),
        transport=Wire(),  # type: ignore[arg-type]
    )
    large = bytes(INBOX_BYTES // 4)
    for _ in range(9):
        daemon._packet_came(large)
    assert daemon.backlog == 4
    daemon._turn()
    daemon._packet_came(large)
    daemon._packet_came(large)
    assert daemon.backlog == 4
    daemon.store.close()


def test_transactions_read_and_waiting_are_bounded_in_bytes(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them need be signed by anybody to be read."""
    monkeypatch.setattr(authentication, "KEPT_BYTES", 100_000)
    monkeypatch.setattr(embedded, "QUEUE_BYTES", 100_000)
    for number in range(3):
        world.engine.submit(_large_policy(world, number), world.now_ms)
    assert world.application._authentication._read_bytes <= 100_000
    with pytest.raises(UnavailableError, match="transactions wait already"):
        world.engine.submit(_large_policy(world, 3), world.now_ms)
    assert world.engine.produce(world.now_ms) is not None
    world.engine.submit(_large_policy(world, 4), world.now_ms)


def test_thousands_of_bad_packets_do_not_fill_the_log(super_node: Place, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(COMPLAINTS + 30):
            super_node.node.take(lambda: super_node.node.on_packet(b"noise"))
        assert len(caplog.records) == COMPLAINTS
        super_node.node.ordering = None
        super_node.node.take(super_node.node.heartbeat)
        assert caplog.records[-1].getMessage() == "dropped 30 more"


def test_a_block_of_the_far_future_is_not_taken(world: EngineWorld, asker: Place) -> None:
    """One block dated a century ahead, by malice or a bad clock, and no follower's ledger takes another for as long."""
    block = world.engine.block(world.height)
    later = replace(block.header, height=world.height + 1, previous=block.header.digest)
    for days, taken in ((1, True), (3, False), (36_500, False)):
        header = replace(later, time_ms=world.now_ms + days * DAY_MS)
        signed = Block.sign(header, block.transactions, key("super"))
        with pytest.raises(ProtocolError) as caught:
            asker.node.on_block(signed.to_bytes())
        assert (caught.value.code == "from-the-future") is not taken
        told = Received(
            sender=node("b"), registered=True, session=b"", message=Probe(nonce=bytes(16)), head=signed.signed_header
        )
        asker.node.take(lambda told=told: asker.node.on_received(told))  # type: ignore[misc]
    assert not asker.node.is_forked
    assert not asker.node.histories._ahead


# --- requests ---------------------------------------------------------------------------------------------------


def _forged_request(world: EngineWorld, nonce: bytes = bytes(16)) -> bytes:
    """A request in the name of `asker`, signed by another."""
    body = OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=nonce)
    envelope = sign_transaction(body, chain=world.genesis.chain, epoch=0, sender=node("asker"), key=key("asker"))
    return replace(envelope, signature=bytes(64)).to_bytes()


def test_nothing_is_begun_for_a_request_that_is_not_its_authors(world: EngineWorld, super_node: Place) -> None:
    """Each forged one that the cache could answer made the super node sign a record of reuse, and stayed with it."""
    sealed = world.run(world.open())
    desk = super_node.node.ordering
    assert isinstance(desk, Desk)
    super_node.node.store.keep_artefact(sealed.block.model, b"model")  # type: ignore[union-attr]
    desk._hold(sealed.id)
    super_node.hear("b", Submit(transaction=_forged_request(world, b"f" * 16)))
    assert [answer.code for answer in super_node.answers("b") if isinstance(answer, Submitted)] == ["bad-signature"]
    assert not desk._state.hits
    assert world.engine.waiting == 0


def test_a_record_that_the_ledger_refuses_leaves_the_request_to_be_judged_anew(
    world: EngineWorld, super_node: Place
) -> None:
    """A contributor's policy changed in the very block: the request was never answered."""
    sealed = world.run(world.open())
    desk = super_node.node.ordering
    assert isinstance(desk, Desk)
    super_node.node.store.keep_artefact(sealed.block.model, b"model")  # type: ignore[union-attr]
    desk._hold(sealed.id)
    closing = world.signed("a", SetPolicy(policy=Policy(version=99)))
    request = world.signed("asker", OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=b"r" * 16))
    super_node.hear("a", Submit(transaction=closing))
    super_node.hear("asker", Submit(transaction=request))
    assert desk._state.hits
    super_node.node.take(desk.make_block)
    assert not desk._state.hits
    super_node.hear("asker", Submit(transaction=request))
    assert world.engine.waiting == 1
    super_node.node.take(desk.make_block)
    assert any(session.is_open for session in world.application.sessions())


def test_a_member_writes_so_much_in_an_epoch(
    world: EngineWorld, super_node: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What excludes each other passes the check and stands in the block: only one of these policies has an effect."""
    monkeypatch.setattr(quota, "MOST_BYTES", 50_000)
    desk = super_node.node.ordering
    assert isinstance(desk, Desk)
    for number in range(4):
        super_node.hear("a", Submit(transaction=_large_policy(world, number)))
    assert world.engine.waiting == 2
    codes = [answer.code for answer in super_node.answers("a") if isinstance(answer, Submitted)]
    assert codes == ["over-quota"] * 2
    unsigned = replace(Envelope.from_bytes(_large_policy(world, 5)), signature=bytes(64)).to_bytes()
    for _ in range(3):
        super_node.hear("b", Submit(transaction=unsigned.replace(node("a").encode(), node("b").encode())))
    super_node.hear("b", Submit(transaction=world.signed("b", SetPolicy(policy=Policy(version=9)))))
    assert world.engine.waiting == 3, "nobody writes at another's cost"
    world.now_ms += world.genesis.parameters.epoch_ms
    super_node.node.take(desk.make_block)
    super_node.hear("a", Submit(transaction=world.signed("a", SetPolicy(policy=Policy(version=10**6)))))
    assert world.engine.waiting == 1


def test_a_restart_gives_nobody_a_fresh_quota(
    world: EngineWorld, super_node: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is on the ledger: transactions with and without effect, and requests answered from the cache."""
    sealed = world.run(world.open())
    world.now_ms += world.genesis.parameters.epoch_ms // 2
    super_node.node.store.keep_artefact(sealed.block.model, b"model")  # type: ignore[union-attr]
    desk = super_node.node.ordering = Desk(super_node.node, None)  # type: ignore[arg-type]
    super_node.node._parts[:] = [desk]
    before = dict(desk._quota._written)
    request = world.signed("asker", OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=b"h" * 16))
    super_node.hear("asker", Submit(transaction=request))
    for number in range(3):
        super_node.hear("a", Submit(transaction=_large_policy(world, number)))
    while world.engine.waiting:
        super_node.node.take(desk.make_block)
    assert len(world.application.reuses()) == 1
    written = Desk(super_node.node, None)._quota._written  # type: ignore[arg-type]
    assert written == desk._quota._written
    assert written[node("asker")] == before[node("asker")] + len(request)
    assert written[node("a")] > before[node("a")] + 3 * 20_000
    monkeypatch.setattr(quota, "MOST_BYTES", 50_000)
    with pytest.raises(RefusedError, match="bytes put on the ledger in this epoch"):
        Desk(super_node.node, None)._quota.require(node("a"), world.application.epoch)  # type: ignore[arg-type]


# --- questions --------------------------------------------------------------------------------------------------


def test_a_member_asks_so_much_and_others_are_answered_all_the_same(world: EngineWorld, super_node: Place) -> None:
    """One that asked without end had all of a node's time."""

    def ask(name: str, times: int) -> tuple[int, int]:
        """How many of its questions are answered, and how often it is told to ask later."""
        for _ in range(times):
            super_node.hear(name, Follow(height=world.height, nonce=bytes(16)))
        answers = super_node.answers(name)
        return sum(isinstance(answer, Blocks) for answer in answers), answers.count(AskLater(wait_ms=1_000))

    assert ask("a", QUESTIONS_AT_ONCE + 50) == (QUESTIONS_AT_ONCE, 1), "an answer to each would cost what they cost"
    assert ask("b", 1) == (1, 0)
    super_node.hear("a", Submit(transaction=world.signed("a", SetPolicy(policy=Policy(version=9)))))
    assert world.engine.waiting == 1, "what it brings to the ledger is no question"
    world.now_ms += 1_000
    assert ask("a", QUESTIONS_AT_ONCE) == (QUESTIONS_A_SECOND, 1)


def test_who_is_no_member_shares_what_all_such_may_ask(world: EngineWorld, super_node: Place) -> None:
    """They can make themselves any number of names."""
    for number in range(QUESTIONS_AT_ONCE + 10):
        super_node.hear(f"made up {number % 7}", Follow(height=world.height, nonce=bytes(16)))
    sent = [answer for number in range(7) for answer in super_node.told(f"made up {number}")]
    assert sum(isinstance(answer, Blocks) for answer in sent) == QUESTIONS_AT_ONCE
    super_node.hear("a", Follow(height=world.height, nonce=bytes(16)))
    assert len(super_node.answers("a")) == 1


def test_only_the_super_node_says_that_a_transaction_was_refused(world: EngineWorld, asker: Place) -> None:
    ended: list[Finish] = []
    requesting = Requesting(asker.node, progress=lambda _: None, done=ended.append)
    asker.node.add(requesting)
    body = OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=bytes(16))
    asker.node.take(lambda: requesting.ask(body) and None)
    (transaction,) = asker.node._outbox
    refusal = Submitted(transaction=transaction, code="no-provider", message="none")
    asker.hear("b", refusal)
    assert not ended and transaction in asker.node._outbox
    asker.hear("super", refusal)
    assert [finish.code for finish in ended] == ["no-provider"]


def test_another_sessions_model_is_no_answer_though_its_proof_holds(world: EngineWorld, asker: Place) -> None:
    """Whoever ever got a model could hand it to others in place of what they had asked for."""
    model = b"model"
    assert len(model) == MODEL_SIZE
    elsewhere = world.run(world.open(world.task(delta_pico=10**6), nonce=b"e" * 16))
    ended: list[Finish] = []
    requesting = Requesting(asker.node, progress=lambda _: None, done=ended.append)
    asker.node.add(requesting)
    task = world.task()
    request = OpenRequest(task=task, issued_ms=world.now_ms, nonce=b"o" * 16)
    asker.node.take(lambda: requesting.ask(request) and None)
    (transaction,) = asker.node._outbox
    proof = world.engine.proof(elsewhere.id).to_bytes()
    asker.hear("b", Deliver(session=elsewhere.id, request=transaction, model=model, proof=proof))
    assert not ended
    own = world.run(world.open(task, nonce=b"2" * 16))
    proof = world.engine.proof(own.id).to_bytes()
    asker.hear("b", Deliver(session=own.id, request=transaction, model=model, proof=proof))
    assert [finish.cached for finish in ended] == [True]


# --- two statements ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
def test_a_second_statement_is_reported_by_whoever_sees_it(
    world: EngineWorld, super_node: Place, together: bool
) -> None:
    """The evidence lay before the super node, and nobody put it on the ledger."""
    desk = super_node.node.ordering
    assert isinstance(desk, Desk)
    session = world.session(world.open())
    first, again, second = (world.signed("b", Consent(answer=answer), session) for answer in (True, True, False))
    super_node.hear("b", Submit(transaction=first))
    if not together:
        super_node.node.take(desk.make_block)
        super_node.hear("b", Submit(transaction=again))
        assert world.engine.waiting == 0, "the same once more is no second statement"
    super_node.hear("b", Submit(transaction=second))
    while world.engine.waiting:
        super_node.node.take(desk.make_block)
    member = world.application.member(node("b"))
    assert member is not None and member.suspended
    others = [world.application.member(node(name)) for name in ("a", "c")]
    assert not any(other is None or other.suspended for other in others)


def test_a_second_statement_that_comes_late_is_reported(world: EngineWorld, super_node: Place) -> None:
    desk = super_node.node.ordering
    assert isinstance(desk, Desk)
    sealed = world.run(world.open())
    scores = tuple(replace(score, signal_micro=1) for score in sealed.scores[node("b")])
    super_node.hear("b", Submit(transaction=world.signed("b", PostScores(scores=scores), sealed)))
    super_node.node.take(desk.make_block)
    member = world.application.member(node("b"))
    assert member is not None and member.suspended


# --- artefacts --------------------------------------------------------------------------------------------------


def test_parts_of_a_codebook_come_from_the_super_node_and_are_as_many_as_the_ledger_says(
    world: EngineWorld, asker: Place
) -> None:
    """Any member could feed who fetches one without end, or spoil what came."""
    data = b"codebook!" * 200_000
    wanted = digest(data)
    world.post("super", RegisterCodebook(digest=wanted, size=len(data), references=0, leaf_labels=("x",)))
    library, came = Library(asker.node), []
    asker.node.add(library)
    asker.node.take(lambda: library.need(wanted, came.append))
    first = Artefact(digest=wanted, part=0, parts=2, data=data[:PART_BYTES])
    for sender, part in (
        ("b", replace(first, data=b"spoilt")),
        ("super", replace(first, parts=10**6)),
        ("super", replace(first, data=bytes(PART_BYTES + 1))),
    ):
        asker.hear(sender, part)
        assert not library._fetches[wanted].parts
    asker.hear("super", first)
    asker.hear("super", Artefact(digest=wanted, part=1, parts=2, data=data[PART_BYTES:]))
    assert came == [data]


def test_a_codebook_that_is_none_ends_nobody(
    world: EngineWorld, asker: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays in the store: a node that ended for it ended at every start."""
    junk = b"junk"
    asker.node.store.keep_artefact(digest(junk), junk)
    with pytest.raises(DamagedError):
        Codebook.from_bytes(junk)
    Library(asker.node).codebook(digest(junk), lambda _: pytest.fail("there is no such codebook"))
    assert "is of no use" in caplog.text


def test_a_question_for_a_part_that_is_not_there_is_answered_so(world: EngineWorld, super_node: Place) -> None:
    super_node.node.add(Library(super_node.node))
    for part in (-1, 0, 2**70):
        super_node.hear("a", AskArtefact(digest=CODEBOOK, part=part))
    assert [answer.parts for answer in super_node.answers("a") if isinstance(answer, Artefact)] == [0, 0, 0]


# --- a codebook that rots at the super node ---------------------------------------------------------------------


@pytest.fixture
def book(world: EngineWorld) -> bytes:
    """A codebook on the ledger, in two parts."""
    data = b"codebook?" * 200_000
    world.post("super", RegisterCodebook(digest=digest(data), size=len(data), references=0, leaf_labels=("x",)))
    return data


def rotten(place: Place, data: bytes) -> Path:
    """Has a place keep a codebook, a byte of which is another than it was."""
    place.node.store.keep_artefact(digest(data), data)
    file = place.node.store._artefacts._file(digest(data))
    file.write_bytes(b"X" + data[1:])
    return file


def test_a_super_node_takes_a_damaged_codebook_again_from_a_member(
    world: EngineWorld, super_node: Place, book: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wanted, library = digest(book), Library(super_node.node)
    super_node.node.add(library)
    rotten(super_node, book)
    for _ in range(3):
        super_node.hear("asker", AskArtefact(digest=wanted, part=0))
    assert [answer.parts for answer in super_node.told("asker") if isinstance(answer, Artefact)] == [0] * 3
    assert caplog.text.count("is damaged or gone here") == 1, "the operator is told once"
    asked = _asked_for(super_node, wanted)
    assert asked not in ("super", "")
    parts = [book[:PART_BYTES], book[PART_BYTES:]]
    others = [name for name in ("a", "b", "c", "asker") if name != asked]
    super_node.hear(others[0], Artefact(digest=wanted, part=0, parts=2, data=b"unasked"))
    for number, data in enumerate(parts):
        super_node.hear(asked, Artefact(digest=wanted, part=number, parts=2, data=data))
    assert super_node.node.store.artefact(wanted) == book
    assert "is here again" in caplog.text
    super_node.wire.sent.clear()
    super_node.hear("asker", AskArtefact(digest=wanted, part=1))
    assert [a.data for a in super_node.answers("asker") if isinstance(a, Artefact)] == [parts[1]]


def test_members_that_lack_a_codebook_or_lie_are_passed_over(
    world: EngineWorld, super_node: Place, book: bytes
) -> None:
    wanted = digest(book)
    super_node.node.add(Library(super_node.node))
    rotten(super_node, book)
    super_node.hear("asker", AskArtefact(digest=wanted, part=0))
    met = []
    for _ in range(4):
        asked = _asked_for(super_node, wanted)
        met.append(asked)
        super_node.wire.sent.clear()
        if len(met) == 1:
            super_node.hear(asked, Artefact(digest=wanted, part=0, parts=2, data=bytes(PART_BYTES)))
            super_node.hear(asked, Artefact(digest=wanted, part=1, parts=2, data=bytes(len(book) - PART_BYTES)))
        elif len(met) == 2:
            super_node.hear(asked, Artefact(digest=wanted, part=0, parts=0, data=b""))
        if not _asked_for(super_node, wanted):
            world.now_ms += RETRY_MS
            super_node.node.take(super_node.node.heartbeat)
    assert len(set(met)) == 4
    super_node.hear(_asked_for(super_node, wanted), Artefact(digest=wanted, part=0, parts=2, data=book[:PART_BYTES]))


def test_a_damaged_codebook_is_found_before_anybody_needs_it(
    world: EngineWorld, super_node: Place, book: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library(super_node.node)
    super_node.node.add(library)
    rotten(super_node, book)
    library.give(digest(book), lambda: book)
    super_node.node.take(super_node.node.heartbeat)
    assert super_node.node.store.artefact(digest(book)) == book
    assert "taken from the file again" in caplog.text
    file = rotten(super_node, book)
    library.give(digest(book), lambda: b"another file by now")
    world.now_ms += DAY_MS
    world.note("asker")
    block = world.engine.block(world.height)
    super_node.node.take(lambda: super_node.node.block_applied(block, world.engine.last_applied))
    assert not file.exists()
    assert _asked_for(super_node, digest(book))


def test_members_hand_codebooks_on_the_ledger_to_members_and_nothing_else(
    world: EngineWorld, asker: Place, book: bytes
) -> None:
    asker.node.add(Library(asker.node))
    for data in (book, b"a model"):
        asker.node.store.keep_artefact(digest(data), data)
    asker.hear("super", AskArtefact(digest=digest(book), part=0))
    asker.hear("super", AskArtefact(digest=digest(b"a model"), part=0))
    asker.hear("a stranger", AskArtefact(digest=digest(book), part=0))
    assert [(a.parts, len(a.data)) for a in asker.told("super") if isinstance(a, Artefact)] == [(2, PART_BYTES), (0, 0)]
    assert asker.answers("a stranger") == []


def _asked_for(place: Place, wanted: bytes) -> str:
    """Which member a place has asked for an artefact last; empty if none."""
    asked = ""
    for name in ("a", "b", "c", "asker"):
        if any(isinstance(message, AskArtefact) and message.digest == wanted for message in place.told(name)):
            asked = name
    return asked
