"""A public sentence encoder, computed here: texts to vectors of length 1 by given weights, in numpy alone.

The weights are those of a small BERT with its mean over the pieces (Wang et al., *MiniLM*, 2020; Reimers and Gurevych,
*Sentence-BERT*, 2019). They are learnt from public text and are no part of this program; who uses an encoder reads them
in (`comitia.storage.encoder`) and is held to their digest.

Floating-point sums depend on the processor in their last bits, so two machines may differ by one unit in a coordinate
after rounding. Nothing that is compared among nodes rests on a vector made twice: public vectors are made once and
stand in the codebook, private ones are known to their owner alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.text.word_pieces import WordPieces

MOST_PIECES = 128
"""What is longer is cut off: a request for vectors of long posts would take minutes."""

_HEAD_WIDTH = 32
_PIECES_AT_ONCE = 1024
_TINY = np.float32(1e-12)
_NEVER = np.float32(-1e9)

FloatArray = NDArray[np.float32]
Weights = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SentenceEncoder:
    """Weights by their usual names, and the pieces that they are for.

    Attributes
    ----------
    weights : mapping of str to float32 array
        As a BERT's checkpoint names them; matrices have a row for each output.
    pieces : WordPieces
    digest : bytes
        SHA-256 of weights and pieces as they are published, 32 bytes.
    """

    weights: Weights
    pieces: WordPieces
    digest: bytes

    @property
    def width(self) -> int:
        """Coordinates of a vector."""
        return int(self.weights["embeddings.word_embeddings.weight"].shape[1])

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of length 1 of some texts, shape (n, width); of length 0 where a text has no piece."""
        numbers = [self.pieces.numbers(text, MOST_PIECES) for text in texts]
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for rows in _batches([len(each) for each in numbers]):
            vectors[rows] = self._encode([numbers[row] for row in rows])
        return vectors

    def _encode(self, texts: Sequence[Sequence[int]]) -> FloatArray:
        longest = max(map(len, texts))
        present = np.array([len(text) for text in texts])[:, None] > np.arange(longest)
        numbers = np.zeros(present.shape, dtype=np.int64)
        numbers[present] = np.concatenate([np.asarray(text) for text in texts])
        state = self._first(numbers)
        for layer in range(self._layers):
            state = self._layer(state, present, f"encoder.layer.{layer}")
        sums = np.where(present[:, :, None], state, 0).sum(axis=1)
        # start and end are pieces of every text; alone they say nothing
        sums[present.sum(axis=1) <= 2] = 0
        return np.asarray(sums / np.maximum(np.sqrt(np.square(sums).sum(axis=1, keepdims=True)), _TINY))

    @property
    def _layers(self) -> int:
        return sum(name.endswith("attention.self.query.weight") for name in self.weights)

    def _first(self, numbers: NDArray[np.int64]) -> FloatArray:
        words, places, kinds = (
            self.weights[f"embeddings.{table}_embeddings.weight"] for table in ("word", "position", "token_type")
        )
        return self._normed(words[numbers] + places[: numbers.shape[1]] + kinds[0], "embeddings.LayerNorm")

    def _layer(self, state: FloatArray, present: NDArray[np.bool_], name: str) -> FloatArray:
        texts, length, width = state.shape
        query, key, value = (
            self._linear(state, f"{name}.attention.self.{part}")
            .reshape(texts, length, width // _HEAD_WIDTH, _HEAD_WIDTH)
            .transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(_HEAD_WIDTH**0.5)
        seen = _softmax(np.where(present[:, None, None, :], scores, _NEVER)) @ value
        gathered = seen.transpose(0, 2, 1, 3).reshape(state.shape)
        state = self._normed(
            state + self._linear(gathered, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        inner = _gelu(self._linear(state, f"{name}.intermediate.dense"))
        return self._normed(state + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, state: FloatArray, name: str) -> FloatArray:
        flat = state.reshape(-1, state.shape[-1]) @ self.weights[f"{name}.weight"].T
        return (flat + self.weights[f"{name}.bias"]).reshape(*state.shape[:-1], -1)

    def _normed(self, state: FloatArray, name: str) -> FloatArray:
        centred = state - state.mean(axis=-1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + _TINY)
        return np.asarray(centred / spread * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])


def _batches(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Rows of texts of like length, a bounded number of pieces at a time."""
    order = np.argsort(np.asarray(lengths), kind="stable")[::-1]
    begin = 0
    while begin < len(order):
        end = begin + max(1, _PIECES_AT_ONCE // lengths[order[begin]])
        yield order[begin:end]
        begin = end


def _softmax(scores: FloatArray) -> FloatArray:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _gelu(x: FloatArray) -> FloatArray:
    """x Phi(x), by the tanh approximation: within .0005 of it, at a tenth of the time numpy needs without an erf."""
    return np.asarray(x * np.float32(0.5) * (1 + np.tanh(np.float32(0.7978845608) * (x + np.float32(0.044715) * x**3))))
