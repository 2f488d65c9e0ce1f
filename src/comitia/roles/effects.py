"""What a role wants done. Effects are imperative; one driver performs them, and persists before it sends."""

from __future__ import annotations

from dataclasses import dataclass

from comitia.core.ids import NodeId, SessionId
from comitia.ledger.session import Session
from comitia.ledger.transactions import Transaction
from comitia.roles.memory import Memory
from comitia.roles.messages import Message, References, Reveal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Ask policy, or the owner, whether to take part, and reserve the budget; answered by `Decided`."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Train and release the local model; answered by `Trained`.

    reveals : the accepted releases of the rounds before, which make the model to go on from.
    """

    session: Session
    reveals: tuple[Reveal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assess:
    """Measure the model that these releases make on the public references; answered by `Assessed`."""

    session: Session
    reveals: tuple[Reveal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """Make `memory` durable before anything after it in the list is done."""

    session: SessionId
    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Put a transaction on the ledger, and try again until it is there or the session has ended."""

    session: SessionId
    body: Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a message to one node, once; it may be lost."""

    to: NodeId
    session: SessionId
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReferences:
    """Fetch the references behind a commitment of this node's; answered by `ReferencesOpened`, from itself."""

    session: SessionId
    commitment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReleases:
    """Score these releases; answered by `Scored`.

    earlier : the accepted releases of the rounds before.
    references : what witnesses kept back and have opened to this node, by keeper in ascending order.
    """

    session: Session
    reveals: tuple[Reveal, ...]
    earlier: tuple[Reveal, ...] = ()
    references: tuple[References, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Combine:
    """Combine these releases, all accepted ones round by round in order, into M; answered by `Combined`."""

    session: Session
    reveals: tuple[Reveal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverModel:
    """Send M and its proof, sealed, to the requester of the session."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleBudget:
    """Turn the reservation into a debit, or give it back where nothing was released."""

    session: SessionId
    released: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeAt:
    """Call again with `Woke` at this time, UTC milliseconds; a later call replaces an earlier one."""

    session: SessionId
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A request ended.

    session : the request's own, also where an earlier one's model answers it.
    model, proof : canonical bytes; empty where it failed.
    cached : served from an earlier session.
    code, reason : why it failed; empty where it did not.
    """

    session: SessionId
    model: bytes
    proof: bytes
    cached: bool
    code: str
    reason: str


MemberEffect = (
    Decide | Train | Assess | Remember | Post | Send | OpenReferences | ScoreReleases | Combine | DeliverModel
    | SettleBudget | WakeAt
)  # fmt: skip

RequesterEffect = Send | WakeAt | Finish
