"""A model as ONNX answers as the model does, run by a runtime that knows nothing of Comitia."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from made_up_consortium import Consortium, make, make_opaque

from comitia.app.export.onnx_graph import Input, onnx_bytes
from comitia.core.errors import ConfigurationError, UnavailableError
from comitia.evaluation.federation import federate
from comitia.learning.global_model import GlobalModel
from comitia.learning.registry import LEARNERS
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.terms import tokenize
from comitia.text.vectors import VectorKind

TERMS = PrivacyTerms.of("4", "1e-5")
CONSORTIA = {
    "lsa": lambda: make(VectorKind.LSA),
    "tf": lambda: make(VectorKind.TF),
    "names only": lambda: make(VectorKind.LSA, references=0),
    "opaque codes": make_opaque,
}


@pytest.fixture(scope="module", params=CONSORTIA)
def consortium(request: pytest.FixtureRequest) -> Consortium:
    return CONSORTIA[request.param]()


@pytest.fixture(scope="module", params=sorted(LEARNERS))
def model(request: pytest.FixtureRequest, consortium: Consortium) -> GlobalModel:
    """A model of every learner there is."""
    using, book = LEARNERS[request.param], consortium.codebook
    shares = [(consortium.vectors[:200], consortium.labels[:200])]
    made, _ = federate(using, book, shares, TERMS, SeededNoise(b"export"), rounds=using.rounds)
    return made


def run(model: GlobalModel, takes: Input, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(onnx_bytes(model, takes), providers=["CPUExecutionProvider"])
    label, probabilities = session.run(["label", "probabilities"], {takes.value: values})
    return label, probabilities


def padded(texts: list[str]) -> np.ndarray:
    rows = [tokenize(text) for text in texts]
    longest = max(1, *map(len, rows))
    return np.array([row + [""] * (longest - len(row)) for row in rows], dtype=object)


def test_vectors_give_the_same_answers(consortium: Consortium, model: GlobalModel) -> None:
    vectors = consortium.vectors[200:]
    labels, probabilities = run(model, Input.VECTORS, vectors)
    assert labels.tolist() == model.predict(vectors).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(vectors), atol=1e-9)


def test_words_give_the_same_answers(consortium: Consortium, model: GlobalModel) -> None:
    texts = [*consortium.texts[200:], "nothing known here", "", "pump pump pump ﬁlter", "Hose, HOSE; hose"]
    labels, probabilities = run(model, Input.WORDS, padded(texts))
    assert labels.tolist() == model.predict(texts).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(texts), atol=1e-6)


def test_a_head_without_a_graph_is_refused(model: GlobalModel) -> None:
    class Unknown:
        kind = "unknown"

    with pytest.raises(UnavailableError) as caught:
        onnx_bytes(replace(model, head=Unknown()), Input.VECTORS)  # type: ignore[arg-type]
    assert caught.value.code == "no-onnx-form"


def test_without_the_extra_it_says_which(model: GlobalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigurationError) as caught:
        onnx_bytes(model, Input.VECTORS)
    assert "comitia[onnx]" in caught.value.hint
