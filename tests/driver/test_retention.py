"""What a node deletes and what it never does, and that a crash in the middle of it loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from engine_world import EngineWorld
from single_node import Busy, make

from comitia.core.codec import digest
from comitia.core.ids import SessionId
from comitia.driver.retention import Retention
from comitia.ledger.genesis import DAY_MS
from comitia.ledger.transactions import RegisterCodebook, Tick

MEGABYTE = 1 << 20


@dataclass
class Place:
    """A member's node that follows the ledger of `world`."""

    world: EngineWorld
    node: Busy
    folder: Path

    def start(self, most_bytes: int = MEGABYTE, own: tuple[bytes, ...] = ()) -> Retention:
        retention = Retention(self.node, most_bytes, own)
        self.node.add(retention)
        self.node._known_head = self.world.height
        self.node.take(self.node.heartbeat)
        return retention

    def pass_on(self) -> None:
        """The last block reaches the node."""
        block = self.world.engine.block(self.world.height)
        self.node.take(lambda: self.node.block_applied(block, self.world.engine.last_applied))

    def keep(self, value: bytes) -> bytes:
        self.node.store.keep_artefact(digest(value), value)
        return digest(value)

    def seal(self, number: int) -> bytes:
        """A session ends with a model of its own, which the node has."""
        world, model = self.world, f"model {number}".encode()
        session = world.open(world.task(purpose=f"use {number}"), nonce=bytes([number]) * 16)
        world.consent(session)
        world.commit(session)
        world.score(session)
        self.keep(model)
        body = world.seal_body(session, model=digest(model))
        world.post(world.leader_name(session), body, world.session(session))
        self.pass_on()
        return digest(model)

    @property
    def kept(self) -> set[bytes]:
        return set(self.node.store.artefacts())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    world = EngineWorld(tmp_path / "ledger.db")
    world.settle_in()
    node, _ = make(world, "a", tmp_path / "node.db")
    yield Place(world, node, tmp_path / "node.artefacts")
    node.store.close()
    world.engine.close()


def test_a_model_goes_when_it_can_be_served_no_more_and_codebooks_stay(place: Place) -> None:
    book = b"a codebook"
    place.world.post("super", RegisterCodebook(digest=digest(book), size=len(book), references=0, leaf_labels=("x",)))
    place.keep(book)
    place.start()
    model = place.seal(1)
    place.world.now_ms += DAY_MS - 10_000  # the epoch turns, the model is fresh
    place.world.note()
    place.pass_on()
    assert place.kept == {digest(book), model}
    place.world.now_ms += DAY_MS
    place.world.note()
    place.pass_on()
    assert place.kept == {digest(book)}


def test_a_start_looks_as_well_once_the_ledger_is_here(place: Place) -> None:
    model = place.seal(1)
    place.world.now_ms += 2 * DAY_MS
    place.world.note()
    retention = Retention(place.node, MEGABYTE)
    place.node.add(retention)
    place.node._known_head = place.world.height + 1
    place.node.take(place.node.heartbeat)
    assert place.kept == {model}
    place.node._known_head = place.world.height
    place.node.take(place.node.heartbeat)
    assert place.kept == set()


def test_a_clock_that_is_ahead_deletes_nothing(place: Place) -> None:
    model = place.seal(1)
    place.world.now_ms += 300 * DAY_MS
    place.start()
    assert place.kept == {model}


def test_what_an_open_session_may_need_stays_until_it_has_ended(place: Place) -> None:
    session = place.world.open()
    model = place.keep(b"made, not sealed")
    place.start()
    place.world.now_ms += DAY_MS
    place.world.note()
    place.pass_on()
    assert place.kept == {model}
    assert place.world.session(session).is_open
    ended(place, session)
    place.world.now_ms += DAY_MS
    place.world.note()
    place.pass_on()
    assert place.kept == set()


def ended(place: Place, session: SessionId) -> None:
    record = place.world.session(session)
    place.world.post("super", Tick(phase=record.phase, view=record.view), record)
    assert not place.world.session(session).is_open


def test_a_codebook_that_waits_for_the_ledger_stays(place: Place) -> None:
    waiting, other = place.keep(b"published soon"), place.keep(b"nobody's")
    place.start(own=(waiting,))
    assert place.kept == {waiting}
    assert other not in place.kept


def test_the_oldest_models_go_where_more_is_kept_than_is_allowed(place: Place) -> None:
    place.start(most_bytes=3 * len(b"model 1"))
    models = []
    for number in range(5):
        models.append(place.seal(number))
        place.world.now_ms += 1_000
    assert len(place.kept) <= 3
    assert place.kept == set(models[-len(place.kept) :])
    assert models[-1] in place.kept


@pytest.mark.parametrize("at", range(4))
def test_a_crash_between_two_deletions_leaves_the_rest_for_the_next_start(
    place: Place, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    class Crash(BaseException):
        pass

    for number in range(4):
        place.seal(number)
    place.world.now_ms += 2 * DAY_MS
    fresh = place.seal(9)
    left, unlink = [at], Path.unlink

    def dies(path: Path, missing_ok: bool = False) -> None:
        if not left[0]:
            raise Crash
        left[0] -= 1
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", dies)
        with pytest.raises(Crash):
            place.start()
    assert len(place.kept) == 5 - at
    again, _ = make(place.world, "a", place.folder.with_suffix(".db"))
    Place(place.world, again, place.folder).start()
    assert place.kept == {fresh}
    again.store.close()


def test_a_file_that_cannot_be_deleted_ends_nobody(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On Windows somebody may be reading it."""

    def taken(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "in use")

    model = place.seal(1)
    place.world.now_ms += 2 * DAY_MS
    place.world.note()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", taken)
        place.start()
    assert place.kept == {model}
    assert "not deleted" in caplog.text
