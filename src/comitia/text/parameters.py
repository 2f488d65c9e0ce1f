"""What scikit-learn asks of everything that can be fitted: its parameters by name."""

from __future__ import annotations

from inspect import signature
from typing import Any, Self

from comitia.core.errors import InputError


class Parameters:
    """Parameters are those of ``__init__``, each kept under its own name."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name."""
        return {name: getattr(self, name) for name in signature(type(self)).parameters}

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters.

        Raises
        ------
        InputError
            If there is no such parameter.
        """
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                raise InputError(
                    f"there is no parameter {name!r}",
                    code="unknown-parameter",
                    hint=f"there are: {', '.join(known)}",
                    parameter=name,
                )
            setattr(self, name, value)
        return self
