"""`comitia budget`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.app.output import emit, format_option, say, table

if TYPE_CHECKING:
    from comitia.app.spending import Limit, Spending

DAY_MS = 86_400_000


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@format_option
def budget(folder: Path, output: str) -> None:
    """Privacy spent, reserved and left at the provider in DIR, by organisation and category, and the caps on it."""
    import time

    from comitia.app.spending import spending
    from comitia.storage.folder import NodeFolder

    found = spending(NodeFolder(folder), now_ms=time.time_ns() // 1_000_000)
    emit(_facts(found), output, lambda: _tell(found))


def _facts(found: Spending) -> dict[str, object]:
    return {
        "caps": [
            {
                "requester": limit.requester,
                "name": limit.name,
                "span": limit.line.cap.span.value,
                "period_ms": limit.line.cap.period_ms,
                "epsilon_micro": limit.line.cap.epsilon_micro,
                "spent_micro": limit.line.spent_micro,
                "reserved_micro": limit.line.reserved_micro,
                "left_micro": limit.line.left_micro,
            }
            for limit in found.limits
        ],
        "requesters": [
            {
                "requester": use.requester,
                "name": use.name,
                "category": use.category,
                "spent_micro": use.spent_micro,
                "reserved_micro": use.reserved_micro,
                "left_micro": use.left_micro,
            }
            for use in found.uses
        ],
    }


def _tell(found: Spending) -> None:
    from comitia.privacy.terms import in_units

    table(
        "By organisation and category",
        ("organisation", "category", "spent", "reserved", "left"),
        [
            (use.name, use.category, in_units(use.spent_micro), in_units(use.reserved_micro), in_units(use.left_micro))
            for use in found.uses
        ],
    )
    table(
        "Caps on epsilon",
        ("for", "span", "cap", "spent", "reserved", "left"),
        [
            (
                limit.name,
                _span(limit),
                in_units(limit.line.cap.epsilon_micro),
                in_units(limit.line.spent_micro),
                in_units(limit.line.reserved_micro),
                in_units(limit.line.left_micro),
            )
            for limit in found.limits
        ],
    )
    say("What is left is the largest epsilon of one more release. Releases add up to less than their sum.")
    say(
        "Whoever sees everything this provider ever released learns almost the same whether or not any one "
        "record was different: no conclusion becomes more than e^epsilon times as likely (up to delta)."
    )


def _span(limit: Limit) -> str:
    cap = limit.line.cap
    if cap.period_ms:
        return f"{cap.period_ms / DAY_MS:g} days"
    return {"session": "a session", "life": "ever"}[cap.span.value]
