"""What releases add to public knowledge, by reference documents that witnesses keep back until releases are shown.

A judge posts one figure for each release and each set of documents that was opened to it. A set that some never got
leads to figures that no quorum shares; those do not count, and the session goes on as if the set were not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from comitia.core.ids import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What one release adds, by one witness' documents. Exact: all who hold the documents post the same.

    Attributes
    ----------
    keeper
        The witness.
    gain_micro, expected_micro
        z of the gain, and the z to expect of honest work of the declared counts, in millionths.
    """

    keeper: NodeId
    gain_micro: int
    expected_micro: int


def agreed_gains(posted: Mapping[NodeId, Sequence[Gain]], quorum: int) -> dict[NodeId, Gain]:
    """The gains of one release on which its author's judges agree, by keeper.

    Parameters
    ----------
    posted
        What each of the others who hold the release posted.
    quorum
        Members, the author included, who must agree.
    """
    votes = Counter(gain for gains in posted.values() for gain in gains)
    return {gain.keeper: gain for gain, count in votes.items() if 2 * count > len(posted) and count >= quorum - 1}


def contradicts(posted: Sequence[Gain], agreed: Mapping[NodeId, Gain]) -> bool:
    """Whether a judge posted another figure than the agreed one. To post none is no contradiction."""
    return any(agreed.get(gain.keeper, gain) != gain for gain in posted)


def contributions(gains: Mapping[NodeId, Mapping[NodeId, Gain]]) -> dict[NodeId, int]:
    """What each release is worth by the agreed gains: the lower median over the keepers, and never below 0."""
    worth = {}
    for author, by_keeper in gains.items():
        measured = sorted(gain.gain_micro for gain in by_keeper.values())
        worth[author] = max(0, measured[(len(measured) - 1) // 2]) if measured else 0
    return worth
