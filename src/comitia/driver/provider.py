"""A provider's owner side: registers what it holds, answers requests by its policy, trains within its budget."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from comitia.core.codec import decode, digest, encode
from comitia.core.errors import ComitiaError, ConfigurationError, InputError, RefusedError, StorageError
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.holdings import Holdings
from comitia.driver.library import Library
from comitia.driver.node import Node
from comitia.driver.owner_settings import read_settings
from comitia.driver.ports import Budget
from comitia.learning.contract import Learner
from comitia.learning.feasible import require_noise
from comitia.learning.global_model import GlobalModel
from comitia.learning.registry import learner
from comitia.learning.wire import parse_release, release_bytes
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.ledger.genesis import DAY_MS
from comitia.ledger.policy import fitting_rule
from comitia.ledger.session import Session, releases_of
from comitia.ledger.transactions import (
    ConsentMode,
    PolicyRule,
    RegisterCodebook,
    RegisterProfile,
    SetPolicy,
    Withdraw,
    type_name,
)
from comitia.privacy.book import Ask
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.shares import shared_out
from comitia.privacy.terms import PrivacyTerms, Unit, in_units
from comitia.retrieval.profile import RetrievalRecord, make_profile, require_visible
from comitia.retrieval.self_check import SelfCheck, make_self_check
from comitia.roles.events import Decided
from comitia.roles.messages import Received
from comitia.text.codebook import Codebook
from comitia.text.confusion import leaf_confusion

log = logging.getLogger("comitia.provider")

T = TypeVar("T")

PROFILE_FACT: Final = "profile"
SELF_CHECK_FACT: Final = "self-check"
HELD_FACT: Final = "documents"
RELEASES_KEPT_MS: Final = 30 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Documents of which there are releases: their version, and when others took their place, ms; 0 where none has."""

    version: bytes
    until_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _AllHeld:
    """As kept in the store."""

    held: tuple[_Held, ...] = ()


