"""Nodes that do not follow the protocol: an honest driver, whose posts and letters go through a strategy.

A liar holds its own keys and nobody else's. What it does may cost itself its part; it must not cost anybody else
what the protocol promises. What proves guilt becomes evidence; what does not, at most a strike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from comitia.consensus.score_sheet import Score
from comitia.core.codec import digest
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.learning.kept_back import kept_back_bytes, parse_kept_back
from comitia.learning.wire import release_bytes
from comitia.ledger import merkle
from comitia.ledger.application import Application
from comitia.ledger.block import Block, SignedHeader
from comitia.ledger.fork import ForkProof
from comitia.ledger.genesis import Role
from comitia.ledger.session import Phase, Session, expected_block
from comitia.ledger.transactions import (
    AbortRequest,
    BindReferences,
    CommitModel,
    Consent,
    EvidenceKind,
    OpenRequest,
    PoqBlock,
    PostScores,
    RegisterProfile,
    ReportEvidence,
    SealBlock,
    Transaction,
    block_digest,
    sign_transaction,
)
from comitia.retrieval.profile import RetrievalRecord
from comitia.roles.messages import (
    AskModel,
    AskReveal,
    Blocks,
    Forked,
    Message,
    Received,
    References,
    Reveal,
    Submit,
    Vote,
)
from comitia.simulator.learning import QuietPrototype, SynthesisedPrototype
from comitia.simulator.machine import Honest, Letters, Machine, Strategy
from comitia.simulator.replica import Step


def _record(machine: Machine, session: bytes) -> Session | None:
    assert machine.node is not None
    return machine.node.application.session(SessionId(session))


def submit(machine: Machine, session: bytes, body: Transaction, *, epoch: int | None = None) -> None:
    """Sign anything with the liar's own key and bring it to the super node, past its driver."""
    node = machine.node
    assert node is not None
    record = _record(machine, session) if session else None
    envelope = sign_transaction(
        body,
        chain=node.genesis.chain,
        epoch=epoch if epoch is not None else (record.epoch if record else node.genesis.epoch_at(node.now_ms())),
        sender=node.node,
        key=node.keys.signing,
        session=session,
    )
    bring(machine, envelope.to_bytes())


def bring(machine: Machine, data: bytes) -> None:
    """Bring any bytes to the super node as a transaction."""
    assert machine.node is not None
    machine.node.say(machine.node.super_node, b"", Submit(transaction=data))


class Silent(Strategy):
    """Says yes, and nothing after that."""

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        if isinstance(message, Reveal | Vote | AskReveal):
            self.acted(machine)
            return []
        return [(to, session, message)]

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        if isinstance(body, CommitModel | PostScores | SealBlock):
            self.acted(machine)
            return TransactionId(b"")
        return honest(session, body)


class Withhold(Strategy):
    """Shows its release to some members only, and passes nothing on."""

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        if isinstance(message, Reveal) and to < machine.node_id:
            self.acted(machine)
            return []
        return [(to, session, message)]


class TwoFaced(Strategy):
    """Commits to one release, and shows another of its own to some members."""

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        if isinstance(message, Reveal) and message.author == machine.node_id and to < machine.node_id:
            self.acted(machine)
            others = [release_bytes(release) for release in machine.world.founding.releases[machine.node_id]]
            other = next(data for data in others if data != message.release)
            return [(to, session, replace(message, release=other))]
        return [(to, session, message)]


