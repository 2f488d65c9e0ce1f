"""Who sits in a committee, and how many of them decide.

Source: III.B, "the related subset nodes toward the request, which are also the committee nodes".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from comitia.core.codec import digest
from comitia.core.ids import NodeId

SMALLEST_TOLERANT_COMMITTEE = 4
"""Members needed before even one of them may be Byzantine (3f + 1 with f = 1)."""


class QuorumRule(StrEnum):
    """How many signatures a block needs; a consortium chooses once, in its genesis."""

    BFT = "bft"
    UNANIMOUS = "unanimous"


def faults_tolerated(members: int) -> int:
    """Byzantine members a committee of this size survives: f = floor((N - 1) / 3)."""
    return max(0, (members - 1) // 3)


def quorum(members: int, rule: QuorumRule = QuorumRule.BFT) -> int:
    """Signatures that seal a block: floor((N + f) / 2) + 1, or all N under the paper's rule.

    Two quorums of the first kind share at least one honest member, so two blocks are never sealed for
    one session; and N - f honest members always suffice for one, so silence cannot stop a session.
    `unanimous` is the paper's "approved by every committee node": one silent node stops everything.
    """
    if rule is QuorumRule.UNANIMOUS:
        return members
    return (members + faults_tolerated(members)) // 2 + 1


def witnesses_needed(providers: int, super_nodes: int, keepers: int = 0) -> int:
    """Super nodes that vote beside this many providers: at least one, enough to make four members, and all keepers.

    Keepers are those of them who open documents that they keep back.

    Never more than there are; a committee that stays below four then tolerates no fault, which the
    session shows by its `faults`.
    """
    return min(super_nodes, max(1, SMALLEST_TOLERANT_COMMITTEE - providers, keepers))


def one_per_organisation(candidates: Iterable[NodeId], organisations: Mapping[NodeId, str]) -> tuple[NodeId, ...]:
    """Keep the best-ranked candidate of each organisation: one seat and one vote each."""
    seats: dict[str, NodeId] = {}
    for candidate in candidates:
        seats.setdefault(organisations[candidate], candidate)
    return tuple(seats.values())


def draw(candidates: Sequence[NodeId], bound: int, beacon: bytes) -> tuple[NodeId, ...]:
    """At most `bound` of the candidates, in their own order.

    Where there are more, the beacon decides, which nobody knew when the candidates registered. The
    choice does not depend on the order of `candidates`.
    """
    if len(candidates) <= bound:
        return tuple(candidates)
    drawn = set(sorted(candidates, key=lambda node: lot(beacon, node))[:bound])
    return tuple(node for node in candidates if node in drawn)


def lot(beacon: bytes, node: NodeId) -> bytes:
    """H(beacon, i): the 32-byte lot a node draws; lower wins. Also settles ties in the ranking."""
    return digest(b"comitia lot\x00" + beacon + node.encode("ascii"))
