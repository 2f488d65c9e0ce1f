"""`comitia revoke`: an administrator excludes a member, by way of the super node."""

from __future__ import annotations

import json
from typing import Any

import pytest

from comitia.app.cli import main
from comitia.core.ids import TransactionId
from comitia.driver.revocations import pending
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.records import NEVER
from comitia.ledger.transactions import sign_transaction
from comitia.storage.folder import ConsortiumFolder
from comitia.storage.node import NodeStore


def revoke(consortium: ConsortiumFolder, *arguments: str) -> Any:
    return main(["revoke", *arguments, "--consortium", str(consortium.path), "--reason", "left", "--format", "json"])


def test_a_revocation_waits_for_the_super_node_once_for_each_member(
    consortium: ConsortiumFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    for name in ("plant-a", "plant-b", "plant-a"):
        assert revoke(consortium, name) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    store = NodeStore(consortium.super_node.store)
    assert [body.node for body in pending(store)] == [told[1]["node"], told[0]["node"]]
    store.close()


def test_the_ledger_takes_what_was_signed(consortium: ConsortiumFolder) -> None:
    assert revoke(consortium, "plant-a") == 0
    store, keys = NodeStore(consortium.super_node.store), consortium.super_node.load_keys()
    (body,) = pending(store)
    store.close()
    genesis = consortium.load_genesis().genesis
    engine = EmbeddedEngine.open(consortium.super_node.ledger, genesis, signer=keys.signing)
    envelope = sign_transaction(body, chain=genesis.chain, epoch=0, sender=keys.node, key=keys.signing)
    engine.submit_own(TransactionId(envelope.digest), envelope.to_bytes())
    engine.produce(genesis.created_ms + 2)
    revoked = {member.name: member.revoked_from != NEVER for member in engine.application.members()}
    engine.close()
    assert (revoked["plant-a"], revoked["plant-b"]) == (True, False)
    assert revoke(consortium, "plant-a") == 4


@pytest.mark.parametrize(
    ("who", "code"), [("nobody", "unknown-member"), ("super-node", "is-super-node"), ("", "unknown-member")]
)
def test_who_cannot_be_revoked_is_named(
    consortium: ConsortiumFolder, who: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert revoke(consortium, who) == 3
    assert f'"error": "{code}"' in capsys.readouterr().err
