"""What `comitia bench learning` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from comitia.evaluation.own_data import OwnData
from comitia.text.vectors import Source

WORK_ORDERS: Final = "work-orders"
LABELS, NO_NAMES = "labels", "none"
COLUMN: Final = "column"
DELTA: Final = "1e-5"
PARALLEL, CHAIN = "parallel", "chain"
ENCODER_AND_POOL: Final = "encoder+pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What `comitia bench learning` was asked; fields as its options.

    Attributes
    ----------
    data : OwnData or None
        None for NIST's excavators.
    categories : int
        The most frequent labels, unless `names` is a file.
    names : str
        `LABELS`, `NO_NAMES` or a file of categories.
    partition : str
        As `share_out` takes it; ``column:NAME`` is its ``provider``.
    learner : str
        Name in the registry, or `baselines.LITERAL`.
    basis : str
        What vectors are made from: `Source`, or `ENCODER_AND_POOL`.
    target : str or None
        The public range of the numbers that the labels are, as `parse_edges` takes it.
    """

    data: OwnData | None
    categories: int
    names: str
    providers: tuple[int, ...]
    partition: str
    learner: str
    references: tuple[int, ...]
    new_classes: int
    epsilons: tuple[str, ...]
    pure: bool
    seeds: int
    rounds: int | None = None
    mode: str = PARALLEL
    basis: str = Source.POOL
    target: str | None = None

    @property
    def share_out_by(self) -> str:
        """The partition as `share_out` takes it."""
        return "provider" if self.partition.startswith(f"{COLUMN}:") else self.partition
