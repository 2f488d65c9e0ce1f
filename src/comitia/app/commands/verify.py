"""`comitia verify`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.app.output import emit, format_option, say

if TYPE_CHECKING:
    from comitia.core.ids import NodeId
    from comitia.ledger.proof import Verified


@click.command()
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--genesis", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Of the consortium.")
@format_option
def verify(model: Path, genesis: Path, output: str) -> None:
    """Check MODEL against its block, its committee's signatures and the genesis. Offline."""
    from comitia.core.codec import to_plain
    from comitia.ledger.proof import NOT_CHECKED
    from comitia.storage.folder import load_genesis
    from comitia.storage.model_file import read_model

    verified = read_model(model).verify(load_genesis(genesis).genesis)

    def render() -> None:
        click.echo(click.style("verified", fg="green", bold=True) + f": {model}")
        for name, fact in _told(verified):
            click.echo(f"  {name:<11} {fact}")
        for gap in NOT_CHECKED:
            say(f"Not checked: {gap}.")

    emit({"verified": True, **to_plain(verified), "not_checked": NOT_CHECKED}, output, render)


def _told(verified: Verified) -> Iterator[tuple[str, str]]:
    """The facts for people, a line each."""
    from comitia.privacy.terms import in_units

    def names(nodes: tuple[NodeId, ...]) -> str:
        return ", ".join(verified.names[node] for node in nodes)

    sealed = datetime.fromtimestamp(verified.time_ms / 1000, UTC)
    yield "model", verified.model.hex()
    yield "block", verified.block_hash.hex()
    yield "session", verified.session.hex()
    yield "codebook", verified.codebook.hex()
    yield "learner", verified.learner
    yield "asked by", f"{verified.requester}, purpose {verified.purpose!r}"
    yield "sealed", f"{sealed:%Y-%m-%d %H:%M:%S} UTC, at height {verified.height} of the ledger"
    yield "committee", f"{names(verified.members)}; led by {verified.names[verified.leader]}"
    yield "signed by", f"{names(verified.signed)}; {verified.quorum} of {len(verified.members)} are needed"
    for node, verdict in verified.verdicts.items():
        used = f"epsilon {in_units(verified.epsilon_micro[node])}" if node in verified.epsilon_micro else "not used"
        yield "release", f"{verified.names[node]}: {verdict}, {used}"
    for keeper, commitment in verified.references.items():
        yield "references", f"{verified.names[keeper]}: {commitment.hex()}"
