"""`comitia simulate`: the protocol under seeded faults and liars, checked after every event."""

from __future__ import annotations

import logging
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import click

from comitia.app.options import whole_numbers
from comitia.app.output import console, emit, format_option, say, table
from comitia.core.counting import counted
from comitia.core.errors import InputError
from comitia.simulator import campaign
from comitia.simulator.adversaries import STRATEGIES
from comitia.simulator.campaign import Halfway, Tally
from comitia.simulator.crash_points import CRASH_POINTS
from comitia.simulator.faults import Fault, parse_faults
from comitia.simulator.surroundings import Setting
from comitia.simulator.world import Outcome
from comitia.storage.record_file import RecordKind
from comitia.storage.whole_file import require_place

HALFWAY = RecordKind(
    cls=Halfway, name="interrupted simulation", format=2, again="begin anew, with another file for --resume"
)
LARGEST = 50
KEEP_SECONDS = 20
"""How often a run that can be resumed writes down where it stands."""


def _listed(names: Iterable[str]) -> str:
    """Names for the end of a help page, none of them broken at its hyphens."""
    return textwrap.fill(", ".join(names), 76, break_on_hyphens=False)


@click.command(epilog=f"\b\nFaults:\n{_listed(Fault)}\n\n\b\nLiars:\n{_listed(STRATEGIES)}")
@click.option("--seeds", metavar="FIRST:LAST", default="0:100", show_default=True, help="LAST is not included.")
@click.option(
    "--providers", metavar="NUMBERS", default="9", show_default=True, help="How many; with commas: in turn, by seed."
)
@click.option(
    "--witnesses", type=click.IntRange(0, LARGEST), default=1, show_default=True, help="They judge and train nothing."
)
@click.option(
    "--super-nodes", type=click.IntRange(1, LARGEST), default=1, show_default=True, help="One orders the ledger."
)
@click.option("--faults", metavar="NAMES", default="all", show_default=True, help="all, none, or some of those below.")
@click.option("--adversary", metavar="NAMES", default="none", show_default=True, help="Liars; the same.")
@click.option("--requests", type=click.IntRange(1, 100), default=4, show_default=True, help="How many in each world.")
@click.option("--seconds", type=click.IntRange(min=0), help="Stop after so long, however many seeds are left.")
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes that share the seeds."
)
@click.option(
    "--resume", type=click.Path(dir_okay=False, path_type=Path), help="Keep there how far it has come; go on from it."
)
@click.option("--replay", metavar="SEED", type=int, help="Run only this seed, and tell its story message by message.")
@format_option
def simulate(
    seeds: str,
    providers: str,
    witnesses: int,
    super_nodes: int,
    faults: str,
    adversary: str,
    requests: int,
    seconds: int | None,
    workers: int,
    resume: Path | None,
    replay: int | None,
    output: str,
) -> None:
    """Run the protocol in simulated worlds, and look for a broken promise.

    Every world is made from its seed: the same seed gives the same run on every machine. The exit status is 1 if a
    promise was broken, or if a kind of fault that was on never happened; --replay tells what led to a broken one.
    """
    logging.disable(logging.CRITICAL)
    click.get_current_context().call_on_close(lambda: logging.disable(logging.NOTSET))
    sizes = whole_numbers(providers, "--providers", most=LARGEST)
    setting = Setting(
        providers=sizes[0],
        witnesses=witnesses,
        super_nodes=super_nodes,
        requests=requests,
        faults=parse_faults(faults),
        adversaries=campaign.parse_adversaries(adversary),
    )
    if replay is not None:
        _tell(replay, setting, sizes, output)
    else:
        asked = f"{seeds} {providers} {witnesses} {super_nodes} {requests} {faults} {adversary}"
        tally = _begin(resume, asked)
        rest = campaign.parse_seeds(seeds)[tally.runs :]
        with closing(campaign.run(rest, setting, sizes=sizes, workers=workers)) as outcomes:
            _search(tally, outcomes, len(rest), seconds, resume, asked)
        silent = tally.never_fired(setting)
        emit(_figures(tally, silent), output, lambda: _render(tally, silent))
        if tally.violations or silent:
            raise click.exceptions.Exit(1)


