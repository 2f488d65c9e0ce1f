"""How a request opens a session: the task is judged, the providers found, the committee drawn. III.B, III.C."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from comitia.consensus import committee
from comitia.core.counting import counted
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, SessionId
from comitia.learning.registry import LEARNERS, why_no_rounds
from comitia.ledger.context import Context
from comitia.ledger.genesis import Role
from comitia.ledger.policy import fitting_rule
from comitia.ledger.session import Session, beacon_of
from comitia.ledger.tables import Tables
from comitia.ledger.transactions import OpenRequest, Task

MAX_OPEN_REQUESTS: Final = 64
"""Most requests of one requester that have not ended: each of them holds providers' budgets."""


def open_session(tables: Tables, body: OpenRequest, context: Context) -> Context:
    """Open a session: judge the task, find the providers, draw the committee.

    Source: III.C, step 4
    """
    task = body.task
    tables.require_role(context.author, Role.REQUESTER)
    require_timely(tables, body, context.time_ms)
    _require_task(tables, body)
    if tables.conduct(context.author).asking >= MAX_OPEN_REQUESTS:
        raise ProtocolError(
            f"{MAX_OPEN_REQUESTS} requests of this requester have not ended",
            code="too-many-requests",
            hint="wait until one has ended",
        )
    session_id = SessionId(context.transaction)
    if tables.state.get("reuse", session_id.hex()) is not None:
        raise ProtocolError("the request was answered from the cache", code="already-there")
    beacon = beacon_of(session_id, context.anchor)
    # The block's epoch, not the request's: from here on everyone who was revoked in between is out.
    epoch = tables.genesis.epoch_at(context.time_ms)
    drawn = _draw(tables, body, context, beacon)
    witnesses = _draw_witnesses(tables, task, drawn, epoch, beacon)
    keys = {node: tables.require_member(node).keys_at(epoch).signing for node in (*drawn, *witnesses)}
    codebook = tables.codebook(task.codebook)
    assert codebook is not None
    session = Session(
        id=session_id,
        chain=tables.genesis.chain,
        requester=context.author,
        task=task,
        epoch=epoch,
        anchor_height=context.height,
        anchor=context.anchor,
        opened_ms=context.time_ms,
        deadline_ms=context.time_ms + task.consent_ms,
        quorum_rule=committee.QuorumRule(tables.genesis.parameters.quorum_rule.value),
        reference_size=codebook.references,
        drawn=drawn,
        witnesses=witnesses,
        keepers=tuple(node for node in witnesses if _can_open(tables, task, node)),
        keys=dict(sorted(keys.items())),
    )
    tables.state.put("session", session_id.hex(), session)
    tables.count(context.author, asking=1)
    return replace(context, session=session_id)


def require_timely(tables: Tables, body: OpenRequest, time_ms: int) -> None:
    """Refuse a request that was signed too long ago, or in the future."""
    if abs(time_ms - body.issued_ms) > tables.genesis.parameters.request_window_ms:
        raise ProtocolError(
            f"the request's time is {abs(time_ms - body.issued_ms)} ms away from the ledger's",
            code="wrong-time",
            hint="set this machine's clock",
        )


def _require_task(tables: Tables, body: OpenRequest) -> None:
    task, rules = body.task, tables.genesis.parameters
    codebook = tables.codebook(task.codebook)
    if codebook is None:
        raise ProtocolError("the task's codebook is not on the ledger", code="unknown-codebook")
    if not all(0 <= leaf < len(codebook.leaf_labels) for leaf in task.leaves):
        raise ProtocolError(
            f"the task asks for a leaf outside 0 to {len(codebook.leaf_labels) - 1}", code="unknown-leaf"
        )
    if task.learner not in LEARNERS or task.kind != LEARNERS[task.learner].kind:
        raise ProtocolError(
            f"this consortium does not do {task.kind} with {task.learner!r}",
            code="unknown-learner",
            hint=f"learners: {', '.join(sorted(LEARNERS))}",
        )
    if reason := why_no_rounds(task.learner, rounds=task.rounds, chain=task.chain):
        raise ProtocolError(reason, code="no-rounds", hint="ask without rounds or chain, or for learner 'softmax'")
    if task.kappa != rules.kappa:
        raise ProtocolError(f"this consortium ranks with kappa {rules.kappa}", code="wrong-kappa")
    longest = max(task.consent_ms, task.commit_ms, task.score_ms, task.seal_ms)
    if longest > rules.stage_ms_max or task.providers_max > rules.committee_max:
        raise ProtocolError(
            f"a stage may take {rules.stage_ms_max} ms and a committee have {rules.committee_max} providers",
            code="out-of-bounds",
        )


