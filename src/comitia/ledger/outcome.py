"""What the steps of a session bring its members, and the end of it the ledger. III.C, Fig. 4."""

from __future__ import annotations

from dataclasses import replace

from comitia.ledger import register
from comitia.ledger import session as sessions
from comitia.ledger.context import Context
from comitia.ledger.records import NO_BLOCK, PoqEntry
from comitia.ledger.session import Phase, Session, Verifier
from comitia.ledger.tables import Tables, height_key
from comitia.ledger.transactions import Transaction, block_digest


def advance(tables: Tables, session: Session, body: Transaction, context: Context, verify: Verifier) -> None:
    """Move a session on, and draw the consequences for its members."""
    after = sessions.step(session, context.author, body, context.time_ms, verify=verify)
    for node in sessions.faults_between(session, after):
        tables.state.put("conduct", node, tables.conduct(node).struck(tables.genesis.epoch_at(context.time_ms)))
    if session.phase is Phase.COMMIT and after.phase is Phase.SCORE:
        for node, commit in after.commits.items():
            tables.count(node, epsilon_micro=commit.epsilon_micro)
        taken = register.take_references(tables, after.task.codebook, after.keepers)
        after = replace(after, kept_back=taken)
    if after.phase is Phase.SEALED:
        after = _sealed(tables, after, context)
    if not after.is_open:
        tables.count(after.requester, asking=-1)
    tables.state.put("session", session.id.hex(), after)


def _sealed(tables: Tables, session: Session, context: Context) -> Session:
    """Give the block its place in the PoQ chain, enter the model in the cache, credit the contributors."""
    assert session.block is not None and session.judgement is not None
    height = tables.poq_height + 1
    before = tables.poq_entry(height - 1)
    entry = PoqEntry(
        session=session.id,
        block=block_digest(session.block),
        previous=before.digest if before else NO_BLOCK,
        height=context.height,
        position=context.position,
    )
    tables.state.put("poq", height_key(height), entry)
    tables.state.put("cache", session.task.cache_key(session.epoch).hex(), entry)
    for author, verdict in (pair for each in session.judged_rounds for pair in each.judgement.verdicts):
        if verdict.value in ("accept", "reject", "unverifiable"):
            name = {"accept": "accepted", "reject": "rejected"}.get(verdict.value, verdict.value)
            tables.count(author, **{name: 1})
    tables.count(session.block.leader, led=1)
    return replace(session, poq_height=height)
