from __future__ import annotations

from pathlib import Path

import pytest

from comitia.core.errors import UnavailableError
from comitia.evaluation.datasets import post_body, post_subject, reuters, work_orders
from comitia.text.documents import Document

POST = """From: someone@example.org (Some One)
Organization: Example
Subject: Re: Re: shuttle launch

In article <1@example.org> other@example.org writes:
> quoted words
>> older words
My own words.

More of them.
--
Some One, Example
"""


def test_body_has_neither_headers_nor_quotes_nor_signature() -> None:
    assert post_body(POST) == "My own words.\n\nMore of them."


def test_subject_is_without_re() -> None:
    assert post_subject(POST) == "shuttle launch"
    assert post_subject("From: a\n\nSubject: not a header") == ""


def test_work_orders_take_the_biggest_single_labels() -> None:
    listed = [
        Document(text=f"{label} {row}", label=label)
        for label, count in (("Engine", 5), ("Bucket", 4), ("Engine_Pump", 9), ("NA", 9), ("Cab", 1))
        for row in range(count)
    ]
    corpus = work_orders(listed, categories=2)
    assert [category.name for category in corpus.categories] == ["Bucket", "Engine"]
    assert (len(corpus.private), len(corpus.pool)) == (9, 19)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UnavailableError) as caught:
            reuters(folder)
        assert caught.value.code == "dataset-unavailable"
