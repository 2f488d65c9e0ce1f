"""The data sets that learning is measured on, each with its public pool and its documents for evaluation.

20 Newsgroups and Reuters-21578 are read from a folder of Parquet files that the repository does not hold.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arro3.io import read_parquet

from comitia.core.errors import InputError, UnavailableError
from comitia.text.categories import Category, parse_categories
from comitia.text.documents import Document

FOLDER_VARIABLE = "COMITIA_DATA"
DEFAULT_FOLDER = Path("../shared/data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A data set, split.

    Attributes
    ----------
    name : str
    categories : tuple of Category
        With the words that are public unless a run makes a category opaque.
    pool : tuple of str
        Public texts, unlabelled; neither trained nor evaluated on.
    private : tuple of Document
        Labelled; what providers train on, and what references are taken from.
    evaluated : tuple of Document
        Labelled; trained on by nobody. Empty: a share of each provider's documents is held out instead.
    """

    name: str
    categories: tuple[Category, ...]
    pool: tuple[str, ...]
    private: tuple[Document, ...]
    evaluated: tuple[Document, ...]


def twenty_news(folder: Path | None = None, *, text: str = "body") -> Corpus:
    """20 Newsgroups: trained on split `train`; every other post of `test` is the pool, the others are evaluated.

    Parameters
    ----------
    folder : Path, optional
        Where the files are; else the environment's COMITIA_DATA, else `DEFAULT_FOLDER`.
    text : str
        ``body``: without header block, quoted lines and signature, which give the label away; ``subject``: the subject
        line alone; ``post``: subject line and body as it is, with quotes and signature.
    """
    takes = {"body": post_body, "subject": post_subject, "post": post_without_header}
    if text not in takes:
        raise InputError(f"a post has no {text!r}", code="unknown-text", hint=f"it has: {', '.join(takes)}")
    folder = _folder(folder)
    rows = _parquet(folder / "20news.parquet", ("text", "label", "split"))
    documents = [Document(text=takes[text](post), label=label) for post, label, _ in rows]
    categories = _named(sorted({label for _, label, _ in rows}), folder / "categories-20news.toml")
    return split_corpus("20news", categories, documents, [split for _, _, split in rows])


def reuters(folder: Path | None = None, *, topics: int = 8) -> Corpus:
    """Reuters-21578: the biggest topics among stories with just one topic; split as `twenty_news`."""
    folder = _folder(folder)
    rows = _parquet(folder / "reuters.parquet", ("text", "labels", "split"))
    single = [(text, labels[0], split) for text, labels, split in rows if len(labels) == 1 and split != "unused"]
    counted = Counter(label for _, label, split in single if split == "train")
    biggest = {label for label, _ in counted.most_common(topics)}
    documents = [Document(text=text, label=label) for text, label, _ in single]
    categories = _named(sorted(biggest), folder / "categories-reuters.toml")
    return split_corpus("reuters", categories, documents, [split for _, _, split in single])


def together(name: str, corpora: Sequence[Corpus]) -> Corpus:
    """Several data sets as one; their labels must differ."""
    return Corpus(
        name=name,
        categories=tuple(category for corpus in corpora for category in corpus.categories),
        pool=tuple(text for corpus in corpora for text in corpus.pool),
        private=tuple(document for corpus in corpora for document in corpus.private),
        evaluated=tuple(document for corpus in corpora for document in corpus.evaluated),
    )


def work_orders(documents: Sequence[Document], *, categories: int = 8) -> Corpus:
    """Maintenance work orders: the biggest single labels are the categories and their names, the rest is the pool."""
    single = (d.label for d in documents if d.label and d.label != "NA" and "_" not in d.label)
    biggest = biggest_labels(single, categories)
    return pooled_corpus("work orders", tuple(Category(label=label, name=label) for label in biggest), documents)


def work_order_costs(documents: Sequence[Document]) -> list[Document]:
    """Work orders labelled with their cost; the file has one row whose columns are shifted, which has none."""
    return [replace(document, label=None) if document.label == "PM01" else document for document in documents]


def pooled_corpus(name: str, categories: tuple[Category, ...], documents: Sequence[Document]) -> Corpus:
    """The documents of the categories are private, a share of them held out for evaluation; all others are the pool."""
    labels = {category.label for category in categories}
    return Corpus(
        name=name,
        categories=categories,
        pool=tuple(document.text for document in documents if document.label not in labels),
        private=tuple(document for document in documents if document.label in labels),
        evaluated=(),
    )