class OtherReleases(Strategy):
    """Follows the protocol with releases that are not what they should be."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        if isinstance(body, CommitModel):
            self.acted(machine)
        return honest(session, body)


class Synthesise(OtherReleases):
    """Has no documents: makes its releases up from what is public of the categories."""

    sums = SynthesisedPrototype


class Underpay(OtherReleases):
    """Makes its releases with more noise than was asked for, which costs it less than it declares."""

    sums = QuietPrototype


class Equivocate(Strategy):
    """Signs two different things where one is allowed."""

    provable = True

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        done = honest(session, body)
        other: Transaction | None = None
        if isinstance(body, CommitModel):
            other = replace(body, rows=body.rows + 1)
        elif isinstance(body, PostScores):
            other = PostScores(scores=tuple(replace(line, received=False, signal_micro=None, expected_micro=None,
                                                    reference_loss_ppm=None) for line in body.scores))  # fmt: skip
        if other is not None and other != body:
            self.acted(machine)
            submit(machine, session, other)
        return done


class Copy(Strategy):
    """Waits for another's commitment, commits to the same, and shows the other's release as its own."""

    def __init__(self, name: str, machines: Sequence[Machine]) -> None:
        super().__init__(name, machines)
        self._waiting: dict[bytes, CommitModel] = {}

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        if isinstance(body, CommitModel):
            self._waiting[session] = body
            return TransactionId(b"")
        return honest(session, body)

    def saw_block(self, machine: Machine, data: bytes) -> None:
        for session, body in list(self._waiting.items()):
            record = _record(machine, session) if machine.node is not None else None
            if record is not None and record.commits:
                del self._waiting[session]
                self.acted(machine)
                copied = replace(body, commitment=next(iter(record.commits.values())).commitment)
                machine.act(lambda session=session, copied=copied: submit(machine, session, copied))  # type: ignore[misc]

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        if isinstance(message, Reveal) and message.author != machine.node_id:
            self.acted(machine)
            return [(to, session, message), (to, session, replace(message, author=machine.node_id))]
        return [(to, session, message)]


class LieAboutRows(Strategy):
    """Declares a thousand times as many documents."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        if isinstance(body, CommitModel):
            self.acted(machine)
            return honest(session, replace(body, rows=body.rows * 1_000))
        return honest(session, body)


class LieAboutScores(Strategy):
    """Says of all others' models that they are bad."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        if isinstance(body, PostScores):
            self.acted(machine)
            worse = tuple(replace(line, signal_micro=-(10**9)) if line.received else line for line in body.scores)
            return honest(session, PostScores(scores=worse))
        return honest(session, body)


class ScoreItself(Strategy):
    """Adds a line about its own model."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        if isinstance(body, PostScores):
            self.acted(machine)
            own = Score(author=machine.node_id, received=True, signal_micro=10**9, expected_micro=10**6)
            lines = sorted((*body.scores, own), key=lambda line: line.author)
            return honest(session, PostScores(scores=tuple(lines)))
        return honest(session, body)


class Replay(Strategy):
    """Brings again whatever it has seen on the ledger: its own and others' transactions."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        assert machine.node is not None
        for height in range(2, machine.node.engine.height + 1):
            for data in machine.node.engine.block(height).transactions[-2:]:
                self.acted(machine)
                bring(machine, data)
        return honest(session, body)


class StaleEpoch(Strategy):
    """Signs in an epoch that is not the session's."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        record = _record(machine, session) if session else None
        if record is not None and isinstance(body, CommitModel | PostScores):
            self.acted(machine)
            submit(machine, session, body, epoch=record.epoch + 1)
            return TransactionId(b"")
        return honest(session, body)


class Malformed(Strategy):
    """Sends what is no release, no vote, no transaction and no block."""

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        self.acted(machine)
        noise = machine.world.random.randbytes(40)
        match message:
            case Reveal():
                return [(to, session, replace(message, release=noise)), (to, session, message)]
            case Vote():
                return [(to, session, Vote(block=noise, signature=noise)), (to, session, message)]
            case Submit():
                return [(to, session, Submit(transaction=noise)), (to, session, message)]
        return [(to, session, message)]


class PoisonBlocks(Strategy):
    """Hands others each new block before it reaches them, good, with a bad one behind it, as an answer to them."""

    def saw_block(self, machine: Machine, data: bytes) -> None:
        node = machine.node
        if node is None:
            return
        self.acted(machine)
        blocks, head = (data, machine.world.random.randbytes(30)), node.engine.height

        def spread() -> None:
            for other in self.machines:
                if other is not machine and other.node is not None:
                    poison = Blocks(blocks=blocks, head=head, nonce=other.node.run_nonce, sent_ms=other.now_ms())
                    node.say(other.node_id, b"", poison)

        machine.act(spread)


