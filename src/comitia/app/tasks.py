"""From what a user says to the `Task` that goes on the ledger, with defaults that usually serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from comitia.core.codec import digest, encode
from comitia.core.errors import InputError
from comitia.core.units import PPM
from comitia.ledger.application import Application
from comitia.ledger.transactions import MAX_ROUNDS, OpenRequest, Task, require_acceptable
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.text.codebook import Codebook
from comitia.text.probe import probe

DEFAULT_EPSILON: Final = "1"
DEFAULT_DELTA: Final = "1e-5"
DEFAULT_STAGE_MS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a user asks for.

    categories : category ids whose providers are asked; with no leaves either, all are.
    leaves : leaves without a category whose providers are asked too.
    texts : a description or examples of the documents to ask for; they are not sent, `located` finds their leaves.
    probes : how many leaves they may lead to.
    epsilon, delta : as written; judged by `PrivacyTerms`.
    unit : "record" or "user".
    purpose : in the words of the providers' policies.
    learner : name of a learner.
    rounds : how often the providers train; None for as often as the learner needs.
    chain : one provider trains in each round, in turn.
    stop_at : share of wrong references, as written, at which rounds stop early; None: never.
    providers_min, providers_max : bounds of the committee.
    accept_unverified : use releases that nobody can judge.
    reuse : take a cached model or releases made before.
    stage_ms : how long each stage may take, milliseconds.
    queries : the queries, of which only the digest is sent.
    """

    categories: tuple[str, ...] = ()
    leaves: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()
    probes: int = 1
    epsilon: str = DEFAULT_EPSILON
    delta: str = DEFAULT_DELTA
    unit: str = "record"
    purpose: str = "research"
    learner: str = "prototype"
    rounds: int | None = None
    chain: bool = False
    stop_at: float | None = None
    providers_min: int = 2
    providers_max: int = 16
    accept_unverified: bool = False
    reuse: bool = True
    stage_ms: int = DEFAULT_STAGE_MS
    queries: tuple[str, ...] = ()


def whole_ms(length: float, unit_ms: int, *, name: str, longest_ms: int) -> int:
    """A length of time as whole milliseconds.

    Raises
    ------
    InputError
        `bad-duration`: not a number, below 0 or above `longest_ms`.
    """
    if not 0 <= length * unit_ms <= longest_ms:
        raise InputError(
            f"{name} must lie in 0 .. {longest_ms / unit_ms:g}, not {length:g}", code="bad-duration", value=str(length)
        )
    return int(length * unit_ms)


def located(wish: Wish, codebook: Codebook) -> Wish:
    """The wish with the categories and leaves that its texts are nearest to, beside those it names.

    Raises
    ------
    InputError
        As `text.probe.probe`.
    """
    if not wish.texts:
        return wish
    found = probe(codebook, wish.texts, wish.probes)
    return replace(wish, categories=(*wish.categories, *found.categories), leaves=(*wish.leaves, *found.leaves))


def make_task(wish: Wish, *, codebook: bytes, labels: Sequence[str], kappa: int, kind: str = "classification") -> Task:
    """The task for a wish, on a codebook.

    Raises
    ------
    InputError
        For epsilon, delta, bounds or lengths out of range, rounds that the learner does not have, or a category that
        the codebook does not have.
    """
    from comitia.learning.feasible import require_pure
    from comitia.learning.registry import learner

    using = learner(wish.learner)
    _require_kind(wish.learner, using.kind, kind)
    terms = PrivacyTerms.of(wish.epsilon, wish.delta, unit=Unit(wish.unit))
    require_pure(using, terms)
    _require_known(wish.categories, labels)
    if not 1 <= wish.providers_min <= wish.providers_max:
        raise InputError(
            f"at least {wish.providers_min} and at most {wish.providers_max} providers cannot be",
            code="bad-bounds",
        )
    task = Task(
        codebook=codebook,
        categories=tuple(sorted(set(wish.categories))),
        leaves=tuple(sorted(set(wish.leaves))),
        kind=kind,
        learner=wish.learner,
        rounds=_rounds(wish, using.rounds),
        chain=wish.chain,
        threshold_ppm=_threshold_ppm(wish.stop_at),
        epsilon_micro=terms.epsilon_micro,
        delta_pico=terms.delta_pico,
        unit=Unit(wish.unit),
        providers_min=wish.providers_min,
        providers_max=wish.providers_max,
        accept_unverified=wish.accept_unverified,
        kappa=kappa,
        reuse=wish.reuse,
        consent_ms=wish.stage_ms,
        commit_ms=wish.stage_ms,
        score_ms=wish.stage_ms,
        seal_ms=wish.stage_ms,
        purpose=wish.purpose,
        queries=digest(encode(list(wish.queries))),
    )
    require_acceptable(OpenRequest(task=task, issued_ms=0, nonce=bytes(16)))
    return task


def _require_kind(name: str, learnt: str, kind: str) -> None:
    """Refuse a learner of numbers for categories, and the other way round."""
    from comitia.learning.registry import LEARNERS

    if learnt != kind:
        fitting = ", ".join(other for other, each in LEARNERS.items() if each.kind == kind)
        raise InputError(
            f"learner {name!r} is for {learnt}, the codebook is for {kind}",
            code="wrong-kind",
            hint=f"use --learner with one of: {fitting}",
        )


def _require_known(categories: Sequence[str], labels: Sequence[str]) -> None:
    for category in categories:
        if category not in labels:
            raise InputError(
                f"the codebook has no category {category!r}",
                code="unknown-category",
                hint=f"it has: {', '.join(labels)}",
                category=category,
            )


def _rounds(wish: Wish, usual: int) -> int:
    from comitia.learning.registry import why_no_rounds

    if wish.rounds is not None and not 1 <= wish.rounds <= MAX_ROUNDS:
        raise InputError(f"{wish.rounds} rounds cannot be, 1 to {MAX_ROUNDS} can", code="bad-rounds")
    rounds = usual if wish.rounds is None else wish.rounds
    if reason := why_no_rounds(wish.learner, rounds=rounds, chain=wish.chain):
        raise InputError(reason, code="no-rounds", hint="ask without rounds or chain, or for learner 'softmax'")
    return rounds


def _threshold_ppm(share: float | None) -> int | None:
    if share is None:
        return None
    if not 0 <= share <= 1:
        raise InputError(f"a share of wrong references lies between 0 and 1, not at {share}", code="bad-stop-at")
    return int(share * PPM)


def newest_codebook(application: Application) -> bytes:
    """Digest of the codebook that was registered last.

    Raises
    ------
    InputError
        If none is on the ledger.
    """
    codebooks = application.codebooks()
    if not codebooks:
        raise InputError(
            "no codebook is on the ledger",
            code="no-codebook",
            hint="`comitia super-node DIR --codebook FILE` publishes one",
        )
    return codebooks[-1].digest
