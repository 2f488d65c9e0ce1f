"""Context graphs, codebooks and their proven bounds, clustering."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.core.errors import ComitiaError, DamagedError, InputError
from comitia.text import basis
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.clustering import Distance, distances, kmeans
from comitia.text.codebook import NO_LEAF, Codebook
from comitia.text.context_graph import ContextGraphVectorizer
from comitia.text.terms import TermMatrix, tokenize
from comitia.text.vectors import VectorKind

WORDS = [
    "hose", "leak", "pump", "oil", "smoke", "turbo", "belt", "tooth", "weld", "crack",
    "lip", "seal", "valve", "ram", "rod", "pin", "bush", "track", "roller", "idler",
    "sprocket", "radiator", "fan", "filter", "hoist", "swing", "boom", "stick", "cab", "ladder",
]  # fmt: skip
CATEGORIES = [Category(label="hyd", name="hose pump"), Category(label="eng", name="turbo"), Category(label="new")]


def pool(count: int = 120) -> list[str]:
    draw = np.random.default_rng(5)
    return [" ".join([*draw.choice(WORDS, 4), f"unit{index % 23}"]) for index in range(count)]


@pytest.fixture(scope="module", params=[VectorKind.LSA, VectorKind.TF])
def book(request: pytest.FixtureRequest) -> Codebook:
    references = [("hose leak pump", "hyd"), ("smoke from turbo", "eng")]
    return build_codebook(
        pool(), CATEGORIES, references=references, settings=BuildSettings(kind=request.param, most_terms=40)
    )


texts = st.lists(st.lists(st.sampled_from([*WORDS, "unknown", "x"]), max_size=30).map(" ".join), min_size=1, max_size=8)


@given(found=texts)
@settings(max_examples=60)
def test_no_vector_is_longer_or_farther_than_proven(book: Codebook, found: list[str]) -> None:
    """Eq. (5): the sensitivities rest on these bounds, whatever the texts."""
    vectors = book.vectorize(found).astype(np.int64)
    assert ((vectors**2).sum(axis=1) <= book.norm_bound_squared).all()
    apart = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    assert apart.max() <= book.difference_bound_squared


def test_a_codebook_survives_its_bytes_and_knows_itself(book: Codebook) -> None:
    again = Codebook.from_bytes(book.to_bytes())
    assert again == book
    assert again.to_bytes() == book.to_bytes()
    assert (again.vectorize(["hose leak"]) == book.vectorize(["hose leak"])).all()


def test_the_same_text_gives_the_same_codebook() -> None:
    first, second = (build_codebook(pool(), CATEGORIES) for _ in range(2))
    assert first.digest == second.digest
    assert build_codebook(pool(121), CATEGORIES).digest != first.digest


def test_lsa_spends_less_length_on_what_all_share_and_on_what_varies_least(book: Codebook) -> None:
    lengths = np.sqrt(((book.basis / 2.0**15) ** 2).sum(axis=0))
    if book.kind is VectorKind.TF:
        np.testing.assert_allclose(lengths, 1, atol=0.01)
    else:
        np.testing.assert_allclose(lengths[[0, 1, 16]], [0.4, 1, 2**-0.075], atol=0.01)
        assert (np.diff(lengths[1:]) < 0.001).all()


@given(data=st.data())
@settings(max_examples=60)
def test_any_damage_is_noticed(book: Codebook, data: st.DataObject) -> None:
    raw = bytearray(book.to_bytes())
    position = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[position // 8] ^= 1 << position % 8
    with pytest.raises(DamagedError):
        Codebook.from_bytes(bytes(raw))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_codebook(data: bytes) -> None:
    with pytest.raises(DamagedError):
        Codebook.from_bytes(data)


def test_a_basis_that_is_no_contraction_is_refused(book: Codebook) -> None:
    """The sensitivity of tf vectors rests on the basis' norm: it is checked, not believed."""
    longer = np.clip(book.basis.astype(np.int64) * 2, -(2**15), 2**15 - 1).astype(np.int16)
    with pytest.raises(ComitiaError):
        replace(book, basis=longer)


