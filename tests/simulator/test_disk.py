"""A simulated store: a transaction is durable as a whole, or not at all."""

from __future__ import annotations

import pytest

from comitia.core.ids import SessionId
from comitia.simulator.crash_points import Crash
from comitia.simulator.disk import SimulatedStore

OLD, NEW = SessionId(bytes(32)), SessionId(bytes(31) + b"\x01")


def crashes_at(point: str) -> SimulatedStore:
    """A store with one memory, and power that fails at a point."""
    armed = False

    def touch(passed: str) -> None:
        if armed and passed == point:
            raise Crash

    store = SimulatedStore(touch)
    with store.transaction():
        store.remember(OLD, b"old")
    armed = True
    return store


@pytest.mark.parametrize("point", ["write-fact", "commit:before"])
def test_what_was_not_committed_is_gone(point: str) -> None:
    store = crashes_at(point)
    with pytest.raises(Crash), store.transaction():
        store.remember(NEW, b"new")
        store.forget(OLD)
        store.note("fact", b"last")
    assert store.memories() == {OLD: b"old"}
    assert store.fact("fact") is None


def test_what_was_committed_stays() -> None:
    store = crashes_at("commit:after")
    with pytest.raises(Crash), store.transaction():
        store.remember(OLD, b"newer")
    assert store.memories() == {OLD: b"newer"}


def test_a_failed_action_undoes_its_own_writes_only() -> None:
    store = crashes_at("nowhere")
    with pytest.raises(ValueError, match="no"), store.transaction():
        store.remember(OLD, b"newer")
        raise ValueError("no")
    with store.transaction():
        store.note("fact", b"later")
    assert store.memories() == {OLD: b"old"}
    assert store.fact("fact") == b"later"


def test_a_transaction_that_wrote_nothing_passes_no_commit() -> None:
    store = crashes_at("commit:before")
    with store.transaction():
        pass
