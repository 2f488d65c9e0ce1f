"""Opens what a node needs from its folder: keys, ledger, store, transport; and the checks before that."""

from __future__ import annotations

import json
import os
import time
from typing import Final

from comitia.app.node.daemon import Daemon
from comitia.core.errors import ConfigurationError
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.genesis import Role
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore
from comitia.transport.certificates import TlsIdentity, pem_from_der
from comitia.transport.endpoint import Endpoint
from comitia.transport.zenoh import ZenohClient, ZenohRouter

STALE_S: Final = 5.0
"""A running mark older than this was left by a node that is gone."""


def open_daemon(folder: NodeFolder, *, patient: bool) -> Daemon:
    """A node, ready to run, from its folder.

    `patient` nodes wait for a super node that is not there; a command that a person waits for does not.

    Raises
    ------
    ConfigurationError
        If the folder is not that of an approved node, or a node already runs in it.
    UnavailableError
        If the super node's port is taken, or it cannot be reached.
    StorageError, DamagedError
        If the ledger or the store is damaged.
    """
    settings = folder.settings()
    keys = folder.load_keys()
    approval = folder.load_approval(keys.node)
    genesis = approval.genesis.genesis
    if is_running(folder):
        raise ConfigurationError(
            f"a node already runs in {folder.path}", code="already-running", hint="`comitia stop` ends it"
        )
    leads = Role.SUPER_NODE.value in settings.roles
    engine = EmbeddedEngine.open(folder.ledger, genesis, signer=keys.signing if leads else None)
    identity = TlsIdentity(
        node=keys.node,
        certificate=approval.certificate,
        private_key=keys.tls,
        authority=pem_from_der(genesis.certificate_authority),
    )
    endpoint = Endpoint.parse(settings.connect or genesis.super_nodes[0].endpoint)
    transport: ZenohClient | ZenohRouter
    if leads:
        transport = ZenohRouter(
            identity,
            genesis.chain,
            endpoint,
            super_nodes=[entry.node for entry in genesis.super_nodes],
            members=[member.node for member in engine.application.members()],
        )
    else:
        transport = ZenohClient(identity, genesis.chain, endpoint, patient=patient)
    return Daemon(
        genesis=genesis,
        membership=approval.membership,
        keys=keys,
        engine=engine,
        store=NodeStore(folder.store),
        transport=transport,
    )


class RunningMark:
    """A file that says that a node runs in its folder, and what it has sent; kept fresh while it does."""

    def __init__(self, folder: NodeFolder) -> None:
        self._path = folder.running
        self._since_ms = time.time_ns() // 1_000_000
        self.refresh(0)

    def refresh(self, sent_bytes: int) -> None:
        """Say that the node is alive, and how many bytes it has sent so far."""
        partial = self._path.with_suffix(".part")
        facts = {"pid": os.getpid(), "since_ms": self._since_ms, "sent_bytes": sent_bytes}
        partial.write_text(json.dumps(facts), encoding="utf-8")
        partial.replace(self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def is_running(folder: NodeFolder) -> bool:
    """Whether a node runs in this folder, as far as its mark tells."""
    try:
        return time.time() - folder.running.stat().st_mtime < STALE_S
    except OSError:
        return False
