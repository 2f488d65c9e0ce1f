"""A provider's owner side, with a stand-in for the node around it: what is reserved, spent, served again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from comitia.app.node.holdings import make_holdings
from comitia.core.errors import ConfigurationError, RefusedError, StorageError
from comitia.core.ids import NodeId, SessionId
from comitia.driver.holdings import Holdings
from comitia.driver.owner_settings import OwnerSettings, change_settings
from comitia.driver.provider import PROFILE_FACT, RELEASES_KEPT_MS, Provider
from comitia.learning.registry import learner
from comitia.ledger.genesis import Parameters
from comitia.ledger.session import Session
from comitia.ledger.transactions import ConsentMode, Policy, PolicyRule, RegisterProfile, Task
from comitia.privacy.book import Standing
from comitia.privacy.noise import SystemNoise
from comitia.privacy.terms import Unit
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.documents import Document
from comitia.text.vectors import VectorKind

DAY_MS = 86_400_000
ASKER = NodeId("b" * 32)
RULE = PolicyRule(
    requesters=("*",),
    categories=("*",),
    purposes=("*",),
    epsilon_session_micro=4_000_000,
    epsilon_period_micro=0,
    period_ms=0,
    epsilon_life_micro=20_000_000,
    consent=ConsentMode.AUTO,
)


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    pool = [f"engine smoke turbo part{i % 13}" for i in range(60)] + [f"hose leak pump part{i % 7}" for i in range(60)]
    categories = [Category(label="eng", name="engine turbo"), Category(label="hyd", name="hose pump")]
    return build_codebook(pool, categories, settings=BuildSettings(kind=VectorKind.TF, tf_rank=20))


DOCUMENTS = [
    Document(text=f"{'engine smoke' if i % 2 else 'hose leak'} part{i % 13}", label="eng" if i % 2 else "hyd")
    for i in range(60)
]


class Node:
    """As much of a daemon and a library as a provider sees; `restart` is a crash and a new process."""

    def __init__(self, folder: Path, codebook: Codebook) -> None:
        folder.mkdir()
        self.folder, self.codebook = NodeFolder(folder), codebook
        self.posted: list[Any] = []
        self.published = [codebook.digest]
        self.clock = 1_000_000
        self.store = NodeStore(self.folder.store)
        self.allow(RULE)
        self.budget: BudgetFile | None = None

    def allow(self, rule: PolicyRule) -> None:
        settings = OwnerSettings(policy=Policy(version=1, rules=(rule,)), total_epsilon_micro=40_000_000)
        change_settings(self.store, settings)

    def start(self, documents: list[Document] = DOCUMENTS, noise: Any = None) -> Provider:
        if self.budget is not None:
            self.budget.close()
        self.clock += 1
        member = SimpleNamespace(organisation="asker")
        daemon: Any = SimpleNamespace(
            node=NodeId("a" * 32),
            store=self.store,
            genesis=SimpleNamespace(parameters=Parameters()),
            application=SimpleNamespace(
                codebooks=lambda: [SimpleNamespace(digest=digest) for digest in self.published],
                profile=lambda node: None,
                policy=lambda node: None,
                member=lambda node: member,
                require_member=lambda node: member,
            ),
            post=lambda session, body: self.posted.append(body),
            now_ms=lambda: self.clock,
            on_membership=lambda action: setattr(self, "registering", action),
        )
        library: Any = SimpleNamespace(codebook=self.fetch)
        path = self.folder.budget
        self.budget = BudgetFile(path) if path.exists() else BudgetFile.create(path)
        owner = Provider(
            daemon,
            library,
            lambda codebook: self.holdings(documents, codebook),
            self.budget,
            unit=Unit.RECORD,
            records_per_user=1,
            noise=noise or SystemNoise(),
        )
        self.registering: Any
        self.registering()
        return owner

    def fetch(self, wanted: bytes, then: Any, otherwise: Any) -> None:
        """As `Library.codebook`: what is on the ledger under another digest is none."""
        if wanted == self.codebook.digest:
            then(self.codebook)
        else:
            otherwise()

    def holdings(self, documents: list[Document], codebook: Codebook) -> Holdings:
        return make_holdings(documents, codebook, self.folder.vectors)

    @property
    def standings(self) -> list[Standing]:
        return [entry.standing for entry in BudgetFile.read(self.folder.budget).entries.values()]

    def session(self, number: int, **task: Any) -> Session:
        asked = Task(
            codebook=self.codebook.digest,
            learner="prototype",
            epsilon_micro=1_000_000,
            delta_pico=10_000_000,
            providers_min=2,
            providers_max=9,
            consent_ms=1000,
            commit_ms=1000,
            score_ms=1000,
            seal_ms=1000,
            purpose="research",
            queries=bytes(32),
        )
        return Session(
            id=SessionId(bytes([number]) * 32),
            chain="c",
            requester=ASKER,
            task=replace(asked, **task),
            epoch=0,
            anchor_height=1,
            anchor=bytes(32),
            opened_ms=self.clock,
            deadline_ms=self.clock + 1000,
            drawn=(),
            witnesses=(),
            keys={},
        )


@pytest.fixture
def node(tmp_path: Path, codebook: Codebook) -> Iterator[Node]:
    made = Node(tmp_path / "node", codebook)
    yield made
    if made.budget is not None:
        made.budget.close()
    made.store.close()


class Crash(BaseException):
    """The process is gone."""


class CrashingNoise(SystemNoise):
    """The process ends after the budget was reserved, before anything is spent."""

    def discrete_laplace(self, **_: int) -> Any:
        raise Crash


def test_a_crash_while_the_profile_is_made_stays_spent_and_does_not_bar_the_next_start(node: Node) -> None:
    with pytest.raises(Crash):
        node.start(noise=CrashingNoise())
    node.start()
    assert node.standings == [Standing.ABANDONED, Standing.SPENT]


def test_a_crash_after_the_profile_was_spent_does_not_bar_the_next_start(node: Node) -> None:
    (holdings,) = node.start()._holdings.values()
    node.store.erase(f"{PROFILE_FACT}/{holdings.version.hex()}")
    node.start()
    assert node.standings == [Standing.SPENT, Standing.SPENT]


def test_the_same_documents_publish_the_same_profile_and_earlier_ones_can_come_back(node: Node) -> None:
    node.start()
    node.start()
    assert node.posted[-1].record == node.posted[1].record
    assert node.standings == [Standing.SPENT]
    node.start(DOCUMENTS[:40])
    node.start(DOCUMENTS)
    assert node.posted[-1].record == node.posted[1].record
    assert node.standings == [Standing.SPENT] * 2


def test_a_self_check_is_paid_once_and_keeps_its_noise(node: Node) -> None:
    owner = node.start()
    owner._check_epsilon_micro = 500_000
    (holdings,) = owner._holdings.values()
    first = owner._self_check(holdings, len(node.codebook.labels))
    assert owner._self_check(holdings, len(node.codebook.labels)) == first
    assert node.standings == [Standing.SPENT] * 2


def test_who_cannot_pay_for_the_next_codebook_keeps_the_earlier_profile(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = node.start()
    before = len(node.posted)
    monkeypatch.setattr(owner, "_profile", _refuse)
    monkeypatch.setattr(owner._node.application, "profile", lambda node: object())
    owner._publish_profile(node.codebook)
    assert len(node.posted) == before
    monkeypatch.setattr(owner._node.application, "profile", lambda node: None)
    with pytest.raises(RefusedError):
        owner._publish_profile(node.codebook)


def test_codebooks_that_are_of_no_use_end_no_provider(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider ended, and at each start, for a codebook that is none, or one whose encoder is not installed here."""
    node.published += [bytes(32), b"1" * 32]
    assert node.start()._codebook == node.codebook
    assert any(isinstance(body, RegisterProfile) for body in node.posted)

    def holdings(documents: list[Document], codebook: Codebook) -> Holdings:
        raise ConfigurationError("installed is another encoder", code="foreign-encoder")

    monkeypatch.setattr(node, "holdings", holdings)
    with pytest.raises(ConfigurationError):
        node.start()


