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
    from comitia.app.request_bench import measure
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
