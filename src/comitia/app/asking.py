"""One request from a requester's folder: connect, ask, check, keep the model as a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from comitia.app.node.client import Client
from comitia.app.tasks import Wish, located, make_task
from comitia.core.errors import InputError
from comitia.learning.registry import learner
from comitia.learning.worth import Worth, profile_counts, public_auc, worth
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


def foretell(client: Client, wish: Wish) -> tuple[Codebook, Worth]:
    """What a request could be worth, from the codebook and the profiles on the ledger; nobody is asked anything.

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
    return codebook, worth(codebook, using, counts, terms, public_auc=public_auc(codebook, using))
