"""References that a witness keeps back, on real processes: bound, opened, used up, and named in the sealed block."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plants import WORDS, texts, wait_for

from comitia.app.asking import ask_with
from comitia.app.cli import main
from comitia.app.local import LocalConsortium
from comitia.app.node.client import Client
from comitia.app.tasks import Wish
from comitia.storage.model_file import read_model

pytestmark = pytest.mark.e2e

SETS = 2


@pytest.fixture
def public(tmp_path: Path) -> Path:
    path = tmp_path / "public.csv"
    rows = [f"{text},{label}" for label in WORDS for text in texts(label, 5 * SETS, 77)]
    path.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    return path


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main([*map(str, words), "--format", "json"]) == 0
    return [row for line in capsys.readouterr().out.splitlines() for row in _listed(json.loads(line))]


def _listed(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else [value]  # type: ignore[list-item]


def test_a_set_is_bound_opened_and_used_up(
    own: LocalConsortium, wish: Wish, public: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    witness = own.consortium.path
    (kept,) = told(capsys, "references", witness, "keep", public, "--agree")
    assert (kept["sets"], kept["documents"]) == (SETS, 5 * SETS * len(WORDS))
    wait_for(lambda: told(capsys, "references", witness, "show")[0]["bound"] == SETS)
    with Client(own.requester) as client:
        answer = ask_with(client, wish, tmp_path / "m.comitia")
        session = client.application.session(answer.verified.session)
    assert session is not None and session.judgement is not None
    (keeper,) = session.kept_back
    assert session.judgement.opened == (keeper,)
    assert answer.verified.references == session.kept_back
    gains = [gain for sheet in session.scores.values() for line in sheet for gain in line.gains]
    assert len(gains) == 3 * 3  # three judges of each of three releases
    assert min(gain.gain_micro for gain in gains) > 2_330_000
    assert read_model(tmp_path / "m.comitia").verify(own.consortium.load_genesis().genesis).references
    (stock,) = told(capsys, "references", witness, "show")
    assert (stock["kept"], stock["bound"], stock["left"]) == (SETS, SETS, SETS - 1)
    states = {row["node"]: row["references_left"] for row in told(capsys, "status", own.directory)}
    assert states["super-node"] == SETS - 1
    assert states["plant-1"] is None
