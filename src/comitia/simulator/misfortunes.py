"""What goes wrong in a world, and when: drawn from its seed before anything happens, one function a kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from comitia.core.ids import NodeId
from comitia.ledger.genesis import Role
from comitia.simulator.crash_points import Kill
from comitia.simulator.disk import flip_bit
from comitia.simulator.faults import Fault
from comitia.simulator.machine import Machine
from comitia.simulator.surroundings import Surroundings

FOR_EVER_MS: Final = 10**6
FAULTS_UNTIL_MS: Final = 4_000
"""After this, cuts heal, pauses end and killed machines come back: every session must end."""

ARMED_WITHIN_MS: Final = 1_500
"""At the latest then a seed's own crash point is armed, for every machine that comes by it."""


def crashes(world: Surroundings, machines: Sequence[Machine]) -> None:
    """Kill one machine at the point that is this seed's turn, and up to two at others."""
    points, turn = world.setting.points, world.turn
    delay = world.random.choice((0, world.random.randrange(ARMED_WITHIN_MS)))
    kill = Kill(turn, 1, Fault.CRASH)
    world.at(delay, lambda: _arm(_passing(machines, turn), kill))
    if turn in _BEFORE:
        _arm(_passing(machines, _BEFORE[turn]), Kill(_BEFORE[turn], 1, Fault.CRASH))
    for _ in range(world.random.randrange(3)):
        point = world.random.choice(points)
        machine = world.random.choice(_passing(machines, point))
        _arm([machine], Kill(point, 1 + world.random.randrange(8), Fault.CRASH))


_BEFORE: Final = {
    "budget-abandon:before": "budget-reserve:after",
    "budget-abandon:after": "budget-reserve:after",
    "send-ask-model": "send-deliver",
}
"""Points that nobody comes by, or hardly anybody, unless a crash at another point has gone before."""


def _arm(machines: Sequence[Machine], kill: Kill) -> None:
    for machine in machines:
        machine.plans.append(kill)


def _passing(machines: Sequence[Machine], point: str) -> Sequence[Machine]:
    """The machines that come by a point at all."""
    if point.startswith(("block", "publish", "send-blocks", "send-submitted")):
        return [machine for machine in machines if machine.is_super]
    if point.startswith(("budget", "write-release", "write-outbox")):
        return [machine for machine in machines if Role.PROVIDER in machine.party.roles]
    if point.startswith("send-ask-model"):
        return [machine for machine in machines if Role.REQUESTER in machine.party.roles]
    if point.startswith(("append", "send-submit", "send-follow")):
        return [machine for machine in machines if not machine.is_super]
    return machines


def torn_write(world: Surroundings, machines: Sequence[Machine]) -> None:
    """Power fails in the middle of a write; what was written of it is thrown away at the next start.

    Stores and budgets, and the super node's blocks, wait for the disk at every write, so no more than that one is
    lost. A follower's copy of the ledger does not, and loses blocks before it as well.
    """
    machine, count = world.random.choice(machines), 1 + world.random.randrange(8)
    blocks = not world.random.randrange(2)
    point = ("block:before" if machine.is_super else "append:before") if blocks else "commit:before"
    _arm([machine], Kill(point, count, Fault.TORN_WRITE, lost=world.random.randrange(4)))


def lost_writes(world: Surroundings, machines: Sequence[Machine]) -> None:
    """A follower loses power, and the blocks that the disk had not yet written: the last ones, or all."""
    machine = world.random.choice([machine for machine in machines if not machine.is_super])
    blocks = world.random.choice((1, 2, 3, 1_000))

    def lose() -> None:
        if machine.node is not None:
            if machine.lose_blocks(blocks):
                world.fired[Fault.LOST_WRITES] += 1
            machine.lose_power()

    world.at(_some_time(world), lose)


def full_disk(world: Surroundings, machines: Sequence[Machine]) -> None:
    """Nothing more can be written for a while."""
    machine, length = world.random.choice(machines), world.random.randrange(200, 1_500)

    def fill() -> None:
        machine.full_until = world.now + length
        world.note(f"the disk of {machine.name} is full")

    world.at(_some_time(world), fill)


def bit_flip(world: Surroundings, machines: Sequence[Machine]) -> None:
    """A bit of a provider's disk flips while it is off."""
    machine, bit = _doomed(world, machines), world.random.randrange(1 << 16)
    if machine is None:
        return
    world.watch.liars.add(machine.node_id)

    def flip() -> None:
        memories = [key for key in machine.rows if key[0] == "memory"]
        if machine.journal and world.random.randrange(2):
            place = world.random.randrange(len(machine.journal))
            machine.journal[place] = flip_bit(machine.journal[place], bit)
        elif memories:
            key = world.random.choice(memories)
            machine.rows[key] = flip_bit(machine.rows[key], bit)
        else:
            return
        world.fired[Fault.BIT_FLIP] += 1
        world.note(f"a bit flips on the disk of {machine.name}")
        machine.lose_power()

    world.at(_some_time(world), flip)


