"""What a provider's owner allows: caps on epsilon, and over which releases each adds up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from comitia.core.errors import ConfigurationError
from comitia.core.units import PICO
from comitia.privacy.terms import MAX_EPSILON_MICRO, Unit, in_units


class Span(StrEnum):
    """Over which releases a cap adds up."""

    SESSION = "session"
    PERIOD = "period"
    LIFE = "life"


class Window(StrEnum):
    """Where a period begins: `ROLLING` its length ago, `CALENDAR` at the last multiple of its length since
    1970, UTC."""

    ROLLING = "rolling"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most epsilon that releases of one scope may add up to.

    Attributes
    ----------
    span : Span
        One session's releases, a period's, or all.
    epsilon_micro : int
        In millionths, 0 (nothing) .. 64 000 000, at the delta of the `Limits`.
    requester, category : str
        Only releases for this requester or category count and are held; "" is any. A cap on one requester
        does not protect from two who collude: a cap on all is needed besides.
    period_ms : int
        Length of the period, > 0; 0 for other spans.
    window : Window
        Where the period begins.

    Raises
    ------
    ConfigurationError
        `bad-cap`.
    """

    span: Span
    epsilon_micro: int
    requester: str = ""
    category: str = ""
    period_ms: int = 0
    window: Window = Window.ROLLING

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon_micro <= MAX_EPSILON_MICRO:
            raise ConfigurationError(
                f"a cap on epsilon must lie in 0 .. 64, it is {in_units(self.epsilon_micro)}", code="bad-cap"
            )
        if (self.period_ms > 0) != (self.span == Span.PERIOD) or self.period_ms < 0:
            raise ConfigurationError("a period's cap needs a length above 0, no other cap has one", code="bad-cap")

    def __str__(self) -> str:
        scope = [f"for {self.requester}"] if self.requester else []
        scope += [f"on {self.category!r}"] if self.category else []
        length = f" of {in_units(self.period_ms, 1000)} s ({self.window})" if self.period_ms else ""
        return " ".join([f"epsilon {in_units(self.epsilon_micro)} per {self.span}{length}", *scope])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a provider's owner allows.

    Attributes
    ----------
    delta_pico : int
        The delta at which Gaussian releases are added up, 1 .. 10^12 - 1.
    unit : Unit
        Of the guarantee. `Unit.USER` refuses releases per record; `Unit.RECORD` takes those per user as
        well, which protect a record at least as much.
    caps : tuple of Cap
        All must hold. One of them must be for life, any requester and any category.

    Raises
    ------
    ConfigurationError
        `bad-cap`.
    """

    delta_pico: int
    unit: Unit
    caps: tuple[Cap, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.delta_pico < PICO:
            raise ConfigurationError("a budget's delta must be above 0 and below 1", code="bad-cap")
        if not any(cap.span == Span.LIFE and not (cap.requester or cap.category) for cap in self.caps):
            raise ConfigurationError(
                "a budget needs a cap for life on everything together",
                code="bad-cap",
                hint="without one, nothing bounds what all requesters learn together",
            )
