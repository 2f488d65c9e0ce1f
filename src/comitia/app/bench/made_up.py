"""Made-up work orders, for benchmarks of what does not depend on what documents say."""

from __future__ import annotations

from random import Random
from typing import Final

from comitia.text.build import build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.documents import Document

WORDS: Final = {
    "hydraulics": ("hose", "leak", "swivel", "cylinder", "pump", "pressure", "oil", "seal", "ram", "valve"),
    "engine": ("starter", "turbo", "smoke", "coolant", "injector", "belt", "radiator", "idle", "exhaust", "fuel"),
    "bucket": ("tooth", "lip", "weld", "crack", "adapter", "wear", "plate", "corner", "edge", "shroud"),
}
COMMON: Final = ("replace", "check", "broken", "left", "right", "rear", "front", "repair", "during", "shift")
EACH: Final = 60


def documents(seed: int) -> list[Document]:
    """Some documents of every category; the same for the same seed."""
    draw = Random(seed)
    return [
        Document(text=" ".join((*draw.choices(words, k=5), *draw.choices(COMMON, k=2))), label=label)
        for label, words in WORDS.items()
        for _ in range(EACH)
    ]


def codebook() -> Codebook:
    """A codebook for these documents."""
    pool = [document.text for document in documents(-1)]
    return build_codebook(pool, [Category(label=label, name=f"{label} {words[0]}") for label, words in WORDS.items()])
