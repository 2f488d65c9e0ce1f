"""How one labelled data set becomes several providers' data sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.text.documents import Document

SHARDS_EACH = 2
"""Shards of the sorted data that each provider gets: few categories each, unevenly shared."""

Shares = tuple[NDArray[np.int64], ...]
"""For each provider the indices of its documents, ascending."""


def share_out(documents: Sequence[Document], scheme: str, *, providers: int, generator: np.random.Generator) -> Shares:
    """Share out documents among providers.

    Source: IV.B, "We divide the sorted dataset into shards and recombine the shards into subsets"

    Parameters
    ----------
    documents : sequence of Document
        All labelled.
    scheme : str
        ``sorted``: the documents sorted by label and cut into `SHARDS_EACH` shards a provider, dealt at random.
        ``iid``: at random.
        ``dirichlet:a``: each label's documents in shares from a Dirichlet distribution of concentration a > 0.
        ``provider``: as the documents' own `provider` says; `providers` is not used.
    providers : int
        How many, at least 1.

    Returns
    -------
    tuple of int arrays
        Disjoint, covering all documents; providers without documents are left out.

    Raises
    ------
    InputError
        Unknown scheme, no providers, or a document without the provider that the scheme needs.
    """
    if providers < 1:
        raise InputError(f"{providers} providers cannot hold documents", code="bad-providers", providers=providers)
    name, _, argument = scheme.partition(":")
    if name == "sorted" and not argument:
        shares = _sorted(documents, providers, generator)
    elif name == "iid" and not argument:
        shares = np.array_split(generator.permutation(len(documents)), providers)
    elif name == "dirichlet":
        shares = _dirichlet(documents, providers, _concentration(argument), generator)
    elif name == "provider" and not argument:
        shares = _by_provider(documents)
    else:
        raise InputError(
            f"there is no partition {scheme!r}",
            code="unknown-partition",
            hint="known: sorted, iid, dirichlet:a (such as dirichlet:0.5), provider",
            scheme=scheme,
        )
    return tuple(np.sort(share) for share in shares if len(share))


def _sorted(documents: Sequence[Document], providers: int, generator: np.random.Generator) -> list[NDArray[np.int64]]:
    labels = np.array([document.label or "" for document in documents])
    mixed = generator.permutation(len(documents))
    order = mixed[np.argsort(labels[mixed], kind="stable")]
    shards = np.array_split(order, providers * SHARDS_EACH)
    dealt = generator.permutation(len(shards)).reshape(providers, SHARDS_EACH)
    return [np.concatenate([shards[shard] for shard in hand]) for hand in dealt]


def _dirichlet(
    documents: Sequence[Document], providers: int, concentration: float, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    labels = np.array([document.label or "" for document in documents])
    owner = np.zeros(len(documents), dtype=np.int64)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        fractions = generator.dirichlet(np.full(providers, concentration))
        cuts = (np.cumsum(fractions)[:-1] * len(members)).astype(np.int64)
        for provider, part in enumerate(np.split(members, cuts)):
            owner[part] = provider
    return [np.flatnonzero(owner == provider) for provider in range(providers)]


def _by_provider(documents: Sequence[Document]) -> list[NDArray[np.int64]]:
    for row, document in enumerate(documents):
        if document.provider is None:
            raise InputError(f"document {row} does not say whose it is", code="no-provider", row=row)
    owners = np.array([document.provider for document in documents])
    return [np.flatnonzero(owners == owner) for owner in np.unique(owners)]


def _concentration(argument: str) -> float:
    try:
        value = float(argument)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise InputError(
            f"the concentration of a Dirichlet partition is a number above 0, not {argument!r}",
            code="bad-partition",
            hint="write for instance dirichlet:0.5",
        )
    return value
