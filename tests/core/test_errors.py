"""Errors that reach another process whole, and packages that no install brings."""

from __future__ import annotations

import pickle
import sys
import tomllib
from pathlib import Path

import pytest

from comitia.core.errors import ConfigurationError, InputError
from comitia.core.extras import EXTRA_OF, extra

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_an_error_reaches_another_process_whole() -> None:
    error = InputError("no", code="bad-option", hint="try", given=3)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError
    assert again.as_dict() == error.as_dict()


def test_every_optional_package_is_in_its_extra() -> None:
    distribution = {"sklearn": "scikit-learn"}
    for package, name in EXTRA_OF.items():
        listed = PROJECT["optional-dependencies"][name]
        assert any(line.startswith(distribution.get(package, package.replace("_", "-"))) for line in listed)


def test_a_missing_package_is_refused_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(ConfigurationError) as caught:
        extra("scipy.sparse")
    assert (caught.value.code, caught.value.exit_status) == ("extra-missing", 4)
    assert caught.value.hint == "pip install 'comitia[figures]'"
