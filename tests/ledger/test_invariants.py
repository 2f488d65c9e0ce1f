"""What must hold whatever is posted in whatever order (I1, I2, I4, I5, I6, I8), and that sessions end.

The numbers are those of docs/concepts/session.md, "What must hold".
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from world import MODEL, World, key, node

from comitia.core.codec import digest
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, SessionId
from comitia.ledger.records import NO_BLOCK
from comitia.ledger.session import TRANSITIONS, Phase, Session, block_digest, expected_block
from comitia.ledger.transactions import AbortRequest, Consent, SealBlock, Tick, Transaction

PEOPLE = ("a", "b", "c", "super", "asker")
ALLOWED = {(before, after) for before, after, _ in TRANSITIONS}
ENDED = {Phase.SEALED, Phase.ABORTED}

Action = tuple[str, str, int, int]
"""What, by whom, in which of two sessions, how many milliseconds later."""

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["yes", "no", "commit", "score", "bad-score", "seal", "other-seal", "weak-seal", "tick", "abort"]
        ),
        st.sampled_from(PEOPLE),
        st.integers(0, 1),
        st.sampled_from([0, 0, 0, 0, 0, 10, 400, 1001]),
    ),
    max_size=60,
)

LIKELY = st.permutations([(what, who) for what in ("yes", "commit", "score") for who in PEOPLE]).map(
    lambda pairs: sorted(pairs, key=lambda pair: ["yes", "commit", "score"].index(pair[0]))
)
"""The posts of a session that goes well, in any order within a stage."""


@dataclass
class Watch:
    """Follows a world block by block and checks what must hold."""

    world: World
    ids: tuple[SessionId, ...]

    def post(self, action: Action) -> None:
        what, who, number, later = action
        self.world.now_ms += later
        before = self.world.session(self.ids[number])
        body = self.body(what, who, before)
        if body is None:
            return
        spent = self.spent()
        self.world.block(self.world.signed(who, body, before))
        self.check(before, self.world.session(before.id))
        assert all(self.spent()[name] >= spent[name] for name in spent)  # I8

    def body(self, what: str, who: str, session: Session) -> Transaction | None:
        match what:
            case "yes" | "no":
                return Consent(answer=what == "yes")
            case "commit":
                return self.world.commitment(session.id, who)
            case "score" | "bad-score":
                return self.world.sheet(session.id, who, 9_000_000 if what == "score" else -9_000_000)
            case "tick":
                return Tick(phase=session.phase, view=session.view)
            case "abort":
                return AbortRequest(reason="enough")
        return self.seal(what, session)

    def seal(self, what: str, session: Session) -> SealBlock | None:
        """A block with everyone's signatures, one over another model, or one with too few signatures."""
        try:
            block = expected_block(session, MODEL if what == "seal" else digest(b"other"), 5)
        except ProtocolError:
            return None
        names = [name for name in PEOPLE if node(name) in session.members]
        signers = names[: session.quorum - 1] if what == "weak-seal" else names
        votes = sorted((node(name), key(name).sign(block_digest(block))) for name in signers)
        return SealBlock(block=block, certificate=tuple(votes)) if votes else None

    def spent(self) -> dict[NodeId, int]:
        return {node(name): self.world.application.conduct(node(name)).epsilon_micro for name in PEOPLE}

    def check(self, before: Session, after: Session) -> None:
        assert before.phase == after.phase or (before.phase, after.phase) in ALLOWED
        if before.phase in ENDED:
            assert after == before  # I1, I6
        if before.phase not in (Phase.CONSENT, Phase.COMMIT):
            assert after.commits == before.commits  # I2: nothing joins a closed commit set
        if after.judgement is not None:
            assert set(after.judgement.accepted) <= set(after.commits)  # I4
        if after.phase is Phase.SEALED:
            assert after.block is not None
            assert after.block == expected_block(after, after.block.model, after.block.model_size)  # I5
        assert (after.phase is Phase.SEALED) == (after.block is not None)
        assert (after.phase is Phase.ABORTED) == bool(after.abort_reason)
        assert len(after.scores) <= len(after.members) or after.phase is Phase.CONSENT

    def check_all(self) -> None:
        application = self.world.application
        records = [self.world.session(session) for session in self.ids]
        sealed = [record for record in records if record.phase is Phase.SEALED]
        assert application.poq_height == len(sealed)  # I1
        previous = NO_BLOCK
        for height in range(1, application.poq_height + 1):
            entry = application.poq_entry(height)
            assert entry is not None
            assert entry.previous == previous
            assert self.world.session(entry.session).poq_height == height
            previous = entry.digest
        opened = [record for record in records if record.judgement is not None or record.scores]
        for name, spent in self.spent().items():
            at_least = sum(record.commits[name].epsilon_micro for record in opened if name in record.commits)
            assert spent >= at_least  # I8

    def end(self) -> None:
        """Nobody does anything any more but tick: every session ends within its deadlines."""
        for session_id in self.ids:
            turns = 0
            while self.world.session(session_id).phase not in ENDED:
                record = self.world.session(session_id)
                self.world.now_ms = max(self.world.now_ms, record.deadline_ms + 1)
                self.world.post("super", Tick(phase=record.phase, view=record.view), record)
                turns += 1
                assert turns <= 3 + len(record.drawn) + len(record.witnesses)


def watched() -> Watch:
    world = World()
    world.settle_in()
    return Watch(world=world, ids=(world.open(), world.open(nonce=b"2" * 16)))


@settings(max_examples=40)
@given(actions=ACTIONS)
def test_whatever_is_posted_in_whatever_order(actions: list[Action]) -> None:
    watch = watched()
    for action in actions:
        watch.post(action)
    watch.check_all()
    watch.end()
    watch.check_all()


@settings(max_examples=20)
@given(likely=LIKELY, noise=ACTIONS)
def test_a_session_that_goes_well_among_noise(likely: list[tuple[str, str]], noise: list[Action]) -> None:
    """What happens in other sessions, and outsiders' posts in this one, never stop one whose members do their part."""
    watch = watched()
    for number, (what, who) in enumerate(likely):
        for other in noise[number :: len(likely)]:
            watch.post((other[0], other[1], 1, 0))
        watch.post((what, who, 0, 0))
    for what, who in (("weak-seal", "a"), ("other-seal", "asker"), ("seal", "b"), ("other-seal", "a")):
        watch.post((what, who, 0, 0))
    sealed = watch.world.session(watch.ids[0])
    assert sealed.phase is Phase.SEALED
    assert sealed.block is not None
    assert sealed.block.model == MODEL
    watch.check_all()


@settings(max_examples=8)
@given(actions=ACTIONS)
def test_two_nodes_that_apply_the_same_blocks_agree(actions: list[Action]) -> None:
    roots = set()
    for _ in range(2):
        watch = watched()
        for action in actions:
            watch.post(action)
        roots.add(watch.world.application.state_root)
    assert len(roots) == 1
