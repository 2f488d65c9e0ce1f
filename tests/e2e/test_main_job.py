"""The main job on real processes, sockets, files and keys: ask, find, train, judge, seal, deliver, verify."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plants import PATIENCE_S, WORDS, consortium, texts, took_part, wait_for

from comitia.app.asking import Answer, ask_with
from comitia.app.audit import Chronicle
from comitia.app.cli import main
from comitia.app.local import GENEROUS, LocalConsortium
from comitia.app.node.client import Client
from comitia.app.owner_settings import write_settings
from comitia.app.tasks import Wish
from comitia.core.envelope import Envelope
from comitia.core.errors import (
    AbortedError,
    ConfigurationError,
    DamagedError,
    InputError,
    RefusedError,
    UnavailableError,
)
from comitia.core.ids import SessionId
from comitia.learning.registry import learner
from comitia.ledger.block import Block
from comitia.ledger.transactions import OpenRequest, Policy, SealBlock, type_name
from comitia.privacy.book import Standing
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder, load_genesis
from comitia.storage.model_file import read_model
from comitia.storage.node import NodeStore
from comitia.text.codebook import Codebook

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory, codebook: Codebook) -> Iterator[LocalConsortium]:
    """A running consortium whose owners answer every request themselves."""
    with consortium(tmp_path_factory.mktemp("by-hand"), codebook) as made:
        for node in made.providers:
            arguments = ["policy", str(node.folder), "set", "--requester", "*", "--consent", "manual"]
            assert main([*arguments, "--epsilon-session", "4", "--epsilon-total", "60"]) == 0
        made.start()
        yield made


def spent_micro(local: LocalConsortium, name: str) -> int:
    book = BudgetFile.read(NodeFolder(local.directory / name).budget)
    return sum(e.ask.epsilon_micro for e in book.entries.values() if e.standing is Standing.SPENT and e.ask.session)


def test_the_whole_job(local: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    target = tmp_path / "model.comitia"
    with Client(local.requester) as client:
        answer = ask_with(client, wish, target)
        assert took_part(client, answer) == 3
    assert not answer.cached
    genesis = load_genesis(local.consortium.genesis).genesis
    file = read_model(target)
    assert file.verify(genesis) == answer.verified
    codebook, model = file.load()
    public = learner("prototype").combine(codebook, ())
    queries = {label: texts(label, 20, 1234) for label in WORDS}
    for label, asked in queries.items():
        assert (model.predict(asked) == label).mean() > 0.8
    assert min((public.predict(asked) == label).mean() for label, asked in queries.items()) < 0.8, "nothing to learn"
    other = replace(genesis, chain_name="other")
    with pytest.raises(DamagedError):
        file.verify(other)
    sealed = Chronicle(local.requester).sealed()
    assert sealed[-1]["block"] == answer.verified.block_hash.hex()


def test_a_request_in_words_asks_the_providers_of_its_leaf(
    local: LocalConsortium, wish: Wish, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Client(local.requester) as client:
        answer = ask_with(client, replace(wish, texts=tuple(texts("bucket", 3, 77))), tmp_path / "m.comitia")
        session = client.application.session(answer.verified.session)
        assert session is not None
        assert answer.asked == (*session.task.categories, *session.task.leaves)
        assert len(answer.asked) == 1
        with pytest.raises(InputError) as error:
            ask_with(client, replace(wish, texts=("油圧ポンプの漏れ",)), tmp_path / "m.comitia")
        assert error.value.code == "unknown-language"
    assert main(["codebook", "versions", str(local.requester), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [len(version["providers"]) for version in told["codebooks"]] == [3]
    assert told["lagging"] == []


def test_a_cached_model_costs_nothing_and_is_recorded(local: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    asked = replace(wish, reuse=True, epsilon="1.5")
    with Client(local.requester) as client:
        first = ask_with(client, asked, tmp_path / "a.comitia")
        before = [spent_micro(local, node.name) for node in local.providers]
        again = ask_with(client, asked, tmp_path / "b.comitia")
        other = ask_with(client, replace(asked, purpose="another purpose"), tmp_path / "c.comitia")
    assert (first.cached, again.cached, other.cached) == (False, True, True)
    assert again.verified == first.verified
    assert [spent_micro(local, node.name) for node in local.providers] == before
    events = Chronicle(local.consortium.path).events()
    served = [event for event in events if event["event"] == "served again"]
    assert len(served) >= 2 * len(first.verified.accepted)
    assert {event["purpose"] for event in served} >= {"testing", "another purpose"}


def test_a_release_made_before_is_served_again_at_no_cost(local: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    asked = replace(wish, reuse=True, epsilon="1.25")
    with Client(local.requester) as client:
        ask_with(client, asked, tmp_path / "a.comitia")
        before = [spent_micro(local, node.name) for node in local.providers]
        again = ask_with(client, replace(asked, providers_max=4), tmp_path / "b.comitia")
    assert not again.cached
    assert [spent_micro(local, node.name) for node in local.providers] == before
    assert set(again.verified.epsilon_micro.values()) == {0}


def test_two_requests_at_once(by_hand: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    """Contradiction 11: two committees at once do not get in each other's way.

    Nobody consents before the ledger has both requests, so each opens before the other is sealed. One client asks for
    both: each caller hears of its own session alone, and gets its own model.
    """
    heard: dict[str, set[SessionId]] = {"first": set(), "second": set()}
    with Client(by_hand.requester) as client:

        def ask(purpose: str) -> Answer:
            asked = replace(wish, purpose=purpose)
            return ask_with(client, asked, tmp_path / purpose, progress=lambda s: heard[purpose].add(s.id))

        with ThreadPoolExecutor() as callers:
            asking = {purpose: callers.submit(ask, purpose) for purpose in heard}
            answer_all(by_hand, opened_by(client, heard))
            answers = {purpose: asked.result(PATIENCE_S) for purpose, asked in asking.items()}
        sessions = {purpose: client.application.session(answers[purpose].verified.session) for purpose in answers}
    for purpose, session in sessions.items():
        assert session is not None
        assert session.task.purpose == purpose
        assert heard[purpose] == {session.id}
        assert len(session.commits) == 3
    opened, sealed = heights(by_hand.requester)
    both = [answer.verified.session for answer in answers.values()]
    assert max(opened[session] for session in both) < min(sealed[session] for session in both)


def test_whoever_waits_hears_that_its_client_was_closed(by_hand: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    asked = replace(wish, purpose="to be given up")
    with Client(by_hand.requester) as client, ThreadPoolExecutor() as caller:
        waiting = caller.submit(ask_with, client, asked, tmp_path / "m.comitia")
        opened_by(client, {asked.purpose})
        client.close()
        with pytest.raises(UnavailableError):
            waiting.result(PATIENCE_S)
        with pytest.raises(UnavailableError):
            ask_with(client, asked, tmp_path / "m.comitia")


def test_the_verbs_that_need_no_node(local: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    target = tmp_path / "model.comitia"
    with Client(local.requester) as client:
        ask_with(client, wish, target)
    assert main(["ask", str(target), "hose leak at swivel", "--format", "json"]) == 0
    assert main(["verify", str(target), "--genesis", str(local.consortium.genesis)]) == 0
    for words in (["ledger", "blocks"], ["ledger", "audit"], ["status"], ["budget"]):
        folder = local.directory / "plant-1" if words == ["budget"] else local.directory
        folder = local.requester if words[0] == "ledger" else folder
        assert main([*words, str(folder), "--format", "json"]) == 0
    assert main(["ledger", "audit", str(local.requester)]) == 0
    assert main(["ledger", "show", "1", str(local.requester)]) == 0
    assert main(["ledger", "export", str(local.requester), "-o", str(tmp_path / "export")]) == 0
    assert main(["doctor", str(local.directory)]) == 0
    assert main(["request", str(local.requester), "--preview"]) == 0
    assert main(["request", str(local.requester), "--preview", "--learner", "softmax"]) == 0
    assert main(["request", str(local.requester), "--preview", "--learner", "gbdt", "--chain"]) == 3
    onnx = tmp_path / "model.onnx"
    assert main(["export", str(target), "--onnx", str(onnx), "--genesis", str(local.consortium.genesis)]) == 0
    card = onnx.with_suffix(".md").read_text(encoding="utf-8")
    assert "checked against the genesis" in card
    assert all(word in card for word in ("| epsilon |", "hydraulics", "## Limits"))


def test_a_preview_warns_of_noise_before_it_costs_anything(
    local: LocalConsortium, capsys: pytest.CaptureFixture[str]
) -> None:
    def preview(*options: str) -> tuple[dict[str, Any], str]:
        capsys.readouterr()
        assert main(["request", str(local.requester), "--preview", *options, "--format", "json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert main(["request", str(local.requester), "--preview", *options]) == 0
        return told, capsys.readouterr().err

    told, warning = preview("--epsilon", "0.05")
    assert told["chance_of_no_model"] == [1, 1]
    assert "at epsilon 0.05 without --accept-unverified" in warning
    assert "in 100 % of all cases" in warning
    told, warning = preview("--epsilon", "0.05", "--accept-unverified")
    exact, half_true = told["chance_of_no_model"]
    assert 0.02 < exact < half_true < 0.125
    assert 0.05 < told["enough_epsilon"] < 1
    assert f"epsilon {told['enough_epsilon']:g} is enough for less than 1 %" in warning
    told, warning = preview("--epsilon", str(told["enough_epsilon"]), "--accept-unverified")
    assert told["chance_of_no_model"][1] < 0.01
    assert "noise" not in warning
    assert preview("--learner", "softmax")[0]["chance_of_no_model"] is None


def test_a_block_is_shown_by_the_hash_that_verify_prints(
    local: LocalConsortium, wish: Wish, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model.comitia"
    with Client(local.requester) as client:
        ask_with(client, wish, target)
    verify = ["verify", str(target), "--genesis", str(local.consortium.genesis)]
    capsys.readouterr()
    assert main([*verify, "--format", "json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert any("members alone" in gap for gap in verified["not_checked"])
    assert set(verified["names"]) == set(verified["members"])
    assert main(verify) == 0
    told = capsys.readouterr().out
    assert all(f"Not checked: {gap}." in told for gap in verified["not_checked"])
    assert all(verified["names"][node] in told for node in verified["accepted"])
    for name in (verified["block_hash"][:16], verified["session"]):
        assert main(["ledger", "show", name, str(local.requester), "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["block"] == verified["block_hash"]
    assert main(["ledger", "show", "0" * 16, str(local.requester)]) == 3


def test_default_deny(own: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    """A provider without a rule is not asked; a policy that changes is taken up while the node runs."""
    write_settings(NodeFolder(own.directory / "plant-1"), policy=Policy(version=1), total_epsilon="60")
    write_settings(NodeFolder(own.directory / "plant-2"), policy=Policy(version=1), total_epsilon="60")
    with Client(own.requester) as client:
        wait_for(lambda: _rules(client, own) == 1)
        with pytest.raises(RefusedError) as caught:
            ask_with(client, wish, tmp_path / "model.comitia")
    assert caught.value.code == "no-provider"
    assert caught.value.exit_status == 5
    assert not (tmp_path / "model.comitia").exists()


def test_a_budget_that_is_used_up_refuses_before_training(own: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    for node in own.providers:
        write_settings(NodeFolder(node.folder), policy=GENEROUS, total_epsilon="3.5")
    with Client(own.requester) as client:
        wait_for(lambda: _versions(client, own) == {3})
        ask_with(client, wish, tmp_path / "a.comitia")
        before = [spent_micro(own, node.name) for node in own.providers]
        with pytest.raises(AbortedError) as caught:
            ask_with(client, wish, tmp_path / "b.comitia")
    assert "0 of 3 providers agreed" in str(caught.value)
    assert [spent_micro(own, node.name) for node in own.providers] == before


def test_an_owner_can_answer_by_hand(by_hand: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    with Client(by_hand.requester) as client, ThreadPoolExecutor() as caller:
        asked = caller.submit(ask_with, client, wish, tmp_path / "a.comitia")
        answer_all(by_hand, opened_by(client, {wish.purpose}))
        assert took_part(client, asked.result(PATIENCE_S)) == 3


def test_a_second_consortium_does_not_meet_the_first(
    local: LocalConsortium, tmp_path: Path, codebook: Codebook
) -> None:
    """Its requester, pointed at the first one's super node, is turned away by name."""
    other = consortium(tmp_path, codebook, providers=0)
    endpoint = load_genesis(local.consortium.genesis).genesis.super_nodes[0].endpoint
    settings = NodeFolder(other.requester).settings_file
    settings.write_text(settings.read_text().replace('connect = ""', f'connect = "{endpoint}"'))
    with pytest.raises(ConfigurationError) as caught, Client(other.requester):
        pass
    assert caught.value.code == "foreign-super-node"


