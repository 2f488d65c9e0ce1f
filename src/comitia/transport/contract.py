"""What a node needs of a network: send bytes to a node, hear what is sent to it, know when it is cut off.

A transport carries opaque payloads. It promises that what one node sends another arrives at most once and in the order
sent, while both stay connected. It does not promise delivery: what is under way when a connection breaks is lost, so a
node repeats what still matters when `on_connection` tells that it is connected again. Secrecy and authorship are the
sealed, signed envelope's business; a transport's own encryption only narrows who can see traffic at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from comitia.core.errors import InputError
from comitia.core.ids import NodeId

Deliver = Callable[[bytes], None]
"""Takes one payload. Called from any thread, one payload at a time; hands over and returns quickly, never raises."""

OnConnection = Callable[[bool], None]
"""Told `True` when connected (first or again; inbox ready), `False` when cut off. Called from any thread."""

MAX_PAYLOAD = 32 * 1024 * 1024
"""Bytes. The largest artefact sent whole is a codebook, some 15 MB."""


def ignore_connection(connected: bool) -> None:
    """What is told of the connection before anybody asks to be told."""


class Transport(Protocol):
    """One node's connection to its consortium.

    `start` is called once, before anything else. After `close`, `send` and `publish` raise `UnavailableError`.
    """

    @property
    def node(self) -> NodeId:
        """The node whose connection this is."""

    @property
    def connected(self) -> bool:
        """Whether payloads can be sent right now."""

    def start(self, deliver: Deliver) -> None:
        """Connect, and call `deliver` with every payload addressed to this node.

        Raises
        ------
        UnavailableError
            No super node can be reached, or the port to listen on is taken.
        ConfigurationError
            The certificates do not fit (foreign, expired, another node's).
        """

    def on_connection(self, tell: OnConnection) -> None:
        """Have `tell` told of each change of the connection; at once if it is up already. It may hear `True` twice."""

    def send(self, to: NodeId, payload: bytes) -> None:
        """Send to one node. Whether `to` exists is not known here: a payload for nobody is dropped.

        Raises
        ------
        UnavailableError
            `not-connected`.
        InputError
            `payload-too-large`.
        """

    def publish(self, topic: str, payload: bytes) -> None:
        """Send to all subscribers of a topic. Only a super node's reach them."""

    def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Call `deliver` with every payload published on `topic` from now on, also after reconnecting."""

    def close(self) -> None:
        """Disconnect. Nothing is delivered afterwards. May be called twice, but not from within `deliver`."""


def check_size(payload: bytes) -> None:
    """Refuse a payload that no receiver would take: InputError `payload-too-large`."""
    if len(payload) > MAX_PAYLOAD:
        raise InputError(
            f"A message of {len(payload)} bytes is larger than the {MAX_PAYLOAD} bytes that nodes accept.",
            code="payload-too-large",
            size=len(payload),
            limit=MAX_PAYLOAD,
        )
