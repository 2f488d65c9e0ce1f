"""A large consortium under load, over real processes: restart, cache hits at a rate, sessions at once, overload."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
import psutil

from comitia.app.audit import Chronicle
from comitia.app.bench import made_up
from comitia.app.bench.crowd import Crowd, Reply, percentile
from comitia.app.local import LocalConsortium, LocalNode, await_ready
from comitia.app.output import console, emit, format_option, table
from comitia.app.tasks import Wish, make_task
from comitia.core.errors import AbortedError
from comitia.core.ids import SessionId
from comitia.core.telling import Say, silent
from comitia.engines.embedded import EmbeddedEngine
from comitia.evaluation.long_ledger import EPOCHS, LongLedger
from comitia.evaluation.past_sessions import PastSessions, model_of
from comitia.ledger.genesis import DAY_MS
from comitia.ledger.proof import verify_proof
from comitia.ledger.transactions import Task
from comitia.storage.folder import NodeFolder
from comitia.storage.keys import read_signing_key
from comitia.text.codebook import Codebook

REAL_PROVIDERS: Final = 3
SESSION_PATIENCE_S: Final = 120.0
WARM_UP: Final = 20
STAGE_MS: Final = 20_000


@click.command()
@click.option(
    "--transactions",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    help="On the ledger before anything starts.",
)
@click.option(
    "--providers",
    type=click.IntRange(min=REAL_PROVIDERS),
    default=1_000,
    show_default=True,
    help="Registered ones; three of them run.",
)
@click.option(
    "--past-sessions",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Sealed ones on the ledger besides.",
)
@click.option(
    "--sessions", type=click.IntRange(min=1), default=20, show_default=True, help="Fresh requests at the same time."
)
@click.option("--rate", type=click.FloatRange(min=1), default=100.0, show_default=True, help="Cache hits a second.")
@click.option(
    "--seconds", type=click.IntRange(min=1), default=30, show_default=True, help="How long cache hits are asked for."
)
@click.option(
    "--burst",
    type=click.IntRange(min=1),
    default=3_000,
    show_default=True,
    help="Requests at one moment, to see what overload does.",
)
@click.option("--directory", type=click.Path(file_okay=False), help="Where to keep the nodes' folders.")
@format_option
def load(
    transactions: int,
    providers: int,
    past_sessions: int,
    sessions: int,
    rate: float,
    seconds: int,
    burst: int,
    directory: str | None,
    output: str,
) -> None:
    """Measure a large consortium under load: a super node, three providers and a crowd of requesters.

    Latencies count from the moment a request was due, so that a late answer delays no later request.
    """
    with console(stderr=True).status("founding") as status:
        value = measure(
            transactions=transactions,
            providers=providers,
            past_sessions=past_sessions,
            sessions=sessions,
            rate=rate,
            seconds=seconds,
            burst=burst,
            directory=Path(directory or tempfile.mkdtemp(prefix="comitia-load-")),
            say=status.update,
        )
    emit(value, output, lambda: table("", ("figure", "value"), [(name, str(value[name])) for name in value]))


def measure(
    *,
    transactions: int,
    providers: int,
    past_sessions: int,
    sessions: int,
    rate: float,
    seconds: int,
    burst: int,
    directory: Path,
    say: Say = silent,
) -> dict[str, Any]:
    """Found, fill and start a consortium; the figures of every part. See `comitia bench load`."""
    book = made_up.codebook()
    local = LocalConsortium(directory, created_ms=time.time_ns() // 1_000_000 - (EPOCHS + 1) * DAY_MS)
    local.found(book)
    for number in range(REAL_PROVIDERS):
        local.add_provider(f"plant-{number + 1}", made_up.documents(number))
    value: dict[str, Any] = {"transactions": transactions, "providers": providers}
    value |= _fill(local, book, providers, transactions, past_sessions, say)
    if past_sessions:
        value |= _history(local, say)
    with local:
        value |= _start(local, say)
        with Crowd(local.requester) as crowd:
            task = make_task(_wish(), codebook=book.digest, labels=book.labels, kappa=1)
            value |= _cache_hits(local, crowd, task, rate, seconds, say)
            value |= _at_once(crowd, replace(task, reuse=False), sessions, say)
            value |= _overload(local, crowd, task, burst, say)
    value["machine"] = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    return value


def _wish() -> Wish:
    return Wish(epsilon="0.5", providers_max=REAL_PROVIDERS, accept_unverified=True, stage_ms=STAGE_MS)


def _fill(
    local: LocalConsortium, book: Codebook, providers: int, transactions: int, past_sessions: int, say: Say
) -> dict[str, Any]:
    """Write the super node's ledger, and give every node a copy: following a million blocks is not what is measured."""
    folder = local.consortium.super_node
    genesis = local.consortium.load_genesis().genesis
    keys = folder.load_keys()
    start = time.perf_counter()
    engine = EmbeddedEngine.open(folder.ledger, genesis, signer=keys.signing)
    ledger = LongLedger(
        engine,
        genesis,
        admin=read_signing_key(local.consortium.admin_key),
        super_node=keys.signing,
        super_membership=folder.load_approval(keys.node).membership,
        until_ms=time.time_ns() // 1_000_000 - DAY_MS // 24,
    )
    ledger.fill(book, providers=providers, transactions=transactions, say=lambda done: say(f"{done} transactions"))
    if past_sessions:
        PastSessions(ledger, book).seal(past_sessions, say=lambda done: say(f"{done} sessions"))
    blocks = engine.height
    engine.close()
    took = time.perf_counter() - start
    for node in (local.requester, *(provider.folder for provider in local.providers)):
        shutil.copyfile(folder.ledger, NodeFolder(node).ledger)
    size = folder.ledger.stat().st_size
    return {"fill_s": round(took, 1), "blocks": blocks, "ledger_mb": round(size / 1e6, 1)}


