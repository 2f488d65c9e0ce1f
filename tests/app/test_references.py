"""`comitia references`: what is kept back was agreed to, is not public yet, and can tell."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from comitia.app import consortium
from comitia.app.cli import main
from comitia.app.references import Stock, keep, stocks
from comitia.core.errors import InputError
from comitia.driver.keeper import kept_sets, opened_by
from comitia.engines.embedded import EmbeddedEngine
from comitia.learning.kept_back import parse_kept_back
from comitia.ledger.genesis import Parameters
from comitia.ledger.transactions import RegisterCodebook, RegisterMember, Transaction, sign_transaction
from comitia.storage.folder import ConsortiumFolder, NodeFolder
from comitia.storage.node import NodeStore
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.documents import Document

WORDS = {
    "pump": ["seal", "hose", "leak", "valve"],
    "brake": ["disc", "pad", "worn", "noise"],
    "rare": ["lamp", "fuse", "cable", "dark"],
}
LABELS = tuple(WORDS)
COMMON = ["left", "right", "front", "rear", "check", "replace", "broken"]


def documents(label: str, count: int) -> list[Document]:
    """Different ones, the same every time."""
    own = WORDS[label]
    texts = [f"{own[i % 4]} {own[i % 3]} {COMMON[i % 7]} {COMMON[i % 5]}" for i in range(count)]
    return [Document(text=text, label=label) for text in texts]


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    pool = [document.text for label in LABELS for document in documents(label, 30)]
    public = [(document.text, "pump") for document in documents("pump", 1)]
    return build_codebook(
        pool,
        [Category(label=label, name=label) for label in LABELS],
        references=public,
        settings=BuildSettings(lsa_rank=8),
    )


@pytest.fixture
def witness(tmp_path: Path, codebook: Codebook) -> NodeFolder:
    """A super node's folder with a ledger that knows it and the codebook, and no process."""
    made = consortium.found(
        tmp_path / "c", name="test", organisation="operator", endpoint="tls/127.0.0.1:1", parameters=Parameters()
    )
    folder = made.super_node
    keys, approval = folder.load_keys(), folder.load_approval(folder.load_keys().node)
    genesis = approval.genesis.genesis
    engine = EmbeddedEngine.open(folder.ledger, genesis, signer=keys.signing)
    book = RegisterCodebook(digest=codebook.digest, size=9, references=1, leaf_labels=())
    bodies: tuple[Transaction, ...] = (RegisterMember(membership=approval.membership), book)
    now = time.time_ns() // 1_000_000
    for body in bodies:
        signed = sign_transaction(body, chain=genesis.chain, epoch=0, sender=keys.node, key=keys.signing)
        engine.submit_own(signed.digest, signed.to_bytes())  # type: ignore[arg-type]
    engine.produce(now)
    engine.close()
    store = NodeStore(folder.store)
    store.keep_artefact(codebook.digest, codebook.to_bytes())
    store.close()
    return folder


def test_documents_are_shared_out_into_sets_that_have_no_document_in_common(
    witness: NodeFolder, codebook: Codebook
) -> None:
    given = documents("pump", 9) + documents("brake", 7) + documents("rare", 2)
    kept = keep(witness, given + given, each=3)
    assert (kept.sets, kept.documents, kept.categories, kept.left_out) == (2, 12, ("pump", "brake"), ("rare",))
    store = NodeStore(witness.store)
    seen: Counter[bytes] = Counter()
    for place in kept_sets(store).places:
        opened = opened_by(store, place.commitment)
        assert opened is not None
        one = parse_kept_back(opened.documents, codebook)
        assert sorted(one.labels.tolist()) == [0, 0, 0, 1, 1, 1]
        seen.update(row.tobytes() for row in one.vectors)
    store.close()
    assert max(seen.values()) == 1
    assert not seen.keys() & {row.tobytes() for row in codebook.references}
    assert stocks(witness) == (Stock(codebook=codebook.digest, kept=2, bound=0, left=0),)


def test_the_same_documents_are_not_kept_back_again(witness: NodeFolder) -> None:
    given = documents("pump", 7) + documents("brake", 6)
    keep(witness, given, each=3)
    with pytest.raises(InputError) as caught:
        keep(witness, given, each=3)
    assert caught.value.code == "too-few-references"


def test_labels_that_the_codebook_does_not_know_are_named(witness: NodeFolder) -> None:
    strange = [Document(text="lamp dark", label="lights"), Document(text="no label at all", label=None)]
    assert keep(witness, documents("pump", 9) + strange, each=3).unknown == ("lights",)
    with pytest.raises(InputError) as caught:
        keep(witness, strange, each=3)
    assert caught.value.code == "no-known-label"


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["keep", "{data}"], 5, "not-agreed"),
        (["keep", "{data}", "--agree", "--each", "50"], 3, "too-few-references"),
        (["keep", "{data}", "--agree", "--label-column", "kind"], 3, "unknown-column"),
        (["keep", "nowhere.csv", "--agree"], 3, "no-such-file"),
    ],
)
def test_refusals_keep_nothing(
    witness: NodeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, code: str
) -> None:
    data = tmp_path / "public.csv"
    data.write_text("text,label\npump pump,pump\npump leak,pump\n", encoding="utf-8")
    words = [word.format(data=data) for word in words]
    assert main(["references", str(witness.path), *words, "--format", "json"]) == status
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["error"] == code
    store = NodeStore(witness.store)
    assert kept_sets(store).places == ()
    store.close()


def test_only_a_witness_keeps_references_back(witness: NodeFolder, tmp_path: Path) -> None:
    other = NodeFolder(tmp_path / "plant")
    consortium.request_to_join(other, name="plant", organisation="plant", roles=("provider",))
    consortium.approve(ConsortiumFolder(tmp_path / "c"), consortium.sound_request(other.join_request), other.approval)
    other.ledger.write_bytes(witness.ledger.read_bytes())
    for attempt in (lambda: stocks(other), lambda: keep(other, documents("pump", 9), each=3)):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.code == "not-a-witness"
