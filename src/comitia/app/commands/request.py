"""`comitia request`, `ask`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comitia.app.output import BLOCK_SHOWN, console, emit, emit_each, format_option, say, table, warn
from comitia.core.counting import counted

if TYPE_CHECKING:
    from comitia.app.asking import Foretold
    from comitia.app.tasks import Wish
    from comitia.ledger.session import Session


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--category", "categories", multiple=True, help="Whose providers to ask; repeat. Default: all.")
@click.option("--describe", default="", help="The documents to ask for, in words; only the leaf they lead to is sent.")
@click.option("--examples", help="Documents like those to ask for (file, folder); only the leaf is sent.")
@click.option("--text-column", default="text", show_default=True, help="Of --examples.")
@click.option("--probes", default=1, show_default=True, help="How many leaves words or examples may lead to, 1 or 2.")
@click.option("--epsilon", default="1", show_default=True, help="Privacy of each provider's release.")
@click.option("--delta", default="1e-5", show_default=True)
@click.option("--unit", type=click.Choice(["record", "user"]), default="record", show_default=True)
@click.option("--purpose", default="research", show_default=True, help="In the words of the providers' policies.")
@click.option("--learner", default="prototype", show_default=True)
@click.option("--rounds", type=int, help="How often the providers train. Default: as the learner needs.")
@click.option("--stop-at", type=float, help="Stop rounds early at this share of wrong public references.")
@click.option("--chain", is_flag=True, help="Train in turn, one provider a round, as Algorithm 1 has it; to compare.")
@click.option("--min-providers", default=2, show_default=True)
@click.option("--max-providers", default=16, show_default=True)
@click.option("--accept-unverified", is_flag=True, help="Use releases that nobody can judge; marked in the block.")
@click.option("--fresh", is_flag=True, help="Take nothing from the cache; costs providers' budgets.")
@click.option("--stage-seconds", default=5.0, show_default=True, help="How long each stage may take.")
@click.option("--preview", is_flag=True, help="Only say what sharing could be worth; costs nobody anything.")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False), help="Needed to ask.")
@format_option
def request(
    folder: Path,
    categories: tuple[str, ...],
    describe: str,
    examples: str | None,
    text_column: str,
    probes: int,
    epsilon: str,
    delta: str,
    unit: str,
    purpose: str,
    learner: str,
    rounds: int | None,
    stop_at: float | None,
    chain: bool,
    min_providers: int,
    max_providers: int,
    accept_unverified: bool,
    fresh: bool,
    stage_seconds: float,
    preview: bool,
    target: Path | None,
    output: str,
) -> None:
    """Ask for a model over many providers' documents; DIR is the requester's node."""
    from comitia.app.asking import ask_for_model
    from comitia.app.codebooks import read_texts
    from comitia.app.tasks import Wish, whole_ms
    from comitia.consensus.verdicts import Verdict, tally
    from comitia.ledger.genesis import DAY_MS

    texts = [*([describe] if describe else []), *(read_texts(examples, text_column) if examples else [])]
    wish = Wish(
        categories=categories,
        texts=tuple(texts),
        probes=probes,
        epsilon=epsilon,
        delta=delta,
        unit=unit,
        purpose=purpose,
        learner=learner,
        rounds=rounds,
        stop_at=stop_at,
        chain=chain,
        providers_min=min_providers,
        providers_max=max_providers,
        accept_unverified=accept_unverified,
        reuse=not fresh,
        stage_ms=whole_ms(stage_seconds, 1000, name="--stage-seconds", longest_ms=DAY_MS),
    )
    if preview:
        _preview(folder, wish, output)
        return
    if target is None:
        raise click.UsageError("a request needs -o FILE for the model")
    with console(stderr=True).status("connecting") as status:
        answer = ask_for_model(folder, wish, target, progress=lambda session: status.update(_stage(session)))
    value = {
        "model": str(target),
        "asked": answer.asked,
        "session": answer.verified.session,
        "block_height": answer.verified.height,
        "block_hash": answer.verified.block_hash,
        "model_sha256": answer.verified.model,
        "providers": answer.verified.accepted,
        "verdicts": answer.verified.verdicts,
        "leader": answer.verified.leader,
        "cached": answer.cached,
        "latency_s": round(answer.latency_s, 4),
    }

    def render() -> None:
        how = "from the cache, at no privacy cost" if answer.cached else f"in {answer.latency_s:.2f} s"
        if texts:
            asked = ", ".join(f"leaf {item}" if isinstance(item, int) else item for item in answer.asked)
            click.echo(f"Asked for: {asked}.")
        providers, block = counted(len(answer.verified.accepted), "provider"), answer.verified.block_hash.hex()
        click.echo(f"{target}: {providers}, block {block[:BLOCK_SHOWN]}, {how}.")
        verdicts = list(answer.verified.verdicts.values())
        if set(verdicts) != {Verdict.ACCEPT}:
            click.echo(f"Verdicts on the models: {tally(verdicts)}.")
        left_out = len(verdicts) - len(answer.verified.accepted)
        if left_out and Verdict.UNVERIFIABLE in verdicts and not accept_unverified:
            say("--accept-unverified uses those that nobody can judge, marked in the block, too.")
        click.echo(f'Next: comitia ask {target} "some text"')

    emit(value, output, render)


def _preview(folder: Path, wish: Wish, output: str) -> None:
    from comitia.app.asking import foretell
    from comitia.app.node.client import Client

    with console(stderr=True).status("connecting"), Client(folder) as client:
        foretold = foretell(client, wish)
    codebook, worth = foretold.codebook, foretold.worth
    value = {
        "epsilon": float(wish.epsilon),
        "auc_public_only": worth.public_auc,
        "gain_foretold": worth.gain,
        "categories": {
            label: {"public_references": public, "shared_references": round(shared, 2)}
            for label, public, shared in zip(codebook.labels, worth.public, worth.shared, strict=True)
        },
        "sentence": worth.sentence,
        "signals_expected": foretold.signals and [round(signal, 2) for signal in foretold.signals],
        "chance_of_no_model": foretold.no_model,
        "enough_epsilon": foretold.enough_epsilon,
    }

    def render() -> None:
        rows = [
            (label, f"{public:.0f}", f"{shared:.1f}", "better" if shared > public else "")
            for label, public, shared in zip(codebook.labels, worth.public, worth.shared, strict=True)
        ]
        table(
            f"Worth in reference documents at epsilon {wish.epsilon}",
            ("category", "public knowledge", "providers' releases", ""),
            rows,
        )
        say(worth.sentence)
        say("Counted by profiles: documents of categories without a name or reference are not seen in them.")
        _warn_of_noise(foretold, wish)

    emit(value, output, render)


def _warn_of_noise(foretold: Foretold, wish: Wish) -> None:
    """Say before budget is spent that noise may leave no model."""
    from comitia.consensus.prospect import RARE

    if foretold.no_model is None or foretold.signals is None or foretold.no_model[1] < RARE:
        return
    exact, half_true = (_percent(chance) for chance in foretold.no_model)
    chance = exact if exact == half_true else f"{exact} (public knowledge is exact) to {half_true} (half as true)"
    judged = "" if wish.accept_unverified else " without --accept-unverified"
    warn(
        f"at epsilon {wish.epsilon}{judged} a request like this is left without a model by noise alone in {chance} "
        f"of all cases: of its releases public knowledge lets expect a signal of {max(foretold.signals):.1f} standard "
        "deviations of their noise at most"
        + (f"; epsilon {foretold.enough_epsilon:g} is enough for less than 1 %" if foretold.enough_epsilon else "")
    )


def _percent(chance: float) -> str:
    return "less than 0.01 %" if chance < 1e-4 else f"{float(f'{100 * chance:.2g}'):g} %"


@click.command()
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("texts", metavar="TEXT", nargs=-1)
@click.option("--file", "source", type=click.Path(path_type=Path), help="Ask every document of this file.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many categories to show.")
@format_option
def ask(model: Path, texts: tuple[str, ...], source: Path | None, text_column: str, top: int, output: str) -> None:
    """Ask MODEL what category each TEXT belongs to. Offline: no node is needed, nothing is sent."""
    from comitia.app.codebooks import read_texts
    from comitia.core.errors import InputError
    from comitia.storage.model_file import read_model

    queries = [*texts, *(read_texts(source, text_column) if source else [])]
    if not queries:
        raise InputError("there is nothing to ask", code="no-query", hint="give a TEXT or --file")
    codebook, ready = read_model(model).load()
    names = {category.label: category.name or category.label for category in codebook.categories}
    answers: list[dict[str, Any]] = []
    vectors = codebook.vectorize(queries)
    known = [bool(vector.any()) for vector in vectors]
    values = ready.predict_values(vectors).tolist() if codebook.edges else [None] * len(queries)
    for text, row, value, is_known in zip(queries, ready.predict_proba(vectors), values, known, strict=True):
        best = sorted(zip(codebook.labels, row.tolist(), strict=True), key=lambda pair: -pair[1])[:top]
        likely = {label: round(p, 6) for label, p in best}
        answer: dict[str, Any] = {"text": text, "label": best[0][0], "probabilities": likely, "known_words": is_known}
        answers.append(answer if value is None else {**answer, "value": round(value, 3)})
    if output == "json":
        emit_each(answers, output)
        return
    table(
        "",
        ("text", "answer", "most likely"),
        [
            (
                str(answer["text"])[:60],
                str(answer.get("value", names[str(answer["label"])])),
                ", ".join(f"{names[label]} {p:.2f}" for label, p in answer["probabilities"].items()),
            )
            for answer in answers
        ],
    )
    if not all(known):
        warn(
            f"the model knows no word of {known.count(False)} of {counted(len(known), 'text')}: "
            "what it answers there says nothing about them"
        )


def _stage(session: Session) -> str:
    where = session.phase.value
    if session.task.rounds > 1:
        where += f", round {session.round} of {session.task.rounds}"
    asked, committed = counted(len(session.drawn), "provider"), counted(len(session.commits), "model")
    return f"{where}: {asked} asked, {committed} committed"
