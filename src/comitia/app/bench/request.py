"""What a whole request costs, over real processes."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from comitia.app.asking import ask_with
from comitia.app.local import LocalConsortium
from comitia.app.node.client import Client
from comitia.app.node.daemon import HEARTBEAT_S
from comitia.app.output import console, emit, format_option, table
from comitia.app.stopwatch import Stages
from comitia.app.tasks import Wish
from comitia.consensus.committee import witnesses_needed
from comitia.core.errors import InputError
from comitia.core.telling import Say, silent
from comitia.core.units import MICRO
from comitia.evaluation.consensus import VoteCost
from comitia.privacy.terms import PrivacyTerms
from comitia.storage.columns import Columns
from comitia.storage.documents import read_documents
from comitia.text.build import build_codebook
from comitia.text.categories import Category
from comitia.text.documents import Document

CACHED_ASKS: Final = 20


@click.command()
@click.option("--data", required=True, help="FILE, folder or pattern.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option("--split-column", help="Column with 'train' and 'test'. Default: every fifth document is test.")
@click.option(
    "--categories", type=click.IntRange(min=2), default=8, show_default=True, help="The most frequent labels."
)
@click.option("--providers", type=click.IntRange(min=2), default=3, show_default=True)
@click.option(
    "--warm", type=click.IntRange(min=1), default=5, show_default=True, help="How many fresh requests to measure."
)
@click.option("--epsilon", default="1", show_default=True)
@click.option("--directory", type=click.Path(file_okay=False), help="Where to keep the nodes' folders.")
@format_option
def request(
    data: str,
    text_column: str,
    label_column: str,
    split_column: str | None,
    categories: int,
    providers: int,
    warm: int,
    epsilon: str,
    directory: str | None,
    output: str,
) -> None:
    """Measure whole requests over real processes: time, CPU of all of them, bytes on the wire, memory.

    A warm request finds processes up and vectors made; every release is drawn and noised afresh.
    """
    columns = Columns(text=text_column, label=label_column, provider=split_column)
    with console(stderr=True).status("reading documents") as status:
        documents = list(read_documents(data, columns))
        value = measure(
            documents,
            dataset=data,
            categories=categories,
            providers=providers,
            warm=warm,
            epsilon=epsilon,
            directory=directory,
            say=status.update,
        )

    def render() -> None:
        rows = [(name, figure) for name, figure in value.items() if not isinstance(figure, dict)]
        rows += [
            (f"{name} {part}", figure)
            for name, parts in value.items()
            if isinstance(parts, dict)
            for part, figure in parts.items()
        ]
        table("", ("figure", "value"), [(name, str(figure)) for name, figure in rows])

    emit(value, output, render)


def measure(
    documents: Sequence[Document],
    *,
    dataset: str,
    categories: int,
    providers: int,
    warm: int,
    epsilon: str,
    directory: str | None,
    say: Say = silent,
) -> dict[str, Any]:
    """Start a consortium on these documents, ask it, and return the figures; see `comitia bench request`.

    Parameters
    ----------
    documents : sequence of Document
        With the split ("train", "test") in `provider`, or None there.

    Raises
    ------
    InputError
        If there are too few documents or labels.
    """
    epsilon_micro = PrivacyTerms.of(epsilon).epsilon_micro
    labels = [label for label, _ in Counter(d.label for d in documents if d.label).most_common(categories)]
    known = [document for document in documents if document.label in labels]
    train = [d for i, d in enumerate(known) if (d.provider == "train" if d.provider else i % 5)]
    test = [d for i, d in enumerate(known) if (d.provider == "test" if d.provider else not i % 5)]
    if len(labels) < 2 or len(train) < providers * 10 or len(test) < 20:
        raise InputError(
            f"{len(labels)} labels, {len(train)} training and {len(test)} test documents are too few to measure on",
            code="too-few-documents",
            hint="check --label-column and --split-column",
        )
    say("building the codebook")
    codebook = build_codebook(
        [d.text for d in test[::2]], [Category(label=label, name=label) for label in sorted(labels)]
    )
    local = LocalConsortium(Path(directory or tempfile.mkdtemp(prefix="comitia-bench-")))
    local.found(codebook)
    for number in range(providers):
        local.add_provider(f"provider-{number + 1}", train[number::providers])
    with local:
        say(f"starting {providers} providers")
        local.start()
        return {
            "dataset": Path(dataset).name,
            "providers": providers,
            "categories": len(labels),
            "documents": len(train),
            "vectors": f"{codebook.kind} {codebook.rank}",
            "epsilon": epsilon_micro / MICRO,
            **_requests(local, providers, warm, epsilon, say),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        }


def _requests(local: LocalConsortium, providers: int, warm: int, epsilon: str, say: Say) -> dict[str, Any]:
    target = local.directory / "model.comitia"
    fresh = Wish(epsilon=epsilon, providers_max=providers, accept_unverified=True, reuse=False)
    stages: list[dict[str, float]] = []
    walls, cpus = [], []
    with Client(local.requester) as client:

        def cpu() -> float:
            return local.cpu_seconds() + time.process_time() - own_start

        own_start = time.process_time()
        say("the first model")
        ask_with(client, fresh, target)
        start_cpu = cpu()
        time.sleep(2 * HEARTBEAT_S)
        sent = local.sent_bytes() + client.daemon.sent_bytes
        for number in range(warm):
            say(f"warm request {number + 1} of {warm}")
            before, watch = cpu(), Stages()
            answer = ask_with(client, fresh, target, progress=watch.moved)
            cpus.append(cpu() - before)
            walls.append(answer.latency_s)
            stages.append(watch.end())
        time.sleep(2 * HEARTBEAT_S)
        wire = (local.sent_bytes() + client.daemon.sent_bytes - sent) // warm
        say("served again and cached")
        reused = replace(fresh, reuse=True, providers_max=providers + 1)
        ask_with(client, replace(reused, providers_max=providers + 2), target)
        reused_s = ask_with(client, reused, target).latency_s
        cached = [ask_with(client, reused, target).latency_s for _ in range(CACHED_ASKS)]
        return {
            "wall_s": _spread(walls),
            "cpu_s": _spread(cpus),
            **_votes(providers, statistics.median(cpus)),
            "cached_s": round(statistics.median(cached), 5),
            "reused_s": round(reused_s, 4),
            "start_cpu_s": round(start_cpu, 2),
            "wire_bytes": wire,
            "peak_memory_mb": {name: round(size, 1) for name, size in local.peak_memory_mb().items()},
            "stages": {name: round(statistics.median(run.get(name, 0.0) for run in stages), 4) for name in stages[0]},
        }


def _votes(providers: int, cpu_s: float) -> dict[str, float]:
    """CPU of the signatures on a request's block, made and checked by everyone who has to, and its share of all CPU."""
    members = providers + witnesses_needed(providers, 1)
    spent_ms = VoteCost.of(members=members, checking=providers + 2).milliseconds
    return {"votes_cpu_ms": round(spent_ms, 2), "votes_cpu_percent": round(spent_ms / cpu_s / 10, 2)}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 4), "max": round(max(values), 4)}
