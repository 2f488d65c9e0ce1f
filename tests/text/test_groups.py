"""Groups of unlabelled documents, and graphs of leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.core.errors import DamagedError, InputError
from comitia.text.build import build_codebook
from comitia.text.categories import Category
from comitia.text.clustering import Distance
from comitia.text.codebook import Codebook
from comitia.text.comparison import compare
from comitia.text.confusion import leaf_confusion
from comitia.text.context_graph import common_graph
from comitia.text.documents import Document
from comitia.text.groups import NO_GROUP, fitting_count, group_documents
from comitia.text.key_terms import key_terms
from comitia.text.probe import Probe, probe, require_known_language
from comitia.text.quality import assess
from comitia.text.vocabulary import Vocabulary

TOPICS = {
    "hydraulics": ["hose", "pump", "cylinder", "seal", "valve", "oil", "ram", "rod", "hoist", "boom", "stick", "leak"],
    "engine": [
        "turbo",
        "smoke",
        "belt",
        "piston",
        "coolant",
        "injector",
        "fan",
        "fuel",
        "air",
        "starter",
        "oiler",
        "cap",
    ],
    "cab": ["seat", "door", "mirror", "heater", "wiper", "horn", "glass", "radio", "lamp", "ladder", "belts", "camera"],
}
CATEGORIES = [Category(label=label, name=words[0]) for label, words in TOPICS.items()]


def posts(each: int = 30, topics: dict[str, list[str]] = TOPICS) -> list[Document]:
    draw_words = np.random.default_rng(7)
    return [
        Document(text=" ".join([*draw_words.choice(words, 4, replace=False), f"unit{n % 9}"]), label=label)
        for label, words in topics.items()
        for n in range(each)
    ]


@pytest.fixture(scope="module")
def book() -> Codebook:
    found = posts()
    references = [(document.text, document.label or "") for document in found[::10]]
    return build_codebook([document.text for document in found], CATEGORIES, references=references)


@pytest.mark.parametrize("distance", Distance)
def test_starts_tried_on_a_part_group_all_documents(distance: Distance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comitia.text.clustering.SAMPLE", 40)
    documents = posts()
    found = group_documents([document.text for document in documents], 3, distance=distance)
    assert [len(group.members) for group in found.groups] == [30, 30, 30]
    for group in found.groups:
        assert len({documents[int(row)].label for row in group.members}) == 1


@pytest.mark.parametrize("distance", Distance)
def test_groups_are_the_topics_and_named_by_their_words(distance: Distance) -> None:
    documents = posts()
    texts = [*(document.text for document in documents), "", "the"]
    found = group_documents(texts, 3, distance=distance)
    assert found.of_document[-2:].tolist() == [NO_GROUP, NO_GROUP]
    for group in found.groups:
        labels = {documents[int(row)].label for row in group.members}
        assert len(labels) == 1
        assert set(group.name.split()) < set(TOPICS[labels.pop() or ""])
    assert [len(group.members) for group in found.groups] == [30, 30, 30]


def test_the_same_seed_gives_the_same_groups() -> None:
    texts = [document.text for document in posts()]
    assert (group_documents(texts, 4).of_document == group_documents(texts, 4).of_document).all()


@pytest.mark.parametrize(("texts", "count", "code"), [
    (["", " "], 1, "no-usable-word"),
    (["hose pump", "turbo smoke"], 3, "bad-clusters"),
    (["hose pump", "turbo smoke"], 0, "bad-clusters"),
])  # fmt: skip
def test_documents_that_cannot_be_grouped(texts: list[str], count: int, code: str) -> None:
    with pytest.raises(InputError) as error:
        group_documents(texts, count)
    assert error.value.code == code


@given(st.integers(1, 10**6))
def test_a_fitting_count_is_possible(documents: int) -> None:
    assert 1 <= fitting_count(documents) <= documents


def test_key_terms_tell_groups_apart() -> None:
    vocabulary = Vocabulary.of(["hose pump", "hose valve", "turbo smoke"], 10)
    weights = vocabulary.weighted(["hose pump", "hose valve", "turbo smoke"])
    first, second = key_terms(weights, np.array([0, 0, 1]), 2, vocabulary.words, most=2)
    assert set(first) <= {"hose", "pump", "valve"}
    assert set(second) == {"turbo", "smoke"}


def test_edges_join_what_stands_together() -> None:
    texts = ["hose leaks", "hose leaks badly", "pump " + "x1 " * 9 + "leaks"]
    graph = common_graph(texts, {"hose": 2.0, "leaks": 1.0, "pump": 1.0}, most_edges=9)
    assert list(graph.edges) == [("hose", "leaks")]
    assert graph.edges["hose", "leaks"] == pytest.approx(2 / (2 * 3) ** 0.5)


# --- leaves ---------------------------------------------------------------------------------------------------


def test_a_leaf_shows_the_words_of_its_public_documents(book: Codebook) -> None:
    for leaf in book.leaves[:3]:
        assert leaf.documents > 0
        assert set(leaf.terms[:3]) <= set(TOPICS[leaf.label])
        assert leaf.term_weights[0] == 1000
        assert all(a in leaf.graph.nodes and b in leaf.graph.nodes for a, b in leaf.graph.edges)
    assert Codebook.from_bytes(book.to_bytes()).leaves == book.leaves


@pytest.mark.parametrize("damage", [{"term_weights": (1,)}, {"edges": ((0, 99, 5),)}, {"edges": ((0, -1, 5),)}])
def test_a_leaf_whose_graph_is_not_whole_is_refused(book: Codebook, damage: dict[str, object]) -> None:
    broken = replace(book.leaves[0], **damage)  # type: ignore[arg-type]
    with pytest.raises(DamagedError):
        replace(book, leaves=(broken, *book.leaves[1:]))


def test_quality_counts_what_falls_where(book: Codebook) -> None:
    quality = assess(book, [*posts(5), Document(text="xyzzy", label="engine"), Document(text="hose", label="other")])
    assert (quality.documents, quality.labelled) == (17, 16)
    assert quality.coverage == pytest.approx(16 / 17)
    assert quality.purity is not None
    assert quality.recall is not None
    assert quality.recall <= quality.purity <= 1
    assert sum(quality.sizes) == 16
    assert assess(book, []).purity is None


def test_a_comparison_names_every_change(book: Codebook) -> None:
    assert compare(book, book).same
    assert max(move.moved for move in compare(book, book).moves) == pytest.approx(0, abs=1e-6)
    topics = {
        **TOPICS,
        "bucket": ["tooth", "lip", "weld", "crack", "adapter", "pin", "shroud", "wear", "edge", "plate", "bush", "lug"],
    }
    del topics["cab"]
    categories = [
        Category(label="hydraulics", name="fluid power"),
        Category(label="motor", name="turbo"),
        Category(label="bucket", name="tooth"),
    ]
    other = build_codebook([document.text for document in posts(topics=topics)], categories)
    change = compare(book, other)
    assert (change.added, change.removed) == (("bucket",), ("cab",))
    assert change.renamed == (("hydraulics", "hose", "fluid power"),)
    assert change.recoded == (("engine", "motor", "turbo"),)
    assert 0 < change.vocabulary_overlap < 1
    moves = {move.title: move for move in change.moves}
    assert (moves["cab"].new_leaf, moves["cab"].moved) == (None, 1.0)
    assert moves["engine"].new_title == "motor"


# --- requests in words ----------------------------------------------------------------------------------------


def test_words_and_examples_lead_to_the_leaf(book: Codebook) -> None:
    assert probe(book, ["the " + " and ".join(TOPICS["hydraulics"])], 1).categories == ("hydraulics",)
    assert probe(book, [" ".join(TOPICS["engine"]), "turbo"], 1).categories == ("engine",)
    assert probe(book, ["turbo hose"], 2).categories == ("engine", "hydraulics")


def test_a_second_leaf_is_looked_in_only_if_it_is_near(book: Codebook) -> None:
    assert probe(book, ["turbo"], 2) == Probe(categories=("engine",), leaves=())


def test_references_tell_which_leaves_are_confused() -> None:
    texts = [document.text for document in posts()]
    unknown = build_codebook(texts, CATEGORIES)
    assert np.array_equal(leaf_confusion(unknown), np.eye(len(unknown.leaves)))
    confused = [(text, "b") for text in texts[:20]] + [(text, "a") for text in texts[:20]]
    blurred = leaf_confusion(build_codebook(texts, [Category(label="a"), Category(label="b")], references=confused))
    assert blurred.sum(axis=1) == pytest.approx(1)
    assert blurred[0, 1] + blurred[1, 0] > 0.5


def test_a_leaf_without_a_category_is_asked_by_number() -> None:
    opaque = build_codebook([document.text for document in posts()], [Category(label="k1")])
    found = probe(opaque, ["turbo smoke piston"], 1)
    assert found.categories == ()
    assert len(found.leaves) == 1


@pytest.mark.parametrize(
    "text", ["", "油圧ポンプの漏れ", "der Motor raucht und das Getriebe verliert langsam Öl", "a b"]
)
def test_a_language_that_the_codebook_does_not_know(book: Codebook, text: str) -> None:
    with pytest.raises(InputError) as error:
        require_known_language(book, [text])
    assert error.value.code == "unknown-language"


def test_probes_that_cannot_be(book: Codebook) -> None:
    for probes in (0, 3):
        with pytest.raises(InputError):
            probe(book, ["pump"], probes)
    bare = replace(book, leaves=(), leaf_prototypes=book.leaf_prototypes[:0])
    with pytest.raises(InputError) as error:
        probe(bare, ["pump"], 1)
    assert error.value.code == "no-leaves"
