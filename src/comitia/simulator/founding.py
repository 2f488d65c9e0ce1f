"""The consortium that every simulated world begins with: made once for each size, then only copied.

Codebook, vectors and noise are made of integers, so that the same seed gives the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from comitia.core.codec import digest, encode
from comitia.core.crypto import SealingKey, SigningKey
from comitia.core.ids import NodeId, node_id
from comitia.driver.holdings import Holdings
from comitia.driver.keeper import SHELF_FACT, KeptSets, Place, reference_fact
from comitia.driver.owner_settings import FACT as SETTINGS_FACT
from comitia.driver.owner_settings import OwnerSettings
from comitia.driver.provider import PROFILE_FACT, fact_of
from comitia.learning.kept_back import KeptBack, kept_back_bytes
from comitia.learning.local_model import LocalModel
from comitia.ledger import merkle
from comitia.ledger.application import Application, Applied
from comitia.ledger.block import Block, BlockHeader
from comitia.ledger.genesis import Credential, Genesis, Membership, Parameters, Role, SuperNodeEntry, sign_as_admin
from comitia.ledger.session import references_commitment
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
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.retrieval.profile import RetrievalRecord
from comitia.roles.messages import References
from comitia.simulator.learning import POOL, ReadyPrototype, SimulatedNoise
from comitia.text.basis import BASIS_BITS
from comitia.text.categories import Category
from comitia.text.codebook import MEAN_BITS, VARIANCE_BITS, Codebook
from comitia.text.leaf import Leaf
from comitia.text.vectors import WEIGHT_BITS, VectorKind

START_MS = 1_700_000_000_000
EPOCH_MS = 20_000
LABELS = ("brake", "pump", "cable")
DOCUMENTS = 600
FEW_DOCUMENTS = 60
"""What every third provider has: too little for the signal to tell."""
SETS = 2
"""Sets of references that each witness keeps back: some sessions have them, later ones do not."""

LIBERAL = PolicyRule(
    requesters=("*",),
    categories=("*",),
    purposes=("*",),
    epsilon_session_micro=2_000_000,
    epsilon_period_micro=8_000_000,
    period_ms=60_000,
    epsilon_life_micro=8_000_000,
)

OWNER = OwnerSettings(policy=Policy(version=1, rules=(LIBERAL,)), total_epsilon_micro=1_900_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedKeys:
    """A node's secrets, made from its name."""

    signing: SigningKey
    sealing: SealingKey
    node: NodeId

    @classmethod
    def of(cls, name: str) -> SimulatedKeys:
        signing = SigningKey.from_bytes(digest(f"signing {name}".encode()))
        sealing = SealingKey.from_bytes(digest(f"sealing {name}".encode()))
        return cls(signing=signing, sealing=sealing, node=node_id(signing.public))


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One node of the consortium.

    name, keys, membership : who it is.
    roles : what it does.
    """

    name: str
    keys: SimulatedKeys
    membership: Membership
    roles: tuple[Role, ...]

    @property
    def node(self) -> NodeId:
        return self.keys.node


@dataclass(frozen=True, kw_only=True)
class Founding:
    """A consortium after its first block, in which everybody has joined.

    parties : super nodes first, then witnesses, providers, the requesters last.
    codebook, codebook_bytes : public.
    application : the state after `block`; to be forked.
    block, applied : everybody's registration.
    holdings : what every provider trains on; all have the same documents in other proportions.
    releases : ready-made releases of each provider.
    facts : what each node's store holds: providers' settings and profiles, witnesses' references.
    references : what witnesses keep back, by commitment.
    """

    genesis: Genesis
    parties: tuple[Party, ...]
    codebook: Codebook
    codebook_bytes: bytes
    application: Application
    block: Block
    applied: Applied
    holdings: dict[NodeId, Holdings]
    releases: dict[NodeId, tuple[Released[LocalModel], ...]]
    facts: dict[NodeId, dict[str, bytes]]
    references: dict[bytes, References]

    def party(self, name: str) -> Party:
        return next(party for party in self.parties if party.name == name)


@cache
def found(providers: int, witnesses: int, super_nodes: int) -> Founding:
    """The consortium of that size, the same every time."""
    names = [(f"super-{i + 1}", (Role.SUPER_NODE, Role.WITNESS)[: 1 + (i < witnesses)]) for i in range(super_nodes)]
    names += [(f"witness-{i + 1}", (Role.WITNESS,)) for i in range(super_nodes, witnesses)]
    names += [(f"provider-{i + 1}", (Role.PROVIDER,)) for i in range(providers)]
    names += [(f"requester-{i + 1}", (Role.REQUESTER,)) for i in range(2)]
    admin = SigningKey.from_bytes(digest(b"administrator"))
    genesis = _genesis(admin, super_nodes)
    parties = tuple(_party(name, roles, admin, genesis) for name, roles in names)
    codebook = make_codebook()
    holdings = {party.node: _holdings(party, codebook) for party in parties if Role.PROVIDER in party.roles}
    facts = {node: _facts(node, codebook, held) for node, held in holdings.items()}
    references: dict[bytes, References] = {}
    for party in parties:
        if Role.WITNESS in party.roles:
            sets = _kept_back(party, codebook, genesis)
            facts[party.node] = _shelf_facts(codebook, sets)
            references |= sets
    application = Application(genesis)
    transactions = tuple(_registrations(genesis, parties, codebook))
    applied = application.apply(transactions, time_ms=START_MS, height=1, previous=genesis.digest)
    assert not any(result.code for result in applied.results), applied.results
    return Founding(
        genesis=genesis,
        parties=parties,
        codebook=codebook,
        codebook_bytes=codebook.to_bytes(),
        application=application,
        block=_first_block(genesis, parties[0].keys, transactions, applied),
        applied=applied,
        holdings=holdings,
        releases={node: _releases(node, held, codebook) for node, held in holdings.items()},
        facts=facts,
        references=references,
    )


def _genesis(admin: SigningKey, super_nodes: int) -> Genesis:
    entries = []
    for number in range(super_nodes):
        keys = SimulatedKeys.of(f"super-{number + 1}")
        entry = SuperNodeEntry(
            organisation=f"org-super-{number + 1}",
            name=f"super-{number + 1}",
            signing_key=keys.signing.public,
            sealing_key=keys.sealing.public,
            endpoint="tls/127.0.0.1:1",
        )
        entries.append(entry)
    return Genesis(
        chain_name="simulated",
        created_ms=START_MS,
        admins=(admin.public,),
        threshold=1,
        super_nodes=tuple(entries),
        parameters=Parameters(epoch_ms=EPOCH_MS, request_window_ms=5_000),
    )


def _party(name: str, roles: tuple[Role, ...], admin: SigningKey, genesis: Genesis) -> Party:
    keys = SimulatedKeys.of(name)
    credential = Credential(
        chain=genesis.chain,
        organisation=f"org-{name}",
        name=name,
        roles=tuple(role.value for role in roles),
        signing_key=keys.signing.public,
        sealing_key=keys.sealing.public,
        issued_ms=START_MS,
    )
    membership = Membership(credential=credential, signatures=(sign_as_admin(admin, credential.digest),))
    return Party(name=name, keys=keys, membership=membership, roles=roles)


def make_codebook() -> Codebook:
    """Three categories, each along an axis of its own."""
    rank = len(LABELS)
    axes = np.eye(rank, dtype=np.int64)
    grid = 1 << 6
    return Codebook(
        categories=tuple(Category(label=label, name=label) for label in LABELS),
        vocabulary=tuple(sorted(LABELS)),
        weights=np.full(rank, 1 << WEIGHT_BITS),
        kind=VectorKind.LSA,
        basis=(axes * ((1 << BASIS_BITS) - 8)).astype(np.int16),
        grid_bits=6,
        pool_mean=np.full(rank, (1 << MEAN_BITS) // 3),
        pool_variance=np.full(rank, max(1, (1 << VARIANCE_BITS) // 4)),
        pool_sample=(axes * grid).astype(np.int32),
        references=(axes * grid).astype(np.int32),
        reference_labels=np.arange(rank),
        name_vectors=(axes * grid).astype(np.int32),
        leaves=tuple(Leaf(code=code, label=label) for code, label in zip(("0", "10", "11"), LABELS, strict=True)),
        leaf_prototypes=(axes * ((1 << BASIS_BITS) - 8)).astype(np.int16),
        pool_documents=rank,
    )


def _holdings(party: Party, codebook: Codebook) -> Holdings:
    documents = FEW_DOCUMENTS if party.name.endswith(("3", "6", "9")) else DOCUMENTS
    labels = np.array([i % len(LABELS) for i in range(documents)], dtype=np.int64)
    vectors = (np.eye(len(LABELS), dtype=np.int32) * (1 << codebook.grid_bits))[labels]
    return Holdings(
        vectors=vectors,
        labels=labels,
        leaves=labels,
        version=digest(party.name.encode()),
        unit=Unit.RECORD,
        records_per_user=1,
    )


def _facts(node: NodeId, codebook: Codebook, held: Holdings) -> dict[str, bytes]:
    record = RetrievalRecord(
        provider=node, codebook=codebook.digest, epsilon_micro=1_000_000, histogram=(DOCUMENTS // 3,) * len(LABELS)
    )
    return {fact_of(PROFILE_FACT, held.version): encode(record), SETTINGS_FACT: encode(OWNER)}


def _kept_back(party: Party, codebook: Codebook, genesis: Genesis) -> dict[bytes, References]:
    """Documents as the providers' are, by the commitments to each set of them."""
    labels = np.repeat(np.arange(len(LABELS)), 3)
    vectors = (np.eye(len(LABELS), dtype=np.int32) * (1 << codebook.grid_bits))[labels]
    data = kept_back_bytes(codebook, KeptBack(vectors=vectors, labels=labels))
    sets = {}
    for number in range(SETS):
        nonce = digest(f"{party.name} {number}".encode())
        commitment = references_commitment(genesis.chain, party.node, nonce, data)
        sets[commitment] = References(keeper=party.node, nonce=nonce, documents=data)
    return sets


