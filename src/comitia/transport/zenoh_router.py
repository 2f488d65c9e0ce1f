"""A super node's end of Zenoh: the router that its members dial.

Rules of access are fixed when a router opens; a changed membership therefore opens it again: measured, 6 ms for a few
members and 0.3 s for a thousand; clients are back within 30 ms (QUIC: 1 s).

A member that stops reading fills its link. Whoever sends to it then waits, at most `ROUTER_PATIENCE_S` for each sender
that is ahead, until the router gives the link up. Zenoh cannot close such a link, nor therefore its session: the old
one is left behind when the router opens again, and with it the links of others, who find out by asking on quiet links.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

import zenoh

from comitia.core.errors import UnavailableError
from comitia.core.ids import NodeId
from comitia.transport.access import ready_key
from comitia.transport.certificates import TlsIdentity
from comitia.transport.diagnosis import diagnose_listening
from comitia.transport.endpoint import Endpoint
from comitia.transport.zenoh_config import RETRY_FIRST_MS, router_config
from comitia.transport.zenoh_session import ZenohTransport, directly, open_session, shut

REOPEN_S: Final = 2.0
"""How long a port may take to be free again."""


class ZenohRouter(ZenohTransport):
    """A super node's end: listens, relays between members, and enforces who may say and hear what.

    Parameters
    ----------
    identity : TlsIdentity
        This super node's certificate and key.
    chain : str
        The consortium's chain id.
    endpoint : Endpoint
        Address to listen on.
    super_nodes : iterable of NodeId
        All super nodes of the consortium, this one included.
    members : iterable of NodeId
        All other members.
    peers : tuple of Endpoint
        Other super nodes to connect to, tried for ever.
    """

    def __init__(
        self,
        identity: TlsIdentity,
        chain: str,
        endpoint: Endpoint,
        *,
        super_nodes: Iterable[NodeId],
        members: Iterable[NodeId] = (),
        peers: tuple[Endpoint, ...] = (),
    ) -> None:
        super().__init__(identity, chain)
        self._endpoint = endpoint
        self._super_nodes = frozenset(super_nodes)
        self._members = frozenset(members)
        self._peers = peers

    @property
    def connected(self) -> bool:
        """Whether the router is open."""
        return self._session is not None

    def update_members(self, members: Iterable[NodeId], *, super_nodes: Iterable[NodeId] | None = None) -> bool:
        """Let exactly these take part. Returns whether the router had to open again (clients then reconnect).

        Sends that come meanwhile wait. If the port is lost to another program in between, UnavailableError.
        """
        with self._lock:
            before = (self._members, self._super_nodes)
            self._members = frozenset(members)
            if super_nodes is not None:
                self._super_nodes = frozenset(super_nodes)
            if self._session is None or (self._members, self._super_nodes) == before:
                return False
            session, self._session = self._session, None
            shut(session)
            self._reopen()
        return True

    def _reopen(self) -> None:
        """Resume on the same port, which QUIC gives back only some milliseconds after closing."""
        until = time.monotonic() + REOPEN_S
        while True:
            try:
                return self._resume()
            except UnavailableError:
                if time.monotonic() > until:
                    raise
            time.sleep(RETRY_FIRST_MS / 1000)

    def _resume(self) -> None:
        super()._resume()
        assert self._session is not None
        key = ready_key(self._chain)
        # Kept, since Zenoh would withdraw it together with the object.
        self._answerer = self._session.declare_queryable(key, directly(lambda query: query.reply(key, b"")))

    def _open(self) -> zenoh.Session:
        config = router_config(
            self._identity,
            self._chain,
            self._endpoint,
            super_nodes=self._super_nodes,
            members=self._members,
            peers=self._peers,
        )
        try:
            return open_session(config)
        except zenoh.ZError as error:
            raise diagnose_listening(self._endpoint, str(error)) from error
