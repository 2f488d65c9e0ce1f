"""A learner with rounds on real processes: commit and reveal repeat, the budget is paid once, rounds can stop early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from plants import WORDS, consortium, texts

from comitia.app.asking import ask_with
from comitia.app.local import LocalConsortium
from comitia.app.node.client import Client
from comitia.app.tasks import Wish
from comitia.ledger.session import Session
from comitia.privacy.book import Standing
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.storage.model_file import read_model
from comitia.text.build import build_codebook
from comitia.text.categories import Category

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def referenced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalConsortium]:
    """A running consortium with public references."""
    pool = [text for label in WORDS for text in texts(label, 60, 99)]
    public = [(text, label) for label in WORDS for text in texts(label, 4, 55)]
    codebook = build_codebook(pool, [Category(label=label, name=label) for label in WORDS], references=public)
    with consortium(tmp_path_factory.mktemp("referenced"), codebook) as made:
        made.start()
        yield made


def run(local: LocalConsortium, wish: Wish, target: Path) -> Session:
    with Client(local.requester) as client:
        answer = ask_with(client, wish, target)
        session = client.application.session(answer.verified.session)
    assert session is not None
    return session


def test_rounds_run_between_processes_and_cost_one_budget(
    referenced: LocalConsortium, wish: Wish, tmp_path: Path
) -> None:
    session = run(referenced, replace(wish, learner="softmax", rounds=3), tmp_path / "m.comitia")
    assert session.round == 3
    assert [len(each.commits) for each in session.judged_rounds] == [3, 3, 3]
    commitments = [commit.commitment for each in session.judged_rounds for commit in each.commits.values()]
    assert len(set(commitments)) == 9
    for node in referenced.providers:
        book = BudgetFile.read(NodeFolder(referenced.directory / node.name).budget)
        spent = [e.ask.epsilon_micro for e in book.entries.values() if e.ask.session == session.id]
        assert spent == [2_000_000]
        assert [e.standing for e in book.entries.values() if e.ask.session == session.id] == [Standing.SPENT]
    _, model = read_model(tmp_path / "m.comitia").load()
    assert model.learner == "softmax"
    for label in WORDS:
        assert (model.predict(texts(label, 20, 1234)) == label).mean() > 0.8


def test_rounds_stop_when_the_references_are_answered_well_enough(
    referenced: LocalConsortium, wish: Wish, tmp_path: Path
) -> None:
    session = run(referenced, replace(wish, learner="softmax", rounds=5, stop_at=1.0), tmp_path / "m.comitia")
    assert session.round == 1
    assert len(session.enough) >= session.quorum


def test_in_a_chain_providers_train_in_turn(referenced: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    session = run(referenced, replace(wish, learner="softmax", rounds=3, chain=True), tmp_path / "m.comitia")
    assert [len(each.commits) for each in session.judged_rounds] == [1, 1, 1]
    assert len(session.contributors) == 3


@pytest.mark.parametrize("learner", ["gbdt", "forest", "tree"])
def test_models_of_trees_are_made_alike_by_all(
    referenced: LocalConsortium, wish: Wish, tmp_path: Path, learner: str
) -> None:
    run(referenced, replace(wish, learner=learner), tmp_path / "m.comitia")
    _, model = read_model(tmp_path / "m.comitia").load()
    assert model.learner == learner
    for label in WORDS:
        assert (model.predict(texts(label, 20, 1234)) == label).mean() > 0.8
