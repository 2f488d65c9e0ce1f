"""A federation in one process behind scikit-learn's interface, to compare with other classifiers in its tools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.evaluation.federation import federate
from comitia.evaluation.partitions import share_out
from comitia.learning.global_model import GlobalModel
from comitia.learning.registry import learner
from comitia.privacy.noise import SystemNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.build import build_codebook
from comitia.text.categories import Category
from comitia.text.documents import Document
from comitia.text.parameters import Parameters


class FederatedClassifier(Parameters):
    """Shares texts out among made-up providers, trains each under differential privacy, combines what they release.

    The noise is the system's: equal calls give different models, as with real providers.

    Parameters
    ----------
    pool : sequence of str
        Public texts that the codebook is made from. Without any the labels' own words have to do, and serve badly.
    providers : int
    partition : str
        As `share_out` takes it.
    learner : str
        Name in the registry.
    epsilon, delta : str
        Of each provider.
    seed : int
        Fixes who gets which text.

    Attributes
    ----------
    classes_ : array of str
        The labels, sorted; after `fit`. Each is its category's public name.
    model_ : GlobalModel
    """

    def __init__(
        self,
        pool: Sequence[str] = (),
        *,
        providers: int = 3,
        partition: str = "sorted",
        learner: str = "prototype",
        epsilon: str = "1",
        delta: str = "1e-5",
        seed: int = 0,
    ) -> None:
        self.pool = pool
        self.providers = providers
        self.partition = partition
        self.learner = learner
        self.epsilon = epsilon
        self.delta = delta
        self.seed = seed

    def fit(self, texts: Sequence[str], labels: Sequence[str]) -> FederatedClassifier:
        """Run the federation.

        Raises
        ------
        InputError
            As many labels as texts are needed, and what a learner needs.
        """
        if isinstance(texts, str) or len(texts) != len(labels):
            raise InputError("a classifier needs a label for each of several texts", code="bad-labels")
        self.classes_, numbers = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
        using, terms = learner(self.learner), PrivacyTerms.of(self.epsilon, self.delta)
        codebook = build_codebook(
            list(self.pool), [Category(label=str(label), name=str(label)) for label in self.classes_]
        )
        documents = [Document(text=text, label=str(label)) for text, label in zip(texts, labels, strict=True)]
        generator = np.random.Generator(np.random.PCG64(self.seed))
        shares = share_out(documents, self.partition, providers=self.providers, generator=generator)
        vectors, noise = codebook.vectorize(list(texts)), SystemNoise()
        parts = [(vectors[share], numbers[share]) for share in shares]
        self.model_, _ = federate(using, codebook, parts, terms, noise, rounds=using.rounds)
        return self

    def predict(self, texts: Sequence[str]) -> NDArray[np.str_]:
        """The label of each text."""
        return self._fitted().predict(list(texts))

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """How much each text belongs to each of `classes_`; rows sum to 1."""
        return self._fitted().predict_proba(list(texts))

    def score(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        """Share of texts whose label is found."""
        return float((self.predict(texts) == np.asarray(labels, dtype=str)).mean())

    def _fitted(self) -> GlobalModel:
        if not hasattr(self, "model_"):
            raise InputError("fit the classifier before using it", code="not-fitted")
        return self.model_
