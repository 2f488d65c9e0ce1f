"""What scikit-learn asks of everything that can be fitted to texts: its parameters by name, and what it is."""

from __future__ import annotations

from inspect import signature
from typing import Any, Self

from comitia.core.errors import InputError


class Parameters:
    """Parameters are those of ``__init__``, each kept under its own name. What has `predict` is a classifier."""

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

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn should know: it takes texts. Only scikit-learn calls this, so only then is it needed."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags, TransformerTags

        classifies = hasattr(self, "predict")
        return Tags(
            estimator_type="classifier" if classifies else None,
            target_tags=TargetTags(required=classifies),
            classifier_tags=ClassifierTags() if classifies else None,
            transformer_tags=None if classifies else TransformerTags(),
            input_tags=InputTags(string=True, two_d_array=False),
            non_deterministic=classifies,
        )
