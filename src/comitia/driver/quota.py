"""How much one member may ask of a node: bytes on the ledger, which all keep for ever; questions, which take time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from comitia.core.envelope import Envelope
from comitia.core.errors import RefusedError
from comitia.core.ids import NodeId
from comitia.driver.ports import Ledger
from comitia.ledger.transactions import MAX_TRANSACTION_BYTES, RecordReuse, parse, type_name

MOST_BYTES: Final = 128 << 20
"""Of one member's transactions in an epoch: some hundred thousand requests."""

QUESTIONS_A_SECOND: Final = 100
"""Of one member, for as long as it likes: each takes about a millisecond to answer."""

QUESTIONS_AT_ONCE: Final = 400
"""Of one member that has asked less before."""

TOLD_EVERY_MS: Final = 1_000
"""How often a member is told that it asks too much: an answer to each question too many would cost what they cost."""


class Quota:
    """What members have had written in the current epoch; a node that starts anew reads it off its ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._epoch = ledger.application.epoch
        self._written: Counter[NodeId] = Counter()
        for author, size in _written(ledger, self._epoch):
            self._written[author] += size

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


def _written(ledger: Ledger, epoch: int) -> Iterator[tuple[NodeId, int]]:
    """Author and bytes of each transaction of an epoch; a request answered from the cache is its requester's."""
    for height in range(ledger.height, 0, -1):
        block = ledger.block(height)
        if block.header.epoch != epoch:
            return
        for data in block.transactions:
            header = Envelope.from_bytes(data, limit=MAX_TRANSACTION_BYTES).header
            if header.type == type_name(RecordReuse):
                _, body = parse(data)
                assert isinstance(body, RecordReuse)
                asked = Envelope.from_bytes(body.request, limit=MAX_TRANSACTION_BYTES)
                yield asked.header.sender, len(body.request)
            else:
                yield header.sender, len(data)


@dataclass(slots=True)
class _Account:
    """Of one asker: thousandths of questions that it may ask at once, as of a time; when it was last told, ms."""

    left: int
    at_ms: int
    told_ms: int | None = None


class Questions:
    """How many questions each member has left. Who is no member yet shares one account with all others who are not."""

    def __init__(self) -> None:
        self._accounts: dict[NodeId, _Account] = {}

    def take(self, asker: NodeId, now_ms: int) -> bool:
        """Whether a question of this asker is answered."""
        account = self._accounts.setdefault(asker, _Account(left=QUESTIONS_AT_ONCE * 1_000, at_ms=now_ms))
        gained = max(0, now_ms - account.at_ms) * QUESTIONS_A_SECOND
        account.left = min(QUESTIONS_AT_ONCE * 1_000, account.left + gained)
        account.at_ms = now_ms
        if account.left < 1_000:
            return False
        account.left -= 1_000
        return True

    def is_to_be_told(self, asker: NodeId, now_ms: int) -> bool:
        """Whether an asker that has asked too much is told so now."""
        account = self._accounts[asker]
        told = account.told_ms
        if told is not None and 0 <= now_ms - told < TOLD_EVERY_MS:
            return False
        account.told_ms = now_ms
        return True
