"""Sets what a provider's owner decides, from outside its node."""

from __future__ import annotations

from comitia.driver.owner_settings import OwnerSettings, change_settings
from comitia.ledger.transactions import Policy
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
