"""What the load and chaos benchmarks rest on: a long ledger is a valid one, a cable can be cut, files are inspected."""

from __future__ import annotations

import socket
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from world import ADMIN, START_MS, World, genesis, key

from comitia.app.bench import made_up
from comitia.app.bench.aftermath import inspect
from comitia.app.bench.cable import Cable
from comitia.app.bench.consensus import consensus
from comitia.app.bench.crowd import Crowd, Reply, percentile
from comitia.app.local import LocalConsortium
from comitia.core.errors import InputError
from comitia.core.ids import SessionId
from comitia.engines.embedded import EmbeddedEngine
from comitia.evaluation.long_ledger import EPOCHS, LongLedger
from comitia.evaluation.past_sessions import PastSessions, model_of
from comitia.ledger.genesis import DAY_MS
from comitia.ledger.proof import verify_proof
from comitia.ledger.session import Phase
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.storage.keys import read_signing_key


def test_a_long_ledger_opens_again_and_its_old_transactions_are_forgotten(tmp_path: Path) -> None:
    path, until = tmp_path / "ledger.db", START_MS + (EPOCHS + 1) * DAY_MS
    engine = EmbeddedEngine.open(path, genesis(), signer=key("super"))
    membership = World().membership("super", ("super-node", "witness"))
    ledger = LongLedger(
        engine, genesis(), admin=ADMIN, super_node=key("super"), super_membership=membership, until_ms=until
    )
    ledger.fill(made_up.codebook(), providers=20, transactions=2_500)
    assert len(engine.application.profiles()) == 20
    PastSessions(ledger, made_up.codebook()).seal(3)
    sealed = [session for session in engine.application.sessions() if session.phase is Phase.SEALED]
    assert len(sealed) == 3
    verify_proof(engine.proof(sealed[0].id), genesis(), model_of(sealed[0].id))
    root, height = engine.application.state_root, engine.height
    engine.close()
    again = EmbeddedEngine.open(path, genesis(), signer=key("super"))
    assert (again.application.state_root, again.height) == (root, height)
    again.close()


def test_a_cut_cable_ends_connections_and_takes_none_until_it_is_mended() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def echo() -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            near.sendall(near.recv(9))

    threading.Thread(target=echo, daemon=True).start()
    cable = Cable(server.getsockname()[1])

    def says(word: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", cable.end), timeout=5) as near:
            try:
                near.sendall(word)
                return near.recv(9)
            except OSError:
                return b""

    assert says(b"one") == b"one"
    cable.cut()
    assert says(b"two") == b""
    cable.mend()
    assert says(b"three") == b"three"
    cable.close()
    server.close()


@pytest.fixture
def stopped(tmp_path: Path) -> LocalConsortium:
    """A consortium with a short ledger that nobody runs."""
    local = LocalConsortium(tmp_path)
    local.found(made_up.codebook())
    node = local.add_provider("plant-1", made_up.documents(1))
    BudgetFile.create(NodeFolder(node.folder).budget).close()
    folder = local.consortium.super_node
    keys = folder.load_keys()
    signed = local.consortium.load_genesis().genesis
    for path in (folder.ledger, NodeFolder(local.requester).ledger, NodeFolder(node.folder).ledger):
        engine = EmbeddedEngine.open(path, signed, signer=keys.signing)
        if path == folder.ledger:
            ledger = LongLedger(
                engine,
                signed,
                admin=read_signing_key(local.consortium.admin_key),
                super_node=keys.signing,
                super_membership=folder.load_approval(keys.node).membership,
                until_ms=signed.created_ms + (EPOCHS + 1) * DAY_MS,
            )
            ledger.fill(made_up.codebook(), providers=3, transactions=10)
        engine.close()
    return local


def test_files_in_order_have_nothing_to_be_said_against(stopped: LocalConsortium) -> None:
    end = inspect(stopped, [])
    assert end.violations == ()
    assert end.blocks == 2


def test_what_was_acknowledged_and_is_not_there_is_named(stopped: LocalConsortium) -> None:
    reply = Reply(request=SessionId(bytes(32)), source=SessionId(b"s" * 32), latency_s=1, code="", cached=True)
    found = inspect(stopped, [reply, replace(reply, code="busy")]).violations
    assert len(found) == 2
    assert "is not sealed" in found[0]
    assert "without a record" in found[1]


def test_a_lost_budget_is_named(stopped: LocalConsortium) -> None:
    NodeFolder(stopped.providers[0].folder).budget.unlink()
    (found,) = inspect(stopped, []).violations
    assert "budget of plant-1" in found


def test_a_late_question_is_late_from_when_it_was_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What delays the asking itself is part of the answer's latency."""
    crowd, dues = Crowd(tmp_path), list[float]()
    monkeypatch.setattr(crowd, "ask", lambda task, *, due: dues.append(due))
    monkeypatch.setattr("comitia.app.bench.crowd.time.sleep", lambda seconds: None)
    crowd.ask_at_rate(World().task(), rate=10, count=4)
    assert [later - dues[0] for later in dues] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.01, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert percentile([7.0], 0.99) == 7.0


@pytest.mark.parametrize(
    "arguments", [["--providers", "2"], ["--providers", "51"], ["--providers", "three"], ["--bits", "40"]]
)
def test_a_comparison_that_would_not_end_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(consensus, arguments)
    assert isinstance(result.exception, InputError)
    assert result.exception.code == "bad-option"


def test_a_comparison_is_drawn(tmp_path: Path) -> None:
    drawn = tmp_path / "agreement.svg"
    result = CliRunner().invoke(consensus, ["--providers", "3", "--bits", "4", "--plot", str(drawn)])
    assert result.exit_code == 0
    assert ET.parse(drawn).getroot().tag.endswith("svg")
