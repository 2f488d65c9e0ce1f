"""A user's own file as a data set to measure learning on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from comitia.core.errors import InputError
from comitia.evaluation.datasets import Corpus, biggest_labels, pooled_corpus, post_body, post_subject, split_corpus
from comitia.storage.columns import Columns
from comitia.storage.documents import read_documents
from comitia.text.categories import Category
from comitia.text.documents import Document

PARTS: Mapping[str, Callable[[str], str]] = {"whole": str, "post-body": post_body, "post-subject": post_subject}
"""What is taken of each text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnData:
    """A file, and what is in it.

    Attributes
    ----------
    source : str
        File, folder or pattern, as `read_documents` takes it.
    text, label : str
        Columns.
    split : str or None
        Column that says ``train`` or ``test``; None: a share of the documents is held out.
    provider : str or None
        Column that says whose a document is, for the partition ``provider``.
    part : str
        One of `PARTS`.
    """

    source: str
    text: str = "text"
    label: str = "label"
    split: str | None = None
    provider: str | None = None
    part: str = "whole"

    def read(self, *, most: int, known: Sequence[Category] | None) -> Corpus:
        """Read the file.

        Parameters
        ----------
        most : int
            The so many most frequent labels are the categories, each label its own name...
        known : sequence of Category or None
            ...unless their public words are given: then these are the categories.

        Raises
        ------
        InputError
            As `read_documents` and `split_corpus`, or where a known category has no document.
        """
        documents = self.documents()
        splits = self._splits(len(documents))
        name = Path(self.source).name
        if known is None:
            trained = [d.label for d, split in zip(documents, splits, strict=True) if split in (None, "train")]
            known = [Category(label=label, name=label) for label in biggest_labels(trained, most)]
        found = {document.label for document in documents}
        for category in known:
            if category.label not in found:
                raise InputError(
                    f"no document of {name} has the label {category.label!r}",
                    code="unknown-label",
                    hint="check --label-column and the ids in the categories file",
                    label=category.label,
                )
        if self.split is None:
            return pooled_corpus(name, tuple(known), documents)
        return split_corpus(name, tuple(known), documents, splits)

    def documents(self) -> list[Document]:
        """All documents of the file; errors as `read_documents`."""
        columns = Columns(text=self.text, label=self.label, provider=self.provider)
        take = PARTS[self.part]
        return [
            Document(text=take(document.text), label=document.label, provider=document.provider)
            for document in read_documents(self.source, columns)
        ]

    def _splits(self, count: int) -> list[str | None]:
        """What the split column says of each document; read on its own, since a document has no split."""
        if self.split is None:
            return [None] * count
        columns = Columns(text=self.text, provider=self.split)
        return [document.provider for document in read_documents(self.source, columns)]
