"""A small consortium on paper: keys, genesis, and transactions signed by whom the test says. Deterministic."""

from __future__ import annotations

from dataclasses import dataclass, field

from comitia.consensus.score_sheet import Score
from comitia.core.codec import digest
from comitia.core.crypto import SealingKey, SigningKey
from comitia.core.ids import NodeId, SessionId, node_id
from comitia.ledger.application import Application, Applied
from comitia.ledger.genesis import Credential, Genesis, Membership, Parameters, Role, SuperNodeEntry, sign_as_admin
from comitia.ledger.session import Session, block_digest, commitment, expected_block, leader
from comitia.ledger.transactions import (
    CommitModel,
    Consent,
    OpenRequest,
    Policy,
    PolicyRule,
    PostScores,
    RegisterCodebook,
    RegisterMember,
    RegisterProfile,
    SealBlock,
    SetPolicy,
    Task,
    Transaction,
    sign_transaction,
)
from comitia.retrieval.profile import RetrievalRecord

START_MS = 1_700_000_000_000
CODEBOOK = digest(b"codebook")
SEALING = SealingKey.from_bytes(digest(b"sealing"))
ADMIN = SigningKey.from_bytes(digest(b"admin"))
MODEL, MODEL_SIZE = digest(b"model"), 5
LIBERAL = PolicyRule(
    requesters=("*",),
    categories=("*",),
    purposes=("*",),
    epsilon_session_micro=10**7,
    epsilon_period_micro=10**7,
    period_ms=1,
    epsilon_life_micro=10**7,
)


def key(name: str) -> SigningKey:
    return SigningKey.from_bytes(digest(name.encode()))


def node(name: str) -> NodeId:
    return node_id(key(name).public)


def genesis(parameters: Parameters | None = None) -> Genesis:
    entry = SuperNodeEntry(
        organisation="operator",
        name="super",
        signing_key=key("super").public,
        sealing_key=bytes(32),
        endpoint="tls/127.0.0.1:1",
    )
    return Genesis(
        chain_name="test",
        created_ms=START_MS,
        admins=(ADMIN.public,),
        threshold=1,
        super_nodes=(entry,),
        parameters=parameters or Parameters(),
    )


