"""What a consortium agrees on before its first block, and how its administrators admit a member.

The genesis is the root of every later trust decision: who may admit members, which super nodes order the ledger, and
the rules all nodes follow. Its digest names the chain, so that no signature of one consortium is valid in another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from comitia.consensus.committee import QuorumRule as QuorumRule
from comitia.core.codec import digest, encode
from comitia.core.crypto import SigningKey, verify
from comitia.core.errors import ConfigurationError
from comitia.core.ids import NodeId, node_id

GENESIS_DOMAIN = b"comitia genesis\x00"
CREDENTIAL_DOMAIN = b"comitia credential\x00"
REVOCATION_DOMAIN = b"comitia revocation\x00"
CODEBOOK_DOMAIN = b"comitia codebook\x00"

DAY_MS = 86_400_000
MAX_NAME_LENGTH = 64


class Role(StrEnum):
    """What an admitted node may do."""

    PROVIDER = "provider"
    REQUESTER = "requester"
    SUPER_NODE = "super-node"
    WITNESS = "witness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Rules that every node of the consortium applies alike.

    Attributes
    ----------
    quorum_rule : "bft" (2f+1 of 3f+1) or "unanimous" (III.D.2 as printed).
    kappa : exponent of the contribution in the generalised Eq. (7): +1, 0 or -1; a task must ask for the same.
    epoch_ms : length of an epoch; rotation and revocation take effect at the next one.
    profile_epsilon_micro : epsilon of the retrieval profile, millionths.
    min_registered_ms : how long a profile must have been on the ledger before its owner can be drawn.
    request_window_ms : largest distance between a request's time stamp and the time of its block.
    cache_ms : how long a sealed model may be served again.
    stage_ms_max : longest stage a request may ask for.
    committee_max : most providers in one committee.
    strikes_limit : strikes within one epoch after which a node is no longer drawn (0: never).
    """

    quorum_rule: QuorumRule = QuorumRule.BFT
    kappa: int = 1
    epoch_ms: int = DAY_MS
    profile_epsilon_micro: int = 1_000_000
    min_registered_ms: int = 0
    request_window_ms: int = 120_000
    cache_ms: int = DAY_MS
    stage_ms_max: int = DAY_MS
    committee_max: int = 64
    strikes_limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperNodeEntry:
    """A super node named in the genesis.

    Attributes
    ----------
    organisation, name : who runs it; an organisation has one vote in a committee.
    signing_key : Ed25519 public key, 32 bytes.
    sealing_key : X25519 public key, 32 bytes.
    endpoint : where it listens, for example ``tls/10.0.0.1:7447``.
    """

    organisation: str
    name: str
    signing_key: bytes
    sealing_key: bytes
    endpoint: str

    @property
    def node(self) -> NodeId:
        return node_id(self.signing_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSignature:
    """One administrator's signature: its Ed25519 public key (32 bytes) and the signature (64 bytes)."""

    admin: bytes
    signature: bytes


@dataclass(frozen=True, kw_only=True)
class Genesis:
    """The agreed start of one consortium's ledger.

    Attributes
    ----------
    chain_name : for people; the chain's identity is the digest.
    created_ms : start of epoch 0, milliseconds since 1970 UTC.
    admins : Ed25519 public keys of the administrators.
    threshold : how many of them must sign to admit or revoke a member.
    super_nodes : the nodes that keep the ledger from its first block.
    certificate_authority : DER X.509 certificate of the consortium's TLS authority.
    parameters : rules, see `Parameters`.
    codebook : digest of the first codebook (32 bytes), or empty.
    """

    chain_name: str
    created_ms: int
    admins: tuple[bytes, ...]
    threshold: int
    super_nodes: tuple[SuperNodeEntry, ...]
    certificate_authority: bytes = b""
    parameters: Parameters = field(default_factory=Parameters)
    codebook: bytes = b""

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that name this consortium; what the administrators sign."""
        return digest(GENESIS_DOMAIN + encode(self))

    @property
    def chain(self) -> str:
        """16 hex characters of the digest, in every envelope's header."""
        return self.digest.hex()[:16]

    def epoch_at(self, time_ms: int) -> int:
        """Number of the epoch that holds `time_ms`; 0 before the genesis."""
        return max(0, time_ms - self.created_ms) // self.parameters.epoch_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedGenesis:
    """A genesis with its administrators' signatures over `Genesis.digest`."""

    genesis: Genesis
    signatures: tuple[AdminSignature, ...]

    def verify(self) -> None:
        """Raise `ConfigurationError` unless at least `threshold` administrators have signed."""
        require_admins(self.genesis, self.genesis.digest, self.signatures, what="the genesis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What administrators vouch for when they admit a node.

    Attributes
    ----------
    chain : the consortium, 16 hex characters.
    organisation, name : who runs the node, and which of their nodes it is.
    roles : what it may do, values of `Role`.
    signing_key, sealing_key : the node's first public keys (Ed25519, X25519), 32 bytes each.
    issued_ms : when it was issued.
    """

    chain: str
    organisation: str
    name: str
    roles: tuple[str, ...]
    signing_key: bytes
    sealing_key: bytes
    issued_ms: int

    @property
    def digest(self) -> bytes:
        """32 bytes that the administrators sign."""
        return digest(CREDENTIAL_DOMAIN + encode(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A credential with the administrators' signatures over its digest."""

    credential: Credential
    signatures: tuple[AdminSignature, ...]

    @property
    def node(self) -> NodeId:
        """The node's lasting identity: it stays when keys rotate."""
        return node_id(self.credential.signing_key)

    def verify(self, genesis: Genesis) -> None:
        """Raise `ConfigurationError` unless this membership is of this consortium and signed by enough admins."""
        if self.credential.chain != genesis.chain:
            raise ConfigurationError(
                f"membership of {self.credential.name!r} belongs to chain {self.credential.chain}, "
                f"not to {genesis.chain}",
                code="foreign-membership",
                hint="ask an administrator of this consortium to approve the join request",
            )
        what = f"the membership of {self.credential.name!r}"
        require_admins(genesis, self.credential.digest, self.signatures, what=what)


def sign_as_admin(key: SigningKey, message_digest: bytes) -> AdminSignature:
    """Sign a genesis', credential's or revocation's digest."""
    return AdminSignature(admin=key.public, signature=key.sign(message_digest))


def revocation_digest(chain: str, node: NodeId, reason: str) -> bytes:
    """32 bytes that administrators sign to revoke `node`."""
    return digest(REVOCATION_DOMAIN + encode([chain, node, reason]))


def codebook_digest(chain: str, codebook: bytes) -> bytes:
    """32 bytes that administrators sign to make the codebook of this digest known.

    Never the digest itself: it could be that of somebody's credential.
    """
    return digest(CODEBOOK_DOMAIN + encode([chain, codebook]))


def require_admins(
    genesis: Genesis, message_digest: bytes, signatures: Collection[AdminSignature], *, what: str
) -> None:
    """Raise `ConfigurationError` unless `threshold` distinct administrators have signed `message_digest`."""
    named = {entry.admin: entry.signature for entry in signatures}
    known = [admin for admin in genesis.admins if admin in named]
    # Counted before verified: an outsider cannot make anyone check a thousand signatures.
    signed = sum(1 for admin in known if verify(admin, message_digest, named[admin]))
    if signed < genesis.threshold:
        raise ConfigurationError(
            f"{what} carries {signed} valid administrator signature(s), {genesis.threshold} needed",
            code="too-few-admin-signatures",
            hint="collect more approvals",
            signed=signed,
            needed=genesis.threshold,
        )
