"""Nodes that die, and files that rot: nothing acknowledged is lost, every request ends, budgets add up."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from plants import PATIENCE_S, SHORT_STAGE_MS, consortium, took_part, wait_for

from comitia.app.asking import ask_with
from comitia.app.audit import Chronicle
from comitia.app.local import LocalConsortium, LocalNode, await_ready
from comitia.app.node.client import Client
from comitia.app.tasks import Wish
from comitia.core.errors import AbortedError, ComitiaError
from comitia.ledger.session import Session
from comitia.privacy.book import Standing
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.text.codebook import Codebook

pytestmark = pytest.mark.e2e


def kill(*nodes: LocalNode) -> None:
    """End nodes at once, as a power cut would."""
    for node in nodes:
        assert node.process is not None
        node.process.kill()
        node.process.wait(timeout=PATIENCE_S)
        node.process = None


def once(phase: str, action: Callable[[], None]) -> Callable[[Session], None]:
    """Do something the first time that a session reaches a phase."""
    done: list[bool] = []

    def progress(session: Session) -> None:
        if session.phase.value == phase and not done:
            done.append(True)
            action()

    return progress


@pytest.mark.parametrize("phase", ["consent", "commit", "score"])
def test_a_request_outlives_a_provider(own: LocalConsortium, wish: Wish, tmp_path: Path, phase: str) -> None:
    victim, asked = own.providers[0], replace(wish, stage_ms=SHORT_STAGE_MS)
    with Client(own.requester) as client:
        answer = ask_with(client, asked, tmp_path / "m.comitia", progress=once(phase, lambda: kill(victim)))
        assert took_part(client, answer) >= 2


def test_without_a_quorum_a_request_ends_with_a_reason(own: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    kill(*own.providers)
    with Client(own.requester) as client, pytest.raises(AbortedError) as caught:
        ask_with(client, replace(wish, stage_ms=1_000), tmp_path / "m.comitia")
    assert "0 of 3 providers agreed" in str(caught.value)
    assert "needed" in str(caught.value)


@pytest.mark.parametrize("phase", ["consent", "commit", "score", "seal"])
def test_a_killed_super_node_loses_nothing(own: LocalConsortium, wish: Wish, tmp_path: Path, phase: str) -> None:
    """After a restart what was acknowledged is there, the session has an end, and budgets match the ledger."""
    super_node = own.super_node
    assert super_node is not None
    heights: list[int] = []

    def cut() -> None:
        heights.append(client.daemon.engine.height)
        kill(super_node)
        own.start_node(super_node)

    with Client(own.requester) as client:
        try:
            ask_with(client, replace(wish, stage_ms=SHORT_STAGE_MS), tmp_path / "m.comitia", progress=once(phase, cut))
        except ComitiaError as error:
            assert error.code in ("session-aborted", "no-answer"), error
        await_ready(super_node)
        wait_for(lambda: not client.application.open_sessions())
        again = ask_with(client, wish, tmp_path / "again.comitia")
        assert client.daemon.engine.height > heights[0]
        assert took_part(client, again) == 3
        conduct = {m.name: client.application.conduct(m.node).epsilon_micro for m in client.application.members()}
    for node in own.providers:
        book = BudgetFile.read(NodeFolder(node.folder).budget)
        spent = sum(
            entry.ask.epsilon_micro
            for entry in book.entries.values()
            if entry.ask.session and entry.standing in (Standing.SPENT, Standing.ABANDONED)
        )
        assert spent >= conduct[node.name]
        assert spent <= 2 * 2_000_000


def test_a_restarted_provider_takes_part_again(own: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    victim = own.providers[0]
    kill(victim)
    own.start_node(victim)
    await_ready(victim)
    with Client(own.requester) as client:
        assert took_part(client, ask_with(client, wish, tmp_path / "m.comitia")) == 3
    entries = BudgetFile.read(NodeFolder(victim.folder).budget).entries.values()
    assert sum(1 for entry in entries if not entry.ask.session) == 1, "the profile was paid for once"


def test_a_member_that_was_away_settles_what_it_had_reserved(own: LocalConsortium, wish: Wish, tmp_path: Path) -> None:
    """A crash while reserved counts as spent, and is never given back."""
    victim, asked = own.providers[0], replace(wish, stage_ms=SHORT_STAGE_MS)
    with Client(own.requester) as client:
        ask_with(client, asked, tmp_path / "m.comitia", progress=once("commit", lambda: kill(victim)))
    own.start_node(victim)
    await_ready(victim)
    standings = {e.standing for e in BudgetFile.read(NodeFolder(victim.folder).budget).entries.values()}
    assert Standing.RESERVED not in standings
    assert Standing.RETURNED not in standings


# --- files ----------------------------------------------------------------------------------------------


def started(node: LocalNode) -> subprocess.CompletedProcess[str]:
    """Run a node that is expected to end by itself."""
    command = [sys.executable, "-m", "comitia.app", *node.arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture
def stopped(tmp_path: Path, codebook: Codebook) -> LocalConsortium:
    """A consortium that ran once and was stopped."""
    local = consortium(tmp_path, codebook, providers=1)
    with local:
        local.start()
    return local


def test_a_ledger_that_is_damaged_in_the_middle_is_not_served(stopped: LocalConsortium) -> None:
    node = stopped.super_node
    assert node is not None
    ledger = NodeFolder(node.folder).ledger
    data = bytearray(ledger.read_bytes())
    data[len(data) // 2] ^= 0xFF
    ledger.write_bytes(bytes(data))
    ended = started(node)
    assert ended.returncode == 8, ended.stderr
    assert "ledger-damaged" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ledger.read_bytes() == bytes(data)


def test_a_damaged_budget_counts_as_exhausted(stopped: LocalConsortium) -> None:
    node = stopped.providers[0]
    budget = NodeFolder(node.folder).budget
    with sqlite3.connect(budget) as db:
        db.execute("UPDATE journal SET movement = x'00' WHERE number = 1")
    ended = started(node)
    assert ended.returncode == 9, ended.stderr
    assert "budget-damaged" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_budget_that_is_gone_counts_as_exhausted(stopped: LocalConsortium) -> None:
    """Deleting a file does not reset a cap."""
    node = stopped.providers[0]
    for path in node.folder.glob("budget.db*"):
        path.unlink()
    ended = started(node)
    assert ended.returncode == 9, ended.stderr
    assert "budget-missing" in ended.stderr
    assert not NodeFolder(node.folder).budget.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file modes")
def test_a_key_that_others_can_read_is_not_used(stopped: LocalConsortium) -> None:
    node = stopped.providers[0]
    (node.folder / "keys" / "signing.key").chmod(0o644)
    ended = started(node)
    assert ended.returncode == 4, ended.stderr
    assert "key-readable-by-others" in ended.stderr
    assert "signing.key" in ended.stderr


def test_a_second_node_in_one_folder_is_refused(local: LocalConsortium) -> None:
    ended = started(local.providers[0])
    assert ended.returncode == 4, ended.stderr
    assert "already-running" in ended.stderr


def test_a_port_in_use_is_named(local: LocalConsortium, tmp_path: Path, codebook: Codebook) -> None:
    from comitia.app import consortium as founding
    from comitia.ledger.genesis import Parameters
    from comitia.storage.folder import load_genesis

    taken = load_genesis(local.consortium.genesis).genesis.super_nodes[0].endpoint
    founding.found(tmp_path / "c", name="second", organisation="operator", endpoint=taken, parameters=Parameters())
    node = LocalNode(
        name="second", folder=tmp_path / "c", arguments=["super-node", str(tmp_path / "c"), "--format", "json"]
    )
    ended = started(node)
    assert ended.returncode == 6, ended.stderr
    assert "port-in-use" in ended.stderr
    assert taken.rsplit(":", 1)[1] in ended.stderr


def test_the_ledger_can_be_read_while_nodes_run(local: LocalConsortium) -> None:
    assert Chronicle(local.providers[0].folder).height > 0