def test_demo_is_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "orders.csv"
    rows = [
        f"{text},{label},{owner}"
        for label in WORDS
        for owner in ("p", "q", "r")
        for text in texts(label, 120, ord(owner))
    ]
    rows += [f"{text},,p" for label in WORDS for text in texts(label, 30, 77)]
    data.write_text("\n".join(["text,label,owner", *rows]), encoding="utf-8")
    columns = ["--text-column", "text", "--label-column", "label", "--provider-column", "owner"]
    arguments = ["demo", "--data", str(data), *columns, "--new-codes", "1", "--directory", str(tmp_path / "d")]
    assert main([*arguments, "--format", "json"]) == 0
    value = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    wanted = (
        "dataset providers committee witnesses leader accepted epsilon delta unit auc auc_new auc_public_only "
        "auc_public_only_new block_height block_hash model_sha256 proof_verified latency_s cached_latency_s cpu_s "
        "wire_bytes directory"
    )
    assert set(wanted.split()) <= value.keys()
    assert value["proof_verified"] is True
    assert value["providers"] == 3


def _rules(client: Client, own: LocalConsortium) -> int:
    policies = [client.application.policy(member.node) for member in client.application.members()]
    return sum(1 for policy in policies if policy is not None and policy.rules)


def _versions(client: Client, own: LocalConsortium) -> set[int]:
    policies = [client.application.policy(member.node) for member in client.application.members()]
    return {policy.version for policy in policies if policy is not None}


