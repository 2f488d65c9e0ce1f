"""The budget on disk: nothing acknowledged is lost, nothing lost is given back."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from comitia.core.errors import RefusedError, StorageError
from comitia.core.units import MICRO
from comitia.privacy.book import Ask, Standing
from comitia.privacy.limits import Cap, Limits, Span
from comitia.privacy.mechanisms import laplace
from comitia.privacy.noise import SeededNoise
from comitia.privacy.receipt import Receipt
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.storage.budget import BudgetFile

LIMITS = Limits(delta_pico=10**7, unit=Unit.RECORD, caps=(Cap(span=Span.LIFE, epsilon_micro=4 * MICRO),))
CHILD = Path(__file__).with_name("budget_child.py")


def ask(name: bytes) -> Ask:
    return Ask(
        reservation=name,
        session=name,
        requester="ann",
        category="pumps",
        epsilon_micro=MICRO,
        delta_pico=0,
        at_ms=0,
    )


def receipt() -> Receipt:
    values = np.zeros(2, dtype=np.int64)
    return laplace(values, l1_sensitivity=2, terms=PrivacyTerms.of(1), noise=SeededNoise(b"")).receipt


def standings(path: Path) -> dict[bytes, Standing]:
    return {name: entry.standing for name, entry in BudgetFile.read(path).entries.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budget.sqlite"


def filled(path: Path) -> None:
    with BudgetFile.create(path) as file:
        for name in (b"a", b"b", b"c"):
            file.reserve(LIMITS, ask(name))
        file.spend(b"a", receipt())
        file.give_back(b"b")


def failure(path: Path) -> StorageError:
    errors = []
    for opening in (BudgetFile.read, BudgetFile):
        with pytest.raises(StorageError) as caught:
            opening(path)
        errors.append(caught.value)
    assert errors[0].code == errors[1].code
    return errors[0]


def test_every_movement_survives(path: Path) -> None:
    filled(path)
    assert standings(path) == {b"a": Standing.SPENT, b"b": Standing.RETURNED, b"c": Standing.RESERVED}


def test_what_stood_reserved_counts_as_spent_after_a_restart(path: Path) -> None:
    filled(path)
    with BudgetFile(path) as file:
        assert file.book.entries[b"c"].standing == Standing.ABANDONED
        assert file.book == BudgetFile.read(path)
        file.reserve(LIMITS, ask(b"d"))
        file.reserve(LIMITS, ask(b"e"))
        with pytest.raises(RefusedError):
            file.reserve(LIMITS, ask(b"f"))


def test_refusals_leave_no_trace(path: Path) -> None:
    filled(path)
    with BudgetFile(path) as file:
        before = file.book
        for attempt in (lambda: file.spend(b"x", receipt()), lambda: file.give_back(b"a")):
            with pytest.raises(RefusedError):
                attempt()
        assert file.book is before
        assert BudgetFile.read(path) == before


def test_a_release_served_again_is_entered(path: Path) -> None:
    with BudgetFile.create(path) as file:
        file.reserve(LIMITS, ask(b"a"))
        paid = receipt()
        file.spend(b"a", paid)
        file.reuse(ask(b"b"), paid.digest)
    assert standings(path)[b"b"] == Standing.REUSED


def test_one_process_writes_others_read(path: Path) -> None:
    with BudgetFile.create(path) as file:
        file.reserve(LIMITS, ask(b"a"))
        assert standings(path) == {b"a": Standing.RESERVED}
        with pytest.raises(StorageError) as caught:
            BudgetFile(path)
        assert caught.value.code == "budget-in-use"
        file.spend(b"a", receipt())
    assert standings(path) == {b"a": Standing.SPENT}


def test_a_missing_file_counts_as_exhausted(path: Path) -> None:
    error = failure(path)
    assert error.code == "budget-missing"
    assert "exhausted" in error.message
    assert "restore" in error.hint
    assert not path.exists()


def test_an_existing_file_is_not_made_anew(path: Path) -> None:
    filled(path)
    with pytest.raises(StorageError) as caught:
        BudgetFile.create(path)
    assert caught.value.code == "budget-exists"
    assert len(standings(path)) == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"not a database at all" * 100, b"SQLite format 3\x00" + bytes(5000)],
)
def test_another_file_counts_as_exhausted(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = failure(path)
    assert error.code == "budget-damaged"
    assert "exhausted" in error.message
    assert path.read_bytes() == content


def test_another_database_counts_as_exhausted(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE journal (number INTEGER)")
    db.close()
    assert failure(path).code == "budget-damaged"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM journal WHERE number = 2",
        "DELETE FROM journal WHERE number = 5",
        "DELETE FROM journal",
        "DELETE FROM head",
        "UPDATE journal SET number = 9 WHERE number = 5",
        "UPDATE journal SET movement = (SELECT movement FROM journal WHERE number = 1) WHERE number = 2",
        "UPDATE journal SET movement = 'text' WHERE number = 1",
        "UPDATE journal SET chain = x'00' WHERE number = 5",
        "UPDATE head SET number = 4",
        "DROP TABLE journal",
        "DROP TABLE head",
    ],
)
def test_an_altered_journal_counts_as_exhausted(path: Path, statement: str) -> None:
    filled(path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(statement)
    db.close()
    assert failure(path).code == "budget-damaged"


def test_a_flipped_bit_anywhere_never_frees_budget(path: Path, tmp_path: Path) -> None:
    filled(path)
    book, whole = BudgetFile.read(path), path.read_bytes()
    copy = tmp_path / "copy.sqlite"
    for offset in range(0, len(whole), 211):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        copy.write_bytes(damaged)
        try:
            assert BudgetFile.read(copy) == book
        except StorageError as error:
            assert error.code in {"budget-damaged", "budget-unwritable"}


def test_what_was_spent_does_not_rest_on_the_log_alone(path: Path, tmp_path: Path) -> None:
    """The log of a process that was killed ends at a flipped bit, and says nothing."""
    copy = tmp_path / "copy.sqlite"
    with BudgetFile.create(path) as file:
        file.reserve(LIMITS, ask(b"a"))
        file.spend(b"a", receipt())
        copy.write_bytes(path.read_bytes())
        assert BudgetFile.read(copy) == file.book


def test_a_file_cut_short_counts_as_exhausted(path: Path) -> None:
    filled(path)
    path.write_bytes(path.read_bytes()[:9000])
    assert failure(path).code == "budget-damaged"


def test_a_full_disk_changes_nothing(path: Path) -> None:
    with BudgetFile.create(path) as file:
        file.reserve(LIMITS, ask(b"a"))
        (pages,) = file._db.execute("PRAGMA page_count").fetchone()
        file._db.execute(f"PRAGMA max_page_count={pages}")
        big = Ask(
            reservation=b"big",
            session=b"",
            requester="r" * 100_000,
            category="",
            epsilon_micro=1,
            delta_pico=0,
            at_ms=0,
        )
        before = file.book
        with pytest.raises(StorageError) as caught:
            file.reserve(LIMITS, big)
        assert caught.value.code == "disk-full"
        assert file.book is before
        assert BudgetFile.read(path) == before
        file.give_back(b"a")
    assert standings(path) == {b"a": Standing.RETURNED}


@pytest.mark.e2e
@pytest.mark.parametrize("acknowledged", [1, 5])
def test_kill_9_loses_nothing_acknowledged(path: Path, acknowledged: int) -> None:
    """The child reserves and spends without end and says so after each; it is killed in the middle."""
    child = subprocess.Popen([sys.executable, str(CHILD), str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        lines = [child.stdout.readline().split() for _ in range(acknowledged)]
    finally:
        child.kill()
        child.wait()
    lines += [line.split() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.stdout.close()
    kept = standings(path)
    for verb, name in lines:
        allowed = {"reserved": {Standing.RESERVED, Standing.SPENT}, "spent": {Standing.SPENT}}[verb]
        assert kept[name.encode()] in allowed
    assert len(kept) <= len({name for _, name in lines}) + 1
    with BudgetFile(path) as file:
        assert {entry.standing for entry in file.book.entries.values()} <= {Standing.SPENT, Standing.ABANDONED}


def test_a_budget_moved_with_its_journal_is_the_same(path: Path, tmp_path: Path) -> None:
    filled(path)
    target = tmp_path / "élan ü#?.sqlite"
    shutil.move(path, target)
    assert len(standings(target)) == 3
