"""`comitia policy show | set | questions | answer | withdraw`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.app.output import emit, format_option, table, warn

if TYPE_CHECKING:
    from comitia.driver.owner_settings import OwnerSettings
    from comitia.storage.node import NodeStore

DAY_MS = 86_400_000


@click.group()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.pass_context
def policy(ctx: click.Context, folder: Path) -> None:
    """Who may use this provider's data, for what, at what epsilon. Nobody may, until a rule is set."""
    from comitia.storage.folder import NodeFolder

    ctx.obj = NodeFolder(folder)
    ctx.obj.settings()


@policy.command()
@format_option
@click.pass_context
def show(ctx: click.Context, output: str) -> None:
    """Show the rules and the cap on everything together."""
    _show(_read(ctx), output)


@policy.command("set")
@click.option("--requester", "requesters", multiple=True, help="Node id or organisation; * for any member.")
@click.option("--category", "categories", multiple=True, help="Category; * for any. Default: any.")
@click.option("--purpose", "purposes", multiple=True, help="Purpose; * for any. Default: any.")
@click.option("--epsilon-session", default="1", show_default=True, help="Most in one session.")
@click.option("--epsilon-period", default="4", show_default=True, help="Most in a period, for one requester.")
@click.option("--period-days", default=30.0, show_default=True)
@click.option("--epsilon-life", default="10", show_default=True, help="Most ever, for one requester.")
@click.option("--epsilon-total", default=None, help="Most ever, for all requesters together.")
@click.option("--consent", type=click.Choice(["auto", "manual"]), default="auto", show_default=True)
@click.option("--deny-all", is_flag=True, help="Remove every rule.")
@format_option
@click.pass_context
def set_(
    ctx: click.Context,
    requesters: tuple[str, ...],
    categories: tuple[str, ...],
    purposes: tuple[str, ...],
    epsilon_session: str,
    epsilon_period: str,
    period_days: float,
    epsilon_life: str,
    epsilon_total: str | None,
    consent: str,
    deny_all: bool,
    output: str,
) -> None:
    """Set one rule, in place of those that there are; a running node takes it up within a second."""
    from dataclasses import replace

    from comitia.app.owner_settings import doubts
    from comitia.app.tasks import whole_ms
    from comitia.core.errors import InputError
    from comitia.driver.owner_settings import change_settings, read_settings
    from comitia.ledger.transactions import ConsentMode, Policy, PolicyRule
    from comitia.privacy.terms import PrivacyTerms

    if not requesters and not deny_all:
        raise InputError(
            "a rule needs a requester", code="no-requester", hint="--requester '*' allows any member of the consortium"
        )
    rule = PolicyRule(
        requesters=requesters,
        categories=categories or ("*",),
        purposes=purposes or ("*",),
        epsilon_session_micro=PrivacyTerms.of(epsilon_session).epsilon_micro,
        epsilon_period_micro=PrivacyTerms.of(epsilon_period).epsilon_micro,
        period_ms=whole_ms(period_days, DAY_MS, name="--period-days", longest_ms=36_500 * DAY_MS),
        epsilon_life_micro=PrivacyTerms.of(epsilon_life).epsilon_micro,
        consent=ConsentMode(consent),
    )
    warnings = () if deny_all else doubts(ctx.obj, rule)
    store = _store(ctx)
    try:
        settings = read_settings(store)
        if epsilon_total is not None:
            settings = replace(settings, total_epsilon_micro=PrivacyTerms.of(epsilon_total).epsilon_micro)
        rules = () if deny_all else (rule,)
        changed = change_settings(store, replace(settings, policy=Policy(version=1, rules=rules)))
    finally:
        store.close()
    _show(changed, output, warnings)


@policy.command()
@format_option
@click.pass_context
def questions(ctx: click.Context, output: str) -> None:
    """Show the requests that wait for a yes or no."""
    store = _store(ctx)
    try:
        waiting = [question for question in store.questions() if question.answer is None]
    finally:
        store.close()
    value = [{"session": question.session.hex(), "request": question.request} for question in waiting]
    rows = [(question.session.hex()[:16], question.request) for question in waiting]
    emit(value, output, lambda: table("", ("session", "request"), rows, empty="No request waits."))


@policy.command()
@click.argument("session")
@click.argument("answer", type=click.Choice(["yes", "no"]))
@format_option
@click.pass_context
def answer(ctx: click.Context, session: str, answer: str, output: str) -> None:
    """Answer a waiting request; SESSION may be shortened."""
    from comitia.core.errors import InputError

    store = _store(ctx)
    try:
        fitting = [q.session for q in store.questions() if q.session.hex().startswith(session)]
        if len(fitting) != 1:
            raise InputError(
                f"{len(fitting)} waiting requests begin with {session!r}",
                code="no-such-question",
                hint="`comitia policy DIR questions` lists them",
            )
        store.answer_question(fitting[0], answer == "yes")
    finally:
        store.close()
    emit({"session": fitting[0].hex(), "answer": answer}, output, lambda: click.echo(f"answered {answer}"))


@policy.command()
@click.option("--undo", is_flag=True, help="Be found again.")
@format_option
@click.pass_context
def withdraw(ctx: click.Context, undo: bool, output: str) -> None:
    """Leave: this provider is not found any more, and no cached model with its work is served.

    What was released stays spent, and a model that was delivered already cannot be called back.
    """
    from dataclasses import replace

    from comitia.driver.owner_settings import change_settings, read_settings

    store = _store(ctx)
    try:
        changed = change_settings(store, replace(read_settings(store), withdrawn=not undo))
    finally:
        store.close()
    _show(changed, output)


def _store(ctx: click.Context) -> NodeStore:
    from comitia.storage.node import NodeStore

    return NodeStore(ctx.obj.store)


def _read(ctx: click.Context) -> OwnerSettings:
    from comitia.driver.owner_settings import read_settings

    store = _store(ctx)
    try:
        return read_settings(store)
    finally:
        store.close()


def _show(settings: OwnerSettings, output: str, warnings: Sequence[str] | None = None) -> None:
    from comitia.core.codec import to_plain
    from comitia.privacy.terms import in_units

    def render() -> None:
        if settings.withdrawn:
            click.echo("Withdrawn: this provider is not found, and in no cached model.")
        if not settings.policy.rules:
            click.echo("No rule: nobody may use this provider's data.")
        rows = [
            (
                ", ".join(rule.requesters),
                ", ".join(rule.categories),
                ", ".join(rule.purposes),
                in_units(rule.epsilon_session_micro),
                f"{in_units(rule.epsilon_period_micro)} in {rule.period_ms / DAY_MS:g} days",
                in_units(rule.epsilon_life_micro),
                rule.consent.value,
            )
            for rule in settings.policy.rules
        ]
        if rows:
            names = ("requesters", "categories", "purposes", "a session", "a period", "ever", "consent")
            table(f"Policy, version {settings.policy.version}", names, rows)
        click.echo(f"Epsilon of all requesters together, ever: at most {in_units(settings.total_epsilon_micro)}")
        for warning in warnings or ():
            warn(warning)

    value = to_plain(settings) if warnings is None else {**to_plain(settings), "warnings": warnings}
    emit(value, output, render)
