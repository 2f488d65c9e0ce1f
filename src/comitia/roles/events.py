"""What can happen to a role. Events are past tense; they are all that a role learns of the world."""

from __future__ import annotations

from dataclasses import dataclass

from comitia.consensus.score_sheet import Score
from comitia.core.ids import NodeId, TransactionId
from comitia.ledger.session import Session
from comitia.roles.messages import References, Reveal


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAdvanced:
    """A block changed a session in which this node takes part.

    session : the ledger's record of it, as of that block.
    """

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """This node's owner, by policy or by hand, answered a request; a yes has reserved its budget.

    answer : whether to take part.
    reason : why not; empty for a yes.
    """

    answer: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The local model was trained and released.

    release : canonical bytes of the noisy model with its receipt; empty if training was impossible.
    nonce : 32 fresh bytes for the commitment.
    rows : documents that it was trained on.
    epsilon_micro : what it cost, millionths; 0 for a release that was served before, or paid for with an earlier round.
    round : the round that it is for.
    """

    release: bytes
    nonce: bytes
    rows: int
    epsilon_micro: int
    round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """The model of the rounds before was measured on the public references.

    round : the round that might not be needed.
    enough : whether it reaches the request's threshold.
    """

    round: int
    enough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealReceived:
    """A member opened a commitment to this node, its own or one that it passes on."""

    reveal: Reveal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencesOpened:
    """A witness opened what it kept back; it is this node itself, or came by a member."""

    references: References


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealAsked:
    """A member lacks the releases of `authors` of a round, and the references of `keepers`."""

    sender: NodeId
    authors: tuple[NodeId, ...]
    round: int = 1
    keepers: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The other members' releases of a round were scored."""

    scores: tuple[Score, ...]
    round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """The accepted releases were combined into the global model.

    model : SHA-256 of its canonical bytes.
    size : how many bytes those are.
    """

    model: bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteReceived:
    """A member signed the block.

    block : digest of the block that it signed.
    signature : over that digest.
    """

    sender: NodeId
    block: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAsked:
    """The requester asks for the sealed session's model again."""

    sender: NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Woke:
    """Time has come: `now_ms` is this node's clock, UTC milliseconds."""

    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A super node would not take this node's transaction.

    transaction : its id.
    code, message : the refusal.
    """

    transaction: TransactionId
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A model came whose bytes match a proof that holds under this node's genesis.

    model : canonical bytes of M.
    proof : canonical bytes of the proof.
    cached : whether an earlier session made it.
    """

    model: bytes
    proof: bytes
    cached: bool


MemberEvent = (
    SessionAdvanced
    | Decided
    | Trained
    | Assessed
    | RevealReceived
    | ReferencesOpened
    | RevealAsked
    | Scored
    | Combined
    | VoteReceived
    | ModelAsked
    | Woke
)

RequesterEvent = SessionAdvanced | Refused | Delivered | Woke
