"""The encoder's weights: read from the package that carries them, and held to what a codebook names."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_encoder import PIECES, made_up_encoder, made_up_weights

from comitia.core.errors import ConfigurationError, DamagedError
from comitia.storage import encoder as installed
from comitia.storage.encoder import InstalledEncoder, load_encoder, read_encoder, with_encoder
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.vectors import Source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    contents, data = {"__metadata__": {"format": "pt"}}, b""
    for name, weight in made_up_weights().items():
        begin, data = len(data), data + weight.tobytes()
        contents[name] = {"dtype": "F32", "shape": list(weight.shape), "data_offsets": [begin, len(data)]}  # type: ignore[dict-item]
    head = json.dumps(contents).encode()
    (tmp_path / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + data)
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    return tmp_path


def test_weights_are_read_and_told_apart(folder: Path) -> None:
    read = read_encoder(folder)
    assert (read.encode(["hose pump"]) == made_up_encoder().encode(["hose pump"])).all()
    (folder / "vocab.txt").write_text("\n".join([*PIECES, "valve"]), encoding="utf-8")
    assert read_encoder(folder).digest != read.digest


@pytest.mark.parametrize("damage", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}"])
def test_damaged_weights_are_refused(folder: Path, damage: bytes) -> None:
    (folder / "model.safetensors").write_bytes(damage)
    with pytest.raises(DamagedError) as caught:
        read_encoder(folder)
    assert caught.value.code == "encoder-damaged"


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    with pytest.raises(DamagedError, match=r"vocab\.txt"):
        read_encoder(folder)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, installed.PACKAGE, None)
    load_encoder.cache_clear()
    with pytest.raises(ConfigurationError) as caught:
        load_encoder()
    assert caught.value.code == "extra-missing"
    assert "comitia[encoder]" in str(caught.value.hint)


def test_other_weights_than_the_codebooks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "load_encoder", made_up_encoder)
    book = build_codebook(
        (), [Category(label="a", name="pump")], settings=BuildSettings(source=Source.ENCODER), encoder=made_up_encoder()
    )
    assert with_encoder(replace(book, sentences=None)).vectorize(["pump"]).any()
    with pytest.raises(ConfigurationError) as caught:
        with_encoder(replace(book, encoder=bytes(32))).vectorize(["pump"])
    assert caught.value.code == "foreign-encoder"


def test_a_codebook_of_words_asks_for_no_encoder() -> None:
    book = build_codebook((), [Category(label="a", name="pump")], settings=BuildSettings(source=Source.NONE))
    assert with_encoder(book) is book


@pytest.mark.skipif(
    importlib.util.find_spec(installed.PACKAGE) is None, reason="the extra 'encoder' (90 MB) is not installed"
)
def test_the_published_weights_give_the_published_vectors() -> None:
    """The first coordinates that the model's card shows for this sentence."""
    load_encoder.cache_clear()
    read = load_encoder()
    (vector,) = InstalledEncoder(read.digest).encode(["This is an example sentence"])
    np.testing.assert_allclose(vector[:5], [0.0677, 0.0635, 0.0487, 0.0793, 0.0374], atol=2e-4)