def test_a_codebook_that_differs_elsewhere_shares_the_proven_basis(
    book: Codebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    proofs: list[bool] = []
    prove = basis.is_contraction
    monkeypatch.setattr(basis, "is_contraction", lambda found: proofs.append(prove(found)) or proofs[-1])
    other = replace(book, references=book.references[:1], reference_labels=book.reference_labels[:1])
    assert other.basis is book.basis
    assert proofs == []
    replace(book, basis=book.basis.copy())
    assert proofs == [True]


def test_nobody_can_write_to_a_proven_basis(book: Codebook) -> None:
    mine = book.basis.copy()
    seen = mine.view()
    seen.flags.writeable = False
    for handed in (mine, seen):
        held = replace(book, basis=handed)
        mine[0, 0] += 1
        assert not held.basis.flags.writeable
        assert held.basis[0, 0] == mine[0, 0] - 1
        mine[0, 0] -= 1


def test_texts_without_a_known_word(book: Codebook) -> None:
    vectors = book.vectorize(["", "xyzzy", "hose"])
    assert not vectors[:2].any()
    assert vectors[2].any()
    assert book.leaves_of(vectors).tolist()[:2] == [NO_LEAF, NO_LEAF]
    assert book.leaves_of(vectors)[2] >= 0


def test_leaves_of_named_categories_come_first_and_codes_are_prefix_free(book: Codebook) -> None:
    assert [leaf.label for leaf in book.leaves[:2]] == ["hyd", "eng"]
    codes = [leaf.code for leaf in book.leaves]
    assert not any(a != b and b.startswith(a) for a in codes for b in codes)
    assert book.leaves_of(book.vectorize(["hose pump leak"]))[0] == 0


def test_an_opaque_code_has_no_name(book: Codebook) -> None:
    assert not book.name_vectors[2].any()
    assert book.name_vectors[0].any()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((["one"], []), "no-category"),
        ((["a b c"], CATEGORIES), "no-usable-word"),
        (([""] * 50, CATEGORIES), "no-usable-word"),
    ],
)
def test_codebooks_that_cannot_be_built(arguments: tuple[list[str], list[Category]], code: str) -> None:
    with pytest.raises(InputError) as caught:
        build_codebook(*arguments)
    assert caught.value.code == code


def test_a_reference_with_an_unknown_label_is_named() -> None:
    with pytest.raises(InputError) as caught:
        build_codebook(pool(), CATEGORIES, references=[("hose", "nothing")])
    assert "reference document 1" in str(caught.value)


@given(st.text(max_size=60))
def test_tokens_are_stable(text: str) -> None:
    assert tokenize(" ".join(tokenize(text))) == tokenize(text)


# --- context graphs (Definition 1) ------------------------------------------------------------------------


def test_definition_1_nodes_edges_and_the_weight_matrix() -> None:
    """ "a_ij = w_ni if i = j and a_ij = w_eij if i != j"."""
    vectorizer = ContextGraphVectorizer(term_count=4, edges=True).fit(["hose leak pump", "hose leak", "oil pump"])
    graph = vectorizer.graph("hose leak")
    matrix = graph.weight_matrix(vectorizer.terms_)
    place = {term: index for index, term in enumerate(vectorizer.terms_)}
    assert matrix[place["hose"], place["hose"]] == graph.nodes["hose"]
    assert matrix[place["hose"], place["leak"]] == graph.edges["hose", "leak"] > 0
    assert (matrix == matrix.T).all()


