"""Anything that a member can sign and send is refused by name or taken; it never stops the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import ADMIN, CODEBOOK, LIBERAL, SEALING, World, key, node

from comitia.consensus.gain import Gain
from comitia.consensus.score_sheet import Score
from comitia.core.codec import digest, encode, to_plain
from comitia.core.envelope import VERSION, Envelope, Header
from comitia.core.errors import ComitiaError, ProtocolError
from comitia.core.ids import key_id
from comitia.core.units import PPM
from comitia.learning.signal import MOST_MICRO
from comitia.ledger.genesis import Role, revocation_digest, sign_as_admin
from comitia.ledger.session import Session
from comitia.ledger.transactions import (
    BOUNDS,
    IN_SESSION,
    MAX_COMMITTEE,
    MAX_TRANSACTION_BYTES,
    TYPES,
    AbortRequest,
    BindReferences,
    Consent,
    EndRounds,
    EvidenceKind,
    OpenRequest,
    Phase,
    Policy,
    PostScores,
    RecordReuse,
    RegisterCodebook,
    RegisterMember,
    RegisterProfile,
    ReportEvidence,
    RevokeMember,
    RotateKey,
    SetPolicy,
    Tick,
    Transaction,
    Withdraw,
    parse,
    type_name,
)
from comitia.retrieval.profile import RetrievalRecord

AUTHORS: dict[type, str] = {
    RegisterMember: "newcomer",
    RegisterCodebook: "super",
    OpenRequest: "asker",
    RecordReuse: "super",
    BindReferences: "super",
    AbortRequest: "asker",
}

ODD: tuple[Any, ...] = (
    None, True, 0, 1, -1, 2**31, 2**53 + 1, 2**64, -(2**64), 10**30, "", "*", "x" * 300, "\x00", "☃", b"", b"\x00" * 8,
    b"\xff" * 32, b"\x01" * 33, b"\x00" * 64, b"\x00" * 5000, [], [[]], [None], {}, {"x": 1}, [0] * 300, ["x", "x"],
)  # fmt: skip


def good_ones(world: World, session: Session) -> dict[type, Transaction]:
    """A transaction of every type, as good as it can be before its phase has come."""
    request = OpenRequest(task=world.task(categories=("x",)), issued_ms=world.now_ms, nonce=b"5" * 16)
    record = RetrievalRecord(provider=node("a"), codebook=CODEBOOK, epsilon_micro=10**6, histogram=(5, 90, 3))
    admitted = sign_as_admin(ADMIN, revocation_digest(world.genesis.chain, node("c"), "left"))
    said = tuple(world.signed("a", Consent(answer=answer), session) for answer in (True, False))
    return {
        RegisterMember: RegisterMember(membership=world.membership("newcomer", (Role.PROVIDER.value,))),
        RotateKey: RotateKey(signing_key=key("n").public, sealing_key=SEALING.public, proof=bytes(64)),
        RevokeMember: RevokeMember(node=node("c"), reason="left", signatures=(admitted,)),
        RegisterCodebook: RegisterCodebook(digest=digest(b"2"), size=5, references=3, leaf_labels=("x", "")),
        RegisterProfile: RegisterProfile(record=record),
        Withdraw: Withdraw(issued_ms=5),
        SetPolicy: SetPolicy(policy=Policy(version=7, rules=(LIBERAL,))),
        BindReferences: BindReferences(codebook=CODEBOOK, commitments=(digest(b"set"),)),
        OpenRequest: request,
        RecordReuse: RecordReuse(request=world.signed("asker", request), source=session.id),
        ReportEvidence: ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=node("a"), items=said),
        Consent: Consent(answer=True, reason="fits"),
        AbortRequest: AbortRequest(reason="enough"),
        Tick: Tick(phase=Phase.CONSENT, view=0),
    }


def ready(phase: Phase) -> tuple[World, Session]:
    world = World()
    world.settle_in()
    session = world.open()
    if phase is not Phase.CONSENT:
        world.consent(session)
    if phase in (Phase.SCORE, Phase.SEAL):
        world.commit(session)
    if phase is Phase.SEAL:
        world.score(session)
    return world, world.session(session)


def specimens() -> Iterator[tuple[World, Session, str, Transaction]]:
    world, session = ready(Phase.CONSENT)
    for cls, body in good_ones(world, session).items():
        yield world, session, AUTHORS.get(cls, "a"), body
    world, session = ready(Phase.COMMIT)
    yield world, session, "a", world.commitment(session.id, "a")
    world, session = ready(Phase.SCORE)
    yield world, session, "a", world.sheet(session.id, "a")
    yield world, session, "a", EndRounds(round=2)
    world, session = ready(Phase.SEAL)
    yield world, session, "a", world.seal_body(session.id)


SPECIMENS = tuple(specimens())


def sealed_up(world: World, session: Session, author: str, cls: type[Transaction], payload: bytes) -> bytes:
    header = Header(
        version=VERSION,
        chain=world.genesis.chain,
        epoch=0,
        session=session.id if cls in IN_SESSION else b"",
        stage="",
        sender=node(author),
        key_id=key_id(key(author).public),
        type=type_name(cls),
        audience="",
    )
    return Envelope.sign(header, payload, key(author)).to_bytes()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a tree of lists and maps."""
    if path:
        yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*path, index))


