"""Texts cut into pieces of a fixed public list, as BERT's encoders read them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

_WORD = re.compile(r"[一-鿿]|[^\W_一-鿿]+|[^\w\s]|_")
"""A run of letters and digits; punctuation marks and Chinese characters stand alone."""

_LONGEST_WORD = 100
_CACHED_WORDS = 1 << 16


class WordPieces:
    """A list of pieces: whole words, beginnings of words, and with ``##`` before them what follows in a word.

    Parameters
    ----------
    pieces : sequence of str
        By number. ``[UNK]``, ``[CLS]`` and ``[SEP]`` are among them.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        self._number_of = {piece: number for number, piece in enumerate(pieces)}
        self._unknown, self._start, self._end = (self._number_of[mark] for mark in ("[UNK]", "[CLS]", "[SEP]"))
        self._numbers = lru_cache(maxsize=_CACHED_WORDS)(self._cut)

    def numbers(self, text: str, most: int) -> list[int]:
        """Numbers of a text's pieces between those of start and end, at most `most` together.

        Lower case, without accents; a word that no pieces make up is ``[UNK]``.
        """
        numbers: list[int] = []
        for word in _words(text):
            numbers.extend(self._numbers(word))
            if len(numbers) >= most - 2:
                break
        return [self._start, *numbers[: most - 2], self._end]

    def _cut(self, word: str) -> tuple[int, ...]:
        """The longest piece that the rest of a word begins with, until nothing is left."""
        numbers, begin = [], 0
        while begin < len(word):
            for end in range(min(len(word), begin + _LONGEST_WORD), begin, -1):
                number = self._number_of.get(("##" if begin else "") + word[begin:end])
                if number is not None:
                    break
            else:
                return (self._unknown,)
            numbers.append(number)
            begin = end
        return tuple(numbers)


def _words(text: str) -> Iterator[str]:
    plain = text.lower()
    if not plain.isascii():
        plain = "".join(each for each in unicodedata.normalize("NFD", plain) if unicodedata.category(each) != "Mn")
    return (match.group() for match in _WORD.finditer(plain))
