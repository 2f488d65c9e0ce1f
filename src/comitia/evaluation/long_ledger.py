"""A ledger as it stands after years: many providers, many transactions, all of them valid and signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from comitia.core.codec import digest
from comitia.core.crypto import SigningKey
from comitia.core.ids import NodeId, TransactionId, node_id
from comitia.core.units import MICRO
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.application import Application
from comitia.ledger.genesis import Credential, Genesis, Membership, Role, sign_as_admin
from comitia.ledger.session import Session
from comitia.ledger.transactions import (
    Policy,
    PolicyRule,
    RegisterCodebook,
    RegisterMember,
    RegisterProfile,
    SetPolicy,
    Transaction,
    sign_transaction,
)
from comitia.retrieval.profile import RetrievalRecord
from comitia.text.codebook import Codebook

A_BLOCK: Final = 2_000
EPOCHS: Final = 60
"""The transactions are spread over so many epochs before `until_ms`."""

_ELSEWHERE: Final = PolicyRule(
    requesters=("*",), categories=("*",), purposes=("another purpose",), epsilon_session_micro=MICRO,
    epsilon_period_micro=MICRO, period_ms=1, epsilon_life_micro=MICRO,
)  # fmt: skip
"""What the made-up providers allow: they are found and ranked for every request, and never asked."""


class LongLedger:
    """Fills a super node's ledger.

    Parameters
    ----------
    engine : EmbeddedEngine
        With a signer; new.
    genesis : Genesis
        Created so long before `until_ms` that `EPOCHS` fit in between.
    admin, super_node : SigningKey
        The administrator's key, and the super node's.
    super_membership : Membership
        The super node's, as approved.
    until_ms : int
        Time of the last block.

    Attributes
    ----------
    now_ms : time of the next block.
    """

    def __init__(
        self,
        engine: EmbeddedEngine,
        genesis: Genesis,
        *,
        admin: SigningKey,
        super_node: SigningKey,
        super_membership: Membership,
        until_ms: int,
    ) -> None:
        self._engine, self._genesis = engine, genesis
        self._admin, self.super_node = admin, super_node
        self._super_membership = super_membership
        self._until_ms = until_ms
        self.now_ms = until_ms - EPOCHS * genesis.parameters.epoch_ms
        self._pending = 0

    def fill(
        self, codebook: Codebook, *, providers: int, transactions: int, say: Callable[[int], None] = lambda _: None
    ) -> None:
        """Register a codebook and the providers, then let them change their policies until there are enough."""
        self.put(self.super_node, RegisterMember(membership=self._super_membership))
        labels = tuple(leaf.label for leaf in codebook.leaves)
        size, references = len(codebook.to_bytes()), len(codebook.references)
        book = RegisterCodebook(digest=codebook.digest, size=size, references=references, leaf_labels=labels)
        self.put(self.super_node, book)
        keys = [SigningKey.from_bytes(digest(b"made up %d" % number)) for number in range(providers)]
        for number, key in enumerate(keys):
            counts = tuple(50 if leaf == number % len(codebook.leaves) else 0 for leaf in range(len(codebook.leaves)))
            self.join(f"made up {number}", key, codebook, counts)
        self.end_block()
        done, blocks = 2 + 2 * providers, -(-transactions // A_BLOCK)
        step_ms = (self._until_ms - self.now_ms) // max(1, blocks)
        policy = Policy(version=1, rules=(_ELSEWHERE,))
        while done < transactions:
            self.put(keys[done % providers], SetPolicy(policy=replace(policy, version=done)))
            done += 1
            if self._pending == A_BLOCK:
                self.end_block()
                self.now_ms += step_ms
                say(done)
        self.end_block()

    @property
    def application(self) -> Application:
        """The ledger's state; to be read only."""
        return self._engine.application

    @staticmethod
    def name_of(key: SigningKey) -> NodeId:
        return node_id(key.public)

    def admit(self, name: str, key: SigningKey, role: Role) -> None:
        """Let somebody be a member, for an organisation of its own."""
        credential = Credential(
            chain=self._genesis.chain,
            organisation=name,
            name=name,
            roles=(role.value,),
            signing_key=key.public,
            sealing_key=digest(key.public),
            issued_ms=self.now_ms,
        )
        membership = Membership(credential=credential, signatures=(sign_as_admin(self._admin, credential.digest),))
        self.put(key, RegisterMember(membership=membership))

    def join(self, name: str, key: SigningKey, codebook: Codebook, counts: tuple[int, ...]) -> None:
        """Admit a provider with so many documents in each leaf."""
        self.admit(name, key, Role.PROVIDER)
        record = RetrievalRecord(
            provider=self.name_of(key), codebook=codebook.digest, epsilon_micro=MICRO, histogram=counts
        )
        self.put(key, RegisterProfile(record=record))

    def put(self, key: SigningKey, body: Transaction, session: Session | None = None) -> TransactionId:
        """Sign a transaction for the next block."""
        epoch = self._genesis.epoch_at(self.now_ms) if session is None else session.epoch
        about = b"" if session is None else session.id
        envelope = sign_transaction(
            body, chain=self._genesis.chain, epoch=epoch, sender=self.name_of(key), key=key, session=about
        )
        transaction = TransactionId(envelope.digest)
        self._engine.submit_own(transaction, envelope.to_bytes())
        self._pending += 1
        return transaction

    def end_block(self) -> None:
        """Make a block of all that was put; each transaction must be taken."""
        while self._engine.waiting:
            self._engine.produce(self.now_ms)
            refused = [result for result in self._engine.last_applied.results if result.code]
            assert not refused, refused[0]
        self._pending = 0
