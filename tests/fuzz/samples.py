"""Well-formed bytes of every kind, made by the code itself: what fuzzing starts from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from engine_world import EngineWorld
from made_up_consortium import Consortium, make
from world import ADMIN, LIBERAL, SEALING, START_MS, World, genesis, key, node

from comitia.consensus.gain import Gain
from comitia.consensus.score_sheet import Score
from comitia.core.codec import digest, encode
from comitia.core.ids import SessionId, TransactionId
from comitia.learning.kept_back import KeptBack, kept_back_bytes
from comitia.learning.prototype import Prototype
from comitia.learning.wire import release_bytes
from comitia.ledger.application import Applied
from comitia.ledger.block import Block, SignedHeader
from comitia.ledger.fork import ForkProof
from comitia.ledger.genesis import Role, SignedGenesis, revocation_digest, sign_as_admin
from comitia.ledger.session import Phase
from comitia.ledger.transactions import (
    AbortRequest,
    Consent,
    EvidenceKind,
    OpenRequest,
    Policy,
    RecordReuse,
    ReportEvidence,
    RevokeMember,
    RotateKey,
    SetPolicy,
    Tick,
    Withdraw,
    rotation_digest,
)
from comitia.privacy.book import Ask
from comitia.privacy.limits import Cap, Limits, Span
from comitia.privacy.terms import Unit
from comitia.retrieval.lookup import Alive, Probe
from comitia.retrieval.table import Find, Found
from comitia.retrieval.trie import Bucket
from comitia.roles.memory import Memory
from comitia.roles.messages import (
    Artefact,
    AskArtefact,
    AskLater,
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
    pack,
)
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import JOIN_REQUEST, GenesisFile, JoinRequest, NodeSettings
from comitia.storage.model_file import FORMAT, ModelFile
from comitia.storage.node import NodeStore
from comitia.storage.toml_file import write_toml
from comitia.text.vectors import VectorKind


class Recorder(World):
    """A consortium that keeps a copy of every transaction that took effect."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.taken: list[bytes] = []

    def block(self, *transactions: bytes) -> Applied:
        self.taken.extend(transactions)
        return super().block(*transactions)


@cache
def transactions() -> tuple[bytes, ...]:
    """One transaction or more of every type, all of which took effect but for the evidence."""
    world = Recorder()
    world.settle_in()
    first = world.open()
    world.run(first)
    request = OpenRequest(task=world.task(categories=("x",)), issued_ms=world.now_ms, nonce=b"5" * 16)
    world.post("super", RecordReuse(request=world.signed("asker", again(world)), source=first))
    second = world.post("asker", request).changed_sessions[0]
    said = tuple(world.signed("a", Consent(answer=answer), world.session(second)) for answer in (True, False))
    world.now_ms += 5_000
    world.post("b", Tick(phase=Phase.CONSENT, view=0), world.session(second))
    third = world.open(nonce=b"6" * 16)
    world.post("asker", AbortRequest(reason="enough"), world.session(third))
    keys = (key("new").public, SEALING.public)
    proof = key("new").sign(rotation_digest(world.genesis.chain, node("b"), *keys))
    world.post("b", RotateKey(signing_key=keys[0], sealing_key=keys[1], proof=proof))
    world.post("c", Withdraw(issued_ms=5))
    world.post("a", SetPolicy(policy=Policy(version=7, rules=(LIBERAL,))))
    admitted = sign_as_admin(ADMIN, revocation_digest(world.genesis.chain, node("c"), "left"))
    world.post("super", RevokeMember(node=node("c"), reason="left", signatures=(admitted,)))
    world.post("b", ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=node("a"), items=said))
    return tuple(world.taken)


def again(world: World) -> OpenRequest:
    """The first request once more, for the cache."""
    return OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=b"7" * 16)


@cache
def consortium() -> Consortium:
    """A small codebook with references, and documents for it."""
    return make(VectorKind.LSA)


@cache
def releases() -> tuple[bytes, ...]:
    return tuple(release_bytes(consortium().release(slice(0, rows))) for rows in (40, 400))


@cache
def models() -> tuple[bytes, ...]:
    accepted = [consortium().release(slice(part, None, 3)) for part in range(3)]
    return (Prototype().combine(consortium().codebook, accepted).to_bytes(),)


@cache
def _sealed() -> tuple[bytes, tuple[bytes, ...]]:
    """A proof, and the blocks of the ledger that it belongs to."""
    with tempfile.TemporaryDirectory() as folder:
        world = EngineWorld(Path(folder) / "ledger.db")
        world.settle_in()
        session = world.open()
        world.run(session)
        engine = world.engine
        blocks = tuple(engine.block(height + 1).to_bytes() for height in range(engine.height))
        proof = engine.proof(session).to_bytes()
        engine.close()
    return proof, blocks


def proofs() -> tuple[bytes, ...]:
    return (_sealed()[0],)


def blocks() -> tuple[bytes, ...]:
    return _sealed()[1]


@cache
def references() -> tuple[bytes, ...]:
    known = consortium()
    return (kept_back_bytes(known.codebook, KeptBack(vectors=known.vectors[:6], labels=known.labels[:6])),)


