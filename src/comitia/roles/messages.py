"""Every message that nodes send each other outside the ledger, and the packet that carries one.

A message is a frozen dataclass; it travels as the payload of a signed `Envelope`. What is meant for one
reader is sealed to it: signature inside, HPKE outside, so that relays see who writes to whom and nothing
of the contents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from comitia.core.codec import decode, encode
from comitia.core.crypto import SealingKey, SigningKey, seal
from comitia.core.envelope import VERSION, Envelope, Header
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, SessionId, TransactionId, key_id, node_id
from comitia.core.items import require_few_items
from comitia.learning.kept_back import KEPT_BACK_LIMIT
from comitia.learning.wire import RELEASE_LIMIT
from comitia.ledger.block import SignedHeader
from comitia.ledger.fork import ForkProof
from comitia.ledger.transactions import MAX_COMMITTEE
from comitia.retrieval.lookup import Alive, Probe
from comitia.retrieval.table import Find, Found

PACKET_LIMIT: Final = 64 << 20
"""Most bytes of a packet, larger than any codebook or model that is accepted."""

MOST_ITEMS: Final = 1024
"""Most values in a packet, its envelope or its message: the long ones hold a few byte strings."""

PART_BYTES: Final = 1 << 20
"""Size of the parts in which an artefact travels."""

FARTHEST: Final = 1 << 53
"""No peer's clock, and no ledger's height, has come further."""

LONGEST_WAIT_MS: Final = 10_000

NONCE_BYTES: Final = 32
"""Of the nonce in a commitment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """A transaction for the ledger, to a super node.

    transaction : bytes of the signed envelope.
    """

    transaction: bytes


