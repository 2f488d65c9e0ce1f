"""`comitia status`, `doctor`, `stop`."""

from __future__ import annotations

from pathlib import Path

import click

from comitia.app.output import emit, format_option, table, warn

_FOLDER = click.argument(
    "folder", metavar="[DIR]", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path()
)


@click.command()
@_FOLDER
@format_option
def status(folder: Path, output: str) -> None:
    """Say which nodes in and below DIR are up, and where their ledgers stand."""
    from comitia.app.health import node_states

    states = node_states(folder)
    value = [
        {
            "node": state.name,
            "folder": str(state.folder),
            "up": state.up,
            "height": state.height,
            "fork": state.fork,
            "references_left": state.references_left,
            "kept_bytes": state.kept_bytes,
            "trouble": state.trouble,
        }
        for state in states
    ]
    rows = [
        (
            state.name,
            "up" if state.up else "down",
            "" if state.height is None else f"{state.height}, FORKED" if state.fork else state.height,
            "" if state.references_left is None else state.references_left,
            f"{state.kept_bytes / (1 << 20):.1f} MB" if state.kept_bytes else "",
            str(state.folder),
        )
        for state in states
    ]

    def render() -> None:
        table("", ("node", "is", "ledger height", "references left", "kept", "folder"), rows)
        for state in states:
            if state.trouble:
                warn(f"{state.name}: {state.trouble}; see `comitia doctor {state.folder}`")

    emit(value, output, render)


@click.command()
@_FOLDER
@format_option
def doctor(folder: Path, output: str) -> None:
    """Look for what is wrong with the nodes in and below DIR, and say how to mend it."""
    from comitia.app.health import examine

    findings = examine(folder)
    value = [
        {"node": finding.node, "check": finding.check, "ok": finding.ok, "found": finding.found, "mend": finding.mend}
        for finding in findings
    ]

    def render() -> None:
        for finding in findings:
            mark = click.style("ok  ", fg="green") if finding.ok else click.style("BAD ", fg="red", bold=True)
            click.echo(f"{mark} {finding.node}: {finding.check}: {finding.found}")
            if not finding.ok and finding.mend:
                click.echo(f"     -> {finding.mend}")

    emit(value, output, render)
    if not all(finding.ok for finding in findings):
        raise click.exceptions.Exit(4)


@click.command()
@_FOLDER
@format_option
def stop(folder: Path, output: str) -> None:
    """End the nodes that run in and below DIR, each after the event that it has in hand."""
    from comitia.app.health import stop_nodes

    stopped, still = stop_nodes(folder)

    def render() -> None:
        click.echo(f"ended: {', '.join(stopped) or 'none was running'}")
        if still:
            click.echo(f"still running: {', '.join(still)}")

    emit({"stopped": stopped, "still_running": still}, output, render)
    if still:
        raise click.exceptions.Exit(6)
