"""`comitia bench`: measurements that anyone can rerun, on data of their own."""

from __future__ import annotations

from typing import Final

from comitia.app.lazy import LazyGroup

bench: Final = LazyGroup(
    name="bench",
    help="Measure Comitia on your data and machine.",
    sections={
        "Learning and privacy": {
            "learning": ("comitia.app.bench.learning", "What sharing is worth on your documents, before it costs."),
            "figures": ("comitia.app.bench.figures", "The paper's Figs. 9 to 12 measured anew, beside baselines."),
            "attacks": ("comitia.app.bench.attacks", "Which bad work is found, and what slips into the model."),
            "privacy-audit": (
                "comitia.app.bench.privacy_audit",
                "Canaries: whether releases keep the privacy they claim.",
            ),
        },
        "Finding providers": {
            "retrieval": (
                "comitia.app.bench.retrieval",
                "Finding providers among many: recall, messages, tables, load.",
            ),
            "profiles": ("comitia.app.bench.profiles", "How well private profiles find the providers of a category."),
            "profile-attacks": (
                "comitia.app.bench.profile_attacks",
                "What an observer of the ledger learns from profiles.",
            ),
            "clustering": (
                "comitia.app.bench.clustering",
                "How well groups of unlabelled documents match known labels.",
            ),
        },
        "Agreement and nodes": {
            "consensus": ("comitia.app.bench.consensus", "Proof of Training Quality beside other ways to agree."),
            "request": ("comitia.app.bench.request", "Whole requests over real processes: time, CPU, bytes, memory."),
            "load": (
                "comitia.app.bench.load",
                "A large ledger, many sessions at once, cache hits at a rate; overload.",
            ),
            "chaos": ("comitia.app.bench.chaos", "Real processes killed, frozen and out of disk while requests flow."),
            "exhaustive": (
                "comitia.app.bench.exhaustive",
                "Every order of events of a small session, and what it breaks.",
            ),
        },
    },
)