def test_being_found_never_costs_more_than_half_of_the_budget(node: Node) -> None:
    """Each codebook and each state of the documents takes a new profile; nobody asks the owner."""
    change_settings(node.store, OwnerSettings(policy=Policy(version=2, rules=(RULE,)), total_epsilon_micro=6_000_000))
    for count in (40, 39, 38):
        node.start(DOCUMENTS[:count])
    with pytest.raises(RefusedError, match="on 'profile'"):
        node.start(DOCUMENTS[:37])
    assert node.standings == [Standing.SPENT] * 3


def test_releases_of_documents_that_are_held_no_more_go_after_a_while(node: Node) -> None:
    def answer(number: int) -> int:
        """What a release for the same question costs."""
        owner = node.start(DOCUMENTS)
        session = node.session(number, reuse=True)
        owner.decide(session)
        return owner.train(session, node.codebook, learner("prototype"))[2]

    assert answer(1) > 0
    (version,) = {holdings.version for holdings in node.start()._holdings.values()}
    profile = f"{PROFILE_FACT}/{version.hex()}"
    node.clock += 400 * DAY_MS  # held for long: nothing of it is old
    node.start(DOCUMENTS[:40])
    assert (node.store.releases(), node.store.fact(profile) is None) == (1, False)
    node.clock += RELEASES_KEPT_MS - 1
    node.start(DOCUMENTS[:40])
    assert answer(2) == 0  # the documents are back, and are the current ones again
    node.start(DOCUMENTS[:40])
    node.clock += RELEASES_KEPT_MS + 1
    node.start(DOCUMENTS[:40])
    assert (node.store.releases(), node.store.fact(profile) is None) == (0, True)
    assert answer(3) > 0


