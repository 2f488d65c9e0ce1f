"""`comitia demo`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.app.output import console, emit, format_option, table
from comitia.core.counting import counted

if TYPE_CHECKING:
    from comitia.app.demo.story import Outcome
    from comitia.text.documents import Document


@click.command()
@click.option("--epsilon", default="2", show_default=True, help="Privacy of each provider's release.")
@click.option("--new-codes", default=2, show_default=True, help="Fault codes of which nothing is public.")
@click.option("--references", default=3, show_default=True, help="Public documents of each other code.")
@click.option("--seed", default=0, show_default=True, help="Which codes are new, which documents are held out.")
@click.option("--data", help="Another file instead of NIST's excavators.")
@click.option("--text-column", help="Of that file. Default: text.")
@click.option("--label-column", help="Of that file. Default: label.")
@click.option("--provider-column", help="Of that file: whose a document is.")
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), help="Where to leave everything.")
@click.option("--keep", is_flag=True, help="Leave the processes running; `comitia stop DIRECTORY` ends them.")
@format_option
def demo(
    epsilon: str,
    new_codes: int,
    references: int,
    seed: int,
    data: str | None,
    text_column: str | None,
    label_column: str | None,
    provider_column: str | None,
    directory: Path | None,
    keep: bool,
    output: str,
) -> None:
    """Run the whole job on this machine, on real work orders.

    Five excavators each keep their maintenance records. For six kinds of fault there are a name and a few
    public examples; two are new codes of which nothing is public. The owners train one model together, and
    nobody shows a record to anybody.
    """
    from comitia.app.demo import story, work_orders
    from comitia.app.local import LocalConsortium
    from comitia.privacy.terms import PrivacyTerms

    PrivacyTerms.of(epsilon)
    documents = _documents(data, text_column, label_column, provider_column)
    shared_out = work_orders.split(documents, new_codes=new_codes, references=references, seed=seed)
    where = directory or Path(tempfile.mkdtemp(prefix="comitia-demo-"))
    local = LocalConsortium(where)
    try:
        with console(stderr=True).status("starting") as status:

            def say(text: str) -> None:
                status.update(text)
                if output == "text":
                    console(stderr=True).print(f"[dim]·[/dim] {text}")

            outcome = story.run(local, shared_out, epsilon=epsilon, say=say)
    finally:
        if not keep:
            local.stop()
    emit(_facts(outcome, data or "excavators (nist-nestor 0.4.4)", where), output, lambda: _tell(outcome, where, keep))


def _documents(
    data: str | None, text_column: str | None, label_column: str | None, provider_column: str | None
) -> Sequence[Document]:
    from comitia.app.demo import work_orders
    from comitia.core.errors import InputError
    from comitia.storage.columns import Columns
    from comitia.storage.documents import read_documents

    if data is None:
        columns = Columns(
            text=work_orders.TEXT_COLUMN, label=work_orders.LABEL_COLUMN, provider=work_orders.PROVIDER_COLUMN
        )
        return list(read_documents(work_orders.work_orders(), columns))
    if provider_column is None:
        raise InputError(
            f"say which column of {data} holds whose a document is", code="column-needed", hint="--provider-column NAME"
        )
    columns = Columns(text=text_column or "text", label=label_column or "label", provider=provider_column)
    return list(read_documents(data, columns))


def _facts(outcome: Outcome, dataset: str, directory: Path) -> dict[str, object]:
    verified, task = outcome.answer.verified, outcome.session.task
    return {
        "dataset": dataset,
        "providers": len(outcome.split.providers),
        "committee": len(outcome.session.members),
        "witnesses": len(outcome.session.witnesses),
        "leader": verified.leader,
        "accepted": len(verified.accepted),
        "epsilon": task.epsilon_micro / 1e6,
        "delta": task.delta_pico / 1e12,
        "unit": task.unit.value,
        "auc": round(outcome.shared.auc, 4),
        "auc_new": outcome.shared.auc_new and round(outcome.shared.auc_new, 4),
        "auc_public_only": round(outcome.public_only.auc, 4),
        "auc_public_only_new": outcome.public_only.auc_new and round(outcome.public_only.auc_new, 4),
        "block_height": verified.height,
        "block_hash": verified.block_hash,
        "model_sha256": verified.model,
        "proof_verified": True,
        "latency_s": round(outcome.answer.latency_s, 4),
        "cached_latency_s": round(outcome.again.latency_s, 4),
        "cpu_s": round(outcome.cpu_s, 3),
        "wire_bytes": outcome.wire_bytes,
        "directory": str(directory),
    }


def _tell(outcome: Outcome, directory: Path, keep: bool) -> None:
    from comitia.consensus.verdicts import tally

    session, verified = outcome.session, outcome.answer.verified
    judgement = session.judgement
    assert judgement is not None
    verdicts = dict(judgement.verdicts)
    signals = {figures.author: figures.signal_micro for figures in judgement.figures}
    rows = []
    for node in session.members:
        signal = signals.get(node)
        commit = session.commits.get(node)
        rows.append(
            (
                outcome.names[node],
                commit.rows if commit else "witness",
                "" if signal is None else f"{signal / 1e6:.1f}",
                verdicts[node].value if node in verdicts else "",
                judgement.ranking.index(node) + 1 if node in judgement.ranking else "",
                f"{commit.epsilon_micro / 1e6:g}" if commit else "0",
            )
        )
    table("Who took part", ("node", "documents (noised)", "signal", "verdict", "rank", "epsilon spent"), rows)
    click.echo(
        f"Verdicts on the models: {tally(verdicts.values())}; {len(judgement.accepted)} entered the shared model."
    )
    quality = [("all codes", outcome.public_only.auc, outcome.shared.auc)]
    if outcome.shared.auc_new is not None and outcome.public_only.auc_new is not None:
        quality.append(("the new codes", outcome.public_only.auc_new, outcome.shared.auc_new))
    table(
        f"AUC on {counted(len(outcome.split.held_out), 'document')} that no provider trained on",
        ("", "public knowledge alone", "shared model"),
        [(name, f"{before:.3f}", f"{after:.3f}") for name, before, after in quality],
    )
    table("Examples", ("work order", "the model says", "it is"), outcome.examples)
    table("Stages", ("stage", "seconds"), [(name, f"{s:.3f}") for name, s in outcome.stage_s.items()])
    click.echo(
        f"block {verified.block_hash.hex()}\n"
        f"model {verified.model.hex()}, proof verified offline\n"
        f"{outcome.answer.latency_s:.2f} s for the model, {outcome.again.latency_s * 1000:.0f} ms when asked again "
        f"(from the cache, at no privacy cost, recorded)\n"
        f"everything is in {directory}"
    )
    if keep:
        click.echo(f"The nodes are still running. Try: comitia status {directory}; comitia stop {directory}")
