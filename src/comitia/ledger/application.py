"""The replicated state machine: what the ledger's transactions do. II-B, III.C, Fig. 3.

Every node runs the same code on the same blocks and comes to the same state root. Nothing here reads a
clock, a random source or a set's order; time is the block's. `apply` repeats every check of `check`, because
only the order in a block counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from comitia.consensus import committee
from comitia.core import crypto
from comitia.core.codec import digest, encode
from comitia.core.envelope import Envelope
from comitia.core.errors import ComitiaError, ProtocolError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.learning.registry import LEARNERS
from comitia.ledger import merkle
from comitia.ledger import session as sessions
from comitia.ledger.genesis import Genesis, Role, codebook_digest, require_admins, revocation_digest
from comitia.ledger.policy import fitting_rule
from comitia.ledger.records import (
    NEVER,
    CodebookEntry,
    Conduct,
    Holding,
    KeyPair,
    Member,
    PoqEntry,
    Reuse,
    Seen,
)
from comitia.ledger.session import Phase, Session
from comitia.ledger.state import State, Write
from comitia.ledger.transactions import (
    ONCE_IN_SESSION,
    EvidenceKind,
    OpenRequest,
    Policy,
    RecordReuse,
    RegisterCodebook,
    RegisterMember,
    RegisterProfile,
    ReportEvidence,
    RevokeMember,
    RotateKey,
    SetPolicy,
    Task,
    Transaction,
    Withdraw,
    block_digest,
    parse,
    rotation_digest,
    round_of,
    transaction_id,
)
from comitia.retrieval.index import Index
from comitia.retrieval.profile import RetrievalRecord, require_fitting

SCHEMA: Final[dict[str, type]] = {
    "member": Member,
    "codebook": CodebookEntry,
    "holding": Holding,
    "policy": Policy,
    "session": Session,
    "cache": PoqEntry,
    "poq": PoqEntry,
    "reuse": Reuse,
    "conduct": Conduct,
    "seen": Seen,
}

NO_BLOCK: Final = bytes(32)
VERIFIED_KEPT: Final = 4096

MAX_OPEN_REQUESTS: Final = 64
"""Most requests of one requester that have not ended: each of them holds providers' budgets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one transaction in a block.

    Attributes
    ----------
    transaction, type, author, session : which; empty where it could not be read.
    code, message : why it was refused; empty where it took effect.
    """

    transaction: TransactionId
    type: str
    author: NodeId
    session: SessionId
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a block did.

    Attributes
    ----------
    results : one a transaction.
    changed_sessions : ids of the sessions that moved on.
    state_root : after the block.
    writes : entries that changed, for the engine to keep.
    """

    results: tuple[Result, ...]
    changed_sessions: tuple[SessionId, ...]
    state_root: bytes
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """Where a transaction stands.

    Attributes
    ----------
    transaction, author, session, epoch : its id, and what its header says.
    time_ms, height, position : its block's, and its place in it, counted from 0.
    anchor : 32 bytes that depend on its block.
    """

    transaction: TransactionId
    author: NodeId
    session: SessionId
    time_ms: int
    height: int
    position: int
    epoch: int
    anchor: bytes


