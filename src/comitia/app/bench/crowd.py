"""A requester's node that asks without waiting for answers: many requests under way at once, from one process."""

from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from comitia.app.node.daemon import Daemon
from comitia.app.node.opening import open_daemon
from comitia.core.errors import ComitiaError, UnavailableError
from comitia.core.ids import SessionId
from comitia.driver.requesting import Requesting
from comitia.ledger.application import Application
from comitia.ledger.transactions import OpenRequest, Task
from comitia.roles.effects import Finish
from comitia.storage.folder import NodeFolder

MEMBERSHIP_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How one request ended.

    request : its id.
    source : the session whose model came, empty where none did.
    latency_s : since it was due.
    code : the refusal; empty where a model came.
    cached : whether an earlier session made it.
    """

    request: SessionId
    source: SessionId
    latency_s: float
    code: str
    cached: bool


class Crowd:
    """Use as a context manager.

    Parameters
    ----------
    folder : Path
        The requester's node folder.

    Attributes
    ----------
    replies : of the requests that ended, in that order.
    """

    _daemon: Daemon
    _requesting: Requesting

    def __init__(self, folder: Path) -> None:
        self.replies: list[Reply] = []
        self._folder = NodeFolder(folder)
        self._due: dict[SessionId, float] = {}
        self._asked = 0
        self._changed = threading.Condition()
        self._member = threading.Event()
        self._trouble: ComitiaError | None = None
        self._thread = threading.Thread(target=self._live, name="comitia-crowd", daemon=True)

    def __enter__(self) -> Crowd:
        self._thread.start()
        if not self._member.wait(MEMBERSHIP_PATIENCE_S) or self._trouble is not None:
            raise self._trouble or UnavailableError("the super node does not answer", code="no-answer")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._daemon.stop()
        self._thread.join(timeout=10)

    @property
    def application(self) -> Application:
        """This node's copy of the ledger's state; to be read only."""
        return self._daemon.application

    def ask(self, task: Task, *, due: float | None = None) -> None:
        """Ask now; returns at once. `due`, on `time.perf_counter`'s clock, is when it ought to have been: else now."""
        due = time.perf_counter() if due is None else due
        self._asked += 1
        self._daemon.call(lambda: self._ask(task, due))

    def ask_at_rate(self, task: Task, *, rate: float, count: int) -> None:
        """Ask `count` times, so many a second, whether answers come or not."""
        start = time.perf_counter()
        for number in range(count):
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            self.ask(task, due=due)

    def settle(self, patience_s: float) -> list[Reply]:
        """Wait until every request has ended, or patience; the replies since the last call."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.replies) >= self._asked, timeout=patience_s)
            ended, self.replies = self.replies, []
        self._asked -= len(ended)
        return ended

    @property
    def under_way(self) -> int:
        """Requests that have not ended."""
        return self._asked - len(self.replies)

    def _ask(self, task: Task, due: float) -> None:
        request = OpenRequest(task=task, issued_ms=self._daemon.now_ms(), nonce=os.urandom(16))
        self._due[self._requesting.ask(request)] = due

    def _done(self, finish: Finish) -> None:
        latency_s = time.perf_counter() - self._due.pop(finish.session)
        source = SessionId(b"")
        if not finish.code:
            source = self._requesting.verified(finish.model, finish.proof).session
        reply = Reply(
            request=finish.session, source=source, latency_s=latency_s, code=finish.code, cached=finish.cached
        )
        with self._changed:
            self.replies.append(reply)
            self._changed.notify_all()

    def _live(self) -> None:
        """The node's thread: everything of the node is opened, used and closed here."""
        try:
            self._daemon = open_daemon(self._folder, patient=True)
            self._requesting = Requesting(self._daemon, progress=lambda _: None, done=self._done)
            self._daemon.add(self._requesting)
            self._daemon.on_membership(self._member.set)
            gc.freeze()  # as a node that runs for long does
            self._daemon.run()
        except ComitiaError as error:
            self._trouble = error
            self._member.set()


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
