"""Every order of events in a small session. With a liar the whole search is a run of its own: `bench exhaustive`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest import MonkeyPatch

from comitia.app.cli import main
from comitia.roles import member
from comitia.simulator.exhaustive import Search


@pytest.mark.parametrize(("liar", "crashes", "most"), [(False, 0, 0), (False, 1, 2_500), (True, 1, 2_500)])
def test_no_order_of_events_breaks_a_promise(liar: bool, crashes: int, most: int) -> None:
    explored = Search(liar=liar, crashes=crashes, most=most).run()
    assert [text for text in explored.broken if not text.startswith("unfinished")] == []
    if not most:
        assert explored.ends["sealed"] and explored.ends["aborted"]


def forgets_its_scores_in_a_crash(patch: MonkeyPatch) -> None:
    real = member._remember

    def remember(state: member.MemberState, work: str, memory: Any) -> Any:
        state, effects = real(state, work, memory)
        return state, tuple(replace(effect, memory=replace(effect.memory, scores=None)) for effect in effects)

    patch.setattr(member, "_remember", remember)


def signs_another_block_as_the_second_leader(patch: MonkeyPatch) -> None:
    real = member.expected_block

    def block(session: Any, *model: Any) -> Any:
        expected = real(session, *model)
        return replace(expected, model_size=expected.model_size + session.view)

    patch.setattr(member, "expected_block", block)


@pytest.mark.parametrize(
    ("plant", "found"),
    [(forgets_its_scores_in_a_crash, "i3"), (signs_another_block_as_the_second_leader, "i5")],
)
def test_a_planted_mistake_is_found(plant: Callable[[MonkeyPatch], None], found: str, monkeypatch: MonkeyPatch) -> None:
    plant(monkeypatch)
    explored = Search(liar=False, crashes=1, most=2_500).run()
    assert any(text.startswith(found) for text in explored.broken)


def test_the_command_says_that_it_was_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "exhaustive", "--most", "50", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["broken"] == ["unfinished: stopped after 50 states"]