class Application:
    """The ledger's state and the rules that change it.

    Parameters
    ----------
    genesis : Genesis
        The consortium.
    """

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.epoch = 0
        self._state = State(SCHEMA)
        self._index = Index()
        self._open: dict[SessionId, None] = {}
        self._witnesses: dict[NodeId, None] = {}
        self._verified: dict[bytes, tuple[Envelope, Transaction]] = {}
        self._checked_signatures: dict[tuple[bytes, bytes, bytes], bool] = {}

    def fork(self) -> Application:
        """A copy, as of the last block, that goes its own way; what was checked once is checked for both."""
        copy = Application(self.genesis)
        copy.epoch = self.epoch
        copy._state = self._state.fork()
        copy._index = self._index.copy()
        copy._open = dict(self._open)
        copy._witnesses = dict(self._witnesses)
        copy._verified = self._verified
        copy._checked_signatures = self._checked_signatures
        return copy

    # --- changing it --------------------------------------------------------------------------------

    @property
    def state_root(self) -> bytes:
        return self._state.root

    def check(self, data: bytes, time_ms: int, *, height: int) -> Envelope:
        """Whether a transaction would take effect in a block made now; changes nothing.

        Raises
        ------
        ProtocolError, ConfigurationError, RefusedError
            Saying what is wrong with it.
        """
        try:
            return self._run(data, time_ms, height, 0, NO_BLOCK)[0]
        finally:
            self._state.drop()

    def apply(self, transactions: Sequence[bytes], *, time_ms: int, height: int, previous: bytes) -> Applied:
        """Apply a block's transactions in order. A bad one gets an error result and stops nothing.

        An engine that cannot keep the result goes back to what it has kept, with a new `Application`.
        """
        results = []
        drawn_by = digest(encode([previous, time_ms, merkle.root(transactions)]))
        for position, data in enumerate(transactions):
            results.append(self._apply_one(data, time_ms, height, position, drawn_by))
        self._forget_seen(time_ms)
        changed = tuple(dict.fromkeys(r.session for r in results if r.session and not r.code))
        writes = self._state.commit()
        self.epoch = self.genesis.epoch_at(time_ms)
        for write in writes:
            self._refresh(write.table, (write.key,))
        return Applied(results=tuple(results), changed_sessions=changed, state_root=self._state.root, writes=writes)

    def load(self, writes: Iterable[Write]) -> None:
        """Enter the state as it was kept by an engine; errors as `State.load`."""
        for write in writes:
            assert write.value is not None
            self._state.load(write.table, write.key, write.value)

    def resume_at(self, time_ms: int) -> None:
        """Go on at the head's time: after `load`, once the engine has found that the state's root is the head's."""
        self.epoch = self.genesis.epoch_at(time_ms)
        for table in ("holding", "member", "session"):
            self._refresh(table, (key for key, _ in self._state.items(table)))

    def _apply_one(self, data: bytes, time_ms: int, height: int, position: int, anchor: bytes) -> Result:
        try:
            envelope, context = self._run(data, time_ms, height, position, anchor)
        except ComitiaError as error:
            self._state.drop()
            return _refused(data, error)
        self._state.keep()
        return Result(
            transaction=context.transaction,
            type=envelope.header.type,
            author=context.author,
            session=context.session,
        )

    def _run(self, data: bytes, time_ms: int, height: int, position: int, anchor: bytes) -> tuple[Envelope, _Context]:
        """Read, authenticate and carry out one transaction.

        1. It is well formed and within its bounds. 2. It is authentic, see `_authenticate`. 3. It is not on the
        ledger yet.
        """
        envelope, body = self._parse(data)  # 1
        header = envelope.header
        session = self._require_session(SessionId(header.session)) if header.session else None
        self._authenticate(envelope, body, session, time_ms)  # 2
        transaction = transaction_id(envelope)
        if self._state.get("seen", transaction.hex()) is not None:  # 3
            raise ProtocolError("the transaction is on the ledger already", code="on-ledger")
        context = _Context(
            transaction=transaction,
            author=header.sender,
            session=SessionId(header.session),
            time_ms=time_ms,
            height=height,
            position=position,
            epoch=header.epoch,
            anchor=anchor,
        )
        if session is not None:
            self._in_session(session, body, context)
        else:
            self._state.put("seen", transaction.hex(), Seen(epoch=header.epoch))
            context = self._outside_session(body, context, envelope)
        return envelope, context

    def _parse(self, data: bytes) -> tuple[Envelope, Transaction]:
        key = digest(data)
        if key not in self._verified:
            if len(self._verified) >= VERIFIED_KEPT:
                self._verified.pop(next(iter(self._verified)))
            self._verified[key] = parse(data)
        return self._verified[key]

    def _authenticate(self, envelope: Envelope, body: Transaction, session: Session | None, time_ms: int) -> None:
        """Refuse a transaction that its author did not make for this place.

        1. It belongs to this chain. 2. Its epoch is its session's; outside sessions it is the block's, or that of
        `request_window_ms` ago, for what was signed just before an epoch ended. 3. Its author is an active member in
        that epoch, and outside sessions also now. 4. It is signed with the author's key of that epoch.
        """
        header = envelope.header
        if header.chain != self.genesis.chain:  # 1
            raise ProtocolError(
                f"a transaction of chain {header.chain[:16]} came to chain {self.genesis.chain}",
                code="foreign-chain",
            )
        now = self.genesis.epoch_at(time_ms)
        lately = self.genesis.epoch_at(time_ms - self.genesis.parameters.request_window_ms)
        if header.epoch not in ((session.epoch,) if session else (now, lately)):  # 2
            raise ProtocolError(f"a transaction of epoch {header.epoch} came in epoch {now}", code="wrong-epoch")
        member = self.member(header.sender)
        if member is None and isinstance(body, RegisterMember) and body.membership.node == header.sender:
            public = body.membership.credential.signing_key
        elif member is None:  # 3
            raise ProtocolError(
                f"{header.sender} is no member of this consortium",
                code="unknown-member",
                sender=header.sender,
            )
        elif not member.is_active(header.epoch if session else now):  # 3
            raise ProtocolError(f"{member.name!r} is excluded from the consortium", code="excluded-member")
        else:
            public = member.keys_at(header.epoch).signing
        key = (public, envelope.digest, envelope.signature)
        if not self._checked_signatures.get(key, False):  # 4
            envelope.verify(public)
            self._remember_signature(key)

    def _verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Check a signature once; `check` and `apply` of one transaction share the answer."""
        key = (public, message, signature)
        if self._checked_signatures.get(key, False):
            return True
        if not crypto.verify(public, message, signature):
            return False
        self._remember_signature(key)
        return True

    def _remember_signature(self, key: tuple[bytes, bytes, bytes]) -> None:
        if len(self._checked_signatures) >= VERIFIED_KEPT:
            self._checked_signatures.pop(next(iter(self._checked_signatures)))
        self._checked_signatures[key] = True

    # --- transactions outside sessions --------------------------------------------------------------

    def _outside_session(self, body: Transaction, context: _Context, envelope: Envelope) -> _Context:
        match body:
            case RegisterMember():
                self._register_member(body, context)
            case RotateKey():
                self._rotate_key(body, context, envelope)
            case RevokeMember():
                self._revoke(body, context)
            case RegisterCodebook():
                self._register_codebook(body, context)
            case RegisterProfile():
                self._register_profile(body, context)
            case Withdraw():
                self._withdraw(context)
            case SetPolicy():
                self._set_policy(body, context)
            case OpenRequest():
                return self._open_request(body, context)
            case RecordReuse():
                self._record_reuse(body, context)
            case ReportEvidence():
                self._report_evidence(body)
            case _:
                raise AssertionError(f"{type(body).__name__} belongs in a session")
        return context

    def _register_member(self, body: RegisterMember, context: _Context) -> None:
        membership = body.membership
        membership.verify(self.genesis)
        if self.member(membership.node) is not None:
            raise ProtocolError(f"{membership.node} is a member already", code="already-there")
        credential = membership.credential
        pair = KeyPair(from_epoch=0, signing=credential.signing_key, sealing=credential.sealing_key)
        member = Member(membership=membership, keys=(pair,), registered_ms=context.time_ms)
        self._state.put("member", membership.node, member)

    def _rotate_key(self, body: RotateKey, context: _Context, envelope: Envelope) -> None:
        member = self._require_member(context.author)
        now = self.genesis.epoch_at(context.time_ms)
        if context.epoch != now:
            # A proof dates the new key by the epoch in this header.
            raise ProtocolError(f"a rotation of epoch {context.epoch} came in epoch {now}", code="wrong-epoch")
        wanted = rotation_digest(self.genesis.chain, member.node, body.signing_key, body.sealing_key)
        if not crypto.verify(body.signing_key, wanted, body.proof):
            raise ProtocolError("the new key has not signed its rotation", code="bad-signature")
        pair = KeyPair(
            from_epoch=now + 1,
            signing=body.signing_key,
            sealing=body.sealing_key,
            rotation=envelope.to_bytes(),
        )
        older = tuple(old for old in member.keys if old.from_epoch < pair.from_epoch)
        self._state.put("member", member.node, replace(member, keys=(*older, pair)))

    def _revoke(self, body: RevokeMember, context: _Context) -> None:
        wanted = revocation_digest(self.genesis.chain, body.node, body.reason)
        require_admins(self.genesis, wanted, body.signatures, what=f"the revocation of {body.node}")
        member = self._require_member(body.node)
        if member.revoked_from != NEVER:
            # Taken again later, it would put the end off.
            raise ProtocolError(f"{member.name!r} is revoked already", code="already-there")
        following = self.genesis.epoch_at(context.time_ms) + 1
        self._state.put("member", member.node, replace(member, revoked_from=following))

    def _register_codebook(self, body: RegisterCodebook, context: _Context) -> None:
        if not self._require_member(context.author).has(Role.SUPER_NODE):
            wanted = codebook_digest(self.genesis.chain, body.digest)
            require_admins(self.genesis, wanted, body.signatures, what="the codebook")
        if self.codebook(body.digest) is not None:
            raise ProtocolError("the codebook is on the ledger already", code="already-there")
        entry = CodebookEntry(
            digest=body.digest,
            size=body.size,
            references=body.references,
            leaf_labels=body.leaf_labels,
            number=len(self.codebooks()) + 1,
        )
        self._state.put("codebook", body.digest.hex(), entry)

    def _register_profile(self, body: RegisterProfile, context: _Context) -> None:
        record = body.record
        self._require_role(context.author, Role.PROVIDER)
        require_fitting(record, context.author)
        codebook = self.codebook(record.codebook)
        if codebook is None or len(codebook.leaf_labels) != len(record.histogram):
            raise ProtocolError(
                f"the profile counts {len(record.histogram)} leaves of a codebook that the ledger does not know so",
                code="unknown-codebook",
                hint="make the profile with a codebook that is on the ledger",
            )
        held = self._holding(context.author)
        holding = Holding(
            record=record,
            registered_ms=context.time_ms,
            withdrawn_ms=held.withdrawn_ms if held else 0,
        )
        self._state.put("holding", context.author, holding)

    def _withdraw(self, context: _Context) -> None:
        held = self._holding(context.author)
        if held is None or held.record is None:
            raise ProtocolError(f"{context.author} has no profile to withdraw", code="no-profile")
        gone = replace(held, record=None, withdrawn_ms=context.time_ms)
        self._state.put("holding", context.author, gone)

    def _set_policy(self, body: SetPolicy, context: _Context) -> None:
        known = self.policy(context.author)
        if known is not None and body.policy.version <= known.version:
            raise ProtocolError(
                f"version {body.policy.version} of the policy comes after version {known.version}",
                code="old-policy",
            )
        self._state.put("policy", context.author, body.policy)

    def _open_request(self, body: OpenRequest, context: _Context) -> _Context:
        """Open a session: judge the task, find the providers, draw the committee.

        Source: III.C, step 4
        """
        task = body.task
        self._require_role(context.author, Role.REQUESTER)
        self._require_timely(body, context.time_ms)
        self._require_task(body)
        if self.conduct(context.author).asking >= MAX_OPEN_REQUESTS:
            raise ProtocolError(
                f"{MAX_OPEN_REQUESTS} requests of this requester have not ended",
                code="too-many-requests",
                hint="wait until one has ended",
            )
        session_id = SessionId(context.transaction)
        if self._state.get("reuse", session_id.hex()) is not None:
            raise ProtocolError("the request was answered from the cache", code="already-there")
        beacon = sessions.beacon_of(session_id, context.anchor)
        # The block's epoch, not the request's: from here on everyone who was revoked in between is out.
        epoch = self.genesis.epoch_at(context.time_ms)
        drawn = self._draw(body, context, beacon)
        witnesses = self._draw_witnesses(drawn, epoch, beacon)
        keys = {node: self._require_member(node).keys_at(epoch).signing for node in (*drawn, *witnesses)}
        codebook = self.codebook(task.codebook)
        assert codebook is not None
        session = Session(
            id=session_id,
            chain=self.genesis.chain,
            requester=context.author,
            task=task,
            epoch=epoch,
            anchor_height=context.height,
            anchor=context.anchor,
            opened_ms=context.time_ms,
            deadline_ms=context.time_ms + task.consent_ms,
            quorum_rule=committee.QuorumRule(self.genesis.parameters.quorum_rule.value),
            reference_size=codebook.references,
            drawn=drawn,
            witnesses=witnesses,
            keys=dict(sorted(keys.items())),
        )
        self._state.put("session", session_id.hex(), session)
        self._count(context.author, asking=1)
        return replace(context, session=session_id)

    def _require_timely(self, body: OpenRequest, time_ms: int) -> None:
        """Refuse a request that was signed too long ago, or in the future."""
        if abs(time_ms - body.issued_ms) > self.genesis.parameters.request_window_ms:
            raise ProtocolError(
                f"the request's time is {abs(time_ms - body.issued_ms)} ms away from the ledger's",
                code="wrong-time",
                hint="set this machine's clock",
            )

    def _require_task(self, body: OpenRequest) -> None:
        task, rules = body.task, self.genesis.parameters
        codebook = self.codebook(task.codebook)
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
        if (task.chain or task.rounds > 1) and LEARNERS[task.learner].rounds == 1:
            raise ProtocolError(
                f"{task.learner!r} learns in one round, and in a chain makes the same model as in parallel",
                code="no-rounds",
                hint="ask without rounds, or for learner 'softmax'",
            )
        if task.kappa != rules.kappa:
            raise ProtocolError(f"this consortium ranks with kappa {rules.kappa}", code="wrong-kappa")
        longest = max(task.consent_ms, task.commit_ms, task.score_ms, task.seal_ms)
        if longest > rules.stage_ms_max or task.providers_max > rules.committee_max:
            raise ProtocolError(
                f"a stage may take {rules.stage_ms_max} ms and a committee have {rules.committee_max} providers",
                code="out-of-bounds",
            )

    def _draw(self, body: OpenRequest, context: _Context, beacon: bytes) -> tuple[NodeId, ...]:
        """The providers to ask: those who fit and whose policy allows it, one an organisation, drawn by lot."""
        task = body.task
        leaves = self._leaves(task)
        ranked = self._index.rank(task.codebook, leaves) if leaves or not task.categories else ()
        fitting = [node for node in ranked if self._can_be_drawn(node, context)]
        requester = self._require_member(context.author)
        willing = [
            node
            for node in fitting
            if fitting_rule(self.policy(node), requester=requester.node, organisation=requester.organisation, task=task)
        ]
        organisations = {node: self._require_member(node).organisation for node in willing}
        seats = committee.one_per_organisation(willing, organisations)
        if len(seats) < task.providers_min:
            wanted = ", ".join([*task.categories, *(f"leaf {leaf}" for leaf in task.leaves)]) or "any category"
            raise ProtocolError(
                f"{len(fitting)} providers hold data on {wanted}, {len(seats)} organisations' policies allow this "
                f"request, {task.providers_min} are needed",
                code="no-provider",
                hint="ask for other categories, another purpose, a smaller epsilon or fewer providers",
            )
        return committee.draw(seats, task.providers_max, beacon)

    def _draw_witnesses(self, drawn: tuple[NodeId, ...], epoch: int, beacon: bytes) -> tuple[NodeId, ...]:
        """Super nodes that could vote beside these providers, by lot: none from an organisation that has a vote."""
        seated = {self._require_member(node).organisation for node in drawn}
        able = [
            node
            for node in sorted(self._witnesses, key=lambda node: committee.lot(beacon, node))
            if (member := self._require_member(node)).is_active(epoch) and member.organisation not in seated
        ]
        seats = committee.one_per_organisation(able, {node: self._require_member(node).organisation for node in able})
        return seats[: committee.SMALLEST_TOLERANT_COMMITTEE]

    def _leaves(self, task: Task) -> tuple[int, ...]:
        """Leaves that a task asks for: those of its categories and those it names."""
        codebook = self.codebook(task.codebook)
        assert codebook is not None
        wanted = enumerate(codebook.leaf_labels)
        return tuple(leaf for leaf, label in wanted if label in task.categories or leaf in task.leaves)

    def _can_be_drawn(self, node: NodeId, context: _Context) -> bool:
        """Whether a provider with a profile may be asked.

        1. It is an active member now. 2. It has not withdrawn, earlier in this very block either. 3. Its profile has
        been on the ledger for long enough. 4. It has not let too many sessions down in this epoch. 5. It does not ask
        itself.
        """
        rules = self.genesis.parameters
        epoch = self.genesis.epoch_at(context.time_ms)
        held, conduct = self._holding(node), self.conduct(node)
        if held is None or held.record is None or not self._require_member(node).is_active(epoch):  # 1, 2
            return False
        waited = context.time_ms - held.registered_ms >= rules.min_registered_ms  # 3
        struck = 0 < rules.strikes_limit <= conduct.strikes_in(epoch)  # 4
        return waited and not struck and node != context.author  # 5

    def _record_reuse(self, body: RecordReuse, context: _Context) -> None:
        """Take down that a cached model was served; only if its contributors' policies allow it now."""
        self._require_role(context.author, Role.SUPER_NODE)
        envelope, request = self._parse(body.request)
        if not isinstance(request, OpenRequest):
            raise ProtocolError("a record of reuse holds another thing than a request", code="malformed")
        self._authenticate(envelope, request, None, context.time_ms)
        self._require_timely(request, context.time_ms)
        key = request.task.cache_key(envelope.header.epoch)
        requester = envelope.header.sender
        self._require_role(requester, Role.REQUESTER)
        source = self.cache_lookup(key, requester, request.task.purpose, context.time_ms)
        if source != body.source:
            raise ProtocolError("the cached model may not be served for this request", code="not-cached")
        asked = transaction_id(envelope).hex()
        if self._state.get("reuse", asked) is not None or self.session(SessionId(bytes.fromhex(asked))):
            raise ProtocolError("the request was answered before", code="already-there")
        reuse = Reuse(requester=requester, purpose=request.task.purpose, source=body.source, time_ms=context.time_ms)
        self._state.put("reuse", asked, reuse)

    def _report_evidence(self, body: ReportEvidence) -> None:
        """Exclude a member who signed two different things where an honest one signs one.

        1. There are two items for one place: chain, session, its epoch, and a type of which a member signs one, or one
           a round.
        2. They differ. 3. The accused signed both.
        """
        member = self._require_member(body.accused)
        items = [self._parse(item) for item in body.items]
        envelopes = [envelope for envelope, _ in items]
        header = envelopes[0].header
        record = self._require_session(SessionId(header.session))
        place = (self.genesis.chain, record.epoch, record.id, header.type, body.accused)
        same = all((h.chain, h.epoch, h.session, h.type, h.sender) == place for h in (e.header for e in envelopes))
        one_round = len({round_of(statement) for _, statement in items}) == 1
        two = body.kind is EvidenceKind.EQUIVOCATION and len(envelopes) == 2 and one_round
        if not (same and two and header.type in ONCE_IN_SESSION):  # 1
            raise ProtocolError("the evidence is not two statements where one is allowed", code="no-proof")
        if envelopes[0].digest == envelopes[1].digest:  # 2
            raise ProtocolError("the two statements are the same", code="no-proof")
        for envelope in envelopes:  # 3
            envelope.verify(member.keys_at(record.epoch).signing)
        self._state.put("member", member.node, replace(member, suspended=True))

    # --- sessions -----------------------------------------------------------------------------------

    def _in_session(self, session: Session, body: Transaction, context: _Context) -> None:
        """Move a session on, and draw the consequences for its members."""
        after = sessions.step(session, context.author, body, context.time_ms, verify=self._verify)
        for node in sessions.faults_between(session, after):
            self._state.put("conduct", node, self.conduct(node).struck(self.genesis.epoch_at(context.time_ms)))
        if session.phase is Phase.COMMIT and after.phase is Phase.SCORE:
            for node, commit in after.commits.items():
                self._count(node, epsilon_micro=commit.epsilon_micro)
        if after.phase is Phase.SEALED:
            after = self._sealed(after, context)
        if not after.is_open:
            self._count(after.requester, asking=-1)
        self._state.put("session", session.id.hex(), after)

    def _sealed(self, session: Session, context: _Context) -> Session:
        """Give the block its place in the PoQ chain, enter the model in the cache, credit the contributors."""
        assert session.block is not None and session.judgement is not None
        height = self.poq_height + 1
        before = self.poq_entry(height - 1)
        entry = PoqEntry(
            session=session.id,
            block=block_digest(session.block),
            previous=before.digest if before else NO_BLOCK,
            height=context.height,
            position=context.position,
        )
        self._state.put("poq", _height_key(height), entry)
        self._state.put("cache", session.task.cache_key(session.epoch).hex(), entry)
        for author, verdict in (pair for each in session.judged_rounds for pair in each.judgement.verdicts):
            if verdict.value in ("accept", "reject", "unverifiable"):
                name = {"accept": "accepted", "reject": "rejected"}.get(verdict.value, verdict.value)
                self._count(author, **{name: 1})
        self._count(session.block.leader, led=1)
        return replace(session, poq_height=height)

    def _count(self, node: NodeId, **changes: int) -> None:
        self._state.put("conduct", node, self.conduct(node).plus(**changes))

    # --- questions ----------------------------------------------------------------------------------

    def member(self, node: NodeId) -> Member | None:
        found = self._state.get("member", node)
        return found if isinstance(found, Member) else None

    def members(self) -> tuple[Member, ...]:
        """All members, by id."""
        return tuple(member for _, member in self._members())

    def codebook(self, wanted: bytes) -> CodebookEntry | None:
        found = self._state.get("codebook", wanted.hex())
        return found if isinstance(found, CodebookEntry) else None

    def codebooks(self) -> tuple[CodebookEntry, ...]:
        """All codebooks, the newest last."""
        listed = [entry for _, entry in self._state.items("codebook")]
        return tuple(sorted(listed, key=lambda entry: entry.number))

    def profile(self, node: NodeId) -> RetrievalRecord | None:
        """A provider's retrieval record; None where it has none or has withdrawn."""
        held = self._holding(node)
        return held.record if held else None

    def profiles(self) -> tuple[RetrievalRecord, ...]:
        """All retrieval records, by provider."""
        return tuple(held.record for _, held in self._state.items("holding") if held.record is not None)

    def policy(self, node: NodeId) -> Policy | None:
        found = self._state.get("policy", node)
        return found if isinstance(found, Policy) else None

    def conduct(self, node: NodeId) -> Conduct:
        found = self._state.get("conduct", node)
        return found if isinstance(found, Conduct) else Conduct()

    def session(self, session: SessionId) -> Session | None:
        found = self._state.get("session", session.hex())
        return found if isinstance(found, Session) else None

    def sessions(self) -> tuple[Session, ...]:
        """All sessions, by id."""
        return tuple(session for _, session in self._state.items("session"))

    def open_sessions(self) -> tuple[Session, ...]:
        """Sessions that have not ended, in the order in which they opened."""
        found = (self._require_session(session) for session in self._open)
        return tuple(sorted(found, key=lambda session: (session.anchor_height, session.id)))

    def reuse(self, request: TransactionId) -> Reuse | None:
        """The record of a request that was answered from the cache."""
        found = self._state.get("reuse", request.hex())
        return found if isinstance(found, Reuse) else None

    def reuses(self) -> tuple[tuple[str, Reuse], ...]:
        """Cached models that were served: id of the request, and the record."""
        return tuple(self._state.items("reuse"))

    @property
    def poq_height(self) -> int:
        """Number of sealed blocks."""
        return self._state.count("poq")

    def poq_entry(self, height: int) -> PoqEntry | None:
        found = self._state.get("poq", _height_key(height))
        return found if isinstance(found, PoqEntry) else None

    def cache_lookup(self, key: bytes, requester: NodeId, purpose: str, time_ms: int) -> SessionId | None:
        """The session whose model answers this request, if it may still be served to this requester.

        1. It is fresh. 2. Every contributor is an active member and has not withdrawn since. 3. The *current*
        policy of every contributor allows this requester and purpose.
        """
        entry = self._state.get("cache", key.hex())
        session = self.session(entry.session) if entry is not None else None
        asking = self.member(requester)
        if session is None or session.judgement is None or asking is None:
            return None
        epoch = self.genesis.epoch_at(time_ms)
        if not asking.is_active(epoch):
            return None
        if time_ms - session.closed_ms > self.genesis.parameters.cache_ms:  # 1
            return None
        task = replace(session.task, purpose=purpose)
        for node in session.contributors:
            member, held = self.member(node), self._holding(node)
            if member is None or not member.is_active(epoch):  # 2
                return None
            if held is None or held.record is None or held.withdrawn_ms >= session.closed_ms:  # 2
                return None
            rule = fitting_rule(self.policy(node), requester=requester, organisation=asking.organisation, task=task)
            if rule is None:  # 3
                return None
        return session.id

    def _members(self) -> Iterable[tuple[NodeId, Member]]:
        for key, member in self._state.items("member"):
            yield NodeId(key), member

    def _holding(self, node: NodeId) -> Holding | None:
        found = self._state.get("holding", node)
        return found if isinstance(found, Holding) else None

    def _require_member(self, node: NodeId) -> Member:
        member = self.member(node)
        if member is None:
            raise ProtocolError(f"{node} is no member of this consortium", code="unknown-member", node=node)
        return member

    def _require_role(self, node: NodeId, role: Role) -> None:
        member = self._require_member(node)
        if not member.has(role):
            raise ProtocolError(
                f"{member.name!r} was not admitted as {role.value}",
                code="not-allowed",
                hint="join again with that role",
            )

    def _require_session(self, session: SessionId) -> Session:
        found = self.session(session)
        if found is None:
            raise ProtocolError(f"there is no session {session.hex()[:16]}", code="unknown-session")
        return found

    # --- what follows from the state ----------------------------------------------------------------

    def _forget_seen(self, time_ms: int) -> None:
        """A transaction two epochs old cannot come back: its epoch would not be accepted."""
        epoch = self.genesis.epoch_at(time_ms)
        if epoch == self.epoch:
            return
        old = [key for key, seen in self._state.items("seen") if seen.epoch < epoch - 1]
        for key in old:
            self._state.put("seen", key, None)

    def _refresh(self, table: str, keys: Iterable[str]) -> None:
        """Bring up to date what is looked up often: the index, who can be a witness, the open sessions."""
        for key in keys:
            match table:
                case "holding":
                    self._refresh_index(NodeId(key))
                case "member":
                    if self._require_member(NodeId(key)).has(Role.WITNESS):
                        self._witnesses[NodeId(key)] = None
                case "session":
                    session = SessionId(bytes.fromhex(key))
                    if self._require_session(session).is_open:
                        self._open[session] = None
                    else:
                        self._open.pop(session, None)

    def _refresh_index(self, node: NodeId) -> None:
        record = self.profile(node)
        if record is None:
            self._index.remove(node)
        else:
            self._index.add(record)


def _refused(data: bytes, error: ComitiaError) -> Result:
    """The result of a transaction that took no effect; its facts as far as they can be read."""
    try:
        envelope = Envelope.from_bytes(data)
        header = envelope.header
        known = (transaction_id(envelope), header.type, header.sender, SessionId(header.session))
    except ProtocolError:
        known = (TransactionId(digest(data)), "", NodeId(""), SessionId(b""))
    return Result(
        transaction=known[0],
        type=known[1],
        author=known[2],
        session=known[3],
        code=error.code,
        message=error.message,
    )


def _height_key(height: int) -> str:
    """Heights as text that sorts like the numbers."""
    return f"{height:016d}"
