"""What commands tell beside what was asked: warnings, doctor's findings, which folder is meant."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from comitia.app.cli import main
from comitia.app.health import Finding, examine
from comitia.app.node.opening import RunningMark, is_running, open_daemon
from comitia.core.codec import digest
from comitia.core.errors import ComitiaError
from comitia.core.ids import TransactionId
from comitia.engines.embedded import EmbeddedEngine
from comitia.learning.registry import learner
from comitia.ledger.genesis import Role
from comitia.ledger.transactions import RegisterCodebook, sign_transaction
from comitia.storage.folder import ConsortiumFolder, NodeFolder
from comitia.storage.model_file import write_model
from comitia.storage.node import NodeStore
from comitia.text.build import build_codebook
from comitia.text.categories import Category


@pytest.fixture
def plant(consortium: ConsortiumFolder) -> NodeFolder:
    """A provider that has the ledger."""
    node = NodeFolder(consortium.path.parent / "plant-a")
    shutil.copyfile(consortium.super_node.ledger, node.ledger)
    return node


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    """What a command that goes well prints for machines."""
    capsys.readouterr()
    assert main([*map(str, words), "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    """Status and error of a command that does not."""
    capsys.readouterr()
    status = main([*map(str, words), "--format", "json"])
    return status, json.loads(capsys.readouterr().err)


def bad(folder: Path) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(folder) if not finding.ok}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (["--requester", "nobody"], ["'nobody'", "join"]),
        (["--requester", "plant-b"], ["'plant-b'", "Works"]),
        (["--requester", "Works", "--requester", "nobody"], ["'nobody'"]),
    ],
)
def test_a_rule_for_whom_the_ledger_does_not_know_is_set_with_a_warning(
    capsys: pytest.CaptureFixture[str], plant: NodeFolder, rule: list[str], words: list[str]
) -> None:
    (warning,) = said(capsys, "policy", plant.path, "set", *rule)["warnings"]
    assert all(word in warning for word in words)
    assert main(["policy", str(plant.path), "set", *rule]) == 0
    assert f"warning: {warning}" in capsys.readouterr().err
    assert said(capsys, "policy", plant.path, "show")["policy"]["rules"][0]["requesters"] == rule[1::2]


def test_a_rule_for_members_needs_no_warning(capsys: pytest.CaptureFixture[str], plant: NodeFolder) -> None:
    for requester in ("*", "Works", plant.load_keys().node):
        assert said(capsys, "policy", plant.path, "set", "--requester", requester)["warnings"] == []
    assert said(capsys, "policy", plant.path, "set", "--deny-all")["warnings"] == []


def test_an_administrator_is_told_of_a_name_that_is_taken(
    capsys: pytest.CaptureFixture[str], consortium: ConsortiumFolder, tmp_path: Path
) -> None:
    assert main(["join", str(tmp_path / "other"), "--name", "plant-a", "--organisation", "Elsewhere"]) == 0
    approve = ("approve", tmp_path / "other" / "join-request.comitia", "--yes", "--consortium", consortium.path)
    (warning,) = said(capsys, *approve)["warnings"]
    assert "'plant-a' of 'Works'" in warning
    assert (tmp_path / "other" / "membership.comitia").exists()


def test_an_administrator_is_told_of_a_member_who_asks_as_somebody_else(
    capsys: pytest.CaptureFixture[str], consortium: ConsortiumFolder, plant: NodeFolder
) -> None:
    approve = ("approve", plant.join_request, "--yes", "--consortium", consortium.path)
    assert said(capsys, *approve)["warnings"] == []
    plant.approval.unlink()
    assert main(["join", str(plant.path), "--name", "plant-z"]) == 0
    (warning,) = said(capsys, *approve)["warnings"]
    assert "'plant-a' of 'Works' (provider)" in warning


def test_an_admitted_node_does_not_become_another_by_mistake(
    capsys: pytest.CaptureFixture[str], plant: NodeFolder
) -> None:
    before = plant.settings_file.read_bytes(), plant.join_request.read_bytes()
    status, error = refused(capsys, "join", plant.path, "--name", "plant-z")
    assert (status, error["error"]) == (4, "already-there")
    assert "'plant-a' of 'Works'" in error["message"]
    assert (plant.settings_file.read_bytes(), plant.join_request.read_bytes()) == before
    said(capsys, "join", plant.path, "--name", "plant-a", "--organisation", "Works", "--role", "provider")


@pytest.mark.parametrize(
    "command",
    [
        ("request", "{}", "-o", "m"),
        ("find", "{}", "engine"),
        ("provider", "{}", "--data", "nowhere.csv"),
        ("super-node", "{}"),
        ("witness", "{}"),
        ("budget", "{}"),
        ("policy", "{}", "show"),
        ("references", "{}", "show"),
        ("ledger", "blocks", "{}"),
        ("network", "{}"),
        ("codebook", "versions", "{}"),
    ],
    ids=lambda command: command[0],
)
def test_a_folder_that_is_no_node_is_called_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    words = [word.format(tmp_path) for word in command]
    status, error = refused(capsys, *words)
    assert (status, error["error"]) == (4, "not-a-node")
    assert "comitia join" in error["hint"]
    assert list(tmp_path.iterdir()) == []


def test_nodes_below_a_folder_are_named(
    capsys: pytest.CaptureFixture[str], consortium: ConsortiumFolder, tmp_path: Path
) -> None:
    _, error = refused(capsys, "request", tmp_path, "-o", tmp_path / "m")
    assert str(tmp_path / "plant-a") in error["hint"]
    status, error = refused(capsys, "revoke", "plant-a", "--consortium", tmp_path, "--reason", "left")
    assert (status, error["error"]) == (4, "not-a-consortium")
    assert "comitia init" in error["hint"]


def test_a_node_runs_as_what_it_was_admitted_as(
    capsys: pytest.CaptureFixture[str], consortium: ConsortiumFolder, plant: NodeFolder, tmp_path: Path
) -> None:
    data = tmp_path / "orders.csv"
    data.write_text("text,label\nhose leaks,hyd\n", encoding="utf-8")
    for words in (
        ("super-node", plant.path),
        ("witness", plant.path),
        ("provider", consortium.super_node.path, "--data", data),
        ("request", consortium.super_node.path, "-o", tmp_path / "m"),
    ):
        status, error = refused(capsys, *words)
        assert (status, error["error"]) == (4, "wrong-role"), words
    assert not plant.budget.exists()


def test_a_text_without_a_known_word_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    categories = (Category(label="hyd", name="hose leak"), Category(label="eng", name="engine smoke"))
    parts = ("hose leak", "engine smoke", "track roller", "lamp wire", "bucket tooth", "cab door", "seat belt", "horn")
    pool = [f"{part} shift{number % 9}" for number in range(20) for part in parts]
    codebook = build_codebook(pool, categories)
    model = learner("prototype").combine(codebook, ())
    write_model(tmp_path / "m", model=model.to_bytes(), proof=b"", codebook=codebook.to_bytes())
    assert main(["ask", str(tmp_path / "m"), "hose leak", "zzz"]) == 0
    assert "no word of 1 of 2 texts" in capsys.readouterr().err
    assert main(["ask", str(tmp_path / "m"), "hose leak", "zzz", "--format", "json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["known_words"] for answer in answers] == [True, False]
    assert answers[0]["label"] == "hyd"


def test_doctor_tells_of_a_revocation_that_waits(consortium: ConsortiumFolder) -> None:
    node = consortium.super_node.path
    assert "revocations" not in bad(node)
    assert main(["revoke", "plant-a", "--consortium", str(consortium.path), "--reason", "left"]) == 0
    finding = bad(node)["revocations"]
    assert "plant-a" in finding.found
    assert "start this super node" in finding.mend


def test_doctor_tells_of_a_model_that_cannot_be_served(consortium: ConsortiumFolder) -> None:
    node = consortium.super_node
    store = NodeStore(node.store)
    for model in (b"a model", b"another"):
        store.keep_artefact(digest(model), model)
    store.close()
    assert "kept" not in bad(node.path)
    file = node.path / "node.artefacts" / f"{digest(b'another').hex()}.artefact"
    file.write_bytes(b"an other")
    for _ in range(2):  # looking changes nothing
        finding = bad(node.path)["kept"]
        assert finding.found.startswith("1 of 2 ")
        assert f"the model {digest(b'another').hex()[:12]}" in finding.found


def test_doctor_tells_of_a_codebook_that_is_gone_from_a_super_node(consortium: ConsortiumFolder) -> None:
    super_node, book = consortium.super_node, b"a codebook"
    keys, genesis = super_node.load_keys(), consortium.load_genesis().genesis
    engine = EmbeddedEngine.open(super_node.ledger, genesis, signer=keys.signing)
    body = RegisterCodebook(digest=digest(book), size=len(book), references=0, leaf_labels=("x",))
    envelope = sign_transaction(body, chain=genesis.chain, epoch=0, sender=keys.node, key=keys.signing)
    engine.submit_own(TransactionId(envelope.digest), envelope.to_bytes())
    engine.produce(genesis.created_ms + 2)
    engine.close()
    store = NodeStore(super_node.store)
    assert digest(book).hex()[:12] in bad(super_node.path)["kept"].found
    store.keep_artefact(digest(book), book)
    store.close()
    assert "kept" not in bad(super_node.path)


def test_doctor_tells_of_settings_that_are_not_what_was_admitted(plant: NodeFolder) -> None:
    settings = plant.settings_file
    settings.write_text(settings.read_text(encoding="utf-8").replace('"Works"', '"Worms"'), encoding="utf-8")
    assert "'plant-a' of 'Works'" in bad(plant.path)["membership"].found


@pytest.mark.parametrize("name", ["node.db", "ledger.db", "membership.comitia", "node.toml"])
def test_one_cause_has_one_line(
    capsys: pytest.CaptureFixture[str], plant: NodeFolder, consortium: ConsortiumFolder, name: str
) -> None:
    NodeStore(plant.store).close()
    data = bytearray((plant.path / name).read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    (plant.path / name).write_bytes(data)
    found = bad(plant.path)
    found.pop("super node", None)  # nobody runs one here
    assert len(found) == 1, found
    assert all(word not in str(found) for word in ("Approval", "JoinRequest", "NodeSettings"))
    assert str(plant.path / name) in str(found), "a file is named, and it is the node's own"
    if name != "membership.comitia":
        capsys.readouterr()
        assert main(["status", str(plant.path.parent), "--format", "json"]) == 0
        states = {state["node"]: state for state in json.loads(capsys.readouterr().out)}
        assert states["plant-a"]["trouble"]
        assert states["super-node"]["height"] == 1 and not states["super-node"]["trouble"]


@pytest.mark.parametrize(
    "mark", ["[1]", "{}", "", '{"pid": "x", "since_ms": 1}', '{"pid": 1e400, "since_ms": 1}', "null"]
)
def test_a_damaged_mark_of_a_running_node_is_none(plant: NodeFolder, mark: str) -> None:
    plant.running.write_text(mark, encoding="utf-8")
    assert not is_running(plant)
    assert bad(plant.path).keys() <= {"super node"}


def test_a_node_whose_memory_is_gone_says_so_when_it_starts(
    plant: NodeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    for told in (True, False):
        caplog.clear()
        daemon = open_daemon(plant, role=Role.PROVIDER, patient=True)
        daemon.engine.close()
        daemon.store.close()
        assert ("though this node has run before" in caplog.text) is told


@pytest.mark.parametrize("name", ["membership.comitia", "node.toml", "node.db", "keys/signing.key"])
def test_another_nodes_file_in_a_nodes_folder_is_found_out(
    plant: NodeFolder, consortium: ConsortiumFolder, name: str
) -> None:
    """Restored from the wrong backup: a node took another's policy and promises for its own."""
    other = NodeFolder(plant.path.parent / "plant-b")
    for node in (plant, other):
        daemon = open_daemon(node, role=Role.PROVIDER, patient=True)
        daemon.engine.close()
        daemon.store.close()
    shutil.copyfile(other.path / name, plant.path / name)
    with pytest.raises(ComitiaError) as caught:
        open_daemon(plant, role=Role.PROVIDER, patient=True)
    assert caught.value.code in ("foreign-membership", "other-settings", "foreign-store")
    assert set(bad(plant.path)) - {"super node"} == {"owner of the store" if name == "node.db" else "membership"}
    daemon = open_daemon(other, role=Role.PROVIDER, patient=True)
    daemon.engine.close()
    daemon.store.close()


def test_what_an_interrupted_founding_left_is_called_so(
    capsys: pytest.CaptureFixture[str], consortium: ConsortiumFolder
) -> None:
    consortium.genesis.unlink()
    status, error = refused(capsys, "init", consortium.path)
    assert (status, error["error"]) == (4, "already-there")
    assert "interrupted" in error["hint"]


def test_a_mark_that_cannot_be_written_ends_no_node(
    plant: NodeFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk was full, and the node ended without a word on which file it was."""

    def full(_: Path, __: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    mark = RunningMark(plant)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        for sent in (1, 2, 3):
            mark.refresh(sent)
    assert caplog.text.count(f"{plant.running} cannot be written") == 1
    assert is_running(plant)
    mark.refresh(4)
    assert json.loads(plant.running.read_text(encoding="utf-8"))["sent_bytes"] == 4
    assert not list(plant.path.glob("*.part"))
    mark.remove()
