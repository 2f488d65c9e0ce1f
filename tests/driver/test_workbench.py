"""A member reads a peer's release only if it promises what the request asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_consortium import Consortium, make
from world import World, node

from comitia.core.errors import ProtocolError
from comitia.driver.workbench import Workbench
from comitia.learning.registry import learner
from comitia.learning.wire import release_bytes
from comitia.ledger.session import Session, release_terms
from comitia.privacy.noise import SystemNoise
from comitia.privacy.receipt import require_terms
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.roles.messages import Reveal
from comitia.text.vectors import VectorKind

ASKED = PrivacyTerms.of(1, "1e-5")


@pytest.fixture(scope="module")
def lsa() -> Consortium:
    return make(VectorKind.LSA)


@pytest.fixture(scope="module")
def session() -> Session:
    world = World()
    world.settle_in()
    opened = world.session(world.open())
    return replace(opened, task=replace(opened.task, epsilon_micro=ASKED.epsilon_micro, delta_pico=ASKED.delta_pico))


def reveal(lsa: Consortium, terms: PrivacyTerms, name: str = "prototype") -> Reveal:
    release = learner(name).train(lsa.codebook, lsa.vectors, lsa.labels, terms, SystemNoise())
    return Reveal(author=node("a"), nonce=bytes(32), release=release_bytes(release))


@pytest.mark.parametrize(
    ("terms", "taken"),
    [
        (ASKED, True),
        (replace(ASKED, unit=Unit.USER, records_per_user=3), True),
        (replace(ASKED, epsilon_micro=2_000_000), False),
        (replace(ASKED, epsilon_micro=999_999), False),
        (replace(ASKED, delta_pico=1), False),
        (PrivacyTerms.of(1), False),
    ],
)
def test_a_release_at_other_terms_than_asked_for_is_not_usable(
    session: Session, lsa: Consortium, terms: PrivacyTerms, taken: bool
) -> None:
    read = Workbench().read(session, lsa.codebook, reveal(lsa, terms))
    assert (read is not None) is taken


def test_where_users_are_asked_for_records_are_too_little(session: Session, lsa: Consortium) -> None:
    by_user = replace(session, task=replace(session.task, unit=Unit.USER))
    assert Workbench().read(by_user, lsa.codebook, reveal(lsa, ASKED)) is None
    assert Workbench().read(by_user, lsa.codebook, reveal(lsa, replace(ASKED, unit=Unit.USER))) is not None


def test_each_round_has_its_share(session: Session, lsa: Consortium) -> None:
    rounds = replace(session, task=replace(session.task, learner="softmax", rounds=3))
    share = release_terms(rounds)
    assert share.epsilon_micro < ASKED.epsilon_micro
    assert Workbench().read(rounds, lsa.codebook, reveal(lsa, share, "softmax")) is not None
    assert Workbench().read(rounds, lsa.codebook, reveal(lsa, ASKED, "softmax")) is None


def test_a_request_that_cannot_be_shared_out_stops_nobody(session: Session, lsa: Consortium) -> None:
    """Whatever a requester asks for and a provider answers, the other members go on."""
    too_little = replace(session, task=replace(session.task, learner="softmax", rounds=9, epsilon_micro=1))
    assert Workbench().read(too_little, lsa.codebook, reveal(lsa, ASKED, "softmax")) is None


def test_the_refusal_says_what_was_promised_and_what_was_asked(lsa: Consortium) -> None:
    with pytest.raises(ProtocolError) as caught:
        require_terms(lsa.release().receipt, ASKED)
    assert caught.value.code == "other-terms"
    assert "epsilon 4 and delta 0.00001 per record, asked for was epsilon 1 and" in caught.value.message
