"""The embedded engine against crashes, torn and damaged files, and full disks (I12)."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_world import EngineWorld
from world import START_MS, genesis, key

from comitia.core.errors import ComitiaError, ConfigurationError, DamagedError, StorageError
from comitia.engines.checkpoint import Checkpointer
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.genesis import Parameters

CHILD = Path(__file__).with_name("crash_child.py")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    made = EngineWorld(tmp_path / "ledger.db")
    made.settle_in()
    yield made
    made.engine.close()


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def copy_as_after_a_crash(world: EngineWorld, folder: Path) -> Path:
    """The files as a crash at this moment would leave them: nothing closed, the log not folded in."""
    target = folder / "crashed.db"
    shutil.copy(world.path, target)
    shutil.copy(wal_of(world.path), wal_of(target))
    return target


def opened(path: Path) -> EmbeddedEngine:
    return EmbeddedEngine.open(path, genesis(), signer=key("super"))


def facts(engine: EmbeddedEngine) -> tuple[object, ...]:
    """Everything that a reader can see of a ledger."""
    blocks = tuple(engine.block(height) for height in range(1, engine.height + 1))
    return engine.head, engine.application.state_root, blocks


# --- crashes ------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is what is tested")
@pytest.mark.parametrize("lines", [1, 7, 40])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "ledger.db"
    acknowledged = ""
    for _ in range(2):  # the second time over a ledger that has been through it
        with subprocess.Popen([sys.executable, str(CHILD), str(path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(lines):
                acknowledged = child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read()
        acknowledged = ([acknowledged, *rest.splitlines(keepends=True)] if rest.endswith("\n") else [acknowledged])[-1]
        height, digest = acknowledged.split()
        engine = opened(path)
        assert engine.height >= int(height)
        assert engine.block(int(height)).header.digest.hex() == digest
        engine.close()


@pytest.mark.parametrize("cut", [1, 24, 500, 4096 + 24, 5000])
def test_a_torn_tail_is_cut_to_the_last_whole_block_and_said(world: EngineWorld, tmp_path: Path, cut: int) -> None:
    world.engine._store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for _ in range(3):
        world.note()
    whole = facts(world.engine)
    size = wal_of(world.path).stat().st_size
    world.note(size=200)  # several pages
    path = copy_as_after_a_crash(world, tmp_path)
    with wal_of(path).open("r+b") as file:
        file.truncate(max(size + 1, wal_of(path).stat().st_size - cut))
    engine = opened(path)
    assert facts(engine) == whole
    assert engine.recovered is not None
    assert str(size) in engine.recovered


def test_garbage_after_the_last_block_does_no_harm(world: EngineWorld, tmp_path: Path) -> None:
    world.note()
    path = copy_as_after_a_crash(world, tmp_path)
    with wal_of(path).open("ab") as file:
        file.write(bytes(range(256)) * 40)
    assert facts(opened(path)) == facts(world.engine)


# --- damage -------------------------------------------------------------------------------------------


def test_a_flipped_byte_in_the_log_is_refused_with_its_offset(world: EngineWorld, tmp_path: Path) -> None:
    world.engine._store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for _ in range(4):
        world.note()
    path = copy_as_after_a_crash(world, tmp_path)
    log = wal_of(path).read_bytes()
    frame = 4096 + 24
    for offset in (3, 17, 32 + 9, 32 + 20, 32 + 24 + 100, 32 + frame + 5, 32 + frame + 24 + 4000):
        wal_of(path).write_bytes(log[:offset] + bytes([log[offset] ^ 1]) + log[offset + 1 :])
        with pytest.raises(DamagedError) as caught:
            opened(path)
        assert caught.value.code == "ledger-damaged"
        start = caught.value.values["offset"]
        assert isinstance(start, int)
        assert start <= offset < start + frame
        assert str(start) in caught.value.message
        assert wal_of(path).name in caught.value.message
    wal_of(path).write_bytes(log)
    assert facts(opened(path)) == facts(world.engine)


def test_no_flipped_byte_in_the_file_goes_unnoticed(world: EngineWorld, tmp_path: Path) -> None:
    """Each flip either stops the node with an error that names the file, or touches nothing that is ever read."""
    for _ in range(5):
        world.note(size=40)
    whole = facts(world.engine)
    world.engine.close()
    data = world.path.read_bytes()
    path = tmp_path / "flipped.db"
    refused = 0
    offsets = [*range(0, 100, 7), *range(100, len(data), 331)]
    for offset in offsets:
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :])
        wal_of(path).unlink(missing_ok=True)
        try:
            engine = opened(path)
        except ComitiaError as error:
            assert isinstance(error, DamagedError | StorageError), offset
            assert str(path) in error.message, offset
            refused += 1
            continue
        assert facts(engine) == whole, offset
        engine.close()
    assert refused > len(offsets) // 2


def test_a_flipped_byte_in_the_middle_names_the_block(world: EngineWorld, tmp_path: Path) -> None:
    world.note(size=20)
    target = world.engine.block(world.engine.height - 3)
    world.engine.close()
    data = bytearray(world.path.read_bytes())
    offset = data.index(target.transactions[0][-60:]) + 30
    data[offset] ^= 1
    world.path.write_bytes(data)
    with pytest.raises(DamagedError) as caught:
        opened(world.path)
    assert caught.value.values["block"] == target.header.height
    assert f"block {target.header.height}" in caught.value.message


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM block WHERE height = 3", "does not follow"),
        ("DELETE FROM block WHERE height = (SELECT max(height) FROM block)", "state"),
        (
            "UPDATE block SET signature = zeroblob(64) WHERE height = (SELECT max(height) FROM block)",
            "as it was written",
        ),
        ("UPDATE block SET header = 7 WHERE height = 2", "as it was written"),
        ("UPDATE state SET value = 'text' WHERE place = 'policy'", "wrong type"),
        ("UPDATE state SET name = 'g' || name WHERE place = 'session' OR place = 'holding'", "state"),
        ("DELETE FROM state WHERE place = 'policy'", "state"),
        ("UPDATE state SET value = x'00' WHERE place = 'policy'", "state"),
        ("UPDATE state SET place = 'elsewhere' WHERE place = 'policy'", "state"),
        ("DELETE FROM fact", "consortium"),
        ("DROP TABLE state", "tables"),
        ("CREATE TABLE more (a)", "tables"),
    ],
)
def test_a_ledger_that_was_edited_is_refused(world: EngineWorld, statement: str, what: str) -> None:
    world.engine._store._db.execute(statement)
    world.engine.close()
    with pytest.raises(DamagedError, match=what):
        opened(world.path)


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"work orders of plant A\n" * 300)
    with pytest.raises(DamagedError):
        opened(path)
    assert path.read_bytes() == b"work orders of plant A\n" * 300


def test_another_consortiums_ledger_is_refused(world: EngineWorld) -> None:
    world.engine.close()
    with pytest.raises(ConfigurationError) as caught:
        EmbeddedEngine.open(world.path, genesis(Parameters(kappa=0)))
    assert caught.value.code == "foreign-ledger"


# --- disk ---------------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_and_changes_nothing(world: EngineWorld) -> None:
    pages = world.engine._store._db.execute("PRAGMA page_count").fetchone()[0]
    world.reopen(max_pages=pages + 2)
    before = facts(world.engine)
    with pytest.raises(StorageError) as caught:
        for _ in range(40):
            before = facts(world.engine)
            world.note(size=200)
    assert caught.value.code == "disk-full"
    assert facts(world.engine) == before
    assert world.engine.waiting == 1
    world.reopen()
    assert facts(world.engine) == before
    world.note(size=200)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere"):
        opened(tmp_path / "nowhere" / "ledger.db")


def test_two_processes_cannot_order_one_ledger(world: EngineWorld) -> None:
    with pytest.raises(StorageError) as caught:
        opened(world.path)
    assert caught.value.code == "in-use"


def test_blocks_are_bounded(world: EngineWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comitia.engines.embedded.MAX_BLOCK_TRANSACTIONS", 2)
    for number in range(5):
        world.engine.submit_own(bytes([number]) * 32, bytes([number]))  # type: ignore[arg-type]
    sizes = []
    while (block := world.engine.produce(START_MS + 5000)) is not None:
        sizes.append(len(block.transactions))
    assert sizes == [2, 2, 1]


def test_what_the_checkpointer_has_copied_needs_no_log(world: EngineWorld, tmp_path: Path) -> None:
    before, logged = facts(world.engine), wal_of(world.path).stat().st_size
    Checkpointer(world.path).copy()
    alone = tmp_path / "alone.db"
    shutil.copyfile(world.path, alone)
    assert facts(opened(alone)) == before
    world.note()
    assert wal_of(world.path).stat().st_size == logged, "the log begins anew"
