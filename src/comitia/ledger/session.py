"""One request's way over the ledger: the Proof of Training Quality session as pure functions.

`step` takes one transaction in, `advance` moves on a stage that has run out of time; both return a new `Session` or
refuse. Time is the block's. A stage ends when everyone it waits for has posted, or at its deadline: so every session
ends, sealed or aborted with a reason a person understands. `TRANSITIONS` lists every change of phase there is.

Source: III.D.2, Fig. 8
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, TypeVar

from comitia.consensus import committee
from comitia.consensus.committee import QuorumRule
from comitia.consensus.quality import Judgement, judge
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score, check_sheet
from comitia.consensus.verdicts import tally
from comitia.core import crypto
from comitia.core.codec import digest, encode
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, SessionId
from comitia.ledger.transactions import (
    AbortRequest,
    CommitModel,
    Consent,
    EndRounds,
    ModelTransaction,
    PoqBlock,
    PostScores,
    SealBlock,
    Task,
    Tick,
    Transaction,
)
from comitia.ledger.transactions import Phase as Phase
from comitia.ledger.transactions import block_digest as block_digest
from comitia.privacy.shares import shared_out
from comitia.privacy.terms import PrivacyTerms

BEACON_DOMAIN: Final = b"comitia beacon\x00"
COMMITMENT_DOMAIN: Final = b"comitia commitment\x00"
REFERENCES_DOMAIN: Final = b"comitia references\x00"

TRANSITIONS: Final[tuple[tuple[Phase, Phase, str], ...]] = (
    (Phase.CONSENT, Phase.COMMIT, "all asked have answered, or time is up; enough said yes"),
    (Phase.CONSENT, Phase.ABORTED, "too few said yes, or the requester gave up"),
    (Phase.COMMIT, Phase.SCORE, "all consenting providers have committed, or time is up; enough did"),
    (Phase.COMMIT, Phase.ABORTED, "too few committed, or the requester gave up"),
    (Phase.COMMIT, Phase.SEAL, "a quorum finds the rounds before good enough, or too few committed in a later round"),
    (
        Phase.SCORE,
        Phase.SEAL,
        "all present members have scored, or time is up; a quorum did, a model is accepted",
    ),
    (Phase.SCORE, Phase.COMMIT, "the same, and a round is left"),
    (Phase.SCORE, Phase.ABORTED, "too few scored, no model accepted, or the requester gave up"),
    (Phase.SEAL, Phase.SEAL, "time is up: the next in rank leads"),
    (Phase.SEAL, Phase.SEALED, "a block with a quorum's signatures"),
    (Phase.SEAL, Phase.ABORTED, "everyone in rank had a turn, or the requester gave up"),
)
"""Every change of phase: from, to, when."""

_ALLOWED: Final = frozenset((before, after) for before, after, _ in TRANSITIONS)

OPEN_PHASES: Final = frozenset({Phase.CONSENT, Phase.COMMIT, Phase.SCORE, Phase.SEAL})

Verifier = Callable[[bytes, bytes, bytes], bool]
"""(public key, message, signature) -> whether it is valid."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round that is over.

    Attributes
    ----------
    commits, scores : what was posted, by author.
    judgement : verdicts and ranking.
    """

    commits: dict[NodeId, CommitModel]
    scores: dict[NodeId, tuple[Score, ...]]
    judgement: Judgement


@dataclass(frozen=True, kw_only=True)
class Session:
    """The ledger's record of one request.

    Attributes
    ----------
    id : the request's transaction id.
    chain : the consortium's ledger.
    requester, task, epoch : who asked for what; every signature in the session is judged at this epoch.
    anchor_height, anchor : the request's block, and 32 bytes that depend on it and that nobody knew before.
    opened_ms, deadline_ms : when it opened, and when its current stage runs out of time.
    phase : where it stands.
    quorum_rule : the consortium's.
    reference_size : labelled public documents of the codebook, as registered.
    drawn : providers that were asked, best match first.
    witnesses : super nodes that vote and train nothing; cut to as many as are needed when COMMIT opens.
    keepers : those of them who keep references back that can judge this task's releases.
    kept_back : commitments to the references that are to be opened in SCORE, by keeper; empty before.
    keys : signing keys, at this epoch, of all drawn and all witnesses.
    consents, commits, scores : what was posted, by author; commits and scores of the current round.
    round : the current round, from 1.
    earlier : the rounds before it.
    enough : members for whom the rounds before are good enough.
    members : consenting providers and witnesses; empty before COMMIT.
    faults, quorum : how many Byzantine members it survives, how many signatures seal; 0 before COMMIT.
    judgement : verdicts and ranking of the current round, once its scores are closed.
    view : how many leaders had their turn.
    block, poq_height : what was sealed, and where in the PoQ chain; 0 before.
    closed_ms : when it was sealed or aborted; 0 before.
    abort_reason : why it was aborted, for people.
    """

    id: SessionId
    chain: str
    requester: NodeId
    task: Task
    epoch: int
    anchor_height: int
    anchor: bytes
    opened_ms: int
    deadline_ms: int
    phase: Phase = Phase.CONSENT
    quorum_rule: QuorumRule = QuorumRule.BFT
    reference_size: int = 0
    drawn: tuple[NodeId, ...]
    witnesses: tuple[NodeId, ...]
    keepers: tuple[NodeId, ...] = ()
    kept_back: dict[NodeId, bytes] = field(default_factory=dict)
    keys: dict[NodeId, bytes]
    consents: dict[NodeId, Consent] = field(default_factory=dict)
    members: tuple[NodeId, ...] = ()
    faults: int = 0
    quorum: int = 0
    commits: dict[NodeId, CommitModel] = field(default_factory=dict)
    scores: dict[NodeId, tuple[Score, ...]] = field(default_factory=dict)
    round: int = 1
    earlier: tuple[Round, ...] = ()
    enough: tuple[NodeId, ...] = ()
    judgement: Judgement | None = None
    view: int = 0
    block: PoqBlock | None = None
    poq_height: int = 0
    closed_ms: int = 0
    abort_reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.phase in OPEN_PHASES

    @property
    def providers(self) -> tuple[NodeId, ...]:
        """The members who train."""
        return tuple(member for member in self.members if member not in self.witnesses)

    @property
    def due(self) -> tuple[NodeId, ...]:
        """The members who train in the current round."""
        if not self.task.chain or not self.providers:
            return self.providers
        return (self.providers[(self.round - 1) % len(self.providers)],)

    @property
    def present(self) -> frozenset[NodeId]:
        """The members who can be expected to score the current round."""
        return frozenset(self.members if self.task.chain else (*self.commits, *self.witnesses))

    @property
    def judged_rounds(self) -> tuple[Round, ...]:
        """All rounds whose scores are closed."""
        if self.judgement is None:
            return self.earlier
        return (*self.earlier, Round(commits=self.commits, scores=self.scores, judgement=self.judgement))

    @cached_property
    def scores_digest(self) -> bytes:
        """Of every sheet in the judged rounds, in order."""
        sheets = [
            [[judge_id, each.scores[judge_id]] for judge_id in sorted(each.scores)] for each in self.judged_rounds
        ]
        return digest(encode(sheets))

    @property
    def contributors(self) -> tuple[NodeId, ...]:
        """Whose releases the model is made of."""
        return tuple(sorted({author for each in self.judged_rounds for author in each.judgement.accepted}))

    def commits_in(self, number: int) -> Mapping[NodeId, CommitModel]:
        """What was committed in a round; nothing if there has been none of that number."""
        if number == self.round:
            return self.commits
        return self.earlier[number - 1].commits if 1 <= number < self.round else {}

    def scores_in(self, number: int) -> Mapping[NodeId, tuple[Score, ...]]:
        """What was posted of a round's models; nothing if there has been none of that number."""
        if number == self.round:
            return self.scores
        return self.earlier[number - 1].scores if 1 <= number < self.round else {}


