"""A forked ledger as its operators meet it: what a node says of it, a proof in a file, two ledgers side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comitia.app.cli import main
from comitia.app.consortium import approve, request_to_join, sound_request
from comitia.core.crypto import SigningKey
from comitia.core.ids import TransactionId
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger import merkle
from comitia.ledger.block import Block
from comitia.ledger.transactions import RegisterMember, sign_transaction
from comitia.storage.folder import ConsortiumFolder, NodeFolder

Consortium = tuple[ConsortiumFolder, NodeFolder]


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    """A super node with two blocks, and a provider who was told another second one."""
    folder, provider = ConsortiumFolder(tmp_path / "consortium"), NodeFolder(tmp_path / "plant-a")
    assert main(["init", str(folder.path)]) == 0
    request_to_join(provider, name="plant-a", organisation="Works", roles=("provider",))
    approve(folder, sound_request(provider.join_request), provider.approval)
    genesis, signer = folder.load_genesis().genesis, folder.super_node.load_keys().signing
    engine = EmbeddedEngine.open(folder.super_node.ledger, genesis, signer=signer)
    for number, node in enumerate((folder.super_node, provider)):
        keys = node.load_keys()
        body = RegisterMember(membership=node.load_approval(keys.node).membership)
        envelope = sign_transaction(body, chain=genesis.chain, epoch=0, sender=keys.node, key=keys.signing)
        engine.submit_own(TransactionId(envelope.digest), envelope.to_bytes())
        engine.produce(genesis.created_ms + number)
    blocks = [engine.block(height) for height in (1, 2)]
    engine.close()
    follower = EmbeddedEngine.open(provider.ledger, genesis)
    follower.append(blocks[0])
    follower.append(twin(blocks[1], signer, state_root=blocks[0].header.state_root))
    follower.close()
    return folder, provider


def twin(block: Block, signer: SigningKey, state_root: bytes = bytes(32)) -> Block:
    """Another block of the same height, in which nothing happens."""
    return Block.sign(replace(block.header, transactions_root=merkle.root(()), state_root=state_root), (), signer)


def tell(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    capsys.readouterr()
    status = main([*map(str, arguments), "--format", "json"])
    told = capsys.readouterr()
    return status, json.loads(told.out or told.err)


def test_two_nodes_ledgers_side_by_side_prove_the_fork(
    consortium: Consortium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, provider = consortium
    export, proof = tmp_path / "super.bin", tmp_path / "fork.proof"
    assert tell(capsys, "ledger", "fork", provider.path) == (0, {"forked": False})
    assert main(["ledger", "export", str(folder.path), "-o", str(export)]) == 0
    status, error = tell(capsys, "ledger", "compare", export, provider.path)
    assert (status, error["error"], error["values"]["height"]) == (10, "ledger-forked", 2)
    status, kept = tell(capsys, "ledger", "fork", provider.path, "-o", proof)
    assert status == 0 and kept["forked"] and [block["height"] for block in kept["blocks"]] == [2, 2]
    assert tell(capsys, "ledger", "verify-fork", proof, "--genesis", folder.genesis) == (0, kept)
    status, (state,) = tell(capsys, "status", provider.path)
    assert status == 0 and "the ledger is forked" in state["fork"]
    status, findings = tell(capsys, "doctor", provider.path)
    (found,) = [finding for finding in findings if finding["check"] == "one history"]
    assert status == 4 and not found["ok"] and "comitia ledger fork" in found["mend"]


def test_people_are_told_in_words(consortium: Consortium, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, provider = consortium
    export = str(tmp_path / "super.bin")
    assert main(["ledger", "fork", str(provider.path)]) == 0
    assert main(["ledger", "export", str(folder.path), "-o", export]) == 0
    assert main(["ledger", "compare", export, str(folder.path)]) == 0
    assert main(["ledger", "compare", export, str(provider.path)]) == 10
    assert main(["ledger", "fork", str(provider.path)]) == 0
    assert main(["status", str(provider.path)]) == 0
    said = capsys.readouterr().out
    for words in ("knows of one history only", "2 blocks, the same in both", "forked: ", "block 2 of ", "2, FORKED"):
        assert words in said


def test_what_proves_nothing_is_refused(
    consortium: Consortium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, provider = consortium
    nothing, foreign = tmp_path / "nothing", ConsortiumFolder(tmp_path / "other")
    nothing.write_bytes(b"\x00" * 9)
    status, error = tell(capsys, "ledger", "compare", nothing, provider.path)
    assert (status, error["error"]) == (3, "no-export")
    assert tell(capsys, "ledger", "verify-fork", nothing, "--genesis", folder.genesis)[0] == 4
    export, proof = tmp_path / "super.bin", tmp_path / "fork.proof"
    assert main(["ledger", "export", str(folder.path), "-o", str(export)]) == 0
    assert main(["ledger", "compare", str(export), str(provider.path)]) == 10
    assert main(["ledger", "fork", str(provider.path), "-o", str(proof)]) == 0
    assert main(["init", str(foreign.path)]) == 0
    status, error = tell(capsys, "ledger", "verify-fork", proof, "--genesis", foreign.genesis)
    assert (status, error["error"]) == (8, "proof-invalid")


def test_an_export_that_no_super_node_signed_accuses_nobody(
    consortium: Consortium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, provider = consortium
    export = tmp_path / "forged.bin"
    engine = EmbeddedEngine.open(folder.super_node.ledger, folder.load_genesis().genesis)
    data = twin(engine.block(1), SigningKey.generate()).to_bytes()
    engine.close()
    export.write_bytes(len(data).to_bytes(8, "big") + data)
    status, error = tell(capsys, "ledger", "compare", export, provider.path)
    assert (status, error["error"]) == (8, "proof-invalid")
    assert tell(capsys, "ledger", "fork", provider.path) == (0, {"forked": False})
