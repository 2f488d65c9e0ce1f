"""A model as an ONNX graph of standard operators, in double precision: any runtime gives the model's own answers.

    words ─ counts ─ weights ─ basis ─┐
                            vectors ──┴─ z ─┬─ P ─┐
                                            └─ J ─┴─ sum ─┬─ probabilities
                                                          └─ label

The graph is written from the codebook and the model's maps; a head has nodes of its own for P.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError, UnavailableError
from comitia.core.extras import extra
from comitia.learning.global_model import GlobalModel
from comitia.learning.linear import WEIGHT_BITS as HEAD_BITS
from comitia.learning.linear import Linear
from comitia.learning.trees import FARTHEST, POINT_BITS, Trees
from comitia.text.basis import BASIS_BITS
from comitia.text.codebook import Codebook
from comitia.text.vectors import DOCUMENT_BITS, WEIGHT_BITS, Source, VectorKind

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
"""Versions that runtimes of 2023 and later read."""


class Input(StrEnum):
    """What the graph takes.

    ``words``: text (n, t), each row a document's words as `comitia.text.terms.tokenize` has them, filled up with "";
    ``vectors``: int32 (n, r), as `Codebook.vectorize` makes them.
    """

    WORDS = "words"
    VECTORS = "vectors"


def onnx_bytes(model: GlobalModel, takes: Input) -> bytes:
    """The graph's bytes. Outputs: ``label`` text (n,), ``probabilities`` float64 (n, C).

    Raises
    ------
    ConfigurationError
        Code ``extra-missing``: without the extra ``onnx``.
    InputError
        Code ``no-words``: the graph shall take words, and the codebook does not make vectors from them.
    UnavailableError
        Code ``no-onnx-form``: a head that has no graph.
    """
    if takes is Input.WORDS and model.codebook.source is not Source.POOL:
        raise InputError(
            f"the vectors of this model's codebook are not made from words (its source is {model.codebook.source})",
            code="no-words",
            hint="--input vectors: make them with the codebook",
        )
    graph = _Graph()
    if takes is Input.WORDS:
        vectors = _vectorised(graph, model.codebook)
    else:
        vectors = graph.node("Cast", Input.VECTORS, to=graph.onnx.TensorProto.DOUBLE)
    scores = _own_scores(graph, model, vectors)
    if model.reference_map is not None:
        unit = graph.node("Div", vectors, graph.constant("grid", float(1 << model.codebook.grid_bits)))
        scores = graph.node("Add", scores, _reference_scores(graph, model, unit))
    _answer(graph, model, scores)
    return graph.to_bytes(model, takes)


class _Graph:
    """Nodes and constants as they are added; each node has one output, named by its number."""

    def __init__(self) -> None:
        self.onnx = extra("onnx")
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        name = output or f"{operator}_{len(self._nodes)}"
        self._nodes.append(self.onnx.helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any] | float) -> str:
        """Add a constant under a name of its own; returns the name."""
        self._constants.append(self.onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def linear(self, name: str, vectors: str, weights: NDArray[np.float64], intercepts: NDArray[np.float64]) -> str:
        """Vectors times weights (C, r) plus intercepts (C,)."""
        products = self.node("MatMul", vectors, self.constant(f"{name}_weights", np.ascontiguousarray(weights.T)))
        return self.node("Add", products, self.constant(f"{name}_intercepts", intercepts))

    def truncated(self, values: str) -> str:
        """Values cut off toward zero."""
        return self.node("Mul", self.node("Sign", values), self.node("Floor", self.node("Abs", values)))

    def to_bytes(self, model: GlobalModel, takes: Input) -> bytes:
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        shape, kind = (["n", "t"], kinds.STRING) if takes is Input.WORDS else (["n", model.codebook.rank], kinds.INT32)
        graph = helper.make_graph(
            self._nodes,
            "comitia",
            [helper.make_tensor_value_info(takes.value, kind, shape)],
            [
                helper.make_tensor_value_info("label", kinds.STRING, ["n"]),
                helper.make_tensor_value_info("probabilities", kinds.DOUBLE, ["n", len(model.codebook.categories)]),
            ],
            self._constants,
        )
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        made = helper.make_model(graph, opset_imports=versions, producer_name="comitia", ir_version=IR_VERSION)
        facts = {"model_sha256": model.digest.hex(), "codebook": model.codebook.digest.hex(), "learner": model.learner}
        helper.set_model_props(made, facts)
        self.onnx.checker.check_model(made)
        return bytes(made.SerializeToString())


def _vectorised(graph: _Graph, codebook: Codebook) -> str:
    """`Codebook.vectorize` from words on, float64 in grid units."""
    size = len(codebook.vocabulary)
    counts = graph.node(
        "TfIdfVectorizer",
        Input.WORDS,
        mode="TF",
        min_gram_length=1,
        max_gram_length=1,
        max_skip_count=0,
        ngram_counts=[0],
        ngram_indexes=list(range(size)),
        pool_strings=list(codebook.vocabulary),
    )
    zero, one = graph.constant("zero", 0.0), graph.constant("one", 1.0)
    times = graph.node("Cast", counts, to=graph.onnx.TensorProto.DOUBLE)
    logarithm = graph.node("Add", one, graph.node("Log", graph.node("Max", times, one)))
    some = graph.node("Where", graph.node("Greater", times, zero), logarithm, zero)
    weighted = graph.node("Mul", some, graph.constant("term_weights", codebook.weights / 2.0**WEIGHT_BITS))
    document = _unit(graph, weighted, 2.0**DOCUMENT_BITS)
    basis = graph.node("Cast", graph.constant("basis", codebook.basis), to=graph.onnx.TensorProto.DOUBLE)
    projected = graph.node("MatMul", graph.node("Floor", document), basis)
    if codebook.kind is VectorKind.LSA:
        return graph.truncated(_unit(graph, projected, 2.0**codebook.grid_bits))
    step = graph.constant("step", 2.0 ** (DOCUMENT_BITS + BASIS_BITS - codebook.grid_bits))
    return graph.truncated(graph.node("Div", projected, step))


def _unit(graph: _Graph, rows: str, length: float) -> str:
    """Rows scaled to a length; a row of zeros stays one."""
    square = graph.node("ReduceSum", graph.node("Mul", rows, rows), graph.constant(f"axis_{rows}", np.array([1])))
    own = graph.node("Sqrt", square)
    safe = graph.node("Where", graph.node("Greater", own, "zero"), own, "one")
    return graph.node("Mul", graph.node("Div", rows, safe), graph.constant(f"length_{rows}", length))


def _own_scores(graph: _Graph, model: GlobalModel, vectors: str) -> str:
    """P, or what a head has in its place."""
    match model.head:
        case None:
            logits = _linear(graph, model, model.prototype_scores, vectors)
        case Linear() as head:
            logits = _linear(graph, model, head, vectors)
        case Trees() as head:
            summed = _tree_sums(graph, head, _tree_points(graph, model, vectors))
            logits = graph.node("Div", summed, graph.constant("point", 2.0**POINT_BITS))
        case other:
            raise UnavailableError(f"a model with a head of {other.kind} has no ONNX graph", code="no-onnx-form")
    shifted = graph.node("Add", logits, graph.constant("common", model.log_common))
    sharpened = graph.node("Mul", shifted, graph.constant("sharpness", model.balance[0]))
    return graph.node("LogSoftmax", sharpened, axis=1)


def _linear(graph: _Graph, model: GlobalModel, scores: Linear, vectors: str) -> str:
    """`Linear.logits`."""
    one = graph.constant("score", 2.0 ** (HEAD_BITS + model.codebook.grid_bits))
    return graph.node("Div", _products(graph, scores, vectors), one)


def _products(graph: _Graph, scores: Linear, vectors: str) -> str:
    """`Linear.products`: its integers, of which doubles hold all."""
    return graph.linear("own", vectors, scores.weights.astype(np.float64), scores.intercepts.astype(np.float64))


def _tree_points(graph: _Graph, model: GlobalModel, vectors: str) -> str:
    """`tree_points`: its integers."""
    step = graph.constant("step_of_points", 2.0 ** (HEAD_BITS + model.codebook.grid_bits - POINT_BITS))
    points = graph.node("Floor", graph.node("Div", _products(graph, model.prototype_scores, vectors), step))
    total = graph.node("ReduceSum", points, graph.constant("axis_points", np.array([1])))
    own = graph.node("Floor", graph.node("Div", total, graph.constant("classes", float(len(model.codebook.labels)))))
    farthest = graph.constant("farthest", float(FARTHEST))
    least = graph.node("Max", graph.node("Sub", points, own), graph.node("Neg", farthest))
    return graph.node("Min", least, farthest)


def _tree_sums(graph: _Graph, head: Trees, points: str) -> str:
    """The trees' values added up, float64 (n, C). Nodes of a tree keep their numbers; leaves follow the questions."""
    count, questions = head.features.shape
    leaves, classes = head.leaves.shape[1:]
    nodes = questions + leaves
    inner, numbers = np.arange(questions), np.arange(nodes)
    children = [np.concatenate([2 * inner + side, np.zeros(leaves, dtype=np.int64)]) for side in (1, 2)]
    unasked = np.zeros((count, leaves), dtype=np.int64)
    tensor = graph.onnx.numpy_helper.from_array
    summed = graph.node(
        "TreeEnsembleRegressor",
        points,
        domain="ai.onnx.ml",
        n_targets=classes,
        nodes_treeids=np.repeat(np.arange(count), nodes).tolist(),
        nodes_nodeids=np.tile(numbers, count).tolist(),
        nodes_featureids=np.hstack([head.features, unasked]).ravel().tolist(),
        nodes_values_as_tensor=tensor(np.hstack([head.thresholds, unasked]).ravel().astype(np.float64), "thresholds"),
        nodes_modes=(["BRANCH_GT"] * questions + ["LEAF"] * leaves) * count,
        nodes_truenodeids=np.tile(children[1], count).tolist(),
        nodes_falsenodeids=np.tile(children[0], count).tolist(),
        target_treeids=np.repeat(np.arange(count), leaves * classes).tolist(),
        target_nodeids=np.tile(np.repeat(numbers[questions:], classes), count).tolist(),
        target_ids=np.tile(np.arange(classes), count * leaves).tolist(),
        target_weights_as_tensor=tensor(head.leaves.ravel().astype(np.float64), "leaves"),
    )
    # The operator gives single precision, which holds whole numbers up to 2^24: no score is as far.
    return graph.node("Cast", summed, to=graph.onnx.TensorProto.DOUBLE)


def _reference_scores(graph: _Graph, model: GlobalModel, unit: str) -> str:
    """J, with 0 for the categories that it does not know."""
    assert model.reference_map is not None
    known, weights, intercepts = model.reference_map
    places = np.zeros((len(known), len(model.codebook.categories)))
    places[np.arange(len(known)), known] = 1.0
    logits = graph.node("LogSoftmax", graph.linear("references", unit, weights, intercepts), axis=1)
    return graph.node("MatMul", logits, graph.constant("known", places * model.balance[1]))


def _answer(graph: _Graph, model: GlobalModel, scores: str) -> None:
    graph.node("Softmax", scores, axis=1, output="probabilities")
    best = graph.node("ArgMax", scores, axis=1, keepdims=0)
    labels = list(model.codebook.labels)
    graph.node(
        "LabelEncoder",
        best,
        output="label",
        domain="ai.onnx.ml",
        keys_int64s=list(range(len(labels))),
        values_strings=labels,
    )