@cache
def messages() -> tuple[Message, ...]:
    """One message of every type."""
    name, session = node("a"), SessionId(bytes(32))
    return (
        Submit(transaction=transactions()[0]),
        Submitted(transaction=TransactionId(bytes(32)), code="busy", message="too many wait"),
        Follow(height=3, nonce=bytes(16)),
        Blocks(blocks=blocks()[:2], head=9, nonce=bytes(16), sent_ms=START_MS),
        Reveal(author=name, nonce=bytes(32), release=releases()[0]),
        References(keeper=name, nonce=bytes(32), documents=references()[0]),
        AskReveal(authors=(name, node("b")), keepers=(name,)),
        Vote(block=bytes(32), signature=bytes(64)),
        Deliver(session=session, request=TransactionId(session), model=models()[0], proof=proofs()[0]),
        AskModel(session=session),
        AskArtefact(digest=bytes(32), part=1),
        Artefact(digest=bytes(32), part=0, parts=2, data=b"piece"),
        Find(place=bytes(32), target="0110"),
        Found(bucket=Bucket(prefix="01", members=bytes(60), siblings=(bytes(32),)), contacts=bytes(60)),
        Probe(nonce=bytes(16)),
        Alive(nonce=bytes(16)),
        AskLater(wait_ms=1_000),
        Forked(proof=fork()),
    )


def head() -> SignedHeader:
    """A block that the super node signed."""
    return Block.from_bytes(blocks()[0]).signed_header


def fork() -> ForkProof:
    """Two blocks of one height that the super node signed."""
    other = replace(head().header, state_root=bytes(32))
    signed = SignedHeader(header=other, signature=key("super").sign(other.digest))
    return ForkProof.of(head(), signed, World().application.member)


@cache
def packets() -> tuple[bytes, ...]:
    """Packets to "b", in the clear: sealed ones are noise to whoever does not hold the key."""
    told = [(Follow(height=3, nonce=bytes(16)), None), (AskReveal(authors=(node("a"),)), head())]
    return tuple(
        pack(
            message,
            chain=genesis().chain,
            epoch=0,
            session=b"",
            sender=node("a"),
            recipient=node("b"),
            key=key("a"),
            recipient_keys=None,
            head=stands,
        )
        for message, stands in told
    )


@cache
def model_files() -> tuple[bytes, ...]:
    file = ModelFile(format=FORMAT, model=models()[0], proof=proofs()[0], codebook=consortium().codebook.to_bytes())
    return (encode(file),)


@cache
def memories() -> tuple[bytes, ...]:
    lines = (
        Score(author=node("b"), received=False),
        Score(author=node("c"), received=True, signal_micro=-5, expected_micro=9_000_000, reference_loss_ppm=3),
        Score(author=node("d"), received=True, gains=(Gain(keeper=node("w"), gain_micro=-7, expected_micro=9),)),
    )
    told = Memory(answer=True, release=b"release", nonce=bytes(32), rows=9, epsilon_micro=10**6, scores=lines)
    return (encode(Memory()), encode(told))


@cache
def geneses() -> tuple[bytes, ...]:
    signed = SignedGenesis(genesis=genesis(), signatures=(sign_as_admin(ADMIN, genesis().digest),))
    return (as_toml(GenesisFile(genesis=signed.genesis, signatures=signed.signatures)),)


@cache
def join_requests() -> tuple[bytes, ...]:
    request = JoinRequest(
        name="plant",
        organisation="Works",
        roles=(Role.PROVIDER.value,),
        signing_key=bytes(32),
        sealing_key=bytes(32),
        tls_request=b"PEM",
    )
    return (as_join_request(request), encode(request))


def as_join_request(request: JoinRequest) -> bytes:
    """A join request as the bytes of its file."""
    return _file("join-request.comitia", lambda path: JOIN_REQUEST.write(path, request))


@cache
def node_settings() -> tuple[bytes, ...]:
    settings = NodeSettings(name="plant", organisation="Works", roles=(Role.PROVIDER.value,), connect="tls/h:1")
    return (as_toml(settings),)


def categories() -> tuple[bytes, ...]:
    return (b'[[category]]\nid = "a"\nname = "engine"\n\n[[category]]\nid = "b"\ndescription = "oil and hoses"\n',)


@cache
def budgets() -> tuple[bytes, ...]:
    return (_file("budget.db", _write_budget),)


@cache
def node_stores() -> tuple[bytes, ...]:
    return (_file("node.db", _write_store),)


@cache
def ledgers() -> tuple[bytes, ...]:
    return (_file("ledger.db", _write_ledger),)


def as_toml(value: object) -> bytes:
    """A dataclass as the bytes of its TOML file."""
    return _file("value.toml", lambda path: write_toml(path, value, comment="a sample"))


def _file(name: str, write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _write_budget(path: Path) -> None:
    ask = Ask(
        reservation=digest(b"ask"),
        session=bytes(32),
        requester=node("a"),
        category="x",
        epsilon_micro=10**6,
        delta_pico=10**7,
        unit=Unit.RECORD,
        at_ms=START_MS,
    )
    caps = (Cap(span=Span.LIFE, epsilon_micro=10_000_000),)
    with BudgetFile.create(path) as book:
        book.reserve(Limits(delta_pico=10_000_000, unit=Unit.RECORD, caps=caps), ask)
        book.give_back(ask.reservation)


def _write_store(path: Path) -> None:
    store = NodeStore(path)
    session = SessionId(bytes(32))
    store.remember(session, memories()[1])
    store.queue(TransactionId(bytes(32)), session, "consent", transactions()[0])
    store.ask_owner(session, "a request in words")
    store.note("owner-settings", b"settings")
    store.close()


def _write_ledger(path: Path) -> None:
    world = EngineWorld(path)
    world.settle_in()
    world.engine.close()