def split_corpus(
    name: str, categories: tuple[Category, ...], documents: Sequence[Document], splits: Sequence[str | None]
) -> Corpus:
    """Trained on split ``train``; of split ``test`` every other document is the pool, the others are evaluated.

    Documents of other splits, or of no such category, take no part.

    Raises
    ------
    InputError
        Nothing to train on, or fewer than two documents to test on.
    """
    labels = {category.label for category in categories}
    labelled = [
        (document, split) for document, split in zip(documents, splits, strict=True) if document.label in labels
    ]
    train = tuple(document for document, split in labelled if split == "train")
    test = [document for document, split in labelled if split == "test"]
    if not train or len(test) < 2:
        raise InputError(
            f"there are {len(train)} documents of split 'train' and {len(test)} of split 'test'",
            code="bad-split",
            hint="the column must say train or test",
        )
    return Corpus(
        name=name,
        categories=categories,
        pool=tuple(document.text for document in test[::2]),
        private=train,
        evaluated=tuple(test[1::2]),
    )


def biggest_labels(labels: Iterable[str | None], count: int) -> tuple[str, ...]:
    """The most frequent labels, sorted."""
    counted = Counter(label for label in labels if label)
    return tuple(sorted(label for label, _ in counted.most_common(count)))


def post_body(post: str) -> str:
    """A newsgroup post without header block, attribution and quoted lines, and signature.

    >>> post_body("From: a@b\\nSubject: x\\n\\nIn article <1> a@b writes:\\n> quoted\\nmine\\n--\\nA. B.")
    'mine'
    """
    _, _, body = post.partition("\n\n")
    kept = [line for line in body.split("\n") if not _QUOTED.match(line)]
    while kept and not kept[-1].strip():
        kept.pop()
    for index in range(len(kept) - 1, -1, -1):
        if not kept[index].strip().strip("-"):
            return "\n".join(kept[:index]).strip() if index else "\n".join(kept).strip()
    return "\n".join(kept).strip()


def post_subject(post: str) -> str:
    """The subject line of a newsgroup post, without "Re:".

    >>> post_subject("From: a@b\\nSubject: Re: shuttle\\n\\ntext")
    'shuttle'
    """
    head, _, _ = post.partition("\n\n")
    for line in head.split("\n"):
        if line.lower().startswith("subject:"):
            return re.sub(r"^(\s*re:)+", "", line[8:], flags=re.IGNORECASE).strip()
    return ""


def post_without_header(post: str) -> str:
    """The subject line of a newsgroup post and everything below its header block.

    >>> post_without_header("From: a@b\\nSubject: Re: shuttle\\n\\n> when?\\nnow")
    'shuttle\\n> when?\\nnow'
    """
    _, _, body = post.partition("\n\n")
    return f"{post_subject(post)}\n{body}"


_QUOTED = re.compile(r"In article|Quoted from|\||>|.*(writes in|writes:|wrote:|says:|said:)")
"""How a quoted line, or the line that announces it, begins."""


def _named(labels: Sequence[str], path: Path) -> tuple[Category, ...]:
    """Categories with their public words from a file; a label that is its own name where the file has none."""
    known = {category.label: category for category in parse_categories(tomllib.loads(path.read_text("utf-8")))}
    return tuple(known.get(label, Category(label=label, name=label)) for label in labels)


def _folder(folder: Path | None) -> Path:
    chosen = folder or Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)
    if not chosen.is_dir():
        raise UnavailableError(
            f"there is no data folder {chosen}",
            code="dataset-unavailable",
            hint=f"set {FOLDER_VARIABLE} to the folder of 20news.parquet and reuters.parquet",
        )
    return chosen


def _parquet(path: Path, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Rows of some columns."""
    if not path.exists():
        raise UnavailableError(f"there is no file {path}", code="dataset-unavailable")
    table = read_parquet(path).read_all()
    missing = [column for column in columns if column not in table.schema.names]
    if missing:
        raise InputError(f"{path.name} has no column {missing[0]!r}", code="unknown-column", column=missing[0])
    return list(zip(*(table[column].to_pylist() for column in columns), strict=True))
