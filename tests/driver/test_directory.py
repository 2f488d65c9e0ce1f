"""The directory that a node works out from its ledger: one an epoch, whatever is registered meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.driver.directory import LedgerDirectory
from comitia.retrieval.profile import RetrievalRecord

OLD, NEW = b"o" * 32, b"n" * 32
A, B = (NodeId(letter * 32) for letter in "ab")


def record(node: NodeId, codebook: bytes = OLD) -> RetrievalRecord:
    return RetrievalRecord(provider=node, codebook=codebook, epsilon_micro=10**6, histogram=(100, 0))


class Ledger:
    """As much of an application as a directory needs."""

    epoch = 3

    def __init__(self) -> None:
        self.now: tuple[RetrievalRecord, ...] = ()
        self.border: tuple[RetrievalRecord, ...] = ()
        self.books = [OLD]

    def profiles(self) -> tuple[RetrievalRecord, ...]:
        return self.now

    def profiles_before(self, epoch: int) -> tuple[RetrievalRecord, ...]:
        assert epoch == self.epoch
        return self.border

    def codebooks(self) -> tuple[Any, ...]:
        return tuple(SimpleNamespace(digest=digest) for digest in self.books)

    def member(self, node: NodeId) -> Any:
        return SimpleNamespace(keys_at=lambda _: SimpleNamespace(signing=node.encode()))


def directory_over(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> LedgerDirectory:
    monkeypatch.setattr(LedgerDirectory, "codes", lambda *_: ("0", "1"))
    node: Any = SimpleNamespace(
        node=A,
        application=ledger,
        draw=lambda count: bytes(count),
        engine=SimpleNamespace(height=0),
        genesis=SimpleNamespace(digest=b"g" * 32),
    )
    return LedgerDirectory(node)


def test_a_directory_stays_for_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    ledger.now = ledger.border = (record(A),)
    directory = directory_over(ledger, monkeypatch)
    root = directory.current().digest.root
    ledger.now = (record(A), record(B))
    assert directory.current().digest.root == root
    assert directory.own_table(directory.current().members[A][0].place) is not None
    ledger.epoch, ledger.border = 4, ledger.now
    assert set(directory.current().members) == {A, B}


def test_the_first_epoch_with_profiles_follows_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    directory = directory_over(ledger, monkeypatch)
    assert directory.current().members == {}
    for records in ((record(A),), (record(A), record(B))):
        ledger.now = records
        assert len(directory.current().members) == len(records)


def test_a_new_codebook_counts_from_the_epoch_whose_profiles_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    ledger.now = ledger.border = (record(A), record(B))
    directory = directory_over(ledger, monkeypatch)
    ledger.books.append(NEW)
    ledger.now = (record(A, NEW), record(B))
    assert (directory.current().digest.codebook, set(directory.current().members)) == (OLD, {A, B})
    ledger.epoch, ledger.border = 4, ledger.now
    assert (directory.current().digest.codebook, set(directory.current().members)) == (NEW, {A})


def test_without_a_codebook_there_is_no_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    ledger.books = []
    with pytest.raises(InputError) as caught:
        directory_over(ledger, monkeypatch).current()
    assert caught.value.code == "no-codebook"
