"""One Proof of Training Quality session in one process: the real roles and ledger rules, every message signed, sealed
and opened; training and scoring by stand-ins that answer at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from comitia.consensus.score_sheet import Score
from comitia.core.codec import digest, encode
from comitia.core.crypto import SealingKey, SigningKey, forget_signatures
from comitia.core.ids import NodeId, SessionId, node_id
from comitia.ledger import merkle
from comitia.ledger.application import Application, Applied
from comitia.ledger.block import Block, BlockHeader, SignedHeader, verify_block
from comitia.ledger.genesis import Credential, Genesis, Membership, Parameters, Role, SuperNodeEntry, sign_as_admin
from comitia.ledger.session import Session
from comitia.ledger.transactions import (
    CommitModel,
    OpenRequest,
    Policy,
    PolicyRule,
    RegisterCodebook,
    RegisterMember,
    RegisterProfile,
    SetPolicy,
    Task,
    Tick,
    Transaction,
    sign_transaction,
)
from comitia.retrieval.profile import RetrievalRecord
from comitia.roles import member
from comitia.roles.effects import Combine, Decide, MemberEffect, Post, Remember, ScoreReleases, Send, Train
from comitia.roles.events import (
    Combined,
    Decided,
    MemberEvent,
    RevealAsked,
    RevealReceived,
    Scored,
    SessionAdvanced,
    Trained,
    VoteReceived,
    Woke,
)
from comitia.roles.messages import (
    WITH_HEAD,
    AskReveal,
    Message,
    PublicKeys,
    Received,
    Reveal,
    Submit,
    Vote,
    pack,
    unpack,
)

T = TypeVar("T")

START_MS: Final = 1_700_000_000_000
STAGE_MS: Final = 1_000
EPSILON_MICRO: Final = 1_000_000
CODEBOOK: Final = digest(b"codebook")
HONEST_LOSS_PPM: Final = 200_000
ROWS: Final = 100
EXPECTED_MICRO: Final = 10_000_000
ROUNDS_AT_MOST: Final = 2_000

_ANY: Final = PolicyRule(
    requesters=("*",), categories=("*",), purposes=("*",), epsilon_session_micro=EPSILON_MICRO,
    epsilon_period_micro=EPSILON_MICRO, period_ms=1, epsilon_life_micro=EPSILON_MICRO,
)  # fmt: skip


class PoqSession:
    """A committee of some providers and one witness, the super node; ready to run one session.

    Every node keeps a copy of the ledger. The copies do the same work, so one stands for all and its CPU time counts
    once for each.

    Attributes
    ----------
    providers : their ids.
    silent : members who say yes and then nothing more.
    copiers : members who commit to what another has committed to.
    rows, losses_ppm : what a provider declares, and how good its model is; the default where it is not named.
    cpu_s, wall_s : of all nodes, and of the slowest of each round, added up; see `evaluation.consensus`.
    messages, sent_bytes : from one node to one other.
    waits : how often only the clock moved the session on.
    """

    def __init__(self, providers: int) -> None:
        self._keys = {name: _Keys(name) for name in ("super", "asker", *(f"p{n}" for n in range(providers)))}
        self._names = {keys.node: name for name, keys in self._keys.items()}
        self.providers = [self._keys[f"p{n}"].node for n in range(providers)]
        self.silent: set[NodeId] = set()
        self.copiers: set[NodeId] = set()
        self.rows: dict[NodeId, int] = {}
        self.losses_ppm: dict[NodeId, int] = {}
        self.cpu_s = self.wall_s = 0.0
        self.messages = self.sent_bytes = self.waits = 0
        self._admin = SigningKey.from_bytes(digest(b"admin"))
        self._genesis = _genesis(self._admin, self._keys["super"], providers)
        self._ledger = Application(self._genesis)
        self._previous, self._height, self._now_ms = self._genesis.digest, 0, START_MS + 1_000
        self._head: SignedHeader | None = None
        self._states: dict[NodeId, member.MemberState] = {}
        self._queue: deque[bytes] = deque()
        self._events: deque[tuple[NodeId, MemberEvent]] = deque()
        self._mail: deque[tuple[NodeId, bytes]] = deque()
        self._busy: dict[NodeId, float] = {}
        self._settle_in()
        self.cpu_s = self.wall_s = 0.0
        self.messages = self.sent_bytes = 0

    def run(self) -> Session:
        """From the request to the sealed or aborted session."""
        asked = self._signed("asker", OpenRequest(task=self._task(), issued_ms=self._now_ms, nonce=bytes(16)), None)
        self._submit(self._keys["asker"].node, asked)
        self._make_block()
        (session,) = self._ledger.open_sessions()
        for _ in range(ROUNDS_AT_MOST):
            self._round()
            found = self._ledger.session(session.id)
            assert found is not None
            if not found.is_open:
                return found
            if not (self._queue or self._events or self._mail):
                self._let_time_pass(found)
        raise AssertionError("the session does not end")

    # --- rounds -------------------------------------------------------------------------------------

    def _round(self) -> None:
        """Everyone deals with what has come so far; then what was posted becomes a block."""
        self._busy = {}
        events, self._events = self._events, deque()
        for node, event in events:
            self._step(node, event)
        mail, self._mail = self._mail, deque()
        for to, data in mail:
            self._arrived(to, self._charged(to, partial(self._open, to, data)))
        self.wall_s += max(self._busy.values(), default=0.0)
        if self._queue:
            self._make_block()

    def _let_time_pass(self, session: Session) -> None:
        """Nobody has anything to say: the stage's deadline passes, and the super node moves it on."""
        self.waits += 1
        self._now_ms = session.deadline_ms + 1 + member.RETRY_MS
        self._queue.append(self._signed("super", Tick(phase=session.phase, view=session.view), session))
        for node in self._states:
            self._events.append((node, Woke(now_ms=session.deadline_ms - session.task.score_ms // 8)))

    def _step(self, node: NodeId, event: MemberEvent) -> None:
        state, effects = self._charged(
            node, lambda: member.step(self._states[node], event, self._keys[self._names[node]].signing, self._now_ms)
        )
        self._states[node] = state
        for effect in effects:
            if node in self.silent and state.memory.answer is not None and not isinstance(effect, Remember | Post):
                return
            self._perform(node, effect)

    def _perform(self, node: NodeId, effect: MemberEffect) -> None:
        match effect:
            case Decide():
                self._events.append((node, Decided(answer=True, reason="")))
            case Train():
                release = digest(b"release" + node.encode())
                rows = self.rows.get(node, ROWS)
                self._events.append(
                    (node, Trained(release=release, nonce=digest(release), rows=rows, epsilon_micro=EPSILON_MICRO))
                )
            case ScoreReleases(session=session, reveals=reveals):
                held = {reveal.author for reveal in reveals}
                authors = [author for author in session.commits if author != node]
                self._events.append((node, Scored(scores=tuple(self._line(a, a in held) for a in authors))))
            case Combine(reveals=reveals):
                model = digest(b"".join(reveal.release for reveal in reveals))
                self._events.append((node, Combined(model=model, size=1)))
            case Remember(memory=memory):
                self._charged(node, lambda: encode(memory))
            case Post(session=session_id, body=body):
                self._post(node, session_id, body)
            case Send(to=to, session=about, message=message):
                data = self._charged(node, lambda: self._packed(node, to, about, message))
                self._mail.append((to, data))
            case _:
                pass

    def _line(self, author: NodeId, received: bool) -> Score:
        if not received:
            return Score(author=author, received=False)
        loss = self.losses_ppm.get(author, HONEST_LOSS_PPM)
        signal = EXPECTED_MICRO * (1_000_000 - loss) // 1_000_000
        return Score(author=author, received=True, signal_micro=signal, expected_micro=EXPECTED_MICRO)

    def _post(self, node: NodeId, session_id: SessionId, body: Transaction) -> None:
        session = self._ledger.session(session_id)
        assert session is not None
        if isinstance(body, CommitModel) and node in self.copiers:
            if not session.commits:
                self._states[node] = replace(self._states[node], begun=frozenset())
                self._events.append((node, Woke(now_ms=self._now_ms)))
                return
            body = replace(body, commitment=next(iter(session.commits.values())).commitment)
        data = self._charged(node, lambda: self._signed(self._names[node], body, session))
        self._submit(node, data)

    def _submit(self, node: NodeId, transaction: bytes) -> None:
        if node != self._keys["super"].node:
            self._packed(node, self._keys["super"].node, b"", Submit(transaction=transaction))
        self._queue.append(transaction)

    # --- the wire -----------------------------------------------------------------------------------

    def _packed(self, sender: NodeId, to: NodeId, session: bytes, message: Message) -> bytes:
        keys = self._keys[self._names[sender]]
        data = pack(
            message,
            chain=self._genesis.chain,
            epoch=0,
            session=session,
            sender=sender,
            recipient=to,
            key=keys.signing,
            recipient_keys=self._keys[self._names[to]].public,
            head=self._head if isinstance(message, WITH_HEAD) else None,
        )
        self.messages += 1
        self.sent_bytes += len(data)
        return data

    def _open(self, to: NodeId, data: bytes) -> Received:
        return unpack(
            data,
            chain=self._genesis.chain,
            me=to,
            sealing=self._keys[self._names[to]].sealing,
            keys_of=lambda node: self._keys[self._names[node]].public,
        )

    def _arrived(self, to: NodeId, received: Received) -> None:
        match received.message:
            case Reveal() as reveal:
                self._events.append((to, RevealReceived(reveal=reveal)))
            case AskReveal(authors=authors):
                self._events.append((to, RevealAsked(sender=received.sender, authors=authors)))
            case Vote(block=block, signature=signature):
                self._events.append((to, VoteReceived(sender=received.sender, block=block, signature=signature)))
            case _:
                pass

    # --- the ledger ---------------------------------------------------------------------------------

    def _make_block(self) -> Applied:
        """The super node orders what has come; every node applies the block, this one for all of them."""
        transactions, self._queue = tuple(self._queue), deque()
        self._height += 1
        forget_signatures()
        start = time.process_time()
        applied = self._ledger.apply(transactions, time_ms=self._now_ms, height=self._height, previous=self._previous)
        header = BlockHeader(
            chain=self._genesis.chain,
            height=self._height,
            time_ms=self._now_ms,
            previous=self._previous,
            transactions_root=merkle.root(transactions),
            state_root=applied.state_root,
            proposer=self._keys["super"].node,
            epoch=0,
        )
        block = Block.sign(header, transactions, self._keys["super"].signing)
        verify_block(
            block,
            genesis=self._genesis,
            previous=self._previous,
            height=self._height,
            after_ms=0,
            public=self._keys["super"].signing.public,
        )
        took = time.process_time() - start
        followers = len(self.providers) + 1
        self.cpu_s += took * (1 + followers)
        self.wall_s += 2 * took
        self.messages += followers
        self.sent_bytes += followers * len(block.to_bytes())
        self._previous, self._head = header.digest, block.signed_header
        self._tell(applied)
        return applied

    def _tell(self, applied: Applied) -> None:
        for session_id in applied.changed_sessions:
            session = self._ledger.session(session_id)
            assert session is not None
            for node in (*session.drawn, *session.witnesses):
                self._states.setdefault(node, member.MemberState(node=node, session=session))
                self._events.append((node, SessionAdvanced(session=session)))

    def _signed(self, name: str, body: Transaction, session: Session | None) -> bytes:
        keys = self._keys[name]
        envelope = sign_transaction(
            body,
            chain=self._genesis.chain,
            epoch=0,
            sender=keys.node,
            key=keys.signing,
            session=session.id if session else b"",
        )
        return envelope.to_bytes()

    def _charged(self, node: NodeId, work: Callable[[], T]) -> T:
        forget_signatures()
        start = time.process_time()
        done = work()
        took = time.process_time() - start
        self.cpu_s += took
        self._busy[node] = self._busy.get(node, 0.0) + took
        return done

    # --- before the session -------------------------------------------------------------------------

    def _settle_in(self) -> None:
        """Everybody joins; every provider has a profile and lets everything happen."""
        for name in self._keys:
            roles = {"super": (Role.SUPER_NODE.value, Role.WITNESS.value), "asker": (Role.REQUESTER.value,)}
            self._admit(name, roles.get(name, (Role.PROVIDER.value,)))
        book = RegisterCodebook(digest=CODEBOOK, size=1, references=0, leaf_labels=("x",))
        self._queue.append(self._signed("super", book, None))
        for node in self.providers:
            record = RetrievalRecord(provider=node, codebook=CODEBOOK, epsilon_micro=EPSILON_MICRO, histogram=(60,))
            self._queue.append(self._signed(self._names[node], RegisterProfile(record=record), None))
            policy = SetPolicy(policy=Policy(version=1, rules=(_ANY,)))
            self._queue.append(self._signed(self._names[node], policy, None))
        refused = [result for result in self._make_block().results if result.code]
        assert not refused, refused

    def _admit(self, name: str, roles: tuple[str, ...]) -> None:
        keys = self._keys[name]
        credential = Credential(
            chain=self._genesis.chain,
            organisation=f"org-{name}",
            name=name,
            roles=roles,
            signing_key=keys.signing.public,
            sealing_key=keys.sealing.public,
            issued_ms=START_MS,
        )
        membership = Membership(credential=credential, signatures=(sign_as_admin(self._admin, credential.digest),))
        self._queue.append(self._signed(name, RegisterMember(membership=membership), None))

    def _task(self) -> Task:
        return Task(
            codebook=CODEBOOK,
            epsilon_micro=EPSILON_MICRO,
            delta_pico=10_000_000,
            providers_min=2,
            providers_max=len(self.providers),
            accept_unverified=True,
            consent_ms=STAGE_MS,
            commit_ms=STAGE_MS,
            score_ms=STAGE_MS,
            seal_ms=STAGE_MS,
            purpose="comparison",
            queries=bytes(32),
        )


class _Keys:
    """One node's keys, made from its name: nothing here is secret."""

    def __init__(self, name: str) -> None:
        self.signing = SigningKey.from_bytes(digest(b"signing " + name.encode()))
        self.sealing = SealingKey.from_bytes(digest(b"sealing " + name.encode()))
        self.node = node_id(self.signing.public)
        self.public = PublicKeys(signing=self.signing.public, sealing=self.sealing.public)


def _genesis(admin: SigningKey, orderer: _Keys, providers: int) -> Genesis:
    entry = SuperNodeEntry(
        organisation="org-super",
        name="super",
        signing_key=orderer.signing.public,
        sealing_key=orderer.sealing.public,
        endpoint="tls/127.0.0.1:1",
    )
    return Genesis(
        chain_name="comparison",
        created_ms=START_MS,
        admins=(admin.public,),
        threshold=1,
        super_nodes=(entry,),
        parameters=Parameters(committee_max=max(64, providers)),
    )
