"""A sealed model's proof: one file, checked offline by anyone who holds the genesis.

It carries the block that was sealed, its certificate, the memberships of those who signed, and the path
from the transaction to a header that a super node of the genesis signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from comitia.consensus.committee import quorum
from comitia.core.codec import decode, digest, encode
from comitia.core.crypto import verify
from comitia.core.errors import ComitiaError, DamagedError, StorageError
from comitia.core.ids import NodeId, SessionId
from comitia.ledger import merkle
from comitia.ledger.block import Block, BlockHeader
from comitia.ledger.genesis import Genesis, Membership
from comitia.ledger.records import KeyPair, Member
from comitia.ledger.session import Phase, require_certificate
from comitia.ledger.tables import Tables
from comitia.ledger.transactions import PoqBlock, RotateKey, SealBlock, block_digest, parse

PROOF_LIMIT = 1 << 20

NOT_CHECKED: Final = (
    "the figures that the verdicts rest on, since releases and opened references went to the committee's members alone",
    "that the verdicts follow from these figures: every copy of the ledger is checked for that when it is opened",
)
"""What no proof shows, and where it is shown, if anywhere: for those who read "verified"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A member of the committee, as the administrators admitted it, with its rotated keys."""

    membership: Membership
    rotations: tuple[bytes, ...]

    @classmethod
    def of(cls, member: Member) -> Party:
        return cls(
            membership=member.membership, rotations=tuple(pair.rotation for pair in member.keys if pair.rotation)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """All that is needed to check a model.

    Attributes
    ----------
    header, signature : of the ledger's block with the sealed one.
    index, size, path : where the transaction stands among the block's.
    seal : the `SealBlock` transaction's envelope.
    parties : the committee's members and the super node that made the block, by id.
    """

    header: BlockHeader
    signature: bytes
    index: int
    size: int
    path: tuple[bytes, ...]
    seal: bytes
    parties: tuple[Party, ...]

    @property
    def claim(self) -> PoqBlock:
        """The block that it says was sealed; nothing of it is checked.

        Raises
        ------
        DamagedError
            If there is none in it.
        """
        try:
            _, seal = parse(self.seal)
        except ComitiaError as error:
            raise DamagedError(f"the proof is damaged: {error.message}", code="proof-damaged") from error
        if not isinstance(seal, SealBlock):
            raise DamagedError("the proof is damaged: its transaction seals nothing", code="proof-damaged")
        return seal.block

    def to_bytes(self) -> bytes:
        return encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Proof:
        """Read a proof.

        Raises
        ------
        DamagedError
            If it is not one.
        """
        try:
            return decode(cls, data, limit=PROOF_LIMIT)
        except ComitiaError as error:
            raise DamagedError(f"the proof is damaged: {error.message}", code="proof-damaged") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a proof says, once it holds.

    Attributes
    ----------
    session, requester, purpose, codebook, learner : what was asked, by whom.
    accepted, leader, members, quorum, signed : who contributed, led, sat in the committee, signed.
    names : what the administrators admitted the members as, by id.
    verdicts : what the committee said of every committed model (`consensus.quality.Verdict`), by author.
    epsilon_micro : epsilon of each contributor's release, millionths.
    references : commitments to the documents kept back that judged the releases, by witness.
    model : SHA-256 of the model's bytes.
    block_hash : digest of the sealed block.
    height, time_ms : of the ledger's block that holds it.
    """

    session: SessionId
    requester: NodeId
    purpose: str
    codebook: bytes
    learner: str
    accepted: tuple[NodeId, ...]
    verdicts: dict[NodeId, str]
    leader: NodeId
    members: tuple[NodeId, ...]
    quorum: int
    signed: tuple[NodeId, ...]
    names: dict[NodeId, str]
    epsilon_micro: dict[NodeId, int]
    references: dict[NodeId, bytes]
    model: bytes
    block_hash: bytes
    height: int
    time_ms: int


def proof_of(session: SessionId, tables: Tables, block_at: Callable[[int], Block]) -> Proof:
    """The proof of a sealed session; `block_at` has the block at a height.

    Raises
    ------
    StorageError
        If it is not sealed.
    """
    record = tables.session(session)
    entry = tables.poq_entry(record.poq_height) if record else None
    if record is None or record.phase is not Phase.SEALED or entry is None:
        raise StorageError(f"session {session.hex()[:16]} is not sealed", code="not-sealed")
    block = block_at(entry.height)
    concerned = (*record.members, block.header.proposer)
    return make_proof(
        header=block.header,
        signature=block.signature,
        transactions=block.transactions,
        index=entry.position,
        members={node: member for node in concerned if (member := tables.member(node))},
    )


def make_proof(
    *,
    header: BlockHeader,
    signature: bytes,
    transactions: tuple[bytes, ...],
    index: int,
    members: Mapping[NodeId, Member],
) -> Proof:
    """The proof for transaction `index` of a block; `members` has the committee and the block's super node."""
    parties = tuple(Party.of(members[node]) for node in sorted(members))
    return Proof(
        header=header,
        signature=signature,
        index=index,
        size=len(transactions),
        path=merkle.path(transactions, index),
        seal=transactions[index],
        parties=parties,
    )