class Provider:
    """The part of a node that owns documents.

    Parameters
    ----------
    node, library
    holdings_for : what this provider trains on, in a codebook.
    budget : Budget
    unit, records_per_user
        What is protected.
    check_epsilon_micro : int
        What the self-check before a consent may cost, once; 0 for no check.
    noise : Noise
    keep_ms : int
        How long releases of documents that this provider holds no more are kept, in case it holds them again.
    """

    def __init__(
        self,
        node: Node,
        library: Library,
        holdings_for: Callable[[Codebook], Holdings],
        budget: Budget,
        *,
        unit: Unit,
        records_per_user: int,
        noise: Noise,
        check_epsilon_micro: int = 0,
        keep_ms: int = RELEASES_KEPT_MS,
    ) -> None:
        self._node = node
        self._library = library
        self._holdings_for = holdings_for
        self._budget = budget
        self._unit = unit
        self._records_per_user = records_per_user
        self._check_epsilon_micro = check_epsilon_micro
        self._noise = noise
        self._keep_ms = keep_ms
        self._settings = read_settings(node.store)
        self._holdings: dict[bytes, Holdings] = {}
        self._labels: dict[bytes, tuple[str, ...]] = {}
        self._codebook: Codebook | None = None
        self._when_ready: list[Callable[[], None]] = []
        node.on_membership(self._register)

    def when_ready(self, action: Callable[[], None]) -> None:
        """Run `action` once this provider's profile is on the ledger."""
        self._when_ready.append(action)

    # --- registration (III.C steps 1-2) -------------------------------------------------------------

    def _register(self) -> None:
        """Make vectors and profile for the newest codebook, and bring profile and policy to the ledger."""
        codebooks = [entry.digest for entry in self._node.application.codebooks()]
        if codebooks:
            self._take_up(codebooks)
        else:
            log.info("no codebook is on the ledger yet")

    def _take_up(self, codebooks: Sequence[bytes]) -> None:
        """Take up the last of these codebooks, or else the one before: whoever publishes one that is of no use here
        must not end a provider, at this start or the next."""
        *earlier, wanted = codebooks

        def go_on() -> None:
            if self._codebook is None and earlier:
                self._take_up(earlier)

        self._library.codebook(wanted, lambda codebook: self._enter(codebook, go_on, last=not earlier), go_on)

    def _enter(self, codebook: Codebook, otherwise: Callable[[], None], *, last: bool) -> None:
        if codebook.digest in self._holdings:
            return
        try:
            holdings = self._holdings_for(codebook)
        except (InputError, ConfigurationError) as error:
            if self._codebook is None and last:
                raise
            log.warning("this provider stays on the codebook before %s: %s", codebook.digest.hex()[:12], error.message)
            otherwise()
            return
        self._holdings[codebook.digest] = holdings
        self._let_go()
        self._labels[codebook.digest] = codebook.labels
        self._codebook = codebook
        log.info("%d documents are ready for codebook %s", len(holdings.labels), codebook.digest.hex()[:12])
        if holdings.clipped:
            log.warning("%d values lie outside the public range and count as its nearest end", holdings.clipped)
        self._publish_policy()
        self._publish_profile(codebook)

    def _publish_profile(self, codebook: Codebook) -> None:
        """Be found, or not, as the owner has it."""
        published = self._node.application.profile(self._node.node)
        if self._settings.withdrawn:
            if published is not None:
                self._node.post(b"", Withdraw(issued_ms=self._node.now_ms()))
            self._announce()
            return
        try:
            record = self._profile(codebook, self._holdings[codebook.digest])
        except (InputError, RefusedError) as error:
            if published is None:
                raise
            # Found as before by whoever asks on the earlier codebook; `comitia codebook versions` shows who lags.
            log.warning(
                "this provider keeps its earlier profile, codebook %s does not find it: %s",
                codebook.digest.hex()[:12],
                error.message,
            )
            self._announce()
            return
        if published == record:
            self._announce()
        else:
            self._node.post(b"", RegisterProfile(record=record, issued_ms=self._node.now_ms()))

    def _profile(self, codebook: Codebook, holdings: Holdings) -> RetrievalRecord:
        terms = self._pure_terms(self._node.genesis.parameters.profile_epsilon_micro)

        def make() -> Released[RetrievalRecord]:
            node, leaves = self._node.node, len(codebook.leaves)
            confusion = leaf_confusion(codebook)
            return make_profile(node, codebook.digest, leaves, holdings.leaves, terms, self._noise, confusion=confusion)

        if self._kept(PROFILE_FACT, holdings) is None:
            require_visible(len(holdings.leaves), len(codebook.leaves), terms)
        return self._paid_once(PROFILE_FACT, RetrievalRecord, holdings, terms, make)

    def _self_check(self, holdings: Holdings, categories: int) -> SelfCheck:
        terms = self._pure_terms(self._check_epsilon_micro)
        return self._paid_once(
            SELF_CHECK_FACT,
            SelfCheck,
            holdings,
            terms,
            lambda: make_self_check(categories, holdings.labels, len(holdings.leaves), terms, self._noise),
        )

    def _kept(self, name: str, holdings: Holdings) -> bytes | None:
        """What was released before of the same documents under this name."""
        return self._node.store.fact(fact_of(name, holdings.version))

    def _paid_once(
        self, name: str, kind: type[T], holdings: Holdings, terms: PrivacyTerms, make: Callable[[], Released[T]]
    ) -> T:
        """What was made before from the same documents, noise and all, or else a new one, paid from the budget.

        Each attempt is a reservation of its own: one that a crash cut off stays spent and does not bar the next.
        """
        kept = self._kept(name, holdings)
        if kept is not None:
            return decode(kind, kept)
        now = self._node.now_ms()
        reservation = digest(encode([name, holdings.version, now]))
        self._budget.reserve(
            self._settings.limits_of_being_found(self._unit, name, terms.epsilon_micro),
            self._ask(reservation, SessionId(b""), "", name, terms, now),
        )
        released = make()
        self._budget.spend(reservation, released.receipt)
        self._node.store.note(fact_of(name, holdings.version), encode(released.value))
        return released.value

    def _pure_terms(self, epsilon_micro: int) -> PrivacyTerms:
        return PrivacyTerms(
            epsilon_micro=epsilon_micro,
            delta_pico=0,
            unit=self._unit,
            records_per_user=self._records_per_user,
        )

    def _publish_policy(self) -> None:
        known = self._node.application.policy(self._node.node)
        if known is None or known.version < self._settings.policy.version:
            self._node.post(b"", SetPolicy(policy=self._settings.policy))

    def _announce(self) -> None:
        waiting, self._when_ready = self._when_ready, []
        for action in waiting:
            action()

    def _let_go(self) -> None:
        """Delete releases that answer nothing any more: of documents that others have taken the place of long ago.

        Whoever holds documents again after that pays for a release of them again.
        """
        store, now = self._node.store, self._node.now_ms()
        kept = store.fact(HELD_FACT)
        before = () if kept is None else decode(_AllHeld, kept).held
        current = {holdings.version for holdings in self._holdings.values()}
        past = [
            each if each.until_ms else replace(each, until_ms=now) for each in before if each.version not in current
        ]
        for each in past:
            if now - each.until_ms > self._keep_ms:
                store.drop_releases(each.version)
                for name in (PROFILE_FACT, SELF_CHECK_FACT):
                    store.erase(fact_of(name, each.version))
        left = [each for each in past if now - each.until_ms <= self._keep_ms]
        held = (*left, *(_Held(version=version) for version in sorted(current)))
        if held != before:
            store.note(HELD_FACT, encode(_AllHeld(held=held)))

    # --- what comes in ------------------------------------------------------------------------------

    def on_block(self, block: Block, applied: Applied) -> None:
        for result in applied.results:
            if result.type == type_name(RegisterProfile) and result.author == self._node.node:
                self._announce()
            elif result.type == type_name(RegisterCodebook) and not result.code:
                self._register()

    def on_store_changed(self) -> None:
        """The owner may have changed the policy."""
        settings = read_settings(self._node.store)
        if settings != self._settings:
            self._settings = settings
            self._publish_policy()
            if self._codebook is not None:
                self._publish_profile(self._codebook)

    def on_message(self, received: Received) -> None:
        """Nobody writes to an owner."""

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        """What is on the ledger already was posted again after a lost connection; the daemon logs the rest."""

    def on_wake(self, session: SessionId) -> None:
        """An owner has no timers."""

    def on_heartbeat(self) -> None:
        """An owner waits for nothing but blocks."""

    # --- a session: consent, training, the debit --------------------------------------------------------

    def decide(self, session: Session) -> Decided | None:
        """Answer by policy, or by the owner where the policy says so; reserve the budget for a yes.

        Default deny: where no rule fits, the answer is no.
        """
        rule = self._rule_for(session)
        if rule is None:
            return Decided(answer=False, reason="the policy does not allow this requester and purpose")
        if rule.consent is ConsentMode.MANUAL:
            answer = self._owners_answer(session)
            if answer is None:
                return None
            if not answer:
                return Decided(answer=False, reason="the owner said no")
        try:
            self._check_feasible(session)
            if self._reusable(session) is not None:
                return Decided(answer=True, reason="")
            self._confirm(session)
            limits = self._settings.limits(self._unit, self._asking(session), rule)
            self._budget.reserve(limits, self._by_both_clocks(self._session_ask(session)))
        except StorageError as error:
            log.error("session %s: %s", session.id.hex()[:12], error.message)
            return Decided(answer=False, reason="the provider's budget cannot be read or written")
        except ComitiaError as error:
            return Decided(answer=False, reason=error.message)
        return Decided(answer=True, reason="")

    def train(
        self, session: Session, codebook: Codebook, using: Learner, given: GlobalModel | None = None
    ) -> tuple[bytes, int, int]:
        """Release bytes, rows, and epsilon paid; a release made before for the same question is free.

        With rounds the first release pays for all, before it leaves; each of them takes an equal share.
        """
        before = self._reusable(session)
        if before is not None:
            release = parse_release(before, learner=using, codebook=codebook)
            self._budget.reuse(self._session_ask(session), release.receipt.digest)
            return before, release.value.rows, 0
        holdings = self._holdings[session.task.codebook]
        terms = shared_out(self._terms(session), releases_of(session))
        released = using.train(codebook, holdings.vectors, holdings.labels, terms, self._noise, given)
        if any(self._node.node in each.commits for each in session.earlier):
            return release_bytes(released), released.value.rows, 0
        self._budget.spend(session.id, released.receipt)
        data = release_bytes(released)
        self._node.store.keep_release(self._release_key(session), holdings.version, data)
        return data, released.value.rows, session.task.epsilon_micro

    def settle(self, session: SessionId, released: bool) -> None:
        """Give back what was reserved for a session in which nothing was released."""
        if released:
            return
        try:
            self._budget.give_back(session)
        except RefusedError as error:
            log.info("session %s: %s", session.hex()[:12], error.message)

    def _rule_for(self, session: Session) -> PolicyRule | None:
        requester = self._node.application.member(session.requester)
        if requester is None:
            return None
        return fitting_rule(
            self._settings.policy,
            requester=session.requester,
            organisation=requester.organisation,
            task=session.task,
        )

    def _owners_answer(self, session: Session) -> bool | None:
        store = self._node.store
        for question in store.questions():
            if question.session == session.id:
                return question.answer
        task, requester = session.task, self._node.application.member(session.requester)
        who = f"{requester.name!r} of {requester.organisation!r} " if requester else ""
        wanted = ", ".join([*task.categories, *(f"leaf {leaf}" for leaf in task.leaves)]) or "all categories"
        store.ask_owner(
            session.id,
            f"{who}({session.requester}) asks for {wanted} at epsilon {in_units(task.epsilon_micro)}, "
            f"for {task.purpose!r}",
        )
        return None

    def _check_feasible(self, session: Session) -> None:
        """Refuse what could not be trained, before any budget is reserved for it."""
        task = session.task
        if task.codebook not in self._holdings:
            raise RefusedError("this provider has no vectors for that codebook", code="other-codebook")
        if self._holdings[task.codebook].kind != task.kind:
            raise RefusedError(f"the codebook is not one for {task.kind}", code="wrong-kind")
        if task.unit == Unit.USER and self._unit is not Unit.USER:
            raise RefusedError("this provider protects records, not users", code="wrong-unit")
        if self._codebook is not None and self._codebook.digest == task.codebook:
            each = shared_out(self._terms(session), releases_of(session))
            require_noise(learner(task.learner), self._codebook, each)

    def _confirm(self, session: Session) -> None:
        """Look, through noise, whether this provider holds a fair share of what is asked for.

        Leaves without a category have no labels to count, so a request for one is not checked.
        """
        task = session.task
        if not self._check_epsilon_micro or not task.categories or task.leaves:
            return
        labels = self._labels[task.codebook]
        check = self._self_check(self._holdings[task.codebook], len(labels))
        if not check.confirms([number for number, label in enumerate(labels) if label in task.categories]):
            raise RefusedError("this provider found little of what is asked for", code="not-held")

    def _terms(self, session: Session) -> PrivacyTerms:
        return PrivacyTerms(
            epsilon_micro=session.task.epsilon_micro,
            delta_pico=session.task.delta_pico,
            unit=self._unit,
            records_per_user=self._records_per_user,
        )

    def _session_ask(self, session: Session) -> Ask:
        category = ",".join(session.task.categories)
        return self._ask(
            session.id, session.id, self._asking(session), category, self._terms(session), session.opened_ms
        )

    def _asking(self, session: Session) -> str:
        """Whose caps a request counts under: its organisation's, however many nodes it asks from."""
        return self._node.application.require_member(session.requester).organisation

    def _by_both_clocks(self, ask: Ask) -> Ask:
        """The ask judged by the ledger's clock, which a super node sets, and by the own one: whichever counts more."""
        clocks = (ask.at_ms, self._node.now_ms())
        return replace(ask, at_ms=max(clocks), earliest_ms=min(clocks))

    def _ask(
        self,
        reservation: bytes,
        session: SessionId,
        requester: str,
        category: str,
        terms: PrivacyTerms,
        at_ms: int,
    ) -> Ask:
        return Ask(
            reservation=reservation,
            session=session,
            requester=requester,
            category=category,
            epsilon_micro=terms.epsilon_micro,
            delta_pico=terms.delta_pico,
            unit=self._unit,
            at_ms=at_ms,
        )

    def _reusable(self, session: Session) -> bytes | None:
        """A release of the same documents for the same question, where the requester takes one.

        A release of one of several rounds answers no other question: the model that it went on from was another.
        """
        if not session.task.reuse or session.task.rounds > 1 or session.task.codebook not in self._holdings:
            return None
        return self._node.store.release(self._release_key(session))

    def _release_key(self, session: Session) -> bytes:
        task = session.task
        version = self._holdings[task.codebook].version
        released_as = learner(task.learner).release_name
        return digest(encode([version, released_as, task.kind, task.epsilon_micro, task.delta_pico]))


def fact_of(name: str, version: bytes) -> str:
    """Under which name a node's store keeps a release of documents of this version."""
    return f"{name}/{version.hex()}"
