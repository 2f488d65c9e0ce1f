"""Where a node and a consortium keep their files. One place knows every path.

CONSORTIUM/                 made by `comitia init`
  genesis.toml              rules, roots and super nodes, signed by the administrators
  admin/                    admin.key, authority.key, authority.pem: who admits members
  super-node/               the first super node's folder

NODE/                       made by `comitia join` (and by `init` for the super node)
  node.toml                 name, organisation, roles
  keys/                     signing.key, sealing.key, tls.key: never leave this folder
  join-request.comitia      what an administrator approves
  membership.comitia        the approval: genesis, membership, TLS certificate
  ledger.db node.db budget.db
  node.artefacts/           codebooks and models, a file each
  vectors/                  made once from this node's documents
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from comitia.core.codec import digest, encode
from comitia.core.errors import ConfigurationError, StorageError
from comitia.core.ids import NodeId, node_id
from comitia.ledger.genesis import AdminSignature, Genesis, Membership, SignedGenesis
from comitia.storage.keys import NodeKeys, load_keys
from comitia.storage.record_file import RecordKind
from comitia.storage.toml_file import read_toml, write_toml

JOIN_DOMAIN: Final = b"comitia join request\x00"
GENESIS_FORMAT: Final = 1
LONGEST_KEPT: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """`node.toml`.

    name, organisation : as in the join request.
    roles : what the node does: "provider", "requester", "super-node".
    connect : the super node's endpoint to dial; empty for the one in the genesis.
    keep_models_mb : most megabytes of models that can be served again; the oldest go first.
    keep_releases_days : how long releases of documents that the node holds no more are kept.
    """

    name: str
    organisation: str
    roles: tuple[str, ...]
    connect: str = ""
    keep_models_mb: int = 1024
    keep_releases_days: int = 30

    def __post_init__(self) -> None:
        for name, value in (("keep_models_mb", self.keep_models_mb), ("keep_releases_days", self.keep_releases_days)):
            if not 0 <= value <= LONGEST_KEPT:
                raise ValueError(f"{name} is a whole number from 0 to {LONGEST_KEPT}, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What a node sends to an administrator; there is nothing secret in it.

    name, organisation, roles : who wants to join, and as what.
    signing_key, sealing_key : public keys, 32 bytes each.
    tls_request : X.509 certificate signing request, PEM.
    proof : signature by the signing key over `digest`. Without it anyone could ask in the name of a node whose public
        key stands on the ledger, for a certificate of that name with a key of his own.
    """

    name: str
    organisation: str
    roles: tuple[str, ...]
    signing_key: bytes
    sealing_key: bytes
    tls_request: bytes
    proof: bytes = b""

    @property
    def digest(self) -> bytes:
        """32 bytes that the node signs."""
        return digest(JOIN_DOMAIN + encode(replace(self, proof=b"")))

    @property
    def node(self) -> NodeId:
        return node_id(self.signing_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What an administrator sends back; there is nothing secret in it.

    genesis : the consortium.
    membership : the signed credential.
    certificate : the node's TLS certificate, PEM.
    """

    genesis: SignedGenesis
    membership: Membership
    certificate: bytes


JOIN_REQUEST: Final = RecordKind(
    cls=JoinRequest,
    name="join request",
    format=2,
    again="ask its node for it again: `comitia join`, with the same folder and options, writes it anew",
)
MEMBERSHIP: Final = RecordKind(
    cls=Approval,
    name="membership",
    format=2,
    again="ask an administrator for it again: `comitia approve`, on the same join request, writes it anew",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenesisFile:
    """`genesis.toml`. The number stands beside what is signed: it is the file's, no part of the chain's identity."""

    format: int = GENESIS_FORMAT
    genesis: Genesis
    signatures: tuple[AdminSignature, ...]


def fingerprint(data: bytes) -> str:
    """80 bits of a key's or a request's digest, for people to read out to each other."""
    shown = digest(data).hex()[:20]
    return " ".join(shown[start : start + 4] for start in range(0, len(shown), 4))


class NodeFolder:
    """One node's folder.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "node.toml"
        self.keys = path / "keys"
        self.join_request = path / "join-request.comitia"
        self.approval = path / "membership.comitia"
        self.ledger = path / "ledger.db"
        self.store = path / "node.db"
        self.budget = path / "budget.db"
        self.vectors = path / "vectors"
        self.running = path / "running.json"

    def keep_private(self) -> None:
        """Let no other user of the machine look in: vectors tell of documents, memory of what is not released yet.

        Raises
        ------
        ConfigurationError
            Code ``folder-not-private``: it is another user's.
        """
        keep_private(self.path)

    def settings(self) -> NodeSettings:
        """Read `node.toml`.

        Raises
        ------
        ConfigurationError
            `not-a-node`: there is none, so this is not a node's folder; others as `read_toml`.
        """
        if not self.settings_file.exists():
            below = [str(file.parent) for file in sorted(self.path.glob("*/node.toml"))]
            raise ConfigurationError(
                f"{self.path} is not a node's folder: there is no {self.settings_file.name} in it",
                code="not-a-node",
                hint=f"nodes below it: {', '.join(below)}" if below else "`comitia join DIR --name NAME` makes one",
                path=str(self.path),
            )
        return read_toml(self.settings_file, NodeSettings)

    def require_writable(self) -> None:
        """Refuse a folder, or a database in it, that this user cannot write, before anything is begun there.

        Raises
        ------
        StorageError
            `not-writable`, naming it.
        """
        for path in (self.path, self.ledger, self.store, self.budget):
            if path.exists() and not os.access(path, os.W_OK):
                raise StorageError(
                    f"nothing can be written to {path}",
                    code="not-writable",
                    hint="run the node as the user who owns its folder, on a disk that is not read-only",
                    path=str(path),
                )

    def load_keys(self) -> NodeKeys:
        return load_keys(self.keys)

    def load_approval(self, node: NodeId) -> Approval:
        """Read the membership of this node and check that administrators signed it.

        Raises
        ------
        ConfigurationError
            If there is none yet, it is damaged, or is for another node.
        """
        if not self.approval.exists():
            raise ConfigurationError(
                f"{self.path} has joined no consortium yet",
                code="not-approved",
                hint=f"an administrator runs `comitia approve {self.join_request}`, "
                f"and the file that it writes is put at {self.approval}",
            )
        approval = MEMBERSHIP.read(self.approval)
        approval.genesis.verify()
        approval.membership.verify(approval.genesis.genesis)
        if approval.membership.node != node:
            raise ConfigurationError(
                f"{self.approval} is the membership of another node, {approval.membership.node}",
                code="foreign-membership",
                hint="each node needs its own approval",
            )
        return approval


class ConsortiumFolder:
    """An administrator's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.genesis = path / "genesis.toml"
        self.admin_key = path / "admin" / "admin.key"
        self.authority_key = path / "admin" / "authority.key"
        self.authority = path / "admin" / "authority.pem"
        self.super_node = NodeFolder(path / "super-node")

    def load_genesis(self) -> SignedGenesis:
        """The consortium's rules.

        Raises
        ------
        ConfigurationError
            `not-a-consortium`: there are none, so this is not a consortium's folder; others as `load_genesis`.
        """
        if not self.genesis.exists():
            raise ConfigurationError(
                f"{self.path} is not a consortium's folder: there is no {self.genesis.name} in it",
                code="not-a-consortium",
                hint="name the folder that `comitia init` made with --consortium",
                path=str(self.path),
            )
        return load_genesis(self.genesis)


def load_genesis(path: Path) -> SignedGenesis:
    """Read a genesis file and check its administrators' signatures.

    Raises
    ------
    ConfigurationError
        If it is missing, damaged, or too few administrators signed it; `file-version`: a later version made it.
    """
    file = read_toml(path, GenesisFile, name="genesis", newest=GENESIS_FORMAT)
    signed = SignedGenesis(genesis=file.genesis, signatures=file.signatures)
    signed.verify()
    return signed


def write_genesis(path: Path, signed: SignedGenesis) -> None:
    """Write a genesis file; errors as `write_whole`."""
    name = signed.genesis.chain_name
    file = GenesisFile(genesis=signed.genesis, signatures=signed.signatures)
    write_toml(path, file, comment=f"The consortium {name}: every member holds a copy of this file.")


def node_folder(path: Path) -> NodeFolder:
    """The node's folder that is meant by `path`: itself, or the super node inside a consortium's folder."""
    inside = path / "super-node"
    return NodeFolder(inside if (inside / "node.toml").exists() else path)


def keep_private(folder: Path) -> None:
    """Make a folder its owner's alone, where the system has such modes; errors as `NodeFolder.keep_private`."""
    if sys.platform == "win32":
        return
    try:
        folder.chmod(folder.stat().st_mode & stat.S_IRWXU)  # what its owner may not do stays so
    except OSError as error:
        raise ConfigurationError(
            f"other users of this machine may look into {folder}: {error.strerror}",
            code="folder-not-private",
            hint="run the node as the folder's owner",
            path=str(folder),
        ) from error
