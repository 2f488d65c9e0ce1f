"""A ledger as it stands after years: many providers, many transactions, all of them valid and signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from comitia.core.codec import digest
from comitia.core.crypto import SigningKey
from comitia.core.ids import NodeId, TransactionId, node_id
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.genesis import Credential, Genesis, Membership, Role, sign_as_admin
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
from comitia.privacy.terms import MICRO
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
        self._admin, self._super = admin, super_node
        self._super_membership = super_membership
        self._until_ms = until_ms
        self._now_ms = until_ms - EPOCHS * genesis.parameters.epoch_ms
        self._pending = 0

    def fill(
        self, codebook: Codebook, *, providers: int, transactions: int, say: Callable[[int], None] = lambda _: None
    ) -> None:
        """Register a codebook and the providers, then let them change their policies until there are enough."""
        node = node_id(self._super.public)
        self._put(node, self._super, RegisterMember(membership=self._super_membership))
        labels = tuple(leaf.label for leaf in codebook.leaves)
        size, references = len(codebook.to_bytes()), len(codebook.references)
        book = RegisterCodebook(digest=codebook.digest, size=size, references=references, leaf_labels=labels)
        self._put(node, self._super, book)
        keys = [SigningKey.from_bytes(digest(b"made up %d" % number)) for number in range(providers)]
        nodes = [node_id(key.public) for key in keys]
        for number, (name, key) in enumerate(zip(nodes, keys, strict=True)):
            self._join(number, name, key, codebook)
        self._block()
        done, blocks = 2 + 2 * providers, -(-transactions // A_BLOCK)
        step_ms = (self._until_ms - self._now_ms) // max(1, blocks)
        policy = Policy(version=1, rules=(_ELSEWHERE,))
        while done < transactions:
            chosen = done % providers
            body = SetPolicy(policy=replace(policy, version=done))
            self._put(nodes[chosen], keys[chosen], body)
            done += 1
            if self._pending == A_BLOCK:
                self._block()
                self._now_ms += step_ms
                say(done)
        self._block()

    def _join(self, number: int, node: NodeId, key: SigningKey, codebook: Codebook) -> None:
        credential = Credential(
            chain=self._genesis.chain,
            organisation=f"made up {number}",
            name=f"made up {number}",
            roles=(Role.PROVIDER.value,),
            signing_key=key.public,
            sealing_key=digest(key.public),
            issued_ms=self._now_ms,
        )
        membership = Membership(credential=credential, signatures=(sign_as_admin(self._admin, credential.digest),))
        self._put(node, key, RegisterMember(membership=membership))
        counts = tuple(50 if leaf == number % len(codebook.leaves) else 0 for leaf in range(len(codebook.leaves)))
        record = RetrievalRecord(provider=node, codebook=codebook.digest, epsilon_micro=MICRO, histogram=counts)
        self._put(node, key, RegisterProfile(record=record))

    def _put(self, node: NodeId, key: SigningKey, body: Transaction) -> None:
        epoch = self._genesis.epoch_at(self._now_ms)
        envelope = sign_transaction(body, chain=self._genesis.chain, epoch=epoch, sender=node, key=key)
        self._engine.submit_own(TransactionId(envelope.digest), envelope.to_bytes())
        self._pending += 1

    def _block(self) -> None:
        self._engine.produce(self._now_ms)
        refused = [result for result in self._engine.last_applied.results if result.code]
        assert not refused, refused[0]
        self._pending = 0
