"""A consortium under a seed: machines in their surroundings, what is asked, what goes wrong, and who looks on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from comitia.core.codec import encode
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, SessionId
from comitia.driver.neighbour import COMPARE_MS, COMPARISONS
from comitia.driver.owner_settings import FACT as SETTINGS_FACT
from comitia.driver.owner_settings import OwnerSettings
from comitia.learning.prototype import Prototype
from comitia.learning.softmax import Softmax
from comitia.ledger.genesis import Role
from comitia.ledger.transactions import ONCE_IN_SESSION, EvidenceKind, OpenRequest, Policy, ReportEvidence, Task
from comitia.privacy.book import Standing
from comitia.roles.effects import Finish
from comitia.roles.messages import Submit
from comitia.simulator import adversaries, misfortunes
from comitia.simulator.faults import Fault, Fired
from comitia.simulator.founding import OWNER
from comitia.simulator.invariants import (
    ENDED,
    Followed,
    Met,
    Moved,
    Ordered,
    Proven,
    Sent,
    is_of_interest,
    read,
    stage_of,
    violations,
)
from comitia.simulator.machine import Machine
from comitia.simulator.surroundings import Setting, Surroundings

STAGE_MS: Final = 1_500
SEAL_MS: Final = 800
REQUESTS_WITHIN_MS: Final = 1_200
ASKED_AGAIN_MS: Final = 1_500
"""When the same is asked again in a world that is to see a release served twice: most sessions have ended by then."""

LONGEST_MS: Final = 60_000
LOOK_MS: Final = 100
"""How often it is looked whether a world is over."""

UNANSWERED: Final = ("no-answer", "wrong-time")
"""How a request ends that nobody has dealt with for as long as somebody waited, or for as long as it was valid."""

SETTLING_MS: Final = 1_500
"""How long a world goes on after its last session has ended."""

COMPARING_MS: Final = (COMPARISONS + 1) * COMPARE_MS
"""How long at most if its ledger is forked: members who have no session together take their time to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one run.

    seed : which.
    sessions, sealed, aborted, served : opened, and how they ended; answered from the cache.
    violations : sentences that were broken; empty for a good run.
    fired : faults, and strategies of adversaries, with how often each acted.
    points : crash points, with how often each was hit.
    trace_hash : of everything that happened.
    story : the run in lines, where it was asked for.
    cpu_seconds : what it took whoever ran it; the only thing here that differs from machine to machine.
    """

    seed: int
    sessions: int
    sealed: int
    aborted: int
    served: int
    violations: tuple[str, ...]
    fired: Fired
    points: Fired
    trace_hash: str
    story: tuple[str, ...] = ()
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class _Asked:
    """A request and what came of it."""

    machine: Machine
    boots: int
    finish: Finish | None = None


@dataclass(slots=True)
class _Checked:
    """How much of a machine the checkers have seen.

    height, movements : of its copy of the ledger, and of its budget's journal.
    met : height of its chain, and how many blocks it was told of that are not in it.
    fork : the proof of a fork that it keeps.
    """

    height: int = 1
    movements: int = 0
    met: tuple[int, int] = (1, 0)
    fork: bytes | None = None


class World(Surroundings):
    """One run: surroundings, the machines in them, and what becomes of both.

    Parameters
    ----------
    seed : int
    setting : Setting
    keep : whether to keep the story.
    """

    def __init__(self, seed: int, setting: Setting, *, keep: bool = False) -> None:
        super().__init__(seed, setting, keep=keep)
        self.machines = [
            Machine(self, party, acted=self._check, answered=self._finished) for party in self.founding.parties
        ]
        self.asked: dict[SessionId, _Asked] = {}
        self._by_node = {machine.node_id: machine for machine in self.machines}
        self._checked = {machine.node_id: _Checked() for machine in self.machines}
        self._ordered = 1
        self._over = False
        self._over_since = -1
        self._evidence: dict[tuple[NodeId, bytes, str], bytes] = {}
        self._accused: set[NodeId] = set()

    def run(self) -> Outcome:
        """Let everything happen, then look whether everything has ended."""
        self._plan()
        self._look()
        while not self._over and self.now <= LONGEST_MS:
            self.step()
        self._check_end()
        return self._outcome()

    def _look(self) -> None:
        """See now and then whether it is over."""
        self._over = self._is_over()
        self.at(LOOK_MS, self._look)

    def _is_over(self) -> bool:
        """Everything asked for has ended, and a while has passed since."""
        waiting = len(self.asked) < self._requests or any(self._is_waiting(asked) for asked in self.asked.values())
        if waiting or self._unpunished() or self._hides_blocks() or self.watch.now.application.open_sessions():
            self._over_since = -1
            return False
        if self._over_since < 0:
            self._over_since = self.now
        return self.now - self._over_since > (COMPARING_MS if self._unaware() else SETTLING_MS)

    def _unaware(self) -> list[Machine]:
        """Honest nodes of a forked ledger that have no proof that it is."""
        honest = [machine for machine in self.machines if self.watch.is_honest(machine.node_id)]
        return [machine for machine in honest if self.watch.twins and machine.kept_fork is None]

    def _hides_blocks(self) -> bool:
        """Whether power failed when a block was on the super node's disk and nobody had been told yet."""
        return any(len(machine.blocks.kept) > len(self.history.ordered) for machine in self.machines)

    def _unpunished(self) -> list[NodeId]:
        """Members that have signed two values for one stage and are not excluded, in order."""
        members = {node: self.watch.now.application.member(node) for node in sorted(self._accused)}
        return [node for node, member in members.items() if member is not None and not member.suspended]

    @staticmethod
    def _is_waiting(asked: _Asked) -> bool:
        return asked.finish is None and asked.machine.boots == asked.boots

    # --- what is going to happen --------------------------------------------------------------------

    def _plan(self) -> None:
        self._choose_liars()
        for machine in self.machines:
            self.at(self.random.randrange(5), machine.boot)
        self._plan_requests()
        self._plan_owners()
        for kind in Fault:
            if kind in self.faults and kind in misfortunes.PLANS:
                misfortunes.PLANS[kind](self, self.machines)
        self.at(misfortunes.FAULTS_UNTIL_MS, self._calm)

    def _choose_liars(self) -> None:
        if not self.setting.adversaries:
            return
        # One further on each time that all crash points have had their turn, so that each point meets each liar.
        turn = self.seed + self.seed // len(self.setting.points)
        name = self.setting.adversaries[turn % len(self.setting.adversaries)]
        role = adversaries.STRATEGIES[name].role
        able = [machine for machine in self.machines if role in machine.party.roles]
        most = self.may_fail if role is Role.PROVIDER else 1
        for machine in self.random.sample(able, min(len(able), max(0, most))):
            machine.strategy = adversaries.STRATEGIES[name](name, self.machines)
            self.watch.liars.add(machine.node_id)
            if role is Role.PROVIDER:
                self.may_fail -= 1
            self.note(f"{machine.name} follows the strategy {name}")

    def _plan_requests(self) -> None:
        requesters = [machine for machine in self.machines if Role.REQUESTER in machine.party.roles]
        self._requests = self.setting.requests
        # Together, so that identical requests meet in flight, or one after another, so that they meet the cache.
        within, gap = self.random.choice(((30, 0), (REQUESTS_WITHIN_MS, 300)))
        for number in range(self.setting.requests):
            machine = requesters[number % len(requesters)]
            delay = 200 + self.random.randrange(within) + number * gap
            task, nonce = self._task(), self.random.randbytes(16)
            self._ask_after(delay, machine, task, nonce)
        if Fault.CRASH in self.faults and self.turn.startswith("budget-reuse"):
            self._plan_reuse(machine, replace(task, learner=Prototype.name, rounds=1, chain=False, threshold_ppm=None))

    def _plan_reuse(self, machine: Machine, task: Task) -> None:
        """Ask once, and then so that the model does not answer but the providers' releases may be served again."""
        fewest = 2 if task.providers_min == 1 else 1
        self._requests += 2
        again = replace(task, reuse=True, providers_min=fewest)
        for delay, asked in ((200, task), (ASKED_AGAIN_MS, again)):
            self._ask_after(delay, machine, asked, self.random.randbytes(16))

    def _ask_after(self, delay_ms: int, machine: Machine, task: Task, nonce: bytes) -> None:
        self.at(delay_ms, lambda: self._ask(machine, task, nonce))

    def _task(self) -> Task:
        random = self.random
        rounds = random.choice((1, 1, 1, 1, 2, 3))
        return Task(
            codebook=self.founding.codebook.digest,
            learner=Prototype.name if rounds == 1 else Softmax.name,
            rounds=rounds,
            chain=rounds > 1 and random.randrange(4) == 0,
            threshold_ppm=random.choice((None, 0, 10**6)) if rounds > 1 else None,
            epsilon_micro=1_000_000,
            delta_pico=10_000_000,
            providers_min=random.choice((1, max(1, self.setting.providers // 3), self.setting.providers)),
            providers_max=self.setting.providers,
            accept_unverified=True,
            reuse=random.randrange(2) == 0,
            consent_ms=STAGE_MS,
            commit_ms=STAGE_MS,
            score_ms=STAGE_MS,
            seal_ms=SEAL_MS,
            purpose=random.choice(("upkeep", "planning")),
            queries=bytes(32),
        )

    def _ask(self, machine: Machine, task: Task, nonce: bytes) -> None:
        """A person asks; again later while the machine is down or does not know yet that it is a member."""
        if machine.node is None or machine.requesting is None or machine.paused_until > self.now:
            if machine.dead:
                self._requests -= 1
            else:
                self.at(200, lambda: self._ask(machine, task, nonce))
            return
        requesting = machine.requesting
        request = OpenRequest(task=task, issued_ms=machine.now_ms(), nonce=nonce)
        asked = _Asked(machine=machine, boots=machine.boots)

        def ask() -> None:
            self.asked[requesting.ask(request)] = asked

        self.note(f"{machine.name} asks, for {task.purpose}{', a cached model will do' if task.reuse else ''}")
        before = len(self.asked)
        machine.act(ask)
        if len(self.asked) == before:
            self._requests -= 1

    def _finished(self, finish: Finish) -> None:
        """A request has ended, for the person who asked."""
        for session, asked in self.asked.items():
            if asked.finish is None and finish.session == session:
                asked.finish = finish
                self.note(
                    f"{asked.machine.name} has {finish.code or ('a cached model' if finish.cached else 'a model')}"
                )

    def _plan_owners(self) -> None:
        """Now and then an owner thinks again: forbids a purpose, or leaves."""
        providers = [machine for machine in self.machines if Role.PROVIDER in machine.party.roles]
        if self.random.randrange(3) == 0:
            machine = self.random.choice(providers)
            leaves = self.random.randrange(2) == 0
            self.at(self.random.randrange(300, 2_500), lambda: self._change_mind(machine, leaves))

    def _change_mind(self, machine: Machine, leaves: bool) -> None:
        narrow = Policy(version=2, rules=(replace(OWNER.policy.rules[0], purposes=("upkeep",)),))
        changed = OwnerSettings(policy=narrow, total_epsilon_micro=OWNER.total_epsilon_micro, withdrawn=leaves)
        machine.rows["fact", SETTINGS_FACT] = encode(changed)
        machine.rows["elsewhere", ""] = machine.rows.get(("elsewhere", ""), 0) + 1
        self.note(f"the owner of {machine.name} {'leaves' if leaves else 'allows upkeep only'}")

    def _calm(self) -> None:
        """From now on the world behaves, and every session must end."""
        self.network.calm()
        for machine in self.machines:
            machine.plans.clear()
            machine.full_until = 0

    # --- checking -----------------------------------------------------------------------------------

    def _check(self, machine: Machine) -> None:
        """Hold every sentence against what the last event brought."""
        while self._ordered < len(self.history.ordered):
            self._check_block()
        if self.unchecked:
            sent, self.unchecked = self.unchecked, []
            for letter in sent:
                fact = Sent(self._by_node[letter.received.sender], letter)
                if is_of_interest(fact):
                    self.hold(violations(self.watch, fact))
                    self._collect_evidence(fact)
        checked = self._checked[machine.node_id]
        if len(machine.kept) != checked.height:
            checked.height = len(machine.kept)
            self.hold(violations(self.watch, Followed(machine, machine.kept)))
        if machine.met:
            self._check_met(machine, checked)
        fork = machine.kept_fork
        if fork is not None and fork is not checked.fork:
            checked.fork = fork
            self.hold(violations(self.watch, Proven(machine, fork)))
        if len(machine.journal) != checked.movements:
            checked.movements = len(machine.journal)
            self.hold(violations(self.watch, Moved(machine)))

    def _check_met(self, machine: Machine, checked: _Checked) -> None:
        """Hold what a machine was told of against its chain, whenever one of both has changed."""
        height = len(machine.chain)
        told = [signed for signed in machine.met.values() if not machine.holds(signed.header)]
        if told and (height, len(told)) != checked.met:
            self.hold(violations(self.watch, Met(machine, told)))
        machine.met = {signed.header.digest: signed for signed in told if signed.header.height > height}
        checked.met = (height, len(machine.met))

    def _collect_evidence(self, fact: Sent) -> None:
        """Keep what a liar has signed; two different values for one stage are brought to the ledger."""
        message = fact.letter.received.message
        if not isinstance(message, Submit) or self.watch.is_honest(fact.machine.node_id):
            return
        try:
            envelope = read(message.transaction)
        except ProtocolError:
            return
        header = envelope.header
        if header.type not in ONCE_IN_SESSION or header.sender != fact.machine.node_id:
            return
        place = (header.sender, header.session, stage_of(envelope))
        first = self._evidence.setdefault(place, message.transaction)
        if first != message.transaction and header.sender not in self._accused:
            self._accused.add(header.sender)
            items = (first, message.transaction)
            body = ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=header.sender, items=items)
            self.at(100, lambda: self._accuse(body))

    def _accuse(self, body: ReportEvidence) -> None:
        """Some honest node reports; another time if it is not able to."""
        machine = next(m for m in self.machines if m.is_super)
        if machine.node is None or machine.paused_until > self.now:
            self.at(300, lambda: self._accuse(body))
            return
        node = machine.node

        def report() -> None:
            node.post(b"", body)

        machine.act(report)
        self.at(600, lambda: self._accuse_again(body))

    def _accuse_again(self, body: ReportEvidence) -> None:
        member = self.watch.now.application.member(body.accused)
        if member is not None and not member.suspended and self.watch.session(read(body.items[0]).header.session):
            self._accuse(body)

    def _check_block(self) -> None:
        before, step = self.history.ordered[self._ordered - 1], self.history.ordered[self._ordered]
        self._ordered += 1
        for result in step.applied.results:
            self.note(f"block {step.block.header.height}: {result.type} of {self._name(result.author)} {result.code}")
        self.note(f"block {step.block.header.height}: state {step.applied.state_root.hex()[:16]}")
        self.watch.now = step
        fact = Ordered.of(before, step)
        for _, session in fact.sessions:
            why = f": {session.abort_reason}" if session.abort_reason else ""
            self.note(f"session {session.id.hex()[:8]} is in {session.phase}{why}")
        self.hold(violations(self.watch, fact))

    def _name(self, node: NodeId) -> str:
        return self.names.get(node, node)

    def _check_end(self) -> None:
        """Liveness: with at most N-q faulty members and a live ledger, every session ends by its deadline."""
        application = self.history.latest.application
        for session in application.open_sessions():
            self.hold([f"liveness: session {session.id.hex()[:8]} never ended, it stands in {session.phase}"])
        for session_id, asked in self.asked.items():
            if self._is_waiting(asked) and self.watch.is_honest(asked.machine.node_id):
                self.hold([f"liveness: the request {session_id.hex()[:8]} of {asked.machine.name} was never answered"])
            if asked.finish is not None and asked.finish.code in UNANSWERED and self._is_fair:
                self.hold([f"liveness: nobody answered the request {session_id.hex()[:8]}, and nothing was wrong"])
            if asked.finish is not None and not asked.finish.code and not asked.finish.cached:
                histories = (application, *self.watch.twins.values())
                if all((s := each.session(session_id)) is None or s.block is None for each in histories):
                    self.hold([f"i12: {asked.machine.name} has a model of a session that is not sealed"])
        for machine in self.machines:
            self._check_settled(machine)
        for machine in self._unaware() if not self.faults else ():
            self.hold([f"liveness: {machine.name} never learned that its ledger is forked, and nothing else was wrong"])
        for node in self._unpunished():
            self.hold([f"evidence: {self._name(node)} has signed two values for one stage and is not excluded"])
        self._check_replay()

    @property
    def _is_fair(self) -> bool:
        """Whether nothing at all went wrong in this world."""
        return not self.faults and not self.watch.liars

    def _check_settled(self, machine: Machine) -> None:
        """Budget of an aborted session that released nothing is given back, otherwise it stays spent."""
        if machine.budget is None or not self.watch.is_honest(machine.node_id) or machine.node is None:
            return
        if machine.node.is_forked or machine.node.engine.height < self.history.latest.block.header.height:
            return
        for name, entry in machine.budget.book.entries.items():
            session = machine.node.application.session(SessionId(name))
            if session is not None and session.phase in ENDED and entry.standing is Standing.RESERVED:
                self.hold([f"i8: {machine.name} still reserves for session {name.hex()[:8]}, which has ended"])

    def _check_replay(self) -> None:
        """I5, I12: a new application, given the orderer's blocks from the first on, comes to the same state."""
        if self.seed % 16:
            return
        application = self.founding.application.fork()
        for step in self.history.ordered[1:]:
            header = step.block.header
            again = application.apply(
                step.block.transactions, time_ms=header.time_ms, height=header.height, previous=header.previous
            )
            if again.state_root != header.state_root:
                self.hold([f"i5: block {header.height} leads to another state when it is applied again"])

    def _outcome(self) -> Outcome:
        sessions = self.history.latest.application.sessions()
        phases = Counter(session.phase.value for session in sessions)
        served = sum(1 for asked in self.asked.values() if asked.finish is not None and asked.finish.cached)
        return Outcome(
            seed=self.seed,
            sessions=len(sessions),
            sealed=phases["sealed"],
            aborted=phases["aborted"],
            served=served,
            violations=tuple(self.violations),
            fired=self.fired,
            points=self.points,
            trace_hash=self.trace.hash,
            story=tuple(self.trace.lines),
        )