@given(texts)
def test_seq_has_k_nodes_and_k_times_k_minus_1_by_2_edges(found: list[str]) -> None:
    vectorizer = ContextGraphVectorizer(term_count=6, edges=True)
    try:
        vectors = vectorizer.fit_transform(found)
    except InputError:
        assert not any(tokenize(text) for text in found)
        return
    k = len(vectorizer.terms_)
    assert vectors.shape == (len(found), k + k * (k - 1) // 2)
    assert len(vectorizer.get_feature_names_out()) == vectors.shape[1]
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all(np.isclose(lengths, 1) | (lengths == 0))


def test_edges_stand_where_their_names_say() -> None:
    vectorizer = ContextGraphVectorizer(term_count=5, edges=True, window=1)
    vectors = vectorizer.fit_transform(["hose leak", "pump oil", "hose pump seal"])
    names = vectorizer.get_feature_names_out().tolist()
    edges = [{names[i] for i in np.flatnonzero(row) if " " in names[i]} for row in vectors]
    assert edges == [{"hose leak"}, {"oil pump"}, {"hose pump", "pump seal"}]


def test_the_window_counts_all_words_not_the_representative_ones_alone() -> None:
    vectorizer = ContextGraphVectorizer(term_count=2, edges=True, window=2).fit(["hose leak", "hose leak", "pump"])
    assert vectorizer.terms_ == ("hose", "leak")
    assert vectorizer.graph("hose and leak").edges
    assert not vectorizer.graph("hose and then leak").edges
    assert not vectorizer.transform(["hose and then leak"])[0, 2]


def test_a_vectorizer_says_what_it_cannot_do() -> None:
    for bad in (ContextGraphVectorizer(0), ContextGraphVectorizer(window=0)):
        with pytest.raises(InputError):
            bad.fit(["a text"])
    with pytest.raises(InputError):
        ContextGraphVectorizer().fit("one text")
    with pytest.raises(InputError):
        ContextGraphVectorizer().set_params(colour="red")


# --- clustering -----------------------------------------------------------------------------------------------


def matrix(rows: np.ndarray) -> TermMatrix:
    """The same as a sparse matrix."""
    present = rows != 0
    return TermMatrix(
        starts=np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int64),
        columns=np.nonzero(present)[1],
        values=rows[present],
        width=rows.shape[1],
    )


@pytest.mark.parametrize("distance", Distance)
def test_clusters_of_different_words_are_told_apart(distance: Distance) -> None:
    found = ["hose leak pump"] * 10 + ["turbo smoke belt"] * 10 + ["tooth weld lip"] * 10
    weights = ContextGraphVectorizer(12).fit(found).nodes(found)
    clustering = kmeans(weights, 3, seed=1, distance=distance)
    groups = [set(clustering.labels[start : start + 10].tolist()) for start in (0, 10, 20)]
    assert all(len(group) == 1 for group in groups)
    assert len(set.union(*groups)) == 3
    assert clustering.distance == pytest.approx(0, abs=1e-6)
    assert (kmeans(weights, 3, seed=1, distance=distance).labels == clustering.labels).all()


@given(st.lists(st.lists(st.floats(0, 5), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_fast_distance_is_the_weighted_jaccard_distance(rows: list[list[float]]) -> None:
    raw = np.array(rows)
    totals = raw.sum(axis=1, keepdims=True)
    documents = raw / np.where(totals == 0, 1, totals)
    fast = distances(matrix(documents), documents, Distance.JACCARD)
    for i, a in enumerate(documents):
        for j, b in enumerate(documents):
            largest = np.maximum(a, b).sum()
            slow = 1 - np.minimum(a, b).sum() / largest if largest else 1
            assert fast[i, j] == pytest.approx(slow, abs=1e-9)
    # A metric, which Eq. (1) as printed is not: a way round is never shorter.
    assert (fast[:, None] <= fast[:, :, None] + fast[None] + 1e-9).all()


def test_clusterings_that_cannot_be() -> None:
    for weights, clusters in ((np.ones((2, 2)), 3), (np.ones((2, 2)), 0), (-np.ones((2, 2)), 1)):
        with pytest.raises(InputError):
            kmeans(matrix(weights), clusters, seed=0)
