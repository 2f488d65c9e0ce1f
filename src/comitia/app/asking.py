"""One request from a requester's folder: connect, ask, check, keep the model as a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from comitia.app.node.client import Client
from comitia.app.tasks import Wish, located, make_task
from comitia.consensus.prospect import chance_of_no_model, enough_epsilon
from comitia.core.errors import InputError
from comitia.learning.contract import Learner
from comitia.learning.registry import learner
from comitia.learning.signal import expected_signal
from comitia.learning.worth import Worth, noise_variance, profile_counts, public_auc, worth
from comitia.ledger.proof import Verified
from comitia.ledger.session import Session
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.storage.model_file import write_model
from comitia.storage.whole_file import require_place
from comitia.text.codebook import Codebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request brought.

    verified : what the model's proof says.
    cached : whether an earlier session made it.
    asked : the categories asked for, and numbers of leaves without one.
    latency_s : from asking to the verified model in hand.
    """

    verified: Verified
    cached: bool
    asked: tuple[str | int, ...]
    latency_s: float


def ask_for_model(
    folder: Path, wish: Wish, target: Path, *, progress: Callable[[Session], None] | None = None
) -> Answer:
    """Connect as the node in `folder`, ask once, write the model to `target`; errors as `Client`.

    Raises
    ------
    InputError
        `no-such-folder`: `target` could not be written. Seen before anybody's budget is spent.
    """
    require_place(target, "model")
    with Client(folder) as client:
        return ask_with(client, wish, target, progress=progress)


def ask_with(client: Client, wish: Wish, target: Path, *, progress: Callable[[Session], None] | None = None) -> Answer:
    """Ask with a client that is connected already."""
    codebook = client.codebook()
    wish = located(wish, codebook)
    kappa = client.daemon.genesis.parameters.kappa
    task = make_task(wish, codebook=codebook.digest, labels=codebook.labels, kappa=kappa, kind=codebook.task_kind)
    start = time.perf_counter()
    delivery = client.request(task, progress)
    latency_s = time.perf_counter() - start
    write_model(target, model=delivery.model, proof=delivery.proof, codebook=codebook.to_bytes())
    return Answer(
        verified=delivery.verified,
        cached=delivery.cached,
        asked=(*task.categories, *task.leaves),
        latency_s=latency_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What a request could come to.

    codebook : the newest.
    worth : what sharing could be worth.
    signals : what public knowledge lets expect of each provider's release, in standard deviations of its noise, if
        the documents that its profile counts are spread evenly over the categories and all labelled; None where
        nobody can tell.
    no_model : chance that noise alone leaves no model, where public knowledge is exact and where it is half as true;
        None likewise.
    enough_epsilon : at which epsilon that is rare.
    """

    codebook: Codebook
    worth: Worth
    signals: tuple[float, ...] | None = None
    no_model: tuple[float, float] | None = None
    enough_epsilon: float | None = None


def foretell(client: Client, wish: Wish) -> Foretold:
    """What a request could come to, from the codebook and the profiles on the ledger; nobody is asked anything.

    Raises
    ------
    InputError
        As `make_task`; `not-foretold`: the codebook is one for numbers; no provider has a profile.
    """
    codebook = client.codebook()
    wish = located(wish, codebook)
    make_task(
        wish,
        codebook=codebook.digest,
        labels=codebook.labels,
        kappa=client.daemon.genesis.parameters.kappa,
        kind=codebook.task_kind,
    )
    using = learner(wish.learner)
    if using.kind != "classification":
        raise InputError(
            "what sharing is worth to the prediction of numbers cannot be foretold",
            code="not-foretold",
            hint="measure it with `comitia bench learning --target`",
        )
    found = [record for record in client.application.profiles() if record.codebook == codebook.digest]
    if not found:
        raise InputError(
            "no provider has a profile on the ledger", code="no-provider", hint="providers register when they start"
        )
    asked = sorted(found, key=lambda record: -record.total)[: wish.providers_max]
    counts = profile_counts(
        [leaf.label for leaf in codebook.leaves], [record.histogram for record in asked], codebook.labels
    )
    terms = PrivacyTerms.of(wish.epsilon, wish.delta, unit=Unit(wish.unit))
    foretold = worth(codebook, using, counts, terms, public_auc=public_auc(codebook, using))
    signals = _signals(codebook, using, [record.total for record in asked], terms)
    if signals is None:
        return Foretold(codebook=codebook, worth=foretold)
    accepting = wish.accept_unverified
    return Foretold(
        codebook=codebook,
        worth=foretold,
        signals=signals,
        no_model=(
            chance_of_no_model(signals, accept_unverified=accepting, rho=1.0),
            chance_of_no_model(signals, accept_unverified=accepting),
        ),
        enough_epsilon=enough_epsilon(signals, terms, accept_unverified=accepting),
    )


def _signals(
    codebook: Codebook, using: Learner, documents: Sequence[int], terms: PrivacyTerms
) -> tuple[float, ...] | None:
    """What to expect of releases of so many documents each; None where releases are not judged by a signal."""
    if not using.releases_class_sums:
        return None
    variance, categories = noise_variance(codebook, terms), len(codebook.categories)
    signals = [expected_signal(codebook, np.full(categories, held / categories), variance) for held in documents]
    found = [signal for signal in signals if signal is not None]
    return tuple(found) if len(found) == len(signals) else None
