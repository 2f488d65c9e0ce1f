"""Reading documents: every format, and every way in which a file can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from comitia.core.errors import InputError
from comitia.storage.columns import Columns
from comitia.storage.documents import Reading, read_documents
from comitia.text.documents import Document

COLUMNS = Columns(text="text", label="label")


def read(path: Path | str, columns: Columns = COLUMNS, **more: int) -> list[Document]:
    return list(read_documents(path, columns, **more))  # type: ignore[arg-type]


def test_csv_jsonl_and_parquet_say_the_same(tmp_path: Path) -> None:
    from arro3.core import Array, DataType, Table
    from arro3.io import write_parquet

    (tmp_path / "a.csv").write_text('text,label,x\n"one, two\nthree",k,1\nfour,,2\n', encoding="utf-8")
    rows = [{"text": "one, two\nthree", "label": "k"}, {"text": "four", "label": None}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = {name: Array([row[name] for row in rows], DataType.utf8()) for name in ("text", "label")}
    write_parquet(Table.from_pydict(columns), str(tmp_path / "a.parquet"))
    expected = [Document(text="one, two\nthree", label="k"), Document(text="four")]
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert read(tmp_path / name) == expected, name
    assert len(read(str(tmp_path / "*.csv"))) == 2
    assert len(read(tmp_path)) == 6


def test_a_parquet_file_that_makes_its_reader_panic_or_abort_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from arro3.core import Array, DataType, Table
    from arro3.io import write_parquet

    path = tmp_path / "a.parquet"
    texts = Array([f"document {number}" for number in range(300)], DataType.utf8())
    write_parquet(Table.from_pydict({"text": texts}), str(path))
    whole, draw, refused = path.read_bytes(), Random(1), 0
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for _ in range(8):
        at = draw.randrange(footer, len(whole) - 8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :])
        try:
            read(path, Columns(text="text"))
        except InputError as error:
            refused += 1
            assert error.code in ("unreadable-file", "unknown-column")
    assert refused > 2
    assert not capfd.readouterr().err


def test_logs_have_a_document_a_line_and_folders_a_label_each(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    log.write_text("first\n\n  \nsecond\n", encoding="utf-8")
    assert [document.text for document in read(log, Columns())] == ["first", "second"]
    folder = tmp_path / "docs"
    for label in ("good", "bad"):
        (folder / label).mkdir(parents=True)
        (folder / label / "1.txt").write_text(f"a {label} text", encoding="utf-8")
    assert {(d.text, d.label) for d in read(folder, Columns())} == {("a good text", "good"), ("a bad text", "bad")}


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext,label\nx,y\n")
    assert read(tmp_path / "a.csv") == [Document(text="x", label="y")]


@pytest.mark.parametrize(
    ("name", "content", "code", "named"),
    [
        ("a.csv", b"", "empty-input", "a.csv"),
        ("a.csv", b"text,label\n", "empty-input", "a.csv"),
        ("a.csv", b"body,label\nx,y\n", "unknown-column", "body"),
        ("a.csv", b"text,label\nx,y\nz\n", "bad-row", "3"),
        ("a.csv", b"text,label\nx,y\n\xff,y\n", "not-utf-8", "a.csv"),
        ("a.jsonl", b'{"text": "x", "label": "y"}\n{oops\n', "bad-row", "2"),
        ("a.jsonl", b'{"text": ["x"], "label": "y"}\n', "bad-row", "1"),
        ("a.jsonl", b"[1]\n", "bad-row", "1"),
        ("a.parquet", b"PAR1 not really", "unreadable-file", "cut short"),
        ("a.parquet", b"PAR1" + bytes(100) + (101).to_bytes(4, "little") + b"PAR1", "unreadable-file", "cut short"),
        ("a.parquet", b"text,label", "unreadable-file", "begin"),
        ("a.parquet", b"PK", "unreadable-file", "begin"),
        ("a.parquet", b"", "empty-input", "a.parquet"),
        ("a.log", b"", "empty-input", "a.log"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes, code: str, named: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    assert caught.value.code == code, caught.value.message
    assert named in caught.value.message + caught.value.hint
    assert not capfd.readouterr().err


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"x" * 200_000)
    with pytest.raises(InputError) as caught:
        read(path, largest=1000)
    assert caught.value.code == "document-too-long"


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for source in (tmp_path / "none.csv", f"{tmp_path}/*.csv"):
        with pytest.raises(InputError) as caught:
            read(source)
        assert caught.value.code == "no-such-file"


def test_progress_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("\n".join(f"line {n}" for n in range(600)), encoding="utf-8")
    told: list[Reading] = []
    assert sum(1 for _ in read_documents(path, progress=told.append)) == 600
    assert told[-1].documents == 600
    assert len(told) >= 2


@pytest.mark.parametrize(
    ("name", "content", "line", "offset", "words"),
    [
        ("a.csv", 'text,label\nx,y\n"never closed,y\nz,y\n', 3, 15, ["line 3 and goes on to line 4", "not closed"]),
        ("a.csv", 'text,label\nx,y\n"a "b" c",y\n', 3, 15, ["line 3", "expected after"]),
        ("a.csv", 'text,label\n"open,y\nz,y\n"w",y\n', 2, 11, ["line 2 and goes on to line 4", "expected after"]),
        ("a.csv", '\ufefftext,label\n"open,y\n' + "z,y\n" * 300, 2, 14, ["begins in line 2", "longer than 1000"]),
        ("a.csv", 'text,label\n"two\nlines",y\nx,y,z\n', 4, 25, ["line 4 (from byte 25)", "3 values"]),
    ],
)
def test_a_quotation_mark_that_is_missing_is_looked_for_where_the_row_begins(
    tmp_path: Path, name: str, content: str, line: int, offset: int, words: list[str]
) -> None:
    """Readers find it out lines later, at the end of the file for instance."""
    (tmp_path / name).write_bytes(content.encode())
    with pytest.raises(InputError) as caught:
        read(tmp_path / name, largest=1000)
    assert (caught.value.values["line"], caught.value.values["offset"]) == (line, offset)
    assert all(word in caught.value.message for word in words), caught.value.message
    assert "quotation mark" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ('{"text": "x"}\n\n{"text": "y}\n', 3, ["line 3 (from byte 15)", "character 10"]),
        ('[\n{"text": "x"},\n', 1, ["line 1 (from byte 0)", "not JSON"]),
        ('{"text": "x"}\n{"text":\n"y"}\n', 2, ["line 2 (from byte 14)"]),
        ('{"text": 1}\n3\n', 2, ["line 2 (from byte 12)", "not a JSON object"]),
    ],
)
def test_a_line_that_is_not_json_is_named_with_what_to_do(
    tmp_path: Path, content: str, line: int, words: list[str]
) -> None:
    (tmp_path / "a.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a.jsonl", Columns(text="text"))
    assert caught.value.values["line"] == line
    assert all(word in caught.value.message for word in words), caught.value.message
    assert "line 1 column" not in caught.value.message
    assert "jq" in caught.value.hint
