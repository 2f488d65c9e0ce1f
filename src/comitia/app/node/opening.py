"""Opens what a node needs from its folder: keys, ledger, store, transport; and the checks before that."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Final

import psutil

from comitia.app.node.daemon import Daemon
from comitia.core.errors import ConfigurationError
from comitia.core.ids import NodeId
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.genesis import Credential, Role
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore
from comitia.storage.whole_file import write_whole
from comitia.transport.certificates import TlsIdentity, pem_from_der
from comitia.transport.endpoint import Endpoint
from comitia.transport.zenoh_client import ZenohClient
from comitia.transport.zenoh_router import ZenohRouter

log = logging.getLogger("comitia.node")

CLOCK_STEP_MS: Final = 1_000
"""How exactly the system tells when a process began."""


def open_daemon(folder: NodeFolder, *, role: Role | None = None, patient: bool) -> Daemon:
    """A node, ready to run, from its folder.

    Parameters
    ----------
    folder : NodeFolder
    role : Role or None
        What it is started as; None for one that only asks.
    patient : bool
        Whether it waits for a super node that is not there; a command that a person waits for does not.

    Raises
    ------
    ConfigurationError
        If the folder is not that of an approved node, it was not admitted in this role, or a node already runs in it.
    UnavailableError
        If the super node's port is taken, or it cannot be reached.
    StorageError, DamagedError
        If the ledger or the store is damaged, or cannot be written.
    """
    settings = folder.settings()
    folder.require_writable()
    folder.keep_private()
    keys = folder.load_keys()
    approval = folder.load_approval(keys.node)
    genesis = approval.genesis.genesis
    _require_role(approval.membership.credential, role)
    require_admitted(approval.membership.credential, folder)
    if is_running(folder):
        raise ConfigurationError(
            f"a node already runs in {folder.path}", code="already-running", hint="`comitia stop` ends it"
        )
    store = _open_store(folder, keys.node)
    leads = role is Role.SUPER_NODE
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
            members=[each.node for each in engine.application.active_members()],
        )
    else:
        transport = ZenohClient(identity, genesis.chain, endpoint, patient=patient)
    if store.begun and engine.application.member(keys.node) is not None:
        log.warning(
            "%s is new, though this node has run before: what it had promised, its policy and its releases are "
            "forgotten. Stop it and restore the file if there is a backup; else set the policy again",
            folder.store,
        )
    return Daemon(
        genesis=genesis,
        membership=approval.membership,
        keys=keys,
        engine=engine,
        store=store,
        transport=transport,
    )


def _open_store(folder: NodeFolder, node: NodeId) -> NodeStore:
    store = NodeStore(folder.store)
    try:
        store.claim(node)
    except BaseException:
        store.close()
        raise
    return store


def require_admitted(credential: Credential, folder: NodeFolder) -> None:
    """Refuse a folder whose settings are not those of its membership: one of the two is another node's.

    Raises
    ------
    ConfigurationError
        `other-settings`.
    """
    settings = folder.settings()
    admitted = (credential.name, credential.organisation, credential.roles)
    if admitted != (settings.name, settings.organisation, settings.roles):
        raise ConfigurationError(
            f"it was admitted as {credential.name!r} of {credential.organisation!r}, {', '.join(credential.roles)}, "
            f"which is not what {folder.settings_file} says",
            code="other-settings",
            hint="put that into the file; to be something else, join anew in another folder",
        )


def _require_role(credential: Credential, role: Role | None) -> None:
    """Refuse what the ledger would only refuse later, a super node in any other role, and anything else as one."""
    leads = Role.SUPER_NODE.value in credential.roles
    if leads != (role is Role.SUPER_NODE) or (role is not None and role.value not in credential.roles):
        raise ConfigurationError(
            f"{credential.name!r} was admitted as {', '.join(credential.roles)}, "
            f"and cannot be started as {'requester' if role is None else role.value}",
            code="wrong-role",
            hint="start it as what it is; for another role join anew, in another folder",
        )


class RunningMark:
    """A file that says that a node runs in its folder, and what it has sent so far."""

    def __init__(self, folder: NodeFolder) -> None:
        self._path = folder.running
        self._since_ms = time.time_ns() // 1_000_000
        self._told = -1
        self._failed = False
        self.refresh(0)

    def refresh(self, sent_bytes: int) -> None:
        """Say how many bytes the node has sent; an idle node leaves the disk alone, a full disk ends none."""
        if sent_bytes == self._told:
            return
        self._told = sent_bytes
        facts = {"pid": os.getpid(), "since_ms": self._since_ms, "sent_bytes": sent_bytes}
        try:
            write_whole(self._path, json.dumps(facts).encode(), durable=False)
        except OSError as error:
            if not self._failed:
                log.warning("%s cannot be written: %s", self._path, error.strerror)
            self._failed = True
        else:
            self._failed = False

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def is_running(folder: NodeFolder) -> bool:
    """Whether the node that marked this folder still runs; a mark that a killed node left does not count."""
    try:
        mark = json.loads(folder.running.read_text(encoding="utf-8"))
        process = psutil.Process(mark["pid"])
        # A younger process has only inherited the number.
        same: bool = process.create_time() * 1000 <= mark["since_ms"] + CLOCK_STEP_MS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, TypeError, KeyError, OverflowError, psutil.Error):
        return False  # a damaged mark is none: the ledger's lock still keeps a second process out
