"""What goes wrong in a world, and when: drawn from its seed before anything happens, one function a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from comitia.core.ids import NodeId
from comitia.ledger.genesis import Role
from comitia.simulator.disk import flip_bit
from comitia.simulator.faults import Fault
from comitia.simulator.machine import Kill, Machine

if TYPE_CHECKING:
    from comitia.simulator.world import World

FOR_EVER_MS: Final = 10**6
ARMED_WITHIN_MS: Final = 1_500
"""At the latest then a seed's own crash point is armed, for every machine that comes by it."""


def crashes(world: World) -> None:
    """Kill one machine at the point that is this seed's turn, and up to two at others."""
    points = world.setting.points
    turn = points[world.seed % len(points)]
    delay = world.random.choice((0, world.random.randrange(ARMED_WITHIN_MS)))
    kill = Kill(turn, 1, Fault.CRASH)
    world.at(delay, lambda: _arm(_passing(world, turn), kill))
    if turn in _BEFORE:
        _arm(_passing(world, _BEFORE[turn]), Kill(_BEFORE[turn], 1, Fault.CRASH))
    for _ in range(world.random.randrange(3)):
        point = world.random.choice(points)
        machine = world.random.choice(_passing(world, point))
        _arm([machine], Kill(point, 1 + world.random.randrange(8), Fault.CRASH))


_BEFORE: Final = {
    "budget-abandon:before": "budget-reserve:after",
    "budget-abandon:after": "budget-reserve:after",
    "send-ask-model": "send-deliver",
}
"""Points that nobody comes by, or hardly anybody, unless a crash at another point has gone before."""


def _arm(machines: list[Machine], kill: Kill) -> None:
    for machine in machines:
        machine.plans.append(kill)


def _passing(world: World, point: str) -> list[Machine]:
    """The machines that come by a point at all."""
    if point.startswith(("block", "publish", "send-blocks", "send-submitted")):
        return [machine for machine in world.machines if machine.is_super]
    if point.startswith(("budget", "write-release", "write-outbox")):
        return [machine for machine in world.machines if Role.PROVIDER in machine.party.roles]
    if point.startswith("send-ask-model"):
        return [machine for machine in world.machines if Role.REQUESTER in machine.party.roles]
    if point.startswith(("append", "send-submit", "send-follow")):
        return [machine for machine in world.machines if not machine.is_super]
    return world.machines


def torn_write(world: World) -> None:
    """Power fails in the middle of a write; what was written of it is thrown away at the next start.

    Stores and budgets, and the super node's blocks, wait for the disk at every write, so no more than that one is
    lost. A follower's copy of the ledger does not, and loses blocks before it as well.
    """
    machine, count = world.random.choice(world.machines), 1 + world.random.randrange(8)
    blocks = not world.random.randrange(2)
    point = ("block:before" if machine.is_super else "append:before") if blocks else "commit:before"
    _arm([machine], Kill(point, count, Fault.TORN_WRITE, lost=world.random.randrange(4)))


def lost_writes(world: World) -> None:
    """A follower loses power, and the blocks that the disk had not yet written: the last ones, or all."""
    machine = world.random.choice([machine for machine in world.machines if not machine.is_super])
    blocks = world.random.choice((1, 2, 3, 1_000))

    def lose() -> None:
        if machine.node is not None:
            if machine.lose_blocks(blocks):
                world.fired[Fault.LOST_WRITES] += 1
            world.crashed(machine)

    world.at(world.some_time(), lose)


def full_disk(world: World) -> None:
    """Nothing more can be written for a while."""
    machine, length = world.random.choice(world.machines), world.random.randrange(200, 1_500)

    def fill() -> None:
        machine.full_until = world.now + length
        world.note(f"the disk of {machine.name} is full")

    world.at(world.some_time(), fill)


def bit_flip(world: World) -> None:
    """A bit of a provider's disk flips while it is off."""
    machine, bit = world.doom_provider(), world.random.randrange(1 << 16)
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
        world.crashed(machine)

    world.at(world.some_time(), flip)


def clock_skew(world: World) -> None:
    """Clocks are wrong from the start."""
    for machine in world.machines:
        if world.random.randrange(3) == 0:
            machine.skew_ms = world.random.randrange(-3_000, 3_000)
            world.fired[Fault.CLOCK_SKEW] += 1


def clock_jump(world: World) -> None:
    """A clock is set."""
    machine, jump = world.random.choice(world.machines), world.random.randrange(-4_000, 4_000)

    def leap() -> None:
        machine.skew_ms += jump
        world.fired[Fault.CLOCK_JUMP] += 1
        world.note(f"the clock of {machine.name} jumps by {jump} ms")

    world.at(world.some_time(), leap)


def pause(world: World) -> None:
    """A node stands still for a while."""
    machine, length = world.random.choice(world.machines), world.random.randrange(200, 3_000)

    def stand() -> None:
        machine.paused_until = world.now + length
        world.fired[Fault.PAUSE] += 1
        world.note(f"{machine.name} stands still for {length} ms")

    world.at(world.some_time(), stand)


def death(world: World) -> None:
    """A provider goes away for good."""
    machine = world.doom_provider()
    if machine is None:
        return

    def die() -> None:
        machine.dead = True
        machine.stop()
        world.fired[Fault.DEATH] += 1
        world.note(f"{machine.name} is gone for good")

    world.at(world.some_time(), die)


def partition(world: World) -> None:
    """The network falls in two for a while."""
    one, other = _halves(world)
    length = world.random.randrange(200, 2_500)

    def part() -> None:
        world.network.cut(one, other, world.now + length, Fault.PARTITION)
        world.network.cut(other, one, world.now + length, Fault.PARTITION)
        world.note(f"the network falls apart for {length} ms: {', '.join(world.names[node] for node in one)}")

    world.at(world.some_time(), part)


def one_way(world: World) -> None:
    """Some are not heard by the others for a while, and hear them."""
    one, other = _halves(world)
    length = world.random.randrange(200, 2_500)

    def part() -> None:
        world.network.cut(one, other, world.now + length, Fault.ONE_WAY)
        world.note(f"for {length} ms nothing comes from {', '.join(world.names[node] for node in one)}")

    world.at(world.some_time(), part)


def _halves(world: World) -> tuple[list[NodeId], list[NodeId]]:
    nodes = [machine.node_id for machine in world.machines]
    inside = world.random.sample(nodes, world.random.randrange(1, len(nodes)))
    return inside, [node for node in nodes if node not in inside]


def cut_off(world: World) -> None:
    """A provider is never reached again."""
    machine = world.doom_provider()
    if machine is None:
        return
    rest = [other.node_id for other in world.machines if other is not machine]

    def cut() -> None:
        world.network.cut([machine.node_id], rest, FOR_EVER_MS, Fault.CUT_OFF)
        world.network.cut(rest, [machine.node_id], FOR_EVER_MS, Fault.CUT_OFF)
        world.note(f"{machine.name} is cut off for good")

    world.at(world.some_time(), cut)


PLANS: Final[dict[Fault, Callable[[World], None]]] = {
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
