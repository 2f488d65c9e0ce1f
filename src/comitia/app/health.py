"""What is up, what is wrong and how to mend it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from comitia.app.audit import Chronicle
from comitia.app.forks import kept_fork
from comitia.app.node.opening import is_running, require_admitted
from comitia.core.counting import counted
from comitia.core.errors import ComitiaError, DamagedError, InputError, UnavailableError
from comitia.driver.clocks import disagreement
from comitia.driver.histories import forked_error
from comitia.driver.node import STOP_FACT
from comitia.driver.revocations import pending
from comitia.ledger.genesis import Role
from comitia.ledger.records import NEVER
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore
from comitia.transport.certificates import TlsIdentity, check_identity, pem_from_der
from comitia.transport.diagnosis import diagnose_connection
from comitia.transport.endpoint import Endpoint

LEAST_FREE_BYTES: Final = 200 << 20
SOON_DAYS: Final = 14
STOP_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """One node.

    name, folder, up : which, and whether it runs.
    height : of its ledger; None where it has none.
    fork : the proof that its ledger is forked, in words; empty where it knows of none.
    references_left : sets that it keeps back for sessions on the newest codebook; None where it never kept any.
    kept_bytes : of models and codebooks that it can serve.
    trouble : what keeps this from being told, in words; empty where nothing does.
    """

    name: str
    folder: Path
    up: bool
    height: int | None = None
    fork: str = ""
    references_left: int | None = None
    kept_bytes: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of one node: what was looked at, whether it is well, what was found, how to mend it."""

    node: str
    check: str
    ok: bool
    found: str
    mend: str = ""


def node_folders(folder: Path) -> list[NodeFolder]:
    """The nodes in and below a folder.

    Raises
    ------
    InputError
        If there is none.
    """
    found = [NodeFolder(path.parent) for path in sorted(folder.rglob("node.toml"))]
    if not found:
        raise InputError(f"there is no node in {folder}", code="no-node", hint="`comitia join DIR` makes one")
    return found


def node_states(folder: Path) -> list[NodeState]:
    """Every node in and below a folder."""
    return [_state(node) for node in node_folders(folder)]


def examine(folder: Path) -> list[Finding]:
    """Check every node in and below a folder; one node's trouble does not hide another's."""
    return [finding for node in node_folders(folder) for finding in _examine(node)]


def stop_nodes(folder: Path) -> tuple[list[str], list[str]]:
    """Ask the nodes in and below a folder to end, and wait; names of those that did, and did not."""
    running = [node for node in node_folders(folder) if is_running(node)]
    for node in running:
        store = NodeStore(node.store)
        store.note(STOP_FACT, b"")
        store.close()
    deadline = time.monotonic() + STOP_S
    while any(node.running.exists() for node in running) and time.monotonic() < deadline:
        time.sleep(0.05)
    names = {node.path: node.settings().name for node in running}
    still = [names[node.path] for node in running if node.running.exists()]
    return [name for name in names.values() if name not in still], still


def _state(node: NodeFolder) -> NodeState:
    state = NodeState(name=node.path.name, folder=node.path, up=is_running(node))
    try:
        state = replace(state, name=node.settings().name)
        fork = kept_fork(node)
        state = replace(state, fork="" if fork is None else fork.sentence, kept_bytes=_kept_bytes(node))
        if not node.ledger.exists():
            return state
        chronicle = Chronicle(node.path)
        left = _references_left(node, chronicle)
        return replace(state, height=chronicle.height, references_left=left)
    except ComitiaError as error:  # one node's trouble does not hide the others
        return replace(state, trouble=error.message)


def _kept_bytes(node: NodeFolder) -> int:
    if not node.store.exists():
        return 0
    with closing(NodeStore(node.store)) as store:
        return sum(store.artefacts().values())


def _references_left(node: NodeFolder, chronicle: Chronicle) -> int | None:
    codebooks = chronicle.application.codebooks()
    if not codebooks:
        return None
    shelf = chronicle.application.shelf(codebooks[-1].digest, node.load_keys().node)
    return shelf.left if shelf.commitments else None


