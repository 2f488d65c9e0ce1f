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
        numbers = ()
    if not numbers or min(numbers) < least or (most is not None and max(numbers) > most):
        bounds = f"from {least}" if most is None else f"from {least} to {most}"
        raise InputError(
            f"{option} takes whole numbers {bounds}, not {text!r}",
            code="bad-option",
            hint=f"several with commas, such as {least},{least + 1}",
        )
    return numbers
