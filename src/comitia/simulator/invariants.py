"""What must hold, checked after every event: one function for each sentence of the protocol.

A checker is told facts as they happen and keeps what it needs in `Watch`; it looks at the world from outside and
shares no state with the nodes. It yields a sentence for each violation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from comitia.consensus.gain import Gain
from comitia.consensus.quality import Judgement
from comitia.consensus.score_sheet import Score
from comitia.core.codec import decode, digest
from comitia.core.envelope import Envelope
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, SessionId
from comitia.ledger.application import Application, Result
from comitia.ledger.block import SignedHeader
from comitia.ledger.fork import ForkProof
from comitia.ledger.policy import fitting_rule
from comitia.ledger.session import Phase, Round, Session, commitment, judged, release_terms
from comitia.ledger.transactions import ONCE_IN_SESSION, TYPES, PostScores, Tick, block_digest, round_of
from comitia.privacy.book import Standing
from comitia.privacy.limits import Span
from comitia.roles.messages import Deliver, Forked, References, Reveal, Submit, Vote
from comitia.simulator.learning import RememberingBench
from comitia.simulator.machine import Machine
from comitia.simulator.replica import Step
from comitia.simulator.surroundings import Letter
from comitia.simulator.watch import Watch

ENDED: Final = (Phase.SEALED, Phase.ABORTED)
SPENT: Final = (Standing.SPENT, Standing.ABANDONED)


class Sent(NamedTuple):
    """A packet has left a machine."""

    machine: Machine
    letter: Letter

    def is_misled(self, watch: Watch) -> bool:
        """Whether the sender stands in a history that a lying super node keeps beside its chain."""
        head = self.letter.received.head
        return head is not None and head.header.digest in watch.twins

    def ledger(self, watch: Watch) -> Application:
        """The history that the sender knows."""
        head = self.letter.received.head
        return watch.now.application if head is None else watch.twins.get(head.header.digest, watch.now.application)

    def session(self, watch: Watch) -> Session | None:
        """The session that the letter is about, as the sender knows it."""
        return self.ledger(watch).session(SessionId(self.letter.received.session))


@dataclass(frozen=True, slots=True)
class Ordered:
    """The orderer has made a block durable.

    step : the block and the state after it.
    before : the state before it.
    taken : the transactions that took effect, in their envelopes.
    sessions : those that the block changed, as they were and as they are.
    """

    step: Step
    before: Application
    taken: tuple[tuple[Result, Envelope], ...]
    sessions: tuple[tuple[Session | None, Session], ...]

    @classmethod
    def of(cls, before: Step, step: Step) -> Ordered:
        """What a block has brought after the one before it."""
        results = zip(step.applied.results, step.block.transactions, strict=True)
        changed = step.applied.changed_sessions
        after = [session for each in changed if (session := step.application.session(each)) is not None]
        return cls(
            step=step,
            before=before.application,
            taken=tuple((result, read(data)) for result, data in results if not result.code),
            sessions=tuple((before.application.session(session.id), session) for session in after),
        )


@dataclass(frozen=True, slots=True)
class Followed:
    """A follower's copy has another head; `heads` is its whole chain."""

    machine: Machine
    heads: list[bytes]


@dataclass(frozen=True, slots=True)
class Met:
    """A machine was told of blocks that are not in its own chain, or that has grown since.

    told : their headers.
    """

    machine: Machine
    told: list[SignedHeader]


@dataclass(frozen=True, slots=True)
class Proven:
    """A machine has put the proof of a fork on its disk."""

    machine: Machine
    proof: bytes


@dataclass(frozen=True, slots=True)
class Moved:
    """A provider's budget has changed."""

    machine: Machine


Fact = Sent | Ordered | Followed | Met | Proven | Moved


@lru_cache(maxsize=1 << 12)
def read(data: bytes) -> Envelope:
    """A transaction's envelope; raises `ProtocolError` where it is none."""
    return Envelope.from_bytes(data)


def stage_of(envelope: Envelope) -> str:
    """What a node signs one of: its consent, or in each round its commitment and its scores."""
    return f"{envelope.header.type}/{round_of(_body(envelope))}"


def _body(envelope: Envelope) -> Any:
    return _decoded(envelope.header.type, envelope.payload)


@lru_cache(maxsize=1 << 12)
def _decoded(kind: str, payload: bytes) -> Any:
    return decode(TYPES[kind], payload)


