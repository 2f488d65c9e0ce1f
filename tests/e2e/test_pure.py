"""Pure privacy and a codebook without a pool, on real processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from plants import WORDS, consortium, texts

from comitia.app.asking import ask_with
from comitia.app.node.client import Client
from comitia.app.tasks import Wish
from comitia.storage.model_file import read_model
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.vectors import Source

pytestmark = pytest.mark.e2e


def test_a_request_without_a_delta_is_answered_without_a_pool(wish: Wish, tmp_path: Path) -> None:
    named = [Category(label=label, name=WORDS[label][0]) for label in WORDS]
    codebook = build_codebook((), named, settings=BuildSettings(source=Source.NONE))
    with consortium(tmp_path / "consortium", codebook) as local:
        local.start()
        with Client(local.requester) as client:
            ask_with(client, replace(wish, epsilon="4", delta="0"), tmp_path / "m.comitia")
    _, model = read_model(tmp_path / "m.comitia").load()
    found = [model.predict(texts(label, 30, 77)).tolist().count(label) for label in WORDS]
    assert sum(found) > 60