def _examine(node: NodeFolder) -> Iterator[Finding]:
    """The checks of one node. What rests on something that was found bad is not looked at: one cause has one line."""
    name = node.path.name

    @cache
    def chronicle() -> Chronicle | None:
        return Chronicle(node.path) if node.ledger.exists() else None

    checks: list[tuple[str, set[str], Callable[[], str]]] = [
        ("settings", set(), lambda: f"{node.settings().name}, {', '.join(node.settings().roles)}"),
        ("keys", set(), lambda: f"node {node.load_keys().node}"),
        ("membership", {"settings", "keys"}, lambda: _membership(node)),
        ("certificate", {"membership"}, lambda: _certificate(node)),
        ("folder", set(), lambda: _folder(node)),
        ("disk", set(), lambda: _disk(node)),
        ("ledger", {"membership"}, lambda: _ledger(chronicle())),
        ("budget", set(), lambda: _budget(node)),
        ("store", {"folder"}, lambda: _store(node)),
        ("owner of the store", {"membership", "store"}, lambda: _owner(node)),
        ("kept", {"ledger", "store"}, lambda: _kept(node, chronicle())),
        ("one history", {"store"}, lambda: _one_history(node)),
        ("revocations", {"ledger", "store"}, lambda: _revocations(node, chronicle())),
        ("super node", {"membership", "certificate"}, lambda: _reach(node)),
        ("clock", {"store"}, lambda: _clock(node)),
    ]
    bad: set[str] = set()
    for check, rests_on, look in checks:
        if rests_on & bad:
            bad.add(check)
            continue
        try:
            found = look()
        except ComitiaError as error:
            bad.add(check)
            yield Finding(node=name, check=check, ok=False, found=error.message, mend=error.hint)
        else:
            if found:
                yield Finding(node=name, check=check, ok=True, found=found)


def _membership(node: NodeFolder) -> str:
    approval = node.load_approval(node.load_keys().node)
    require_admitted(approval.membership.credential, node)
    return f"chain {approval.genesis.genesis.chain}"


def _ledger(chronicle: Chronicle | None) -> str:
    return "none yet" if chronicle is None else f"{counted(chronicle.height, 'block')}, all verified"


def _store(node: NodeFolder) -> str:
    """Opening it looks at every row that cannot be had again."""
    if not node.store.exists():
        return "none yet"
    NodeStore(node.store).close()
    return "whole"


def _owner(node: NodeFolder) -> str:
    """Whether the store is this node's; empty if it is."""
    if node.store.exists():
        with closing(NodeStore(node.store)) as store:
            store.require_owner(node.load_keys().node)
    return ""


def _kept(node: NodeFolder, chronicle: Chronicle | None) -> str:
    """What the node can serve, and how much of its disk that takes; empty for nothing."""
    if not node.store.exists():
        return ""
    with closing(NodeStore(node.store)) as store:
        kept, damaged, releases = store.artefacts(), store.damaged_artefacts(), store.releases()
    if damaged:
        named = ", ".join(_artefact(digest, chronicle) for digest in damaged)
        raise DamagedError(
            f"{len(damaged)} of {counted(len(kept), 'kept model or codebook', 'kept models and codebooks')} "
            f"cannot be served any more: {named}",
            code="artefact-damaged",
            hint="nothing has to be done: what is damaged is dropped when it is needed. A codebook is fetched again; "
            "a model is made anew for the next who asks for it, from the providers' budgets. Look at the disk, though",
        )
    codebooks = {entry.digest for entry in chronicle.application.codebooks()} if chronicle is not None else set()
    gone = codebooks - kept.keys()
    if gone and Role.SUPER_NODE.value in node.settings().roles:
        raise DamagedError(
            f"gone, so that nobody can fetch it: {', '.join(f'the codebook {digest.hex()[:12]}' for digest in gone)}",
            code="codebook-gone",
            hint="while this super node runs it asks the members for it; if none has it, start it with --codebook FILE",
        )
    models = kept.keys() - codebooks
    return (
        f"{counted(len(models), 'model')} ({_megabytes(kept[name] for name in models)} of "
        f"{node.settings().keep_models_mb} MB), {counted(len(kept) - len(models), 'codebook')} "
        f"({_megabytes(size for name, size in kept.items() if name in codebooks)}), {counted(releases, 'release')}"
    )


