"""A requester's node for the length of a command: asks, waits, shows progress."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

from comitia.app.node.daemon import Daemon
from comitia.app.node.opening import open_daemon
from comitia.app.tasks import newest_codebook
from comitia.core.errors import ComitiaError, UnavailableError
from comitia.core.ids import SessionId
from comitia.driver.directory import LedgerDirectory
from comitia.driver.histories import forked_error
from comitia.driver.library import Library
from comitia.driver.neighbour import Neighbour
from comitia.driver.requesting import Requesting, failure
from comitia.ledger.application import Application
from comitia.ledger.proof import Verified
from comitia.ledger.session import Session
from comitia.ledger.transactions import OpenRequest, Task
from comitia.retrieval.lookup import Lookup
from comitia.roles.effects import Finish
from comitia.storage.encoder import with_encoder
from comitia.storage.folder import NodeFolder
from comitia.text.codebook import Codebook

MEMBERSHIP_PATIENCE_S: Final = 10.0
ARTEFACT_PATIENCE_S: Final = 30.0
LOOKUP_PATIENCE_S: Final = 60.0

LookupT = TypeVar("LookupT", bound=Lookup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a request brought.

    model, proof : canonical bytes.
    cached : whether an earlier session made the model.
    verified : what the proof says; it was checked before anything else saw the model.
    """

    model: bytes
    proof: bytes
    cached: bool
    verified: Verified


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """A request that somebody waits for.

    progress : told of its session, and of no other's.
    ended : what it came to; an error if this node ended before it did.
    """

    progress: Callable[[Session], None]
    ended: queue.SimpleQueue[Finish | ComitiaError] = field(default_factory=queue.SimpleQueue)


