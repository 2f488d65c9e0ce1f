"""What a provider's policy says of one requester and one purpose. Default deny."""

from __future__ import annotations

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
        who = ANYONE in rule.requesters or requester in rule.requesters or organisation in rule.requesters
        named = bool(task.categories) and not task.leaves
        what = ANYONE in rule.categories or (named and set(task.categories) <= set(rule.categories))
        why = ANYONE in rule.purposes or task.purpose in rule.purposes
        if who and what and why and task.epsilon_micro <= rule.epsilon_session_micro:
            return rule
    return None