def _megabytes(sizes: Iterable[int]) -> str:
    return f"{sum(sizes) / (1 << 20):.2f} MB"


def _artefact(digest: bytes, chronicle: Chronicle | None) -> str:
    """What an artefact is, by the ledger."""
    application = chronicle.application if chronicle is not None else None
    if application is not None and application.codebook(digest) is not None:
        return f"the codebook {digest.hex()[:12]}"
    for session in application.sessions() if application is not None else ():
        if session.block is not None and session.block.model == digest:
            return f"the model of session {session.id.hex()[:16]}"
    return f"the model {digest.hex()[:12]}"


def _revocations(node: NodeFolder, chronicle: Chronicle | None) -> str:
    """Who is being excluded: signed and waiting, or on the ledger and in force from the next epoch; empty for nobody.

    Raises
    ------
    UnavailableError
        `revocation-waits`: the super node, which brings it to the ledger, is down.
    """
    if chronicle is None or not node.store.exists():
        return ""
    members = chronicle.members()
    with closing(NodeStore(node.store)) as store:
        signed = [body.node for body in pending(store)]
    waiting = [members[who].name for who in signed if who in members and members[who].revoked_from == NEVER]
    epoch = chronicle.application.genesis.epoch_at(time.time_ns() // 1_000_000)
    coming = [member.name for member in members.values() if member.revoked_from > epoch]
    if waiting and not is_running(node):
        raise UnavailableError(
            f"signed, but not on the ledger while this node is down, and so members still: {', '.join(waiting)}",
            code="revocation-waits",
            hint="start this super node: it brings the revocation to the ledger",
        )
    told = [("on the way to the ledger", waiting), ("excluded when the next epoch begins", coming)]
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in told if names)


def _identity(node: NodeFolder) -> TlsIdentity:
    keys = node.load_keys()
    approval = node.load_approval(keys.node)
    return TlsIdentity(
        node=keys.node,
        certificate=approval.certificate,
        private_key=keys.tls,
        authority=pem_from_der(approval.genesis.genesis.certificate_authority),
    )


def _certificate(node: NodeFolder) -> str:
    now = datetime.now(UTC)
    left = check_identity(_identity(node), now=now).days_left(now)
    if left < SOON_DAYS:
        raise InputError(
            f"it ends in {counted(left, 'day')}", code="certificate-ends", hint="join again with the same keys"
        )
    return f"good for {counted(left, 'day')}"


def _folder(node: NodeFolder) -> str:
    node.require_writable()
    return "can be written"


def _disk(node: NodeFolder) -> str:
    free = shutil.disk_usage(node.path).free
    if free < LEAST_FREE_BYTES:
        raise InputError(f"{free >> 20} MB are free", code="disk-low", hint="free some space")
    return f"{free >> 20} MB free"


def _budget(node: NodeFolder) -> str:
    if not node.budget.exists() and not node.vectors.exists():
        return "none yet"
    return f"{counted(len(BudgetFile.read(node.budget).entries), 'entry', 'entries')}, chain whole"


def _one_history(node: NodeFolder) -> str:
    fork = kept_fork(node)
    if fork is not None:
        raise forked_error(fork)
    return "nobody has shown another"


def _clock(node: NodeFolder) -> str:
    if not node.store.exists():
        return "not compared yet"
    with closing(NodeStore(node.store)) as store:
        found = disagreement(store)
    if found:
        raise InputError(found, code="wrong-time", hint="set this machine's clock; if it is right, the super node's")
    return "nothing heard against it"


def _reach(node: NodeFolder) -> str:
    settings = node.settings()
    if Role.SUPER_NODE.value in settings.roles:
        return "this is one"
    genesis = node.load_approval(node.load_keys().node).genesis.genesis
    endpoint = Endpoint.parse(settings.connect or genesis.super_nodes[0].endpoint)
    trouble = diagnose_connection(_identity(node), endpoint)
    if trouble.code != "super-node-refuses":  # which only says that the way there is clear
        raise trouble
    return f"reached at {endpoint}"
