"""A consortium in files, with a ledger and no process."""

from __future__ import annotations

from pathlib import Path

import pytest

from comitia.app.cli import main
from comitia.app.consortium import approve, request_to_join, sound_request
from comitia.core.ids import TransactionId
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.transactions import RegisterMember, sign_transaction
from comitia.storage.folder import ConsortiumFolder, NodeFolder


@pytest.fixture
def consortium(tmp_path: Path) -> ConsortiumFolder:
    """A consortium whose ledger knows the super node and two providers."""
    folder = ConsortiumFolder(tmp_path / "consortium")
    assert main(["init", str(folder.path)]) == 0
    genesis = folder.load_genesis().genesis
    nodes = [folder.super_node]
    for name in ("plant-a", "plant-b"):
        nodes.append(NodeFolder(tmp_path / name))
        request_to_join(nodes[-1], name=name, organisation="Works", roles=("provider",))
        approve(folder, sound_request(nodes[-1].join_request), nodes[-1].approval)
    engine = EmbeddedEngine.open(folder.super_node.ledger, genesis, signer=folder.super_node.load_keys().signing)
    for node in nodes:
        keys = node.load_keys()
        body = RegisterMember(membership=node.load_approval(keys.node).membership)
        envelope = sign_transaction(body, chain=genesis.chain, epoch=0, sender=keys.node, key=keys.signing)
        engine.submit_own(TransactionId(envelope.digest), envelope.to_bytes())
    engine.produce(genesis.created_ms + 1)
    engine.close()
    return folder
