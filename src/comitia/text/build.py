"""Building a codebook from what is public: the pool, the categories' names, the reference documents, an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.core.telling import Say, silent
from comitia.text.basis import BASIS_BITS, principal_axes, principal_directions, quantise
from comitia.text.categories import Category, check_labels_differ, label_index
from comitia.text.codebook import MEAN_BITS, VARIANCE_BITS, Codebook
from comitia.text.encoder import SentenceEncoder
from comitia.text.grams import BUCKETS
from comitia.text.leaf_graph import draw_leaf_graphs
from comitia.text.leaves import build_leaves
from comitia.text.terms import TermMatrix
from comitia.text.vectors import MAX_GRID_BITS, Source, VectorKind
from comitia.text.vocabulary import FEW_TEXTS, Vocabulary

_HOLD_OUT_EVERY = 5
_WHOLE_ENOUGH_PPM = 800_000
"""From this mean length on the basis holds documents nearly whole, and `tf` is the better kind."""

_COMMON_WEIGHT = 0.4
_BEND, _DECLINE = 16, 0.075
"""Weights of the directions of `lsa`: of the first, and of how they decline from about the sixteenth on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """What can be chosen about a codebook; the defaults are those of the figures in the documentation.

    Attributes
    ----------
    most_terms : int
        Largest vocabulary k.
    lsa_rank, tf_rank : int
        Largest rank of either kind; ``tf`` takes at most a quarter of the pool besides.
    kind : VectorKind or None
        None chooses it by the held-out length; without a pool's words it is ``lsa``.
    source : Source
        What vectors are made from.
    grid_bits : int
        g. At 10 a release at epsilon 0.2 and delta 1e-5 has a noise of 3.3e4 grid units, and cutting
        off costs half a percent of a typical coordinate.
    sample_size : int
        Most pool vectors kept in the codebook.
    seed : int
        Fixes the starting points of SVD and k-means: the same input gives the same codebook.
    """

    most_terms: int = 8000
    lsa_rank: int = 128
    tf_rank: int = 600
    kind: VectorKind | None = None
    source: Source = Source.POOL
    grid_bits: int = 10
    sample_size: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.most_terms, self.lsa_rank, self.tf_rank) < 1 or self.sample_size < 0:
            raise InputError("a codebook needs at least one term and one direction", code="bad-build-settings")
        if not 4 <= self.grid_bits <= MAX_GRID_BITS:
            raise InputError(
                f"a grid of {self.grid_bits} bits is outside 4 to {MAX_GRID_BITS}", code="bad-build-settings"
            )
        if self.source is not Source.POOL and self.kind is VectorKind.TF:
            raise InputError(
                "vectors of kind tf are made from a pool's words alone",
                code="bad-build-settings",
                hint="leave the kind to be chosen",
            )


def build_codebook(
    pool_texts: Sequence[str],
    categories: Sequence[Category],
    *,
    references: Sequence[tuple[str, str]] = (),
    settings: BuildSettings | None = None,
    encoder: SentenceEncoder | None = None,
    public_only_auc_ppm: int | None = None,
    say: Say = silent,
) -> Codebook:
    """Make the codebook of a consortium.

    Parameters
    ----------
    pool_texts : sequence of str
        Public documents of the field, without labels. Where there are none, the references and the
        categories' words have to do, and serve badly; unless the source is another than a pool.
    categories : sequence of Category
        At least one.
    references : sequence of (text, label)
        Public documents whose label is known.
    settings : BuildSettings
    encoder : SentenceEncoder or None
        For `Source.ENCODER`, which needs one.
    public_only_auc_ppm : int or None
        Written into the codebook as it is.
    say : callable
        Told what is being done, in a few words.

    Raises
    ------
    InputError
        If there is no category, a label comes twice or is unknown, the texts hold no usable word, or pool and
        encoder do not go with the source.
    """
    settings = settings or BuildSettings()
    known = tuple(categories)
    if not known:
        raise InputError("a codebook needs at least one category", code="no-category")
    check_labels_differ(known)
    labels = [
        label_index(known, label, origin=f"reference document {number}")
        for number, (_, label) in enumerate(references, start=1)
    ]
    _require_source(settings.source, pool_texts, encoder)
    texts = list(pool_texts) or [text for text, _ in references] + [category.words for category in known]
    say("counting words")
    terms = _vocabulary(texts, settings)
    say("placing the pool")
    if settings.source is Source.POOL:
        book, pool = _projected(known, terms, texts, settings)
    elif encoder is not None and pool_texts:
        book, pool = _encoded(known, terms, pool_texts, encoder, settings)
    else:
        book, pool = _without_pool(known, terms, encoder, settings)
    say("placing names and references")
    # The directions that stand in for a pool are no documents for leaves to be made of.
    documents = pool if pool_texts or settings.source is Source.POOL else pool[:0]
    book = _with_public_vectors(book, pool, documents, references, np.asarray(labels, dtype=np.int64), settings)
    say("drawing what each leaf is about")
    drawn = [*pool_texts, *(text for text, _ in references)]
    return replace(
        book,
        leaves=draw_leaf_graphs(book, drawn, np.concatenate([documents[: len(pool_texts)], book.references])),
        pool_documents=len(pool_texts),
        public_only_auc_ppm=public_only_auc_ppm,
    )


