"""A sentence encoder with weights drawn by lot: as small as one can be, and with everything that a real one has."""

from __future__ import annotations

import numpy as np

from comitia.text.encoder import SentenceEncoder, Weights
from comitia.text.word_pieces import WordPieces

WIDTH, INNER = 32, 48
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),
]
PIECES += ["hydraulic", "pump", "##s", "engine", "turbo", "smoke", "smok", "##ing", "hose", "oil"]


def made_up_weights() -> Weights:
    draw = np.random.default_rng(7)

    def matrix(*shape: int) -> np.ndarray:
        return draw.normal(0, 0.2, shape).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": matrix(len(PIECES), WIDTH),
        "embeddings.position_embeddings.weight": matrix(128, WIDTH) / 10,
        "embeddings.token_type_embeddings.weight": matrix(2, WIDTH) / 10,
    }
    layer = "encoder.layer.0"
    for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
        weights |= {f"{layer}.{name}.weight": matrix(WIDTH, WIDTH), f"{layer}.{name}.bias": matrix(WIDTH)}
    for name, (rows, columns) in {"intermediate": (INNER, WIDTH), "output": (WIDTH, INNER)}.items():
        weights |= {f"{layer}.{name}.dense.weight": matrix(rows, columns), f"{layer}.{name}.dense.bias": matrix(rows)}
    for name in ("embeddings.LayerNorm", f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"):
        weights |= {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": np.zeros(WIDTH, np.float32)}
    return weights


def made_up_encoder() -> SentenceEncoder:
    return SentenceEncoder(weights=made_up_weights(), pieces=WordPieces(PIECES), digest=bytes(range(32)))