def _history(local: LocalConsortium, say: Say) -> dict[str, Any]:
    """What `comitia ledger` does on this ledger, and the proof of its first session, made and verified."""
    say("reading the history")
    start = time.perf_counter()
    chronicle = Chronicle(local.consortium.super_node.path)
    opened = time.perf_counter()
    blocks, events = chronicle.sealed(), chronicle.events()
    listed = time.perf_counter()
    genesis = local.consortium.load_genesis().genesis
    session = SessionId(bytes.fromhex(blocks[0]["session"]))
    engine = EmbeddedEngine.open(local.consortium.super_node.ledger, genesis)
    began = time.perf_counter()
    proof = engine.proof(session)
    proved = time.perf_counter()
    verify_proof(proof, genesis, model_of(session))
    verified = time.perf_counter()
    engine.close()
    return {
        "past_sessions": len(blocks),
        "past_uses_listed": len(events),
        "history_open_s": round(opened - start, 2),
        "history_list_s": round(listed - opened, 2),
        "proof_ms": round(1e3 * (proved - began), 1),
        "verify_ms": round(1e3 * (verified - proved), 1),
        "proof_kb": round(len(proof.to_bytes()) / 1e3, 1),
    }


def _start(local: LocalConsortium, say: Say) -> dict[str, Any]:
    """Start the super node on its ledger, which it checks from the first block to the last; then the providers."""
    assert local.super_node is not None
    say("the super node starts")
    start = time.perf_counter()
    local.start_node(local.super_node)
    await_ready(local.super_node)
    took = time.perf_counter() - start
    for node in local.providers:
        say(f"{node.name} starts")
        local.start_node(node)
        await_ready(node)
    return {"restart_s": round(took, 2), "memory_mb": {"started": _resident_mb(local.super_node)}}


def _cache_hits(
    local: LocalConsortium, crowd: Crowd, task: Task, rate: float, seconds: int, say: Say
) -> dict[str, Any]:
    say("a model for the cache")
    crowd.ask(task)
    _require_all(crowd.settle(SESSION_PATIENCE_S))
    for _ in range(WARM_UP):
        crowd.ask(task)
        crowd.settle(SESSION_PATIENCE_S)
    before, cpu = _resident_mb(local.super_node), _cpu_s(local.super_node)
    say(f"{rate:g} cache hits a second for {seconds} s")
    crowd.ask_at_rate(task, rate=rate, count=int(rate * seconds))
    replies = crowd.settle(SESSION_PATIENCE_S)
    served = [reply.latency_s for reply in replies if reply.cached and not reply.code]
    return {
        "cached_rate": rate,
        "cached_asked": int(rate * seconds),
        "cached_served": len(served),
        "cached_refused": dict(Counter(reply.code for reply in replies if reply.code)),
        "cached_ms": {f"p{int(100 * p)}": round(1e3 * percentile(served, p), 2) for p in (0.5, 0.95, 0.99, 1.0)}
        if served
        else {},
        "cached_super_node_cpu_ms": round(1e3 * (_cpu_s(local.super_node) - cpu) / max(1, len(replies)), 2),
        "cached_memory_mb": [before, _resident_mb(local.super_node)],
    }


def _at_once(crowd: Crowd, fresh: Task, sessions: int, say: Say) -> dict[str, Any]:
    """So many sessions, each with every running provider in its committee."""
    say(f"{sessions} sessions at once")
    start = time.perf_counter()
    for _ in range(sessions):
        crowd.ask(fresh)
    replies = crowd.settle(SESSION_PATIENCE_S)
    took = time.perf_counter() - start
    sealed = [reply.latency_s for reply in replies if not reply.code]
    return {
        "sessions": sessions,
        "sessions_sealed": len(sealed),
        "sessions_ended_otherwise": dict(Counter(reply.code for reply in replies if reply.code)),
        "sessions_s": round(took, 2),
        "session_s": {"median": round(percentile(sealed, 0.5), 2), "max": round(max(sealed), 2)} if sealed else {},
    }


def _overload(local: LocalConsortium, crowd: Crowd, task: Task, burst: int, say: Say) -> dict[str, Any]:
    """More at one moment than can be answered, then one more when that is over."""
    say(f"{burst} requests at one moment")
    before, start = _resident_mb(local.super_node), time.perf_counter()
    for _ in range(burst):
        crowd.ask(task)
    replies = crowd.settle(SESSION_PATIENCE_S)
    took = time.perf_counter() - start
    silent = crowd.under_way
    after = _resident_mb(local.super_node)
    crowd.ask(task)
    later = [reply for reply in crowd.settle(SESSION_PATIENCE_S) if not reply.code]
    return {
        "burst": burst,
        "burst_served": sum(not reply.code for reply in replies),
        "burst_refused": dict(Counter(reply.code for reply in replies if reply.code)),
        "burst_unanswered": silent,
        "burst_s": round(took, 2),
        "burst_memory_mb": [before, after],
        "after_burst_ms": round(1e3 * later[-1].latency_s, 2) if later else None,
    }


def _require_all(replies: list[Reply]) -> None:
    failed = [reply.code for reply in replies if reply.code]
    if failed or not replies:
        raise AbortedError(
            f"the first request brought no model: {failed[0] if failed else 'no answer'}", code="session-aborted"
        )


def _cpu_s(node: LocalNode | None) -> float:
    assert node is not None and node.process is not None
    return float(sum(psutil.Process(node.process.pid).cpu_times()[:2]))


def _resident_mb(node: LocalNode | None) -> float:
    assert node is not None and node.process is not None
    return round(float(psutil.Process(node.process.pid).memory_info().rss) / 1e6, 1)
