"""What the ledger's state holds of members, codebooks and contributions; sessions have a module of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from comitia.core.codec import digest, encode
from comitia.core.ids import NodeId, SessionId
from comitia.ledger.genesis import Membership, Role
from comitia.retrieval.profile import RetrievalRecord

NEVER = -1
NO_BLOCK = bytes(32)
"""Stands for the block before the first."""
POQ_ENTRY_DOMAIN = b"comitia poq entry\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A node's public keys from an epoch on.

    Attributes
    ----------
    from_epoch : first epoch in which they hold.
    signing, sealing : Ed25519 and X25519 public keys, 32 bytes each.
    rotation : the signed envelope that brought them; empty for the membership's own.
    """

    from_epoch: int
    signing: bytes
    sealing: bytes
    rotation: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An admitted node.

    Attributes
    ----------
    membership : as the administrators signed it.
    keys : the oldest first.
    registered_ms : time of its block.
    revoked_from : first epoch in which it is no member; -1 for never.
    suspended : whether proven misbehaviour has excluded it.
    """

    membership: Membership
    keys: tuple[KeyPair, ...]
    registered_ms: int
    revoked_from: int = NEVER
    suspended: bool = False

    @property
    def node(self) -> NodeId:
        return self.membership.node

    @property
    def organisation(self) -> str:
        return self.membership.credential.organisation

    @property
    def name(self) -> str:
        return self.membership.credential.name

    @property
    def roles(self) -> tuple[str, ...]:
        return self.membership.credential.roles

    def has(self, role: Role) -> bool:
        return role.value in self.roles

    def keys_at(self, epoch: int) -> KeyPair:
        """The keys that are valid in an epoch."""
        return [pair for pair in self.keys if pair.from_epoch <= epoch][-1]

    def is_active(self, epoch: int) -> bool:
        """Whether it may act in an epoch."""
        return not self.suspended and (self.revoked_from == NEVER or epoch < self.revoked_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodebookEntry:
    """A codebook that the consortium knows.

    Attributes
    ----------
    digest, size, references, leaf_labels : as in `RegisterCodebook`.
    number : 1 for the first; the newest is what requests use.
    """

    digest: bytes
    size: int
    references: int
    leaf_labels: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A provider's standing in retrieval.

    Attributes
    ----------
    record : its profile; None once it has withdrawn.
    registered_ms : time of the block that brought the profile.
    withdrawn_ms : when it last withdrew; 0 for never.
    bordering : the profile that stood when the epoch of the last change began; None for none.
    changed_epoch : that epoch.
    """

    record: RetrievalRecord | None
    registered_ms: int
    withdrawn_ms: int = 0
    bordering: RetrievalRecord | None = None
    changed_epoch: int = 0

    def changed(self, record: RetrievalRecord | None, epoch: int) -> Holding:
        """The holding with another profile, or none, from now on; `registered_ms` and `withdrawn_ms` stay."""
        return replace(self, record=record, bordering=self.record_before(epoch), changed_epoch=epoch)

    def record_before(self, epoch: int) -> RetrievalRecord | None:
        """The profile that stood when an epoch began, the current or a later one."""
        return self.record if epoch > self.changed_epoch else self.bordering


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What a witness has bound itself to for one codebook.

    Attributes
    ----------
    commitments : to each set of documents that it keeps back, in the order of use.
    used : how many of them, from the first, sessions have taken: a set that may have been opened is public.
    """

    commitments: tuple[bytes, ...] = ()
    used: int = 0

    @property
    def left(self) -> int:
        """How many sets wait for a session."""
        return len(self.commitments) - self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What a member's work has come to.

    Attributes
    ----------
    accepted, rejected, unverifiable : verdicts on its models.
    led : blocks of which it was the leader.
    strikes : times that it let a session down, which may have been a crash.
    strikes_epoch, strikes_lately : the epoch of the last strike, and how many there were in it.
    epsilon_micro : epsilon of everything it opened, added up, millionths (an odometer, not a guarantee).
    asking : its own requests that have not ended.
    """

    accepted: int = 0
    rejected: int = 0
    unverifiable: int = 0
    led: int = 0
    strikes: int = 0
    strikes_epoch: int = 0
    strikes_lately: int = 0
    epsilon_micro: int = 0
    asking: int = 0

    def strikes_in(self, epoch: int) -> int:
        """How many strikes it has from an epoch."""
        return self.strikes_lately if self.strikes_epoch == epoch else 0

    def struck(self, epoch: int) -> Conduct:
        """With one more strike."""
        lately = self.strikes_in(epoch) + 1
        return replace(self, strikes=self.strikes + 1, strikes_epoch=epoch, strikes_lately=lately)

    def plus(self, **changes: int) -> Conduct:
        """With these numbers added."""
        return replace(self, **{name: getattr(self, name) + change for name, change in changes.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class PoqEntry:
    """A sealed block's place in the PoQ chain.

    Attributes
    ----------
    session : which.
    block : its digest.
    previous : digest of the entry before it, and so of the whole chain; 32 zero bytes for the first.
    height, position : the ledger's block, and where in it the sealing transaction stands.
    """

    session: SessionId
    block: bytes
    previous: bytes
    height: int
    position: int

    @property
    def digest(self) -> bytes:
        """What the next entry names, 32 bytes."""
        return digest(POQ_ENTRY_DOMAIN + encode(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """A cached model that was served: a sharing event like any other.

    Attributes
    ----------
    requester, purpose : who got it, for what.
    source : the session that made it.
    time_ms : of the block.
    """

    requester: NodeId
    purpose: str
    source: SessionId
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A transaction that is on the ledger, kept while its epoch could be replayed."""

    epoch: int