# --- I1 - I12 ----------------------------------------------------------------------------------------------


def i1_one_sealed_block(watch: Watch, fact: Ordered) -> Iterator[str]:
    """No two sealed blocks for one session, no fork.

    Any two quorums of the committee must share an honest member, or two blocks could be sealed.
    """
    for _, session in fact.sessions:
        if session.members:
            size, faults = len(session.members), (len(session.members) - 1) // 3
            if 2 * session.quorum - size <= faults:
                yield f"two quorums of {session.quorum} of {size} need not share an honest member"
        if session.block is not None:
            sealed = watch.sealed.setdefault(session.id, block_digest(session.block))
            if sealed != block_digest(session.block):
                yield f"session {session.id.hex()[:8]} has two sealed blocks"
    for result, envelope in fact.taken:
        if result.type == "seal-block":
            sealed_session = fact.step.application.session(result.session)
            signers = {signer for signer, _ in _body(envelope).certificate}
            size = len(sealed_session.members) if sealed_session is not None else 0
            if len(signers) < (size + (size - 1) // 3) // 2 + 1:
                yield f"a block was sealed by {len(signers)} of {size} members"


def i1_no_fork(watch: Watch, fact: Followed) -> Iterator[str]:
    """No two sealed blocks for one session, no fork: an honest follower's chain is the orderer's.

    Or one that a lying super node keeps up beside it; in either each block follows the one before.
    """
    height, head = len(fact.heads), fact.heads[-1]
    if head not in watch.twins and (height > len(watch.chain) or watch.chain[height - 1] != head):
        yield f"{fact.machine.name} holds a block {height} that the super node does not have"
    block = fact.machine.world.history.steps[head].block
    if height > 1 and block.header.previous != fact.heads[-2]:
        yield f"{fact.machine.name} holds a block {height} that does not follow its block {height - 1}"


def i1_one_result_in_all_histories(watch: Watch, fact: Followed) -> Iterator[str]:
    """No two sealed blocks for one session, whatever histories a super node tells."""
    history = watch.twins.get(fact.heads[-1])
    for session in history.sessions() if history is not None else ():
        if session.block is not None:
            sealed = watch.sealed.setdefault(session.id, block_digest(session.block))
            if sealed != block_digest(session.block):
                yield f"session {session.id.hex()[:8]} is sealed with different results in two histories"


def a_fork_is_found(watch: Watch, fact: Met) -> Iterator[str]:
    """A node that has met two histories keeps the proof for good."""
    machine = fact.machine
    if machine.kept_fork is not None or not watch.is_honest(machine.node_id):
        return
    for signed in fact.told:
        if _is_met_twice(watch, machine, signed, fact.told):
            yield f"{machine.name} has met two blocks {signed.header.height} and keeps no proof of it"


def a_fork_was_told(watch: Watch, fact: Proven) -> Iterator[str]:
    """Nobody has the proof of a fork by a super node that told one history."""
    machine = fact.machine
    if not watch.is_honest(machine.node_id):
        return
    proof = decode(ForkProof, fact.proof)
    one, other = proof.lower.header, proof.higher.header
    if not all(_was_signed(watch, header.digest) for header in (one, other)):
        yield f"{machine.name} keeps a proof of a fork by a block that the super node never signed"
    elif one.height == other.height and one.digest == other.digest:
        yield f"{machine.name} keeps a proof of a fork by one and the same block"


def _was_signed(watch: Watch, header: bytes) -> bool:
    return header in watch.twins or header in watch.chain


def _is_met_twice(watch: Watch, machine: Machine, signed: SignedHeader, told: list[SignedHeader]) -> bool:
    """Whether a block that the super node has signed is beside, or does not follow, another that the machine knows."""
    height, header = signed.header.height, signed.header
    if not _was_signed(watch, header.digest):
        return False
    known = [(each.header.height, each.header.digest) for each in told if _was_signed(watch, each.header.digest)]
    own = machine.chain
    known += [(each, own[each - 1]) for each in (height - 1, height) if 1 <= each <= len(own)]
    beside = any(digest != header.digest for each, digest in known if each == height)
    return beside or any(digest != header.previous for each, digest in known if each == height - 1)


def nothing_rests_on_a_fork(watch: Watch, fact: Sent) -> Iterator[str]:
    """Who keeps the proof of a fork sends that to others, and nothing else."""
    if fact.machine.kept_fork is not None and not isinstance(fact.letter.received.message, Forked):
        yield f"{fact.machine.name} goes on although it knows that the ledger is forked"


def i2_reveal_after_commits_close(watch: Watch, fact: Sent) -> Iterator[str]:
    """Reveal implies closed commit set."""
    message = fact.letter.received.message
    if not isinstance(message, Reveal):
        return
    _show(watch, watch.session(fact.letter.received.session), message)
    session = fact.session(watch)
    if session is None or not _is_closed(session, message.round):
        yield f"{fact.machine.name} shows a release while others can still commit"
    elif fact.letter.to not in session.members:
        yield f"{fact.machine.name} shows a release to one who is no member"


def i2_references_after_commits_close(watch: Watch, fact: Sent) -> Iterator[str]:
    """Reveal implies closed commit set: references that a witness keeps back are shown to members, after it."""
    message = fact.letter.received.message
    if not isinstance(message, References):
        return
    session = fact.session(watch)
    if session is None or session.phase in (Phase.CONSENT, Phase.COMMIT):
        yield f"{fact.machine.name} shows references while others can still commit"
    elif fact.letter.to not in session.members:
        yield f"{fact.machine.name} shows references to one who is no member"


def _is_closed(session: Session, number: int) -> bool:
    """Whether nobody can commit in a round any more."""
    return number < session.round or session.phase not in (Phase.CONSENT, Phase.COMMIT)


def _show(watch: Watch, session: Session | None, reveal: Reveal) -> None:
    if session is None:
        return
    place = (session.id, reveal.round, reveal.author)
    if reveal != watch.revealed.get(place) and _opens(session, reveal):
        watch.revealed[place] = reveal


def i3_one_value_a_stage(watch: Watch, fact: Sent) -> Iterator[str]:
    """An honest node never signs two values for one stage, across restarts."""
    received = fact.letter.received
    match received.message:
        case Submit(transaction=data):
            try:
                envelope = read(data)
            except ProtocolError:
                return
            header = envelope.header
            if header.type in ONCE_IN_SESSION and header.sender == received.sender:
                yield from _said(watch, header.sender, header.session, stage_of(envelope), envelope.digest)
        case Vote(block=block):
            yield from _said(watch, received.sender, received.session, "vote", block)


def _said(watch: Watch, node: NodeId, session: bytes, kind: str, value: bytes) -> Iterator[str]:
    first = watch.signed.setdefault((node, session, kind), value)
    if first != value and watch.is_honest(node):
        yield f"{node} has signed two different {kind} in session {session.hex()[:8]}"


def i3_one_value_on_the_ledger(watch: Watch, fact: Ordered) -> Iterator[str]:
    """An honest node never signs two values for one stage, across restarts: the super node's own as well."""
    for result, envelope in fact.taken:
        if result.type in ONCE_IN_SESSION:
            yield from _said(watch, result.author, result.session, stage_of(envelope), envelope.digest)


def i4_accepted_was_committed(watch: Watch, fact: Ordered) -> Iterator[str]:
    """Accepted is a subset of committed."""
    for _, session in fact.sessions:
        for each in session.judged_rounds:
            if not each.commits.keys() >= set(each.judgement.accepted):
                yield f"session {session.id.hex()[:8]} accepts a model that nobody committed to"
        commits = [commit for number in range(1, session.round + 1) for commit in session.commits_in(number).values()]
        if len({commit.commitment for commit in commits}) < len(commits):
            yield f"two members of session {session.id.hex()[:8]} have the same commitment"


def i4_references_were_bound(watch: Watch, fact: Ordered) -> Iterator[str]:
    """No block counts references that were not bound before the commits closed, or that judged before."""
    for before, session in fact.sessions:
        if session.phase is Phase.SCORE and (before is None or before.phase is not Phase.SCORE):
            shelves = fact.step.application.state.items("shelf")
            watch.bound[session.id] = frozenset(bound for _, shelf in shelves for bound in shelf.commitments)
        counted = {commitment for _, commitment in session.block.references} if session.block is not None else set()
        if not counted <= watch.bound.get(session.id, frozenset()):
            yield f"session {session.id.hex()[:8]} counts references that were bound too late"
        for commitment_ in counted:
            if watch.judged_by.setdefault(commitment_, session.id) != session.id:
                yield f"session {session.id.hex()[:8]} counts references that an earlier one has opened"


def i5_block_from_its_inputs(watch: Watch, fact: Ordered) -> Iterator[str]:
    """Block = function of its inputs: M is what the accepted releases combine to, nobody judged their own."""
    for before, session in fact.sessions:
        judged = len(before.judged_rounds) if before is not None else 0
        if any(each.judgement != _judged_by_others(session, each) for each in session.judged_rounds[judged:]):
            yield f"in session {session.id.hex()[:8]} somebody's line on its own model counted"
        if session.block is None:
            continue
        model = watch.combined(session)
        if model is None:
            yield f"session {session.id.hex()[:8]} accepts a model that nobody has shown"
        elif session.block.model != digest(model):
            yield f"the model of session {session.id.hex()[:8]} is not what the accepted releases combine to"


def _judged_by_others(session: Session, each: Round) -> Judgement:
    """The judgement of a round, had nobody written a line on its own model."""
    sheets = {by: tuple(line for line in sheet if line.author != by) for by, sheet in each.scores.items()}
    if sheets == each.scores:
        return each.judgement
    return judged(session, each.commits, sheets)


def _opens(session: Session, reveal: Reveal) -> bool:
    posted = session.commits_in(reveal.round).get(reveal.author)
    opened = commitment(session.id, reveal.author, reveal.nonce, reveal.release)
    return posted is not None and posted.commitment == opened


def i5_honest_figures_agree(watch: Watch, fact: Ordered) -> Iterator[str]:
    """Block = function of its inputs: what honest members measure on one release is the same number."""
    for result, envelope in fact.taken:
        if result.type != "post-scores" or not watch.is_honest(result.author):
            continue
        sheet: PostScores = _body(envelope)
        session = fact.step.application.require_session(result.session)
        for line in sheet.scores:
            reveal = watch.revealed.get((result.session, sheet.round, line.author))
            if line.received and reveal is None:
                yield f"{result.author} has scored a model of {line.author} that was not shown"
            elif reveal is not None and line.gains != _gains(watch, session, line, reveal):
                yield f"{result.author} has judged {line.author} by other references than were bound"


def _gains(watch: Watch, session: Session, line: Score, reveal: Reveal) -> tuple[Gain, ...]:
    """The gains by what keepers were bound to, of those whose documents the judge had."""
    if not line.gains:
        return ()
    bench, book = RememberingBench(), watch.founding.codebook
    release = bench.read(session, book, reveal)
    opened = {gain.keeper: watch.founding.references[session.kept_back[gain.keeper]] for gain in line.gains}
    read = {keeper: bench.read_references(book, references) for keeper, references in opened.items()}
    kept_back = {keeper: kept for keeper, kept in read.items() if kept is not None}
    if release is None:
        return ()
    return bench.score(session.task.learner, book, reveal.author, release, None, kept_back).gains


def i5_honest_votes_agree(watch: Watch, fact: Sent) -> Iterator[str]:
    """Block = function of its inputs: all honest members of a session sign the same one."""
    received = fact.letter.received
    if isinstance(received.message, Vote):
        history = "twin" if fact.is_misled(watch) else "chain"
        first = watch.voted.setdefault((received.session, history), received.message.block)
        if first != received.message.block:
            yield f"honest members of session {received.session.hex()[:8]} vote for different blocks"


def i6_one_end(watch: Watch, fact: Ordered) -> Iterator[str]:
    """Exactly one end per session."""
    for before, session in fact.sessions:
        if before is not None and before.phase in ENDED:
            yield f"session {session.id.hex()[:8]} went on after its end"
        if session.phase in ENDED and watch.ended.setdefault(session.id, session.phase) is not session.phase:
            yield f"session {session.id.hex()[:8]} has ended twice"
    for result, _ in fact.taken:
        given_up = fact.step.application.session(result.session) if result.type == "abort-request" else None
        if given_up is not None and given_up.requester != result.author:
            yield f"{result.author} has ended somebody else's session"


def i7_debit_before_release(watch: Watch, fact: Sent) -> Iterator[str]:
    """Bytes released imply an earlier durable debit at least as large."""
    received, machine = fact.letter.received, fact.machine
    if not isinstance(received.message, Reveal) or received.message.author != machine.node_id:
        return
    session = fact.session(watch)
    if machine.budget is None or session is None or not watch.is_honest(machine.node_id):
        return
    posted = session.commits_in(received.message.round).get(machine.node_id)
    # None after a session has gone back to the rounds before; only the first one declares anything.
    declared = 0 if posted is None else posted.epsilon_micro
    entry = machine.budget.book.entries.get(received.session)
    paid = entry is not None and entry.standing in (Standing.SPENT, Standing.REUSED)
    if not paid or entry is None or entry.ask.epsilon_micro < declared:
        yield f"{machine.name} shows a release for which no budget was spent"


def i7_declared_as_asked(watch: Watch, fact: Ordered) -> Iterator[str]:
    """Bytes released imply an earlier durable debit at least as large: what is declared is what was asked for."""
    for _, session in fact.sessions:
        earlier = {author for each in session.earlier for author in each.commits}
        for author, commit in session.commits.items():
            free = (session.task.reuse or author in earlier) and commit.epsilon_micro == 0
            if commit.epsilon_micro != session.task.epsilon_micro and not free:
                yield f"{author} declares epsilon {commit.epsilon_micro}, asked was {session.task.epsilon_micro}"


def i7_accepted_as_asked(watch: Watch, fact: Ordered) -> Iterator[str]:
    """Bytes released imply an earlier durable debit at least as large: what counts says so."""
    bench, book = RememberingBench(), watch.founding.codebook
    for _, session in fact.sessions:
        for author in session.judgement.accepted if session.judgement is not None else ():
            reveal = watch.revealed.get((session.id, session.round, author))
            release = None if reveal is None else bench.read(session, book, reveal)
            if release is not None and release.receipt.terms != release_terms(session):
                yield f"a release of {author} counts whose receipt says epsilon {release.receipt.epsilon_micro}"


def i8_spent_never_falls(watch: Watch, fact: Moved) -> Iterator[str]:
    """Spent never falls, never passes the cap."""
    machine = fact.machine
    if machine.budget is None:
        return
    book = machine.budget.book
    spent = {name for name, entry in book.entries.items() if entry.standing in SPENT}
    if not spent >= watch.spent.get(machine.node_id, set()):
        yield f"{machine.name} has forgotten what it spent"
    watch.spent[machine.node_id] = spent
    for limits in machine.budget.limits:
        for cap in limits.caps:
            if cap.span is Span.LIFE and not cap.requester:
                total = book.total(lambda entry: True).epsilon_micro(limits.delta_pico)
                if total > cap.epsilon_micro:
                    yield f"{machine.name} has spent {total} of {cap.epsilon_micro} millionths"


def i9_model_to_the_authorised(watch: Watch, fact: Sent) -> Iterator[str]:
    """No model to the unauthorised: it goes to who asked for it, or whose reuse is on record."""
    message = fact.letter.received.message
    if not isinstance(message, Deliver) or not watch.is_honest(fact.machine.node_id):
        return
    ledger = fact.ledger(watch)
    session = ledger.session(message.session)
    asked = session is not None and session.requester == fact.letter.to and bytes(message.request) == session.id
    reuse = dict(ledger.reuses()).get(message.request.hex())
    recorded = reuse is not None and (reuse.requester, reuse.source) == (fact.letter.to, message.session)
    if not asked and not recorded:
        yield f"{fact.machine.name} sends a model to {fact.letter.to}, who may not have it"


def i9_reuse_by_current_policy(watch: Watch, fact: Ordered) -> Iterator[str]:
    """No model to the unauthorised: every contributor's *current* policy allows this requester and purpose."""
    changing = {"set-policy", "withdraw", "register-profile"}
    if any(result.type in changing for result, _ in fact.taken):
        return
    known = dict(fact.before.reuses())
    for request, reuse in fact.step.application.reuses():
        source = fact.before.session(reuse.source)
        asking = fact.before.member(reuse.requester)
        if request in known or source is None or source.judgement is None or asking is None:
            continue
        task = replace(source.task, purpose=reuse.purpose)
        for node in source.judgement.accepted:
            policy = fact.before.policy(node)
            if fitting_rule(policy, requester=reuse.requester, organisation=asking.organisation, task=task):
                continue
            yield f"a cached model was served that {node} does not allow any more"


def i10_no_false_accusation(watch: Watch, fact: Ordered) -> Iterator[str]:
    """An honest node is never named in proven evidence."""
    for result, _ in fact.taken:
        if result.type == "report-evidence":
            for member in fact.step.application.members():
                if member.suspended and watch.is_honest(member.node):
                    yield f"{member.name} was excluded and has done nothing"


def i11_signature_in_its_place(watch: Watch, fact: Ordered) -> Iterator[str]:
    """No signature is valid outside its session, stage, epoch."""
    for result, envelope in fact.taken:
        header = envelope.header
        if watch.is_honest(result.author) and envelope.digest not in watch.authored:
            yield f"the ledger took a {result.type} that {result.author} never signed"
        session = fact.step.application.session(SessionId(header.session)) if header.session else None
        if session is not None and header.epoch != session.epoch:
            yield f"a {result.type} of epoch {header.epoch} counted in a session of epoch {session.epoch}"
        if header.chain != watch.founding.genesis.chain:
            yield f"a {result.type} of another chain counted"


def i12_acknowledged_survives(watch: Watch, fact: Ordered) -> Iterator[str]:
    """What was acknowledged survives kill -9 at any point: the orderer's chain only grows."""
    header = fact.step.block.header
    if header.height != len(watch.chain) + 1 or header.previous != watch.chain[-1]:
        yield f"block {header.height} was made anew after it was known"
    watch.chain.append(header.digest)


def stages_end_in_time(watch: Watch, fact: Ordered) -> Iterator[str]:
    """Every session ends by its deadline: a stage takes nothing once its time is up, and is not cut short."""
    time_ms = fact.step.block.header.time_ms
    for result, envelope in fact.taken:
        ticked = fact.before.session(result.session) if result.type == "tick" else None
        if ticked is None or time_ms > ticked.deadline_ms:
            continue
        if _body(envelope) == Tick(phase=ticked.phase, view=ticked.view):
            yield f"stage {ticked.phase} was ended {ticked.deadline_ms - time_ms} ms early"
    for result, _ in fact.taken:
        before = fact.before.session(result.session) if result.type in ONCE_IN_SESSION else None
        if before is not None and _stage_of(result.type) is before.phase and time_ms > before.deadline_ms:
            yield f"a {result.type} counted {time_ms - before.deadline_ms} ms after its stage had ended"


def _stage_of(kind: str) -> Phase:
    return {"consent": Phase.CONSENT, "commit-model": Phase.COMMIT, "post-scores": Phase.SCORE}[kind]


Checker = Callable[[Watch, Fact], Iterator[str]]

CHECKERS: Final[dict[type, tuple[Callable[..., Iterator[str]], ...]]] = {
    Sent: (nothing_rests_on_a_fork,),
    Reveal: (i2_reveal_after_commits_close, i7_debit_before_release),
    References: (i2_references_after_commits_close,),
    Submit: (i3_one_value_a_stage,),
    Vote: (i3_one_value_a_stage, i5_honest_votes_agree),
    Deliver: (i9_model_to_the_authorised,),
    Ordered: (
        i1_one_sealed_block, i3_one_value_on_the_ledger, i4_accepted_was_committed, i4_references_were_bound,
        i5_block_from_its_inputs,
        i5_honest_figures_agree, i6_one_end, i7_declared_as_asked, i7_accepted_as_asked, i9_reuse_by_current_policy,
        i10_no_false_accusation, i11_signature_in_its_place, i12_acknowledged_survives, stages_end_in_time,
    ),
    Followed: (i1_no_fork, i1_one_result_in_all_histories),
    Met: (a_fork_is_found,),
    Proven: (a_fork_was_told,),
    Moved: (i8_spent_never_falls,),
}  # fmt: skip
"""Which sentences each kind of fact could break, and which a packet could, by its message."""


def is_of_interest(fact: Sent) -> bool:
    """Whether a packet could break a sentence at all."""
    return type(fact.letter.received.message) in CHECKERS or fact.machine.kept_fork is not None


def violations(watch: Watch, fact: Fact) -> Iterator[str]:
    """Every sentence that a fact breaks, with the name of its checker.

    Byzantine nodes break what they like; only what they bring about at honest ones counts.
    """
    checkers = CHECKERS[type(fact)]
    if isinstance(fact, Sent):
        message = fact.letter.received.message
        if not watch.is_honest(fact.machine.node_id):
            if isinstance(message, Reveal):
                _show(watch, watch.session(fact.letter.received.session), message)
            return
        checkers += CHECKERS.get(type(message), ())
    for checker in checkers:
        for text in checker(watch, fact):
            yield f"{checker.__name__}: {text}"
