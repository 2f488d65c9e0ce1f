"""Nodes that do not follow the protocol: an honest driver, whose posts and letters go through a strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from comitia.core.ids import NodeId
from comitia.ledger.genesis import Role
from comitia.ledger.transactions import PolicyRule, Transaction
from comitia.roles.messages import Message

if TYPE_CHECKING:
    from comitia.simulator.machine import Machine

Letters = list[tuple[NodeId, bytes, Message]]


class Strategy:
    """One way to lie. What is not overridden is done honestly.

    Attributes
    ----------
    role : whose strategy it is.
    """

    role: ClassVar[Role] = Role.PROVIDER

    def __init__(self, name: str) -> None:
        self.name = name

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        """What is sent in place of a message."""
        return [(to, session, message)]

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Callable[..., Any]) -> Any:
        """What is posted in place of a transaction; `honest` posts."""
        return honest(session, body)


STRATEGIES: Final[dict[str, type[Strategy]]] = {}


def narrowed(rule: PolicyRule) -> PolicyRule:
    """The rule, for one purpose only."""
    return replace(rule, purposes=("upkeep",))
