"""Real processes killed, frozen, cut off and out of disk while requests flow; then what must hold of their files."""

from __future__ import annotations

import heapq
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import click
import psutil

from comitia.app.bench import made_up
from comitia.app.bench.aftermath import inspect
from comitia.app.bench.cable import Cable
from comitia.app.bench.crowd import Crowd, Reply, Say
from comitia.app.local import LocalConsortium, LocalNode
from comitia.app.output import console, emit, format_option, table
from comitia.app.tasks import Wish, make_task
from comitia.core.errors import DamagedError
from comitia.storage.folder import NodeFolder
from comitia.storage.toml_file import write_toml
from comitia.transport.endpoint import Endpoint

FULL_AT_BYTES: Final = 4_096
"""A node that is out of disk cannot write beyond this offset of any file."""

LEAST_NODES: Final = 5
STAGE_MS: Final = 3_000
ASK_EVERY_S: Final = 1.0
FAULT_EVERY_S: Final = 2.0
LONGEST_FAULT_S: Final = 6.0
DISTURBED_AT_ONCE: Final = 3
UNDER_WAY_AT_MOST: Final = 12
HEALING_S: Final = 120.0
RUNNING_AGAIN_S: Final = 20.0


@click.command()
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--nodes", default=10, show_default=True, help="One super node, the others providers.")
@click.option("--seed", default=1, show_default=True, help="Of what happens to whom; not of when it takes effect.")
@click.option("--directory", type=click.Path(file_okay=False), help="Where to keep the nodes' folders.")
@format_option
def chaos(minutes: float, nodes: int, seed: int, directory: str | None, output: str) -> None:
    """Disturb real processes while requests flow; afterwards nothing acknowledged may be missing.

    kill: ended at once, as by a power cut of the process. freeze: stopped and resumed. cut: its TCP connections ended
    and refused. full: every write beyond the first 4 kB of a file fails (on Linux, by the file size limit; elsewhere
    left out, and said so).
    """
    with console(stderr=True).status("founding") as status:
        value = measure(
            minutes=minutes,
            nodes=max(LEAST_NODES, nodes),
            seed=seed,
            directory=Path(directory or tempfile.mkdtemp(prefix="comitia-chaos-")),
            say=status.update,
        )
    emit(value, output, lambda: table("", ("figure", "value"), [(name, str(value[name])) for name in value]))
    if value["violations"]:
        raise DamagedError(
            f"{len(value['violations'])} things do not hold: {value['violations'][0]}", code="chaos-violations"
        )


def measure(*, minutes: float, nodes: int, seed: int, directory: Path, say: Say = lambda _: None) -> dict[str, Any]:
    """Found, disturb, heal, stop and inspect. See `comitia bench chaos`."""
    book = made_up.codebook()
    local = LocalConsortium(directory)
    local.found(book)
    for number in range(nodes - 1):
        local.add_provider(f"plant-{number + 1}", made_up.documents(number))
    cables = _lay_cables(local)
    start = time.monotonic()
    try:
        with local:
            local.start(say)
            with Crowd(local.requester) as crowd:
                wish = Wish(epsilon="0.05", providers_max=nodes - 1, accept_unverified=True, stage_ms=STAGE_MS)
                task = make_task(wish, codebook=book.digest, labels=book.labels, kappa=1)
                trouble = Trouble(local, cables, Random(seed))
                until = time.monotonic() + 60 * minutes
                asked = 0
                while (now := time.monotonic()) < until:
                    trouble.go_on(now)
                    if crowd.under_way < UNDER_WAY_AT_MOST:
                        crowd.ask(replace(task, reuse=asked % 4 == 3))
                        asked += 1
                    say(f"{until - now:.0f} s left, {asked} asked, {sum(trouble.fired.values())} faults")
                    time.sleep(ASK_EVERY_S)
                say("healing")
                trouble.heal()
                replies = crowd.settle(HEALING_S)
                _await_end(crowd)
                unanswered = crowd.under_way
                crowd.ask(replace(task, reuse=False))
                after = crowd.settle(HEALING_S)
    finally:
        for cable in cables.values():
            cable.close()
    say("inspecting")
    end = inspect(local, [*replies, *after])
    return {
        "minutes": round((time.monotonic() - start) / 60, 2),
        "nodes": nodes,
        "seed": seed,
        "asked": asked,
        "answered": sum(not reply.code for reply in replies),
        "answered_from_cache": sum(reply.cached and not reply.code for reply in replies),
        "refused": dict(Counter(reply.code for reply in replies if reply.code)),
        "unanswered": unanswered,
        "answered_after_healing": _answered(after),
        "faults": dict(trouble.fired),
        "stopped_by_themselves": trouble.stopped,
        "disk_full_by": "RLIMIT_FSIZE" if _can_fill() else "left out: this system has no file size limit",
        "blocks": end.blocks,
        "sealed": end.sealed,
        "aborted": end.aborted,
        "violations": [*end.violations, *([] if _answered(after) else ["no model came after everything was healed"])],
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
    }


