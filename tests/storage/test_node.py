"""The node's database says what is wrong with its disk."""

from __future__ import annotations

import errno
import logging
import shutil
import sqlite3
from collections import namedtuple
from pathlib import Path
from random import Random

import pytest

from comitia.core.codec import digest
from comitia.core.errors import ComitiaError, DamagedError, StorageError
from comitia.core.ids import SessionId, TransactionId
from comitia.storage.node import NodeStore

_Usage = namedtuple("_Usage", "total used free")


def _fails_with(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("name", "free", "code"),
    [
        ("SQLITE_FULL", 1 << 40, "disk-full"),
        ("SQLITE_IOERR_WRITE", 0, "disk-full"),
        ("SQLITE_IOERR_SHMSIZE", 4096, "disk-full"),
        ("SQLITE_IOERR_READ", 1 << 40, "node-storage"),
        ("SQLITE_READONLY", 0, "node-storage"),
    ],
)
def test_a_full_disk_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, free: int, code: str
) -> None:
    store = NodeStore(tmp_path / "node.db")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(1, 1, free))
    with pytest.raises(StorageError) as caught, store._guard():
        raise _fails_with(name)
    store.close()
    assert caught.value.code == code
    assert ("permissions" in (caught.value.hint or "")) == (code == "node-storage")


def test_a_database_that_may_not_grow_is_a_full_disk_and_keeps_what_it_had(tmp_path: Path) -> None:
    store = NodeStore(tmp_path / "node.db")
    store.note("kept", b"before")
    store._db.execute("PRAGMA max_page_count=1")
    with pytest.raises(StorageError) as caught:
        store.note("large", bytes(1 << 20))
    assert caught.value.code == "disk-full"
    assert store.fact("kept") == b"before"
    assert store.fact("large") is None
    store.close()


SESSION = SessionId(b"s" * 32)
MODEL = digest(b"model")


def filled(path: Path) -> Path:
    """A store with one row in every table, closed."""
    store = NodeStore(path)
    store.remember(SESSION, b"promised")
    store.queue(TransactionId(b"t" * 32), SESSION, "consent/1", b"signed")
    store.keep_artefact(MODEL, b"model")
    store.keep_release(b"k" * 32, b"v" * 32, b"release")
    store.note("owner-settings", b"allows nothing")
    store.ask_owner(SESSION, "asks for pumps")
    store.close()
    return path


def contents(store: NodeStore) -> list[object]:
    kept = [store.memories(), store.outbox(), store.fact("owner-settings"), store.questions()]
    return [*kept, store.artefact(MODEL), store.release(b"k" * 32)]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("memory", "value = x'00'"),
        ("memory", "session = x'00'"),
        ("outbox", "kind = 'consent/2'"),
        ("fact", "name = 'owner-setting'"),
        ("fact", "value = 'allows nothing'"),
        ("question", "answer = 1"),
    ],
)
def test_an_altered_row_is_named_and_the_store_does_not_open(tmp_path: Path, table: str, change: str) -> None:
    path = filled(tmp_path / "node.db")
    alter(path, table, change)
    with pytest.raises(DamagedError, match=f"table '{table}'") as caught:
        NodeStore(path)
    assert (caught.value.code, caught.value.values["table"]) == ("store-damaged", table)
    assert "backup" in caught.value.hint


@pytest.mark.parametrize("content", [b"no database at all", None])
def test_a_file_that_is_no_store_is_called_damaged(tmp_path: Path, content: bytes | None) -> None:
    path = filled(tmp_path / "node.db")
    path.write_bytes(path.read_bytes()[:9000] if content is None else content)
    with pytest.raises(DamagedError) as caught:
        NodeStore(path)
    assert (caught.value.code, "backup" in caught.value.hint) == ("store-damaged", True)


def test_a_damaged_release_is_dropped_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = filled(tmp_path / "node.db")
    alter(path, "release", "value = x'00'")
    store = NodeStore(path)
    assert store.release(b"k" * 32) is None
    assert "table 'release'" in caplog.text
    store.close()


@pytest.mark.parametrize("content", [b"", b"modem", b"model and more"])
def test_a_damaged_artefact_costs_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    path = filled(tmp_path / "node.db")
    (tmp_path / "node.artefacts" / f"{MODEL.hex()}.artefact").write_bytes(content)
    store = NodeStore(path)
    assert store.has_artefact(MODEL)
    assert store.damaged_artefacts() == [MODEL]
    assert store.artefact(MODEL) is None
    assert "is damaged; it is dropped" in caplog.text
    assert not store.has_artefact(MODEL)
    store.keep_artefact(MODEL, b"model")
    assert store.artefact(MODEL) == b"model"
    store.close()


def test_a_store_opens_without_a_look_at_its_artefacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path / "node.db")
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("an artefact is read"))
    store = NodeStore(path)
    assert store.artefacts() == {MODEL: 5}
    store.close()


def test_an_artefact_for_which_there_is_no_room_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, __: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = NodeStore(filled(tmp_path / "node.db"))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(StorageError) as caught:
            store.keep_artefact(digest(b"larger"), b"larger")
    assert caught.value.code == "disk-full"
    assert [file.name for file in (tmp_path / "node.artefacts").iterdir()] == [f"{MODEL.hex()}.artefact"]
    store.close()


def test_what_a_crash_left_half_written_goes(tmp_path: Path) -> None:
    store = NodeStore(filled(tmp_path / "node.db"))
    (tmp_path / "node.artefacts" / f"{digest(b'other').hex()}.artefact.part").write_bytes(b"oth")
    assert store.artefacts() == {MODEL: 5}
    store.drop_partial()
    assert len(list((tmp_path / "node.artefacts").iterdir())) == 1
    store.close()


def test_no_flipped_bit_changes_what_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is found, or it lies where nothing is kept."""
    caplog.set_level(logging.CRITICAL)
    path = filled(tmp_path / "node.db")
    whole, draw, found = path.read_bytes(), Random(4), 0
    before = contents(NodeStore(path))
    places = [at for at in range(len(whole)) if whole[at]]
    for at in draw.sample(places, 400):
        broken = tmp_path / "broken.db"
        broken.with_suffix(".artefacts").mkdir(exist_ok=True)
        (broken.with_suffix(".artefacts") / f"{MODEL.hex()}.artefact").write_bytes(b"model")
        broken.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :])
        try:
            store = NodeStore(broken)
            try:
                after = contents(store)
            finally:
                store.close()
        except ComitiaError:
            found += 1
        else:
            assert after[:4] == before[:4]
            assert all(now in (was, None) for was, now in zip(before[4:], after[4:], strict=True))
            found += after != before
    assert found > 100


def test_an_answer_is_kept_and_only_for_what_was_asked(tmp_path: Path) -> None:
    store = NodeStore(filled(tmp_path / "node.db"))
    store.answer_question(SESSION, True)
    store.answer_question(SessionId(b"x" * 32), True)
    store.ask_owner(SESSION, "asks again")
    assert [(q.request, q.answer) for q in store.questions()] == [("asks for pumps", True)]
    store.close()


def alter(path: Path, table: str, change: str) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute(f"UPDATE {table} SET {change}")
    db.close()
