"""Predicting a number on real processes: a codebook with a target, values clipped to the public range."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plants import WORDS, texts

from comitia.app.asking import ask_with
from comitia.app.local import LocalConsortium
from comitia.app.node.client import Client
from comitia.app.tasks import Wish
from comitia.core.errors import InputError
from comitia.storage.model_file import read_model
from comitia.text.build import build_codebook
from comitia.text.documents import Document
from comitia.text.target import bin_categories, parse_edges

pytestmark = pytest.mark.e2e

COSTS = {"hydraulics": 10, "engine": 50, "bucket": 500}


def test_a_number_is_learnt_and_predicted(wish: Wish, tmp_path: Path) -> None:
    edges = parse_edges("0:100:8")
    pool = [text for label in WORDS for text in texts(label, 60, 99)]
    codebook = replace(build_codebook(pool, bin_categories(edges)), edges=edges)
    with LocalConsortium(tmp_path / "consortium") as local:
        local.found(codebook)
        for number in range(3):
            held = [
                Document(text=text, label=str(COSTS[label])) for label in WORDS for text in texts(label, 120, number)
            ]
            local.add_provider(f"plant-{number}", held)
        local.start()
        with Client(local.requester) as client:
            with pytest.raises(InputError) as caught:
                ask_with(client, wish, tmp_path / "no.comitia")
            assert caught.value.code == "wrong-kind"
            ask_with(client, replace(wish, learner="bins", epsilon="4"), tmp_path / "m.comitia")
    _, model = read_model(tmp_path / "m.comitia").load()
    found = {label: float(np.median(model.predict_values(texts(label, 30, 77)))) for label in WORDS}
    assert found["hydraulics"] < found["engine"] < found["bucket"] <= 100