def _answered(replies: list[Reply]) -> bool:
    return any(not reply.code for reply in replies)


def _lay_cables(local: LocalConsortium) -> dict[str, Cable]:
    """Have every provider reach the super node by a cable of its own."""
    genesis = local.consortium.load_genesis().genesis
    port = Endpoint.parse(genesis.super_nodes[0].endpoint).port
    cables = {}
    for node in local.providers:
        folder = NodeFolder(node.folder)
        cables[node.name] = Cable(port)
        settings = replace(folder.settings(), connect=f"tls/127.0.0.1:{cables[node.name].end}")
        write_toml(folder.settings_file, settings, comment="A node of `comitia bench chaos`.")
    return cables


def _await_end(crowd: Crowd) -> None:
    deadline = time.monotonic() + HEALING_S
    while crowd.application.open_sessions() and time.monotonic() < deadline:
        time.sleep(ASK_EVERY_S)


@dataclass(slots=True)
class Trouble:
    """What goes wrong, and is put right again after a while.

    local, cables, draw : whose processes and connections, and what decides.
    fired : how often each fault struck.
    stopped : how often a node ended by itself; each was started again.
    """

    local: LocalConsortium
    cables: dict[str, Cable]
    draw: Random
    fired: Counter[str] = field(default_factory=Counter)
    stopped: int = 0
    _next_s: float = 0.0
    _mending: list[tuple[float, int, str, Callable[[], None]]] = field(default_factory=list)

    def go_on(self, now: float) -> None:
        """Put right what is due, start what has ended, and let something go wrong now and then."""
        while self._mending and self._mending[0][0] <= now:
            heapq.heappop(self._mending)[3]()
        self._start_ended()
        disturbed = {name for _, _, name, _ in self._mending}
        if now < self._next_s or len(disturbed) >= DISTURBED_AT_ONCE:
            return
        self._next_s = now + self.draw.uniform(0.5, 1.5) * FAULT_EVERY_S
        node = self.draw.choice([node for node in self.local.nodes if node.name not in disturbed])
        kinds = [self._kill, self._freeze]
        kinds += [self._cut] if node.name in self.cables else []
        kinds += [self._fill] if _can_fill() else []
        strike = self.draw.choice(kinds)
        with suppress(psutil.Error):
            mend = strike(node)
            self.fired[strike.__name__.removeprefix("_")] += 1
            lasts = self.draw.uniform(0.2, 1.0) * LONGEST_FAULT_S
            heapq.heappush(self._mending, (now + lasts, sum(self.fired.values()), node.name, mend))

    def heal(self) -> None:
        """Put everything right, and keep every node running for a while."""
        for _, _, _, mend in self._mending:
            mend()
        self._mending.clear()
        deadline = time.monotonic() + RUNNING_AGAIN_S
        while time.monotonic() < deadline:
            self._start_ended()
            time.sleep(ASK_EVERY_S)

    def _start_ended(self) -> None:
        held = {name for _, _, name, _ in self._mending}
        for node in self.local.nodes:
            if node.process is not None and node.process.poll() is not None and node.name not in held:
                self.stopped += 1
                self._start(node)

    def _start(self, node: LocalNode) -> None:
        if node.process is not None and node.process.stdout is not None:
            node.process.stdout.close()
        self.local.start_node(node)

    def _kill(self, node: LocalNode) -> Callable[[], None]:
        _process(node).kill()
        assert node.process is not None
        node.process.wait()
        return lambda: self._start(node)

    def _freeze(self, node: LocalNode) -> Callable[[], None]:
        process = _process(node)
        process.suspend()

        def resume() -> None:
            with suppress(psutil.NoSuchProcess):
                process.resume()

        return resume

    def _cut(self, node: LocalNode) -> Callable[[], None]:
        cable = self.cables[node.name]
        cable.cut()
        return cable.mend

    def _fill(self, node: LocalNode) -> Callable[[], None]:
        """Let writes fail; a node that ends of it is started again once there is room."""
        process = _process(node)
        process.rlimit(psutil.RLIMIT_FSIZE, (FULL_AT_BYTES, psutil.RLIM_INFINITY))

        def make_room() -> None:
            with suppress(psutil.NoSuchProcess):
                process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))

        return make_room


def _process(node: LocalNode) -> psutil.Process:
    assert node.process is not None
    return psutil.Process(node.process.pid)


def _can_fill() -> bool:
    return hasattr(psutil, "RLIMIT_FSIZE")
