"""`comitia init`, `join`, `approve`, `revoke`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.app.output import emit, format_option, warn

if TYPE_CHECKING:
    from comitia.storage.folder import JoinRequest

_CONSORTIUM = click.option(
    "--consortium",
    "consortium",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    show_default="the current folder",
    help="The folder that `comitia init` made.",
)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", default="consortium", show_default=True, help="Name of the consortium.")
@click.option("--organisation", default="operator", show_default=True, help="Who runs the super node.")
@click.option("--listen", default="127.0.0.1:7447", show_default=True, metavar="HOST:PORT", help="Where members dial.")
@click.option("--quorum-rule", type=click.Choice(["bft", "unanimous"]), default="bft", show_default=True)
@format_option
def init(folder: Path, name: str, organisation: str, listen: str, quorum_rule: str, output: str) -> None:
    """Found a consortium in DIR: genesis, administrator's keys, first super node.

    On the embedded engine one super node orders the ledger. It can delay or refuse, and is caught if it
    rewrites; it is one point of failure.
    """
    from comitia.app.consortium import found
    from comitia.ledger.genesis import Parameters, QuorumRule

    made = found(
        folder,
        name=name,
        organisation=organisation,
        endpoint=listen if "/" in listen else f"tls/{listen}",
        parameters=Parameters(quorum_rule=QuorumRule(quorum_rule)),
    )
    chain = made.load_genesis().genesis.chain
    value = {"consortium": str(folder), "genesis": str(made.genesis), "chain": chain, "listen": listen}

    def render() -> None:
        click.echo(f"Consortium {name!r} (chain {chain}) is in {folder}.")
        click.echo(f"  {made.genesis}   give every member a copy")
        click.echo(f"  {made.admin_key.parent}/   admits members: keep it safe, and off the super node")
        click.echo(f"Next: comitia codebook build POOL.csv --text-column … -o {folder}/codebook.comitia")
        click.echo(f"      comitia super-node {folder} --codebook {folder}/codebook.comitia")

    emit(value, output, render)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", required=True, help="Name of the node, for example plant-a.")
@click.option("--organisation", default=None, help="Whose it is; one seat and vote each. Default: the name.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["provider", "requester", "super-node", "witness"]),
    help="What it does. Default: provider and requester.",
)
@format_option
def join(folder: Path, name: str, organisation: str | None, roles: tuple[str, ...], output: str) -> None:
    """Make a node in DIR: its keys, which never leave it, and a request for an administrator."""
    from comitia.app.consortium import request_to_join
    from comitia.storage.folder import NodeFolder, fingerprint

    node = NodeFolder(folder)
    asked = request_to_join(
        node, name=name, organisation=organisation or name, roles=roles or ("provider", "requester")
    )
    value = {
        "node": asked.node,
        "request": str(node.join_request),
        "approval": str(node.approval),
        "fingerprint": fingerprint(asked.digest),
    }

    def render() -> None:
        click.echo(f"Node {name!r} is {asked.node}.")
        click.echo(f"Fingerprint of its request: {value['fingerprint']}")
        click.echo(f"Next: send {node.join_request} to an administrator, who runs")
        click.echo(f"        comitia approve {node.join_request} --consortium CONSORTIUM")
        click.echo(f"      and put the answer at {node.approval}")

    emit(value, output, render)


@click.command()
@click.argument("request", metavar="REQUEST", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_CONSORTIUM
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Default: beside REQUEST.")
@click.option(
    "--role",
    "trusted",
    multiple=True,
    type=click.Choice(["super-node", "witness"]),
    help="A role with a say over others' work that the node is meant to have.",
)
@click.option("--yes", is_flag=True, help="Do not ask: what REQUEST says was looked at before.")
@format_option
def approve(
    request: Path, consortium: Path, target: Path | None, trusted: tuple[str, ...], yes: bool, output: str
) -> None:
    """Admit the node that wrote REQUEST: sign its membership and its certificate.

    Shows first whom that would admit, and asks. Compare the fingerprint with the one that `comitia join` showed at the
    node, by another way than REQUEST came: it covers name, organisation, roles and keys.
    """
    from comitia.app import consortium as founding
    from comitia.app.output import confirm
    from comitia.storage.folder import ConsortiumFolder, fingerprint

    folder = ConsortiumFolder(consortium)
    asked = founding.sound_request(request, trusted)
    warnings = founding.doubts(folder, asked)
    chain = folder.load_genesis().genesis
    if not yes:
        _show_request(asked, f"{chain.chain_name!r} (chain {chain.chain})", warnings)
        confirm("Admit it?", output)
    written = founding.approve(folder, asked, target or request.with_name("membership.comitia"))
    value = {
        "node": asked.node,
        "name": asked.name,
        "organisation": asked.organisation,
        "roles": asked.roles,
        "fingerprint": fingerprint(asked.digest),
        "approval": str(written),
        "warnings": warnings,
    }

    def render() -> None:
        click.echo(f"{asked.name!r} of {asked.organisation!r} ({asked.node}) may join as {', '.join(asked.roles)}.")
        for warning in warnings if yes else ():
            warn(warning)
        click.echo(f"Next: give {written} back to it.")

    emit(value, output, render)


def _show_request(asked: JoinRequest, consortium: str, warnings: Sequence[str]) -> None:
    from comitia.storage.folder import fingerprint

    lines = (
        ("consortium", consortium),
        ("name", asked.name),
        ("organisation", asked.organisation),
        ("roles", ", ".join(asked.roles)),
        ("node", asked.node),
        ("signing key", fingerprint(asked.signing_key)),
        ("sealing key", fingerprint(asked.sealing_key)),
        ("fingerprint of all this", fingerprint(asked.digest)),
    )
    for what, found in lines:
        click.echo(f"  {what:<24}{found}", err=True)
    for warning in warnings:
        warn(warning)


@click.command()
@click.argument("member", metavar="MEMBER")
@_CONSORTIUM
@click.option("--reason", required=True, help="Stands on the ledger, for all to read.")
@format_option
def revoke(member: str, consortium: Path, reason: str, output: str) -> None:
    """Exclude MEMBER, a node's name or id: sign its revocation for the super node to bring to the ledger.

    It takes effect when the next epoch begins. What the member has contributed is not served from the cache any more
    then, and it is on the wire no longer. A session that is open meanwhile goes on with it.
    """
    from datetime import UTC, datetime

    from comitia.app import consortium as founding
    from comitia.storage.folder import ConsortiumFolder

    revoked, from_ms = founding.revoke(ConsortiumFolder(consortium), member, reason)
    value = {"node": revoked.node, "name": revoked.name, "organisation": revoked.organisation, "from_ms": from_ms}

    def render() -> None:
        begins = datetime.fromtimestamp(from_ms / 1_000, UTC)
        click.echo(f"{revoked.name!r} of {revoked.organisation!r} is no member from {begins:%Y-%m-%d %H:%M} UTC on,")
        click.echo("once the super node has brought it to the ledger: at once if it runs, else when it starts.")

    emit(value, output, render)