class Client:
    """A node that asks. Use as a context manager.

    `request` may be called any number of times, also by several threads at once; so may the other methods.

    Parameters
    ----------
    folder : Path
        The requester's node folder.

    Raises
    ------
    ConfigurationError
        If the folder is not that of an approved node.
    UnavailableError
        If the super node cannot be reached.
    ProtocolError
        Code ``ledger-forked``: its super node has been found to tell two histories.
    """

    daemon: Daemon

    def __init__(self, folder: Path) -> None:
        self._folder = NodeFolder(folder)
        self._started: queue.SimpleQueue[ComitiaError | None] = queue.SimpleQueue()
        self._opened = threading.Event()
        self._waiting = threading.Lock()
        self._unanswered: list[_Asked] = []
        self._over: ComitiaError | None = None
        self._asked: dict[SessionId, _Asked] = {}
        self._codebooks: dict[bytes, Codebook] = {}
        self._thread = threading.Thread(target=self._live, name="comitia-node", daemon=True)

    def __enter__(self) -> Client:
        self._thread.start()
        self._opened.wait()
        try:
            trouble = self._started.get(timeout=MEMBERSHIP_PATIENCE_S)
        except queue.Empty:
            trouble = UnavailableError(
                "the super node does not answer",
                code="no-answer",
                hint="is it running? `comitia doctor` looks for the reason",
            )
        if trouble is not None:
            self.close()
            raise trouble
        return self

    def _live(self) -> None:
        """The node's thread: everything of the node is opened, used and closed here."""
        over: ComitiaError = UnavailableError("the node that asks was stopped", code="no-answer")
        try:
            try:
                self.daemon = open_daemon(self._folder, patient=False)
            finally:
                self._opened.set()  # a long ledger takes its time to open, and no patience with the super node
            self._library = Library(self.daemon)
            self._requesting = Requesting(self.daemon, progress=self._show, done=self._finish)
            self.daemon.add(self._library)
            self._neighbour = Neighbour(self.daemon)
            self.daemon.add(self._requesting)
            self.daemon.add(self._neighbour)
            self.daemon.on_membership(lambda: self._started.put(None))
            self.daemon.on_fork(self._refuse)
            self.daemon.run()
        except ComitiaError as error:
            self._started.put(error)
            over = error
        finally:
            self._end(over)

    def _end(self, over: ComitiaError) -> None:
        """The node is gone: nobody waits for it any more, nor will."""
        with self._waiting:
            self._over = over
            unanswered, self._unanswered = self._unanswered, []
        for asked in unanswered:
            asked.ended.put(over)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the node; may be called twice."""
        if hasattr(self, "daemon"):
            self.daemon.stop()
        self._thread.join(timeout=5)

    @property
    def application(self) -> Application:
        """This node's copy of the ledger's state; to be read only."""
        return self.daemon.application

    def request(self, task: Task, progress: Callable[[Session], None] | None = None) -> Delivery:
        """Ask for a model and wait for it.

        Parameters
        ----------
        task : Task
        progress : called on another thread with the session's record whenever it moves on.

        Raises
        ------
        AbortedError
            If the session ended without a model; the message says why.
        RefusedError
            If the ledger would not take the request.
        UnavailableError
            If no answer came in time, or the client was closed.
        StorageError
            If this node could not write.
        ProtocolError
            Code ``ledger-forked``.
        """
        body = OpenRequest(task=task, issued_ms=self.daemon.now_ms(), nonce=os.urandom(16))
        asked = _Asked(progress=progress or (lambda _: None))
        with self._waiting:
            if self._over is not None:
                raise self._over
            self._unanswered.append(asked)
        self.daemon.call(lambda: self._ask(body, asked))
        finish = asked.ended.get()
        if isinstance(finish, ComitiaError):
            raise finish
        if finish.code:
            raise failure(finish, self.application.session(finish.session))
        return Delivery(
            model=finish.model,
            proof=finish.proof,
            cached=finish.cached,
            verified=self._requesting.verified(finish.model, finish.proof),
        )

    def look_up(self, make: Callable[[LedgerDirectory], Sequence[LookupT]]) -> Sequence[LookupT]:
        """Drive lookups to their end, all at once, and return them.

        Parameters
        ----------
        make : callable
            Makes the lookups, on the node's thread.

        Raises
        ------
        InputError
            If the node lacks what a lookup starts from.
        UnavailableError
            If one does not end.
        """
        made: queue.SimpleQueue[Sequence[LookupT] | ComitiaError] = queue.SimpleQueue()
        ended: queue.SimpleQueue[None] = queue.SimpleQueue()

        def begin() -> None:
            try:
                lookups = make(self._neighbour.directory)
            except ComitiaError as error:
                made.put(error)
                return
            made.put(lookups)
            for lookup in lookups:
                self._neighbour.look_up(lookup, lambda: ended.put(None))

        self.daemon.call(begin)
        try:
            lookups = made.get(timeout=LOOKUP_PATIENCE_S)
            if isinstance(lookups, ComitiaError):
                raise lookups
            for _ in lookups:
                ended.get(timeout=LOOKUP_PATIENCE_S)
        except queue.Empty:
            raise UnavailableError("the lookup does not end", code="no-answer") from None
        return lookups

    def codebook(self) -> Codebook:
        """The newest codebook on the ledger: from this node's store, else from the super node.

        Raises
        ------
        InputError
            If none is on the ledger.
        UnavailableError
            If it does not come.
        """
        wanted = newest_codebook(self.application)
        if wanted not in self._codebooks:
            self._codebooks[wanted] = with_encoder(Codebook.from_bytes(self._artefact(wanted)))
        return self._codebooks[wanted]

    def _artefact(self, digest: bytes) -> bytes:
        came: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.daemon.call(lambda: self._library.need(digest, came.put))
        try:
            return came.get(timeout=ARTEFACT_PATIENCE_S)
        except queue.Empty:
            raise UnavailableError(
                f"the codebook {digest.hex()[:12]} does not come",
                code="no-answer",
                hint="was it published? `comitia super-node DIR --codebook FILE` publishes one",
            ) from None

    def _refuse(self) -> None:
        """The ledger is forked: there is nothing to wait for."""
        fork = self.daemon.histories.fork
        assert fork is not None
        self._started.put(forked_error(fork))

    def _ask(self, body: OpenRequest, asked: _Asked) -> None:
        self._asked[self._requesting.ask(body)] = asked

    def _show(self, session: Session) -> None:
        self._asked[session.id].progress(session)

    def _finish(self, finish: Finish) -> None:
        asked = self._asked.pop(finish.session)
        with self._waiting:
            self._unanswered.remove(asked)
        asked.ended.put(finish)