def opened_by(client: Client, purposes: Iterable[str]) -> set[SessionId]:
    """The open sessions for these purposes, once all are on the ledger."""
    wanted, found = set(purposes), dict[str, SessionId]()

    def all_there() -> bool:
        found.update((session.task.purpose, session.id) for session in client.application.open_sessions())
        return wanted <= found.keys()

    wait_for(all_there)
    return {found[purpose] for purpose in wanted}


def answer_all(local: LocalConsortium, sessions: set[SessionId]) -> None:
    """Say yes for every owner, once each is asked in all these sessions."""
    for node in local.providers:
        store = NodeStore(NodeFolder(node.folder).store)
        try:
            wait_for(lambda store=store: sessions <= {question.session for question in store.questions()})  # type: ignore[misc]
            for session in sessions:
                store.answer_question(session, True)
        finally:
            store.close()


def heights(folder: Path) -> tuple[dict[SessionId, int], dict[SessionId, int]]:
    """In which block of a node's ledger each session was opened, and in which it was sealed."""
    opened: dict[SessionId, int] = {}
    sealed: dict[SessionId, int] = {}
    for data in Chronicle(folder).blocks():
        block = Block.from_bytes(data)
        for transaction in map(Envelope.from_bytes, block.transactions):
            if transaction.header.type == type_name(OpenRequest):
                opened[SessionId(transaction.digest)] = block.header.height
            elif transaction.header.type == type_name(SealBlock):
                sealed[SessionId(transaction.header.session)] = block.header.height
    return opened, sealed


def test_a_provider_can_withdraw_and_come_back(own: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    asked = replace(wish, reuse=True)
    folder = str(own.providers[0].folder)
    with Client(own.requester) as client:
        ask_with(client, asked, tmp_path / "a.comitia")
        assert ask_with(client, asked, tmp_path / "b.comitia").cached
        assert main(["policy", folder, "withdraw"]) == 0
        wait_for(lambda: len(client.application.profiles()) == 2)
        without = ask_with(client, asked, tmp_path / "c.comitia")
        assert not without.cached
        assert took_part(client, without) == 2
        assert main(["policy", folder, "withdraw", "--undo"]) == 0
        wait_for(lambda: len(client.application.profiles()) == 3)
        assert took_part(client, ask_with(client, replace(asked, reuse=False), tmp_path / "d.comitia")) == 3
