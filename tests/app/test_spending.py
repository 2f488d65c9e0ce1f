"""`comitia budget`: spent, reserved, left, by requester and category, under the caps that the policy sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comitia.app.cli import main
from comitia.app.spending import spending
from comitia.core.units import MICRO, PICO
from comitia.driver.owner_settings import read_settings
from comitia.privacy.book import Ask
from comitia.privacy.terms import Unit
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore

DAY_MS = 86_400_000
NOW_MS = 100 * DAY_MS
ANN = "a" * 32
BOB = "b" * 32


@pytest.fixture
def provider(tmp_path: Path) -> NodeFolder:
    """A provider whose budget has been asked for by two requesters, under a rule that names only one."""
    folder = NodeFolder(tmp_path / "plant")
    assert main(["join", str(folder.path), "--name", "plant"]) == 0
    rule = ["--requester", ANN, "--category", "pumps", "--epsilon-session", "2", "--epsilon-period", "2.5"]
    rule += ["--period-days", "10", "--epsilon-life", "4", "--epsilon-total", "8"]
    assert main(["policy", str(folder.path), "set", *rule]) == 0
    store = NodeStore(folder.store)
    limits = read_settings(store).limits(Unit.RECORD)
    store.close()
    with BudgetFile.create(folder.budget) as budget:
        for number, (requester, category, at_ms) in enumerate(
            [("", "profile", 0), (ANN, "pumps", NOW_MS - 20 * DAY_MS), (ANN, "pumps", NOW_MS), (BOB, "", NOW_MS)]
        ):
            ask = Ask(
                reservation=bytes([number]),
                session=bytes([number]),
                requester=requester,
                category=category,
                epsilon_micro=MICRO,
                delta_pico=PICO // 100_000,
                at_ms=at_ms,
            )
            budget.reserve(limits, ask)
    return folder


def test_what_is_left_is_the_least_that_any_cap_leaves(provider: NodeFolder) -> None:
    found = spending(provider, now_ms=NOW_MS)
    left = {(use.name, use.category): use.left_micro for use in found.uses}
    caps = {(limit.name, limit.line.cap.span.value): limit.line for limit in found.limits}
    assert set(caps) == {("all together", "life"), (ANN, "session"), (ANN, "period"), (ANN, "life")}
    assert caps[ANN, "session"].left_micro == 2 * MICRO
    assert caps[ANN, "period"].reserved_micro == MICRO
    assert caps[ANN, "life"].reserved_micro > MICRO
    assert left[ANN, "pumps"] == min(line.left_micro for line in caps.values())
    assert left[BOB, "all"] == 0
    assert left["(own profile)", "profile"] == caps["all together", "life"].left_micro


def test_caps_stand_before_anybody_has_asked(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path / "plant")
    assert main(["join", str(folder.path), "--name", "plant"]) == 0
    assert main(["policy", str(folder.path), "set", "--requester", "*"]) == 0
    BudgetFile.create(folder.budget).close()
    found = spending(folder, now_ms=NOW_MS)
    assert not found.uses
    assert [(limit.name, limit.line.left_micro) for limit in found.limits] == [
        ("all together", 10 * MICRO),
        ("any member", MICRO),
        ("any member", 10 * MICRO),
        ("any member", 4 * MICRO),
    ]


def test_the_statement_is_one_object_or_two_tables(provider: NodeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["budget", str(provider.path), "--format", "json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert {row["category"] for row in value["requesters"]} == {"profile", "pumps", "all"}
    assert all(
        {"spent_micro", "reserved_micro", "left_micro"} <= row.keys() for row in [*value["requesters"], *value["caps"]]
    )
    assert main(["budget", str(provider.path)]) == 0
    text = capsys.readouterr().out
    assert "10 days" in text
    assert "pumps" in text
