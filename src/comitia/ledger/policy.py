"""What a provider's policy says of one requester and one purpose. Default deny."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.core.ids import NodeId
from comitia.ledger.transactions import ANYONE, Policy, PolicyRule, Task


def fitting_rule(policy: Policy | None, *, requester: NodeId, organisation: str, task: Task) -> PolicyRule | None:
    """The first rule that allows the requester, every category of the task and its purpose; None for a no.

    A task that names no category, or a leaf that stands for none, asks for data of any category, and only a rule for
    any category allows that.
    """
    if policy is None:
        return None
    for rule in policy.rules:
        why = ANYONE in rule.purposes or task.purpose in rule.purposes
        named = () if task.leaves else task.categories
        covered = covers(rule, requester=requester, organisation=organisation, categories=named)
        if covered and why and task.epsilon_micro <= rule.epsilon_session_micro:
            return rule
    return None


def covers(rule: PolicyRule, *, requester: NodeId, organisation: str, categories: Sequence[str]) -> bool:
    """Whether a rule is for this requester and all of these categories, whatever the purpose; none is any."""
    who = ANYONE in rule.requesters or requester in rule.requesters or organisation in rule.requesters
    what = ANYONE in rule.categories or (bool(categories) and set(categories) <= set(rule.categories))
    return who and what