def _refuse(*_: object) -> None:
    raise RefusedError("the budget is spent", code="over-budget")


def test_the_same_question_gets_the_same_bytes_at_no_cost(node: Node) -> None:
    owner = node.start()
    answers = []
    for number in (1, 2):
        session = node.session(number, reuse=True)
        decided = owner.decide(session)
        assert decided is not None
        assert decided.answer
        answers.append(owner.train(session, node.codebook, learner("prototype")))
    assert answers[0][0] == answers[1][0]
    assert [paid for _, _, paid in answers] == [1_000_000, 0]


def test_a_release_that_protects_records_is_not_served_to_who_asks_for_users(node: Node) -> None:
    owner = node.start()
    session = node.session(1, reuse=True)
    owner.decide(session)
    owner.train(session, node.codebook, learner("prototype"))
    decided = owner.decide(node.session(2, reuse=True, unit=Unit.USER))
    assert decided is not None
    assert not decided.answer
    assert "users" in decided.reason


@pytest.mark.parametrize("task", [{"delta_pico": 0, "learner": "softmax"}, {"epsilon_micro": 1}])
def test_what_cannot_be_trained_is_refused_before_budget_is_reserved(node: Node, task: dict[str, Any]) -> None:
    owner = node.start()
    decided = owner.decide(node.session(1, **task))
    assert decided is not None
    assert not decided.answer
    assert node.standings == [Standing.SPENT]


@pytest.mark.parametrize("ledger_ahead_ms", [(0, 10 * DAY_MS), (-10 * DAY_MS, 0)], ids=["runs ahead", "ran behind"])
def test_a_ledger_whose_clock_is_wrong_frees_no_period(node: Node, ledger_ahead_ms: tuple[int, int]) -> None:
    rule = replace(RULE, epsilon_period_micro=1_000_000, period_ms=DAY_MS)
    node.clock = 100 * DAY_MS
    node.allow(rule)
    owner = node.start()
    answers = []
    for number, ahead_ms in enumerate(ledger_ahead_ms):
        decided = owner.decide(replace(node.session(number), opened_ms=node.clock + ahead_ms))
        assert decided is not None
        answers.append(decided.answer)
    assert answers == [True, False]


def test_a_refusal_on_the_ledger_names_no_file_of_the_provider(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = node.start()

    def broken(*_: object) -> None:
        raise StorageError(f"{node.folder.budget} cannot be written", code="disk-full")

    monkeypatch.setattr(BudgetFile, "reserve", broken)
    decided = owner.decide(node.session(1))
    assert decided is not None
    assert not decided.answer
    assert str(node.folder.budget) not in decided.reason


def test_an_organisations_nodes_share_its_caps(node: Node) -> None:
    node.allow(replace(RULE, epsilon_life_micro=1_000_000))
    owner = node.start()
    other = replace(node.session(2), requester=NodeId("c" * 32))
    answers = [owner.decide(session) for session in (node.session(1), other)]
    assert [decided.answer for decided in answers if decided is not None] == [True, False]
    assert "for asker" in answers[-1].reason


@pytest.mark.parametrize("place", [0, 40, -1])
def test_damaged_vectors_are_made_again(node: Node, caplog: pytest.LogCaptureFixture, place: int) -> None:
    """A value that flips to a large one would make a release tell more than its noise hides."""
    before = node.holdings(DOCUMENTS, node.codebook).vectors
    (file,) = node.folder.vectors.iterdir()
    whole = bytearray(file.read_bytes())
    whole[place] ^= 0x40
    file.write_bytes(whole)
    assert (node.holdings(DOCUMENTS, node.codebook).vectors == before).all()
    assert "made again" in caplog.text
    caplog.clear()
    assert (node.holdings(DOCUMENTS, node.codebook).vectors == before).all()
    assert not caplog.text
    assert len(list(node.folder.vectors.iterdir())) == 1
