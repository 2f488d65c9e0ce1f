"""What was seen of a world from outside: what liars and checkers may know of all of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from comitia.core.ids import NodeId, SessionId
from comitia.learning.global_model import GlobalModel
from comitia.ledger.application import Application
from comitia.ledger.session import Phase, Session
from comitia.roles.messages import Reveal
from comitia.simulator.founding import Founding
from comitia.simulator.learning import RememberingBench
from comitia.simulator.replica import Step


@dataclass(slots=True, kw_only=True)
class Watch:
    """What the checkers know.

    Attributes
    ----------
    founding : the consortium.
    liars : nodes that follow a strategy instead of the protocol.
    now : the highest block of the orderer.
    authored : digests of all that any node signed by its own driver.
    signed : what each node has said once: (node, session, stage) -> digest.
    revealed : releases that were shown: (session, round, author) -> reveal.
    bound : commitments to references that were on the ledger when the commits of a session closed.
    judged_by : the session that used each of them up.
    voted : the block that honest members of each session have signed, in the chain and in the history beside it.
    sealed : digest of the block of each sealed session.
    ended : last phase and block digest of ended sessions.
    chain : digest of every ordered block.
    twins : blocks that a lying super node signed beside those of its chain, by digest, and the state after each.
    spent : each provider's reservations that count for ever.
    """

    founding: Founding
    liars: set[NodeId] = field(default_factory=set)
    now: Step
    authored: set[bytes] = field(default_factory=set)
    signed: dict[tuple[NodeId, bytes, str], bytes] = field(default_factory=dict)
    revealed: dict[tuple[bytes, int, NodeId], Reveal] = field(default_factory=dict)
    bound: dict[SessionId, frozenset[bytes]] = field(default_factory=dict)
    judged_by: dict[bytes, SessionId] = field(default_factory=dict)
    voted: dict[tuple[bytes, str], bytes] = field(default_factory=dict)
    sealed: dict[SessionId, bytes] = field(default_factory=dict)
    ended: dict[SessionId, Phase] = field(default_factory=dict)
    chain: list[bytes] = field(default_factory=list)
    twins: dict[bytes, Application] = field(default_factory=dict)
    spent: dict[NodeId, set[bytes]] = field(default_factory=dict)

    def is_honest(self, node: NodeId) -> bool:
        return node not in self.liars

    def session(self, session: bytes) -> Session | None:
        return self.now.application.session(SessionId(session))

    def combined(self, session: Session) -> bytes | None:
        """M, from the releases that were shown; None if one that was accepted was not."""
        bench, name, book = RememberingBench(), session.task.learner, self.founding.codebook
        model: GlobalModel | None = None
        for number, each in enumerate(session.judged_rounds, start=1):
            shown = [self.revealed.get((session.id, number, author)) for author in each.judgement.accepted]
            releases = [bench.read(session, book, reveal) for reveal in shown if reveal is not None]
            readable = [release for release in releases if release is not None]
            if len(readable) < len(shown):
                return None
            model = bench.combine(name, book, readable, model)
        return None if model is None else model.to_bytes()
