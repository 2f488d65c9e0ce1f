"""A consortium of real processes on this machine: for the demo, for benchmarks, for end-to-end tests."""

from __future__ import annotations

import csv
import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Final

import psutil

from comitia.app import consortium
from comitia.core.errors import UnavailableError
from comitia.core.telling import Say, silent
from comitia.ledger.genesis import Parameters, Role
from comitia.ledger.transactions import ConsentMode, Policy, PolicyRule
from comitia.storage.folder import ConsortiumFolder, NodeFolder
from comitia.text.codebook import Codebook
from comitia.text.documents import Document

READY_S: Final = 60.0
STOP_S: Final = 5.0
STATE_FILE: Final = "local.json"

GENEROUS: Final = Policy(
    version=1,
    rules=(
        PolicyRule(
            requesters=("*",),
            categories=("*",),
            purposes=("*",),
            epsilon_session_micro=8_000_000,
            epsilon_period_micro=60_000_000,
            period_ms=86_400_000,
            epsilon_life_micro=60_000_000,
            consent=ConsentMode.AUTO,
        ),
    ),
)
"""What the demo's and the benchmarks' providers allow; a provider's own default is to allow nothing."""


@dataclass(slots=True)
class LocalNode:
    """One node process.

    name : its name, and its folder's.
    folder : where it lives.
    arguments : what it was started with, to start it again.
    process : the running process, None if it is down.
    """

    name: str
    folder: Path
    arguments: list[str]
    process: subprocess.Popen[str] | None = None


@dataclass(slots=True)
class LocalConsortium:
    """One super node, some providers and a requester's folder below one directory.

    directory : Path
    parameters : Parameters
        Of the consortium that `found` makes.
    created_ms : int
        When it began; 0 for now.
    super_node : LocalNode
    providers : list of LocalNode
    """

    directory: Path
    parameters: Parameters = field(default_factory=Parameters)
    created_ms: int = 0
    super_node: LocalNode | None = None
    providers: list[LocalNode] = field(default_factory=list)

    @property
    def consortium(self) -> ConsortiumFolder:
        return ConsortiumFolder(self.directory / "consortium")

    @property
    def requester(self) -> Path:
        return self.directory / "requester"

    def found(self, codebook: Codebook) -> None:
        """Make the consortium, write its codebook, admit the requester."""
        consortium.found(
            self.consortium.path,
            name="demo",
            organisation="operator",
            endpoint=f"tls/127.0.0.1:{free_port()}",
            parameters=self.parameters,
            created_ms=self.created_ms,
        )
        book = self.consortium.path / "codebook.comitia"
        book.write_bytes(codebook.to_bytes())
        arguments = ["super-node", str(self.consortium.path), "--codebook", str(book), "--format", "json"]
        self.super_node = LocalNode(name="super-node", folder=self.consortium.super_node.path, arguments=arguments)
        self._admit(self.requester, "requester", (Role.REQUESTER.value,))

    def add_provider(
        self, name: str, documents: Sequence[Document], *, policy: Policy = GENEROUS, total_epsilon: str = "60"
    ) -> LocalNode:
        """Admit a provider and write its documents into its folder."""
        from comitia.app.owner_settings import write_settings

        folder = self.directory / name
        self._admit(folder, name, (Role.PROVIDER.value,))
        data = folder / "documents.csv"
        with data.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows((document.text, document.label or "") for document in documents)
        write_settings(NodeFolder(folder), policy=policy, total_epsilon=total_epsilon)
        arguments = ["provider", str(folder), "--data", str(data), "--format", "json"]
        node = LocalNode(name=name, folder=folder, arguments=arguments)
        self.providers.append(node)
        return node

    def _admit(self, folder: Path, name: str, roles: tuple[str, ...]) -> None:
        node = NodeFolder(folder)
        consortium.request_to_join(node, name=name, organisation=name, roles=roles)
        consortium.approve(self.consortium, consortium.sound_request(node.join_request), node.approval)

    # --- processes ----------------------------------------------------------------------------------

    @property
    def nodes(self) -> list[LocalNode]:
        return [*([self.super_node] if self.super_node else []), *self.providers]

    def start(self, say: Say = silent) -> None:
        """Start every node, the super node first, and wait until each says that it is ready."""
        assert self.super_node is not None
        self.start_node(self.super_node)
        await_ready(self.super_node)
        say(self.super_node.name)
        for node in self.providers:
            self.start_node(node)
        for node in self.providers:
            await_ready(node)
            say(node.name)
        self._write_state()

    def start_node(self, node: LocalNode) -> None:
        """Start one node's process; `await_ready` waits for it."""
        log = (node.folder / "node.log").open("a", encoding="utf-8")
        with log:
            node.process = subprocess.Popen(
                [sys.executable, "-m", "comitia.app", *node.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def _write_state(self) -> None:
        listed = {node.name: str(node.folder) for node in self.nodes}
        (self.directory / STATE_FILE).write_text(json.dumps(listed), encoding="utf-8")

    def stop(self) -> None:
        """End every node that this object started."""
        running = [node.process for node in self.nodes if node.process is not None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for node in self.nodes:
            node.process = None

    def __enter__(self) -> LocalConsortium:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- measures -----------------------------------------------------------------------------------

    def cpu_seconds(self) -> float:
        """CPU time that the node processes have used so far."""
        return sum(
            sum(psutil.Process(node.process.pid).cpu_times()[:2]) for node in self.nodes if node.process is not None
        )

    def sent_bytes(self) -> int:
        """Bytes that the nodes have sent, as of each one's last heartbeat."""
        marks = [node.folder / "running.json" for node in self.nodes if node.process is not None]
        return sum(int(json.loads(mark.read_text(encoding="utf-8"))["sent_bytes"]) for mark in marks)

    def peak_memory_mb(self) -> Mapping[str, float]:
        """Resident memory of each node process; its peak where the system tells."""
        return {node.name: _memory_mb(node.process.pid) for node in self.nodes if node.process is not None}


def await_ready(node: LocalNode) -> None:
    """Wait until a node says that it is ready.

    Raises
    ------
    UnavailableError
        If it ends, or stays silent until patience does, which ends it; with the last line of its log.
    """
    process = node.process
    assert process is not None and process.stdout is not None
    patience = Timer(READY_S, process.kill)  # which ends its output, and so the loop
    patience.start()
    try:
        for line in process.stdout:
            if json.loads(line).get("event") == "ready":
                return
    finally:
        patience.cancel()
    lines = (node.folder / "node.log").read_text(encoding="utf-8").strip().splitlines() or ["no word in its log"]
    raise UnavailableError(
        f"{node.name} did not start: {lines[-1]}",
        code="node-not-ready",
        hint=f"see {node.folder / 'node.log'}",
    )


def free_port() -> int:
    """A TCP port of the loopback interface that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _memory_mb(pid: int) -> float:
    """Peak resident memory where the system tells it, else what is resident now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1e3
    except (OSError, StopIteration):
        info = psutil.Process(pid).memory_info()
        return float(getattr(info, "peak_wset", info.rss)) / 1e6