def _tell(seed: int, setting: Setting, sizes: tuple[int, ...], output: str) -> None:
    outcome = campaign.run_one(seed, setting, sizes=sizes, keep=True)
    found = {"seed": seed, "violations": outcome.violations, "trace_hash": outcome.trace_hash, "story": outcome.story}

    def render() -> None:
        for line in outcome.story:
            click.echo(line)
        click.echo(f"{counted(len(outcome.violations), 'promise')} broken; trace {outcome.trace_hash}")

    emit(found, output, render)
    if outcome.violations:
        raise click.exceptions.Exit(1)


def _begin(resume: Path | None, asked: str) -> Tally:
    """Nothing yet, or what the file of an interrupted run says."""
    if resume is None:
        return Tally.empty()
    require_place(resume, "interrupted simulation")
    if not resume.exists():
        return Tally.empty()
    halfway = HALFWAY.read(resume)
    if halfway.asked != asked:
        raise InputError(
            f"{resume} is of a run with other options: {halfway.asked}",
            code="other-run",
            hint="give the same options, or another file",
        )
    return halfway.tally()


def _search(
    tally: Tally, outcomes: Iterator[Outcome], total: int, seconds: int | None, resume: Path | None, asked: str
) -> None:
    from rich.progress import Progress

    began = kept = time.monotonic()
    before, halfway = tally.seconds, Halfway.of(tally, asked)
    with Progress(console=console(stderr=True), transient=True) as progress:
        shown = progress.add_task("simulating", total=total)
        try:
            for outcome in outcomes:
                tally.add(outcome)
                tally.seconds = before + time.monotonic() - began
                halfway = Halfway.of(tally, asked)  # what Ctrl-C leaves: a run whole or not at all
                progress.update(shown, advance=1, description=f"{tally.sealed} sealed, {len(tally.violations)} broken")
                now = time.monotonic()
                if resume is not None and now - kept > KEEP_SECONDS:
                    HALFWAY.write(resume, halfway)
                    kept = now
                if seconds is not None and now - began > seconds:
                    break
        finally:
            if resume is not None:
                HALFWAY.write(resume, halfway)


def _figures(tally: Tally, silent: tuple[str, ...]) -> dict[str, object]:
    return {
        "runs": tally.runs,
        "sessions": tally.sessions,
        "sealed": tally.sealed,
        "aborted": tally.aborted,
        "served_from_cache": tally.served,
        "violations": [{"seed": seed, "broken": list(texts)} for seed, texts in tally.violations.items()],
        "faults_fired": dict(sorted(tally.fired.items())),
        "never_fired": list(silent),
        "crash_points": {point: tally.points[point] for point in CRASH_POINTS},
        "seconds": round(tally.seconds, 1),
        "cpu_seconds": round(tally.cpu_seconds, 1),
        "sessions_a_cpu_second": round(tally.sessions / tally.cpu_seconds, 1),
        "trace_hash": tally.trace,
    }


def _render(tally: Tally, silent: tuple[str, ...]) -> None:
    ends = f"{tally.sealed} sealed, {tally.aborted} aborted, {counted(tally.served, 'request')} served from the cache"
    title = f"{counted(tally.runs, 'run')}, {counted(tally.sessions, 'session')}: {ends}"
    table(title, ("what happened", "times"), sorted(tally.fired.items()), empty="No fault happened.")
    for seed, texts in tally.violations.items():
        click.echo(f"seed {seed} breaks a promise: {texts[0]}  (see it with --replay {seed})")
    if silent:
        say(f"never happened, so nothing is shown about it: {', '.join(silent)}; run more seeds")
    click.echo(f"{counted(len(tally.violations), 'run')} broke a promise; trace {tally.trace}")
