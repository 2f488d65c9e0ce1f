from __future__ import annotations

import json
from pathlib import Path

import pytest

from comitia.core.errors import InputError
from comitia.evaluation.own_data import OwnData
from comitia.text.categories import Category

POST = "From: me\nSubject: Re: {word}\n\nIn article <1> you wrote:\n> quoted\nmine is a {word}\n--\nme"


@pytest.fixture
def posts(tmp_path: Path) -> str:
    """Ten posts: half train, half test, one of two labels each, and one of a third label that is in no split."""
    rows = [
        {"text": POST.format(word=word), "labels": [word], "half": half, "owner": f"p{number % 2}"}
        for half in ("train", "test")
        for number in range(2)
        for word in ("pump_hose", "lamp")
    ]
    rows.append({"text": "both", "labels": ["pump_hose", "lamp"], "half": "train", "owner": "p0"})
    rows.append({"text": "unused", "labels": ["gear"], "half": "unused", "owner": "p0"})
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def test_splits_and_parts_and_single_labels(posts: str) -> None:
    data = OwnData(source=posts, label="labels", split="half", provider="owner", part="post-body")
    corpus = data.read(most=5, known=None)
    assert [category.name for category in corpus.categories] == ["lamp", "pump_hose"]
    assert (len(corpus.private), len(corpus.pool), len(corpus.evaluated)) == (4, 2, 2)
    assert {document.text for document in corpus.private} == {"mine is a lamp", "mine is a pump_hose"}
    assert {document.provider for document in corpus.private} == {"p0", "p1"}


def test_without_a_split_other_documents_are_the_pool(posts: str) -> None:
    corpus = OwnData(source=posts, label="labels", part="post-subject").read(most=1, known=None)
    assert corpus.evaluated == ()
    assert len(corpus.private) == 4
    assert set(corpus.pool) <= {"lamp", "pump_hose", ""}


def test_known_categories_are_taken_and_must_exist(posts: str) -> None:
    data = OwnData(source=posts, label="labels")
    lamp = Category(label="lamp", name="electric light")
    assert data.read(most=5, known=[lamp]).categories == (lamp,)
    with pytest.raises(InputError) as caught:
        data.read(most=5, known=[lamp, Category(label="wheel")])
    assert caught.value.code == "unknown-label"
