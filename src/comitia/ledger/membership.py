"""Who belongs to the consortium: admission, keys, revocation, exclusion. II-B."""

from __future__ import annotations

from dataclasses import replace

from comitia.core import crypto
from comitia.core.envelope import Envelope
from comitia.core.errors import ProtocolError
from comitia.core.ids import SessionId
from comitia.ledger.authentication import Authentication
from comitia.ledger.context import Context
from comitia.ledger.genesis import require_admins, revocation_digest
from comitia.ledger.records import NEVER, KeyPair, Member
from comitia.ledger.tables import Tables
from comitia.ledger.transactions import (
    ONCE_IN_SESSION,
    EvidenceKind,
    RegisterMember,
    ReportEvidence,
    RevokeMember,
    RotateKey,
    rotation_digest,
    round_of,
)


def register(tables: Tables, body: RegisterMember, context: Context) -> None:
    membership = body.membership
    membership.verify(tables.genesis)
    if tables.member(membership.node) is not None:
        raise ProtocolError(f"{membership.node} is a member already", code="already-there")
    credential = membership.credential
    pair = KeyPair(from_epoch=0, signing=credential.signing_key, sealing=credential.sealing_key)
    member = Member(membership=membership, keys=(pair,), registered_ms=context.time_ms)
    tables.state.put("member", membership.node, member)


def rotate_key(tables: Tables, body: RotateKey, context: Context, envelope: Envelope) -> None:
    member = tables.require_member(context.author)
    now = tables.genesis.epoch_at(context.time_ms)
    if context.epoch != now:
        # A proof dates the new key by the epoch in this header.
        raise ProtocolError(f"a rotation of epoch {context.epoch} came in epoch {now}", code="wrong-epoch")
    wanted = rotation_digest(tables.genesis.chain, member.node, body.signing_key, body.sealing_key)
    if not crypto.verify(body.signing_key, wanted, body.proof):
        raise ProtocolError("the new key has not signed its rotation", code="bad-signature")
    pair = KeyPair(
        from_epoch=now + 1,
        signing=body.signing_key,
        sealing=body.sealing_key,
        rotation=envelope.to_bytes(),
    )
    older = tuple(old for old in member.keys if old.from_epoch < pair.from_epoch)
    tables.state.put("member", member.node, replace(member, keys=(*older, pair)))


def revoke(tables: Tables, body: RevokeMember, context: Context) -> None:
    wanted = revocation_digest(tables.genesis.chain, body.node, body.reason)
    require_admins(tables.genesis, wanted, body.signatures, what=f"the revocation of {body.node}")
    member = tables.require_member(body.node)
    if member.revoked_from != NEVER:
        # Taken again later, it would put the end off.
        raise ProtocolError(f"{member.name!r} is revoked already", code="already-there")
    following = tables.genesis.epoch_at(context.time_ms) + 1
    tables.state.put("member", member.node, replace(member, revoked_from=following))


def exclude(tables: Tables, body: ReportEvidence, authentication: Authentication) -> None:
    """Exclude a member who signed two different things where an honest one signs one.

    1. There are two items for one place: chain, session, its epoch, and a type of which a member signs one, or one
       a round.
    2. They differ. 3. The accused signed both.
    """
    member = tables.require_member(body.accused)
    items = [authentication.read(item) for item in body.items]
    envelopes = [envelope for envelope, _ in items]
    header = envelopes[0].header
    record = tables.require_session(SessionId(header.session))
    place = (tables.genesis.chain, record.epoch, record.id, header.type, body.accused)
    same = all((h.chain, h.epoch, h.session, h.type, h.sender) == place for h in (e.header for e in envelopes))
    one_round = len({round_of(statement) for _, statement in items}) == 1
    two = body.kind is EvidenceKind.EQUIVOCATION and len(envelopes) == 2 and one_round
    if not (same and two and header.type in ONCE_IN_SESSION):  # 1
        raise ProtocolError("the evidence is not two statements where one is allowed", code="no-proof")
    if envelopes[0].digest == envelopes[1].digest:  # 2
        raise ProtocolError("the two statements are the same", code="no-proof")
    for envelope in envelopes:  # 3
        envelope.verify(member.keys_at(record.epoch).signing)
    tables.state.put("member", member.node, replace(member, suspended=True))
