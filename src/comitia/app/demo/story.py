"""What the demo does, step by step; how it looks is the command's business."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comitia.app.asking import Answer, ask_with
from comitia.app.demo.work_orders import Split
from comitia.app.local import LocalConsortium
from comitia.app.node.client import Client
from comitia.app.node.daemon import HEARTBEAT_S
from comitia.app.stopwatch import Stages
from comitia.app.tasks import Wish
from comitia.core.ids import NodeId
from comitia.core.telling import Say
from comitia.learning.global_model import GlobalModel
from comitia.learning.metrics import auc_by_class
from comitia.learning.registry import learner
from comitia.ledger.session import Session
from comitia.storage.model_file import read_model
from comitia.text.build import build_codebook
from comitia.text.codebook import Codebook
from comitia.text.documents import Document

EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Macro one-vs-rest AUC on documents that no provider trained on; over all codes and over the new ones.

    None for the new ones where there are none.
    """

    auc: float
    auc_new: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of the demo brought.

    split : the documents.
    session : the ledger's record.
    answer, again : the first request and its repetition.
    shared, public_only : quality of the model, and of public knowledge alone.
    examples : (text, what the model says, what it is) of some held-out documents.
    names : provider's name by node id.
    stage_s : seconds of each stage of the session.
    cpu_s, wire_bytes, start_s : what all processes together used.
    """

    split: Split
    session: Session
    answer: Answer
    again: Answer
    shared: Quality
    public_only: Quality
    examples: tuple[tuple[str, str, str], ...]
    names: dict[NodeId, str]
    stage_s: dict[str, float]
    cpu_s: float
    wire_bytes: int
    start_s: float


def run(local: LocalConsortium, split: Split, *, epsilon: str, say: Say) -> Outcome:
    """Found the consortium, start it, ask, measure, ask again, verify. Leaves the processes running."""
    say("building the codebook from public text")
    codebook = build_codebook(split.pool, split.categories, references=split.references)
    local.found(codebook)
    for name, documents in split.providers.items():
        local.add_provider(name, documents)
    start = time.perf_counter()
    say(f"starting 1 super node and {len(split.providers)} providers")
    local.start(lambda name: say(f"{name} is registered"))
    with Client(local.requester) as client:
        start_s = time.perf_counter() - start
        examples = _examples(split.held_out)
        wish = Wish(
            epsilon=epsilon,
            purpose="fault codes",
            providers_max=len(split.providers),
            accept_unverified=True,
            queries=tuple(text for text, _ in examples),
        )
        client.codebook()
        time.sleep(2 * HEARTBEAT_S)
        sent = local.sent_bytes() + client.daemon.sent_bytes
        cpu = local.cpu_seconds() + time.process_time()
        stages = Stages(lambda phase: say(_TOLD[phase]))
        answer = ask_with(client, wish, local.directory / "model.comitia", progress=stages.moved)
        cpu_s = local.cpu_seconds() + time.process_time() - cpu
        stage_s = stages.end()
        time.sleep(2 * HEARTBEAT_S)
        wire_bytes = local.sent_bytes() + client.daemon.sent_bytes - sent
        say("asking the same again")
        again = ask_with(client, wish, local.directory / "model-again.comitia")
        session = client.application.session(answer.verified.session)
        assert session is not None
        names = {member.node: member.name for member in client.application.members()}
    say("measuring on documents that no provider trained on")
    model = read_model(local.directory / "model.comitia")
    _, shared = model.load()
    said = shared.predict([text for text, _ in examples]).tolist()
    public = learner("prototype").combine(codebook, ())
    return Outcome(
        split=split,
        session=session,
        answer=answer,
        again=again,
        shared=quality(shared, codebook, split),
        public_only=quality(public, codebook, split),
        examples=tuple((text, str(guess), label) for (text, label), guess in zip(examples, said, strict=True)),
        names=names,
        stage_s=stage_s,
        cpu_s=cpu_s,
        wire_bytes=wire_bytes,
        start_s=start_s,
    )


def quality(model: GlobalModel, codebook: Codebook, split: Split) -> Quality:
    """AUC of a model on the held-out documents."""
    index = {label: number for number, label in enumerate(codebook.labels)}
    truth = np.array([index[document.label or ""] for document in split.held_out])
    areas = auc_by_class(truth, model.log_scores([document.text for document in split.held_out]))
    new = [index[label] for label in split.new_codes]
    return Quality(auc=float(np.nanmean(areas)), auc_new=float(np.nanmean(areas[new])) if new else None)


def _examples(documents: Sequence[Document]) -> tuple[tuple[str, str], ...]:
    """A few held-out documents of different categories."""
    chosen: dict[str, str] = {}
    for document in documents:
        chosen.setdefault(document.label or "", document.text)
    return tuple((text, label) for label, text in list(chosen.items())[:EXAMPLES])


_TOLD = {
    "consent": "providers found; each asks its own policy and reserves its budget",
    "commit": "providers train under differential privacy and commit to what they will show",
    "score": "commitments are closed; models are opened to each other and scored",
    "seal": "verdicts are in; members rebuild the model and sign the block",
    "sealed": "the block is on the ledger; the model is on its way",
}
