"""What must hold of a consortium's files once everything has stopped, whatever happened before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from comitia.app.bench.crowd import Reply
from comitia.app.local import LocalConsortium
from comitia.core.errors import ComitiaError
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.application import Application
from comitia.ledger.block import Block
from comitia.ledger.genesis import Genesis
from comitia.ledger.session import Phase
from comitia.privacy.book import Book, Standing
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """The super node's history.

    blocks, sealed, aborted : how many there are.
    violations : what does not hold, in words.
    """

    blocks: int
    sealed: int
    aborted: int
    violations: tuple[str, ...]


def inspect(local: LocalConsortium, replies: Sequence[Reply]) -> Aftermath:
    """Look through the files of a stopped consortium.

    1. Applied anew from the genesis, every block leads to the state that its header names.
    2. Every follower's ledger is the beginning of the super node's.
    3. Every session has ended.
    4. Every model that a requester got is that of a sealed session, every one from the cache is recorded.
    5. For every model that a provider committed, its budget has a debit at least as large; nothing is still reserved.
    """
    genesis = local.consortium.load_genesis().genesis
    blocks = _blocks(local.consortium.super_node.ledger, genesis)
    application = Application(genesis)
    found = [
        *_replayed(application, genesis, blocks),
        *_followers(local, genesis, blocks),
        *(f"session {session.id.hex()[:12]} has not ended" for session in application.open_sessions()),
        *_acknowledged(application, replies),
        *_budgets(local, application),
    ]
    phases = [session.phase for session in application.sessions()]
    return Aftermath(
        blocks=len(blocks),
        sealed=phases.count(Phase.SEALED),
        aborted=phases.count(Phase.ABORTED),
        violations=tuple(found),
    )


def _blocks(ledger: Path, genesis: Genesis) -> list[Block]:
    """All blocks of a ledger; opened as a copy, so that the file is left as it was found."""
    with tempfile.TemporaryDirectory() as place:
        for part in (ledger, ledger.with_name(ledger.name + "-wal")):
            if part.exists():
                shutil.copyfile(part, Path(place) / part.name)
        engine = EmbeddedEngine.open(Path(place) / ledger.name, genesis)
        try:
            return [engine.block(height + 1) for height in range(engine.height)]
        finally:
            engine.close()


def _replayed(application: Application, genesis: Genesis, blocks: Sequence[Block]) -> Iterator[str]:
    previous = genesis.digest
    for block in blocks:
        header = block.header
        applied = application.apply(block.transactions, time_ms=header.time_ms, height=header.height, previous=previous)
        if applied.state_root != header.state_root:
            yield f"block {header.height} does not lead to the state that it names"
        previous = header.digest


def _followers(local: LocalConsortium, genesis: Genesis, blocks: Sequence[Block]) -> Iterator[str]:
    digests = [block.header.digest for block in blocks]
    for path in (local.requester, *(node.folder for node in local.providers)):
        try:
            kept = [block.header.digest for block in _blocks(NodeFolder(path).ledger, genesis)]
        except ComitiaError as error:
            yield f"the ledger of {path.name} cannot be opened: {error.message}"
            continue
        if kept != digests[: len(kept)]:
            yield f"the ledger of {path.name} is not the beginning of the super node's"


def _acknowledged(application: Application, replies: Sequence[Reply]) -> Iterator[str]:
    reused = dict(application.reuses())
    for reply in replies:
        if reply.code:
            continue
        session = application.session(reply.source)
        if session is None or session.phase is not Phase.SEALED:
            yield f"session {reply.source.hex()[:12]}, whose model was delivered, is not sealed"
        if reply.cached and reply.request.hex() not in reused and application.session(reply.request) is None:
            yield f"request {reply.request.hex()[:12]} was answered from the cache without a record"


def _budgets(local: LocalConsortium, application: Application) -> Iterator[str]:
    for provider in local.providers:
        folder = NodeFolder(provider.folder)
        node = folder.load_keys().node
        try:
            book = BudgetFile.read(folder.budget)
        except ComitiaError as error:
            yield f"the budget of {provider.name} cannot be read: {error.message}"
            continue
        if any(entry.standing is Standing.RESERVED for entry in book.entries.values()):
            yield f"{provider.name} still holds a reservation"
        for session in application.sessions():
            commit = session.commits.get(node)
            if commit is not None and _debited(book, session.id) < commit.epsilon_micro:
                yield f"{provider.name} committed a model in session {session.id.hex()[:12]} that it did not pay for"


def _debited(book: Book, session: bytes) -> int:
    return sum(
        entry.ask.epsilon_micro
        for entry in book.entries.values()
        if entry.ask.session == session and entry.standing in (Standing.SPENT, Standing.ABANDONED)
    )