def _shelf_facts(codebook: Codebook, sets: dict[bytes, References]) -> dict[str, bytes]:
    """A witness binds itself to these when it first runs."""
    places = tuple(Place(codebook=codebook.digest, commitment=commitment) for commitment in sets)
    kept = {reference_fact(commitment): encode(opened) for commitment, opened in sets.items()}
    return {SHELF_FACT: encode(KeptSets(places=places)), **kept}


def _registrations(genesis: Genesis, parties: Sequence[Party], codebook: Codebook) -> list[bytes]:
    signed = []

    def say(party: Party, body: Transaction) -> None:
        envelope = sign_transaction(body, chain=genesis.chain, epoch=0, sender=party.node, key=party.keys.signing)
        signed.append(envelope.to_bytes())

    for party in parties:
        say(party, RegisterMember(membership=party.membership))
    book = RegisterCodebook(
        digest=codebook.digest, size=len(codebook.to_bytes()), references=len(codebook.references), leaf_labels=LABELS
    )
    say(parties[0], book)
    for party in parties:
        if Role.PROVIDER in party.roles:
            record = RetrievalRecord(
                provider=party.node,
                codebook=codebook.digest,
                epsilon_micro=1_000_000,
                histogram=(DOCUMENTS // 3,) * len(LABELS),
            )
            say(party, RegisterProfile(record=record))
            say(party, SetPolicy(policy=OWNER.policy))
    return signed


def _first_block(genesis: Genesis, keys: SimulatedKeys, transactions: tuple[bytes, ...], applied: Applied) -> Block:
    header = BlockHeader(
        chain=genesis.chain,
        height=1,
        time_ms=START_MS,
        previous=genesis.digest,
        transactions_root=merkle.root(transactions),
        state_root=applied.state_root,
        proposer=keys.node,
        epoch=0,
    )
    return Block.sign(header, transactions, keys.signing)


def _releases(node: NodeId, held: Holdings, codebook: Codebook) -> tuple[Released[LocalModel], ...]:
    terms = PrivacyTerms(epsilon_micro=1_000_000, delta_pico=10_000_000)
    ready = ReadyPrototype(node)
    return tuple(ready.train(codebook, held.vectors, held.labels, terms, SimulatedNoise(b"")) for _ in range(POOL))
