"""Labelled data to measure retrieval on: the documentation's sets by name, or a user's own files."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.app.demo.work_orders import LABEL_COLUMN, TEXT_COLUMN, work_orders
from comitia.evaluation import datasets
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.own_data import OwnData
from comitia.storage.documents import Columns, read_documents


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
    corpora = [_read(OwnData(source=name, text=text, label=label), categories) for name in names]
    return datasets.together(", ".join(corpus.name for corpus in corpora), corpora)


def _read(own: OwnData, categories: int) -> Corpus:
    match own.source:
        case "20news":
            return datasets.twenty_news()
        case "reuters":
            return datasets.reuters(topics=categories)
        case "work-orders":
            columns = Columns(text=TEXT_COLUMN, label=LABEL_COLUMN)
            return datasets.work_orders(list(read_documents(work_orders(), columns)), categories=categories)
    return own.read(most=categories, known=None)
