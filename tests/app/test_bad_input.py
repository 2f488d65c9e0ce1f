"""Bad input of every kind meets an error that names it, with a documented status, and nothing is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comitia.app.cli import main
from comitia.app.tasks import Wish, make_task
from comitia.core.errors import InputError


def fails(capsys: pytest.CaptureFixture[str], status: int, code: str, *words: str | Path) -> str:
    """Run a command that must fail so; returns its message."""
    return str(error_of(capsys, status, code, *words)["message"])


def error_of(capsys: pytest.CaptureFixture[str], status: int, code: str, *words: str | Path) -> dict[str, Any]:
    """The whole error of a command that must fail so."""
    capsys.readouterr()
    assert main([*map(str, words), "--format", "json"]) == status
    captured = capsys.readouterr()
    error: dict[str, Any] = json.loads(captured.err.strip().splitlines()[-1])
    assert error["error"] == code, error
    assert "Traceback" not in captured.err
    assert error["message"]
    return error


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    rows = [f"hose leak swivel {i},hyd" for i in range(40)] + [f"engine smoke turbo {i},eng" for i in range(40)]
    rows += [f"part{i % 13} place{i % 11} shift{i % 7}," for i in range(60)]
    path.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    return path


@pytest.fixture
def node(tmp_path: Path) -> Path:
    assert main(["join", str(tmp_path / "node"), "--name", "plant"]) == 0
    return tmp_path / "node"


def build(source: Path, target: Path, *more: str) -> list[str]:
    return ["codebook", "build", str(source), "-o", str(target), *more]


def test_an_unknown_column_is_named_with_those_there_are(
    capsys: pytest.CaptureFixture[str], orders: Path, tmp_path: Path
) -> None:
    message = fails(capsys, 3, "unknown-column", *build(orders, tmp_path / "c", "--text-column", "body"))
    assert "body" in message
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty-input"),
        (b"text,label\n", "empty-input"),
        (b"text,label\nh\xe9llo,x\n", "not-utf-8"),
        (b"text,label\na,b,c\n", "bad-row"),
        (b"text\n" + b"x" * (5 << 20) + b"\n", "document-too-long"),
    ],
)
def test_files_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    assert "bad.csv" in fails(capsys, 3, code, *build(path, tmp_path / "c"))


def test_a_basis_is_held_to_its_pool(capsys: pytest.CaptureFixture[str], orders: Path, tmp_path: Path) -> None:
    fails(capsys, 3, "no-pool", "codebook", "build", "-o", tmp_path / "c", "--references", orders)
    fails(
        capsys, 3, "bad-build-settings", *build(orders, tmp_path / "c", "--references", str(orders), "--basis", "none")
    )
    fails(
        capsys,
        3,
        "bad-build-settings",
        *("codebook", "build", "-o", tmp_path / "c", "--references", orders, "--basis", "none", "--kind", "tf"),
    )
    assert not (tmp_path / "c").exists()


def test_learning_is_measured_without_pool_and_without_delta(capsys: pytest.CaptureFixture[str], orders: Path) -> None:
    command = ["bench", "learning", "--data", str(orders), "--seeds", "1", "--basis", "none", "--pure"]
    assert main([*command, "--format", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["basis"], figures["pool"], figures["delta"]) == ("none", 0, 0)
    assert figures["auc"] > 0.5


@pytest.mark.parametrize("bench", ["learning", "attacks"])
def test_a_file_with_one_label_leaves_nothing_to_tell_apart(
    capsys: pytest.CaptureFixture[str], orders: Path, bench: str
) -> None:
    header, *rows = orders.read_text(encoding="utf-8").splitlines()
    label = next(row.rpartition(",")[2] for row in rows if not row.endswith(","))
    kept = [row for row in rows if row.endswith(("," + label, ","))]
    orders.write_text("\n".join([header, *kept]), encoding="utf-8")
    message = fails(capsys, 3, "too-few-categories", "bench", bench, "--data", orders, "--seeds", "1")
    assert "1 category" in message


@pytest.mark.parametrize(
    ("bench", "options"),
    [
        ("request", ["--warm", "0"]),
        ("request", ["--providers", "1"]),
        ("request", ["--epsilon", "much"]),
        ("learning", ["--categories", "1"]),
    ],
)
def test_benches_refuse_what_gives_no_figure(
    capsys: pytest.CaptureFixture[str], orders: Path, bench: str, options: list[str]
) -> None:
    wanted = (3, "bad-epsilon") if "--epsilon" in options else (2, "bad-usage")
    fails(capsys, *wanted, "bench", bench, "--data", orders, *options)


@pytest.mark.parametrize("bench", ["learning", "attacks"])
def test_a_file_that_leaves_no_pool_is_told_so(capsys: pytest.CaptureFixture[str], orders: Path, bench: str) -> None:
    labelled = [line for line in orders.read_text(encoding="utf-8").splitlines() if not line.endswith(",")]
    orders.write_text("\n".join(labelled), encoding="utf-8")
    assert "no public pool" in fails(capsys, 3, "no-pool", "bench", bench, "--data", orders, "--seeds", "1")


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "nowhere.csv" in fails(capsys, 3, "no-such-file", *build(tmp_path / "nowhere.csv", tmp_path / "c"))


def test_a_codebook_needs_categories(capsys: pytest.CaptureFixture[str], orders: Path, tmp_path: Path) -> None:
    fails(capsys, 3, "no-category", *build(orders, tmp_path / "c"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[[category]]\nid = 'a'\ncolour = 'red'\n", "unknown-key"),
        ("[[category]]\nname = 'a'\n", "bad-category"),
        ("[[category]]\nid = 'a'\n[[category]]\nid = 'a'\n", "repeated-category"),
        ("not toml at all [", "not-toml"),
        ("", "no-category"),
    ],
)
def test_categories_that_cannot_be(
    capsys: pytest.CaptureFixture[str], orders: Path, tmp_path: Path, text: str, code: str
) -> None:
    path = tmp_path / "categories.toml"
    path.write_text(text, encoding="utf-8")
    fails(capsys, 3, code, *build(orders, tmp_path / "c", "--categories", str(path)))


def test_a_demo_on_own_data_asks_whose_it_is(capsys: pytest.CaptureFixture[str], orders: Path, tmp_path: Path) -> None:
    error = error_of(capsys, 3, "column-needed", "demo", "--data", orders, "--directory", tmp_path / "d")
    assert "--provider-column" in error["hint"]


def test_a_column_that_is_not_there_is_said_with_its_option(capsys: pytest.CaptureFixture[str], orders: Path) -> None:
    for option in ("--text-column", "--label-column"):
        error = error_of(capsys, 3, "unknown-column", "bench", "learning", "--data", orders, option, "nope")
        assert f"Say which one it is with {option}" in error["hint"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--epsilon", "nan"], "bad-epsilon"),
        (["--epsilon", "-1"], "bad-epsilon"),
        (["--epsilon", "0"], "bad-epsilon"),
        (["--epsilon", "much"], "bad-epsilon"),
        (["--epsilon", "1e9"], "bad-epsilon"),
    ],
)
def test_epsilons_that_cannot_be_start_nothing(
    capsys: pytest.CaptureFixture[str], orders: Path, tmp_path: Path, options: list[str], code: str
) -> None:
    fails(capsys, 3, code, "demo", "--data", orders, "--directory", tmp_path / "d", *options)
    assert not (tmp_path / "d").exists()


def test_learning_bench_refuses_what_cannot_be(capsys: pytest.CaptureFixture[str], orders: Path) -> None:
    base = ("bench", "learning", "--data", orders, "--seeds", "1")
    fails(capsys, 3, "bad-option", *base, "--providers", "three")
    fails(capsys, 3, "unknown-learner", *base, "--learner", "oracle")
    fails(capsys, 3, "unknown-partition", *base, "--partition", "fair")
    fails(capsys, 3, "bad-new", *base, "--new-classes", "9")
    fails(capsys, 3, "bad-epsilon", *base, "--epsilon", "-2")
    fails(capsys, 3, "bad-epsilon", *base, "--epsilon", "nan")
    fails(capsys, 3, "not-pure", *base, "--pure", "--learner", "softmax")
    fails(capsys, 2, "bad-usage", *base, "--seeds", "0")
    fails(capsys, 3, "file-missing", *base, "--names", "nowhere.toml")
    fails(capsys, 3, "unknown-column", *base, "--partition", "column:plant")
    fails(capsys, 3, "unknown-column", *base, "--split-column", "split")
    fails(capsys, 3, "bad-split", *base, "--split-column", "label")
    fails(capsys, 3, "no-rounds", *base, "--learner", "gbdt", "--rounds", "2")
    fails(capsys, 3, "no-rounds", *base, "--learner", "paper_literal", "--mode", "chain")
    fails(capsys, 3, "bad-rounds", *base, "--learner", "softmax", "--rounds", "0")
    fails(capsys, 3, "wrong-kind", *base, "--learner", "bins")
    fails(capsys, 3, "wrong-kind", *base, "--target", "0:9:3", "--learner", "softmax")
    fails(capsys, 3, "bad-option", *base, "--target", "0:9:3", "--new-classes", "1")
    fails(capsys, 3, "bad-option", *base, "--target", "0:9:3", "--epsilon", "inf")
    fails(capsys, 3, "bad-target", *base, "--target", "nine")


@pytest.mark.parametrize("damage", [b"", b"rubbish", "flip", "cut"])
def test_damaged_codebooks_models_and_proofs(
    capsys: pytest.CaptureFixture[str], orders: Path, tmp_path: Path, damage: bytes | str
) -> None:
    book = tmp_path / "codebook.comitia"
    references = ["--references", str(orders), "--label-column", "label"]
    assert main(build(orders, book, *references)) == 0
    data = bytearray(book.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    elif damage == "cut":
        data = data[:-1]
    else:
        data = bytearray(damage)  # type: ignore[arg-type]
    book.write_bytes(bytes(data))
    capsys.readouterr()
    assert main(["codebook", "inspect", str(book), "--format", "json"]) == 8
    assert "codebook" in json.loads(capsys.readouterr().err)["error"]
    fails(capsys, 8, "model-damaged", "ask", book, "text")


def test_a_node_that_was_not_approved_does_not_start(
    capsys: pytest.CaptureFixture[str], node: Path, orders: Path
) -> None:
    message = fails(capsys, 4, "not-approved", "provider", node, "--data", orders)
    assert str(node) in message


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--unit", "user"], "no-user"),
        (["--unit", "user", "--user-column", "author"], "unknown-column"),
        (["--unit", "user", "--user-column", "label"], "no-user"),
        (["--unit", "user", "--user-column", "label", "--records-per-user", "0"], "bad-records-per-user"),
        (["--records-per-user", "3"], "bad-records-per-user"),
        (["--user-column", "label"], "bad-unit"),
    ],
)
def test_a_unit_that_does_not_hold_is_refused_before_the_node_starts(
    capsys: pytest.CaptureFixture[str], node: Path, orders: Path, options: list[str], code: str
) -> None:
    fails(capsys, 3, code, "provider", node, "--data", orders, *options)


def test_settings_that_are_not_settings_are_named(capsys: pytest.CaptureFixture[str], node: Path, orders: Path) -> None:
    settings = node / "node.toml"
    settings.write_text(settings.read_text() + 'colour = "red"\n')
    assert "colour" in fails(capsys, 4, "unknown-key", "provider", node, "--data", orders)


def test_a_consortium_is_founded_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "c")]) == 0
    before = (tmp_path / "c" / "genesis.toml").read_bytes()
    fails(capsys, 4, "already-there", "init", tmp_path / "c")
    assert (tmp_path / "c" / "genesis.toml").read_bytes() == before
    fails(capsys, 4, "bad-endpoint", "init", tmp_path / "d", "--listen", "nowhere")
    assert not (tmp_path / "d" / "genesis.toml").exists()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("threshold = 1", "threshold = 2", "too-few-admin-signatures"),
        ("kappa = 1", "kappa = 0", "too-few-admin-signatures"),
        ("threshold = 1", "threshold = 'one'", "bad-setting"),
        ("threshold = 1", "", "bad-setting"),
        ("threshold = 1", f"threshold = {2**2_000}", "bad-setting"),
        ("threshold = 1", "threshold = 1\nbeauty = 9", "unknown-key"),
    ],
)
def test_a_genesis_that_was_changed_does_not_hold(
    capsys: pytest.CaptureFixture[str], node: Path, tmp_path: Path, old: str, new: str, code: str
) -> None:
    assert main(["init", str(tmp_path / "c")]) == 0
    genesis = tmp_path / "c" / "genesis.toml"
    text = genesis.read_text()
    assert old in text
    genesis.write_text(text.replace(old, new))
    fails(capsys, 4, code, "approve", node / "join-request.comitia", "--yes", "--consortium", tmp_path / "c")
    assert not (node / "membership.comitia").exists()


def test_a_policy_needs_a_requester_and_sound_figures(capsys: pytest.CaptureFixture[str], node: Path) -> None:
    fails(capsys, 3, "no-requester", "policy", node, "set")
    fails(capsys, 3, "bad-epsilon", "policy", node, "set", "--requester", "*", "--epsilon-session", "-1")
    assert main(["policy", str(node), "show", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["policy"]["rules"] == []


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--period-days", "nan", "bad-duration"),
        ("--period-days", "-3", "bad-duration"),
        ("--period-days", "1e300", "bad-duration"),
        ("--purpose", "x" * 300, "out-of-bounds"),
    ],
)
def test_a_policy_that_the_ledger_would_not_take_is_not_kept(
    capsys: pytest.CaptureFixture[str], node: Path, option: str, value: str, code: str
) -> None:
    fails(capsys, 3, code, "policy", node, "set", "--requester", "*", option, value)
    assert main(["policy", str(node), "show", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["policy"]["rules"] == []


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "1e12"])
def test_a_stage_lasts_a_day_at_most(capsys: pytest.CaptureFixture[str], node: Path, seconds: str) -> None:
    fails(capsys, 3, "bad-duration", "request", node, "-o", node / "m", "--stage-seconds", seconds)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Wish(delta="0", learner="softmax"), "not-pure"),
        (Wish(purpose="x" * 300), "out-of-bounds"),
        (Wish(stage_ms=0), "out-of-bounds"),
        (Wish(providers_max=1000), "out-of-bounds"),
    ],
)
def test_a_wish_that_the_ledger_would_not_take_is_refused_here(wish: Wish, code: str) -> None:
    with pytest.raises(InputError) as caught:
        make_task(wish, codebook=bytes(32), labels=["a"], kappa=1)
    assert caught.value.code == code


def test_a_place_that_cannot_hold_the_answer_is_refused_before_anyone_is_asked(
    capsys: pytest.CaptureFixture[str], node: Path, orders: Path
) -> None:
    fails(capsys, 3, "no-such-folder", "request", node, "-o", node / "nowhere" / "m")
    references = ["--references", str(orders)]
    fails(capsys, 9, "file-trouble", *build(orders, node / "nowhere" / "c", *references))


def test_a_run_that_is_to_be_resumed_has_a_place_before_it_begins(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fails(capsys, 3, "no-such-folder", "simulate", "--seeds", "1", "--resume", tmp_path / "nowhere" / "run")
    (tmp_path / "run").write_bytes(b"rubbish")
    assert "interrupted simulation" in fails(capsys, 4, "file-damaged", "simulate", "--resume", tmp_path / "run")


def test_there_is_nothing_to_ask(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fails(capsys, 3, "no-query", "ask", tmp_path / "m")
    fails(capsys, 3, "file-missing", "ask", tmp_path / "m", "text")


def test_no_node_here(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for verb in ("status", "doctor", "stop"):
        fails(capsys, 3, "no-node", verb, tmp_path)


def test_a_budget_that_is_not_there_counts_as_exhausted(capsys: pytest.CaptureFixture[str], node: Path) -> None:
    fails(capsys, 9, "budget-missing", "budget", node)


@pytest.mark.parametrize(
    ("words", "named", "verb"),
    [
        (["dance"], "dance", "comitia"),
        (["bench", "dance"], "dance", "comitia bench"),
        (["init"], "DIR", "comitia init"),
        (["init", "x", "--colour"], "--colour", "comitia init"),
        (["request", "nowhere", "-o", "m"], "nowhere", "comitia request"),
        (["verify", "m"], "--genesis", "comitia verify"),
        (["simulate", "--witnesses", "many"], "--witnesses", "comitia simulate"),
    ],
)
def test_a_command_line_that_is_not_understood_is_an_error_like_any(
    capsys: pytest.CaptureFixture[str], words: list[str], named: str, verb: str
) -> None:
    assert named in fails(capsys, 2, "bad-usage", *words)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert f"`{verb} --help`" in told
    assert "(bad-usage)" in told


def test_the_command_line_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dance"]) == 2
    assert main(["init"]) == 2
    assert main(["--help"]) == 0
    assert "Traceback" not in capsys.readouterr().err
