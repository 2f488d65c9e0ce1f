"""A forked ledger: two signed headers that cannot both be of one chain, which anyone can check with the genesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from comitia.core.codec import decode, encode
from comitia.core.crypto import verify
from comitia.core.errors import ComitiaError, ProtocolError
from comitia.core.ids import NodeId
from comitia.ledger.block import BlockHeader, SignedHeader
from comitia.ledger.genesis import Genesis
from comitia.ledger.proof import Party, orderer_key
from comitia.ledger.records import Member

FORKED: Final = "ledger-forked"
"""Code of whatever a node does not do because its ledger is forked."""

FORK_LIMIT: Final = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkProof:
    """What proves to anyone that a ledger has two histories.

    Attributes
    ----------
    lower, higher : two headers of one height, or the higher one that of the next block.
    parties : the super nodes that signed them, with their rotated keys; those in the genesis alone may be left out.
    """

    lower: SignedHeader
    higher: SignedHeader
    parties: tuple[Party, ...]

    @classmethod
    def of(cls, one: SignedHeader, other: SignedHeader, member: Callable[[NodeId], Member | None]) -> ForkProof:
        """The proof by two headers that contradict each other; `member` has what the ledger knows of a node."""
        lower, higher = sorted((one, other), key=lambda signed: (signed.header.height, signed.header.digest))
        return cls(lower=lower, higher=higher, parties=signers(member, lower, higher))

    @property
    def signers(self) -> tuple[NodeId, ...]:
        """Who signed the two headers; one super node, unless two have ordered."""
        return tuple(sorted({self.lower.header.proposer, self.higher.header.proposer}))

    @property
    def height(self) -> int:
        """The height of which there are two blocks."""
        return self.lower.header.height

    @property
    def sentence(self) -> str:
        """The fork in words."""
        return f"{' and '.join(self.signers)} signed two different blocks {self.height}: the ledger is forked"

    def to_bytes(self) -> bytes:
        return encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> ForkProof:
        """Read a proof, which is judged by `verify_fork`; errors as `decode`."""
        return decode(cls, data, limit=FORK_LIMIT)


def signers(member: Callable[[NodeId], Member | None], *signed: SignedHeader) -> tuple[Party, ...]:
    """Those who say that they signed headers, as far as the ledger knows them."""
    nodes = sorted({each.header.proposer for each in signed})
    return tuple(Party.of(found) for node in nodes if (found := member(node)) is not None)


def contradict(one: BlockHeader, other: BlockHeader) -> bool:
    """Whether no chain can hold both: they differ at one height, or the higher does not follow the lower.

    False as well where nothing can be said, since blocks between the two are not known.
    """
    lower, higher = sorted((one, other), key=lambda header: header.height)
    if lower.height == higher.height:
        return lower.digest != higher.digest
    return lower.height + 1 == higher.height and higher.previous != lower.digest


def verify_fork(proof: ForkProof, genesis: Genesis) -> None:
    """Check a proof that a ledger is forked, with the genesis alone.

    1. The headers contradict each other. 2. Super nodes of the genesis signed both; see `verify_header`.

    Raises
    ------
    ProtocolError
        Code ``no-fork``, and those of `verify_header`.
    """
    if not contradict(proof.lower.header, proof.higher.header):  # 1
        raise ProtocolError("one chain can hold both headers of the proof: they show no fork", code="no-fork")
    for signed in (proof.lower, proof.higher):  # 2
        verify_header(signed, genesis, proof.parties)


def verify_header(signed: SignedHeader, genesis: Genesis, parties: tuple[Party, ...]) -> None:
    """Check that a super node has signed a header, whatever the block holds.

    1. It is of this chain, and has the epoch of its time. 2. A super node of the genesis signed it, by the key that
    it had in that epoch; `parties` has those whose keys may have been rotated.

    Raises
    ------
    ProtocolError
        Codes ``foreign-header``, ``bad-header``, and those of a membership or rotation that does not hold.
    """
    header = signed.header
    if (header.chain, header.epoch) != (genesis.chain, genesis.epoch_at(header.time_ms)):  # 1
        raise ProtocolError(f"the header of block {header.height} is not of this chain", code="foreign-header")
    try:
        public = orderer_key({party.membership.node: party for party in parties}, genesis, header)
    except ComitiaError as error:
        raise ProtocolError(f"the header of block {header.height}: {error.message}", code=error.code) from error
    if not public or not verify(public, header.digest, signed.signature):  # 2
        raise ProtocolError(f"no super node signed the header of block {header.height}", code="bad-header")
