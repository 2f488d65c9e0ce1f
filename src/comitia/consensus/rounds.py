"""What the baselines have in common: a member is a coroutine that says what to send and is told what came.

    inbox = yield (Sending(...), ...)

A round ends when everyone has been heard, or its time is up; who has nothing to say yields an empty tuple. What a
member returns is how the block's session ended for it. The baselines exist to be measured beside Proof of Training
Quality (`comitia bench consensus`); no ledger uses them.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from comitia.core.codec import decode, encode
from comitia.core.crypto import SigningKey
from comitia.core.envelope import VERSION, Envelope, Header
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, key_id

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one member brings to a block: a model transaction, every figure by its own word.

    Attributes
    ----------
    author : whose.
    rows : documents trained on.
    mae_ppm : MAE(m_i), millionths.
    model : digest of the model.
    """

    author: NodeId
    rows: int
    mae_ppm: int
    model: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A member's place in one committee.

    Attributes
    ----------
    key : its own, for signatures.
    keys : everyone's public signing keys, its own among them, by id.
    session : 32 bytes that every signature is bound to.
    entry : what it brings.
    """

    key: SigningKey
    keys: Mapping[NodeId, bytes]
    session: bytes
    entry: Entry

    @property
    def node(self) -> NodeId:
        return self.entry.author

    @property
    def members(self) -> tuple[NodeId, ...]:
        return tuple(sorted(self.keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A signed message: to one member, or to all others where `to` is None."""

    to: NodeId | None
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended for one member: the block's leader and authors, or why there is no block."""

    leader: NodeId | None
    accepted: tuple[NodeId, ...] = ()
    reason: str = ""


Member = Generator[tuple[Sending, ...], tuple[bytes, ...], Outcome]


class Baseline(Protocol):
    """A way to come to one block."""

    @property
    def name(self) -> str: ...

    def member(self, seat: Seat) -> Member: ...


def signed(seat: Seat, kind: str, body: object, *, to: NodeId | None = None) -> Sending:
    """A message of this member, signed for this session."""
    header = Header(
        version=VERSION,
        chain="",
        epoch=0,
        session=seat.session,
        stage=kind,
        sender=seat.node,
        key_id=key_id(seat.key.public),
        type=kind,
        audience=to or "",
    )
    return Sending(to=to, data=Envelope.sign(header, encode(body), seat.key).to_bytes())


def opened(seat: Seat, inbox: tuple[bytes, ...], kind: str, cls: type[T]) -> dict[NodeId, T]:
    """The messages of one kind that are well formed and signed by a member, one a sender."""
    found: dict[NodeId, T] = {}
    for data in inbox:
        try:
            envelope = Envelope.from_bytes(data)
            sender = envelope.header.sender
            if (envelope.header.session, envelope.header.type) == (seat.session, kind) and sender in seat.keys:
                envelope.verify(seat.keys[sender])
                found.setdefault(sender, decode(cls, envelope.payload))
        except ProtocolError:
            continue
    return dict(sorted(found.items()))
