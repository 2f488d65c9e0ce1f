"""One computer of a simulated world: a disk that stays, and a node that runs on it until it crashes.

The node is honest, or all it says goes through a `Strategy`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from typing import Any, ClassVar, Final

from comitia.core.envelope import Envelope
from comitia.core.errors import DamagedError, ProtocolError, StorageError
from comitia.core.ids import NodeId, TransactionId
from comitia.driver.committee import Committee
from comitia.driver.desk import Desk
from comitia.driver.histories import FORK_FACT
from comitia.driver.keeper import Keeper
from comitia.driver.library import Library
from comitia.driver.neighbour import Neighbour
from comitia.driver.node import HEARTBEAT_MS, Node, Packed
from comitia.driver.provider import Provider
from comitia.driver.requesting import Requesting
from comitia.ledger.block import Block, BlockHeader, SignedHeader
from comitia.ledger.genesis import Role
from comitia.ledger.transactions import Transaction
from comitia.privacy.terms import Unit
from comitia.roles.effects import Finish
from comitia.roles.messages import Message, Received
from comitia.simulator.crash_points import STAGES, Crash, Kill
from comitia.simulator.disk import SimulatedBlocks, SimulatedBudget, SimulatedStore
from comitia.simulator.faults import Fault
from comitia.simulator.founding import Party
from comitia.simulator.learning import ReadyPrototype, RememberingBench, SimulatedNoise
from comitia.simulator.replica import Orderer, Replica, begin
from comitia.simulator.surroundings import Letter, Surroundings
from comitia.text.codebook import Codebook

PUT_OFF_MS: Final = (5, 40)
"""How long a super node puts a block off at least, and less than that at most, while transactions come."""

_FORK: Final = ("fact", FORK_FACT)
_SENDS: Final = {kind: f"send-{stage}" for kind, stage in STAGES.items()}
_WRITES: Final = ("write", "commit", "budget", "block", "append")

Letters = list[tuple[NodeId, bytes, Message]]
Honest = Callable[[bytes, Transaction], TransactionId]


class Strategy:
    """One way to lie. What is not overridden is done honestly.

    Parameters
    ----------
    name : what it is called.
    machines : everybody's.

    Attributes
    ----------
    role : whose strategy it is.
    provable : whether signatures prove it to anyone, so that it ends in exclusion.
    sums : how a provider makes its class sums.
    """

    role: ClassVar[Role] = Role.PROVIDER
    provable: ClassVar[bool] = False
    sums: ClassVar[type[ReadyPrototype]] = ReadyPrototype

    def __init__(self, name: str, machines: Sequence[Machine]) -> None:
        self.name = name
        self.machines = machines

    def letters(self, machine: Machine, to: NodeId, session: bytes, message: Message) -> Letters:
        """What is sent in place of a message."""
        return [(to, session, message)]

    def post(self, machine: Machine, session: bytes, body: Transaction, honest: Honest) -> TransactionId:
        """What is posted in place of a transaction; `honest` posts."""
        return honest(session, body)

    def accepts(self, machine: Machine, received: Received) -> bool:
        """Whether a message that came is looked at."""
        return True

    def saw_block(self, machine: Machine, data: bytes) -> None:
        """A block was published."""

    def publish(self, machine: Machine, data: bytes) -> None:
        """Tell all who follow of a block that this super node has made."""
        machine.world.published(machine.node_id, data)

    def head(self, machine: Machine, to: NodeId, honest: SignedHeader | None) -> SignedHeader | None:
        """The block at which a message to somebody says that this node stands."""
        return honest

    def acted(self, machine: Machine) -> None:
        machine.world.fired[f"adversary {self.name}"] += 1


@lru_cache(maxsize=1 << 8)
def _block_from(data: bytes) -> Block:
    return Block.from_bytes(data)


def _nothing() -> None:
    """What the node is given to do when only its timers are due."""


@cache
def _read_codebook(data: bytes) -> Codebook:
    return Codebook.from_bytes(data)


class SimulatedNode(Node):
    """A node whose packets are handed over unpacked, unless the world is one with real envelopes."""

    machine: Machine

    @staticmethod
    def read_block(data: bytes) -> Block:
        return _block_from(data)

    def on_block(self, data: bytes) -> None:
        try:
            self.machine.meet(_block_from(data).signed_header)
        except ProtocolError:  # the bytes are no block
            pass
        super().on_block(data)

    def send(self, to: NodeId, session: bytes, message: Message) -> None:
        machine = self.machine
        strategy = machine.strategy
        letters = [(to, session, message)] if strategy is None else strategy.letters(machine, to, session, message)
        for reader, about, content in letters:
            self.say(reader, about, content)

    def post(self, session: bytes, body: Transaction) -> TransactionId:
        strategy = self.machine.strategy
        if strategy is None:
            return super().post(session, body)
        return strategy.post(self.machine, session, body, super().post)

    def _sign(self, session: bytes, body: Transaction) -> Envelope:
        envelope = super()._sign(session, body)
        self.machine.world.watch.authored.add(envelope.digest)
        return envelope

    def say(self, to: NodeId, session: bytes, message: Message) -> None:
        """Send a message as it is, past the strategy."""
        if not self._may_leave(message):
            return
        world = self.machine.world
        head = self._head_for(to, message)
        received = Received(sender=self.node, registered=True, session=session, message=message, head=head)
        letter = Letter(to=to, received=received)
        if world.sealed_wire:
            super().send(to, session, message)
            data = self._outgoing[-1].data
        else:
            data = len(world.letters).to_bytes(8, "big")
            self._outgoing.append(Packed(to=to, data=data))
        world.letters[data] = letter

    def _head_for(self, to: NodeId, message: Message) -> SignedHeader | None:
        head, strategy = super()._head_for(to, message), self.machine.strategy
        return head if strategy is None else strategy.head(self.machine, to, head)

    def on_received(self, received: Received) -> None:
        strategy = self.machine.strategy
        if strategy is None or strategy.accepts(self.machine, received):
            if received.head is not None:
                self.machine.meet(received.head)
            super().on_received(received)

    def on_packet(self, data: bytes) -> None:
        world = self.machine.world
        if world.sealed_wire:
            super().on_packet(data)
        else:
            self.on_received(world.letters[data].received)


class Machine:
    """A computer.

    Parameters
    ----------
    world : what is around it.
    party : whose it is.
    acted : told after each event that it has dealt with.
    answered : told when a request that was made here has ended.

    Attributes
    ----------
    is_super : whether it orders the ledger.
    met : headers that this run of its node was told of and that were not in its own chain, by digest.
    """

    def __init__(
        self,
        world: Surroundings,
        party: Party,
        *,
        acted: Callable[[Machine], None],
        answered: Callable[[Finish], None],
    ) -> None:
        self.world = world
        self._acted = acted
        self._answered = answered
        self.party = party
        self.name = party.name
        self.node_id = party.node
        self.is_super = party.node == world.founding.parties[0].node
        self.rows: dict[Any, Any] = {("fact", name): value for name, value in self._first_facts().items()}
        self.rows["artefact", world.founding.codebook.digest] = world.founding.codebook_bytes
        self.journal: list[bytes] = []
        self.kept: list[bytes] = [world.history.first]
        self.blocks = SimulatedBlocks(self.touch)
        if self.is_super:
            begin(self.blocks, world.founding)
        self.node: SimulatedNode | None = None
        self.budget: SimulatedBudget | None = None
        self.requesting: Requesting | None = None
        self.committee: Committee | None = None
        self.strategy: Strategy | None = None
        self.skew_ms = 0
        self.paused_until = 0
        self.full_until = 0
        self.dead = False
        self.boots = 0
        self.met: dict[bytes, SignedHeader] = {}
        self.plans: list[Kill] = []
        self.producing = False
        self._timer_ms: int | None = None
        world.inboxes[party.node] = self.receive

    @property
    def chain(self) -> list[bytes]:
        """Digests of its own copy of the ledger, from the first block on."""
        return self.world.watch.chain if self.is_super else self.kept

    def holds(self, header: BlockHeader) -> bool:
        """Whether a block is in its own chain."""
        chain = self.chain
        return 1 <= header.height <= len(chain) and chain[header.height - 1] == header.digest

    def meet(self, told: SignedHeader) -> None:
        """Somebody stands by a block."""
        if not self.holds(told.header):
            self.met[told.header.digest] = told

    @property
    def kept_fork(self) -> bytes | None:
        """The proof that the ledger is forked, if its disk holds one."""
        kept: bytes | None = self.rows.get(_FORK)
        return kept

    def _first_facts(self) -> dict[str, bytes]:
        return self.world.founding.facts.get(self.party.node, {})

    def now_ms(self) -> int:
        return self.world.start_ms + self.world.now + self.skew_ms

    # --- power --------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start the node on what its disk holds."""
        if self.dead or self.node is not None:
            return
        self.boots += 1
        boots = self.boots
        self.world.note(f"{self.name} starts")
        try:
            self._start()
        except Crash:
            self.lose_power()
            return
        except StorageError:
            self._end_for_now()
            return
        except DamagedError as error:
            self._give_up(error)
            return
        self.world.at(0, partial(self._beat, boots))

    def lose_power(self) -> None:
        """It comes back after a while."""
        self.stop()
        self.world.note(f"{self.name} is down")
        self.world.at(self.world.random.randrange(50, 1_500), self.boot)

    def _end_for_now(self) -> None:
        """The node ends by itself for its disk; whoever runs it starts it again."""
        self.stop()
        self.world.note(f"{self.name} ends: its disk is full")
        self.world.at(self.world.random.randrange(200, 1_000), self.boot)

    def _break(self, error: Exception) -> None:
        """The node ends by a mistake in it. An honest one ends only for its disk."""
        if self.world.watch.is_honest(self.node_id):
            self.world.hold([f"uncaught: {self.name} died of {type(error).__name__}: {error}"])
        self.lose_power()

    def _give_up(self, error: DamagedError) -> None:
        """The disk is damaged, and the node says so rather than guess."""
        self.world.note(f"{self.name} ends for good: {error.message}")
        self.dead = True
        self.stop()

    def _start(self) -> None:
        world, founding = self.world, self.world.founding
        store = SimulatedStore(self.touch)
        store.rows = self.rows
        engine = Orderer(world.history, self.blocks, founding) if self.is_super else self._replica()
        node = SimulatedNode(
            genesis=founding.genesis,
            membership=self.party.membership,
            keys=self.party.keys,
            engine=engine,
            store=store,
            wire=self,
            clock=self.now_ms,
            draw=lambda count: world.random.randbytes(count),
        )
        node.machine = self
        library = Library(node, _read_codebook)
        node.add(library)
        roles = self.party.roles
        if Role.PROVIDER in roles:
            self._start_provider(node, library)
        elif Role.WITNESS in roles or self.is_super:
            keeper = Keeper(node)
            self.committee = Committee(node, library, None, RememberingBench(), keeper)
            node.add(keeper)
            node.add(self.committee)
            node.on_membership(self.committee.resume)
        if self.is_super:
            desk = Desk(node, self)
            node.ordering = desk
            node.add(desk)
        node.add(Neighbour(node))
        if Role.REQUESTER in roles:
            self.requesting = Requesting(node, progress=lambda _: None, done=self._answered)
            node.add(self.requesting)
        self.producing = False
        self._timer_ms = None
        self.node = node

    def _replica(self) -> Replica:
        return Replica(self.world.history, self.touch, self.kept)

    def _start_provider(self, node: SimulatedNode, library: Library) -> None:
        founding = self.world.founding
        self.budget = SimulatedBudget(self.touch, self.journal)
        owner = Provider(
            node,
            library,
            lambda codebook: founding.holdings[self.node_id],
            self.budget,
            unit=Unit.RECORD,
            records_per_user=1,
            noise=SimulatedNoise(self.world.random.randbytes(8)),
        )
        sums = ReadyPrototype if self.strategy is None else self.strategy.sums
        bench = RememberingBench(self.node_id, sums=sums)
        self.committee = Committee(node, library, owner, bench)
        node.add(owner)
        node.add(self.committee)
        owner.when_ready(self.committee.resume)

    def stop(self) -> None:
        """The node is gone; the disk stays."""
        self.node = None
        self.met.clear()
        self.budget = None
        self.requesting = None
        self.committee = None

    # --- time and packets ---------------------------------------------------------------------------

    def act(self, action: Callable[[], None]) -> None:
        """Let the node deal with one event, if it runs; later if it is paused."""
        if self.node is None:
            return
        if self.paused_until > self.world.now:
            boots = self.boots
            self.world.at(self.paused_until - self.world.now, lambda: self.act(action) if boots == self.boots else None)
            return
        try:
            self.node.take(action)
        except Crash:
            self.lose_power()
        except StorageError:
            self._end_for_now()
        except DamagedError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001 - whatever an honest node dies of is what is looked for
            self._break(error)
        else:
            self._look_ahead()
        self._acted(self)

    def receive(self, data: bytes) -> None:
        """A packet or a block has come."""
        if self.node is None:
            return
        node = self.node
        if data in self.world.letters:
            self.act(partial(node.on_packet, data))
        else:
            self.act(partial(node.on_block, data))
            if self.strategy is not None:
                self.strategy.saw_block(self, data)

    def _beat(self, boots: int) -> None:
        if self.boots != boots or self.node is None:
            return
        self.act(self.node.heartbeat)
        self.world.at(HEARTBEAT_MS, partial(self._beat, boots))

    def _look_ahead(self) -> None:
        """Come back at the node's next timer, and for a block if transactions wait."""
        node = self.node
        if node is None:
            return
        if self.is_super and not self.producing and isinstance(node.engine, Orderer) and node.engine.waiting:
            self.producing = True
            self.world.at(self.world.random.randrange(*PUT_OFF_MS), self._produce)
        due = node.next_timer_ms
        if due is not None and (self._timer_ms is None or due < self._timer_ms):
            self._timer_ms = due
            self.world.at(max(1, due - self.now_ms()), partial(self._fire, self.boots))

    def _fire(self, boots: int) -> None:
        if self.boots == boots:
            self._timer_ms = None
            self.act(_nothing)

    def _produce(self) -> None:
        self.producing = False
        if self.node is not None and self.node.ordering is not None:
            self.act(self.node.ordering.make_block)

    # --- ports: wire, admission, and the points at which power fails ---------------------------------

    def send(self, to: NodeId, data: bytes) -> None:
        letter = self.world.letters[data]
        self.touch(_SENDS[type(letter.received.message)])
        self.world.sent(letter, data)

    def publish(self, topic: str, data: bytes) -> None:
        self.touch("publish")
        if self.strategy is None:
            self.world.published(self.node_id, data)
        else:
            self.strategy.publish(self, data)

    def update_members(self, members: object) -> None:
        """Everybody may use the simulated network."""

    def touch(self, point: str) -> None:
        """Pass a point at which the node can be killed, or find the disk full."""
        world = self.world
        if self.full_until > world.now and point.startswith(_WRITES) and not point.endswith(":after"):
            world.fired[Fault.DISK_FULL] += 1
            raise StorageError("the disk is full", code="disk-full", hint="free some space")
        if not self.plans:
            return
        plan = next((plan for plan in self.plans if plan.point == point), None)
        if plan is not None:
            plan.left -= 1
            if plan.left == 0:
                self.plans.remove(plan)
                world.fired[plan.kind] += 1
                world.points[point] += 1
                world.note(f"{self.name} is killed at {point}")
                self.lose_blocks(plan.lost)
                raise Crash

    def lose_blocks(self, count: int) -> bool:
        """Lose the last blocks of a follower's copy, but for the first of all; whether there were any to lose."""
        left = max(1, len(self.kept) - count)
        lost = left < len(self.kept)
        del self.kept[left:]
        return lost
