"""What befalls packets: each kind about as often as it says, and nothing once the world is calm."""

from __future__ import annotations

from collections import Counter
from random import Random

from comitia.core.ids import NodeId
from comitia.simulator.faults import Fault
from comitia.simulator.network import FARTHEST_MS, NEAREST_MS, Network

PACKETS = 20_000
HERE, THERE = NodeId("here"), NodeId("there")


def delays_of(faults: frozenset[Fault], *, calm: bool = False) -> tuple[list[int], Counter[str]]:
    """How long packets took, and what has befallen them."""
    delays: list[int] = []
    fired: Counter[str] = Counter()
    network = Network(Random(1), faults, fired, lambda delay_ms, to, data: delays.append(delay_ms))
    if calm:
        network.calm()
    for _ in range(PACKETS):
        network.carry(0, HERE, THERE, b"packet")
    return delays, fired


def test_each_kind_befalls_as_many_packets_as_it_should() -> None:
    delays, fired = delays_of(frozenset(Fault))
    for kind, per_mille in ((Fault.LOSS, 30), (Fault.DUPLICATE, 30), (Fault.REORDER, 40), (Fault.DELAY, 10)):
        assert 0.8 * per_mille < 1_000 * fired[kind] / PACKETS < 1.2 * per_mille
    assert len(delays) == PACKETS - fired[Fault.LOSS] + fired[Fault.DUPLICATE]
    late = sum(delay >= FARTHEST_MS for delay in delays)
    assert max(fired[Fault.REORDER], fired[Fault.DELAY]) <= late <= fired[Fault.REORDER] + fired[Fault.DELAY]


def test_without_faults_and_after_them_packets_arrive_once_and_soon() -> None:
    for delays, fired in (delays_of(frozenset()), delays_of(frozenset(Fault), calm=True)):
        assert not fired
        assert len(delays) == PACKETS
        counted = Counter(delays)
        assert sorted(counted) == list(range(NEAREST_MS, FARTHEST_MS))
        assert max(counted.values()) < 1.2 * min(counted.values())


def test_one_kind_of_packet_fault_does_not_bring_others() -> None:
    _, fired = delays_of(frozenset({Fault.LOSS}))
    assert set(fired) == {Fault.LOSS}


def test_a_cut_holds_one_way_and_ends() -> None:
    arrived: list[NodeId] = []
    fired: Counter[str] = Counter()
    network = Network(Random(1), frozenset(), fired, lambda delay_ms, to, data: arrived.append(to))
    network.cut([HERE], [THERE], 100, Fault.ONE_WAY)
    network.carry(99, HERE, THERE, b"packet")
    network.carry(99, THERE, HERE, b"packet")
    network.carry(100, HERE, THERE, b"packet")
    assert arrived == [HERE, THERE]
    assert fired == {Fault.ONE_WAY: 1}
