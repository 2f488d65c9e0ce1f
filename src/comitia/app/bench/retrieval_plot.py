"""The cost of finding providers over the number of participants, as a picture; with matplotlib, an extra."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from comitia.core.errors import ConfigurationError

_COSTS: Final = (
    ("messages", "messages a lookup"),
    ("rounds", "rounds"),
    ("table_entries_mean", "table entries"),
    ("join_messages", "messages to join"),
)


def require_plots() -> None:
    """Refuse to begin what would end without a picture.

    Raises
    ------
    ConfigurationError
        Code ``extra-missing``.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigurationError(
            "pictures of measurements need matplotlib",
            code="extra-missing",
            hint="pip install 'comitia[plots]'",
            extra="plots",
        )


def plot_costs(figures: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Draw mean costs over participants; the file's ending says which format."""
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(9, 6), layout="constrained")
    for axes, (name, label) in zip(sheet.subplots(2, 2).flat, _COSTS, strict=True):
        by_count = defaultdict(list)
        for value in figures:
            if value[name] is not None:
                by_count[value["participants"]].append(value[name])
        counts = sorted(by_count)
        axes.plot(counts, [sum(by_count[n]) / len(by_count[n]) for n in counts], marker="o")
        axes.set(xscale="log", xlabel="participants", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    sheet.savefig(target)
