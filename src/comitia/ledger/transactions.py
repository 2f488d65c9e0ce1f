"""Everything that can be written on the ledger: one frozen dataclass a transaction, and the bounds each must keep.

A transaction travels as the payload of an `Envelope` whose header names its type, its author, the epoch that the
author's key is judged at and, within a session, the session. Its id is the digest of what the author signed.

Source: Fig. 4
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from comitia.consensus.score_sheet import Score
from comitia.core.codec import decode, digest, encode
from comitia.core.crypto import SEALING_KEY_BYTES, SIGNATURE_BYTES, SigningKey, can_be_sealed_for
from comitia.core.envelope import VERSION, Envelope, Header
from comitia.core.errors import InputError, ProtocolError
from comitia.core.ids import NodeId, SessionId, TransactionId, key_id
from comitia.learning.wire import RELEASE_LIMIT
from comitia.ledger.genesis import AdminSignature, Membership
from comitia.privacy.terms import Unit
from comitia.retrieval.profile import MAX_LEAVES, RetrievalRecord

MAX_TRANSACTION_BYTES: Final = 256 * 1024
"""Largest envelope; each type has a smaller bound of its own, see `BOUNDS`."""

DIGEST_BYTES: Final = 32
NONCE_BYTES: Final = 16
MAX_TEXT: Final = 256
MAX_REASON: Final = 1024
MAX_LIST: Final = 256
MAX_COMMITTEE: Final = 128
MAX_ROUNDS: Final = 64
MAX_ROWS: Final = 10**12
MAX_EPSILON_MICRO: Final = 10**9
MAX_MODEL_BYTES: Final = 1 << 31
MAX_SETS: Final = 1024
"""Most sets of documents that a witness may ever bind itself to for one codebook."""
SHORTEST_STAGE_MS: Final = 500
"""In less nobody trains or scores: providers would pay for releases that come too late, and get strikes for them."""
CONTROLS: Final = frozenset(
    map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)))
)
"""Characters that move a terminal's cursor or turn its text around, so that it shows something else than there is. A
fixed list: what Python takes for printable changes with its version, and nodes would disagree."""
DELTA_ONE_PICO: Final = 10**12
ANYONE: Final = "*"

CACHE_DOMAIN: Final = b"comitia cache key\x00"
POQ_BLOCK_DOMAIN: Final = b"comitia poq block\x00"


class ConsentMode(StrEnum):
    """Whether a policy rule says yes by itself, or asks a person."""

    AUTO = "auto"
    MANUAL = "manual"


class Phase(StrEnum):
    """Where a session stands; the reveal happens off the ledger at the start of SCORE."""

    CONSENT = "consent"
    COMMIT = "commit"
    SCORE = "score"
    SEAL = "seal"
    SEALED = "sealed"
    ABORTED = "aborted"


class EvidenceKind(StrEnum):
    """Misbehaviour that signatures prove to anyone."""

    EQUIVOCATION = "equivocation"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One thing that a provider lets happen.

    Attributes
    ----------
    requesters : node ids or organisation names; ``("*",)`` is any member.
    categories : category ids; ``("*",)`` is any, also requests that name none.
    purposes : purposes in the consortium's own words; ``("*",)`` is any.
    epsilon_session_micro : most epsilon one session may cost, millionths.
    epsilon_period_micro, period_ms : most epsilon one requester may cost in any period of that length.
    epsilon_life_micro : most epsilon one requester may ever cost.
    consent : "auto" or "manual".
    """

    requesters: tuple[str, ...]
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    epsilon_session_micro: int
    epsilon_period_micro: int
    period_ms: int
    epsilon_life_micro: int
    consent: ConsentMode = ConsentMode.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Whom a provider shares with. No rule: with nobody.

    Attributes
    ----------
    version : grows with every change; an old policy cannot be played back.
    rules : the first one that fits decides.
    """

    version: int
    rules: tuple[PolicyRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a requester wants learnt.

    Attributes
    ----------
    codebook : digest of the codebook, 32 bytes.
    categories : which providers to ask, category ids of the codebook; with no leaves either: any.
    leaves : leaves of the codebook whose providers are asked too, ascending: those that stand for no category.
    kind, learner : "classification" or "regression", as the codebook has it; name in the registry of learners.
    rounds : how often the providers train, each time on the model so far; the budget is for all rounds together.
    chain : one provider trains in each round, in turn, instead of all; Algorithm 1 as it stands.
    threshold_ppm : a loss on the codebook's references, in millionths, at which rounds stop early; None: never.
    epsilon_micro, delta_pico, unit : privacy of each provider's release; 0 delta is pure.
    providers_min, providers_max : bounds of the committee's providers.
    accept_unverified : whether releases that nobody can judge are used (marked so, without credit).
    kappa : exponent of the contribution in Eq. (7): the consortium's.
    reuse : whether a cached model, or a release served before, is as good as a new one.
    consent_ms, commit_ms, score_ms, seal_ms : length of each stage.
    purpose : what the model is for, in the words of the providers' policies.
    queries : digest of the requester's queries, 32 bytes; the queries stay with the requester.
    """

    codebook: bytes
    categories: tuple[str, ...] = ()
    leaves: tuple[int, ...] = ()
    kind: str = "classification"
    learner: str = "prototype"
    rounds: int = 1
    chain: bool = False
    threshold_ppm: int | None = None
    epsilon_micro: int
    delta_pico: int
    unit: Unit = Unit.RECORD
    providers_min: int
    providers_max: int
    accept_unverified: bool = False
    kappa: int = 1
    reuse: bool = True
    consent_ms: int
    commit_ms: int
    score_ms: int
    seal_ms: int
    purpose: str
    queries: bytes

    @property
    def digest(self) -> bytes:
        """32 bytes that name exactly this task, in the block that answers it."""
        return digest(encode(self))

    def cache_key(self, epoch: int) -> bytes:
        """32 bytes shared by all tasks that one model answers within an epoch.

        Left out are the requester, the time, the purpose (the policies judge that at every hit), the stages' lengths,
        `reuse`, and the queries: M "can accept any query", so it does not depend on them.
        """
        fields = (
            self.codebook, list(self.categories), list(self.leaves), self.kind, self.learner, self.epsilon_micro,
            self.delta_pico, self.unit.value, self.providers_min, self.providers_max, self.accept_unverified,
            self.kappa, epoch, self.rounds, self.chain, self.threshold_ppm,
        )  # fmt: skip
        return digest(CACHE_DOMAIN + encode(fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTransaction:
    """What the ledger keeps of one local model: never the model.

    Attributes
    ----------
    author, commitment, rows, epsilon_micro : as its author committed it.
    round : in which round, from 1.
    verdict : value of `consensus.quality.Verdict`.
    mae_ppm, weighted_mae_ppm : MAE(m_i) and MAE^u of Eq. (7), millionths.

    Source: Table I
    """

    author: NodeId
    commitment: bytes
    rows: int
    epsilon_micro: int
    round: int = 1
    verdict: str
    mae_ppm: int
    weighted_mae_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoqBlock:
    """One sealed sharing event: who asked, who contributed, how good it was, and the digest of M.

    It holds no previous hash while members sign it; `apply` gives it its place in the PoQ chain, so concurrent
    requests never invalidate each other. Every field follows from the ledger and M: a new leader cannot change it.

    Attributes
    ----------
    chain, session, epoch : where it belongs.
    task : digest of the task.
    requester, purpose, codebook : who asked, for what, in which codebook.
    transactions : one for each committed model, by author.
    scores : digest of all score sheets.
    accepted, ranking, leader : the judgement; the leader is the first in rank.
    model, model_size : digest of M's canonical bytes and their number.
    learner : which learner made it.
    members, quorum : the committee and how many of its signatures seal.
    references : commitments to the documents kept back that counted, by keeper.

    Source: III.D.2, B_k = (H_k, <t_mi>, M)
    """

    chain: str
    session: SessionId
    epoch: int
    task: bytes
    requester: NodeId
    purpose: str
    codebook: bytes
    transactions: tuple[ModelTransaction, ...]
    scores: bytes
    accepted: tuple[NodeId, ...]
    ranking: tuple[NodeId, ...]
    leader: NodeId
    model: bytes
    model_size: int
    learner: str
    members: tuple[NodeId, ...]
    quorum: int
    references: tuple[tuple[NodeId, bytes], ...] = ()


def block_digest(block: PoqBlock) -> bytes:
    """32 bytes that committee members sign."""
    return digest(POQ_BLOCK_DOMAIN + encode(block))


# --- membership ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMember:
    """Admit a node; sent by the node itself or a super node, approved by the administrators."""

    membership: Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKey:
    """Replace the author's keys from the next epoch on.

    Attributes
    ----------
    signing_key, sealing_key : the new public keys, 32 bytes each.
    proof : signature of the new signing key over `rotation_digest`: its owner wants this.
    """

    signing_key: bytes
    sealing_key: bytes
    proof: bytes


def rotation_digest(chain: str, node: NodeId, signing_key: bytes, sealing_key: bytes) -> bytes:
    """32 bytes that the new key signs."""
    return digest(b"comitia rotation\x00" + encode([chain, node, signing_key, sealing_key]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeMember:
    """Exclude a node from the next epoch on; administrators sign `genesis.revocation_digest`."""

    node: NodeId
    reason: str
    signatures: tuple[AdminSignature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCodebook:
    """Make a codebook known by digest and size; by a super node, or with administrators' approval.

    Attributes
    ----------
    digest, size : of its canonical bytes.
    references : labelled public documents in it; what reference losses are measured on.
    leaf_labels : category of each leaf, "" for one without a name: how a request finds its leaves.
    signatures : administrators', over `genesis.codebook_digest`; empty when a super node sends it.
    """

    digest: bytes
    size: int
    references: int
    leaf_labels: tuple[str, ...]
    signatures: tuple[AdminSignature, ...] = ()


# --- providers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterProfile:
    """Publish the author's retrieval record: it can be found from now on.

    Attributes
    ----------
    record : the profile.
    issued_ms : tells one registration of the same record from another.

    Source: III.C step 2; Cf. Fig. 4.
    """

    record: RetrievalRecord
    issued_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Take the author out of retrieval and of every cached model, at once.

    Attributes
    ----------
    issued_ms : tells one withdrawal from another.
    """

    issued_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy:
    """Replace the author's policy; its version must be higher than the last."""

    policy: Policy


# --- witnesses ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReferences:
    """Bind the author, a witness, to sets of labelled documents that it keeps back.

    One is used up in each session that it sits in, in this order: it has no choice when it has seen a release.

    Attributes
    ----------
    codebook : of the documents' vectors and labels.
    commitments : see `session.references_commitment`.
    """

    codebook: bytes
    commitments: tuple[bytes, ...]


# --- a session ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Ask for a model; the transaction's id becomes the session's.

    Attributes
    ----------
    task : what is wanted.
    issued_ms : when; must lie near its block's time.
    nonce : 16 bytes, so that the same task can be asked twice.
    """

    task: Task
    issued_ms: int
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A drawn provider's yes or no, with a reason for people."""

    answer: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitModel:
    """Bind the author to a release that nobody has seen. Source: Fig. 7

    Attributes
    ----------
    commitment : see `session.commitment`.
    rows : documents trained on, as declared.
    epsilon_micro : privacy paid, for all rounds with the first release; 0 where it is paid already.
    size : of the release, bytes.
    round : the round it is for.
    """

    commitment: bytes
    rows: int
    epsilon_micro: int
    size: int
    round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PostScores:
    """A member's score sheet: one line for every committed model but its own, of one round."""

    scores: tuple[Score, ...]
    round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRounds:
    """A member says that the model of the rounds before is good enough on the public references.

    Attributes
    ----------
    round : the round that is not needed any more.
    """

    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealBlock:
    """The block of a session with its certificate: signatures over `block_digest`, by member id, ascending.

    Source: III.C step 6
    """

    block: PoqBlock
    certificate: tuple[tuple[NodeId, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortRequest:
    """The requester gives up."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Move a session on whose stage has run out of time; by anyone.

    Attributes
    ----------
    phase, view : the stage that is over; a tick that comes late moves nothing else on.
    """

    phase: Phase
    view: int


# --- records ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReuse:
    """A super node answers a request from the cache.

    Attributes
    ----------
    request : the requester's signed `OpenRequest` envelope.
    source : the sealed session whose model is served.
    """

    request: bytes
    source: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEvidence:
    """Proof, made of the accused's own signatures, that it broke the protocol; see `evidence`."""

    kind: EvidenceKind
    accused: NodeId
    items: tuple[bytes, ...]


Transaction = (
    RegisterMember | RotateKey | RevokeMember | RegisterCodebook | RegisterProfile | Withdraw | SetPolicy
    | BindReferences
    | OpenRequest | Consent | CommitModel | PostScores | EndRounds | SealBlock | AbortRequest | Tick
    | RecordReuse | ReportEvidence
)  # fmt: skip

TYPES: Final[dict[str, type[Transaction]]] = {
    "register-member": RegisterMember,
    "rotate-key": RotateKey,
    "revoke-member": RevokeMember,
    "register-codebook": RegisterCodebook,
    "register-profile": RegisterProfile,
    "withdraw": Withdraw,
    "set-policy": SetPolicy,
    "bind-references": BindReferences,
    "open-request": OpenRequest,
    "consent": Consent,
    "commit-model": CommitModel,
    "post-scores": PostScores,
    "end-rounds": EndRounds,
    "seal-block": SealBlock,
    "abort-request": AbortRequest,
    "tick": Tick,
    "record-reuse": RecordReuse,
    "report-evidence": ReportEvidence,
}

_NAMES: Final = {cls: name for name, cls in TYPES.items()}

IN_SESSION: Final[frozenset[type[Transaction]]] = frozenset(
    {Consent, CommitModel, PostScores, EndRounds, SealBlock, AbortRequest, Tick}
)
"""Types whose header names a session; all others must leave it empty."""

ONCE_IN_SESSION: Final[frozenset[str]] = frozenset({"consent", "commit-model", "post-scores"})
"""Types of which an honest node signs exactly one a session, or one a round, whatever happens."""


def round_of(body: Transaction) -> int:
    """The round that a transaction belongs to; 1 for what a session has once."""
    return body.round if isinstance(body, CommitModel | PostScores | EndRounds) else 1


BOUNDS: Final[dict[type[Transaction], int]] = {
    RegisterMember: 8 << 10,
    RotateKey: 1 << 10,
    RevokeMember: 8 << 10,
    RegisterCodebook: 128 << 10,
    RegisterProfile: 64 << 10,
    Withdraw: 256,
    SetPolicy: 32 << 10,
    BindReferences: 48 << 10,
    OpenRequest: 16 << 10,
    Consent: 2 << 10,
    CommitModel: 512,
    PostScores: 96 << 10,
    EndRounds: 64,
    SealBlock: 128 << 10,
    AbortRequest: 2 << 10,
    Tick: 128,
    RecordReuse: 32 << 10,
    ReportEvidence: 200 << 10,
}
"""Most payload bytes of each type, looked at before anything is parsed."""


def type_name(cls: type[Transaction]) -> str:
    """The name that a header carries for a transaction type, for example "open-request"."""
    return _NAMES[cls]


def sign_transaction(
    body: Transaction, *, chain: str, epoch: int, sender: NodeId, key: SigningKey, session: bytes = b""
) -> Envelope:
    """Put a transaction into its author's signed envelope."""
    header = Header(
        version=VERSION,
        chain=chain,
        epoch=epoch,
        session=session,
        stage="",
        sender=sender,
        key_id=key_id(key.public),
        type=type_name(type(body)),
        audience="",
    )
    return Envelope.sign(header, encode(body), key)


def transaction_id(envelope: Envelope) -> TransactionId:
    """The id of a transaction: the same whatever valid signature stands under it."""
    return TransactionId(envelope.digest)


def parse(data: bytes) -> tuple[Envelope, Transaction]:
    """Read a transaction and check everything about it that needs no ledger.

    1. It is not larger than any transaction may be, and not larger than its own type may be, before it is parsed.
    2. Its type is known, and it names a session exactly where its type belongs in one.
    3. Stage and audience are empty: a message between members is never a transaction.
    4. Every value is within its bounds.

    Its signature is judged where the author's key is known.

    Raises
    ------
    ProtocolError
        For any of these.
    """
    envelope = Envelope.from_bytes(data, limit=MAX_TRANSACTION_BYTES)  # 1
    header = envelope.header
    cls = TYPES.get(header.type)
    if cls is None:  # 2
        raise ProtocolError(f"{header.type[:40]!r} is not a type of transaction", code="unknown-type")
    if (len(header.session) == DIGEST_BYTES) != (cls in IN_SESSION) or len(header.session) not in (
        0,
        DIGEST_BYTES,
    ):
        raise ProtocolError(f"a {header.type} does not belong in this session", code="out-of-place")
    if header.stage or header.audience:  # 3
        raise ProtocolError("a message to one node is not a transaction", code="out-of-place")
    body = decode(cls, envelope.payload, limit=BOUNDS[cls])  # 1
    check_bounds(body)  # 4
    return envelope, body


# --- bounds -------------------------------------------------------------------------------------------------


def check_bounds(body: Transaction) -> None:
    """Refuse values outside their bounds.

    Raises
    ------
    ProtocolError
        Code ``out-of-bounds``, naming the field; ``bad-key`` for a sealing key that seals nothing.
    """
    match body:
        case RegisterMember(membership=membership):
            credential = membership.credential
            for name in ("organisation", "name"):
                _text(name, getattr(credential, name), MAX_TEXT, empty=False)
            _size("signing_key", credential.signing_key, 32)
            _sealing_key(credential.sealing_key)
            _distinct("roles", credential.roles)
        case RotateKey():
            _size("signing_key", body.signing_key, 32)
            _sealing_key(body.sealing_key)
            _size("proof", body.proof, SIGNATURE_BYTES)
        case RevokeMember():
            _text("reason", body.reason, MAX_REASON)
        case RegisterCodebook():
            _size("digest", body.digest, DIGEST_BYTES)
            _range("size", body.size, 1, MAX_MODEL_BYTES)
            _range("references", body.references, 0, 1 << 24)
            _range("number of leaves", len(body.leaf_labels), 0, MAX_LEAVES)
            for index, label in enumerate(body.leaf_labels):
                _text(f"leaf_labels[{index}]", label, MAX_TEXT)
        case SetPolicy(policy=policy):
            _policy(policy)
        case BindReferences():
            _size("codebook", body.codebook, DIGEST_BYTES)
            _range("number of commitments", len(body.commitments), 1, MAX_SETS)
            for index, commitment in enumerate(body.commitments):
                _size(f"commitments[{index}]", commitment, DIGEST_BYTES)
        case OpenRequest():
            _task(body.task)
            _size("nonce", body.nonce, NONCE_BYTES)
            _range("issued_ms", body.issued_ms, 0, 1 << 53)
        case Consent(reason=reason):
            _text("reason", reason, MAX_REASON)
        case CommitModel():
            _size("commitment", body.commitment, DIGEST_BYTES)
            _range("rows", body.rows, 1, MAX_ROWS)
            _range("epsilon_micro", body.epsilon_micro, 0, MAX_EPSILON_MICRO)
            _range("round", body.round, 1, MAX_ROUNDS)
            _range("size", body.size, 1, RELEASE_LIMIT)
        case PostScores(scores=scores):
            _range("round", body.round, 1, MAX_ROUNDS)
            _range("number of scores", len(scores), 0, MAX_COMMITTEE)
        case EndRounds():
            _range("round", body.round, 2, MAX_ROUNDS)
        case SealBlock():
            _range("number of signatures", len(body.certificate), 1, MAX_COMMITTEE)
            _range("model_size", body.block.model_size, 1, MAX_MODEL_BYTES)
            _size("model", body.block.model, DIGEST_BYTES)
        case AbortRequest(reason=reason):
            _text("reason", reason, MAX_REASON)
        case Tick(view=view):
            _range("view", view, 0, MAX_COMMITTEE)
        case RecordReuse(source=source):
            _size("source", source, DIGEST_BYTES)
        case ReportEvidence(items=items):
            _range("number of items", len(items), 1, 4)
        case RegisterProfile(record=record):
            for index, kind in enumerate(record.data_types):
                _text(f"data_types[{index}]", kind, MAX_TEXT)
        case Withdraw():
            pass


def require_acceptable(body: Transaction) -> None:
    """Refuse to its author what the ledger would refuse for its bounds, before anything is kept or sent.

    Raises
    ------
    InputError
        `out-of-bounds`, naming the field.
    """
    try:
        check_bounds(body)
    except ProtocolError as error:
        raise InputError(error.message, code=error.code) from error


def _task(task: Task) -> None:
    _size("task.codebook", task.codebook, DIGEST_BYTES)
    _size("task.queries", task.queries, DIGEST_BYTES)
    _distinct("task.categories", task.categories)
    _range("number of task.leaves", len(task.leaves), 0, MAX_LIST)
    if list(task.leaves) != sorted(set(task.leaves)):
        raise _out_of_bounds("task.leaves", "must hold different leaves in ascending order")
    _text("task.purpose", task.purpose, MAX_TEXT)
    _text("task.kind", task.kind, MAX_TEXT, empty=False)
    _text("task.learner", task.learner, MAX_TEXT, empty=False)
    _range("task.epsilon_micro", task.epsilon_micro, 1, MAX_EPSILON_MICRO)
    _range("task.delta_pico", task.delta_pico, 0, DELTA_ONE_PICO - 1)
    _range("task.kappa", task.kappa, -1, 1)
    _range("task.rounds", task.rounds, 1, MAX_ROUNDS)
    if task.threshold_ppm is not None:
        _range("task.threshold_ppm", task.threshold_ppm, 0, 10**6)
    _range("task.providers_max", task.providers_max, 1, MAX_COMMITTEE)
    _range("task.providers_min", task.providers_min, 1, task.providers_max)
    for name in ("consent_ms", "commit_ms", "score_ms", "seal_ms"):
        _range(f"task.{name}", getattr(task, name), SHORTEST_STAGE_MS, 1 << 40)


def _policy(policy: Policy) -> None:
    _range("policy.version", policy.version, 1, 1 << 53)
    _range("number of rules", len(policy.rules), 0, MAX_LIST)
    for index, rule in enumerate(policy.rules):
        for name in ("requesters", "categories", "purposes"):
            _distinct(f"policy.rules[{index}].{name}", getattr(rule, name))
        for name in ("epsilon_session_micro", "epsilon_period_micro", "epsilon_life_micro"):
            _range(f"policy.rules[{index}].{name}", getattr(rule, name), 0, 10**12)
        _range(f"policy.rules[{index}].period_ms", rule.period_ms, 0, 1 << 53)


def _out_of_bounds(field: str, fault: str) -> ProtocolError:
    return ProtocolError(f"{field} {fault}", code="out-of-bounds", field=field)


def _range(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise _out_of_bounds(field, f"is {value}, must be {low} to {high}")


def _size(field: str, value: bytes, size: int) -> None:
    if len(value) != size:
        raise _out_of_bounds(field, f"has {len(value)} bytes, must have {size}")


def _sealing_key(value: bytes) -> None:
    _size("sealing_key", value, SEALING_KEY_BYTES)
    if not can_be_sealed_for(value):
        raise ProtocolError("nothing can be sealed for sealing_key: its point has a small order", code="bad-key")


def _text(field: str, value: str, limit: int, *, empty: bool = True) -> None:
    if len(value) > limit or not (value or empty):
        raise _out_of_bounds(field, f"has {len(value)} characters, must have {0 if empty else 1} to {limit}")
    if not CONTROLS.isdisjoint(value):
        raise _out_of_bounds(field, "has a control character")


def _distinct(field: str, values: Sequence[str]) -> None:
    if len(values) > MAX_LIST or len(set(values)) != len(values):
        raise _out_of_bounds(field, f"must hold at most {MAX_LIST} different values")
    for value in values:
        _text(field, value, MAX_TEXT, empty=False)
