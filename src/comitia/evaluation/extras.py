"""Packages that only evaluation needs, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from comitia.core.errors import UnavailableError
from comitia.text.terms import TermMatrix


def extra(module: str) -> Any:
    """A module of the extra ``figures``.

    Raises
    ------
    UnavailableError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnavailableError(
            f"this comparison needs the package that has {module}",
            code="extra-missing",
            hint="pip install 'comitia[figures]'",
            extra="figures",
        ) from error


def sparse_matrix(matrix: TermMatrix) -> Any:
    """The matrix as scipy's CSR, float64."""
    parts = (matrix.values.astype(np.float64), matrix.columns, matrix.starts)
    return extra("scipy.sparse").csr_matrix(parts, shape=(len(matrix.starts) - 1, matrix.width))
