"""The node's database says what is wrong with its disk."""

from __future__ import annotations

import shutil
import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest

from comitia.core.errors import StorageError
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
