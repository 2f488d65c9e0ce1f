"""Whether releases keep what they promise; the measuring itself is `evaluation.privacy_audit`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain

import click

from comitia.app.output import console, emit_each, format_option, table
from comitia.core.telling import Say
from comitia.evaluation.privacy_audit import Audited, audit_histograms, audit_learners, audited_codebook
from comitia.privacy.noise import SystemNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.vectors import VectorKind

SHOWN = ("release", "vectors", "control", "epsilon", "lower_bound", "membership_auc", "bound", "caught")
DELTA = "1e-5"


@click.command()
@click.option("--epsilon", default="2", show_default=True, help="What the releases claim.")
@click.option("--categories", default=150, show_default=True, type=click.IntRange(2, 200))
@click.option("--rank", default=128, show_default=True, type=click.IntRange(2, 256))
@click.option(
    "--leaves", default=1024, show_default=True, type=click.IntRange(16, 2048), help="Canaries of a histogram."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the canaries' coins; noise is the system's.",
)
@format_option
def privacy_audit(epsilon: str, categories: int, rank: int, leaves: int, seed: int, output: str) -> None:
    """Try to refute the privacy that every learner and profile claims.

    A lower bound above the claim (caught) is expected of the controls alone: noise halved, and off.
    """
    with console(stderr=True).status("auditing") as status:
        found = emit_each(_lines(_cases(epsilon, categories, rank, leaves, seed), status.update), output)
    if output != "json":
        table(f"epsilon {epsilon}", SHOWN, [[str(line[name]) for name in SHOWN] for line in found])


def _lines(cases: Iterable[Audited], say: Say) -> Iterator[dict[str, object]]:
    for case in cases:
        say(f"{case.release}, {case.vectors or 'counts'}, noise weakened: {case.control}")
        yield {name: _rounded(value) for name, value in asdict(case).items()}


def _cases(epsilon: str, categories: int, rank: int, leaves: int, seed: int) -> Iterator[Audited]:
    pure, approximate = PrivacyTerms.of(epsilon, "0"), PrivacyTerms.of(epsilon, DELTA)
    # No two tf vectors are opposite, so canaries take two axes and move less: it takes more of them.
    books = (
        audited_codebook(categories=categories, rank=rank),
        audited_codebook(categories=categories, rank=3 * rank, kind=VectorKind.TF),
    )
    return chain(
        audit_histograms(leaves, pure, noise=SystemNoise(), seed=seed),
        *(audit_learners(book, approximate, noise=SystemNoise(), seed=seed) for book in books),
    )


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) and value > 1e-3 else value
