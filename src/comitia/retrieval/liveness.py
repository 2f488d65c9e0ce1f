"""Who is there: probes at a constant rate, whatever is asked of the network, so that they tell nothing of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from comitia.core.ids import NodeId

SILENCES: Final = 2
"""Probes in a row without answer after which a node counts as gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """What a node knows of others' being there.

    waiting : who is still to be probed in this turn, the next one last.
    unanswered : probes in a row that each node has left without answer; one that may still be under way counts.
    """

    waiting: tuple[NodeId, ...] = ()
    unanswered: frozenset[tuple[NodeId, int]] = frozenset()

    @property
    def gone(self) -> frozenset[NodeId]:
        """Who has not answered for some time."""
        return frozenset(node for node, silences in self.unanswered if silences > SILENCES)


def probe(state: Liveness, nodes: Iterable[NodeId], generator: np.random.Generator) -> tuple[Liveness, NodeId | None]:
    """Whom to probe now; everyone has a turn before anyone has a second, in an order drawn anew each time.

    Parameters
    ----------
    nodes : iterable of NodeId
        Who is to be watched at present; others are forgotten.
    """
    watched = frozenset(nodes)
    waiting = [node for node in state.waiting if node in watched] or _in_any_order(watched, generator)
    if not waiting:
        return Liveness(), None
    chosen = waiting.pop()
    silences = {node: count for node, count in state.unanswered if node in watched}
    silences[chosen] = min(silences.get(chosen, 0) + 1, SILENCES + 1)
    return Liveness(waiting=tuple(waiting), unanswered=frozenset(silences.items())), chosen


def _in_any_order(nodes: frozenset[NodeId], generator: np.random.Generator) -> list[NodeId]:
    listed = sorted(nodes)
    return [listed[place] for place in generator.permutation(len(listed))]


def answered(state: Liveness, node: NodeId) -> Liveness:
    """A node answered a probe."""
    rest = frozenset((other, count) for other, count in state.unanswered if other != node)
    return replace(state, unanswered=rest)