def _require_source(source: Source, pool_texts: Sequence[str], encoder: SentenceEncoder | None) -> None:
    if (encoder is not None) != (source is Source.ENCODER):
        raise InputError("an encoder goes with the source 'encoder', and only with it", code="bad-build-settings")
    if source is Source.NONE and pool_texts:
        raise InputError(
            f"{len(pool_texts)} public documents are given for a codebook that is made without any",
            code="bad-build-settings",
            hint="make it from the pool, which is better",
        )


def _vocabulary(texts: Sequence[str], settings: BuildSettings) -> Vocabulary:
    """The words of the texts; none is needed where vectors are not made from them."""
    try:
        return Vocabulary.of(texts, settings.most_terms)
    except InputError:
        if settings.source is Source.POOL:
            raise
        return Vocabulary(words=(), weights=np.zeros(0, np.int64))


def _projected(
    categories: tuple[Category, ...], terms: Vocabulary, texts: Sequence[str], settings: BuildSettings
) -> tuple[Codebook, NDArray[np.int32]]:
    """Vectors from the words that matter in the pool, and those of the pool."""
    kind, held_out_norm_ppm = _choose_kind(texts, settings)
    book = _bare(categories, terms, kind, _basis(terms.weighted(texts), kind, len(texts), settings), settings)
    book = replace(book, held_out_norm_ppm=held_out_norm_ppm)
    return book, book.vectorize(texts)


def _encoded(
    categories: tuple[Category, ...],
    terms: Vocabulary,
    pool_texts: Sequence[str],
    encoder: SentenceEncoder,
    settings: BuildSettings,
) -> tuple[Codebook, NDArray[np.int32]]:
    """Vectors from sentences, in the directions in which those of the pool lie."""
    units = encoder.encode(pool_texts)
    basis = quantise(principal_axes(units, settings.lsa_rank))
    book = _bare(categories, terms, VectorKind.LSA, basis, settings, encoder)
    return book, book.vectors_of_units(units)


def _without_pool(
    categories: tuple[Category, ...], terms: Vocabulary, encoder: SentenceEncoder | None, settings: BuildSettings
) -> tuple[Codebook, NDArray[np.int32]]:
    """Vectors from sentences or parts of words. How they lie nobody knows: the pool is every direction alike."""
    axes = np.eye(encoder.width if encoder else BUCKETS, dtype=np.int32)
    basis = (axes * ((1 << BASIS_BITS) - 1)).astype(np.int16)
    book = _bare(categories, terms, VectorKind.LSA, basis, settings, encoder)
    return book, np.concatenate([axes, -axes]) << settings.grid_bits


