"""Requests that were answered with a model made before."""

from __future__ import annotations

from comitia.core.errors import ProtocolError
from comitia.core.ids import SessionId
from comitia.ledger.authentication import Authentication
from comitia.ledger.context import Context
from comitia.ledger.genesis import Role
from comitia.ledger.records import Reuse
from comitia.ledger.requests import require_timely
from comitia.ledger.tables import Tables
from comitia.ledger.transactions import OpenRequest, RecordReuse, transaction_id


def record(tables: Tables, body: RecordReuse, context: Context, authentication: Authentication) -> None:
    """Take down that a cached model was served; only if its contributors' policies allow it now."""
    tables.require_role(context.author, Role.SUPER_NODE)
    envelope, request = authentication.read(body.request)
    if not isinstance(request, OpenRequest):
        raise ProtocolError("a record of reuse holds another thing than a request", code="malformed")
    authentication.require_author(envelope, request, tables.member(envelope.header.sender), None, context.time_ms)
    require_timely(tables, request, context.time_ms)
    key = request.task.cache_key(envelope.header.epoch)
    requester = envelope.header.sender
    tables.require_role(requester, Role.REQUESTER)
    source = tables.cache_lookup(key, requester, request.task.purpose, context.time_ms)
    if source != body.source:
        raise ProtocolError("the cached model may not be served for this request", code="not-cached")
    asked = transaction_id(envelope).hex()
    if tables.state.get("reuse", asked) is not None or tables.session(SessionId(bytes.fromhex(asked))):
        raise ProtocolError("the request was answered before", code="already-there")
    served = Reuse(requester=requester, purpose=request.task.purpose, source=body.source, time_ms=context.time_ms)
    tables.state.put("reuse", asked, served)
