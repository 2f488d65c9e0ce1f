"""Communities: participants with similar categories of data, as the epoch's digest has them.

Everyone computes them alike at the border of an epoch. A branch of the leaves' tree is cut in two where both halves
have members enough; so communities form, split and merge as members come and go, and nobody has to run anything for it.

Source: III.B, "All participants P are partitioned into various communities according to their data categories"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from comitia.retrieval.trie import Prefix

FEWEST_MEMBERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """Leaves whose members belong together.

    prefix : what the codes of its leaves begin with.
    leaves : numbers of the leaves, by code.
    members : published ids under them.
    """

    prefix: Prefix
    leaves: tuple[int, ...]
    members: int


class Change(StrEnum):
    """What became of a community between two epochs, or since the last one began."""

    FORMED = "formed"
    SPLIT = "split"
    MERGED = "merged"


def communities(codes: Sequence[Prefix], members: Sequence[int], fewest: int = FEWEST_MEMBERS) -> tuple[Community, ...]:
    """Cut the leaves into communities, in the order of their codes; every leaf is in one.

    Parameters
    ----------
    codes : sequence of str
        Of the leaves; none is the start of another.
    members : sequence of int
        Of each leaf.
    fewest : int
        A branch is split only where both halves have so many members, at least 1.
    """
    by_code = tuple(sorted(range(len(codes)), key=lambda leaf: codes[leaf]))
    found: list[Community] = []
    waiting: list[tuple[int, tuple[int, ...]]] = [(0, by_code)] if by_code else []
    while waiting:
        depth, leaves = waiting.pop()
        halves = [tuple(leaf for leaf in leaves if codes[leaf][depth : depth + 1] == bit) for bit in "10"]
        sizes = [sum(members[leaf] for leaf in half) for half in halves]
        if len(leaves) > 1 and not all(halves):
            waiting.append((depth + 1, leaves))
        elif len(leaves) > 1 and min(sizes) >= fewest:
            waiting += [(depth + 1, half) for half in halves]
        else:
            found.append(
                Community(prefix=codes[leaves[0]][:depth], leaves=leaves, members=sum(members[i] for i in leaves))
            )
    return tuple(found)


def changes(before: Sequence[Community], after: Sequence[Community]) -> tuple[tuple[Change, Community], ...]:
    """What happened to communities between two epochs of one codebook; those that stayed as they were are left out."""
    old = {community.prefix for community in before if community.members}
    found = []
    for community in after:
        prefix = community.prefix
        if not community.members or prefix in old:
            continue
        if any(prefix.startswith(earlier) for earlier in old):
            found.append((Change.SPLIT, community))
        elif any(earlier.startswith(prefix) for earlier in old):
            found.append((Change.MERGED, community))
        else:
            found.append((Change.FORMED, community))
    return tuple(found)