def _choose_kind(texts: Sequence[str], settings: BuildSettings) -> tuple[VectorKind, int | None]:
    """The kind of vector, and the mean held-out length in millionths that speaks for it."""
    if len(texts) < FEW_TEXTS:
        return settings.kind or VectorKind.LSA, None
    held_out = [text for index, text in enumerate(texts) if index % _HOLD_OUT_EVERY == 0]
    used = [text for index, text in enumerate(texts) if index % _HOLD_OUT_EVERY]
    terms = Vocabulary.of(used, settings.most_terms)
    basis = _basis(terms.weighted(used), VectorKind.TF, len(used), settings)
    vectors = terms.weighted(held_out).times(basis.astype(np.float32) / 2**15)
    norm_ppm = int(1_000_000 * np.sqrt(np.square(vectors).sum(axis=1)).mean())
    measured = VectorKind.TF if norm_ppm >= _WHOLE_ENOUGH_PPM else VectorKind.LSA
    return settings.kind or measured, norm_ppm


def _basis(matrix: TermMatrix, kind: VectorKind, documents: int, settings: BuildSettings) -> NDArray[np.int16]:
    """The pool's principal directions; those of `lsa` weighted by how well they tell documents apart.

    Vectors of `lsa` are brought to length 1, and noise is as large in each direction: length that goes into what all
    documents have in common, the first direction, or into the many that vary least, buys nothing.
    """
    rank = settings.lsa_rank if kind is VectorKind.LSA else min(settings.tf_rank, max(1, documents // 4))
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    directions = principal_directions(matrix, rank, generator)
    if kind is VectorKind.LSA:
        place = np.arange(directions.shape[1], dtype=np.float32)
        weights = (1 + (place / _BEND) ** 2) ** -_DECLINE
        weights[0] = _COMMON_WEIGHT
        directions *= weights
    return quantise(directions)


def _bare(
    categories: tuple[Category, ...],
    terms: Vocabulary,
    kind: VectorKind,
    basis: NDArray[np.int16],
    settings: BuildSettings,
    encoder: SentenceEncoder | None = None,
) -> Codebook:
    """A codebook that can already vectorise, with nothing placed in it yet."""
    r = basis.shape[1]
    return Codebook(
        categories=categories,
        vocabulary=terms.words,
        weights=terms.weights,
        kind=kind,
        basis=basis,
        grid_bits=settings.grid_bits,
        pool_mean=np.zeros(r, np.int64),
        pool_variance=np.ones(r, np.int64),
        pool_sample=np.zeros((0, r), np.int32),
        references=np.zeros((0, r), np.int32),
        reference_labels=np.zeros(0, np.int64),
        name_vectors=np.zeros((len(categories), r), np.int32),
        leaves=(),
        leaf_prototypes=np.zeros((0, r), np.int16),
        pool_documents=0,
        source=settings.source,
        encoder=encoder.digest if encoder is not None else b"",
        sentences=encoder,
    )


def _with_public_vectors(
    book: Codebook,
    pool: NDArray[np.int32],
    documents: NDArray[np.int32],
    references: Sequence[tuple[str, str]],
    labels: NDArray[np.int64],
    settings: BuildSettings,
) -> Codebook:
    """The codebook with pool statistics, names, references, and the leaves of these and of the pool's documents."""
    unit = float(2**settings.grid_bits)
    names = book.vectorize([category.words for category in book.categories])
    reference_vectors = book.vectorize([text for text, _ in references])
    mean = (pool / unit).mean(axis=0)
    leaves, prototypes = build_leaves(
        book.labels,
        np.where(np.any(names, axis=1, keepdims=True), names / unit - mean, 0.0),
        reference_vectors / unit - mean,
        labels,
        documents[np.any(documents, axis=1)] / unit - mean,
        np.random.Generator(np.random.PCG64(settings.seed)),
    )
    spread = np.unique(np.linspace(0, len(pool) - 1, min(settings.sample_size, len(pool))).astype(np.int64))
    return replace(
        book,
        pool_mean=np.rint(mean * 2**MEAN_BITS).astype(np.int64),
        pool_variance=np.maximum(1, np.rint((pool / unit).var(axis=0) * 2**VARIANCE_BITS)).astype(np.int64),
        pool_sample=pool[spread],
        references=reference_vectors,
        reference_labels=labels,
        name_vectors=names,
        leaves=leaves,
        leaf_prototypes=prototypes,
    )
