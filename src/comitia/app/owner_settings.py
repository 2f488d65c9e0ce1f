"""What a provider's owner decides: setting it from outside the node, and what to tell the owner of it."""

from __future__ import annotations

from collections.abc import Iterator

from comitia.app.audit import Chronicle
from comitia.driver.owner_settings import OwnerSettings, change_settings
from comitia.ledger.application import Application
from comitia.ledger.transactions import ANYONE, Policy, PolicyRule
from comitia.privacy.terms import PrivacyTerms
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore


def write_settings(folder: NodeFolder, *, policy: Policy, total_epsilon: str) -> OwnerSettings:
    """Set policy and total of the node in `folder`, whether it runs or not."""
    total = PrivacyTerms.of(total_epsilon).epsilon_micro
    store = NodeStore(folder.store)
    try:
        return change_settings(store, OwnerSettings(policy=policy, total_epsilon_micro=total))
    finally:
        store.close()


def doubts(folder: NodeFolder, rule: PolicyRule) -> tuple[str, ...]:
    """Whom and what of a rule the node's ledger does not know; nothing where the node has no ledger yet."""
    if not folder.ledger.exists():
        return ()
    application = Chronicle(folder.path).application
    return (*_unknown_requesters(application, rule), *_unknown_categories(application, rule))


def _unknown_requesters(application: Application, rule: PolicyRule) -> Iterator[str]:
    members = application.members()
    known = {ANYONE, *(member.node for member in members), *(member.organisation for member in members)}
    for requester in rule.requesters:
        called = sorted({member.organisation for member in members if member.name == requester})
        if requester in known:
            continue
        if called:
            yield f"{requester!r} is a node's name; a rule goes by its organisation, {', '.join(called)}, or its id"
        else:
            yield f"the ledger knows no node or organisation {requester!r}: the rule waits for one of that name to join"


def _unknown_categories(application: Application, rule: PolicyRule) -> Iterator[str]:
    codebooks = application.codebooks()
    if not codebooks:
        return
    known = sorted(set(codebooks[-1].leaf_labels) - {""})
    for category in rule.categories:
        if category not in (ANYONE, *known):
            yield f"the newest codebook has no category {category!r}; it has: {', '.join(known)}"
