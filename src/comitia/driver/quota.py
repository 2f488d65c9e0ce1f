"""How much each member may have a super node write in an epoch: what stands on the ledger is kept by all, for ever."""

from __future__ import annotations

from collections import Counter
from typing import Final

from comitia.core.errors import RefusedError
from comitia.core.ids import NodeId

MOST_BYTES: Final = 128 << 20
"""Of one member's transactions in an epoch: some hundred thousand requests."""


class Quota:
    """What members have had written in the current epoch. A super node that starts anew has forgotten it."""

    def __init__(self) -> None:
        self._epoch = 0
        self._written: Counter[NodeId] = Counter()

    def require(self, author: NodeId, epoch: int) -> None:
        """Refuse what a member brings who has had enough.

        Raises
        ------
        RefusedError
            Code ``over-quota``.
        """
        if epoch != self._epoch:
            self._epoch = epoch
            self._written.clear()
        if self._written[author] >= MOST_BYTES:
            raise RefusedError(
                f"{author} has had {self._written[author]} bytes put on the ledger in this epoch",
                code="over-quota",
                hint="wait for the next epoch",
            )

    def charge(self, author: NodeId, size: int) -> None:
        """Count a transaction that its author has signed and that goes on the ledger, whatever becomes of it there."""
        self._written[author] += size
