"""Values of options that several commands read alike."""

from __future__ import annotations

from comitia.core.errors import InputError


def whole_numbers(text: str, option: str, *, least: int = 1, most: int | None = None) -> tuple[int, ...]:
    """Whole numbers with commas between, each within bounds.

    Raises
    ------
    InputError
        Code ``bad-option``.
    """
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} takes whole numbers with commas, not {text!r}", code="bad-option") from None
    if min(numbers) < least or (most is not None and max(numbers) > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise InputError(f"{option} takes numbers of {bounds}, not {text!r}", code="bad-option")
    return numbers
