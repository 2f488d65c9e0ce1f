"""Real processes killed, frozen, cut off and out of disk while requests flow; then what must hold of their files."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

import click

from comitia.app.bench import made_up
from comitia.app.bench.aftermath import inspect
from comitia.app.bench.cable import Cable
from comitia.app.bench.crowd import Crowd, Reply
from comitia.app.bench.trouble import HEALING_S, Tempo, Trouble, can_fill
from comitia.app.local import LocalConsortium
from comitia.app.output import console, emit, format_option, table
from comitia.app.tasks import Wish, make_task
from comitia.core.errors import DamagedError
from comitia.core.telling import Say, silent
from comitia.engines.block_store import kept_height
from comitia.ledger.transactions import Task
from comitia.storage.folder import NodeFolder
from comitia.storage.toml_file import write_toml
from comitia.transport.endpoint import Endpoint

LEAST_NODES: Final = 4
UNDER_WAY_AT_MOST: Final = 12
LOOK_EVERY_S: Final = 0.2


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0), default=5.0, show_default=True)
@click.option(
    "--nodes",
    type=click.IntRange(min=LEAST_NODES),
    default=10,
    show_default=True,
    help="One super node, the others providers.",
)
@click.option("--seed", default=1, show_default=True, help="Of what happens to whom; not of when it takes effect.")
@click.option("--directory", type=click.Path(file_okay=False), help="Where to keep the nodes' folders.")
@format_option
def chaos(minutes: float, nodes: int, seed: int, directory: str | None, output: str) -> None:
    """Disturb real processes while requests flow; afterwards nothing acknowledged may be missing.

    kill: ended at once, as by a power cut of the process. freeze: stopped and resumed. cut: its TCP connections ended
    and refused. silence: its TCP connections stand and lead nowhere. fill: every write beyond the first 4 kB of a file
    fails (on Linux, by the file size limit; elsewhere left out, and said so). Each has struck before the command ends,
    however short the time.
    """
    with console(stderr=True).status("founding") as status:
        value = measure(
            minutes=minutes,
            nodes=nodes,
            seed=seed,
            directory=Path(directory or tempfile.mkdtemp(prefix="comitia-chaos-")),
            say=status.update,
        )
    emit(value, output, lambda: table("", ("figure", "value"), [(name, str(value[name])) for name in value]))
    if value["violations"]:
        raise DamagedError(
            f"{len(value['violations'])} things do not hold: {value['violations'][0]}", code="chaos-violations"
        )


def measure(
    *, minutes: float, nodes: int, seed: int, directory: Path, tempo: Tempo | None = None, say: Say = silent
) -> dict[str, Any]:
    """Found, disturb, heal, stop and inspect. See `comitia bench chaos`."""
    book, tempo = made_up.codebook(), tempo or Tempo()
    local = LocalConsortium(directory)
    local.found(book)
    for number in range(nodes - 1):
        local.add_provider(f"plant-{number + 1}", made_up.documents(number))
    cables = _lay_cables(local)
    trouble = Trouble(local, cables, Random(seed), tempo)
    wish = Wish(epsilon="0.05", providers_max=nodes - 1, accept_unverified=True, stage_ms=tempo.stage_ms)
    task = make_task(wish, codebook=book.digest, labels=book.labels, kappa=1)
    start = time.monotonic()
    try:
        with local:
            local.start(say)
            with Crowd(local.requester) as crowd:
                asked = _disturb(crowd, task, trouble, 60 * minutes, say)
                say("healing")
                down = trouble.heal()
                replies = crowd.settle(HEALING_S)
                _await(lambda: not crowd.application.open_sessions())
                unanswered = crowd.under_way
                after = _ask_until_answered(crowd, replace(task, reuse=False))
                behind = _left_behind(local)
    finally:
        for cable in cables.values():
            cable.close()
    say("inspecting")
    end = inspect(local, [*replies, *after])
    violations = [
        *end.violations,
        *(f"{name} does not start again" for name in down),
        *(f"{name} does not catch up with the ledger" for name in behind),
        *([] if _answered(after) else ["no model came after everything was healed"]),
    ]
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
        "disk_full_by": "RLIMIT_FSIZE" if can_fill() else "left out: this system has no file size limit",
        "blocks": end.blocks,
        "sealed": end.sealed,
        "aborted": end.aborted,
        "violations": violations,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
    }


def _disturb(crowd: Crowd, task: Task, trouble: Trouble, seconds: float, say: Say) -> int:
    """Let requests flow and things go wrong for so long, and until every fault has struck; how many were asked."""
    asked, due, until = 0, 0.0, time.monotonic() + seconds
    while (now := time.monotonic()) < until or not trouble.is_complete:
        trouble.go_on(now)
        if now >= due and crowd.under_way < UNDER_WAY_AT_MOST:
            crowd.ask(replace(task, reuse=asked % 4 == 3))
            asked, due = asked + 1, now + trouble.tempo.ask_every_s
        say(f"{max(0, until - now):.0f} s left, {asked} asked, {sum(trouble.fired.values())} faults")
        time.sleep(LOOK_EVERY_S)
    return asked


def _ask_until_answered(crowd: Crowd, task: Task) -> list[Reply]:
    """Ask until a model comes, or patience ends: noise alone may spoil one session's releases."""
    replies: list[Reply] = []
    deadline = time.monotonic() + HEALING_S
    while not _answered(replies) and time.monotonic() < deadline:
        crowd.ask(task)
        replies += crowd.settle(HEALING_S)
    return replies


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


def _left_behind(local: LocalConsortium) -> list[str]:
    """Providers that do not come to where the super node's ledger stands now."""
    height = kept_height(local.consortium.super_node.ledger)

    def behind() -> list[str]:
        return [node.name for node in local.providers if kept_height(NodeFolder(node.folder).ledger) < height]

    _await(lambda: not behind())
    return behind()


def _await(happened: Callable[[], bool]) -> None:
    """Wait until something has happened, or patience ends."""
    deadline = time.monotonic() + HEALING_S
    while not happened() and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
