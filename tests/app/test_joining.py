"""What an administrator can be made to sign, and what other users of a machine can see of a node."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from comitia.app import consortium
from comitia.app.cli import main
from comitia.app.node.opening import open_daemon
from comitia.core.crypto import SealingKey
from comitia.core.errors import InputError
from comitia.storage.folder import JOIN_REQUEST, ConsortiumFolder, NodeFolder
from comitia.transport import certificates


@pytest.fixture
def founded(tmp_path: Path) -> ConsortiumFolder:
    folder = ConsortiumFolder(tmp_path / "consortium")
    assert main(["init", str(folder.path)]) == 0
    return folder


def asking(path: Path, *roles: str) -> NodeFolder:
    node = NodeFolder(path)
    consortium.request_to_join(node, name="plant-a", organisation="Works", roles=roles or ("provider",))
    return node


def refused(founded: ConsortiumFolder, node: NodeFolder) -> str:
    with pytest.raises(InputError) as caught:
        consortium.approve(founded, consortium.sound_request(node.join_request), node.approval)
    assert not node.approval.exists()
    return caught.value.code


def test_nobody_asks_in_the_name_of_a_node_that_is_there(founded: ConsortiumFolder, tmp_path: Path) -> None:
    """Public keys stand on the ledger; with one of them and a TLS key of its own an intruder got a certificate of the
    node's name, and with it the node's inbox."""
    victim = JOIN_REQUEST.read(asking(tmp_path / "victim").join_request)
    node = asking(tmp_path / "intruder")
    own = JOIN_REQUEST.read(node.join_request)
    tls_request = certificates.signing_request(victim.node, certificates.generate_private_key())
    sealing_key = SealingKey.generate().public
    stolen = replace(own, signing_key=victim.signing_key, sealing_key=sealing_key, tls_request=tls_request)
    for forged in (stolen, replace(stolen, proof=victim.proof), replace(stolen, proof=b"")):
        JOIN_REQUEST.write(node.join_request, forged)
        assert refused(founded, node) == "forged-request"


@pytest.mark.parametrize("change", [{"name": "\x1b[2J"}, {"organisation": ""}, {"roles": ("witness",)}])
def test_a_request_is_approved_as_its_node_wrote_it(
    founded: ConsortiumFolder, tmp_path: Path, change: dict[str, object]
) -> None:
    node = asking(tmp_path / "plant-a")
    JOIN_REQUEST.write(node.join_request, replace(JOIN_REQUEST.read(node.join_request), **change))
    assert refused(founded, node) in ("forged-request", "bad-name")


def test_a_say_over_others_work_is_granted_by_name(
    founded: ConsortiumFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The administrator learnt what it had signed from the line that said that it was done."""
    node = asking(tmp_path / "helpful", "provider", "super-node", "witness")
    command = ["approve", str(node.join_request), "--yes", "--consortium", str(founded.path)]
    assert main(command) == 3
    assert "--role super-node --role witness" in capsys.readouterr().err
    assert main([*command, "--role", "witness"]) == 3
    assert not node.approval.exists()
    assert main([*command, "--role", "witness", "--role", "super-node"]) == 0
    assert node.load_keys().node in capsys.readouterr().out


def test_nobody_is_admitted_unseen(
    founded: ConsortiumFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = NodeFolder(tmp_path / "plant-a")
    assert main(["join", str(node.path), "--name", "plant-a", "--organisation", "Works", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["fingerprint"]
    command = ["approve", str(node.join_request), "--consortium", str(founded.path)]
    for output in ("text", "json"):
        assert main([*command, "--format", output]) == 3
        told = capsys.readouterr().err
        assert "not-confirmed" in told and "--yes" in told
        assert all(word in told for word in ("plant-a", "Works", "provider, requester", node.load_keys().node, shown))
        assert not node.approval.exists()
    assert main([*command, "--yes", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["fingerprint"] == shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 3), ("", 3)])
def test_an_administrator_says_yes_at_a_terminal(
    founded: ConsortiumFolder, tmp_path: Path, answer: str, status: int
) -> None:
    import pty

    node = asking(tmp_path / "plant-a")
    ours, theirs = pty.openpty()
    command = ["approve", str(node.join_request), "--consortium", str(founded.path)]
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "comitia.app", *command], stdin=theirs, capture_output=True, check=False, timeout=60
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == status, done.stderr
    assert b"Admit it?" in done.stderr
    assert node.approval.exists() == (status == 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes; a user's folders are its own there")
def test_nobody_else_on_the_machine_looks_into_a_nodes_folder(founded: ConsortiumFolder, tmp_path: Path) -> None:
    """Vectors of documents, releases before they are revealed and references kept back were readable by everyone."""
    node = asking(tmp_path / "plant-a")
    consortium.approve(founded, consortium.sound_request(node.join_request), node.approval)
    private = [node.path, founded.super_node.path, founded.admin_key.parent]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in private] == [0o700] * 3
    node.path.chmod(0o755)
    daemon = open_daemon(node, patient=True)
    daemon.engine.close()
    daemon.store.close()
    assert stat.S_IMODE(node.path.stat().st_mode) == 0o700