@dataclass
class World:
    """An application, a clock, and members who can be told to post."""

    providers: tuple[str, ...] = ("a", "b", "c")
    parameters: Parameters | None = None
    now_ms: int = START_MS + 1000
    height: int = 0
    application: Application = field(init=False)

    def __post_init__(self) -> None:
        self.genesis = genesis(self.parameters)
        self.application = Application(self.genesis)

    def signed(self, author: str, body: Transaction, session: Session | None = None, epoch: int | None = None) -> bytes:
        current = self.genesis.epoch_at(self.now_ms) if session is None else session.epoch
        envelope = sign_transaction(
            body,
            chain=self.genesis.chain,
            epoch=current if epoch is None else epoch,
            sender=node(author),
            key=key(author),
            session=session.id if session else b"",
        )
        return envelope.to_bytes()

    def block(self, *transactions: bytes) -> Applied:
        self.height += 1
        return self.application.apply(
            transactions, time_ms=self.now_ms, height=self.height, previous=digest(bytes([self.height % 256]))
        )

    def post(self, author: str, body: Transaction, session: Session | None = None) -> Applied:
        """One block with one transaction, which must take effect."""
        applied = self.block(self.signed(author, body, session))
        assert applied.results[0].code == "", applied.results[0].message
        return applied

    def code(self, author: str, body: Transaction, session: Session | None = None) -> str:
        """The code with which the ledger refuses a transaction; empty if it takes it."""
        return self.block(self.signed(author, body, session)).results[0].code

    def membership(self, name: str, roles: tuple[str, ...]) -> Membership:
        credential = Credential(
            chain=self.genesis.chain,
            organisation=f"org-{name}",
            name=name,
            roles=roles,
            signing_key=key(name).public,
            sealing_key=SEALING.public,
            issued_ms=START_MS,
        )
        return Membership(credential=credential, signatures=(sign_as_admin(ADMIN, credential.digest),))

    def admit(self, name: str, *roles: Role) -> None:
        membership = self.membership(name, tuple(role.value for role in roles))
        self.post(name, RegisterMember(membership=membership))

    def settle_in(self) -> None:
        """Everybody joins, with profiles and liberal policies."""
        self.admit("super", Role.SUPER_NODE, Role.WITNESS)
        self.admit("asker", Role.REQUESTER)
        leaves = ("x", "y", "")
        self.post("super", RegisterCodebook(digest=CODEBOOK, size=9, references=0, leaf_labels=leaves))
        for name in self.providers:
            self.admit(name, Role.PROVIDER)
            record = RetrievalRecord(provider=node(name), codebook=CODEBOOK, epsilon_micro=10**6, histogram=(60, 40, 0))
            self.post(name, RegisterProfile(record=record))
            self.post(name, SetPolicy(policy=Policy(version=1, rules=(LIBERAL,))))

    def task(self, **changes: object) -> Task:
        fields: dict[str, object] = {
            "codebook": CODEBOOK,
            "epsilon_micro": 10**6,
            "delta_pico": 10**7,
            "providers_min": 2,
            "providers_max": 9,
            "accept_unverified": True,
            "consent_ms": 1000,
            "commit_ms": 1000,
            "score_ms": 1000,
            "seal_ms": 1000,
            "purpose": "testing",
            "queries": bytes(32),
        }
        return Task(**{**fields, **changes})  # type: ignore[arg-type]

    def open(self, task: Task | None = None, nonce: bytes = bytes(16)) -> SessionId:
        body = OpenRequest(task=task or self.task(), issued_ms=self.now_ms, nonce=nonce)
        return self.post("asker", body).changed_sessions[0]

    def session(self, session: SessionId) -> Session:
        found = self.application.session(session)
        assert found is not None
        return found

    # --- a whole session ----------------------------------------------------------------------------

    def consent(self, session: SessionId, *names: str, answer: bool = True) -> None:
        for name in names or self.providers:
            self.post(name, Consent(answer=answer), self.session(session))

    def commit(self, session: SessionId, *names: str, rows: int = 100) -> None:
        for name in names or self.providers:
            self.post(name, self.commitment(session, name, rows), self.session(session))

    def commitment(self, session: SessionId, name: str, rows: int = 100) -> CommitModel:
        """To the release `name`, in a later round `name` and its number; the first release pays for all rounds."""
        current = self.session(session)
        release = name if current.round == 1 else f"{name}{current.round}"
        opened = commitment(session, node(name), bytes(32), release.encode())
        paid = any(node(name) in each.commits for each in current.earlier)
        return CommitModel(
            commitment=opened,
            rows=rows,
            epsilon_micro=0 if paid else 10**6,
            size=len(release),
            round=current.round,
        )

    def sheet(self, session: SessionId, judge: str, signal_micro: int = 9_000_000) -> PostScores:
        scores = tuple(
            Score(author=author, received=True, signal_micro=signal_micro, expected_micro=10_000_000)
            for author in sorted(self.session(session).commits)
            if author != node(judge)
        )
        return PostScores(scores=scores, round=self.session(session).round)

    def score(self, session: SessionId, *names: str) -> None:
        for name in names or (*self.providers, "super"):
            self.post(name, self.sheet(session, name), self.session(session))

    def seal_body(self, session: SessionId, *signers: str, model: bytes = MODEL) -> SealBlock:
        block = expected_block(self.session(session), model, MODEL_SIZE)
        names = signers or (*self.providers, "super")
        certificate = sorted((node(name), key(name).sign(block_digest(block))) for name in names)
        return SealBlock(block=block, certificate=tuple(certificate))

    def leader_name(self, session: SessionId) -> str:
        leads = leader(self.session(session))
        return next(name for name in (*self.providers, "super") if node(name) == leads)

    def run(self, session: SessionId) -> Session:
        """Take an open session to its sealed end."""
        self.consent(session)
        self.commit(session)
        self.score(session)
        self.post(self.leader_name(session), self.seal_body(session), self.session(session))
        return self.session(session)
