"""What members put on the ledger between sessions: codebooks, profiles, policies, bound references. III.A, III.B."""

from __future__ import annotations

from dataclasses import replace

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.ledger.context import Context
from comitia.ledger.genesis import Role, codebook_digest, require_admins
from comitia.ledger.records import CodebookEntry, Holding
from comitia.ledger.tables import Tables, shelf_key
from comitia.ledger.transactions import MAX_SETS, BindReferences, RegisterCodebook, RegisterProfile, SetPolicy
from comitia.retrieval.profile import require_fitting


def add_codebook(tables: Tables, body: RegisterCodebook, context: Context) -> None:
    if not tables.require_member(context.author).has(Role.SUPER_NODE):
        wanted = codebook_digest(tables.genesis.chain, body.digest)
        require_admins(tables.genesis, wanted, body.signatures, what="the codebook")
    if tables.codebook(body.digest) is not None:
        raise ProtocolError("the codebook is on the ledger already", code="already-there")
    entry = CodebookEntry(
        digest=body.digest,
        size=body.size,
        references=body.references,
        leaf_labels=body.leaf_labels,
        number=len(tables.codebooks()) + 1,
    )
    tables.state.put("codebook", body.digest.hex(), entry)


def add_profile(tables: Tables, body: RegisterProfile, context: Context) -> None:
    record = body.record
    tables.require_role(context.author, Role.PROVIDER)
    require_fitting(record, context.author)
    codebook = tables.codebook(record.codebook)
    if codebook is None or len(codebook.leaf_labels) != len(record.histogram):
        raise ProtocolError(
            f"the profile counts {len(record.histogram)} leaves of a codebook that the ledger does not know so",
            code="unknown-codebook",
            hint="make the profile with a codebook that is on the ledger",
        )
    epoch = tables.genesis.epoch_at(context.time_ms)
    held = tables.holding(context.author) or Holding(record=None, registered_ms=0, changed_epoch=epoch)
    holding = replace(held.changed(record, epoch), registered_ms=context.time_ms)
    tables.state.put("holding", context.author, holding)


def withdraw(tables: Tables, context: Context) -> None:
    held = tables.holding(context.author)
    if held is None or held.record is None:
        raise ProtocolError(f"{context.author} has no profile to withdraw", code="no-profile")
    left = held.changed(None, tables.genesis.epoch_at(context.time_ms))
    gone = replace(left, withdrawn_ms=context.time_ms)
    tables.state.put("holding", context.author, gone)


def set_policy(tables: Tables, body: SetPolicy, context: Context) -> None:
    known = tables.policy(context.author)
    if known is not None and body.policy.version <= known.version:
        raise ProtocolError(
            f"version {body.policy.version} of the policy comes after version {known.version}",
            code="old-policy",
        )
    tables.state.put("policy", context.author, body.policy)


def bind_references(tables: Tables, body: BindReferences, context: Context) -> None:
    """Put sets of documents at the end of a witness' shelf; none may stand there twice, used or not."""
    tables.require_role(context.author, Role.WITNESS)
    if tables.codebook(body.codebook) is None:
        raise ProtocolError("the references are of a codebook that is not on the ledger", code="unknown-codebook")
    shelf = tables.shelf(body.codebook, context.author)
    together = shelf.commitments + body.commitments
    if len(set(together)) < len(together):
        raise ProtocolError("a set of references is bound already", code="already-there")
    if len(together) > MAX_SETS:
        raise ProtocolError(
            f"a witness may bind {MAX_SETS} sets for one codebook",
            code="out-of-bounds",
            hint="publish a new codebook; the sets that were opened can be references of it",
        )
    tables.state.put("shelf", shelf_key(body.codebook, context.author), replace(shelf, commitments=together))


def take_references(tables: Tables, codebook: bytes, keepers: tuple[NodeId, ...]) -> dict[NodeId, bytes]:
    """Use up the next set of each of these witnesses that has one left."""
    taken = {}
    for keeper in keepers:
        shelf = tables.shelf(codebook, keeper)
        if shelf.left:
            taken[keeper] = shelf.commitments[shelf.used]
            tables.state.put("shelf", shelf_key(codebook, keeper), replace(shelf, used=shelf.used + 1))
    return taken