class GrindProfile(Strategy):
    """Changes its profile whenever a request is open, to be drawn."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        assert machine.node is not None
        if isinstance(body, Consent):
            self.acted(machine)
            now = machine.node.now_ms()
            histogram = (10**6, 10**6, now % 1000)
            codebook = machine.world.founding.codebook.digest
            record = RetrievalRecord(
                provider=machine.node_id, codebook=codebook, epsilon_micro=1_000_000, histogram=histogram
            )
            submit(machine, b"", RegisterProfile(record=record, issued_ms=now))
        return honest(session, body)


class SealEarly(Strategy):
    """Brings a block of its own making before the scores are closed, later the right one, signed by itself."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        record = _record(machine, session) if session else None
        if isinstance(body, PostScores) and record is not None:
            self.acted(machine)
            submit(machine, session, self._forged(machine, record))
        return honest(session, body)

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        record = _record(machine, session) if session else None
        if isinstance(message, Vote) and record is not None and record.phase is Phase.SEAL:
            self.acted(machine)
            submit(machine, session, self._right(machine, record, message))
        return [(to, session, message)]

    def _right(self, machine: Machine, record: Session, vote: Vote) -> SealBlock:
        model = machine.world.watch.combined(record)
        assert model is not None
        block = expected_block(record, digest(model), len(model))
        return SealBlock(block=block, certificate=((machine.node_id, vote.signature),))

    def _forged(self, machine: Machine, record: Session) -> SealBlock:
        block = PoqBlock(
            chain=record.chain,
            session=record.id,
            epoch=record.epoch,
            task=record.task.digest,
            requester=record.requester,
            purpose=record.task.purpose,
            codebook=record.task.codebook,
            transactions=(),
            scores=bytes(32),
            accepted=(machine.node_id,),
            ranking=(machine.node_id,),
            leader=machine.node_id,
            model=bytes(32),
            model_size=1,
            learner=record.task.learner,
            members=record.members,
            quorum=1,
        )
        assert machine.node is not None
        signature = machine.node.keys.signing.sign(block_digest(block))
        return SealBlock(block=block, certificate=((machine.node_id, signature),))


class WrongVote(Strategy):
    """Signs another block than the one that follows."""

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        if isinstance(message, Vote):
            self.acted(machine)
            assert machine.node is not None
            other = bytes(reversed(message.block))
            return [(to, session, Vote(block=other, signature=machine.node.keys.signing.sign(other)))]
        return [(to, session, message)]


class LazyLeader(Strategy):
    """Collects the votes when it leads, and brings no block."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        if isinstance(body, SealBlock):
            self.acted(machine)
            return TransactionId(b"")
        return honest(session, body)


class Overpay(Strategy):
    """Declares that its release has cost nothing, or more than was asked."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        if isinstance(body, CommitModel):
            self.acted(machine)
            submit(machine, session, replace(body, epsilon_micro=0))
            return honest(session, replace(body, epsilon_micro=2 * body.epsilon_micro))
        return honest(session, body)


class Accuse(Strategy):
    """Accuses honest members with what they have really signed, once, twice over, or in two sessions."""

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        done = honest(session, body)
        assert machine.node is not None
        seen: dict[NodeId, list[bytes]] = {}
        step = machine.world.history.latest
        for result, data in zip(step.applied.results, step.block.transactions, strict=True):
            if result.session and not result.code and result.author != machine.node_id:
                seen.setdefault(result.author, []).append(data)
        for accused, items in sorted(seen.items())[:1]:
            self.acted(machine)
            twice = ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=accused, items=(items[0], items[-1]))
            submit(machine, b"", twice)
        return done


class DoubleClaim(Strategy):
    """A requester that opens its request several times over, to hold several budgets for one."""

    role = Role.REQUESTER

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        done = honest(session, body)
        if isinstance(body, OpenRequest):
            self.acted(machine)
            submit(machine, b"", body)
            submit(machine, b"", replace(body, nonce=bytes(reversed(body.nonce))))
        return done


class Covet(Strategy):
    """A requester that asks members for the models of others' sessions, and for releases."""

    role = Role.REQUESTER

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        assert machine.node is not None
        sent: Letters = [(to, session, message)]
        for record in machine.node.application.sessions():
            if record.phase is Phase.SEALED and record.requester != machine.node_id and record.block is not None:
                self.acted(machine)
                sent.append((record.block.leader, record.id, AskModel(session=record.id)))
            if record.phase in (Phase.SCORE, Phase.SEAL):
                self.acted(machine)
                ask = AskReveal(authors=tuple(record.commits))
                sent.extend((member, record.id, ask) for member in record.members)
        return sent


class GiveUp(Strategy):
    """A requester that aborts its own sessions, and others', and those that have ended."""

    role = Role.REQUESTER

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        assert machine.node is not None
        for record in machine.node.application.sessions():
            self.acted(machine)
            bring_abort(machine, record.id)
        return [(to, session, message)]


def bring_abort(machine: Machine, session: SessionId) -> None:
    """Ask the ledger to end a session."""
    submit(machine, session, AbortRequest(reason="changed my mind"))


