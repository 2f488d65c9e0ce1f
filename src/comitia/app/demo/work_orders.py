"""Maintenance work orders of five excavators (NIST, public domain): got once, checked, cached, split.

The file is `nestor/datasets/excavators-cleaned.csv` in the package nist-nestor 0.4.4 on PyPI. The package's
own dependencies are too old to install, so its wheel is downloaded alone and the file read out of it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from platformdirs import user_cache_path

from comitia.core.errors import DamagedError, StorageError, UnavailableError
from comitia.text.categories import Category
from comitia.text.documents import Document

PACKAGE: Final = "nist-nestor==0.4.4"
MEMBER: Final = "nestor/datasets/excavators-cleaned.csv"
SHA256: Final = "006c4f71bc1ff2edc2adf064107a054a6cf2f2027a53ba2cf748ccb7b4e517a2"
TEXT_COLUMN, LABEL_COLUMN, PROVIDER_COLUMN = "OriginalShorttext", "MajorSystem", "Asset"
COST_COLUMN: Final = "Cost"
CATEGORIES: Final = 8
HELD_OUT: Final = 0.25
"""Share of each provider's documents that nobody trains on: what the model is judged by."""

_ELSEWHERE: Final = "give another file with --data FILE --text-column C --label-column C --provider-column C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One way to share out the documents.

    pool : public texts without a label.
    categories : the codes, with a name where it is public.
    new_codes : labels of which nothing is public.
    references : public (text, label), for the other codes.
    providers : training documents by provider.
    held_out : documents that no provider trains on.
    """

    pool: tuple[str, ...]
    categories: tuple[Category, ...]
    new_codes: tuple[str, ...]
    references: tuple[tuple[str, str], ...]
    providers: dict[str, tuple[Document, ...]]
    held_out: tuple[Document, ...]


def work_orders() -> Path:
    """The file, from the user's cache directory or else from PyPI.

    Raises
    ------
    UnavailableError
        If it is not cached and cannot be downloaded.
    DamagedError
        If what was downloaded is not the file that it should be.
    StorageError
        If it cannot be kept, in a home that is read-only for instance.
    """
    cached = user_cache_path("comitia") / "excavators-cleaned.csv"
    if cached.exists() and _sha256(cached.read_bytes()) == SHA256:
        return cached
    data = _download()
    if _sha256(data) != SHA256:
        raise DamagedError(
            f"{MEMBER} of {PACKAGE} is not the file that it should be", code="dataset-changed", hint=_ELSEWHERE
        )
    _keep(cached, data)
    return cached


def _keep(cached: Path, data: bytes) -> None:
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".part")
        partial.write_bytes(data)
        partial.replace(cached)
    except OSError as error:
        raise StorageError(
            f"the work orders cannot be kept in {cached.parent}: {error.strerror}",
            code="cache-unwritable",
            hint=f"set XDG_CACHE_HOME to a folder where files can be made, or {_ELSEWHERE}",
            path=str(cached.parent),
        ) from error


def _download() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--dest", folder, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise UnavailableError(
                f"the work orders ({PACKAGE}) cannot be downloaded: {reason}",
                code="dataset-unavailable",
                hint=_ELSEWHERE,
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(MEMBER)


def split(
    documents: Sequence[Document], *, new_codes: int, references: int, categories: int = CATEGORIES, seed: int = 0
) -> Split:
    """Share out documents: the most frequent single labels are the codes, the rest is the public pool.

    Parameters
    ----------
    documents : sequence of Document
        With `provider` set.
    new_codes : int
        How many codes are opaque: no name, no reference.
    references : int
        Public documents of each other code.
    categories : int
        How many codes there are.
    seed : int
        Decides which codes are new, and which documents are references or held out.
    """
    draw = Random(seed)
    counted = Counter(d.label for d in documents if d.label and d.label != "NA" and "_" not in d.label)
    labels = sorted(label for label, _ in counted.most_common(categories))
    new = tuple(sorted(draw.sample(labels, new_codes)))
    codes = {label: f"code-{number}" for number, label in enumerate(new, start=1)}
    pool = tuple(d.text for d in documents if d.label not in labels)
    by_label: dict[str, list[Document]] = {label: [] for label in labels}
    for document in documents:
        if document.label in by_label:
            by_label[document.label].append(document)
    public: list[tuple[str, str]] = []
    providers: dict[str, list[Document]] = {}
    held_out: list[Document] = []
    for label, listed in by_label.items():
        draw.shuffle(listed)
        known = 0 if label in codes else references
        public += [(document.text, label) for document in listed[:known]]
        for document in listed[known:]:
            relabelled = Document(text=document.text, label=codes.get(label, label), provider=document.provider)
            if draw.random() < HELD_OUT:
                held_out.append(relabelled)
            else:
                providers.setdefault(document.provider or "", []).append(relabelled)
    return Split(
        pool=pool,
        categories=tuple(
            Category(label=codes.get(label, label), name="" if label in codes else label) for label in labels
        ),
        new_codes=tuple(sorted(codes.values())),
        references=tuple(public),
        providers={name: tuple(listed) for name, listed in sorted(providers.items())},
        held_out=tuple(held_out),
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
