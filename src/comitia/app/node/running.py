"""Runs a node until it is stopped: puts its parts together and says when it is ready.

Source: Fig. 2
"""

from __future__ import annotations

import gc
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from comitia.app.codebooks import read_codebook
from comitia.app.node.daemon import Daemon
from comitia.app.node.holdings import make_holdings
from comitia.app.node.opening import RunningMark, open_daemon
from comitia.driver.committee import Committee
from comitia.driver.desk import Desk
from comitia.driver.histories import FORK_HINT
from comitia.driver.keeper import Keeper
from comitia.driver.library import Library
from comitia.driver.neighbour import Neighbour
from comitia.driver.provider import Provider
from comitia.driver.retention import Retention
from comitia.driver.workbench import Workbench
from comitia.ledger.genesis import DAY_MS, Role
from comitia.ledger.transactions import RegisterCodebook, require_acceptable
from comitia.privacy.noise import SystemNoise
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder, node_folder
from comitia.storage.node import NodeStore
from comitia.text.documents import Document
from comitia.transport.zenoh_client import ZenohClient
from comitia.transport.zenoh_router import ZenohRouter

BUDGET_FACT: Final = "budget"
PATIENCE_S: Final = 3.0
LONGEST_LINE: Final = 1_000

log = logging.getLogger("comitia.node")


def run_super_node(path: Path, *, codebook: Path | None, output: str) -> None:
    """Run a super node; it publishes `codebook` first if the ledger does not have it."""
    folder = node_folder(path)
    published = read_codebook(codebook) if codebook is not None else None
    daemon = open_daemon(folder, role=Role.SUPER_NODE, patient=True)
    if daemon.engine.recovered:
        click.echo(daemon.engine.recovered, err=True)
    library = Library(daemon)
    keeper = Keeper(daemon)
    committee = Committee(daemon, library, None, Workbench(), keeper)
    assert isinstance(daemon.transport, ZenohRouter)
    desk = Desk(daemon, daemon.transport)
    daemon.ordering = desk
    for part in (library, keeper, committee, desk, Neighbour(daemon, watching=True)):
        daemon.add(part)
    own: list[bytes] = []
    if published is not None:
        data = published.to_bytes()
        body = RegisterCodebook(
            digest=published.digest,
            size=len(data),
            references=len(published.references),
            leaf_labels=tuple(leaf.label for leaf in published.leaves),
        )
        require_acceptable(body)
        daemon.store.keep_artefact(body.digest, data)
        own.append(body.digest)
        assert codebook is not None
        library.give(body.digest, partial(_read_again, codebook))

        def publish() -> None:
            if daemon.application.codebook(body.digest) is None:
                daemon.post(b"", body)

        daemon.on_membership(publish)
    daemon.on_membership(committee.resume)
    daemon.add(_retention(daemon, folder, own))
    _run(daemon, folder, output, daemon.on_membership)


def run_witness(path: Path, *, output: str) -> None:
    """Run a witness that orders nothing. It fetches the newest codebook, which `comitia references` needs."""
    folder = NodeFolder(path)
    daemon = open_daemon(folder, role=Role.WITNESS, patient=True)
    library = Library(daemon)
    keeper = Keeper(daemon)
    committee = Committee(daemon, library, None, Workbench(), keeper)
    for part in (library, keeper, committee, Neighbour(daemon)):
        daemon.add(part)

    def fetch() -> None:
        codebooks = daemon.application.codebooks()
        if codebooks:
            library.need(codebooks[-1].digest, lambda _: log.info("the codebook is here"))

    daemon.on_membership(fetch)
    daemon.on_membership(committee.resume)
    daemon.add(_retention(daemon, folder))
    _run(daemon, folder, output, daemon.on_membership)


def run_provider(
    path: Path, documents: Sequence[Document], *, unit: Unit, records_per_user: int, check_epsilon: str, output: str
) -> None:
    """Run a provider on the documents that its unit of privacy leaves (`protected`)."""
    folder = NodeFolder(path)
    daemon = open_daemon(folder, role=Role.PROVIDER, patient=True)
    library = Library(daemon)
    budget = _open_budget(folder, daemon.store)
    owner = Provider(
        daemon,
        library,
        lambda codebook: make_holdings(
            documents, codebook, folder.vectors, unit=unit, records_per_user=records_per_user
        ),
        budget,
        unit=unit,
        records_per_user=records_per_user,
        check_epsilon_micro=0 if check_epsilon == "0" else PrivacyTerms.of(check_epsilon, "0").epsilon_micro,
        noise=SystemNoise(),
        keep_ms=folder.settings().keep_releases_days * DAY_MS,
    )
    committee = Committee(daemon, library, owner, Workbench())
    for part in (library, owner, committee, Neighbour(daemon)):
        daemon.add(part)
    owner.when_ready(committee.resume)
    daemon.add(_retention(daemon, folder))
    try:
        _run(daemon, folder, output, owner.when_ready)
    finally:
        budget.close()


def _run(daemon: Daemon, folder: NodeFolder, output: str, when_ready: Callable[[Callable[[], None]], None]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: daemon.stop())
    fork = daemon.histories.fork
    if fork is not None:
        log.error("%s. This node takes part in nothing, and tells the others: %s", fork.sentence, FORK_HINT)
    if isinstance(daemon.transport, ZenohClient):
        daemon.on_heartbeat(LinkWatch(daemon.transport).look)
    mark = RunningMark(folder)
    daemon.on_heartbeat(lambda: mark.refresh(daemon.sent_bytes))

    def ready() -> None:
        if output == "json":
            click.echo(json.dumps({"event": "ready", "node": daemon.node}))
        else:
            click.echo(f"{folder.settings().name} ({daemon.node}) is up; Ctrl-C ends it.")

    when_ready(ready)
    gc.freeze()  # a long ledger takes the collector 0.3 s to walk through, at each of its rounds
    try:
        daemon.run()
    finally:
        mark.remove()


class OneLine(logging.Formatter):
    """Of what a peer sent, a line in the log shows so much, and nothing that would end the line or move the cursor."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)[:LONGEST_LINE]
        return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


class LinkWatch:
    """Says once that the super node stays out of reach, and why, and once that it is back.

    A link that is gone for a moment is nothing to tell of: a super node opens anew whenever a member joins.
    """

    def __init__(self, transport: ZenohClient) -> None:
        self._transport = transport
        self._seen_s = time.monotonic()
        self._told = False

    def look(self) -> None:
        """Look at the link; to be called every now and then."""
        now_s = time.monotonic()
        if self._transport.connected:
            if self._told:
                log.info("the super node is back")
            self._seen_s, self._told = now_s, False
        elif not self._told and now_s - self._seen_s > PATIENCE_S:
            trouble = self._transport.trouble
            why = f"{trouble.message} {trouble.hint}" if trouble else "its link is down."
            log.warning("waiting for the super node: %s", why)
            self._told = True


def _read_again(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _retention(daemon: Daemon, folder: NodeFolder, own: Sequence[bytes] = ()) -> Retention:
    return Retention(daemon, folder.settings().keep_models_mb << 20, own)


def _open_budget(folder: NodeFolder, store: NodeStore) -> BudgetFile:
    """Open the budget; begin one only where none was ever begun.

    A budget that is gone counts as exhausted: were it begun anew, whoever deletes a file would reset every cap.
    """
    if folder.budget.exists() or store.fact(BUDGET_FACT) is not None:
        return BudgetFile(folder.budget)
    budget = BudgetFile.create(folder.budget)
    store.note(BUDGET_FACT, b"begun")
    return budget