class Censor(Strategy):
    """A super node that takes no transaction from some providers."""

    role = Role.SUPER_NODE

    def accepts(self, machine: Machine, received: Received) -> bool:
        victims = sorted(machine.world.founding.holdings)[:2]
        if isinstance(received.message, Submit) and received.sender in victims:
            self.acted(machine)
            return False
        return True


class HoldBack(Strategy):
    """A super node that does not answer some followers who ask for blocks."""

    role = Role.SUPER_NODE

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        if isinstance(message, Blocks) and to in sorted(machine.world.founding.holdings)[:1] and message.blocks:
            self.acted(machine)
            return []
        return [(to, session, message)]


class Fork(Strategy):
    """A super node that tells some of its followers another history: the same, but for one transaction.

    A careful one keeps both histories up, answers each follower in its own, and names to each the block that it
    knows. A careless one tells the other history for one block only. What followers tell of a fork it does not hear.
    """

    role = Role.SUPER_NODE

    def __init__(self, name: str, machines: Sequence[Machine]) -> None:
        super().__init__(name, machines)
        self._misled: list[NodeId] = []
        self._twins: dict[int, Block] = {}
        self._state: Application | None = None
        self._careful = True

    def publish(self, machine: Machine, data: bytes) -> None:
        world = machine.world
        for step in world.history.ordered[-1 if self._state is None else self._first + len(self._twins) - 1 :]:
            self._tell_apart(machine, step)
        twin = self._twins.get(world.history.latest.block.header.height)
        for reader in (other.node_id for other in self.machines if other is not machine):
            told = twin.to_bytes() if twin is not None and reader in self._misled else data
            world.network.carry(world.now, machine.node_id, reader, told)

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        if isinstance(message, Blocks) and to in self._misled:
            own = [Block.from_bytes(data) for data in message.blocks]
            told = tuple(self._twins.get(block.header.height, block).to_bytes() for block in own)
            return [(to, session, replace(message, blocks=told))]
        return [(to, session, message)]

    def head(self, machine: Machine, to: NodeId, honest: SignedHeader | None) -> SignedHeader | None:
        twin = self._twins.get(honest.header.height) if honest is not None and to in self._misled else None
        return honest if twin is None else twin.signed_header

    def accepts(self, machine: Machine, received: Received) -> bool:
        if received.head is not None and machine.node is not None:
            machine.node.on_received(replace(received, head=None))
            return False
        return not isinstance(received.message, Forked)

    @property
    def _first(self) -> int:
        """Height of the first block that there are two of."""
        return min(self._twins)

    def _tell_apart(self, machine: Machine, step: Step) -> None:
        """Begin another history with a block, or carry it on."""
        world, random = machine.world, machine.world.random
        transactions, previous = step.block.transactions, step.block.header.previous
        if self._state is None:
            if not step.application.open_sessions():
                return
            before = world.history.ordered[-2]
            self._state = before.application.fork()
            self._careful = random.randrange(3) > 0
            others = [other.node_id for other in self.machines if other is not machine]
            self._misled = random.sample(others, random.randrange(1, len(others)))
            left_out = random.randrange(len(transactions))
            transactions = (*transactions[:left_out], *transactions[left_out + 1 :])
            world.note(f"{machine.name} forks the ledger for {', '.join(world.names[node] for node in self._misled)}")
        elif self._careful:
            previous = self._twins[step.block.header.height - 1].header.digest
        else:
            return
        self.acted(machine)
        self._sign(machine, step.block, transactions, previous)

    def _sign(self, machine: Machine, block: Block, transactions: tuple[bytes, ...], previous: bytes) -> None:
        assert self._state is not None
        header = block.header
        applied = self._state.apply(transactions, time_ms=header.time_ms, height=header.height, previous=previous)
        other = replace(
            header, previous=previous, transactions_root=merkle.root(transactions), state_root=applied.state_root
        )
        self._twins[header.height] = Block.sign(other, transactions, machine.party.keys.signing)
        machine.world.watch.twins[other.digest] = self._state.fork()


