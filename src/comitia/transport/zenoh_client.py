"""A member's end of Zenoh: it dials out to one super node, and knows when it is heard."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import Final

import zenoh

from comitia.core.errors import ComitiaError, UnavailableError
from comitia.transport.access import ready_key
from comitia.transport.certificates import TlsIdentity
from comitia.transport.diagnosis import diagnose_connection
from comitia.transport.endpoint import Endpoint
from comitia.transport.zenoh_config import RETRY_FIRST_MS, RETRY_LONGEST_MS, client_config
from comitia.transport.zenoh_session import CLOSE_S, ZenohTransport, directly, open_session

READY_S: Final = 5.0
"""How long a command waits for a super node that took the connection to hear it."""

ANSWER_S: Final = 0.4
"""How long one question whether it hears this node waits for its answer, when a link has just come..."""

SILENCE_S: Final = 8.0
"""...and how long they are asked before the link is given up."""

PROBE_S: Final = 5.0
"""How long a link may be without news before the super node is asked whether it is still there..."""

PROBE_ANSWER_S: Final = 3.0
"""...and how long it may take to answer."""


class ZenohClient(ZenohTransport):
    """A provider's or requester's connection: dials out to one super node and keeps the connection alive.

    Parameters
    ----------
    identity : TlsIdentity
        This node's certificate and key.
    chain : str
        The consortium's chain id, 16 hexadecimal characters.
    endpoint : Endpoint
        The super node.
    patient : bool
        Whether `start` returns at once and goes on trying when no super node answers (a daemon), or raises (a
        command that a person waits for). Certificates of this node's own are judged at once either way.
    """

    def __init__(self, identity: TlsIdentity, chain: str, endpoint: Endpoint, *, patient: bool = False) -> None:
        super().__init__(identity, chain)
        self._endpoint = endpoint
        self._patient = patient
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._links: SimpleQueue[bool] = SimpleQueue()
        self._keeper: threading.Thread | None = None
        self.trouble: ComitiaError | None = None
        """Why the last attempt of a patient client failed; None once it has connected."""

    @property
    def connected(self) -> bool:
        """Whether a super node is connected and hears this node."""
        return self._ready.is_set()

    def close(self) -> None:
        """Disconnect, and stop trying to connect."""
        self._closing.set()
        self._links.put(False)
        if self._keeper is not None:
            self._keeper.join(CLOSE_S)
        super().close()
        self._ready.clear()

    def _begin(self) -> None:
        try:
            self._connect()
        except ComitiaError as error:
            if not self._patient:
                raise
            self.trouble = error
        self._keeper = threading.Thread(target=self._keep, name="zenoh-keeper", daemon=True)
        self._keeper.start()
        if not self._patient and not self._ready.wait(READY_S):
            self.close()
            raise UnavailableError(
                f"The super node at {self._endpoint} took the connection but is not ready.",
                code="super-node-not-ready",
                hint="Try again in a moment; if it stays so, look at the super node's log.",
                endpoint=str(self._endpoint),
            )

    def _connect(self) -> None:
        super()._begin()
        assert self._session is not None
        links: SimpleQueue[bool] = SimpleQueue()
        self._links = links  # one for each session, so that late news of the last one is not taken for this one's
        self._session.info.declare_transport_events_listener(
            directly(lambda event: links.put(event.kind == zenoh.SampleKind.PUT)), history=True
        )

    def _keep(self) -> None:
        """Dial until there is a session, which from then on connects by itself; tell of its links coming and going."""
        self._dial()
        while not self._closing.is_set():
            try:
                linked = self._links.get(timeout=PROBE_S)
            except Empty:
                self._probe()
            else:
                self._note(linked and self._wait_for_super_node())
                if linked and not self._ready.is_set() and self._links.empty():
                    self._dial_anew()

    def _note(self, linked: bool) -> None:
        if linked == self._ready.is_set():
            return
        if linked:
            self._ready.set()
        else:
            self._ready.clear()
        self._tell(linked)

    def _probe(self) -> None:
        """Dial anew if the super node no longer answers although its link is up."""
        if not self._ready.is_set() or self._is_answered(PROBE_ANSWER_S) or not self._links.empty():
            return
        self._dial_anew()

    def _dial_anew(self) -> None:
        """Give up a session whose link is up and leads nowhere."""
        self._note(False)
        super().close()
        self._dial()

    def _dial(self) -> None:
        wait_ms = RETRY_FIRST_MS
        while self._session is None and not self._closing.wait(wait_ms / 1000):
            try:
                self._connect()
            except ComitiaError as error:
                self.trouble = error
                wait_ms = min(2 * wait_ms, RETRY_LONGEST_MS)
        if self._closing.is_set():
            super().close()
        else:
            self.trouble = None

    def _wait_for_super_node(self) -> bool:
        """Ask until the super node hears this node; false if the link is gone before, or nobody answers for long.

        A router listens a moment before it has subscribed to its own inbox, and what arrives then is lost. It begins to
        answer after that; and an answer has come behind this node's own subscriptions.
        """
        wait_ms = 1
        patience = time.monotonic() + SILENCE_S
        while self._links.empty() and time.monotonic() < patience:
            if self._is_answered(ANSWER_S):
                return True
            self._closing.wait(wait_ms / 1000)
            wait_ms = min(2 * wait_ms, RETRY_LONGEST_MS)
        return False

    def _is_answered(self, within_s: float) -> bool:
        session = self._session
        if session is None:
            return False
        try:
            return any(reply.ok is not None for reply in session.get(ready_key(self._chain), timeout=within_s))
        except zenoh.ZError:
            return False

    def _open(self) -> zenoh.Session:
        config = client_config(self._identity, self._endpoint)
        try:
            return open_session(config)
        except zenoh.ZError as error:
            raise diagnose_connection(self._identity, self._endpoint) from error
