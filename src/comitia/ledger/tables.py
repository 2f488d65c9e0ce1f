"""The ledger's tables by name: what is asked of them, and what follows from them. II-B."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.ledger.genesis import Genesis, Role
from comitia.ledger.policy import fitting_rule
from comitia.ledger.records import CodebookEntry, Conduct, Holding, Member, PoqEntry, Reuse, Seen, Shelf
from comitia.ledger.session import Session
from comitia.ledger.state import State
from comitia.ledger.transactions import Policy
from comitia.retrieval.index import Index
from comitia.retrieval.profile import RetrievalRecord

SCHEMA: Final[dict[str, type]] = {
    "member": Member,
    "codebook": CodebookEntry,
    "holding": Holding,
    "policy": Policy,
    "shelf": Shelf,
    "session": Session,
    "cache": PoqEntry,
    "poq": PoqEntry,
    "reuse": Reuse,
    "conduct": Conduct,
    "seen": Seen,
}


class Tables:
    """What the ledger holds. Only the rules write, into `state`.

    Parameters
    ----------
    genesis : Genesis
        The consortium.
    """

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.state = State(SCHEMA)
        self.index = Index()
        self.witnesses: dict[NodeId, None] = {}
        self._open: dict[SessionId, None] = {}

    def member(self, node: NodeId) -> Member | None:
        found = self.state.get("member", node)
        return found if isinstance(found, Member) else None

    def members(self) -> tuple[Member, ...]:
        """All members, by id."""
        return tuple(member for _, member in self.state.items("member"))

    def codebook(self, wanted: bytes) -> CodebookEntry | None:
        found = self.state.get("codebook", wanted.hex())
        return found if isinstance(found, CodebookEntry) else None

    def codebooks(self) -> tuple[CodebookEntry, ...]:
        """All codebooks, the newest last."""
        listed = [entry for _, entry in self.state.items("codebook")]
        return tuple(sorted(listed, key=lambda entry: entry.number))

    def profile(self, node: NodeId) -> RetrievalRecord | None:
        """A provider's retrieval record; None where it has none or has withdrawn."""
        held = self.holding(node)
        return held.record if held else None

    def profiles(self) -> tuple[RetrievalRecord, ...]:
        """All retrieval records, by provider."""
        return tuple(held.record for _, held in self.state.items("holding") if held.record is not None)

    def profiles_before(self, epoch: int) -> tuple[RetrievalRecord, ...]:
        """The retrieval records that stood when an epoch began, the current or the next one, by provider."""
        standing = (held.record_before(epoch) for _, held in self.state.items("holding"))
        return tuple(record for record in standing if record is not None)

    def policy(self, node: NodeId) -> Policy | None:
        found = self.state.get("policy", node)
        return found if isinstance(found, Policy) else None

    def shelf(self, codebook: bytes, keeper: NodeId) -> Shelf:
        """The documents that a witness keeps back for sessions on a codebook."""
        found = self.state.get("shelf", shelf_key(codebook, keeper))
        return found if isinstance(found, Shelf) else Shelf()

    def conduct(self, node: NodeId) -> Conduct:
        found = self.state.get("conduct", node)
        return found if isinstance(found, Conduct) else Conduct()

    def session(self, session: SessionId) -> Session | None:
        found = self.state.get("session", session.hex())
        return found if isinstance(found, Session) else None

    def sessions(self) -> tuple[Session, ...]:
        """All sessions, by id."""
        return tuple(session for _, session in self.state.items("session"))

    def open_sessions(self) -> tuple[Session, ...]:
        """Sessions that have not ended, in the order in which they opened."""
        found = (self.require_session(session) for session in self._open)
        return tuple(sorted(found, key=lambda session: (session.anchor_height, session.id)))

    def reuse(self, request: TransactionId) -> Reuse | None:
        """The record of a request that was answered from the cache."""
        found = self.state.get("reuse", request.hex())
        return found if isinstance(found, Reuse) else None

    def reuses(self) -> tuple[tuple[str, Reuse], ...]:
        """Cached models that were served: id of the request, and the record."""
        return tuple(self.state.items("reuse"))

    @property
    def poq_height(self) -> int:
        """Number of sealed blocks."""
        return self.state.count("poq")

    def poq_entry(self, height: int) -> PoqEntry | None:
        found = self.state.get("poq", height_key(height))
        return found if isinstance(found, PoqEntry) else None

    def cache_lookup(self, key: bytes, requester: NodeId, purpose: str, time_ms: int) -> SessionId | None:
        """The newest session whose model answers this request, if it may be served to this requester."""
        entry = self.state.get("cache", key.hex())
        if entry is None or not self.may_be_served(entry.session, requester, purpose, time_ms):
            return None
        source: SessionId = entry.session
        return source

    def may_be_served(self, source: SessionId, requester: NodeId, purpose: str, time_ms: int) -> bool:
        """Whether the model of an earlier session may be handed to this requester now.

        1. It is fresh. 2. Every contributor is an active member and has not withdrawn since. 3. The *current*
        policy of every contributor allows this requester and purpose.
        """
        session, asking = self.session(source), self.member(requester)
        if session is None or session.judgement is None or asking is None:
            return False
        epoch = self.genesis.epoch_at(time_ms)
        if not asking.is_active(epoch):
            return False
        if time_ms - session.closed_ms > self.genesis.parameters.cache_ms:  # 1
            return False
        task = replace(session.task, purpose=purpose)
        for node in session.contributors:
            member, held = self.member(node), self.holding(node)
            if member is None or not member.is_active(epoch):  # 2
                return False
            if held is None or held.record is None or held.withdrawn_ms >= session.closed_ms:  # 2
                return False
            rule = fitting_rule(self.policy(node), requester=requester, organisation=asking.organisation, task=task)
            if rule is None:  # 3
                return False
        return True

    def holding(self, node: NodeId) -> Holding | None:
        found = self.state.get("holding", node)
        return found if isinstance(found, Holding) else None

    def require_member(self, node: NodeId) -> Member:
        member = self.member(node)
        if member is None:
            raise ProtocolError(f"{node} is no member of this consortium", code="unknown-member", node=node)
        return member

    def require_role(self, node: NodeId, role: Role) -> None:
        member = self.require_member(node)
        if not member.has(role):
            raise ProtocolError(
                f"{member.name!r} was not admitted as {role.value}",
                code="not-allowed",
                hint="join anew with that role, in another folder",
            )

    def require_session(self, session: SessionId) -> Session:
        found = self.session(session)
        if found is None:
            raise ProtocolError(f"there is no session {session.hex()[:16]}", code="unknown-session")
        return found

    def count(self, node: NodeId, **changes: int) -> None:
        self.state.put("conduct", node, self.conduct(node).plus(**changes))

    def refresh(self, table: str, keys: Iterable[str]) -> None:
        """Bring up to date what is looked up often: the index, who can be a witness, the open sessions."""
        for key in keys:
            match table:
                case "holding":
                    self._refresh_index(NodeId(key))
                case "member":
                    if self.require_member(NodeId(key)).has(Role.WITNESS):
                        self.witnesses[NodeId(key)] = None
                case "session":
                    session = SessionId(bytes.fromhex(key))
                    if self.require_session(session).is_open:
                        self._open[session] = None
                    else:
                        self._open.pop(session, None)

    def _refresh_index(self, node: NodeId) -> None:
        record = self.profile(node)
        if record is None:
            self.index.remove(node)
        else:
            self.index.add(record)


def shelf_key(codebook: bytes, keeper: NodeId) -> str:
    """One shelf for each codebook and keeper."""
    return f"{codebook.hex()}/{keeper}"


def height_key(height: int) -> str:
    """Heights as text that sorts like the numbers."""
    return f"{height:016d}"