def with_changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    if isinstance(value, dict):
        return {**value, path[0]: with_changed(value[path[0]], path[1:], odd)}
    return [*value[: path[0]], with_changed(value[path[0]], path[1:], odd), *value[path[0] + 1 :]]


def test_there_is_a_specimen_of_every_type() -> None:
    assert {type(body) for _, _, _, body in SPECIMENS} == set(TYPES.values()) == set(BOUNDS)


@settings(max_examples=300)
@given(data=st.data())
def test_an_odd_value_anywhere_is_refused_or_taken_and_never_stops_the_ledger(data: st.DataObject) -> None:
    world, session, author, body = data.draw(st.sampled_from(SPECIMENS))
    plain = to_plain(body)
    changed = plain
    for _ in range(data.draw(st.integers(1, 2))):
        where = tuple(places(changed))
        if where:
            changed = with_changed(changed, data.draw(st.sampled_from(where)), data.draw(st.sampled_from(ODD)))
    transaction = sealed_up(world, session, author, type(body), encode(changed))
    root = world.application.state_root
    try:
        world.application.check(transaction, world.now_ms, height=world.height + 1)
        taken = True
    except ComitiaError:
        taken = False
    assert world.application.state_root == root
    if not taken:
        (result,) = world.block(transaction).results
        assert result.code
        assert result.message


@settings(max_examples=150)
@given(data=st.data())
def test_flipped_cut_and_grown_bytes_are_refused(data: st.DataObject) -> None:
    world, session, author, body = data.draw(st.sampled_from(SPECIMENS))
    good = sealed_up(world, session, author, type(body), encode(body))
    offset = data.draw(st.integers(0, len(good) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    for bad in (good[:offset] + bytes([good[offset] ^ bit]) + good[offset + 1 :], good[:offset], good + good[:offset]):
        if bad != good:
            (result,) = world.block(bad).results
            assert result.code


def test_size_is_looked_at_before_anything_is_parsed() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(b"\x9f" * (MAX_TRANSACTION_BYTES + 1))
    assert caught.value.code == "too-large"
    world, session, _, _ = SPECIMENS[0]
    for cls, bound in BOUNDS.items():
        with pytest.raises(ProtocolError) as caught:
            parse(sealed_up(world, session, "a", cls, b"\x00" * (bound + 1)))
        assert caught.value.code == "too-large", cls


def test_the_longest_sheet_of_the_largest_committee_is_within_bounds() -> None:
    most = MOST_MICRO
    gains = tuple(Gain(keeper=node(str(keeper)), gain_micro=-most, expected_micro=most) for keeper in range(4))
    line = Score(
        author=node("0"),
        received=True,
        signal_micro=-most,
        expected_micro=most,
        left_micro=-most,
        farthest_micro=most,
        excess_micro=-most,
        reference_loss_ppm=PPM,
        gains=gains,
    )
    assert len(encode(PostScores(scores=(line,) * MAX_COMMITTEE, round=64))) < BOUNDS[PostScores]


def test_types_stages_and_audiences_out_of_place_are_refused() -> None:
    world, session, _, _ = SPECIMENS[0]
    header = Envelope.from_bytes(world.signed("a", Withdraw())).header
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"type": "reveal"}, "unknown-type"),
        ({"stage": "reveal"}, "out-of-place"),
        ({"audience": node("b")}, "out-of-place"),
        ({"session": session.id}, "out-of-place"),
        ({"session": b"short"}, "out-of-place"),
        ({"version": 2}, "unknown-version"),
    )
    for change, code in changes:
        fields = {name: getattr(header, name) for name in header.__slots__}
        data = Envelope.sign(Header(**{**fields, **change}), encode(Withdraw()), key("a")).to_bytes()
        with pytest.raises(ProtocolError) as caught:
            parse(data)
        assert caught.value.code == code


def test_a_figure_of_a_hundred_thousand_bits_is_refused_by_name() -> None:
    """Python prints no number this long: the refusal itself once failed on it, and stopped the super node."""
    world = World()
    world.settle_in()
    request = to_plain(OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=bytes(16)))
    request["task"]["epsilon_micro"] = 1 << 100_000
    payload = cbor2.dumps(request, canonical=True)
    header = Header(
        version=VERSION, chain=world.genesis.chain, epoch=0, session=b"", stage="", sender=node("asker"),
        key_id=key_id(key("asker").public), type="open-request", audience="",
    )  # fmt: skip
    applied = world.block(Envelope.sign(header, payload, key("asker")).to_bytes())
    assert applied.results[0].code == "malformed"
