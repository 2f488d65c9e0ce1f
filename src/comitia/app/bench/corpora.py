"""Labelled data to measure on: the documentation's sets by name, or a user's own files."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.app.demo.work_orders import LABEL_COLUMN, PROVIDER_COLUMN, TEXT_COLUMN, work_orders
from comitia.evaluation import datasets
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.own_data import OwnData
from comitia.storage.columns import Columns
from comitia.storage.documents import read_documents


def read_corpora(names: Sequence[str], text: str, label: str, categories: int) -> Corpus:
    """Data sets as one.

    Parameters
    ----------
    names : sequence of str
        ``20news``, ``reuters``, ``work-orders``, or a file, folder or pattern.
    text, label : str
        Columns of files.
    categories : int
        The most frequent labels of each but ``20news``.

    Raises
    ------
    InputError
        For files as `OwnData.read`.
    """
    corpora = [read_corpus(OwnData(source=name, text=text, label=label), categories) for name in names]
    return datasets.together(", ".join(corpus.name for corpus in corpora), corpora)


def read_corpus(own: OwnData, categories: int) -> Corpus:
    """One data set, whose source is a name or a file as for `read_corpora`."""
    match own.source:
        case "20news":
            return datasets.twenty_news()
        case "reuters":
            return datasets.reuters(topics=categories)
        case "work-orders":
            return read_work_orders(categories)
    return own.read(most=categories, known=None)


def read_work_orders(categories: int) -> Corpus:
    """NIST's excavators, each the provider of its own work orders."""
    columns = Columns(text=TEXT_COLUMN, label=LABEL_COLUMN, provider=PROVIDER_COLUMN)
    return datasets.work_orders(list(read_documents(work_orders(), columns)), categories=categories)
