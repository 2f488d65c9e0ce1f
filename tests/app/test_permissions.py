"""A folder or file in which nothing can be written, or read, is named before anything is begun."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import ordinary_user
import pytest

from comitia.app.bench import made_up
from comitia.app.demo import work_orders
from comitia.app.local import LocalConsortium
from comitia.core.errors import StorageError
from comitia.storage.folder import NodeFolder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file modes")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> NodeFolder:
    """A provider that never ran; its databases are empty files."""
    local = LocalConsortium(tmp_path_factory.mktemp("consortium"))
    local.found(made_up.codebook())
    folder = NodeFolder(local.add_provider("plant-1", made_up.documents(1)[:10]).folder)
    for path in (folder.ledger, folder.store, folder.budget):
        path.touch()
    return folder


def locked(path: Path, mode: int, *arguments: str) -> tuple[int, str]:
    """Exit status and words of a command, while a file or folder has this mode."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        ended = ordinary_user.run("-m", "comitia.app", *arguments)
    finally:
        path.chmod(before)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout + ended.stderr


def test_a_folder_that_is_read_only_is_named_by_a_node_and_by_the_doctor(plant: NodeFolder) -> None:
    data = str(plant.path / "documents.csv")
    status, said = locked(plant.path, 0o555, "provider", str(plant.path), "--data", data)
    assert status == 9
    assert f"nothing can be written to {plant.path}\n" in said
    assert "not-writable" in said and "who owns its folder" in said
    assert plant.ledger.stat().st_size == 0
    status, said = locked(plant.path, 0o555, "doctor", str(plant.path))
    assert status == 4
    assert "BAD  plant-1: folder" in said


@pytest.mark.parametrize("name", ["ledger", "store", "budget"])
def test_each_database_that_cannot_be_written_is_named(plant: NodeFolder, name: str) -> None:
    path: Path = getattr(plant, name)
    path.chmod(0o444)
    script = (
        "import sys; from pathlib import Path; from comitia.storage.folder import NodeFolder\n"
        "try: NodeFolder(Path(sys.argv[1])).require_writable()\n"
        "except Exception as error: print(error.code, error)"
    )
    ended = ordinary_user.run("-c", script, str(plant.path))
    path.chmod(0o644)
    assert ended.stdout == f"not-writable nothing can be written to {path}\n"


def test_a_key_that_cannot_be_read_is_not_called_missing_from_a_folder(plant: NodeFolder) -> None:
    data = str(plant.path / "documents.csv")
    status, said = locked(plant.path / "keys", 0o000, "provider", str(plant.path), "--data", data)
    assert status == 4
    assert "signing.key cannot be read: Permission denied" in said
    assert "as the user who owns its folder" in said


def test_a_join_where_nothing_can_be_made_is_refused(tmp_path: Path) -> None:
    status, said = locked(tmp_path, 0o555, "join", str(tmp_path / "new"), "--name", "a", "--organisation", "b")
    assert status == 9
    assert f"{tmp_path / 'new'}: Permission denied" in said


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a home that is read-only; here a file stands where the folder should."""
    (tmp_path / "cache").touch()
    monkeypatch.setattr(work_orders, "user_cache_path", lambda _: tmp_path / "cache")
    monkeypatch.setattr(work_orders, "_download", lambda: b"orders")
    monkeypatch.setattr(work_orders, "SHA256", hashlib.sha256(b"orders").hexdigest())
    with pytest.raises(StorageError) as caught:
        work_orders.work_orders()
    assert caught.value.code == "cache-unwritable"
    assert str(tmp_path / "cache") in caught.value.message
    assert "XDG_CACHE_HOME" in caught.value.hint and "--data" in caught.value.hint
