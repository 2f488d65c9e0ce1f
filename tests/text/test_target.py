"""Numbers in public bins: what is clipped is counted, what is no number is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_consortium import write

from comitia.core.errors import DamagedError, InputError
from comitia.text.build import build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.target import bin_categories, bin_references, classes_of, parse_edges

_MADE = np.random.Generator(np.random.PCG64(1))
POOL = [write(_MADE, number % 4) for number in range(60)]


@pytest.fixture(scope="module")
def book() -> Codebook:
    edges = parse_edges("0:10:5")
    return replace(build_codebook(POOL, bin_categories(edges)), edges=edges)


def test_values_fall_into_their_bins_and_what_lies_outside_is_clipped_and_counted(book: Codebook) -> None:
    binned = classes_of(book, ["0", "1.99", "2", "9.9", "10", "-3", "1e9", None, ""])
    assert binned.labels.tolist() == [0, 0, 1, 4, 4, 0, 4, -1, -1]
    assert binned.clipped == 2


@pytest.mark.parametrize("value", ["nan", "inf", "PM01", "1,5"])
def test_what_is_no_number_is_refused_with_its_row(book: Codebook, value: str) -> None:
    with pytest.raises(InputError) as caught:
        classes_of(book, ["1", value])
    assert (caught.value.code, caught.value.values["row"]) == ("bad-value", 2)


@pytest.mark.parametrize(
    "text", ["", "1:2", "a:b:c", "5:5:4", "9:1:4", "0:1:1", "0:1:999", "0:inf:5", "nan:1:5", "0:1:5:exp", "0:0.001:9"]
)
def test_a_target_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_edges(text)
    assert caught.value.code == "bad-target"


@given(st.integers(-1000, 1000), st.integers(1, 100_000), st.integers(2, 60), st.sampled_from(["", ":log"]))
def test_edges_ascend_from_low_to_high(low: int, span: int, bins: int, spacing: str) -> None:
    edges = parse_edges(f"{low}:{low + span}:{bins}{spacing}")
    assert (edges[0], edges[-1], len(edges)) == (low * 1000, (low + span) * 1000, bins + 1)
    assert list(edges) == sorted(set(edges))


def test_a_codebook_keeps_its_target_and_refuses_one_that_does_not_fit(book: Codebook) -> None:
    again = Codebook.from_bytes(book.to_bytes())
    assert (again.edges, again.task_kind) == (book.edges, "regression")
    for edges in (book.edges[:-1], tuple(reversed(book.edges))):
        with pytest.raises(DamagedError):
            replace(book, edges=edges)


def test_categories_stay_as_they_were() -> None:
    book = build_codebook(POOL, [Category(label="a"), Category(label="b")])
    assert book.task_kind == "classification"
    assert classes_of(book, ["b", "a", "x", None]).labels.tolist() == [1, 0, -1, -1]


def test_references_are_labelled_with_their_bins() -> None:
    assert bin_references(parse_edges("0:10:5"), [("leak", "3"), ("hose", "11")]) == [
        ("leak", "bin-001"),
        ("hose", "bin-004"),
    ]