# --- facts that members and the application compute alike -----------------------------------------------------


def beacon_of(session_id: SessionId, anchor: bytes) -> bytes:
    """32 bytes that the session's draws depend on."""
    return digest(BEACON_DOMAIN + session_id + anchor)


def beacon(session: Session) -> bytes:
    """32 bytes that depend on the request's own block: nobody could aim a request at a committee."""
    return beacon_of(session.id, session.anchor)


def commitment(session: SessionId, author: NodeId, nonce: bytes, release: bytes) -> bytes:
    """H(session, author, nonce, model bytes): binds a provider to a release without showing it.

    The author is inside, so a copied commitment opens for nobody; so is the session, so an old one opens nowhere.
    """
    return digest(COMMITMENT_DOMAIN + encode([session, author, nonce, digest(release)]))


def references_commitment(chain: str, keeper: NodeId, nonce: bytes, references: bytes) -> bytes:
    """Binds a witness to documents without showing them; their codebook is inside `references`.

    The nonce hides documents that others could guess; the keeper is inside, so a copied commitment opens for nobody.
    """
    return digest(REFERENCES_DOMAIN + encode([chain, keeper, nonce, digest(references)]))


def leader(session: Session) -> NodeId:
    """Who assembles the block in the current view.

    Raises
    ------
    ProtocolError
        Code ``wrong-phase`` before the scores are closed.
    """
    ranking = _judgement(session).ranking
    return ranking[session.view % len(ranking)]


