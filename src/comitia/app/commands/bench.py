"""`comitia bench`: measurements that anyone can rerun, on data of their own."""

from __future__ import annotations

import click

from comitia.app.output import console, emit, format_option, table


@click.group()
def bench() -> None:
    """Measure Comitia on your data and machine."""


@bench.command()
@click.option("--data", required=True, help="FILE, folder or pattern.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option("--split-column", help="Column with 'train' and 'test'. Default: every fifth document is test.")
@click.option("--categories", default=8, show_default=True, help="The most frequent labels.")
@click.option("--providers", default=3, show_default=True)
@click.option("--warm", default=5, show_default=True, help="How many fresh requests to measure.")
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
    from comitia.app.bench.request import measure
    from comitia.storage.documents import Columns, read_documents

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


@bench.command()
@click.option("--data", required=True, help="FILE, folder or pattern; 'work-orders' for NIST's excavators.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option("--provider-column", help="With --partition provider.")
@click.option("--split-column", help="Column with 'train' and 'test'; else a quarter is held out.")
@click.option("--categories", default=8, show_default=True, help="The most frequent labels.")
@click.option("--names", type=click.Choice(["labels", "none"]), default="labels", show_default=True)
@click.option("--providers", default="3", show_default=True, help="How many; several with commas.")
@click.option("--partition", default="sorted", show_default=True, help="sorted, iid, dirichlet:A or provider.")
@click.option("--learner", default="prototype", show_default=True)
@click.option("--references", default="0", show_default=True, help="Public documents a category; several with commas.")
@click.option("--new-classes", default=0, show_default=True, help="Categories of which nothing is public.")
@click.option("--epsilon", default="1", show_default=True, help="Several with commas.")
@click.option("--seeds", default=5, show_default=True)
@format_option
def learning(
    data: str,
    text_column: str,
    label_column: str,
    provider_column: str | None,
    split_column: str | None,
    categories: int,
    names: str,
    providers: str,
    partition: str,
    learner: str,
    references: str,
    new_classes: int,
    epsilon: str,
    seeds: int,
    output: str,
) -> None:
    """Measure what sharing is worth on your documents, before anybody spends privacy on it.

    AUC (macro, one against the rest) on documents that nobody trains on: of public knowledge alone, and of the
    shared model at each epsilon. In this process; no node is started.
    """
    from comitia.app.bench.learning import Question, measure

    question = Question(
        data=data,
        text_column=text_column,
        label_column=label_column,
        provider_column=provider_column,
        split_column=split_column,
        categories=categories,
        names=names == "labels",
        providers=_numbers(providers, "--providers"),
        partition=partition,
        learner=learner,
        references=_numbers(references, "--references"),
        new_classes=new_classes,
        epsilons=tuple(epsilon.split(",")),
        seeds=seeds,
    )
    with console(stderr=True).status("reading documents") as status:
        found = []
        for value in measure(question, say=status.update):
            found.append(value)
            if output == "json":
                emit(value, output, lambda: None)
    if output == "json":
        return
    shown = (
        "providers",
        "references",
        "epsilon",
        "auc_public_only",
        "auc",
        "auc_std",
        "auc_public_only_new",
        "auc_new",
    )
    table(f"{data}, {partition}, {seeds} seeds", shown, [[_figure(value[name]) for name in shown] for value in found])


def _numbers(text: str, option: str) -> tuple[int, ...]:
    from comitia.core.errors import InputError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} takes whole numbers with commas, not {text!r}", code="bad-option") from None


def _figure(value: object) -> str:
    return "" if value is None else str(value)
