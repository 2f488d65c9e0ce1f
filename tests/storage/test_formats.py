"""What another version of Comitia has written is refused, with both versions and what to do, and stays as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_world import EngineWorld

from comitia.app.bench import made_up
from comitia.app.cli import main
from comitia.app.commands.simulate import HALFWAY
from comitia.app.consortium import request_to_join
from comitia.app.forks import FORK_PROOF
from comitia.core.codec import decode_plain, encode
from comitia.core.errors import ComitiaError, ConfigurationError
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import JOIN_REQUEST, MEMBERSHIP, ConsortiumFolder, NodeFolder, load_genesis
from comitia.storage.model_file import ModelFile, read_model, write_model
from comitia.storage.node import NodeStore
from comitia.storage.record_file import RecordKind
from comitia.text.codebook import Codebook
from comitia.text.codebook_format import VERSION


def make_ledger(path: Path) -> None:
    EngineWorld(path).engine.close()


OPEN: dict[str, tuple[Callable[[Path], object], Callable[[Path], object], int]] = {
    "store": (lambda path: NodeStore(path).close(), lambda path: NodeStore(path).close(), 3),
    "ledger": (make_ledger, make_ledger, 2),
    "budget": (lambda path: BudgetFile.create(path).close(), lambda path: BudgetFile(path).close(), 2),
}
"""For each database: how it is made, how it is opened, its format."""


def numbered(path: Path, number: int) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={number}")
    db.close()


@pytest.mark.parametrize("name", OPEN)
def test_a_database_of_a_later_version_is_refused(tmp_path: Path, name: str) -> None:
    make, open_again, current = OPEN[name]
    path = tmp_path / f"{name}.db"
    make(path)
    numbered(path, current + 1)
    before = path.read_bytes()
    with pytest.raises(ComitiaError) as caught:
        open_again(path)
    error = caught.value
    assert (error.code, error.exit_status) == (f"{name}-version", 9)
    assert f"has format {current + 1}, this version of Comitia reads format {current}" in error.message
    assert "run the version that wrote it" in error.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", ["ledger", "budget"])
def test_a_database_of_what_has_gone_is_refused(tmp_path: Path, name: str, number: int) -> None:
    """Score sheets had figures of private hold-outs, asks had slots of documents."""
    make, open_again, current = OPEN[name]
    path = tmp_path / f"{name}.db"
    make(path)
    numbered(path, number)
    with pytest.raises(ComitiaError, match=f"has format {number}, this version of Comitia reads format {current}") as e:
        open_again(path)
    assert e.value.code == f"{name}-version"


def test_a_store_from_before_formats_were_numbered_is_read_if_it_is_laid_out_as_now(tmp_path: Path) -> None:
    make, open_again, _ = OPEN["store"]
    path = tmp_path / "store.db"
    make(path)
    numbered(path, 0)
    open_again(path)


def test_a_store_from_before_rows_had_checksums_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE memory (session BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    db.close()
    with pytest.raises(ComitiaError, match="has format 1, this version of Comitia reads format 3") as caught:
        NodeStore(path)
    assert caught.value.code == "store-version"


def test_a_store_whose_tables_are_others_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    NodeStore(path).close()
    db = sqlite3.connect(path)
    db.execute("DROP TABLE question")
    db.close()
    with pytest.raises(ComitiaError, match="tables are not those of a node's store") as caught:
        NodeStore(path)
    assert caught.value.code == "store-damaged"


def test_a_model_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.comitia"
    write_model(path, model=b"m", proof=b"p", codebook=b"c")
    path.write_bytes(encode(ModelFile(format="comitia model 0", model=b"m", proof=b"p", codebook=b"c")))
    with pytest.raises(ComitiaError, match="'comitia model 0', this version reads 'comitia model 1'") as caught:
        read_model(path)
    assert caught.value.code == "model-version"
    assert "ask for it again" in caught.value.hint


def test_a_codebook_of_another_version_is_refused() -> None:
    outer = decode_plain(made_up.codebook().to_bytes(), limit=1 << 24)
    with pytest.raises(ComitiaError, match=f"format version {VERSION - 1}, this program reads {VERSION}") as caught:
        Codebook.from_bytes(encode({**outer, "version": VERSION - 1}))
    assert caught.value.code == "codebook-version"
    assert "version of Comitia" in caught.value.hint


KINDS: tuple[RecordKind[Any], ...] = (JOIN_REQUEST, MEMBERSHIP, FORK_PROOF, HALFWAY)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_small_file_of_a_later_version_is_refused(tmp_path: Path, kind: RecordKind[Any]) -> None:
    path = tmp_path / "file"
    path.write_bytes(encode({"content": b"whatever", "format": f"comitia {kind.name} {kind.format + 1}"}))
    with pytest.raises(ConfigurationError, match=f"{kind.name} of format {kind.format + 1}.* up to format") as caught:
        kind.read(path)
    assert (caught.value.code, "upgrade" in caught.value.hint) == ("file-version", True)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("data", [b"", b"rubbish", encode({"content": b"", "format": "comitia"}), encode([1])])
def test_a_damaged_small_file_is_called_by_its_name(tmp_path: Path, kind: RecordKind[Any], data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        kind.read(path)
    assert caught.value.code == "file-damaged"
    assert caught.value.message == f"{path} is damaged, or no {kind.name}"
    assert caught.value.hint


def test_small_files_from_before_formats_were_numbered_are_read(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path / "plant")
    asked = request_to_join(node, name="plant", organisation="Works", roles=("provider",))
    node.join_request.write_bytes(encode(asked))
    assert JOIN_REQUEST.read(node.join_request) == asked


def test_one_small_file_in_the_place_of_another_is_told(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path / "plant")
    request_to_join(node, name="plant", organisation="Works", roles=("provider",))
    node.approval.write_bytes(node.join_request.read_bytes())
    with pytest.raises(ConfigurationError, match="no membership but: join request") as caught:
        node.load_approval(node.load_keys().node)
    assert caught.value.code == "wrong-file"


def test_a_genesis_names_its_format_beside_what_is_signed(tmp_path: Path) -> None:
    folder = ConsortiumFolder(tmp_path / "c")
    assert main(["init", str(folder.path)]) == 0
    text = folder.genesis.read_text(encoding="utf-8")
    signed = load_genesis(folder.genesis)
    assert "\nformat = 1\n" in text
    folder.genesis.write_text(text.replace("\nformat = 1\n", "\n"), encoding="utf-8")  # as before formats were numbered
    assert load_genesis(folder.genesis) == signed
    later = text.replace("\nformat = 1\n", "\nformat = 2\nbeauty = 9\n")
    folder.genesis.write_text(later, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="genesis of format 2") as caught:
        load_genesis(folder.genesis)
    assert caught.value.code == "file-version"