def clock_skew(world: Surroundings, machines: Sequence[Machine]) -> None:
    """Clocks are wrong from the start."""
    for machine in machines:
        if world.random.randrange(3) == 0:
            machine.skew_ms = world.random.randrange(-3_000, 3_000)
            world.fired[Fault.CLOCK_SKEW] += 1


def clock_jump(world: Surroundings, machines: Sequence[Machine]) -> None:
    """A clock is set."""
    machine, jump = world.random.choice(machines), world.random.randrange(-4_000, 4_000)

    def leap() -> None:
        machine.skew_ms += jump
        world.fired[Fault.CLOCK_JUMP] += 1
        world.note(f"the clock of {machine.name} jumps by {jump} ms")

    world.at(_some_time(world), leap)


def pause(world: Surroundings, machines: Sequence[Machine]) -> None:
    """A node stands still for a while."""
    machine, length = world.random.choice(machines), world.random.randrange(200, 3_000)

    def stand() -> None:
        machine.paused_until = world.now + length
        world.fired[Fault.PAUSE] += 1
        world.note(f"{machine.name} stands still for {length} ms")

    world.at(_some_time(world), stand)


def death(world: Surroundings, machines: Sequence[Machine]) -> None:
    """A provider goes away for good."""
    machine = _doomed(world, machines)
    if machine is None:
        return

    def die() -> None:
        machine.dead = True
        machine.stop()
        world.fired[Fault.DEATH] += 1
        world.note(f"{machine.name} is gone for good")

    world.at(_some_time(world), die)


def partition(world: Surroundings, machines: Sequence[Machine]) -> None:
    """The network falls in two for a while."""
    one, other = _halves(world, machines)
    length = world.random.randrange(200, 2_500)

    def part() -> None:
        world.network.cut(one, other, world.now + length, Fault.PARTITION)
        world.network.cut(other, one, world.now + length, Fault.PARTITION)
        world.note(f"the network falls apart for {length} ms: {', '.join(world.names[node] for node in one)}")

    world.at(_some_time(world), part)


def one_way(world: Surroundings, machines: Sequence[Machine]) -> None:
    """Some are not heard by the others for a while, and hear them."""
    one, other = _halves(world, machines)
    length = world.random.randrange(200, 2_500)

    def part() -> None:
        world.network.cut(one, other, world.now + length, Fault.ONE_WAY)
        world.note(f"for {length} ms nothing comes from {', '.join(world.names[node] for node in one)}")

    world.at(_some_time(world), part)


def _halves(world: Surroundings, machines: Sequence[Machine]) -> tuple[list[NodeId], list[NodeId]]:
    nodes = [machine.node_id for machine in machines]
    inside = world.random.sample(nodes, world.random.randrange(1, len(nodes)))
    return inside, [node for node in nodes if node not in inside]


def cut_off(world: Surroundings, machines: Sequence[Machine]) -> None:
    """A provider is never reached again."""
    machine = _doomed(world, machines)
    if machine is None:
        return
    rest = [other.node_id for other in machines if other is not machine]

    def cut() -> None:
        world.network.cut([machine.node_id], rest, FOR_EVER_MS, Fault.CUT_OFF)
        world.network.cut(rest, [machine.node_id], FOR_EVER_MS, Fault.CUT_OFF)
        world.note(f"{machine.name} is cut off for good")

    world.at(_some_time(world), cut)


def _some_time(world: Surroundings) -> int:
    """When something goes wrong."""
    return world.random.randrange(100, FAULTS_UNTIL_MS - 500)


def _doomed(world: Surroundings, machines: Sequence[Machine]) -> Machine | None:
    """Choose a provider to fail for good, if the committee can bear one more."""
    honest = [machine for machine in machines if machine.party.node in world.founding.holdings]
    honest = [machine for machine in honest if machine.strategy is None]
    if world.may_fail < 1 or not honest:
        return None
    world.may_fail -= 1
    return world.random.choice(honest)


PLANS: Final[dict[Fault, Callable[[Surroundings, Sequence[Machine]], None]]] = {
    Fault.CRASH: crashes,
    Fault.TORN_WRITE: torn_write,
    Fault.LOST_WRITES: lost_writes,
    Fault.DISK_FULL: full_disk,
    Fault.BIT_FLIP: bit_flip,
    Fault.CLOCK_SKEW: clock_skew,
    Fault.CLOCK_JUMP: clock_jump,
    Fault.PAUSE: pause,
    Fault.DEATH: death,
    Fault.PARTITION: partition,
    Fault.ONE_WAY: one_way,
    Fault.CUT_OFF: cut_off,
}
"""How each kind is planned; what befalls single packets is the network's business."""
