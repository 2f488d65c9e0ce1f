"""The sentence encoder: word pieces and the forward pass."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_encoder import PIECES, made_up_encoder

from comitia.text.encoder import MOST_PIECES
from comitia.text.word_pieces import WordPieces

NUMBER = {piece: number for number, piece in enumerate(PIECES)}


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Pumps", ["pump", "##s"]),
        ("SMOKING pump", ["smok", "##ing", "pump"]),
        ("  été ", ["e", "##t", "##e"]),
        ("pump-9", ["pump", "[UNK]", "[UNK]"]),
        ("", []),
    ],
)
def test_words_are_cut_into_the_longest_pieces(text: str, pieces: list[str]) -> None:
    found = WordPieces(PIECES).numbers(text, 16)
    assert found == [NUMBER[piece] for piece in ("[CLS]", *pieces, "[SEP]")]


def test_a_long_text_is_cut_off_between_its_marks() -> None:
    found = WordPieces(PIECES).numbers("pump " * 500, 16)
    assert len(found) == 16
    assert (found[0], found[-1]) == (NUMBER["[CLS]"], NUMBER["[SEP]"])


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours() -> None:
    encoder = made_up_encoder()
    texts = ["pump", "hydraulic pumps smoking", "", "oil " * 300, "a b c d e f g"]
    together = encoder.encode(texts)
    assert together.shape == (5, encoder.width)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), [1, 1, 0, 1, 1], atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (encoder.encode(["oil " * 300]) == encoder.encode(["oil " * (MOST_PIECES - 2)])).all()


def test_the_order_of_words_counts() -> None:
    one, other = made_up_encoder().encode(["pump engine", "engine pump"])
    assert np.abs(one - other).max() > 1e-3
