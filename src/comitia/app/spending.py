"""What a provider has spent, on whom, and what its owner's caps leave; read beside the running node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from comitia.app.audit import Chronicle
from comitia.core.ids import NodeId
from comitia.driver.owner_settings import OwnerSettings, read_settings
from comitia.ledger.policy import covers
from comitia.ledger.records import Member
from comitia.ledger.transactions import ANYONE, PolicyRule
from comitia.privacy.book import Book
from comitia.privacy.statement import Line, statement, usage
from comitia.privacy.terms import Unit
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore

ALL_TOGETHER: Final = "all together"
OWN_PROFILE: Final = "(own profile)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one organisation has had on one category, epsilons in millionths.

    requester : the organisation; empty for this provider's own profile, which everybody may read.
    name : the same for people.
    category : categories asked for, with commas; "all" where none was named.
    spent_micro, reserved_micro : over a life.
    left_micro : the largest epsilon of one more release that every cap on it allows; 0 where no rule is for it.
    """

    requester: str
    name: str
    category: str
    spent_micro: int
    reserved_micro: int
    left_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One cap and how much of it is used.

    requester : whom it holds for: an organisation, or as the policy's rule names it; empty for all together.
    name : the same for people.
    line : the cap, spent, reserved, left.
    """

    requester: str
    name: str
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A provider's statement: `uses` by organisation and category, and every cap that applies."""

    uses: tuple[Use, ...]
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """What the statement is made of."""

    book: Book
    settings: OwnerSettings
    members: dict[NodeId, Member]
    now_ms: int

    def nodes(self, organisation: str) -> list[NodeId]:
        return [node for node, member in self.members.items() if member.organisation == organisation]

    def name(self, requester: str) -> str:
        """An organisation's name, also where a rule names one of its nodes."""
        member = self.members.get(NodeId(requester))
        return member.organisation if member else requester

    def rules(self, organisation: str, categories: Sequence[str] | None = None) -> list[PolicyRule]:
        """The policy's rules for an organisation or one of its nodes; for some categories, or with None for any."""
        return [
            rule
            for rule in self.settings.policy.rules
            if any(
                covers(
                    rule,
                    requester=node,
                    organisation=organisation,
                    categories=rule.categories if categories is None else categories,
                )
                for node in (self.nodes(organisation) or [NodeId("")])
            )
        ]

    def lines(self, requester: str = "", rule: PolicyRule | None = None) -> tuple[Line, ...]:
        """The cap on all together, then those of a rule for a requester."""
        return statement(self.book, self.settings.limits(Unit.RECORD, requester, rule), self.now_ms)

    def left_micro(self, requester: str, category: str) -> int:
        """Under the rule that leaves most: which one decides depends on the purpose."""
        if not requester:
            return self.lines()[0].left_micro
        categories = category.split(",") if category else ()
        return max(
            (
                min(line.left_micro for line in self.lines(requester, rule))
                for rule in self.rules(requester, categories)
            ),
            default=0,
        )


def spending(folder: NodeFolder, *, now_ms: int) -> Spending:
    """The statement of the provider in a folder.

    Raises
    ------
    ConfigurationError
        It is not a node's folder.
    StorageError
        The budget is missing or damaged, which counts as exhausted.
    DamagedError
        The ledger, which tells the requesters' names and organisations, is damaged.
    """
    folder.settings()
    book = BudgetFile.read(folder.budget)
    store = NodeStore(folder.store)
    try:
        settings = read_settings(store)
    finally:
        store.close()
    members = Chronicle(folder.path).members() if folder.ledger.exists() else {}
    account = _Account(book=book, settings=settings, members=members, now_ms=now_ms)
    return Spending(uses=tuple(_uses(account)), limits=tuple(_limits(account)))


def _uses(account: _Account) -> Iterator[Use]:
    delta_pico = account.settings.delta_pico
    for (requester, category), (spent, reserved) in usage(account.book).items():
        yield Use(
            requester=requester,
            name=account.name(requester) or OWN_PROFILE,
            category=category or "all",
            spent_micro=spent.epsilon_micro(delta_pico),
            reserved_micro=reserved.epsilon_micro(delta_pico),
            left_micro=account.left_micro(requester, category),
        )


def _limits(account: _Account) -> Iterator[Limit]:
    """The cap on all together, then each rule's, for whoever has asked already and for the rest it is for."""
    yield Limit(requester="", name=ALL_TOGETHER, line=account.lines()[0])
    asked = sorted({entry.ask.requester for entry in account.book.entries.values()} - {""})
    for rule in account.settings.policy.rules:
        known = [organisation for organisation in asked if rule in account.rules(organisation)]
        names = {name for organisation in known for name in (organisation, *account.nodes(organisation))}
        for requester in [*known, *(name for name in rule.requesters if name not in names)]:
            name = account.name(requester) if requester != ANYONE else "any other member" if known else "any member"
            for line in account.lines(requester, rule)[1:]:
                yield Limit(requester=requester, name=name, line=line)
