"""What people see: tables that keep words whole at any width, numbers with the right word, sentences that fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.app.output import column_widths, table
from comitia.core.counting import counted

CELLS = st.text(alphabet="ab \n", max_size=20)
LINES = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=5))


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", str(width))
    rows = [(1, "2026-11-24 21:12:37", "plant-a, plant-b", "", "d3ef5c4589de9224")]
    table("Blocks", ("block", "time", "contributors", "purpose", "hash"), rows)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_one_has_another_word_than_many() -> None:
    assert [counted(number, "set") for number in (0, 1, 2)] == ["0 sets", "1 set", "2 sets"]
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]


def test_a_table_drops_empty_columns_and_stands_in_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    title, names, line, row, *_ = shown(capsys, monkeypatch, 80)
    assert title == "Blocks"
    assert names.split() == ["block", "time", "contributors", "hash"]
    assert set(line) == {"─"}
    assert row.split() == ["1", "2026-11-24", "21:12:37", "plant-a,", "plant-b", "d3ef5c4589de9224"]


@pytest.mark.parametrize("width", range(40, 80, 7))
def test_no_word_is_broken_however_narrow_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = shown(capsys, monkeypatch, width)
    assert max(map(len, lines)) <= width
    words = {word for line in lines for word in line.split()}
    assert {"2026-11-24", "21:12:37", "plant-a,", "plant-b", "d3ef5c4589de9224"} <= words


def test_a_table_too_narrow_for_its_words_stands_on_its_side(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, 42)
    assert "time          2026-11-24 21:12:37" in lines
    assert "contributors  plant-a, plant-b" in lines


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    table("", ("session", "request"), [], empty="No request waits.")
    assert capsys.readouterr().out == "No request waits.\n"


def test_texts_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table("", ("text",), [("[/b] [red]hose",)])
    assert "[/b] [red]hose" in capsys.readouterr().out


@given(LINES, st.integers(1, 60))
def test_columns_hold_their_longest_word_and_fit(lines: list[list[str]], room: int) -> None:
    widths = column_widths(lines, room)
    longest = [
        max((len(word) for cell in column for word in cell.split()), default=0) for column in zip(*lines, strict=True)
    ]
    if widths is None:
        assert sum(longest) > room
    else:
        assert sum(widths) <= room
        assert all(width >= least for width, least in zip(widths, longest, strict=True))