def verify_proof(proof: Proof, genesis: Genesis, model: bytes) -> Verified:
    """Check a model against its proof and the genesis; needs no node and no network.

    1. A super node of the genesis signed the ledger block's header, for this chain. 2. The sealing
    transaction stands in that block. 3. It seals a block of this chain, and a member of its committee signed
    it. 4. The administrators admitted every member, and each rotated key was signed by the one before it.
    5. A quorum of members signed the sealed block; the quorum is what the genesis asks of a committee of this
    size, and no organisation has two votes. 6. The model's bytes are those that the block names.

    Raises
    ------
    DamagedError
        Naming the check that failed.
    """
    try:
        return _verify(proof, genesis, model)
    except DamagedError:
        raise
    except ComitiaError as error:
        raise DamagedError(f"the proof does not hold: {error.message}", code="proof-invalid") from error


def _verify(proof: Proof, genesis: Genesis, model: bytes) -> Verified:
    header = proof.header
    parties = {party.membership.node: party for party in proof.parties}
    _require(header.chain == genesis.chain, "it belongs to another consortium than the genesis", "foreign-proof")
    public = orderer_key(parties, genesis, header)
    _require(verify(public, header.digest, proof.signature), "no super node signed its block", "bad-header")  # 1
    stands = merkle.verify(proof.seal, proof.index, proof.size, proof.path, header.transactions_root)
    _require(stands, "its transaction does not stand in the block", "bad-path")  # 2
    envelope, seal = parse(proof.seal)
    _require(isinstance(seal, SealBlock), "its transaction seals nothing", "bad-seal")
    assert isinstance(seal, SealBlock)
    block = seal.block
    _require(
        block.chain == genesis.chain and block.session == envelope.header.session,
        "its block is foreign",
        "bad-seal",
    )
    members = frozenset(block.members)
    _require(members <= parties.keys(), "a committee member's membership is missing", "missing-member")
    keys = {node: _key_of(parties[node], genesis, block.epoch) for node in members}  # 4
    _require(envelope.header.sender in members, "an outsider sealed it", "bad-seal")
    envelope.verify(keys[envelope.header.sender])  # 3
    needed = quorum(len(members), genesis.parameters.quorum_rule)
    organisations = {parties[node].membership.credential.organisation for node in members}
    alone = len(organisations) == len(members) == len(block.members)
    _require(block.quorum >= needed and alone, "its quorum is too small", "bad-quorum")
    require_certificate(seal, keys, members, block.quorum, verify)  # 5
    same = digest(model) == block.model and len(model) == block.model_size
    _require(same, "the model is not the one that was sealed", "model-mismatch")  # 6
    return Verified(
        session=block.session,
        requester=block.requester,
        purpose=block.purpose,
        codebook=block.codebook,
        learner=block.learner,
        accepted=block.accepted,
        verdicts={t.author: t.verdict for t in block.transactions},
        leader=block.leader,
        members=block.members,
        quorum=block.quorum,
        signed=tuple(signer for signer, _ in seal.certificate),
        names={node: parties[node].membership.credential.name for node in block.members},
        epsilon_micro={t.author: t.epsilon_micro for t in block.transactions if t.author in block.accepted},
        references=dict(block.references),
        model=block.model,
        block_hash=block_digest(block),
        height=header.height,
        time_ms=header.time_ms,
    )


def orderer_key(parties: Mapping[NodeId, Party], genesis: Genesis, header: BlockHeader) -> bytes:
    """The key of the super node that made a block; empty if the genesis names no such node."""
    entry = next((entry for entry in genesis.super_nodes if entry.node == header.proposer), None)
    if entry is None:
        return b""
    party = parties.get(header.proposer)
    return entry.signing_key if party is None else _key_of(party, genesis, header.epoch)


def _key_of(party: Party, genesis: Genesis, epoch: int) -> bytes:
    """The signing key of a member in an epoch: the membership's, or that of the last rotation before."""
    _require(epoch >= 0, "its epoch is before the genesis", "bad-seal")
    party.membership.verify(genesis)
    current = party.membership.credential.signing_key
    pairs = [KeyPair(from_epoch=0, signing=current, sealing=b"")]
    for data in party.rotations:
        envelope, body = parse(data)
        _require(isinstance(body, RotateKey), "a rotation is none", "bad-rotation")
        assert isinstance(body, RotateKey)
        whose = (envelope.header.chain, envelope.header.sender)
        _require(whose == (genesis.chain, party.membership.node), "a rotation is another's", "bad-rotation")
        _require(envelope.header.epoch >= pairs[-1].from_epoch, "its rotations are out of order", "bad-rotation")
        envelope.verify(pairs[-1].signing)
        pairs.append(KeyPair(from_epoch=envelope.header.epoch + 1, signing=body.signing_key, sealing=b""))
    return [pair.signing for pair in pairs if pair.from_epoch <= epoch][-1]


def _require(holds: bool, what: str, code: str) -> None:
    if not holds:
        raise DamagedError(f"the proof does not hold: {what}", code=code)