class Frame(Strategy):
    """Accuses the super node of a fork: by a block that nobody else has signed, and by a proof made of it."""

    def __init__(self, name: str, machines: Sequence[Machine]) -> None:
        super().__init__(name, machines)
        self._forged: dict[bytes, SignedHeader] = {}

    def head(self, machine: Machine, to: NodeId, honest: SignedHeader | None) -> SignedHeader | None:
        if honest is None or machine.world.random.randrange(2):
            return honest
        self.acted(machine)
        return self._made_up(machine, honest)

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        assert machine.node is not None
        head = machine.node.histories.head
        if not isinstance(message, Vote | Reveal) or head is None:
            return [(to, session, message)]
        self.acted(machine)
        member = machine.node.application.member
        proof = ForkProof.of(head, self._made_up(machine, head), member)
        unchanged = ForkProof.of(head, head, member)
        return [(to, session, message), (to, b"", Forked(proof=proof)), (to, b"", Forked(proof=unchanged))]

    def _made_up(self, machine: Machine, honest: SignedHeader) -> SignedHeader:
        forged = self._forged.get(honest.header.digest)
        if forged is None:
            header = replace(honest.header, state_root=bytes(32))
            forged = SignedHeader(header=header, signature=machine.party.keys.signing.sign(header.digest))
            self._forged[honest.header.digest] = forged
        return forged


class HideReferences(Strategy):
    """A witness that does not open what it is bound to, or to some members only."""

    role = Role.WITNESS

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        shown = session[-1:] > b"\x7f" and to != min(machine.world.founding.holdings)
        if isinstance(message, References) and not shown:
            self.acted(machine)
            return []
        return [(to, session, message)]


class WrongReferences(Strategy):
    """A witness that opens other documents than it is bound to."""

    role = Role.WITNESS

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        if isinstance(message, References):
            self.acted(machine)
            book = machine.world.founding.codebook
            bound = parse_kept_back(message.documents, book)
            other = replace(bound, labels=bound.labels[::-1])
            return [(to, session, replace(message, documents=kept_back_bytes(book, other)))]
        return [(to, session, message)]


class LeakReferences(Strategy):
    """A witness that shows everything it keeps back to all providers, in each stage in which they can still commit."""

    role = Role.WITNESS

    def __init__(self, name: str, machines: Sequence[Machine]) -> None:
        super().__init__(name, machines)
        self._leaked: set[tuple[SessionId, Phase]] = set()

    def accepts(self, machine: Machine, received: Received) -> bool:
        assert machine.node is not None
        for record in machine.node.application.open_sessions():
            place = (record.id, record.phase)
            if record.phase in (Phase.CONSENT, Phase.COMMIT) and place not in self._leaked:
                self._leaked.add(place)
                self.acted(machine)
                self._leak(machine, record.id)
        return True

    def _leak(self, machine: Machine, session: SessionId) -> None:
        assert machine.node is not None
        for opened in machine.world.founding.references.values():
            for provider in machine.world.founding.holdings if opened.keeper == machine.node_id else ():
                machine.node.say(provider, session, opened)


class GrindReferences(Strategy):
    """A witness that binds itself to something new, which it cannot open, whenever commitments come in."""

    role = Role.WITNESS

    def accepts(self, machine: Machine, received: Received) -> bool:
        node = machine.node
        assert node is not None
        for record in node.application.open_sessions():
            new = digest(record.id)
            bound = node.application.shelf(record.task.codebook, machine.node_id).commitments
            if record.phase is Phase.COMMIT and record.commits and new not in bound:
                self.acted(machine)
                node.post(b"", BindReferences(codebook=record.task.codebook, commitments=(new,)))
        return True


STRATEGIES: Final[dict[str, type[Strategy]]] = {
    "silent": Silent,
    "withhold": Withhold,
    "two-faced": TwoFaced,
    "equivocate": Equivocate,
    "copy": Copy,
    "rows": LieAboutRows,
    "scores": LieAboutScores,
    "own-row": ScoreItself,
    "replay": Replay,
    "stale-epoch": StaleEpoch,
    "malformed": Malformed,
    "poison-blocks": PoisonBlocks,
    "grind-profile": GrindProfile,
    "seal-early": SealEarly,
    "wrong-vote": WrongVote,
    "lazy-leader": LazyLeader,
    "overpay": Overpay,
    "underpay": Underpay,
    "accuse": Accuse,
    "frame": Frame,
    "double-claim": DoubleClaim,
    "covet": Covet,
    "give-up": GiveUp,
    "censor": Censor,
    "hold-back": HoldBack,
    "fork": Fork,
    "synthesise": Synthesise,
    "hide-references": HideReferences,
    "wrong-references": WrongReferences,
    "leak-references": LeakReferences,
    "grind-references": GrindReferences,
}
"""Every strategy, by the name that `--adversary` takes."""
