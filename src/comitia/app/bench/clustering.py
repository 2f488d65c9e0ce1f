"""How well `comitia explore` finds categories that are known; the measuring itself is `evaluation.clustering`."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from comitia.app.output import console, emit_each, format_option, table
from comitia.core.counting import counted
from comitia.core.errors import InputError
from comitia.core.telling import Say
from comitia.evaluation.clustering import measure_grouping
from comitia.evaluation.datasets import reuters, twenty_news
from comitia.storage.columns import Columns
from comitia.storage.documents import read_documents
from comitia.text.clustering import Distance
from comitia.text.documents import Document


@click.command()
@click.option("--data", required=True, help="FILE, folder or pattern; '20news' and 'reuters' as in the documentation.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option(
    "--categories", type=click.IntRange(min=2), default=20, show_default=True, help="The most frequent labels."
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
@format_option
def clustering(data: str, text_column: str, label_column: str, categories: int, seeds: int, output: str) -> None:
    """Group labelled documents without their labels, and compare: NMI, ARI and purity.

    '20news' are the posts of split train, subject and body with quotes; 'reuters' the stories of split train that
    have just one topic.
    """
    with console(stderr=True).status("reading documents") as status:
        documents = _documents(data, Columns(text=text_column, label=label_column), categories)
        found = emit_each((_measured(documents, data, distance, seeds, status.update) for distance in Distance), output)
    if output != "json":
        shown = ("distance", "nmi", "ari", "purity", "nmi_std", "cpu_s")
        table(
            f"{data}: {len(documents)} documents, {counted(seeds, 'seed')}",
            shown,
            [[value[name] for name in shown] for value in found],
        )


def _measured(documents: Sequence[Document], data: str, distance: Distance, seeds: int, say: Say) -> dict[str, Any]:
    """Means and deviations over the seeds."""
    runs, start = [], time.process_time()
    for seed in range(seeds):
        say(f"{len(documents)} documents, {distance.value}, seed {seed + 1} of {seeds}")
        runs.append(asdict(measure_grouping(documents, distance=distance, seed=seed)))
    return {
        "dataset": data,
        "documents": len(documents),
        "categories": len({document.label for document in documents}),
        "distance": distance.value,
        **{name: round(statistics.fmean(run[name] for run in runs), 3) for name in runs[0]},
        **{f"{name}_std": round(statistics.pstdev(run[name] for run in runs), 3) for name in runs[0]},
        "seeds": seeds,
        "cpu_s": round((time.process_time() - start) / seeds, 2),
    }


def _documents(data: str, columns: Columns, categories: int) -> Sequence[Document]:
    if data == "20news":
        return _most_frequent(twenty_news(text="post").private, categories)
    if data == "reuters":
        return reuters(topics=categories).private
    return _most_frequent(list(read_documents(data, columns)), categories)


def _most_frequent(documents: Sequence[Document], categories: int) -> Sequence[Document]:
    counted = Counter(document.label for document in documents if document.label)
    if not counted:
        raise InputError("no document has a label to compare with", code="no-label", hint="check --label-column")
    biggest = {label for label, _ in counted.most_common(categories)}
    return [document for document in documents if document.label in biggest]
