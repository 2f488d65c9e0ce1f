"""Who may say and hear what on the wire, as access rules that the router of a super node enforces.

Keys on the wire are `comitia/<chain>/<node>/inbox` and `comitia/<chain>/topic/<topic>`. A certificate's common name
is its node's id, which is what rules go by; everything not allowed is denied:

1. any certificate of the consortium: write to super nodes' inboxes (so that a node can register), ask whether the
   super node is ready; whoever was excluded has one for years, so blocks are not for all of them;
2. members: write to any inbox, hear topics (a list of inboxes instead of one pattern would keep a member from
   writing to all of them at once, and takes the router 0.75 GB for a thousand members);
3. each member: declare and hear its own inbox, nobody else's;
4. super nodes: all of it, since they relay for their members and publish topics.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from comitia.core.ids import NodeId

_ASK = (("query", "ingress"), ("reply", "egress"))
_HEAR = (("declare_subscriber", "ingress"), ("put", "egress"))
_WRITE = (("put", "ingress"),)


def inbox_key(chain: str, node: NodeId) -> str:
    """Key that payloads for `node` are put under."""
    return f"comitia/{chain}/{node}/inbox"


def topic_key(chain: str, topic: str) -> str:
    """Key that payloads of a topic are put under."""
    return f"comitia/{chain}/topic/{topic}"


def ready_key(chain: str) -> str:
    """Key that a super node answers queries on once it hears its inbox."""
    return f"comitia/{chain}/ready"


def access_control(chain: str, super_nodes: Iterable[NodeId], members: Iterable[NodeId]) -> dict[str, object]:
    """The router's `access_control` section for a chain and its members (super nodes need not be among them)."""
    relays = sorted(set(super_nodes))
    plain = sorted(set(members) - set(relays))
    rules: list[dict[str, object]] = []
    subjects: list[dict[str, object]] = []
    policies: list[dict[str, object]] = []

    def allow(subject: str, names: Sequence[NodeId] | None, grants: Sequence[tuple[str, str, list[str]]]) -> None:
        subjects.append({"id": subject} if names is None else {"id": subject, "cert_common_names": list(names)})
        granted = [f"{subject}:{message}:{flow}" for message, flow, _ in grants]
        policies.append({"subjects": [subject], "rules": granted})
        rules.extend(
            {"id": rule, "permission": "allow", "messages": [message], "flows": [flow], "key_exprs": keys}
            for rule, (message, flow, keys) in zip(granted, grants, strict=True)
        )

    entrance = [inbox_key(chain, node) for node in relays]
    topics = [f"comitia/{chain}/topic/**"]
    everything = [f"comitia/{chain}/**"]
    allow("any", None, [*_on(_WRITE, entrance), *_on(_ASK, [ready_key(chain)])])  # 1
    if plain:
        allow("members", plain, [*_on(_WRITE, [f"comitia/{chain}/*/inbox"]), *_on(_HEAR, topics)])  # 2
    for node in plain:
        allow(node, [node], _on(_HEAR, [f"comitia/{chain}/{node}/**"]))  # 3
    relayed = [(message, flow) for message in ("put", "declare_subscriber") for flow in ("ingress", "egress")]
    allow("super-nodes", relays, _on(relayed, everything))  # 4
    return {
        "enabled": True,
        "default_permission": "deny",
        "rules": rules,
        "subjects": subjects,
        "policies": policies,
    }


def _on(actions: Sequence[tuple[str, str]], keys: list[str]) -> list[tuple[str, str, list[str]]]:
    return [(message, flow, keys) for message, flow in actions]
