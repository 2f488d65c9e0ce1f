"""A number to be predicted, in public bins: what makes a codebook one for regression.

The range and the bins are agreed on in public, like category names; a value outside is counted as the nearest there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.text.categories import Category
from comitia.text.codebook import EDGE_UNIT, Codebook

MOST_BINS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """Documents' values as classes.

    Attributes
    ----------
    labels : int64 array, shape (n,)
        Index of each document's class; -1 where it has none.
    clipped : int
        How many values lay outside the public range and were taken for the nearest inside.
    """

    labels: NDArray[np.int64]
    clipped: int = 0


def parse_edges(text: str) -> tuple[int, ...]:
    """Edges of bins, in thousandths, from ``LOW:HIGH:BINS`` or, with bins that grow with the value, ``...:log``.

    >>> parse_edges("0:10:2")
    (0, 5000, 10000)

    Raises
    ------
    InputError
        `bad-target`: not of that form, an empty range, bins that are too many or narrower than a thousandth.
    """
    parts = text.split(":")
    try:
        low, high, bins = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        raise _bad(text, "it is not LOW:HIGH:BINS") from None
    if parts[3:] not in ([], ["log"]) or not (isfinite(low) and isfinite(high) and abs(low) + abs(high) < 1e12):
        raise _bad(text, "it is not LOW:HIGH:BINS")
    if low >= high or not 2 <= bins <= MOST_BINS:
        raise _bad(text, f"the range must not be empty, and there must be 2 to {MOST_BINS} bins")
    share = np.linspace(0.0, 1.0, bins + 1)
    if parts[3:] == ["log"]:
        share = np.expm1(share * np.log1p(high - low)) / (high - low)
    edges = tuple(round((low + (high - low) * float(part)) * EDGE_UNIT) for part in share)
    if any(first >= second for first, second in pairwise(edges)):
        raise _bad(text, "its bins are too narrow")
    return edges


def bin_categories(edges: Sequence[int]) -> tuple[Category, ...]:
    """An opaque category for each bin: no words name a number."""
    return tuple(Category(label=f"bin-{number:03d}") for number in range(len(edges) - 1))


def classes_of(codebook: Codebook, labels: Sequence[str | None]) -> Binned:
    """The class of each document's label: its category or, in a codebook with a target, its value's bin.

    Raises
    ------
    InputError
        `bad-value`: with a target, a label that is not a number; names the row.
    """
    if not codebook.edges:
        index = {label: number for number, label in enumerate(codebook.labels)}
        return Binned(labels=np.array([index.get(label or "", -1) for label in labels], dtype=np.int64))
    known = np.array([row for row, label in enumerate(labels) if label], dtype=np.int64)
    bins, clipped = _binned(codebook.edges, [labels[row] or "" for row in known])
    classes = np.full(len(labels), -1, dtype=np.int64)
    classes[known] = bins
    return Binned(labels=classes, clipped=clipped)


def bin_references(edges: Sequence[int], references: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """References with a number for a label as references of its bin; errors as `classes_of`."""
    bins, _ = _binned(edges, [label for _, label in references])
    categories = bin_categories(edges)
    return [(text, categories[number].label) for (text, _), number in zip(references, bins, strict=True)]


def _binned(edges: Sequence[int], texts: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """The bin of each value, and how many lie outside."""
    values = np.array([_number(text, row) for row, text in enumerate(texts)], dtype=np.float64) * EDGE_UNIT
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return bins.astype(np.int64), int(((values < edges[0]) | (values > edges[-1])).sum())


def _number(text: str, row: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise InputError(
            f"document {row + 1} has the value {text[:40]!r}, which is not a number",
            code="bad-value",
            hint="leave it empty where it is not known",
            row=row + 1,
        )
    return value


def _bad(text: str, why: str) -> InputError:
    return InputError(f"the target {text[:60]!r} cannot be: {why}", code="bad-target", hint="for example 0:5000:12:log")
