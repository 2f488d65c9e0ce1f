"""A small consortium on made-up work orders: four categories, the last one an opaque new code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from comitia.learning.local_model import LocalModel
from comitia.learning.prototype import Prototype
from comitia.privacy.noise import SeededNoise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.vectors import VectorKind

WORDS = {
    "engine": ["engine", "motor", "starter", "coolant", "piston", "fuel", "injector", "turbo"],
    "hydraulics": ["pump", "hose", "valve", "cylinder", "pressure", "leak", "oil", "seal"],
    "electrics": ["battery", "lamp", "fuse", "cable", "sensor", "alternator", "wiring", "switch"],
    "code-1": ["bucket", "tooth", "adaptor", "pin", "bush", "weld", "crack", "lip"],
}
COMMON = ["replace", "check", "repair", "left", "right", "side", "needs", "found"]


@dataclass(frozen=True)
class Consortium:
    """A codebook and documents for it."""

    codebook: Codebook
    texts: tuple[str, ...]
    labels: NDArray[np.int64]

    @cached_property
    def vectors(self) -> NDArray[np.int32]:
        vectors = self.codebook.vectorize(self.texts)
        vectors.flags.writeable = False
        return vectors

    def release(
        self, rows: Sequence[int] | slice = slice(None), *, epsilon: str = "4", seed: bytes = b"0"
    ) -> Released[LocalModel]:
        terms = PrivacyTerms.of(epsilon, "1e-5")
        return Prototype().train(self.codebook, self.vectors[rows], self.labels[rows], terms, SeededNoise(seed))


def write(generator: np.random.Generator, label: int) -> str:
    own = generator.choice(list(WORDS.values())[label], 5)
    return " ".join([*own, *generator.choice(COMMON, 3)])


def make(kind: VectorKind, references: int = 3) -> Consortium:
    generator = np.random.Generator(np.random.PCG64(7))
    pool = [write(generator, label) for label in generator.integers(0, 4, 200)]
    categories = [Category(label=label, name="" if label == "code-1" else label) for label in WORDS]
    public = [(write(generator, label), list(WORDS)[label]) for label in range(3) for _ in range(references)]
    codebook = build_codebook(
        pool, categories, references=public, settings=BuildSettings(kind=kind, lsa_rank=16, tf_rank=30)
    )
    labels = generator.integers(0, 4, 400)
    return Consortium(codebook, tuple(write(generator, int(label)) for label in labels), labels)


def make_opaque() -> Consortium:
    """The same documents, and a codebook that knows nothing of the categories."""
    known = make(VectorKind.LSA)
    categories = [Category(label=label) for label in WORDS]
    return Consortium(
        build_codebook(known.texts, categories, settings=BuildSettings(kind=VectorKind.LSA, lsa_rank=16)),
        known.texts,
        known.labels,
    )