def releases_of(session: Session) -> int:
    """How many releases the session asks of one provider at most: its budget is shared out among them."""
    if not session.task.chain:
        return session.task.rounds
    return -(-session.task.rounds // max(1, len(session.providers)))


def release_terms(session: Session) -> PrivacyTerms:
    """What each release of the session has to promise: its share of the guarantee that the request asks for.

    Raises
    ------
    InputError
        `bad-epsilon`: too little was asked for to be shared out.
    """
    task = session.task
    asked = PrivacyTerms(epsilon_micro=task.epsilon_micro, delta_pico=task.delta_pico, unit=task.unit)
    return shared_out(asked, releases_of(session))


def expected_block(session: Session, model_digest: bytes, model_size: int) -> PoqBlock:
    """The only block that this session can be sealed with, given M.

    Members sign it, the application compares with it; no leader has any choice in it.

    Raises
    ------
    ProtocolError
        Code ``wrong-phase`` before the scores are closed.
    """
    judgement = _judgement(session)
    task = session.task
    return PoqBlock(
        chain=session.chain,
        session=session.id,
        epoch=session.epoch,
        task=task.digest,
        requester=session.requester,
        purpose=task.purpose,
        codebook=task.codebook,
        transactions=_model_transactions(session),
        scores=session.scores_digest,
        accepted=session.contributors,
        ranking=judgement.ranking,
        leader=judgement.ranking[0],
        model=model_digest,
        model_size=model_size,
        learner=task.learner,
        members=session.members,
        quorum=session.quorum,
        references=tuple((keeper, session.kept_back[keeper]) for keeper in judgement.opened),
    )


def _model_transactions(session: Session) -> tuple[ModelTransaction, ...]:
    """Round by round, within a round by author."""
    transactions: list[ModelTransaction] = []
    for number, each in enumerate(session.judged_rounds, start=1):
        losses, weighted = dict(each.judgement.losses_ppm), dict(each.judgement.weighted_mae_ppm)
        transactions += [
            ModelTransaction(
                author=author,
                commitment=each.commits[author].commitment,
                rows=each.commits[author].rows,
                epsilon_micro=each.commits[author].epsilon_micro,
                round=number,
                verdict=verdict.value,
                mae_ppm=losses[author],
                weighted_mae_ppm=weighted[author],
            )
            for author, verdict in each.judgement.verdicts
        ]
    return tuple(transactions)


def _judgement(session: Session) -> Judgement:
    if session.judgement is None:
        raise ProtocolError(f"the scores of session {_short(session)} are not closed", code="wrong-phase")
    return session.judgement


# --- transitions ----------------------------------------------------------------------------------------------


def step(
    session: Session, author: NodeId, body: Transaction, time_ms: int, *, verify: Verifier = crypto.verify
) -> Session:
    """Take one authenticated transaction into an open session.

    Parameters
    ----------
    session : Session
    author : NodeId
        Who signed it.
    body : Transaction
        One of `transactions.IN_SESSION`.
    time_ms : int
        Time of its block.
    verify : Verifier
        Checks the certificate's signatures; may remember what it has checked.

    Raises
    ------
    ProtocolError
        If the session has ended or is in another stage, the stage's time is up, the author has no part in it or has
        had its part, or the content does not fit the ledger. The session stays as it was.
    """
    if not session.is_open:
        raise ProtocolError(
            f"session {_short(session)} has ended ({session.phase})",
            code="session-ended",
            phase=session.phase.value,
        )
    match session.phase, body:
        case _, Tick():
            return _tick(session, body, time_ms)
        case _, AbortRequest():
            return _give_up(session, author, body, time_ms)
        case Phase.CONSENT, Consent():
            return _consent(session, author, body, time_ms)
        case Phase.COMMIT, CommitModel():
            return _commit(session, author, body, time_ms)
        case Phase.COMMIT, EndRounds():
            return _enough(session, author, body, time_ms)
        case Phase.SCORE, PostScores():
            return _score(session, author, body, time_ms)
        case Phase.SEAL, SealBlock():
            return _seal(session, author, body, time_ms, verify)
    raise ProtocolError(
        f"a {type(body).__name__} has no place in stage {session.phase} of session {_short(session)}",
        code="wrong-phase",
        phase=session.phase.value,
    )


def is_overdue(session: Session, time_ms: int) -> bool:
    """Whether the current stage has run out of time."""
    return session.is_open and time_ms > session.deadline_ms


def advance(session: Session, time_ms: int) -> Session:
    """End the current stage if its time is up; else return the session as it is."""
    if not is_overdue(session, time_ms):
        return session
    match session.phase:
        case Phase.CONSENT:
            return _close_consent(session, time_ms)
        case Phase.COMMIT:
            return _close_commit(session, time_ms)
        case Phase.SCORE:
            return _close_score(session, time_ms)
        case _:
            return _next_view(session, time_ms)


def _tick(session: Session, body: Tick, time_ms: int) -> Session:
    if (body.phase, body.view) != (session.phase, session.view):
        raise ProtocolError(f"session {_short(session)} has moved on already", code="wrong-phase")
    if not is_overdue(session, time_ms):
        raise ProtocolError(
            f"stage {session.phase} of session {_short(session)} has {session.deadline_ms - time_ms} ms left",
            code="too-early",
        )
    return advance(session, time_ms)


def _give_up(session: Session, author: NodeId, body: AbortRequest, time_ms: int) -> Session:
    if author != session.requester:
        raise ProtocolError("only its requester can abort a session", code="not-allowed", author=author)
    return _abort(session, time_ms, f"the requester gave up: {body.reason}")


def _consent(session: Session, author: NodeId, body: Consent, time_ms: int) -> Session:
    _require_in_time(session, time_ms)
    _require_part(session, author, session.drawn, session.consents)
    session = replace(session, consents=_with(session.consents, author, body))
    return _close_consent(session, time_ms) if len(session.consents) == len(session.drawn) else session


def _close_consent(session: Session, time_ms: int) -> Session:
    """Fix the committee: who said yes, and as many witnesses as that number of providers needs."""
    willing = tuple(node for node in session.drawn if node in session.consents and session.consents[node].answer)
    if len(willing) < session.task.providers_min:
        silent = len(session.drawn) - len(session.consents)
        refused = len(session.consents) - len(willing)
        return _abort(
            session,
            time_ms,
            f"{len(willing)} of {len(session.drawn)} providers agreed, {session.task.providers_min} needed "
            f"({refused} refused, {silent} did not answer)",
        )
    needed = committee.witnesses_needed(len(willing), len(session.witnesses), len(session.keepers))
    members = tuple(sorted(willing + session.witnesses[:needed]))
    session = replace(
        session,
        witnesses=session.witnesses[:needed],
        members=members,
        faults=committee.faults_tolerated(len(members)),
        quorum=committee.quorum(len(members), session.quorum_rule),
    )
    return _move(session, Phase.COMMIT, time_ms + session.task.commit_ms)


def _commit(session: Session, author: NodeId, body: CommitModel, time_ms: int) -> Session:
    _require_in_time(session, time_ms)
    _require_round(session, body.round)
    _require_part(session, author, session.due, session.commits)
    paid = any(author in each.commits for each in session.earlier)
    free = paid or session.task.reuse
    if body.epsilon_micro != (0 if paid else session.task.epsilon_micro) and not (free and body.epsilon_micro == 0):
        raise ProtocolError(
            f"the release is declared at epsilon {body.epsilon_micro} millionths, "
            f"the request says {session.task.epsilon_micro}",
            code="wrong-epsilon",
        )
    posted = [commit for number in range(1, session.round + 1) for commit in session.commits_in(number).values()]
    if any(body.commitment == other.commitment for other in posted):
        raise ProtocolError("this commitment was posted by another provider before", code="copied-commitment")
    session = replace(session, commits=_with(session.commits, author, body))
    return _close_commit(session, time_ms) if len(session.commits) == len(session.due) else session


def _enough(session: Session, author: NodeId, body: EndRounds, time_ms: int) -> Session:
    """A quorum for whom the rounds before are good enough ends them: what was committed since is never opened."""
    _require_in_time(session, time_ms)
    _require_round(session, body.round)
    _require_part(session, author, session.members, dict.fromkeys(session.enough))
    session = replace(session, enough=tuple(sorted((*session.enough, author))))
    return _rest(session, time_ms) if len(session.enough) >= session.quorum else session


def _close_commit(session: Session, time_ms: int) -> Session:
    """Close the set of models: only now may anyone show theirs."""
    present = len(session.present)
    if len(session.commits) < min(session.task.providers_min, len(session.due)):
        if session.earlier:
            return _rest(session, time_ms)
        return _abort(
            session,
            time_ms,
            f"{len(session.commits)} of {len(session.due)} providers committed a model in time, "
            f"{session.task.providers_min} needed",
        )
    if present < session.quorum:
        if session.earlier:
            return _rest(session, time_ms)
        return _abort(
            session,
            time_ms,
            f"{present} of {len(session.members)} members are present, {session.quorum} needed",
        )
    return _move(session, Phase.SCORE, time_ms + session.task.score_ms)


def _score(session: Session, author: NodeId, body: PostScores, time_ms: int) -> Session:
    _require_in_time(session, time_ms)
    _require_round(session, body.round)
    _require_part(session, author, session.members, session.scores)
    check_sheet(author, body.scores, session.commits.keys(), session.kept_back.keys())
    session = replace(session, scores=_with(session.scores, author, body.scores))
    return _close_score(session, time_ms) if session.present <= session.scores.keys() else session


def judged(
    session: Session, commits: Mapping[NodeId, CommitModel], scores: Mapping[NodeId, Sequence[Score]]
) -> Judgement:
    """What these score sheets make of a round's models, by the rules of the session's task."""
    rules = QualityRules(
        quorum=session.quorum,
        kappa=session.task.kappa,
        accept_unverified=session.task.accept_unverified,
        reference_size=session.reference_size,
    )
    rows = {author: commits[author].rows for author in sorted(commits)}
    return judge(scores, rows, rules, beacon(session), frozenset(session.witnesses), frozenset(session.kept_back))


def _close_score(session: Session, time_ms: int) -> Session:
    """Judge what is posted; the best ranked leads."""
    if len(session.scores) < session.quorum:
        if session.earlier:
            return _rest(session, time_ms)
        return _abort(
            session,
            time_ms,
            f"{len(session.scores)} of {len(session.members)} members scored in time, {session.quorum} needed",
        )
    judgement = judged(session, session.commits, session.scores)
    session = replace(session, judgement=judgement)
    if not judgement.accepted and session.earlier:
        return _rest(session, time_ms)
    if not judgement.accepted:
        found = tally(verdict for _, verdict in judgement.verdicts)
        return _abort(session, time_ms, f"none of {len(session.commits)} models was accepted ({found})")
    if session.round < session.task.rounds:
        return _next_round(session, time_ms)
    return _move(session, Phase.SEAL, time_ms + session.task.seal_ms)


def _next_round(session: Session, time_ms: int) -> Session:
    """Train again, on the model that the accepted releases of all rounds so far make."""
    return replace(
        _move(session, Phase.COMMIT, time_ms + session.task.commit_ms),
        earlier=session.judged_rounds,
        round=session.round + 1,
        commits={},
        scores={},
        judgement=None,
        enough=(),
    )


def _rest(session: Session, time_ms: int) -> Session:
    """Leave it at the rounds before: the last of them becomes the current one, to be sealed."""
    last = session.earlier[-1]
    return replace(
        _move(session, Phase.SEAL, time_ms + session.task.seal_ms),
        earlier=session.earlier[:-1],
        round=session.round - 1,
        commits=last.commits,
        scores=last.scores,
        judgement=last.judgement,
    )


def _seal(session: Session, author: NodeId, body: SealBlock, time_ms: int, verify: Verifier) -> Session:
    """Take the block that a quorum has signed.

    1. A member brings it. Which one does not matter: its content is fixed, so the first valid one wins.
    2. It is the block that follows from the ledger and the model it names.
    3. Its signers are different members, in ascending order, a quorum or more, and every signature is valid.
    """
    _require_part(session, author, session.members, {})  # 1
    if body.block != expected_block(session, body.block.model, body.block.model_size):  # 2
        raise ProtocolError(f"the block is not the one that follows from session {_short(session)}", code="wrong-block")
    require_certificate(body, session.keys, frozenset(session.members), session.quorum, verify)  # 3
    return replace(_move(session, Phase.SEALED, time_ms), block=body.block, closed_ms=time_ms)


def require_certificate(
    seal: SealBlock, keys: Mapping[NodeId, bytes], members: frozenset[NodeId], quorum: int, verify: Verifier
) -> None:
    """Refuse a certificate unless a quorum of different members has signed the block.

    Raises
    ------
    ProtocolError
        Code ``bad-certificate``, saying which signature or how many are missing.
    """
    signers = [signer for signer, _ in seal.certificate]
    if signers != sorted(set(signers)) or not members.issuperset(signers):
        raise ProtocolError("the certificate's signers are not different members in order", code="bad-certificate")
    if len(signers) < quorum:
        raise ProtocolError(
            f"{len(signers)} of {len(members)} members signed the block, {quorum} needed",
            code="bad-certificate",
            signed=len(signers),
            needed=quorum,
        )
    signed = block_digest(seal.block)
    for signer, signature in seal.certificate:
        if not verify(keys[signer], signed, signature):
            raise ProtocolError(
                f"the signature of member {signer} on the block is not valid",
                code="bad-certificate",
                member=signer,
            )


def _next_view(session: Session, time_ms: int) -> Session:
    ranking = _judgement(session).ranking
    if session.view + 1 >= len(ranking):
        return _abort(session, time_ms, f"none of {len(ranking)} leaders brought a block in time")
    session = _move(session, Phase.SEAL, time_ms + session.task.seal_ms)
    return replace(session, view=session.view + 1)


def _move(session: Session, phase: Phase, deadline_ms: int) -> Session:
    assert (session.phase, phase) in _ALLOWED
    return replace(session, phase=phase, deadline_ms=deadline_ms)


def _abort(session: Session, time_ms: int, reason: str) -> Session:
    return replace(_move(session, Phase.ABORTED, time_ms), abort_reason=reason, closed_ms=time_ms)


# --- who failed, without proof ----------------------------------------------------------------------------------


def faults_between(before: Session, after: Session) -> tuple[NodeId, ...]:
    """Members who let the session down as it moved on: grounds for a strike, not for a verdict.

    Promised and did not commit, present and did not score, contradicted figures that a quorum agrees on, did not open
    the references that it had bound itself to, or led and brought no block. Any of these can be a crash or a network.
    A later round that came to nothing strikes nobody for its scores.
    """
    if after.abort_reason.startswith("the requester"):
        return ()
    if before.phase is Phase.COMMIT and after.phase is not Phase.COMMIT:
        rested = after.round < before.round
        if rested and len(after.enough) >= after.quorum:
            return ()
        posted = {*(before if rested else after).commits, *before.enough}
        return tuple(node for node in before.due if node not in posted)
    if before.phase is Phase.SCORE and after.phase is not Phase.SCORE:
        if after.round < before.round:
            return ()
        judged = dict(enumerate(after.judged_rounds, start=1)).get(before.round)
        silent = before.present - (judged.scores if judged is not None else after.scores).keys()
        if judged is None:
            return tuple(sorted(silent))
        unopened = before.kept_back.keys() - set(judged.judgement.opened)
        return tuple(sorted(silent | set(judged.judgement.disputed) | unopened))
    if before.phase is Phase.SEAL and after.phase is not Phase.SEALED:
        return (leader(before),)
    return ()


# --- shared conditions --------------------------------------------------------------------------------------------


def _require_in_time(session: Session, time_ms: int) -> None:
    if time_ms > session.deadline_ms:
        raise ProtocolError(
            f"stage {session.phase} of session {_short(session)} ended {time_ms - session.deadline_ms} ms ago",
            code="too-late",
        )


def _require_round(session: Session, number: int) -> None:
    if number != session.round:
        raise ProtocolError(
            f"session {_short(session)} is in round {session.round}, not in {number}", code="wrong-round"
        )


def _require_part(
    session: Session, author: NodeId, invited: tuple[NodeId, ...], posted: Mapping[NodeId, object]
) -> None:
    if author not in invited:
        raise ProtocolError(
            f"{author} has no part in stage {session.phase} of session {_short(session)}", code="not-a-member"
        )
    if author in posted:
        raise ProtocolError(f"{author} has posted in stage {session.phase} before", code="already-posted")


def _with(entries: dict[NodeId, V], author: NodeId, value: V) -> dict[NodeId, V]:
    return dict(sorted({**entries, author: value}.items()))


def _short(session: Session) -> str:
    return session.id.hex()[:16]