BUSY: Final = "busy"
"""Code with which a super node turns a transaction away that may be right: it is to be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A super node's answer to `Submit`.

    transaction : id of what was submitted.
    code : empty if it was taken, else the stable code of the refusal.
    message : the refusal in words.
    """

    transaction: TransactionId
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Ask a super node for the blocks above a height.

    height : of the asker's highest block.
    nonce : drawn by the asker when it started; the answer repeats it, so that none from before passes for it.
    """

    height: int
    nonce: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.height <= FARTHEST:
            raise ValueError(f"no block has height {self.height}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The answer to `Follow`: consecutive blocks of the ledger.

    blocks : canonical bytes of each, lowest first; may be empty.
    head : the height that the sender stands at.
    nonce : of the question.
    sent_ms : the sender's clock, UTC milliseconds.
    """

    blocks: tuple[bytes, ...]
    head: int
    nonce: bytes
    sent_ms: int

    def __post_init__(self) -> None:
        if not (0 <= self.head <= FARTHEST and 0 <= self.sent_ms <= FARTHEST):
            raise ValueError("a height or a clock's time is out of range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveal:
    """A committed release, opened to a member of the committee (stage 3).

    author : who committed to it.
    nonce : 32 bytes that went into the commitment.
    release : canonical bytes of the release, with its receipt.
    round : the round that it is of.
    """

    author: NodeId
    nonce: bytes
    release: bytes
    round: int = 1

    def __post_init__(self) -> None:
        if len(self.nonce) != NONCE_BYTES or len(self.release) > RELEASE_LIMIT:
            raise ValueError(f"a release has at most {RELEASE_LIMIT} bytes, its nonce {NONCE_BYTES}")


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Documents that a witness kept back, opened to a member of the committee once releases may be shown (stage 3).

    keeper : the witness.
    nonce : 32 bytes that went into the commitment.
    documents : canonical bytes of their vectors and labels; no text.
    """

    keeper: NodeId
    nonce: bytes
    documents: bytes

    def __post_init__(self) -> None:
        if len(self.nonce) != NONCE_BYTES or len(self.documents) > KEPT_BACK_LIMIT:
            raise ValueError(f"references have at most {KEPT_BACK_LIMIT} bytes, their nonce {NONCE_BYTES}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskReveal:
    """Ask a member for what was opened and the asker lacks; whoever holds some of it passes it on.

    authors : of releases of the round, each once: what is asked for twice would be sent twice.
    keepers : of references, each once.
    """

    authors: tuple[NodeId, ...]
    round: int = 1
    keepers: tuple[NodeId, ...] = ()

    def __post_init__(self) -> None:
        for asked in (self.authors, self.keepers):
            if len(asked) > MAX_COMMITTEE or len(set(asked)) < len(asked):
                raise ValueError(f"at most {MAX_COMMITTEE} different members can be asked for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A member's signature over the block that follows from the ledger and the model (stage 6).

    block : digest of the block.
    signature : Ed25519 by the member, over the digest.
    """

    block: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """The global model and its proof, to the requester (stage 7).

    session : the session that made the model; for a cached result not the reader's own request.
    request : the request that this answers.
    model : canonical bytes of M.
    proof : canonical bytes of the proof.
    """

    session: SessionId
    request: TransactionId
    model: bytes
    proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AskModel:
    """A requester asks a holder for the model of its sealed session again."""

    session: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class AskArtefact:
    """Ask a super node for one part of a public artefact (a codebook) by digest."""

    digest: bytes
    part: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A part of a public artefact. `parts` is 0 where the sender does not hold it."""

    digest: bytes
    part: int
    parts: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLater:
    """The sender takes no more questions of the reader's for so many milliseconds; one that was asked may be lost."""

    wait_ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.wait_ms <= LONGEST_WAIT_MS:
            raise ValueError(f"nobody waits for {self.wait_ms} ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """The ledger is forked; whoever can check the proof stands still.

    proof : two signed headers that contradict each other.
    """

    proof: ForkProof


def parts_of(size: int) -> int:
    """In how many parts an artefact of so many bytes travels."""
    return -(-size // PART_BYTES)


Message = (
    Submit
    | Submitted
    | Follow
    | Blocks
    | Reveal
    | References
    | AskReveal
    | Vote
    | Deliver
    | AskModel
    | AskArtefact
    | Artefact
    | Find
    | Found
    | Probe
    | Alive
    | AskLater
    | Forked
)

TYPES: Final[dict[str, type[Message]]] = {
    "submit": Submit,
    "submitted": Submitted,
    "follow": Follow,
    "blocks": Blocks,
    "reveal": Reveal,
    "references": References,
    "ask-reveal": AskReveal,
    "vote": Vote,
    "deliver": Deliver,
    "ask-model": AskModel,
    "ask-artefact": AskArtefact,
    "artefact": Artefact,
    "find": Find,
    "found": Found,
    "probe": Probe,
    "alive": Alive,
    "ask-later": AskLater,
    "forked": Forked,
}

_NAMES: Final = {cls: name for name, cls in TYPES.items()}

_SEALED: Final = frozenset({"reveal", "references", "deliver", "find", "found", "probe", "alive"})

QUESTIONS: Final = (Follow, AskReveal, AskModel, AskArtefact, Find, Probe)
"""Kinds that their reader answers, of which a member may send another so many."""

WITH_HEAD: Final = (Follow, Reveal, References, AskReveal, Vote, Deliver, AskModel, Find, Found, Probe, Alive)
"""Kinds that name the block at which their sender stands, so that two histories do not stay unnoticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What the transport carries.

    sender, recipient : node ids, as the relay sees them; the signature inside decides.
    key : the sender's public signing key; it vouches for `sender` until the ledger knows the node.
    session : session id or empty.
    stage : name of the message's type.
    sealed : whether `body` is HPKE ciphertext.
    body : bytes of the signed envelope, sealed or not.
    """

    sender: NodeId
    recipient: NodeId
    key: bytes
    session: bytes
    stage: str
    sealed: bool
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payload:
    """What the envelope signs: a message's bytes, and the block at which its sender stands."""

    message: bytes
    head: SignedHeader | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKeys:
    """A node's public keys as the ledger has them, 32 bytes each."""

    signing: bytes
    sealing: bytes


def pack(
    message: Message,
    *,
    chain: str,
    epoch: int,
    session: bytes,
    sender: NodeId,
    recipient: NodeId,
    key: SigningKey,
    recipient_keys: PublicKeys | None,
    head: SignedHeader | None = None,
) -> bytes:
    """Sign a message and, where it is confidential, seal it to its recipient.

    `recipient_keys` may be missing for messages that are not confidential; `head` is the block at which the sender
    stands, for `WITH_HEAD`.
    """
    stage = _NAMES[type(message)]
    header = Header(
        version=VERSION,
        chain=chain,
        epoch=epoch,
        session=session,
        stage=stage,
        sender=sender,
        key_id=key_id(key.public),
        type=stage,
        audience=recipient,
    )
    payload = encode(_Payload(message=encode(message), head=head))
    body = Envelope.sign(header, payload, key).to_bytes()
    sealed = stage in _SEALED
    if sealed:
        if recipient_keys is None:
            raise ValueError(f"no sealing key is known for {recipient}")
        info = _info(chain, session, stage, sender, recipient, recipient_keys.sealing)
        body = seal(recipient_keys.sealing, body, info=info)
    packet = Packet(
        sender=sender,
        recipient=recipient,
        key=key.public,
        session=session,
        stage=stage,
        sealed=sealed,
        body=body,
    )
    return encode(packet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that was opened and whose signature holds.

    sender : who signed it.
    registered : whether the ledger knows the sender; a newcomer's identity follows from its key alone.
    session : session id or empty.
    message : what it says.
    head : the block at which the sender stands by its own account; judged by `driver.histories`.
    """

    sender: NodeId
    registered: bool
    session: bytes
    message: Message
    head: SignedHeader | None = None


def unpack(
    data: bytes,
    *,
    chain: str,
    me: NodeId,
    sealing: SealingKey,
    keys_of: Callable[[NodeId], PublicKeys | None],
) -> Received:
    """Open a packet and check everything that its reader relies on.

    1. The packet is for this node. 2. What must be sealed was sealed. 3. The envelope belongs to this
    chain, this reader, and to the session, stage and sender that the packet names. 4. The sender's
    signature holds, by the key that the ledger has or, for a newcomer, by the key that its id is made
    of. 5. The payload has the schema of its type. At each step the values are few, see `MOST_ITEMS`.

    Raises
    ------
    ProtocolError
        For any of these.
    """
    require_few_items(data, MOST_ITEMS)
    packet = decode(Packet, data, limit=PACKET_LIMIT)
    if packet.recipient != me:  # 1
        raise ProtocolError(f"a packet for {packet.recipient} came here", code="not-for-me")
    if packet.stage not in TYPES or packet.sealed != (packet.stage in _SEALED):  # 2
        raise ProtocolError(f"a packet of kind {packet.stage!r} is not accepted so", code="unknown-type")
    body = packet.body
    if packet.sealed:
        info = _info(chain, packet.session, packet.stage, packet.sender, me, sealing.public)
        body = sealing.open(body, info=info)
    require_few_items(body, MOST_ITEMS)
    envelope = Envelope.from_bytes(body, limit=PACKET_LIMIT)
    header = envelope.header
    claimed = (header.chain, header.audience, header.session, header.stage, header.type, header.sender)
    if claimed != (chain, me, packet.session, packet.stage, packet.stage, packet.sender):  # 3
        raise ProtocolError(
            f"an envelope of {header.sender} belongs elsewhere", code="out-of-place", sender=header.sender
        )
    known = keys_of(header.sender)
    if known is None and node_id(packet.key) != header.sender:
        raise ProtocolError(f"{header.sender} is not who it says", code="bad-signature", sender=header.sender)
    envelope.verify(known.signing if known else packet.key)  # 4
    require_few_items(envelope.payload, MOST_ITEMS)
    payload = decode(_Payload, envelope.payload, limit=PACKET_LIMIT)  # 5
    require_few_items(payload.message, MOST_ITEMS)
    message = decode(TYPES[header.type], payload.message, limit=PACKET_LIMIT)
    return Received(
        sender=header.sender,
        registered=known is not None,
        session=header.session,
        message=message,
        head=payload.head,
    )


def _info(chain: str, session: bytes, stage: str, sender: NodeId, recipient: NodeId, sealing: bytes) -> bytes:
    return encode([chain, session, stage, sender, recipient, key_id(sealing)])
