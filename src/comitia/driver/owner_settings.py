"""What a provider's owner decides, kept in the node's store: the policy, and a cap on all epsilon together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from comitia.core.codec import decode, encode
from comitia.driver.ports import Store
from comitia.ledger.transactions import Policy, PolicyRule, SetPolicy, require_acceptable
from comitia.privacy.limits import Cap, Limits, Span
from comitia.privacy.terms import Unit

FACT: Final = "owner-settings"
DEFAULT_DELTA_PICO: Final = 10_000_000
DEFAULT_TOTAL_MICRO: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerSettings:
    """What a provider allows. The default allows nothing.

    policy : who, what, for what purpose, at what epsilon.
    total_epsilon_micro : most epsilon of a life, over all requesters together, millionths.
    delta_pico : at this delta.
    withdrawn : whether the owner has left: not found any more, and in no cached model.
    """

    policy: Policy = field(default_factory=lambda: Policy(version=1))
    total_epsilon_micro: int = DEFAULT_TOTAL_MICRO
    delta_pico: int = DEFAULT_DELTA_PICO
    withdrawn: bool = False

    def limits(self, unit: Unit, requester: str = "", rule: PolicyRule | None = None) -> Limits:
        """The caps that hold for a requesting organisation under a rule of the policy."""
        caps = [Cap(span=Span.LIFE, epsilon_micro=self.total_epsilon_micro)]
        if rule is not None:
            caps += [
                Cap(span=Span.SESSION, epsilon_micro=rule.epsilon_session_micro, requester=requester),
                Cap(span=Span.LIFE, epsilon_micro=rule.epsilon_life_micro, requester=requester),
            ]
            if rule.period_ms:
                caps.append(
                    Cap(
                        span=Span.PERIOD,
                        epsilon_micro=rule.epsilon_period_micro,
                        requester=requester,
                        period_ms=rule.period_ms,
                    )
                )
        return Limits(delta_pico=self.delta_pico, unit=unit, caps=tuple(caps))

    def limits_of_being_found(self, unit: Unit, name: str, epsilon_micro: int) -> Limits:
        """The caps on what is released outside sessions under a name: half of all there is, or two releases if more.

        Each codebook takes a new profile: without a cap whoever publishes codebooks could use a provider up.
        """
        limits = self.limits(unit)
        most = max(2 * epsilon_micro, self.total_epsilon_micro // 2)
        return replace(limits, caps=(*limits.caps, Cap(span=Span.LIFE, epsilon_micro=most, category=name)))


def read_settings(store: Store) -> OwnerSettings:
    """The owner's settings, or the defaults where nothing was set."""
    kept = store.fact(FACT)
    return OwnerSettings() if kept is None else decode(OwnerSettings, kept)


def change_settings(store: Store, settings: OwnerSettings) -> OwnerSettings:
    """Keep new settings; the policy's version grows, so that the ledger takes it.

    Raises
    ------
    InputError
        `out-of-bounds`: the ledger would not take the policy.
    """
    version = read_settings(store).policy.version + 1
    changed = replace(settings, policy=replace(settings.policy, version=version))
    require_acceptable(SetPolicy(policy=changed.policy))
    store.note(FACT, encode(changed))
    return changed
