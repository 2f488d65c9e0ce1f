"""Whether this node's clock agrees with the super node's: the ledger refuses what is signed at another time."""

from __future__ import annotations

import logging
from typing import Final

from comitia.core.codec import decode_plain, encode
from comitia.driver.ports import Store

log = logging.getLogger("comitia.node")

FACT: Final = "clock"
_UNITS: Final = ((86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1_000, "seconds"))


class Clocks:
    """Says once that the clocks disagree, and keeps it in the store, where `comitia doctor` finds it.

    Parameters
    ----------
    store : Store
    allowed_ms : int
        How far apart they may be.
    """

    def __init__(self, store: Store, allowed_ms: int) -> None:
        self._store = store
        self._allowed_ms = allowed_ms
        self._agree: bool | None = None

    def compare(self, own_ms: int, super_node_ms: int) -> None:
        """Take note of what the super node's clock says, UTC milliseconds, less the time that its answer took."""
        ahead_ms = own_ms - super_node_ms
        agree = abs(ahead_ms) <= self._allowed_ms
        if agree is self._agree:
            return
        self._agree = agree
        if agree:
            self._store.erase(FACT)
        else:
            self._store.note(FACT, encode(ahead_ms))
            log.warning("%s: the ledger refuses what this node signs. Set this machine's clock", _in_words(ahead_ms))


def disagreement(store: Store) -> str:
    """How the clocks disagreed when the node last heard the super node, in words; empty if they did not."""
    kept = store.fact(FACT)
    return "" if kept is None else _in_words(decode_plain(kept))


def _in_words(ahead_ms: int) -> str:
    size, unit = next((each for each in _UNITS if abs(ahead_ms) >= 2 * each[0]), _UNITS[-1])
    direction = "ahead of" if ahead_ms > 0 else "behind"
    return f"this node's clock is {abs(ahead_ms) // size} {unit} {direction} the super node's"
