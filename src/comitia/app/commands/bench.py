"""`comitia bench`: measurements that anyone can rerun, on data of their own."""

from __future__ import annotations

from typing import Final

from comitia.app.lazy import LazyGroup

bench: Final = LazyGroup(
    name="bench",
    help="Measure Comitia on your data and machine.",
    verbs={
        "request": ("comitia.app.bench.request", "Whole requests over real processes: time, CPU, bytes, memory."),
        "attacks": ("comitia.app.bench.attacks", "Which bad work is found, and what slips into the model."),
        "learning": ("comitia.app.bench.learning", "What sharing is worth on your documents, before it costs."),
        "figures": ("comitia.app.bench.figures", "The paper's Figs. 9 to 12 measured anew, beside baselines."),
    },
)