def _draw(tables: Tables, body: OpenRequest, context: Context, beacon: bytes) -> tuple[NodeId, ...]:
    """The providers to ask: those who fit and whose policy allows it, one an organisation, drawn by lot."""
    task = body.task
    leaves = _leaves(tables, task)
    ranked = tables.index.rank(task.codebook, leaves) if leaves or not task.categories else ()
    fitting = [node for node in ranked if _can_be_drawn(tables, node, context)]
    requester = tables.require_member(context.author)
    willing = [
        node
        for node in fitting
        if fitting_rule(tables.policy(node), requester=requester.node, organisation=requester.organisation, task=task)
    ]
    organisations = {node: tables.require_member(node).organisation for node in willing}
    seats = committee.one_per_organisation(willing, organisations)
    if len(seats) < task.providers_min:
        wanted = ", ".join([*task.categories, *(f"leaf {leaf}" for leaf in task.leaves)]) or "any category"
        raise ProtocolError(
            f"{counted(len(fitting), 'provider')} with data on {wanted}, of these "
            f"{counted(len(seats), 'organisation')} whose policy allows this request; needed: {task.providers_min}",
            code="no-provider",
            hint="ask for other categories, another purpose, a smaller epsilon or fewer providers",
        )
    return committee.draw(seats, task.providers_max, beacon)


def _draw_witnesses(
    tables: Tables, task: Task, drawn: tuple[NodeId, ...], epoch: int, beacon: bytes
) -> tuple[NodeId, ...]:
    """Super nodes that could vote beside these providers: none from an organisation that has a vote.

    Those who keep references back come first, otherwise by lot.
    """
    seated = {tables.require_member(node).organisation for node in drawn}

    def place(node: NodeId) -> tuple[bool, bytes]:
        return not _can_open(tables, task, node), committee.lot(beacon, node)

    able = [
        node
        for node in sorted(tables.witnesses, key=place)
        if (member := tables.require_member(node)).is_active(epoch) and member.organisation not in seated
    ]
    seats = committee.one_per_organisation(able, {node: tables.require_member(node).organisation for node in able})
    return seats[: committee.SMALLEST_TOLERANT_COMMITTEE]


def _can_open(tables: Tables, task: Task, witness: NodeId) -> bool:
    """Whether a witness has documents left that this task's releases can be judged by."""
    return LEARNERS[task.learner].releases_class_sums and tables.shelf(task.codebook, witness).left > 0


def _leaves(tables: Tables, task: Task) -> tuple[int, ...]:
    """Leaves that a task asks for: those of its categories and those it names."""
    codebook = tables.codebook(task.codebook)
    assert codebook is not None
    wanted = enumerate(codebook.leaf_labels)
    return tuple(leaf for leaf, label in wanted if label in task.categories or leaf in task.leaves)


def _can_be_drawn(tables: Tables, node: NodeId, context: Context) -> bool:
    """Whether a provider with a profile may be asked.

    1. It is an active member now. 2. It has not withdrawn, earlier in this very block either. 3. Its profile has
    been on the ledger for long enough. 4. It has not let too many sessions down in this epoch. 5. It does not ask
    itself.
    """
    rules = tables.genesis.parameters
    epoch = tables.genesis.epoch_at(context.time_ms)
    held, conduct = tables.holding(node), tables.conduct(node)
    if held is None or held.record is None or not tables.require_member(node).is_active(epoch):  # 1, 2
        return False
    waited = context.time_ms - held.registered_ms >= rules.min_registered_ms  # 3
    struck = 0 < rules.strikes_limit <= conduct.strikes_in(epoch)  # 4
    return waited and not struck and node != context.author  # 5
